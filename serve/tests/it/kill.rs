//! `kill -9` at a random moment of the load, again and again, loses and doubles nothing.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::sandbox::{FLIGHTS, Sandbox};

const ROUNDS: u64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_process_at_any_moment_keeps_each_flight_exactly_once() {
    let dir = tempfile::tempdir().unwrap();
    // Any seed will do; it is printed so that a failure can be repeated.
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    for round in 0..ROUNDS {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lakehouse"))
            .args(["up", "--http-port", "0", "--log", "warn", "--data-dir"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moment = Duration::from_millis(50 + (seed * 7919 + round * 2_654_435_761) % 1500);
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
    }
    let sandbox = Sandbox::start_on(dir.path()).await;
    sandbox.all_flights().await;
    let distinct = "SELECT count(*) FROM (SELECT DISTINCT * FROM lake.flights.flights)";
    assert_eq!(sandbox.number(distinct).await, FLIGHTS);
    sandbox.house.stop().await;
}
