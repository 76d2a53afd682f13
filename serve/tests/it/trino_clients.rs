//! Unmodified clients of Trino and Presto against the running house.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::Sandbox;

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

async fn succeeds(mut command: Command) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
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
