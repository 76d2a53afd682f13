//! Queues, limits, and what is left behind.

use super::*;
use crate::registry::QueryId;

/// Queries that wait for as long as their rows are not wanted.
fn endless() -> String {
    let big = numbers(5);
    format!("SELECT l.n FROM {big} l CROSS JOIN {big} r")
}

fn config(change: impl FnOnce(&mut QueryConfig)) -> QueryConfig {
    let mut config = QueryConfig::default();
    change(&mut config);
    config
}

#[tokio::test]
async fn ten_thousand_statements_meet_a_full_queue() {
    let house = House::new(config(|c| c.max_queued_queries = 500)).await;
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..10_000 {
        let answer = house.send("POST", "/v1/statement", "SELECT 1").await;
        assert_eq!(answer.status, StatusCode::OK);
        match answer.error_name().as_deref() {
            None => taken += 1,
            Some("QUERY_QUEUE_FULL") => {
                refused += 1;
                let error = &answer.json()["error"];
                assert_eq!(error["errorCode"], 131_074);
                assert_eq!(error["errorType"], "INSUFFICIENT_RESOURCES");
                assert!(answer.json()["stats"].is_object() && answer.json()["id"].is_string());
            }
            Some(other) => panic!("{other}"),
        }
        assert!(house.engine.registry().list().len() <= 500);
    }
    assert_eq!((taken, refused), (500, 9_500));
}

#[tokio::test]
async fn statements_that_nobody_polls_leave_the_queue() {
    let house = House::new(config(|c| {
        c.max_queued_queries = 20;
        c.client_timeout = Duration::from_millis(100);
    }))
    .await;
    for _ in 0..20 {
        house.send("POST", "/v1/statement", "SELECT 1").await;
    }
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(house.rows(&[], "SELECT 1").await.len(), 1);
    assert!(house.engine.registry().list().len() <= 1);
    house.settled().await;
}

#[tokio::test]
async fn ended_queries_are_forgotten_when_there_are_many() {
    let house = House::new(config(|c| c.max_remembered_queries = 5)).await;
    for _ in 0..30 {
        house.rows(&[], "SELECT 1").await;
    }
    let listed = house.engine.registry().list();
    assert!(listed.len() <= 6, "{}", listed.len());
}

