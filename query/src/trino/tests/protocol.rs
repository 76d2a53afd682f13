//! The protocol's rules, one by one.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::*;

#[test]
fn signatures_carry_their_arguments() {
    let style = model::TypeStyle {
        has_parametric_datetime: true,
        prefix: headers::Prefix::Trino,
    };
    let field = Field::new("x", DataType::Timestamp(TimeUnit::Microsecond, None), true);
    let columns = model::columns(&Arc::new(Schema::new(vec![field])), style);
    assert_eq!(columns[0]["type"], "timestamp(6)");
    assert_eq!(columns[0]["typeSignature"]["arguments"][0]["value"], 6);
}

#[test]
fn syntax_errors_name_their_place() {
    let error = crate::Error::Syntax {
        message:
            "sql parser error: Expected: an SQL statement, found: SELEKT at Line: 1, Column: 1"
                .to_owned(),
    };
    let error = TrinoError::of(&error);
    assert_eq!((error.code, error.name), (1, "SYNTAX_ERROR"));
    assert_eq!(
        error.message,
        "line 1:1: mismatched input 'SELEKT'. Expecting: an SQL statement"
    );
}

#[test]
fn old_presto_clients_get_the_keys_they_know() {
    let style = model::TypeStyle {
        has_parametric_datetime: false,
        prefix: headers::Prefix::Presto,
    };
    let item = Field::new(
        "item",
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        true,
    );
    let fields = vec![
        Field::new("a", DataType::List(Arc::new(item)), true),
        Field::new(
            "r",
            DataType::Struct(vec![Field::new("c0", DataType::Utf8, true)].into()),
            true,
        ),
        Field::new(
            "s",
            DataType::Struct(vec![Field::new("Big X", DataType::Int8, true)].into()),
            true,
        ),
        Field::new("d", DataType::Decimal128(10, 2), true),
    ];
    let columns = model::columns(&Arc::new(Schema::new(fields)), style);
    let types: Vec<&str> = (0..4)
        .map(|i| columns[i]["type"].as_str().unwrap())
        .collect();
    let expected = [
        "array(timestamp with time zone)",
        "row(varchar)",
        "row(\"Big X\" tinyint)",
        "decimal(10,2)",
    ];
    assert_eq!(types, expected);
    let signature = &columns[0]["typeSignature"];
    assert_eq!(signature["typeArguments"], serde_json::json!([]));
    assert_eq!(signature["arguments"][0]["kind"], "TYPE_SIGNATURE");
    assert_eq!(
        signature["arguments"][0]["value"]["arguments"],
        serde_json::json!([])
    );
    let named = &columns[1]["typeSignature"]["arguments"][0];
    assert_eq!(named["kind"], "NAMED_TYPE_SIGNATURE");
    assert!(named["value"].get("fieldName").is_none());
    assert_eq!(columns[3]["typeSignature"]["arguments"][1]["value"], 2);
}

#[tokio::test]
async fn a_page_is_served_again_and_an_older_one_is_gone() {
    let house = House::start().await;
    let answer = house.send("POST", "/v1/statement", "SELECT 1 AS x").await;
    assert_eq!(answer.status, StatusCode::OK);
    let document = answer.json();
    assert!(document.get("columns").is_none() && document.get("data").is_none());
    assert_eq!(document["stats"]["state"], "QUEUED");
    assert_eq!(
        house.engine.registry().task_count(),
        0,
        "nothing runs before the first poll"
    );
    let queued = answer.next().unwrap();
    let first = house.get(&queued).await.next().unwrap();
    assert_eq!(house.get(&queued).await.status, StatusCode::OK);
    assert_eq!(
        house.get(&queued.replace("/1", "/5")).await.status,
        StatusCode::GONE
    );
    let page = house.get(&first).await;
    assert_eq!(page.bytes, house.get(&first).await.bytes);
    assert_eq!(page.json()["data"], serde_json::json!([[1]]));
    assert_eq!(page.json()["columns"][0]["name"], "x");
    let future = first.strip_suffix('0').unwrap().to_owned() + "70";
    for unknown in [future, first.replace("/y", "/z")] {
        assert_eq!(house.get(&unknown).await.status, StatusCode::NOT_FOUND);
    }
    let head = house.send("HEAD", &first, "").await;
    assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));
    assert_eq!(
        house.send("DELETE", &first, "").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        house.engine.registry().list()[0].stats.state.name(),
        "FINISHED"
    );
}

