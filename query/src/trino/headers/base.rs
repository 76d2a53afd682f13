//! Under which URL the client reaches us.

use axum::http::HeaderMap;

fn first<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let first = headers.get(name)?.to_str().ok()?.split(',').next()?.trim();
    (!first.is_empty()).then_some(first)
}

/// Returns a part of RFC 7239's header.
fn forwarded(headers: &HeaderMap, key: &str) -> Option<String> {
    first(headers, "forwarded")?.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case(key);
        is_it.then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn scheme(headers: &HeaderMap) -> String {
    let scheme = forwarded(headers, "proto")
        .or_else(|| first(headers, "x-forwarded-proto").map(str::to_owned));
    match scheme {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https".to_owned(),
        _ => "http".to_owned(),
    }
}

/// Returns whether the client has come through TLS, as the proxy before us says.
pub(super) fn is_https(headers: &HeaderMap) -> bool {
    scheme(headers) == "https"
}

/// Returns the base URL, without a slash at its end.
pub(in crate::trino) fn base_url(headers: &HeaderMap) -> String {
    let scheme = scheme(headers);
    let mut host = forwarded(headers, "host")
        .or_else(|| first(headers, "x-forwarded-host").map(str::to_owned))
        .or_else(|| first(headers, "host").map(str::to_owned))
        .unwrap_or_else(|| "localhost".to_owned());
    if let Some(port) = first(headers, "x-forwarded-port")
        && first(headers, "forwarded").is_none()
    {
        host = with_port(&host, port, &scheme);
    }
    format!("{scheme}://{host}{}", prefix(headers))
}

fn with_port(host: &str, port: &str, scheme: &str) -> String {
    let bare = match host.rsplit_once(':') {
        Some((name, digits)) if digits.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    match (scheme, port) {
        ("https", "443") | ("http", "80") => bare.to_owned(),
        _ => format!("{bare}:{port}"),
    }
}

/// Returns the path that a proxy has taken off before it passed the request on.
fn prefix(headers: &HeaderMap) -> String {
    let Some(prefix) = first(headers, "x-forwarded-prefix") else {
        return String::new();
    };
    let prefix = prefix.trim_matches('/');
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/-_.~%".contains(c);
    if prefix.is_empty() || !prefix.chars().all(is_path) {
        return String::new();
    }
    format!("/{prefix}")
}
