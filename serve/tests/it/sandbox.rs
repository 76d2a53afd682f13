//! A whole house on a temporary folder, started through the same entry as the command line.

use std::path::Path;
use std::time::{Duration, Instant};

use ingest::replay::ReplaySpeed;
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

/// A configuration on `dir`: any port, no pause between replayed flights, a second model that costs little.
pub(crate) fn test_config(dir: &Path) -> Config {
    let mut config = Config {
        data_dir: dir.to_path_buf(),
        ..Config::default()
    };
    config.http.port = 0;
    config.query.hive_metastore.port = 0;
    config.flights.replay_speed = ReplaySpeed::Max;
    config.ml.full_rows = 30_000;
    config.ml.full_iterations = 30;
    config
}

/// The same on real Kafka, S3 and MongoDB, with names of its own on them; none unless all three are given.
#[expect(
    clippy::disallowed_methods,
    reason = "a test's own switch, not configuration"
)]
pub(crate) fn real_config(dir: &Path) -> Option<Config> {
    let variable = |name: &str| std::env::var(format!("LAKEHOUSE_TEST_{name}")).ok();
    let run = uuid::Uuid::new_v4().simple().to_string();
    let mut config = test_config(dir);
    config.kafka.brokers = variable("KAFKA_BROKERS")?;
    config.storage.url = format!("s3://house-{run}/lake");
    config.storage.s3.endpoint = variable("S3_ENDPOINT");
    config.storage.s3.access_key_id = variable("S3_ACCESS_KEY");
    config.storage.s3.secret_access_key = variable("S3_SECRET_KEY");
    config.storage.s3.allow_http = true;
    config.storage.s3.create_bucket = true;
    config.storage.s3.endpoint.as_ref()?;
    config.mongodb.uri = variable("MONGODB_URI")?;
    config.mongodb.database = format!("house_{run}");
    config.ml.request_topic = format!("request-{run}");
    config.ml.response_topic = format!("response-{run}");
    config.flights.topic = format!("flights-{run}");
    Some(config)
}

impl Sandbox {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut sandbox = Self::start_on(dir.path()).await;
        sandbox._dir = Some(dir);
        sandbox
    }

    pub(crate) async fn start_on(dir: &Path) -> Self {
        Self::start_with(test_config(dir)).await
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        Self {
            house: services::start(config).await.unwrap(),
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

    /// Waits until the whole year is stored.
    pub(crate) async fn all_flights(&self) {
        let is_complete = || async {
            let count = self
                .number("SELECT count(*) FROM lake.flights.flights")
                .await;
            assert!(count <= FLIGHTS, "{count} flights: some are doubled");
            (count == FLIGHTS).then_some(())
        };
        wait_for("all flights", is_complete).await;
    }
}

/// Asks again and again until there is an answer.
pub(crate) async fn wait_for<T, F: Future<Output = Option<T>>>(
    what: &str,
    ask: impl Fn() -> F,
) -> T {
    let deadline = Instant::now() + Duration::from_secs(180);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not in three minutes");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
