//! On the embedded broker always, and on a real one when `LAKEHOUSE_TEST_KAFKA_BROKERS` names it.

use std::path::Path;

use arrow::datatypes::{DataType, Field, Schema};
use infra::kafka_broker::{KafkaBroker, KafkaBrokerConfig};
use lake::{AsOf, Database, Lake, StorageConfig, TableDefinition, TableName};
use rdkafka::client::DefaultClientContext;
use tokio::task::JoinHandle;

use super::*;
use crate::producer::{Event, EventProducer};

const PATIENCE: Duration = Duration::from_secs(60);

struct Fixture {
    _lake: Arc<Lake>,
    table: LakeTable,
    dead_letters: LakeTable,
    kafka: KafkaConfig,
    topic: String,
}

async fn create(lake: &Lake, name: &str, fields: Vec<(&str, DataType)>) -> LakeTable {
    let name: TableName = name.parse().unwrap();
    let fields = fields
        .into_iter()
        .map(|(name, kind)| Field::new(name, kind, true));
    let definition = TableDefinition {
        name,
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        comment: None,
        partition_columns: Vec::new(),
        properties: std::collections::BTreeMap::default(),
    };
    lake.create_table(definition).await.unwrap()
}

impl Fixture {
    async fn new(brokers: &str) -> Self {
        use arrow::datatypes::TimeUnit::Microsecond;
        let lake = Lake::open(&StorageConfig::for_url("memory://"))
            .await
            .unwrap();
        let database = Database::named("s");
        lake.catalog().create_database(database).await.unwrap();
        let table = create(&lake, "s.t", vec![("n", DataType::Int32)]).await;
        let fields = vec![
            ("topic", DataType::Utf8),
            ("partition", DataType::Int32),
            ("offset", DataType::Int64),
            ("reason", DataType::Utf8),
            ("key", DataType::Binary),
            ("payload", DataType::Binary),
            ("received_at", DataType::Timestamp(Microsecond, None)),
        ];
        let dead_letters = create(&lake, "s.dead_letters", fields).await;
        Self {
            _lake: lake,
            table,
            dead_letters,
            kafka: KafkaConfig {
                brokers: brokers.to_owned(),
                ..KafkaConfig::default()
            },
            topic: format!("pipeline-{}", Utc::now().timestamp_micros()),
        }
    }

    fn deps(&self) -> PipelineDeps {
        PipelineDeps {
            kafka: self.kafka.clone(),
            config: IngestConfig {
                flush_interval: Duration::from_millis(50),
                ..IngestConfig::default()
            },
            topic: self.topic.clone(),
            table: self.table.clone(),
            dead_letters: self.dead_letters.clone(),
            progress: Arc::default(),
        }
    }

    async fn start(&self) -> Running {
        let deps = self.deps();
        let progress = Arc::clone(&deps.progress);
        let pipeline = Pipeline::connect(deps).await.unwrap();
        let stop = CancellationToken::new();
        let token = stop.clone();
        #[expect(clippy::disallowed_methods, reason = "`Running::stop` awaits it")]
        let task = tokio::spawn(pipeline.run(token));
        Running {
            stop,
            task,
            progress,
        }
    }

    async fn produce(&self, events: impl IntoIterator<Item = String>, lane: Option<(&str, u64)>) {
        let producer = EventProducer::connect(&self.kafka, &self.topic).unwrap();
        for (event, number) in events.into_iter().zip(0..) {
            let lane = lane.map(|(lane, first)| (lane, first + number));
            let event = Event {
                key: None,
                payload: event.as_bytes(),
                lane,
            };
            producer.send(event).await.unwrap();
        }
        producer.flush().await.unwrap();
    }

