//! Results as segments: right, signed, and gone when they are not wanted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt;

use super::*;

const WANTED: &str = "x-trino-query-data-encoding";

async fn small_segments() -> House {
    let mut config = QueryConfig::default();
    config.trino.spool_segment_bytes = 256 << 10;
    config.trino.spool_inline_bytes = 1 << 10;
    House::new(config).await
}

impl House {
    async fn stored(&self) -> usize {
        let store = self.engine.lake().storage().object_store();
        let folder = object_store::path::Path::from("_spool");
        let found: Vec<_> = store.list(Some(&folder)).try_collect().await.unwrap();
        found.len()
    }

    /// The rows of a segment, checked against what the page says of it.
    async fn fetch(&self, encoding: &str, segment: &Value) -> Vec<Value> {
        let place = &segment["metadata"];
        let bytes = match segment["type"].as_str().unwrap() {
            "inline" => STANDARD.decode(segment["data"].as_str().unwrap()).unwrap(),
            _ => {
                let uri = segment["uri"].as_str().unwrap();
                let answer = self.get(uri.strip_prefix("http://h:1").unwrap()).await;
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
                answer.bytes
            }
        };
        assert_eq!(place["segmentSize"], bytes.len());
        let rows = match place["uncompressedSize"].as_u64() {
            None => bytes,
            Some(size) => {
                let size = usize::try_from(size).unwrap();
                let rows = match encoding {
                    "json+lz4" => lz4_flex::block::decompress(&bytes, size).unwrap(),
                    "json+zstd" => zstd::bulk::decompress(&bytes, size).unwrap(),
                    other => panic!("{other}"),
                };
                assert_eq!(rows.len(), size);
                rows
            }
        };
        let rows: Vec<Value> = serde_json::from_slice(&rows).unwrap();
        assert_eq!(place["rowsCount"], rows.len());
        rows
    }
}

fn segments(answers: &[Answer]) -> Vec<Value> {
    let pages = answers.iter().map(Answer::json);
    pages
        .flat_map(|page| {
            page["data"]["segments"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        })
        .collect()
}

#[tokio::test]
async fn segments_hold_all_rows_and_go_when_acknowledged() {
    let house = small_segments().await;
    let sql = format!(
        "SELECT n, CAST(n AS varchar) AS t FROM {} ORDER BY n",
        numbers(5)
    );
    for encoding in ["json", "json+lz4", "json+zstd"] {
        let wanted = format!("arrow+zstd, {encoding}, json");
        let answers = house.run(&[(WANTED, &wanted)], &sql).await;
        let last = answers.last().unwrap();
        assert_eq!(last.error_name(), None, "{}", last.text());
        assert_eq!(last.headers[WANTED], encoding);
        let segments = segments(&answers);
        assert!(segments.len() > 4);
        let mut next = 0_u64;
        for segment in &segments {
            assert_eq!(segment["metadata"]["rowOffset"], next);
            for row in house.fetch(encoding, segment).await {
                assert_eq!(row, serde_json::json!([next, next.to_string()]));
                next += 1;
            }
        }
        assert_eq!(next, 100_000);
        assert!(house.stored().await > 0);
        for segment in segments.iter().filter(|s| s["type"] == "spooled") {
            let path = |key: &str| segment[key].as_str().unwrap().replace("http://h:1", "");
            for _ in 0..2 {
                assert_eq!(house.get(&path("ackUri")).await.status, StatusCode::OK);
            }
            assert_eq!(house.get(&path("uri")).await.status, StatusCode::GONE);
        }
        assert_eq!(
            (
                house.stored().await,
                house.door.spool.as_ref().unwrap().live_count()
            ),
            (0, 0)
        );
    }
}

#[tokio::test]
async fn small_results_and_updates_need_no_segment() {
    let house = House::start().await;
    let wanted = [(WANTED, "json+zstd")];
    let answers = house.run(&wanted, "SELECT 1, 'a'").await;
    let [segment] = segments(&answers).try_into().unwrap();
    assert_eq!(segment["type"], "inline");
    assert_eq!(
        house.fetch("json", &segment).await,
        [serde_json::json!([1, "a"])]
    );
    let answers = house.run(&wanted, "CREATE SCHEMA lake.s").await;
    assert_eq!(
        answers.last().unwrap().json()["updateType"],
        "CREATE SCHEMA"
    );
    house
        .run(&wanted, "CREATE TABLE lake.s.t AS SELECT 1 AS x")
        .await;
    let answers = house.run(&wanted, "INSERT INTO lake.s.t VALUES 2, 3").await;
    let last = answers.last().unwrap().json();
    if last["error"].is_null() {
        assert_eq!(
            (&last["updateCount"], &last["data"]),
            (&serde_json::json!(2), &serde_json::json!([[2]]))
        );
    }
    // Presto's clients do not know segments, and those of an address that nobody gave out get none.
    let presto = [
        ("x-presto-user", "u"),
        ("x-presto-query-data-encoding", "json"),
    ];
    assert_eq!(
        house.rows(&presto, "SELECT 1").await,
        [serde_json::json!([1])]
    );
    for (uri, status) in [
        ("/v1/spooled/download/xyz", StatusCode::FORBIDDEN),
        ("/v1/spooled/ack/xyz", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(house.get(uri).await.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_query_leaves_no_segment() {
    let house = small_segments().await;
    let big = numbers(5);
    let sql = format!("SELECT l.n, r.n FROM {big} l CROSS JOIN {big} r");
    let headers = [("x-trino-user", "u"), (WANTED, "json+lz4")];
    let mut answer = house.ask("POST", "/v1/statement", &headers, &sql).await;
    while house.stored().await < 2 {
        answer = house.get(&answer.next().unwrap()).await;
    }
    house.send("DELETE", &answer.next().unwrap(), "").await;
    house.door.spool.as_ref().unwrap();
    // The sweeper stays; the query's own work does not.
    let deadline = Instant::now() + Duration::from_secs(10);
    while house.stored().await > 0 || house.engine.registry().task_count() > 1 {
        assert!(
            Instant::now() < deadline,
            "{} segments",
            house.stored().await
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn segments_expire_and_end_with_the_process() {
    let mut config = QueryConfig::default();
    config.trino.spool_inline_bytes = 0;
    config.trino.spool_expiry = Duration::from_secs(1);
    let house = House::new(config).await;
    let answers = house.run(&[(WANTED, "json")], "SELECT 1").await;
    let [segment] = segments(&answers).try_into().unwrap();
    assert_eq!(house.stored().await, 1);
    let deadline = Instant::now() + Duration::from_secs(10);
    while house.stored().await > 0 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let uri = segment["uri"].as_str().unwrap().replace("http://h:1", "");
    assert_eq!(house.get(&uri).await.status, StatusCode::GONE);
    house.run(&[(WANTED, "json")], "SELECT 1").await;
    house.engine.registry().shutdown().await;
    assert_eq!(house.stored().await, 0);
}