#[tokio::test]
async fn pages_follow_each_other_and_older_ones_are_gone() {
    let mut config = QueryConfig::default();
    config.trino.page_bytes = 100_000;
    let house = House::new(config).await;
    let answers = house
        .run(&[], &format!("SELECT n FROM {}", numbers(5)))
        .await;
    let rows: usize = answers
        .iter()
        .map(|a| a.json()["data"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(rows, 100_000);
    assert!(answers.len() > 6);
    let second = answers[2].next().unwrap();
    assert_eq!(house.get(&second).await.status, StatusCode::GONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_cancel_says_so() {
    let house = House::start().await;
    let big = numbers(5);
    let sql = format!("SELECT sum(l.n * r.n % 7) FROM {big} l CROSS JOIN {big} r");
    let queued = house
        .send("POST", "/v1/statement", "SELECT 1")
        .await
        .next()
        .unwrap();
    assert_eq!(
        house.send("DELETE", &queued, "").await.status,
        StatusCode::NO_CONTENT
    );
    let answer = house.get(&queued).await;
    let answer = house.get(&answer.next().unwrap()).await;
    assert_eq!(answer.error_name().as_deref(), Some("USER_CANCELED"));
    for way in ["query", "page", "stage"] {
        let answer = house.send("POST", "/v1/statement", &sql).await;
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        let page = house.get(&answer.next().unwrap()).await;
        let page = house.get(&page.next().unwrap()).await;
        let uri = match way {
            "query" => format!("/v1/query/{id}"),
            "page" => page.next().unwrap(),
            _ => page.json()["partialCancelUri"]
                .as_str()
                .unwrap()
                .replace("http://h:1", ""),
        };
        assert_eq!(
            house.send("DELETE", &uri, "").await.status,
            StatusCode::NO_CONTENT
        );
        let last = house.get(&page.next().unwrap()).await;
        assert_eq!(last.error_name().as_deref(), Some("USER_CANCELED"), "{way}");
        assert!(last.next().is_none());
        let error = &last.json()["error"];
        assert!(error["failureInfo"]["stack"].is_array() && error["errorType"] == "USER_ERROR");
    }
    house.settled().await;
}

#[tokio::test]
async fn requests_without_user_or_text_are_refused() {
    let house = House::start().await;
    for method in ["POST", "HEAD"] {
        let answer = house.ask(method, "/v1/statement", &[], "SELECT 1").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.headers["www-authenticate"], "Basic realm=\"Trino\"");
    }
    let both = [("x-trino-user", "u"), ("x-presto-source", "s")];
    for (headers, body) in [(&[("x-trino-user", "u")][..], " "), (&both[..], "SELECT 1")] {
        let answer = house.ask("POST", "/v1/statement", headers, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
    for (name, value) in [
        ("session", "abc"),
        ("prepared-statement", "abc"),
        ("role", "abc"),
        ("prepared-statement", "p=$zstd:xx"),
    ] {
        let name = format!("x-trino-{name}");
        let answer = house
            .ask(
                "POST",
                "/v1/statement",
                &[("x-trino-user", "u"), (&name, value)],
                "SELECT 1",
            )
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}: {value}");
        assert!(
            answer.text().starts_with("Invalid X-Trino-"),
            "{}",
            answer.text()
        );
    }
    assert_eq!(
        house.send("HEAD", "/v1/statement", "").await.status,
        StatusCode::OK
    );
    for uri in [
        "/v1/info",
        "/v1/info/state",
        "/v1/info/coordinator",
        "/v1/status",
        "/v1/query",
    ] {
        assert_eq!(house.get(uri).await.status, StatusCode::OK, "{uri}");
    }
    assert_eq!(house.get("/v1/query/nope").await.status, StatusCode::GONE);
}

#[tokio::test]
async fn statements_without_rows_have_columns_and_a_type() {
    let house = House::start().await;
    let answers = house.run(&[], "CREATE SCHEMA lake.s").await;
    let last = answers.last().unwrap().json();
    assert_eq!(
        (&last["columns"], &last["updateType"]),
        (&serde_json::json!([]), &serde_json::json!("CREATE SCHEMA"))
    );
    assert!(last.get("data").is_none() && last.get("updateCount").is_none());
    let answers = house
        .run(&[], "CREATE TABLE lake.s.t AS SELECT 1 AS x")
        .await;
    let last = answers.last().unwrap().json();
    assert_eq!(
        (&last["updateCount"], &last["data"]),
        (&serde_json::json!(1), &serde_json::json!([[1]]))
    );
    assert_eq!(last["columns"][0]["name"], "rows");
    let answers = house.run(&[], "USE lake.s").await;
    let headers = &answers.last().unwrap().headers;
    assert_eq!(headers["x-trino-set-catalog"], "lake");
    assert_eq!(headers["x-trino-set-schema"], "s");
    let answers = house
        .run(
            &[("x-presto-user", "u")],
            "SET SESSION query_max_run_time = '1h'",
        )
        .await;
    assert_eq!(
        answers.last().unwrap().headers["x-presto-set-session"],
        "query_max_run_time=1h"
    );
}

#[tokio::test]
async fn prepared_statements_travel_in_headers_however_long() {
    let house = House::start().await;
    // As Go's client does: no PREPARE before.
    let header = [(
        "x-trino-prepared-statement",
        "_trino_go=SELECT%20%3F%20AS+x",
    )];
    assert_eq!(
        house.rows(&header, "EXECUTE _trino_go USING 7").await,
        [serde_json::json!([7])]
    );
    let text = format!("SELECT '{}', ?", "a, b ".repeat(2000));
    let answers = house.run(&[], &format!("PREPARE p FROM {text}")).await;
    let added = answers.last().unwrap().headers["x-trino-added-prepare"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        added.starts_with("p=%24zstd%3A") && added.len() < 1000,
        "{added}"
    );
    let rows = house
        .rows(
            &[("x-trino-prepared-statement", &added)],
            "EXECUTE p USING 5",
        )
        .await;
    assert_eq!(rows[0][1], 5);
    let answers = house.run(&[], "EXECUTE nope").await;
    assert_eq!(
        answers.last().unwrap().error_name().as_deref(),
        Some("NOT_FOUND")
    );
}

#[tokio::test]
async fn a_real_socket_takes_long_headers_and_refuses_endless_ones() {
    let house = House::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/statement", listener.local_addr().unwrap());
    let router = house.router.clone();
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let client = reqwest::Client::new();
    let post = |bytes: usize| {
        let value = format!("p={}", "x".repeat(bytes));
        let request = client
            .post(&url)
            .header("X-Trino-User", "u")
            .body("SELECT 1");
        request.header("X-Trino-Prepared-Statement", value).send()
    };
    assert_eq!(post(200 << 10).await.unwrap().status(), 200);
    // Either told, or cut off; never taken.
    if let Ok(answer) = post(4 << 20).await {
        assert_eq!(answer.status(), 431);
    }
    let chunks = futures::stream::iter(["SEL", "ECT 1"].map(Ok::<_, std::io::Error>));
    let answer = client
        .post(&url)
        .header("X-Trino-User", "u")
        .body(reqwest::Body::wrap_stream(chunks))
        .send()
        .await;
    assert_eq!(answer.unwrap().status(), 200);
    serving.shutdown().await;
}

#[tokio::test]
async fn large_pages_are_compressed_for_those_who_ask() {
    let house = House::start().await;
    let sql = format!("SELECT n FROM {} ORDER BY n", numbers(5));
    let answer = house.send("POST", "/v1/statement", &sql).await;
    let next = house.get(&answer.next().unwrap()).await.next().unwrap();
    let mut page = house.get(&next).await;
    while page.json().get("data").is_none() {
        page = house.get(&page.next().unwrap()).await;
    }
    let same = format!(
        "{}{}",
        next.trim_end_matches('0'),
        page.next()
            .map_or(0, |n| n.rsplit('/').next().unwrap().parse::<u64>().unwrap()
                - 1)
    );
    let packed = house
        .ask("GET", &same, &[("accept-encoding", "gzip, deflate")], "")
        .await;
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert!(packed.bytes.len() * 2 < page.bytes.len());
}
