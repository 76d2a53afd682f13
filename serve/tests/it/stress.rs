//! Real processes append to, merge into and compact one table while others read it: what was
//! acknowledged is there once, and every read sees a whole version.
//!
//! ```text
//! test --spawns--> this test executable again, with a role and the storage in its environment
//!                    append   its own rows, a commit each
//!                    merge    the same rows again and again, with a new value
//!                    compact  until told to stop; one of them is killed instead
//!                    read     until told to stop
//! ```

#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a process tells by what it prints, and fails by panicking"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use infra::s3_server::{S3Server, S3ServerConfig};
use lake::maintenance::{Minimum, Mode, Progress, Scope};
use lake::{
    AppendCommit, AppendOutcome, CommitNote, Database, Lake, LakeTable, Maintainer,
    MaintenanceConfig, MergeRequest, MergeSource, StorageConfig, TableDefinition, TableName,
};
use query::{QueryConfig, QueryEngine};

/// Rows of one commit.
const ROWS: i32 = 50;
const APPENDS: i32 = 25;
const MERGES: i32 = 8;
const APPENDERS: i32 = 3;
const MERGERS: i32 = 2;
/// Rows of the mergers have writers from here on.
const FIRST_MERGER: i32 = 100;
const DEADLINE: Duration = Duration::from_secs(120);

fn table_name() -> TableName {
    TableName::new("stress", "rows").unwrap()
}

fn rows(writer: i32, sequence: i32, value: i32) -> RecordBatch {
    let same = |number: i32| Arc::new(Int32Array::from(vec![number; ROWS as usize])) as ArrayRef;
    let numbers = Arc::new(Int32Array::from_iter_values(0..ROWS)) as ArrayRef;
    RecordBatch::try_from_iter([
        ("writer", same(writer)),
        ("sequence", same(sequence)),
        ("number", numbers),
        ("value", same(value)),
    ])
    .unwrap()
}

/// What a process is told through its environment.
struct Orders {
    role: String,
    id: i32,
    storage: StorageConfig,
    stop: std::path::PathBuf,
}

impl Orders {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's own channel to its processes, not configuration"
    )]
    fn from_environment() -> Option<Self> {
        let variable = |name: &str| std::env::var(format!("LAKEHOUSE_STRESS_{name}")).ok();
        let role = variable("ROLE")?;
        let mut storage = StorageConfig::for_url(variable("URL")?);
        storage.s3.endpoint = variable("ENDPOINT");
        storage.s3.access_key_id = variable("ACCESS_KEY");
        storage.s3.secret_access_key = variable("SECRET_KEY");
        storage.s3.allow_http = true;
        Some(Self {
            role,
            id: variable("ID")?.parse().ok()?,
            storage,
            stop: variable("STOP")?.into(),
        })
    }

    fn spawn(&self) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "stress::a_process_of_the_stress_test",
                "--nocapture",
            ])
            .env("LAKEHOUSE_STRESS_ROLE", &self.role)
            .env("LAKEHOUSE_STRESS_ID", self.id.to_string())
            .env("LAKEHOUSE_STRESS_URL", &self.storage.url)
            .env("LAKEHOUSE_STRESS_STOP", &self.stop)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let s3 = &self.storage.s3;
        for (name, value) in [
            ("ENDPOINT", &s3.endpoint),
            ("ACCESS_KEY", &s3.access_key_id),
            ("SECRET_KEY", &s3.secret_access_key),
        ] {
            if let Some(value) = value {
                command.env(format!("LAKEHOUSE_STRESS_{name}"), value);
            }
        }
        command.spawn().unwrap()
    }

    fn stopped(&self) -> bool {
        self.stop.exists()
    }
}

/// One of the processes; run by the suite itself, it has no orders and nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_the_stress_test() {
    let Some(orders) = Orders::from_environment() else {
        return;
    };
    // The harness has begun a line.
    println!();
    let lake = Lake::open(&orders.storage).await.unwrap();
    let table = lake.table(&table_name()).await.unwrap();
    match orders.role.as_str() {
        "append" => append(&table, orders.id).await,
        "merge" => merge(&table, orders.id).await,
        "compact" => compact(lake, &table, &orders).await,
        "read" => read(lake, &orders).await,
        other => panic!("there is no role `{other}`"),
    }
}

