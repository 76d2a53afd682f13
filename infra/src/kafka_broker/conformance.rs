//! What the lakehouse asks of a Kafka broker, on the stand-in always and on a real one when its address is given.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, Timestamp};

use super::{KafkaBroker, KafkaBrokerConfig};
use crate::error::Error;

const PATIENCE: Duration = Duration::from_secs(30);
const LARGE: usize = 8_000_000;

/// A broker, and names of our own on it, so that runs on one that keeps its data do not meet.
#[derive(Clone)]
struct Suite {
    brokers: String,
    run: String,
}

impl Suite {
    fn new(brokers: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            run: uuid::Uuid::new_v4().simple().to_string(),
        }
    }

    fn name(&self, name: &str) -> String {
        format!("{name}-{}", self.run)
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("message.max.bytes", "50000000")
            .set("message.timeout.ms", "20000");
        config
    }

    fn producer(&self, settings: &[(&str, &str)]) -> Result<BaseProducer> {
        let mut config = self.config();
        for (key, value) in settings {
            config.set(*key, *value);
        }
        Ok(config.create()?)
    }

    fn consumer(&self, group: &str, settings: &[(&str, &str)]) -> Result<BaseConsumer> {
        let mut config = self.config();
        config
            .set("group.id", self.name(group))
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("session.timeout.ms", "6000")
            .set("fetch.message.max.bytes", "60000000")
            .set("fetch.max.bytes", "60000000")
            .set("receive.message.max.bytes", "100000000");
        for (key, value) in settings {
            config.set(*key, *value);
        }
        Ok(config.create()?)
    }

    /// A consumer of one partition, without a group's help.
    fn reader(&self, topic: &str, settings: &[(&str, &str)]) -> Result<BaseConsumer> {
        let consumer = self.consumer("reader", settings)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning)?;
        consumer.assign(&list)?;
        Ok(consumer)
    }

    async fn topic(
        &self,
        name: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> Result<String> {
        let name = self.name(name);
        let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        for outcome in self.admin()?.create_topics([&topic], &options()).await? {
            outcome.map_err(|(topic, code)| anyhow!("`{topic}`: {code}"))?;
        }
        Ok(name)
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        Ok(self.config().create()?)
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(PATIENCE))
        .request_timeout(Some(PATIENCE))
}

fn send(producer: &BaseProducer, topic: &str, values: &[&str]) -> Result<()> {
    for value in values {
        let record = BaseRecord::to(topic).partition(0).key("k").payload(*value);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    Ok(producer.flush(PATIENCE)?)
}

/// Reads `count` records.
fn take(consumer: &BaseConsumer, count: usize) -> Result<Vec<OwnedMessage>> {
    let started = Instant::now();
    let mut records = Vec::new();
    while records.len() < count {
        ensure!(
            started.elapsed() < PATIENCE,
            "{} of {count} records came",
            records.len()
        );
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(record)) => records.push(record.detach()),
            Some(Err(error)) => println!("  while reading: {error}"),
            None => {}
        }
    }
    Ok(records)
}

fn nothing_more(consumer: &BaseConsumer) -> Result<()> {
    match consumer.poll(Duration::from_millis(700)) {
        Some(Ok(record)) => bail!("a record at {} came unasked", record.offset()),
        _ => Ok(()),
    }
}

fn texts(records: &[OwnedMessage]) -> Vec<String> {
    let payloads = records.iter().filter_map(|record| record.payload());
    payloads
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .collect()
}

/// Polls `consumers` until `done`.
fn poll_until(consumers: &[&BaseConsumer], done: impl Fn() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !done()? {
        ensure!(started.elapsed() < PATIENCE, "it did not happen in time");
        for consumer in consumers {
            if let Some(Ok(record)) = consumer.poll(Duration::from_millis(20)) {
                println!("  passed over the record at {}", record.offset());
            }
        }
    }
    Ok(())
}

