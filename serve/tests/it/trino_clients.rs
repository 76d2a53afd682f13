//! Unmodified clients of Trino and Presto against the running house.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::{Sandbox, test_config};

#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test asks where the peer is, and says loudly that it is absent"
)]
fn peer(variable: &str) -> Option<String> {
    let found = std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty());
    if found.is_none() {
        eprintln!("SKIPPED: {variable} is not set");
    }
    found
}

fn clients() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("infra/clients")
}

async fn succeeds(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    text.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn python_clients_of_trino_and_presto_work() {
    let Some(python) = peer("LAKEHOUSE_TEST_PYTHON") else {
        return;
    };
    let sandbox = Sandbox::start().await;
    for client in ["dbapi", "sqlalchemy", "prestodb", "pyhive", "spooling"] {
        let mut command = Command::new(&python);
        let script = clients().join("trino_clients.py");
        command.arg(script).arg(client).arg(&sandbox.house.url);
        succeeds(command).await;
    }
    sandbox.house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trino_cli_runs_statements() {
    let (Some(jar), Some(java)) = (
        peer("LAKEHOUSE_TEST_TRINO_CLI"),
        peer("LAKEHOUSE_TEST_JAVA"),
    ) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let data = tempfile::tempdir().unwrap();
    let mut config = test_config(data.path());
    config.storage.external_locations = vec![folder.path().display().to_string()];
    let sandbox = Sandbox::start_with(config).await;
    // The DDL of the event-analytics reference project, from a client of its catalog and schema.
    let statements = format!(
        "CREATE SCHEMA IF NOT EXISTS default; \
         create external table if not exists default.asset_prices (raw_event string, timestamp string, Accept string, \
         Host string, User_Agent string, event_type string, description string) stored as parquet \
         location '{}' tblproperties (\"parquet.compress\"=\"SNAPPY\"); \
         show tables; describe asset_prices; select count(*) from asset_prices; \
         CREATE TABLE t AS SELECT 1 AS a, 'x' AS b; SELECT * FROM t",
        folder.path().display()
    );
    let mut command = Command::new(java);
    command.arg("-jar").arg(jar).args([
        "--server",
        &sandbox.house.url,
        "--catalog",
        "hive",
        "--schema",
        "default",
        "--output-format",
        "CSV",
        "--execute",
        &statements,
    ]);
    let printed = succeeds(command).await;
    for line in ["\"asset_prices\"", "\"0\"", "\"1\",\"x\""] {
        assert!(
            printed.lines().any(|found| found == line),
            "{line}: {printed}"
        );
    }
    sandbox.house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jdbc_driver_works() {
    let (Some(jar), Some(java)) = (
        peer("LAKEHOUSE_TEST_TRINO_JDBC"),
        peer("LAKEHOUSE_TEST_JAVA"),
    ) else {
        return;
    };
    let sandbox = Sandbox::start().await;
    let mut command = Command::new(java);
    command
        .arg("-cp")
        .arg(jar)
        .arg(clients().join("TrinoJdbc.java"))
        .arg(&sandbox.house.url);
    succeeds(command).await;
    sandbox.house.stop().await;
}

/// `LAKEHOUSE_TEST_TRINO` is the URL of a Trino server with a catalog `memory`.
#[tokio::test(flavor = "multi_thread")]
async fn statements_answer_as_a_real_trino_does() {
    let (Some(trino), Some(python)) = (peer("LAKEHOUSE_TEST_TRINO"), peer("LAKEHOUSE_TEST_PYTHON"))
    else {
        return;
    };
    let sandbox = Sandbox::start().await;
    let mut command = Command::new(python);
    command
        .arg(clients().join("compare_trino.py"))
        .args([&sandbox.house.url, &trino]);
    succeeds(command).await;
    sandbox.house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn javascript_clients_of_trino_and_presto_work() {
    let Some(modules) = peer("LAKEHOUSE_TEST_NODE_MODULES") else {
        return;
    };
    let sandbox = Sandbox::start().await;
    let mut command = Command::new("node");
    let script = clients().join("trino_clients.js");
    command
        .arg(script)
        .arg(&sandbox.house.url)
        .env("NODE_PATH", modules);
    succeeds(command).await;
    sandbox.house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dbt_runs_a_small_project() {
    let Some(dbt) = peer("LAKEHOUSE_TEST_DBT") else {
        return;
    };
    let sandbox = Sandbox::start().await;
    let folder = tempfile::tempdir().unwrap();
    let address = sandbox.house.url.replace("http://", "");
    let (host, port) = address.split_once(':').unwrap();
    // The second run merges into what the first has made.
    for step in ["debug", "seed", "run", "run", "test", "docs generate"] {
        let mut command = Command::new(&dbt);
        command
            .args(step.split(' '))
            .current_dir(clients().join("dbt"))
            .env("DBT_PROFILES_DIR", ".")
            .env("DBT_TARGET_PATH", folder.path().join("target"))
            .env("DBT_LOG_PATH", folder.path().join("logs"))
            .env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
            .env("LAKEHOUSE_HOST", host)
            .env("LAKEHOUSE_PORT", port);
        succeeds(command).await;
    }
    sandbox.house.stop().await;
}