async fn append(table: &LakeTable, id: i32) {
    for sequence in 0..APPENDS {
        let batch = rows(id, sequence, 0);
        match table.append(vec![batch], AppendCommit::default()).await {
            Ok(AppendOutcome::Committed { .. }) => println!("ack {sequence}"),
            // Nothing was stored, and that is what the count must say.
            Err(lake::Error::Contended { .. }) => println!("lost {sequence}"),
            other => panic!("{other:?}"),
        }
    }
}

async fn merge(table: &LakeTable, id: i32) {
    let on = "source.writer = target.writer AND source.sequence = target.sequence \
              AND source.number = target.number";
    for round in 0..MERGES {
        let source = MergeSource::Batches(vec![rows(FIRST_MERGER + id, 0, round)]);
        let request = MergeRequest::upsert(source, on);
        match table.merge(request, CommitNote::default()).await {
            Ok(_) => println!("ack {round}"),
            Err(lake::Error::Contended { .. }) => println!("lost {round}"),
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn compact(lake: Arc<Lake>, table: &LakeTable, orders: &Orders) {
    let maintainer = Maintainer::new(lake, MaintenanceConfig::default().on_demand());
    while !orders.stopped() {
        let done = maintainer
            .compact(table, Scope::All, &Progress::default())
            .await
            .unwrap();
        if done.version.is_some() {
            println!("ack {}", done.files_removed);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Removes from the store all that the newest version does not need.
async fn tidy(lake: &Arc<Lake>) {
    let maintainer = Maintainer::new(Arc::clone(lake), MaintenanceConfig::default().on_demand());
    let table = lake.table(&table_name()).await.unwrap();
    let compacted = maintainer
        .compact(&table, Scope::All, &Progress::default())
        .await;
    compacted.unwrap();
    maintainer.checkpoint(&table).await.unwrap();
    // Some stores tell times in seconds.
    let now = chrono::Utc::now() + chrono::TimeDelta::seconds(2);
    let at_once = Some(Duration::ZERO);
    let vacuumed = maintainer
        .vacuum(&table, at_once, Minimum::Ignored, Mode::Run, now)
        .await
        .unwrap();
    let cleaned = maintainer
        .clean_log(&table, at_once, Mode::Run, now)
        .await
        .unwrap();
    println!(
        "{} files vacuumed, {} of the log",
        vacuumed.files, cleaned.files
    );
    assert!(vacuumed.files > 0 && cleaned.files > 0);
    let left = maintainer
        .vacuum(&table, at_once, Minimum::Ignored, Mode::DryRun, now)
        .await
        .unwrap();
    assert_eq!(left.files, 0);
}

async fn read(lake: Arc<Lake>, orders: &Orders) {
    let engine = QueryEngine::new(lake, QueryConfig::default()).unwrap();
    let mut most = 0;
    while !orders.stopped() {
        let torn = "SELECT count(*) FROM (SELECT writer, sequence FROM lake.stress.rows \
                    GROUP BY writer, sequence HAVING count(*) <> 50 OR count(DISTINCT value) <> 1)";
        assert_eq!(number(&engine, torn).await, 0, "a version is not whole");
        let rows = number(&engine, "SELECT count(*) FROM lake.stress.rows").await;
        assert!(rows >= most, "{rows} rows after {most}");
        most = rows;
        println!("ack {rows}");
    }
}

async fn number(engine: &QueryEngine, sql: &str) -> i64 {
    let batches = engine.collect(sql).await.unwrap();
    let column = batches[0].column(0);
    let values = arrow::compute::cast(column, &DataType::Int64).unwrap();
    let values = values.as_any().downcast_ref::<arrow::array::Int64Array>();
    values.unwrap().value(0)
}

/// What a finished process acknowledged, the last one last.
fn acknowledged(child: Child, role: &str) -> Vec<i32> {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{role}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said.lines()
        .filter_map(|line| line.strip_prefix("ack ")?.parse().ok())
        .collect()
}

async fn stress(storage: StorageConfig) {
    let scratch = tempfile::tempdir().unwrap();
    let lake = Lake::open(&storage).await.unwrap();
    lake.catalog()
        .create_database(Database::named("stress"))
        .await
        .unwrap();
    let column = |name: &str| Field::new(name, DataType::Int32, false);
    lake.create_table(TableDefinition {
        name: table_name(),
        schema: Arc::new(Schema::new(
            ["writer", "sequence", "number", "value"]
                .map(column)
                .to_vec(),
        )),
        comment: None,
        partition_columns: Vec::new(),
        properties: std::collections::BTreeMap::new(),
    })
    .await
    .unwrap();

    let spawn = |role: &str, id: i32| {
        let orders = Orders {
            role: role.to_owned(),
            id,
            storage: storage.clone(),
            stop: scratch.path().join("stop"),
        };
        orders.spawn()
    };
    let background: Vec<Child> = ["compact", "read"].map(|role| spawn(role, 0)).into();
    let mut killed = spawn("compact", 1);
    let appenders: Vec<Child> = (0..APPENDERS).map(|id| spawn("append", id)).collect();
    let mergers: Vec<Child> = (0..MERGERS).map(|id| spawn("merge", id)).collect();
    let finish = tokio::task::spawn_blocking({
        let stop = scratch.path().join("stop");
        move || {
            let appended: Vec<Vec<i32>> = appenders
                .into_iter()
                .map(|child| acknowledged(child, "append"))
                .collect();
            killed.kill().unwrap();
            killed.wait().unwrap();
            let merged: Vec<Vec<i32>> = mergers
                .into_iter()
                .map(|child| acknowledged(child, "merge"))
                .collect();
            std::fs::write(stop, b"").unwrap();
            let seen: Vec<usize> = background
                .into_iter()
                .map(|child| acknowledged(child, "background").len())
                .collect();
            (appended, merged, seen)
        }
    });
    let (appended, merged, seen) = tokio::time::timeout(DEADLINE, finish)
        .await
        .unwrap()
        .unwrap();
    println!("{}: compactions, reads: {seen:?}", storage.url);
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");

    tidy(&lake).await;
    let engine = QueryEngine::new(lake, QueryConfig::default()).unwrap();
    for (writer, sequences) in appended.iter().enumerate() {
        let of = format!("lake.stress.rows WHERE writer = {writer}");
        assert!(!sequences.is_empty(), "writer {writer} lost every race");
        let expected = sequences.len() as i64 * i64::from(ROWS);
        let stored = number(&engine, &format!("SELECT count(*) FROM {of}")).await;
        assert_eq!(stored, expected, "writer {writer}");
        let distinct = format!("SELECT count(*) FROM (SELECT DISTINCT sequence, number FROM {of})");
        assert_eq!(number(&engine, &distinct).await, expected);
    }
    for (merger, rounds) in merged.iter().enumerate() {
        let of = format!(
            "lake.stress.rows WHERE writer = {}",
            FIRST_MERGER + merger as i32
        );
        let rows = number(&engine, &format!("SELECT count(*) FROM {of}")).await;
        assert_eq!(rows, i64::from(ROWS), "merger {merger}");
        for extreme in ["min", "max"] {
            let value = number(&engine, &format!("SELECT {extreme}(value) FROM {of}")).await;
            assert_eq!(value, i64::from(*rounds.last().unwrap()), "merger {merger}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_a_table_on_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    stress(StorageConfig::for_url(folder.path().display().to_string())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_a_table_on_the_s3_stand_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = start_s3(folder.path()).await;
    let mut storage = StorageConfig::for_url("s3://stress/lake");
    storage.s3.endpoint = Some(server.endpoint());
    storage.s3.access_key_id = Some("access".to_owned());
    storage.s3.secret_access_key = Some("secret-key".to_owned());
    storage.s3.allow_http = true;
    storage.s3.create_bucket = true;
    stress(storage).await;
    server.shutdown().await;
}

async fn start_s3(folder: &Path) -> S3Server {
    S3Server::start(S3ServerConfig {
        data_dir: folder.to_path_buf(),
        listen: ([127, 0, 0, 1], 0).into(),
        access_key: "access".to_owned(),
        secret_key: "secret-key".to_owned(),
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_a_table_on_real_s3() {
    let folder = tempfile::tempdir().unwrap();
    let Some(config) = crate::sandbox::real_config(folder.path()) else {
        println!("SKIPPED: LAKEHOUSE_TEST_… does not name Kafka, S3 and MongoDB");
        return;
    };
    stress(config.storage).await;
}
