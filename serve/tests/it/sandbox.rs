//! A whole house on a temporary folder, started through the same entry as the command line.

use std::path::Path;
use std::time::{Duration, Instant};

use serve::config::Config;
use serve::services::{self, House};

/// Flights of 2013, all of them.
pub(crate) const FLIGHTS: i64 = 336_776;

/// A running house and, unless the test brought its own, the folder it is on.
pub(crate) struct Sandbox {
    pub(crate) house: House,
    pub(crate) http: reqwest::Client,
    _dir: Option<tempfile::TempDir>,
}

impl Sandbox {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut sandbox = Self::start_on(dir.path()).await;
        sandbox._dir = Some(dir);
        sandbox
    }

    pub(crate) async fn start_on(dir: &Path) -> Self {
        let mut config = Config {
            data_dir: dir.to_path_buf(),
            ..Config::default()
        };
        config.http.port = 0;
        let house = services::start(config).await.unwrap();
        Self {
            house,
            http: reqwest::Client::new(),
            _dir: None,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.house.url)
    }

    /// Returns the single number that `sql` answers.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        use arrow::array::AsArray;
        let batches = Box::pin(self.house.engine.collect(sql)).await.unwrap();
        let batch = batches.iter().find(|batch| batch.num_rows() > 0).unwrap();
        batch
            .column(0)
            .as_primitive::<arrow::datatypes::Int64Type>()
            .value(0)
    }

    /// Waits until the whole year is loaded.
    pub(crate) async fn all_flights(&self) {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let count = self
                .number("SELECT count(*) FROM lake.flights.flights")
                .await;
            assert!(count <= FLIGHTS, "{count} flights: some are doubled");
            if count == FLIGHTS {
                return;
            }
            assert!(Instant::now() < deadline, "only {count} flights are there");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