    async fn holds(&self, table: &LakeTable, rows: u64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
            let stored = snapshot.row_count().unwrap();
            assert!(stored <= rows, "{stored} rows, not {rows}");
            if stored == rows {
                return;
            }
            assert!(Instant::now() < until, "{stored} rows, not {rows}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<()>>,
    progress: Arc<PipelineProgress>,
}

impl Running {
    async fn stop(self) -> Arc<PipelineProgress> {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        self.progress
    }
}

fn events(numbers: std::ops::Range<u64>) -> impl Iterator<Item = String> {
    numbers.map(|n| format!("{{\"n\":{n}}}"))
}

async fn broker(folder: &Path) -> KafkaBroker {
    KafkaBroker::start(KafkaBrokerConfig::new(folder.to_owned()))
        .await
        .unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own switch, not configuration"
)]
async fn on_every_broker<F: Future<Output = ()>>(test: impl Fn(Fixture) -> F) {
    let dir = tempfile::tempdir().unwrap();
    let embedded = broker(dir.path()).await;
    test(Fixture::new(&embedded.bootstrap_servers()).await).await;
    embedded.shutdown().await;
    if let Ok(brokers) = std::env::var("LAKEHOUSE_TEST_KAFKA_BROKERS") {
        test(Fixture::new(&brokers).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_stored_once_and_others_are_parked_once() {
    on_every_broker(|f| async move {
        let running = f.start().await;
        let bad = ["{".to_owned(), "{\"n\":\"x\"}".to_owned()];
        f.produce(events(0..100).chain(bad).chain(events(100..150)), None)
            .await;
        f.holds(&f.table, 150).await;
        f.holds(&f.dead_letters, 2).await;
        let progress = running.stop().await;
        assert_eq!((progress.rows(), progress.dead_letters()), (150, 2));

        // What arrives while nobody reads is stored by the next one, and nothing is stored again.
        f.produce(events(0..50), None).await;
        let running = f.start().await;
        f.holds(&f.table, 200).await;
        f.holds(&f.dead_letters, 2).await;
        let progress = running.stop().await;
        assert_eq!((progress.rows(), progress.dead_letters()), (50, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_numbering_producer_may_begin_again_on_an_empty_broker() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let embedded = broker(first.path()).await;
    let mut f = Fixture::new(&embedded.bootstrap_servers()).await;
    let running = f.start().await;
    f.produce(events(0..40), Some(("l", 0))).await;
    f.produce(events(30..60), Some(("l", 30))).await;
    f.holds(&f.table, 60).await;
    running.stop().await;
    embedded.shutdown().await;

    let empty = broker(second.path()).await;
    f.kafka.brokers = empty.bootstrap_servers();
    let running = f.start().await;
    f.produce(events(50..80), Some(("l", 50))).await;
    f.holds(&f.table, 80).await;
    // A number too far ahead is parked, not stored: the ones before it could never follow.
    f.produce(events(90..91), Some(("l", 90))).await;
    f.holds(&f.dead_letters, 1).await;
    f.produce(events(80..91), Some(("l", 80))).await;
    f.holds(&f.table, 91).await;
    running.stop().await;
    empty.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_again_is_read_from_its_beginning() {
    on_every_broker(|f| async move {
        let running = f.start().await;
        f.produce(events(0..30), None).await;
        f.holds(&f.table, 30).await;
        running.stop().await;

        let admin: AdminClient<DefaultClientContext> = f.kafka.client(&[]).create().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        for outcome in admin.delete_topics(&[&f.topic], &options).await.unwrap() {
            outcome.unwrap();
        }
        let until = Instant::now() + PATIENCE;
        // A real broker goes on deleting after it has answered.
        while ensure_topic(&f.kafka, &f.topic, Duration::from_secs(10))
            .await
            .is_err()
        {
            assert!(Instant::now() < until, "the topic cannot be made again");
            sleep(Duration::from_millis(100)).await;
        }
        f.produce(events(0..20), None).await;
        let running = f.start().await;
        f.holds(&f.table, 50).await;
        running.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_readers_share_a_topic_and_lose_nothing() {
    on_every_broker(|f| async move {
        let admin: AdminClient<DefaultClientContext> = f.kafka.client(&[]).create().unwrap();
        let topic = NewTopic::new(&f.topic, 4, TopicReplication::Fixed(1));
        admin
            .create_topics([&topic], &AdminOptions::new())
            .await
            .unwrap();
        let one = f.start().await;
        f.produce(events(0..1_000), None).await;
        let two = f.start().await;
        f.produce(events(0..1_000), None).await;
        f.holds(&f.table, 2_000).await;
        one.stop().await;
        f.produce(events(0..1_000), None).await;
        f.holds(&f.table, 3_000).await;
        two.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_named() {
    let mut f = Fixture::new("127.0.0.1:1").await;
    f.topic = "t".to_owned();
    let mut deps = f.deps();
    deps.config.broker_timeout = Duration::from_millis(300);
    let error = Pipeline::connect(deps).await.unwrap_err();
    assert!(
        matches!(&error, Error::NoBroker { brokers, reason } if brokers == "127.0.0.1:1" && reason.contains("refused")),
        "{error:?}"
    );
}