#[tokio::test]
async fn a_query_waits_for_its_turn() {
    let house = House::new(config(|c| c.max_running_queries = 1)).await;
    let first = house.send("POST", "/v1/statement", &endless()).await;
    let first = house.get(&first.next().unwrap()).await.next().unwrap();
    assert!(first.contains("/executing/"), "{first}");
    let second = house.send("POST", "/v1/statement", "SELECT 1").await;
    let second = house.get(&second.next().unwrap()).await;
    assert_eq!(second.json()["stats"]["state"], "QUEUED");
    assert!(second.next().unwrap().contains("/queued/"));
    assert_eq!(house.engine.registry().count_by_state()["QUEUED"], 1);
    assert_eq!(
        house.send("DELETE", &first, "").await.status,
        StatusCode::NO_CONTENT
    );
    let mut answer = second;
    while let Some(next) = answer.next() {
        answer = house.get(&next).await;
    }
    assert_eq!(answer.json()["data"], serde_json::json!([[1]]));
    house.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn session_properties_limit_the_time() {
    let house = House::start().await;
    let big = numbers(5);
    let sql = format!("SELECT count(*) FROM {big} l JOIN {big} r ON l.n * r.n % 1000003 = 1000004");
    for (property, what) in [
        ("query_max_run_time", "run time"),
        ("query_max_execution_time", "execution time"),
    ] {
        let session = format!("{property}=0.4s");
        let started = Instant::now();
        let answers = house.run(&[("x-trino-session", &session)], &sql).await;
        let error = &answers.last().unwrap().json()["error"];
        assert_eq!(error["errorName"], "EXCEEDED_TIME_LIMIT", "{error}");
        assert_eq!(
            error["message"],
            format!("Query exceeded the maximum {what} limit of 0.40s")
        );
        assert!(started.elapsed() < Duration::from_secs(5));
        house.settled().await;
    }
    let answers = house
        .run(&[("x-trino-session", "query_max_run_time=abc")], "SELECT 1")
        .await;
    let last = answers.last().unwrap();
    assert_eq!(
        last.error_name().as_deref(),
        Some("INVALID_SESSION_PROPERTY")
    );
    let answers = house
        .run(&[], "SET SESSION query_max_run_time = 'soon'")
        .await;
    assert_eq!(
        answers.last().unwrap().error_name().as_deref(),
        Some("INVALID_SESSION_PROPERTY")
    );
}

#[tokio::test]
async fn a_client_that_stays_away_loses_its_query() {
    let house = House::new(config(|c| c.client_timeout = Duration::from_millis(200))).await;
    // One that never polls.
    let never = house.send("POST", "/v1/statement", "SELECT 1").await;
    // One that goes away with pages unread.
    let gone = house.send("POST", "/v1/statement", &endless()).await;
    let gone = house.get(&gone.next().unwrap()).await.next().unwrap();
    house.get(&gone).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    house.settled().await;
    let listed = house.engine.registry().list();
    let codes: Vec<_> = listed
        .iter()
        .filter_map(|q| Some(q.error()?.name))
        .collect();
    assert_eq!(codes, ["ABANDONED_QUERY"]);
    house.rows(&[], "SELECT 1").await;
    let answer = house.get(&never.next().unwrap()).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_client_that_disconnects_mid_page_can_come_back() {
    let house = House::start().await;
    let answer = house.send("POST", "/v1/statement", &endless()).await;
    let first = house.get(&answer.next().unwrap()).await.next().unwrap();
    let interrupted = tokio::time::timeout(Duration::from_millis(1), house.get(&first)).await;
    drop(interrupted);
    let page = house.get(&first).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.bytes, house.get(&first).await.bytes);
    house.send("DELETE", &page.next().unwrap(), "").await;
    house.settled().await;
}

#[tokio::test]
async fn an_administrator_ends_a_query() {
    let house = House::start().await;
    let registry = house.engine.registry();
    let answer = house.send("POST", "/v1/statement", &endless()).await;
    let id = QueryId::from(answer.json()["id"].as_str().unwrap());
    let page = house.get(&answer.next().unwrap()).await;
    registry.kill(&id, Some("too slow")).unwrap();
    let page = house.get(&page.next().unwrap()).await;
    let error = &page.json()["error"];
    assert_eq!(error["errorName"], "ADMINISTRATIVELY_KILLED");
    assert_eq!(error["message"], "Query killed. Message: too slow");
    assert!(registry.kill(&id, None).is_err());
    let unknown = registry.kill(&QueryId::from("nope"), None).unwrap_err();
    assert_eq!(unknown.to_string(), "Target query not found: nope");
    let uri = format!("/v1/query/{id}/killed");
    assert_eq!(
        house.send("PUT", &uri, "").await.status,
        StatusCode::CONFLICT
    );
    house.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sorting_more_than_memory_spills_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let files = || {
        let mut folders = vec![folder.path().to_owned()];
        let mut count = 0;
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => count += 1,
                }
            }
        }
        count
    };
    let sort = format!(
        "SELECT n, max(t) FROM (SELECT n, CAST(n AS varchar) || 'padding padding padding' AS t, row_number() OVER (ORDER BY n * 7919 % 1000003) AS r FROM {}) GROUP BY n ORDER BY n LIMIT 1",
        numbers(6)
    );
    let spilling = |limit: u64| {
        let dir = folder.path().to_owned();
        config(move |c| {
            c.memory_limit_bytes = 16 << 20;
            c.target_partitions = 2;
            c.spill_dir = dir;
            c.spill_limit_bytes = limit;
        })
    };
    let house = House::new(spilling(1 << 30)).await;
    let answers = house.run(&[], &sort).await;
    let last = answers.last().unwrap().json();
    assert_eq!(
        last["data"][0],
        serde_json::json!([0, "0padding padding padding"])
    );
    assert_eq!(files(), 0);
    let used = |name: &str| last["stats"][name].as_u64().unwrap();
    assert!(used("spilledBytes") > 0);
    assert!((1 << 20..=16 << 20).contains(&used("peakMemoryBytes")));
    let held = || house.engine.registry().list()[0].stats.work.memory_bytes;
    let patience = Instant::now() + Duration::from_secs(10);
    while held() > 0 {
        assert!(Instant::now() < patience, "{} bytes are held", held());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let house = House::new(spilling(1 << 10)).await;
    let answers = house.run(&[], &sort).await;
    let name = answers.last().unwrap().error_name();
    assert_eq!(name.as_deref(), Some("EXCEEDED_SPILL_LIMIT"));
    house.settled().await;
    assert_eq!(files(), 0);
    // A hash table cannot be put aside: the join is done by merging.
    let join = |digits| {
        let big = numbers(digits);
        format!("SELECT count(*) FROM {big} l JOIN {big} r ON l.n = r.n")
    };
    let house = House::new(spilling(1 << 30)).await;
    let rows = house.rows(&[], &join(6)).await;
    assert_eq!(rows, [serde_json::json!([1_000_000])]);
    let rows = house
        .rows(&[], &format!("EXPLAIN ANALYZE {}", join(6)))
        .await;
    let plan = rows[0][0].as_str().unwrap();
    assert!(plan.contains("SortMergeJoin"), "{plan}");
    assert_eq!(files(), 0);
    let house = House::new(config(|c| c.memory_limit_bytes = 100 << 10)).await;
    let answers = house.run(&[], &join(5)).await;
    let name = answers.last().unwrap().error_name();
    assert_eq!(name.as_deref(), Some("EXCEEDED_LOCAL_MEMORY_LIMIT"));
}

