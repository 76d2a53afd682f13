//! The unmodified Trino Python client against the running house.

use std::path::Path;
use std::process::Command;

use crate::sandbox::Sandbox;

#[tokio::test(flavor = "multi_thread")]
async fn the_trino_python_client_connects_and_runs_the_reports() {
    #[expect(clippy::disallowed_methods, reason = "a test asks where the peer is")]
    let Ok(python) = std::env::var("LAKEHOUSE_TEST_PYTHON") else {
        println!("SKIPPED: LAKEHOUSE_TEST_PYTHON names no Python with the `trino` package");
        return;
    };
    let sandbox = Sandbox::start().await;
    sandbox.all_flights().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let url = sandbox.house.url.clone();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(python)
            .arg(root.join("infra/clients/trino_python.py"))
            .arg(&url)
            .arg(root.join("sql/reports"))
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    println!("{text}");
    sandbox.house.stop().await;
}
