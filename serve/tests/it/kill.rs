//! `kill -9` at a random moment of history and replay, again and again, loses and doubles nothing.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::sandbox::{FLIGHTS, Sandbox};

const ROUNDS: u64 = 8;
/// After these the broker comes back empty: what it held is replayed, what was stored is not.
const EMPTIED: [u64; 2] = [3, 6];

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_process_at_any_moment_keeps_each_flight_exactly_once() {
    let dir = tempfile::tempdir().unwrap();
    // Any seed will do; it is printed so that a failure can be repeated.
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    for round in 0..ROUNDS {
        // The replay takes 12 seconds at this speed, so that all rounds hit it or the load.
        let mut child = Command::new(env!("CARGO_BIN_EXE_lakehouse"))
            .args([
                "up",
                "--http-port",
                "0",
                "--replay-speed",
                "60",
                "--log",
                "warn",
            ])
            .arg("--data-dir")
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moment = Duration::from_millis(50 + (seed * 7919 + round * 2_654_435_761) % 3000);
        let started = Instant::now();
        while started.elapsed() < moment {
            assert!(
                child.try_wait().unwrap().is_none(),
                "round {round}: the process ended by itself"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let broker = dir.path().join("kafka");
        if EMPTIED.contains(&round) && broker.is_dir() {
            std::fs::remove_dir_all(broker).unwrap();
        }
    }
    let sandbox = Sandbox::start_on(dir.path()).await;
    sandbox.all_flights().await;
    let distinct = "SELECT count(*) FROM (SELECT DISTINCT * FROM lake.flights.flights)";
    assert_eq!(sandbox.number(distinct).await, FLIGHTS);
    let parked = "SELECT count(*) FROM lake.ingest.dead_letters";
    assert_eq!(sandbox.number(parked).await, 0);
    sandbox.house.stop().await;
}
