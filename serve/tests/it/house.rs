//! `up`: the flights are there, and every door answers.

use std::process::Command;

use crate::sandbox::{FLIGHTS, Sandbox, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn the_year_is_loaded_once_and_every_door_answers() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start_on(dir.path()).await;
    sandbox.all_flights().await;
    let distinct = "SELECT count(*) FROM (SELECT DISTINCT * FROM lake.flights.flights)";
    assert_eq!(sandbox.number(distinct).await, FLIGHTS);
    for (table, rows) in [
        ("airlines", 16),
        ("airports", 1_458),
        ("planes", 3_322),
        ("weather", 26_115),
    ] {
        assert_eq!(
            sandbox
                .number(&format!("SELECT count(*) FROM lake.flights.{table}"))
                .await,
            rows
        );
    }
    wait_for("all services", || async {
        let ready = sandbox.http.get(sandbox.url("/health/ready")).send().await;
        (ready.unwrap().status() == 200).then_some(())
    })
    .await;
    let old = "SELECT count(*) FROM lake.flights.flights FOR VERSION AS OF 0";
    assert_eq!(sandbox.number(old).await, 0);

    for page in [
        "/",
        "/assets/style.css",
        "/metrics",
        "/health/live",
        "/health/ready",
        "/v1/info",
    ] {
        let response = sandbox.http.get(sandbox.url(page)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{page}");
    }
    let statement = sandbox.http.post(sandbox.url("/v1/statement"));
    let statement = statement.header("x-trino-user", "test").body("SELECT 1");
    assert_eq!(statement.send().await.unwrap().status(), 200);
    let metrics = sandbox.http.get(sandbox.url("/metrics")).send().await;
    let metrics = metrics.unwrap().text().await.unwrap();
    for name in [
        "lakehouse_lake_appended_rows_total{",
        "lakehouse_query_queued_statements ",
    ] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
    let home = sandbox
        .http
        .get(sandbox.url("/"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        home.contains("flights.flights") && home.contains("336,776"),
        "{home}"
    );
    assert_eq!(
        sandbox
            .http
            .get(sandbox.url("/nowhere"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );

    // The command line reads the lake beside the running house.
    let output = Command::new(env!("CARGO_BIN_EXE_lakehouse"))
        .args([
            "sql",
            "--format",
            "csv",
            "-e",
            "SELECT count(*) AS n FROM flights",
            "--data-dir",
        ])
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "n\n336776\n",
        "{output:?}"
    );
    sandbox.house.stop().await;

    // A second start finds everything and loads nothing again.
    let sandbox = Sandbox::start_on(dir.path()).await;
    sandbox.all_flights().await;
    sandbox.house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sql_api_answers_in_each_format_and_names_errors() {
    let sandbox = Sandbox::start().await;
    let ask = |format: &'static str, sql: &'static str| {
        let request = sandbox
            .http
            .post(sandbox.url("/sql"))
            .query(&[("format", format), ("schema", "flights")]);
        request.body(sql).send()
    };
    let rows = "SELECT 1 AS a, CAST(NULL AS varchar) AS b";
    assert_eq!(
        ask("csv", rows).await.unwrap().text().await.unwrap(),
        "a,b\n1,\n"
    );
    assert_eq!(
        ask("json", rows).await.unwrap().text().await.unwrap(),
        "{\"a\":1,\"b\":null}\n"
    );
    assert_eq!(
        ask("csv", "SELECT 1 AS a WHERE false")
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        "a\n"
    );
    let bytes = ask("arrow", rows).await.unwrap().bytes().await.unwrap();
    let reader = arrow::ipc::reader::StreamReader::try_new(&bytes[..], None).unwrap();
    assert_eq!(
        reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(),
        1
    );

    let refused = ask("json", "SELECT nope FROM airlines").await.unwrap();
    assert_eq!(refused.status(), 400);
    let message = refused.text().await.unwrap();
    assert!(message.contains("nope"), "{message}");
    sandbox.house.stop().await;
}

#[test]
fn user_errors_end_with_one_and_usage_errors_with_two() {
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_lakehouse"))
            .args(arguments)
            .output()
            .unwrap()
    };
    let missing = run(&["sql", "-e", "SELECT 1", "--data-dir", "/nonexistent/lake"]);
    assert_eq!(missing.status.code(), Some(1));
    let message = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(
        message.contains("/nonexistent/lake") && message.contains("lakehouse up"),
        "{message}"
    );
    assert_eq!(run(&["sql", "--format", "xml"]).status.code(), Some(2));
    assert_eq!(run(&["config", "check"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_table_is_named_and_does_not_hide_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start_on(dir.path()).await;
    sandbox.all_flights().await;
    sandbox.house.stop().await;
    let tables = std::fs::read_dir(dir.path().join("lake/flights")).unwrap();
    let planes = tables
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().unwrap().contains("planes"))
        .unwrap();
    for commit in std::fs::read_dir(planes.join("_delta_log")).unwrap() {
        std::fs::write(commit.unwrap().path(), "no json").unwrap();
    }

    let sandbox = Sandbox::start_on(dir.path()).await;
    let reason = wait_for("a degraded load", || async {
        let ready = sandbox.http.get(sandbox.url("/health/ready")).send().await;
        let text = ready.unwrap().text().await.unwrap();
        text.contains("planes").then_some(text)
    })
    .await;
    assert!(reason.contains("degraded"), "{reason}");
    let home = sandbox.http.get(sandbox.url("/")).send().await.unwrap();
    assert_eq!(home.status(), 200);
    let home = home.text().await.unwrap();
    assert!(
        home.contains("cannot be read") && home.contains("336,776"),
        "{home}"
    );
    sandbox.house.stop().await;
}