async fn run_suite(who: &str, brokers: &str) -> Result<()> {
    let suite = Suite::new(brokers);
    let (about, who) = (suite.clone(), who.to_owned());
    blocking(move || {
        let producer = about.producer(&[])?;
        let metadata = producer.client().fetch_metadata(None, PATIENCE)?;
        println!(
            "kafka conformance on {who}: broker {} of cluster {:?}",
            metadata.orig_broker_id(),
            producer.client().fetch_cluster_id(PATIENCE)
        );
        Ok(())
    })
    .await?;
    topics_are_made_once_and_deleted(&suite)
        .await
        .context("topics")?;
    let topic = suite.topic("records", 1, &[]).await?;
    step(&suite, &topic, "records", records_keep_what_they_carry).await?;
    step(&suite, &topic, "times", offsets_are_found_by_time).await?;
    step(&suite, &topic, "resume", a_group_goes_on_where_it_committed).await?;
    let topic = suite.topic("shared", 4, &[]).await?;
    step(&suite, &topic, "rebalance", members_share_and_take_over).await?;
    let topic = suite.topic("transactions", 1, &[]).await?;
    step(&suite, &topic, "transactions", aborted_work_is_not_seen).await?;
    step(&suite, &topic, "fencing", an_old_producer_is_shut_out).await?;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = suite.topic(codec, 1, &[]).await?;
        step(&suite, &topic, codec, move |suite, topic| {
            a_codec_comes_back_whole(suite, topic, codec)
        })
        .await?;
    }
    let large = [("max.message.bytes", "20000000")];
    let topic = suite.topic("large", 1, &large).await?;
    step(&suite, &topic, "large", a_large_record_comes_back_whole).await?;
    let topic = suite.topic("volume", 1, &[]).await?;
    step(
        &suite,
        &topic,
        "volume",
        a_reader_beside_a_writer_misses_nothing,
    )
    .await
}

