//! A cancelled query stops: no task of it is left, wherever it was.

use super::*;

/// What goes on for so long after it was cancelled does not stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `sql` on a runtime of its own, cancels it, and returns how long its tasks went on.
fn stops_after(sql: &str) -> Duration {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let house = runtime.block_on(House::start());
    let workers = house.engine.workers().handle().metrics();
    let next = runtime.block_on(async {
        let answer = house.send("POST", "/v1/statement", sql).await;
        let next = house.get(&answer.next().unwrap()).await.next().unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
        next
    });
    assert!(workers.num_alive_tasks() > 0, "it is at work: {sql}");
    let cancelled = Instant::now();
    let answer = runtime.block_on(house.send("DELETE", &next, ""));
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    while workers.num_alive_tasks() > 0 {
        assert!(cancelled.elapsed() < PATIENCE, "{sql}");
        #[expect(clippy::disallowed_methods, reason = "no runtime is entered here")]
        std::thread::sleep(Duration::from_millis(1));
    }
    let after = cancelled.elapsed();
    let page = runtime.block_on(house.get(&next));
    assert_eq!(page.error_name().as_deref(), Some("USER_CANCELED"));
    runtime.block_on(house.settled());
    after
}

#[test]
fn a_cancelled_query_stops_wherever_it_is() {
    let big = numbers(5);
    let bigger = numbers(7);
    let cases = [
        (
            "nested loop without a match",
            format!("SELECT count(*) FROM {big} l JOIN {big} r ON l.n * r.n % 1000003 = 1000004"),
        ),
        (
            "aggregation of a cross join",
            format!("SELECT sum(l.n * r.n % 7) FROM {big} l CROSS JOIN {big} r"),
        ),
        (
            "sort",
            format!("SELECT n FROM {bigger} ORDER BY n * 7919 % 1000003, n"),
        ),
        (
            "many groups",
            format!("SELECT n * 7919 % 10000019 AS k, count(*) FROM {bigger} GROUP BY 1"),
        ),
        (
            "hash join with many matches",
            format!(
                "SELECT count(*) FROM {big} l JOIN {big} r ON l.n % 10 = r.n % 10 AND l.n + r.n < 0"
            ),
        ),
        (
            "window",
            format!(
                "SELECT max(r) FROM (SELECT sum(n) OVER (PARTITION BY n % 10 ORDER BY n) AS r FROM {bigger})"
            ),
        ),
    ];
    // `infra/bench/bench_trino.py cancel` measures how soon.
    for (name, sql) in cases {
        println!("{name}: stopped after {:?}", stops_after(&sql));
    }
}
