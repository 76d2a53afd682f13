use super::*;

fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

#[test]
fn the_base_url_is_what_the_client_sees() {
    let host = ("host", "inside:8080");
    for (pairs, url) in [
        (vec![host], "http://inside:8080"),
        (
            vec![host, ("x-forwarded-proto", "https")],
            "https://inside:8080",
        ),
        (
            vec![
                host,
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "out.example, proxy"),
                ("x-forwarded-port", "443"),
            ],
            "https://out.example",
        ),
        (
            vec![
                host,
                ("x-forwarded-host", "out"),
                ("x-forwarded-port", "81"),
            ],
            "http://out:81",
        ),
        (
            vec![
                host,
                (
                    "forwarded",
                    "for=1.2.3.4;proto=https;host=\"a.example:8443\"",
                ),
                ("x-forwarded-host", "b"),
            ],
            "https://a.example:8443",
        ),
        (
            vec![host, ("x-forwarded-prefix", "/sql/lake/")],
            "http://inside:8080/sql/lake",
        ),
        (
            vec![host, ("x-forwarded-prefix", "/\"<x>")],
            "http://inside:8080",
        ),
        (
            vec![host, ("x-forwarded-proto", "javascript")],
            "http://inside:8080",
        ),
        (vec![], "http://localhost"),
    ] {
        assert_eq!(base_url(&map(&pairs)), url, "{pairs:?}");
    }
}

#[test]
fn sessions_are_read_from_repeated_headers_and_lists() {
    let headers = map(&[
        ("x-trino-user", "ann"),
        ("x-trino-source", "test"),
        ("x-trino-catalog", "Lake"),
        ("x-trino-session", "a=1,b=x%2Cy+z"),
        ("x-trino-session", "a=2"),
        ("x-trino-session", ""),
        ("x-trino-role", "system=ROLE%7Badmin%7D"),
        ("x-trino-extra-credential", "k=v,l=w"),
        ("x-trino-client-capabilities", "PATH, parametric_datetime"),
        ("x-trino-query-data-encoding", "json+zstd,json"),
    ]);
    let client = read(&headers, &TrinoConfig::default()).unwrap();
    assert_eq!(client.session.properties["a"], "2");
    assert_eq!(client.session.properties["b"], "x,y z");
    assert_eq!(client.session.catalog.as_deref(), Some("lake"));
    assert!(client.has_parametric_datetime);
    assert_eq!(client.data_encoding.as_deref(), Some("json+zstd,json"));
}

#[test]
fn passwords_need_tls_or_leave() {
    // ann:secret, and ann without a password.
    let (secret, none) = ("Basic YW5uOnNlY3JldA==", "Basic YW5uOg==");
    let read = |pairs: &[(&'static str, &str)], config: &TrinoConfig| {
        read(&map(pairs), config).map(|client| client.session.user)
    };
    let strict = TrinoConfig::default();
    let lax = TrinoConfig {
        allow_insecure_passwords: true,
        ..TrinoConfig::default()
    };
    let refused = read(&[("authorization", secret)], &strict).unwrap_err();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(
        refused
            .message
            .starts_with("Password not allowed for insecure authentication")
    );
    assert_eq!(read(&[("authorization", secret)], &lax).unwrap(), "ann");
    let tls = ("x-forwarded-proto", "https");
    assert_eq!(
        read(&[("authorization", secret), tls], &strict).unwrap(),
        "ann"
    );
    let other = read(
        &[("authorization", secret), tls, ("x-trino-user", "bob")],
        &strict,
    );
    assert_eq!(other.unwrap_err().status, StatusCode::FORBIDDEN);
    assert_eq!(read(&[("authorization", none)], &strict).unwrap(), "ann");
    let token = [("authorization", "Bearer abc"), ("x-presto-user", "eve")];
    assert_eq!(read(&token, &strict).unwrap(), "eve");
    let malformed = read(&[("authorization", "Basic %%%")], &strict);
    assert_eq!(malformed.unwrap_err().status, StatusCode::UNAUTHORIZED);
}

#[test]
fn long_statements_are_packed_and_bombs_are_not_unpacked() {
    let sql = format!("SELECT '{}'", "abc, ".repeat(10_000));
    let packed = prepared::pack(&sql);
    assert!(packed.starts_with("$zstd:") && packed.len() < 1000);
    assert_eq!(prepared::unpack(&packed).unwrap(), sql);
    assert_eq!(prepared::pack("SELECT 1"), "SELECT 1");
    let bomb = prepared::pack(&"x".repeat(20 << 20));
    assert!(prepared::unpack(&bomb).is_err());
    for damaged in ["$zstd:", "$zstd:!", "$zstd:AAAA"] {
        assert!(prepared::unpack(damaged).is_err(), "{damaged}");
    }
}

#[test]
fn effects_are_encoded_so_that_lists_can_be_split() {
    let mut headers = HeaderMap::new();
    let effects = [
        SessionEffect::SetProperty("a".to_owned(), "x, y".to_owned()),
        SessionEffect::SetSchema("odd name".to_owned()),
        SessionEffect::ResetProperty("b".to_owned()),
        SessionEffect::EndTransaction,
    ];
    write(&mut headers, Prefix::Presto, &effects);
    assert_eq!(headers["x-presto-set-session"], "a=x%2C%20y");
    assert_eq!(headers["x-presto-set-schema"], "odd%20name");
    assert_eq!(headers["x-presto-clear-session"], "b");
    assert_eq!(headers["x-presto-clear-transaction-id"], "true");
}