async fn step(
    suite: &Suite,
    topic: &str,
    name: &'static str,
    check: impl FnOnce(&Suite, &str) -> Result<()> + Send + 'static,
) -> Result<()> {
    let (suite, topic) = (suite.clone(), topic.to_owned());
    let started = Instant::now();
    blocking(move || check(&suite, &topic))
        .await
        .context(name)?;
    println!("  {name}: {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// The clients block; they get a thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

async fn topics_are_made_once_and_deleted(suite: &Suite) -> Result<()> {
    let name = suite
        .topic("made", 3, &[("retention.ms", "3600000")])
        .await?;
    let again = suite.topic("made", 3, &[]).await;
    ensure!(again.is_err(), "the topic was made twice");
    let bad = suite.topic("bad", 1, &[("no.such.setting", "1")]).await;
    ensure!(bad.is_err(), "an unknown setting was accepted");
    let count = |suite: Suite, name: String| {
        blocking(move || {
            let producer = suite.producer(&[("allow.auto.create.topics", "false")])?;
            let metadata = producer.client().fetch_metadata(None, PATIENCE)?;
            let found = metadata.topics().iter().find(|topic| topic.name() == name);
            Ok(found.map(|topic| topic.partitions().len()))
        })
    };
    ensure!(count(suite.clone(), name.clone()).await? == Some(3));
    for outcome in suite.admin()?.delete_topics(&[&name], &options()).await? {
        outcome.map_err(|(topic, code)| anyhow!("`{topic}`: {code}"))?;
    }
    let started = Instant::now();
    while count(suite.clone(), name.clone()).await?.is_some() {
        ensure!(started.elapsed() < PATIENCE, "the topic is still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn records_keep_what_they_carry(suite: &Suite, topic: &str) -> Result<()> {
    let producer = suite.producer(&[("enable.idempotence", "true")])?;
    for number in 0..10 {
        let (key, value) = (format!("key {number}"), format!("value {number}"));
        let header = Header {
            key: "number",
            value: Some(&key),
        };
        let record = BaseRecord::to(topic)
            .partition(0)
            .key(&key)
            .payload(&value)
            .timestamp(1_600_000_000_000 + number)
            .headers(OwnedHeaders::new().insert(header));
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(PATIENCE)?;
    let records = take(&suite.reader(topic, &[])?, 10)?;
    for (number, record) in (0_i64..).zip(&records) {
        let key = format!("key {number}");
        ensure!(record.offset() == number && record.key() == Some(key.as_bytes()));
        ensure!(record.payload() == Some(format!("value {number}").as_bytes()));
        ensure!(record.timestamp() == Timestamp::CreateTime(1_600_000_000_000 + number));
        let headers = record.headers().context("no headers")?;
        ensure!(headers.count() == 1 && headers.get(0).value == Some(key.as_bytes()));
    }
    let marks = suite
        .reader(topic, &[])?
        .fetch_watermarks(topic, 0, PATIENCE)?;
    ensure!(marks == (0, 10), "watermarks {marks:?}");
    Ok(())
}

fn offsets_are_found_by_time(suite: &Suite, topic: &str) -> Result<()> {
    let consumer = suite.reader(topic, &[])?;
    for (time, offset) in [
        (1_600_000_000_004, Offset::Offset(4)),
        (0, Offset::Offset(0)),
        (1_700_000_000_000, Offset::End),
    ] {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(time))?;
        let found = consumer.offsets_for_times(list, PATIENCE)?;
        let found = found.find_partition(topic, 0).context("no answer")?;
        ensure!(found.offset() == offset, "at {time}: {:?}", found.offset());
    }
    Ok(())
}

fn a_group_goes_on_where_it_committed(suite: &Suite, topic: &str) -> Result<()> {
    let first = suite.consumer("resume", &[])?;
    first.subscribe(&[topic])?;
    let records = take(&first, 6)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(6))?;
    first.commit(&list, CommitMode::Sync)?;
    ensure!(records.last().map(|record| record.offset()) == Some(5));
    drop(first);
    let second = suite.consumer("resume", &[])?;
    second.subscribe(&[topic])?;
    let records = take(&second, 4)?;
    ensure!(records.first().map(|record| record.offset()) == Some(6));
    nothing_more(&second)
}

fn members_share_and_take_over(suite: &Suite, topic: &str) -> Result<()> {
    for strategy in ["range", "cooperative-sticky"] {
        let settings = [("partition.assignment.strategy", strategy)];
        let member = || -> Result<BaseConsumer> {
            let consumer = suite.consumer(strategy, &settings)?;
            consumer.subscribe(&[topic])?;
            Ok(consumer)
        };
        let count =
            |consumer: &BaseConsumer| Ok::<_, anyhow::Error>(consumer.assignment()?.count());
        let first = member()?;
        poll_until(&[&first], || Ok(count(&first)? == 4)).context("alone")?;
        let second = member()?;
        poll_until(&[&first, &second], || {
            Ok(count(&first)? == 2 && count(&second)? == 2)
        })
        .context("together")?;
        let groups = first.fetch_group_list(Some(&suite.name(strategy)), PATIENCE)?;
        let group = groups.groups().first().context("the group is not listed")?;
        ensure!(
            group.members().len() == 2,
            "{} members",
            group.members().len()
        );
        drop(second);
        poll_until(&[&first], || Ok(count(&first)? == 4)).context("alone again")?;
    }
    Ok(())
}

fn aborted_work_is_not_seen(suite: &Suite, topic: &str) -> Result<()> {
    let id = suite.name("transactional");
    let producer = suite.producer(&[("transactional.id", &id)])?;
    producer.init_transactions(PATIENCE)?;

    producer.begin_transaction()?;
    send(&producer, topic, &["kept 1", "kept 2"])?;
    let group = suite.consumer("transactional", &[])?;
    group.subscribe(&[topic])?;
    poll_until(&[&group], || Ok(group.assignment()?.count() == 1))?;
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(topic, 0, Offset::Offset(2))?;
    let member = group.group_metadata().context("no group metadata")?;
    producer.send_offsets_to_transaction(&offsets, &member, PATIENCE)?;
    producer.commit_transaction(PATIENCE)?;
    let committed = group.committed(PATIENCE)?;
    let committed = committed.find_partition(topic, 0).context("no offset")?;
    ensure!(committed.offset() == Offset::Offset(2), "{committed:?}");

    producer.begin_transaction()?;
    send(&producer, topic, &["lost 1", "lost 2"])?;
    producer.abort_transaction(PATIENCE)?;
    producer.begin_transaction()?;
    send(&producer, topic, &["kept 3"])?;
    let open = suite.reader(topic, &[("isolation.level", "read_committed")])?;
    ensure!(texts(&take(&open, 2)?) == ["kept 1", "kept 2"]);
    nothing_more(&open).context("the transaction is still open")?;
    producer.commit_transaction(PATIENCE)?;
    ensure!(texts(&take(&open, 1)?) == ["kept 3"]);

    let all = suite.reader(topic, &[("isolation.level", "read_uncommitted")])?;
    let seen = texts(&take(&all, 5)?);
    ensure!(
        seen == ["kept 1", "kept 2", "lost 1", "lost 2", "kept 3"],
        "{seen:?}"
    );
    Ok(())
}

fn an_old_producer_is_shut_out(suite: &Suite, topic: &str) -> Result<()> {
    let id = suite.name("fenced");
    let old = suite.producer(&[("transactional.id", &id)])?;
    old.init_transactions(PATIENCE)?;
    old.begin_transaction()?;
    send(&old, topic, &["of the old one"])?;
    let new = suite.producer(&[("transactional.id", &id)])?;
    new.init_transactions(PATIENCE)?;
    ensure!(
        old.commit_transaction(PATIENCE).is_err(),
        "the old producer committed"
    );
    new.begin_transaction()?;
    send(&new, topic, &["of the new one"])?;
    new.commit_transaction(PATIENCE)?;
    let reader = suite.reader(topic, &[("isolation.level", "read_committed")])?;
    let seen = texts(&take(&reader, 4)?);
    ensure!(
        seen.last().is_some_and(|last| last == "of the new one"),
        "{seen:?}"
    );
    Ok(())
}

fn a_codec_comes_back_whole(suite: &Suite, topic: &str, codec: &str) -> Result<()> {
    let producer = suite.producer(&[("compression.type", codec), ("linger.ms", "50")])?;
    let values: Vec<String> = (0..50)
        .map(|number| format!("{number} {}", "x".repeat(2_000)))
        .collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    send(&producer, topic, &values)?;
    ensure!(texts(&take(&suite.reader(topic, &[])?, 50)?) == values);
    Ok(())
}

fn a_large_record_comes_back_whole(suite: &Suite, topic: &str) -> Result<()> {
    let producer = suite.producer(&[])?;
    let value = "7".repeat(LARGE);
    send(&producer, topic, &[&value])?;
    let records = take(&suite.reader(topic, &[])?, 1)?;
    ensure!(records.first().and_then(|record| record.payload()) == Some(value.as_bytes()));
    Ok(())
}

fn a_reader_beside_a_writer_misses_nothing(suite: &Suite, topic: &str) -> Result<()> {
    const COUNT: u64 = 100_000;
    let reader = suite.reader(topic, &[])?;
    let (writer, target) = (suite.clone(), topic.to_owned());
    let writing = std::thread::spawn(move || -> Result<()> {
        let producer = writer.producer(&[("linger.ms", "5")])?;
        for number in 0..COUNT {
            let value = number.to_be_bytes();
            loop {
                let record = BaseRecord::<(), _>::to(&target)
                    .partition(0)
                    .payload(&value);
                match producer.send(record) {
                    Ok(()) => break,
                    Err((error, _))
                        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) =>
                    {
                        producer.poll(Duration::from_millis(5));
                    }
                    Err((error, _)) => return Err(error.into()),
                }
            }
        }
        Ok(producer.flush(PATIENCE)?)
    });
    let mut seen = BTreeSet::new();
    while (seen.len() as u64) < COUNT {
        for record in take(&reader, 1)? {
            let number = record.payload().and_then(|bytes| bytes.try_into().ok());
            seen.insert(u64::from_be_bytes(number.context("a strange record")?));
        }
    }
    writing
        .join()
        .map_err(|_| anyhow!("the writer panicked"))??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stand_in_conforms() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let broker = KafkaBroker::start(KafkaBrokerConfig::new(dir.path().to_owned())).await?;
    run_suite("the embedded broker", &broker.bootstrap_servers()).await?;
    broker.shutdown().await;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own switch, not configuration"
)]
#[tokio::test(flavor = "multi_thread")]
async fn real_server_conforms_when_configured() -> Result<()> {
    let Ok(brokers) = std::env::var("LAKEHOUSE_TEST_KAFKA_BROKERS") else {
        println!("SKIPPED: LAKEHOUSE_TEST_KAFKA_BROKERS is not set");
        return Ok(());
    };
    run_suite("a real broker", &brokers).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_records_offsets_and_open_transactions() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = KafkaBrokerConfig::new(dir.path().to_owned());
    let broker = KafkaBroker::start(config.clone()).await?;
    let cluster = broker.cluster_id().to_owned();
    let suite = Suite::new(&broker.bootstrap_servers());
    let topic = suite.topic("kept", 1, &[]).await?;
    let (before, name) = (suite.clone(), topic.clone());
    let open = blocking(move || {
        send(&before.producer(&[])?, &name, &["one", "two", "three"])?;
        let consumer = before.consumer("kept", &[])?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&name, 0, Offset::Offset(2))?;
        consumer.commit(&list, CommitMode::Sync)?;
        let id = before.name("open");
        let open = before.producer(&[("transactional.id", &id)])?;
        open.init_transactions(PATIENCE)?;
        open.begin_transaction()?;
        send(&open, &name, &["undecided"])?;
        Ok(open)
    })
    .await?;
    broker.shutdown().await;
    let broker = KafkaBroker::start(config).await?;
    ensure!(broker.cluster_id() == cluster, "another cluster id");
    let after = Suite {
        brokers: broker.bootstrap_servers(),
        ..suite
    };
    blocking(move || {
        let reader = after.reader(&topic, &[("isolation.level", "read_committed")])?;
        ensure!(texts(&take(&reader, 3)?) == ["one", "two", "three"]);
        nothing_more(&reader)?;
        let consumer = after.consumer("kept", &[])?;
        let mut list = TopicPartitionList::new();
        list.add_partition(&topic, 0);
        let committed = consumer.committed_offsets(list, PATIENCE)?;
        let committed = committed.find_partition(&topic, 0).context("no offset")?;
        ensure!(committed.offset() == Offset::Offset(2), "{committed:?}");
        // Whoever takes the transaction over aborts it.
        let id = after.name("open");
        let next = after.producer(&[("transactional.id", &id)])?;
        next.init_transactions(PATIENCE)?;
        send(&after.producer(&[])?, &topic, &["four"])?;
        ensure!(texts(&take(&reader, 1)?) == ["four"]);
        drop(open);
        Ok(())
    })
    .await?;
    broker.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn second_broker_on_the_folder_is_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = KafkaBrokerConfig::new(dir.path().to_owned());
    let first = KafkaBroker::start(config.clone()).await?;
    let second = KafkaBroker::start(config.clone()).await;
    ensure!(
        matches!(second, Err(Error::FolderInUse { .. })),
        "{second:?}"
    );
    first.shutdown().await;
    KafkaBroker::start(config).await?.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bytes_end_their_connection_only() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let broker = KafkaBroker::start(KafkaBrokerConfig::new(dir.path().to_owned())).await?;
    let address = broker.bootstrap_servers();
    let frames: [&[u8]; 5] = [
        // Too large, negative, an unknown request, metadata for 2^31 topics, produce without its fields.
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff],
        &[0, 0, 0, 10, 3, 0xe7, 0, 0, 0, 0, 0, 1, 0xff, 0xff],
        &[
            0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff,
        ],
        &[0, 0, 0, 10, 0, 0, 0, 3, 0, 0, 0, 1, 0xff, 0xff],
    ];
    blocking(move || {
        for frame in frames {
            let mut stream = std::net::TcpStream::connect(&address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(frame)?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            ensure!(answer.is_empty(), "{frame:?} was answered");
        }
        // Large requests that are announced and never sent.
        let mut silent = Vec::new();
        for _ in 0..3 {
            let mut stream = std::net::TcpStream::connect(&address)?;
            stream.write_all(&[6, 0, 0, 0, 0, 0])?;
            silent.push(stream);
        }
        let suite = Suite::new(&address);
        let producer = suite.producer(&[])?;
        producer
            .client()
            .fetch_metadata(None, Duration::from_secs(10))?;
        Ok(())
    })
    .await?;
    broker.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_journal_is_an_error_and_costs_no_records() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = KafkaBrokerConfig::new(dir.path().to_owned());
    let broker = KafkaBroker::start(config.clone()).await?;
    let suite = Suite::new(&broker.bootstrap_servers());
    let topic = suite.topic("kept", 1, &[]).await?;
    let (before, name) = (suite.clone(), topic.clone());
    blocking(move || send(&before.producer(&[])?, &name, &["one"])).await?;
    broker.shutdown().await;

    let journal = dir.path().join("journal.jsonl");
    let events = std::fs::read(&journal)?;
    std::fs::remove_file(&journal)?;
    let lost = KafkaBroker::start(config.clone()).await;
    ensure!(matches!(lost, Err(Error::Storage { .. })), "{lost:?}");
    std::fs::write(&journal, b"")?;
    let empty = KafkaBroker::start(config.clone()).await;
    ensure!(matches!(empty, Err(Error::Storage { .. })), "{empty:?}");

    std::fs::write(&journal, events)?;
    let unknown = dir
        .path()
        .join("topics")
        .join(uuid::Uuid::new_v4().to_string());
    std::fs::create_dir(&unknown)?;
    let broker = KafkaBroker::start(config).await?;
    ensure!(unknown.exists(), "an unknown folder was removed");
    let after = Suite {
        brokers: broker.bootstrap_servers(),
        ..suite
    };
    blocking(move || {
        ensure!(texts(&take(&after.reader(&topic, &[])?, 1)?) == ["one"]);
        Ok(())
    })
    .await?;
    broker.shutdown().await;
    Ok(())
}
