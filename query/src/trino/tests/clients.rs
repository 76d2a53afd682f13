//! Clients as people use them, against this door on a real socket.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

#[expect(clippy::disallowed_methods, reason = "a test asks where the peer is")]
fn peer(variable: &str) -> Option<String> {
    std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty())
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../infra/clients")
        .join(name)
}

/// Serves a lake while `command` runs with its URL as the last argument; fails with what it printed.
async fn against(mut command: Command) {
    let mut config = QueryConfig::default();
    config.trino.spool_segment_bytes = 1 << 20;
    let house = House::new(config).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = house.router.clone();
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let output = tokio::task::spawn_blocking(move || command.arg(url).output().unwrap());
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success(), "{text}\n{errors}");
    house.engine.registry().shutdown().await;
    serving.shutdown().await;
}

async fn python(client: &str) {
    let Some(python) = peer("LAKEHOUSE_TEST_PYTHON") else {
        println!("SKIPPED: LAKEHOUSE_TEST_PYTHON names no Python with the packages of {client}");
        return;
    };
    let mut command = Command::new(python);
    command.arg(script("trino_clients.py")).arg(client);
    against(command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_reads_plain_pages_and_every_kind_of_segment() {
    python("spooling").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_reads_every_type() {
    python("dbapi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlalchemy_reflects() {
    python("sqlalchemy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presto_python_client_works() {
    python("prestodb").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pyhive_works() {
    python("pyhive").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn javascript_clients_work() {
    let Some(modules) = peer("LAKEHOUSE_TEST_NODE_MODULES") else {
        println!(
            "SKIPPED: LAKEHOUSE_TEST_NODE_MODULES names no folder with `trino-client` and `presto-client`"
        );
        return;
    };
    let mut command = Command::new("node");
    command
        .arg(script("trino_clients.js"))
        .env("NODE_PATH", modules);
    against(command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trino_cli_works() {
    let (Some(jar), Some(java)) = (
        peer("LAKEHOUSE_TEST_TRINO_CLI"),
        peer("LAKEHOUSE_TEST_JAVA"),
    ) else {
        println!(
            "SKIPPED: LAKEHOUSE_TEST_TRINO_CLI names no jar of Trino's CLI, or LAKEHOUSE_TEST_JAVA no Java runtime"
        );
        return;
    };
    let statements = "CREATE SCHEMA lake.cli; USE lake.cli; CREATE TABLE t AS SELECT 1 AS a, 'x' AS b; SELECT * FROM t; SHOW TABLES; DESCRIBE t";
    let mut command = Command::new(java);
    command.arg("-jar").arg(jar).args([
        "--user",
        "check",
        "--output-format",
        "CSV",
        "--execute",
        statements,
        "--server",
    ]);
    against(command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jdbc_driver_works() {
    let (Some(jar), Some(java)) = (
        peer("LAKEHOUSE_TEST_TRINO_JDBC"),
        peer("LAKEHOUSE_TEST_JAVA"),
    ) else {
        println!(
            "SKIPPED: LAKEHOUSE_TEST_TRINO_JDBC names no jar of Trino's driver, or LAKEHOUSE_TEST_JAVA no Java runtime"
        );
        return;
    };
    let mut command = Command::new(java);
    command.arg("-cp").arg(jar).arg(script("TrinoJdbc.java"));
    against(command).await;
}