#[tokio::test]
async fn what_a_query_reads_is_counted() {
    let house = House::start().await;
    house.rows(&[], "CREATE SCHEMA lake.s").await;
    let fill = format!("CREATE TABLE lake.s.t AS SELECT n FROM {}", numbers(3));
    house.rows(&[], &fill).await;
    let answers = house.run(&[], "SELECT sum(n) FROM lake.s.t").await;
    let last = answers.last().unwrap().json();
    assert_eq!(last["stats"]["processedRows"], 1000);
    assert!(last["stats"]["physicalInputBytes"].as_u64().unwrap() > 0);
    let tasks = "SELECT raw_input_rows FROM system.runtime.tasks WHERE raw_input_rows = 1000";
    assert_eq!(house.rows(&[], tasks).await.len(), 1);
}

#[tokio::test]
async fn a_statement_that_is_too_long_is_refused_with_its_length() {
    let house = House::new(config(|c| c.trino.max_statement_bytes = 1000)).await;
    let sql = format!("SELECT '{}'", "x".repeat(1000));
    let answer = house.send("POST", "/v1/statement", &sql).await;
    assert_eq!(answer.status, StatusCode::OK);
    let error = &answer.json()["error"];
    assert_eq!(error["errorName"], "QUERY_TEXT_TOO_LARGE");
    assert_eq!(
        error["message"],
        "Query text length (1009) exceeds the maximum length (1000)"
    );
    assert_eq!(house.engine.registry().list().len(), 0);
}

#[tokio::test]
async fn after_shutdown_statements_are_asked_to_come_later() {
    let house = House::start().await;
    let answer = house.send("POST", "/v1/statement", &endless()).await;
    let page = house.get(&answer.next().unwrap()).await;
    house.engine.registry().shutdown().await;
    let answer = house.send("POST", "/v1/statement", "SELECT 1").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "1");
    let page = house.get(&page.next().unwrap()).await;
    assert_eq!(page.error_name().as_deref(), Some("USER_CANCELED"));
}

#[tokio::test]
async fn summaries_say_when_and_why() {
    let house = House::start().await;
    house.rows(&[("x-trino-source", "s")], "SELECT 1").await;
    house.run(&[], "SELECT nope").await;
    let [good, bad] = house.engine.registry().list().try_into().unwrap();
    assert_eq!(
        (good.user.as_str(), good.source.as_deref()),
        ("u", Some("s"))
    );
    assert_eq!(good.stats.state.name(), "FINISHED");
    let (started, ended) = (good.started.unwrap(), good.ended.unwrap());
    assert!(good.created <= started && started <= ended && ended <= good.last_heartbeat);
    assert!(good.error().is_none());
    let error = bad.error().unwrap();
    assert_eq!((error.code, error.kind), (47, "USER_ERROR"));
}
