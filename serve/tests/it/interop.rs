//! Delta tables between us and Python's `deltalake`, Polars, DuckDB and Spark, row by row, both ways.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use arrow::util::display::array_value_to_string;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::collect;
use lake::maintenance::{Progress, Scope};
use lake::{
    AppendCommit, AsOf, CommitNote, Conversion, Database, Lake, LakeTable, Maintainer,
    MaintenanceConfig, MergeRequest, MergeSource, StorageConfig, TableDefinition, TableName,
};
use serde_json::json;

#[expect(clippy::print_stdout, reason = "who runs the test wants to know")]
fn tell(text: &str) {
    println!("{text}");
}

/// Returns the Python to use, where there is one with the packages.
fn python() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a test asks where the peer is")]
    let Ok(python) = std::env::var("LAKEHOUSE_TEST_PYTHON") else {
        tell("SKIPPED: LAKEHOUSE_TEST_PYTHON names no Python with the `deltalake` package");
        return None;
    };
    let (found, text) = run(&python, &["packages"]);
    if !found {
        tell(&format!(
            "SKIPPED: `{python}` has not the packages `deltalake` and `pyarrow`: {text}"
        ));
        return None;
    }
    tell(&text);
    Some(python)
}

fn run(python: &str, arguments: &[&str]) -> (bool, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(python)
        .arg(root.join("infra/clients/delta_interop.py"))
        .args(arguments)
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.success(), text)
}

async fn call(python: &str, arguments: &[&str]) {
    let (python, arguments) = (
        python.to_owned(),
        arguments
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
    );
    let (passed, text) = tokio::task::spawn_blocking(move || {
        run(
            &python,
            &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    })
    .await
    .unwrap();
    assert!(passed, "{text}");
    tell(&text);
}

async fn open(folder: &Path) -> Arc<Lake> {
    let url = folder.display().to_string();
    let lake = Lake::open(&StorageConfig::for_url(&url)).await.unwrap();
    lake.catalog()
        .create_database(Database::named("db"))
        .await
        .unwrap();
    lake
}

fn name(table: &str) -> TableName {
    TableName::new("db", table).unwrap()
}

async fn scan(table: &LakeTable, version: u64) -> Vec<RecordBatch> {
    let state = SessionStateBuilder::new().with_default_features().build();
    let snapshot = table.snapshot(AsOf::Version(version)).await.unwrap();
    let provider = snapshot.provider().await.unwrap();
    let plan = provider.scan(&state, None, &[], None).await.unwrap();
    collect(plan, state.task_ctx()).await.unwrap()
}

/// Returns rows as text, columns by name, sorted.
fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        let schema = batch.schema();
        let mut columns: Vec<usize> = (0..batch.num_columns()).collect();
        columns.sort_by_key(|index| schema.field(*index).name());
        for row in 0..batch.num_rows() {
            let cell = |index: &usize| {
                let value = array_value_to_string(batch.column(*index), row).unwrap();
                format!("{}={value}", schema.field(*index).name())
            };
            rows.push(columns.iter().map(cell).collect::<Vec<_>>().join(" "));
        }
    }
    rows.sort_unstable();
    rows
}

/// Unpacks dictionaries, of which an IPC file can have only one for a column.
fn plain(batch: &RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| {
        let values = match field.data_type() {
            DataType::Dictionary(_, values) => values.as_ref().clone(),
            other => other.clone(),
        };
        let column = arrow::compute::cast(column, &values).unwrap();
        (field.name().clone(), column, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).unwrap()
}

/// What Python is to find in our tables.
struct Checks {
    folder: PathBuf,
    list: Vec<serde_json::Value>,
}

impl Checks {
    async fn add(&mut self, what: &str, table: &LakeTable) {
        self.add_for(what, table, None).await;
    }

    /// Adds a version that not everybody can read.
    async fn add_for(&mut self, what: &str, table: &LakeTable, readers: Option<&[&str]>) {
        let batches = scan(table, table.snapshot(AsOf::Latest).await.unwrap().version()).await;
        self.add_rows(what, table, readers, batches, None).await;
    }

    /// Adds the changes of all versions, for who reads them.
    async fn add_changes(&mut self, table: &LakeTable) {
        let state = SessionStateBuilder::new().with_default_features().build();
        let changes = table.changes(AsOf::Version(0), AsOf::Latest).await.unwrap();
        // Others have another type for the time of a commit.
        let columns: Vec<usize> = (0..changes.schema().fields().len() - 1).collect();
        let plan = changes.scan(&state, Some(&columns), &[], None).await;
        let batches = collect(plan.unwrap(), state.task_ctx()).await.unwrap();
        let readers = Some(["spark"].as_slice());
        self.add_rows("changes", table, readers, batches, Some(0))
            .await;
    }

    async fn add_rows(
        &mut self,
        what: &str,
        table: &LakeTable,
        readers: Option<&[&str]>,
        batches: Vec<RecordBatch>,
        changes_from: Option<u64>,
    ) {
        let version = table.snapshot(AsOf::Latest).await.unwrap().version();
        let file = self.folder.join(format!("{}.arrow", self.list.len()));
        let batches: Vec<RecordBatch> = batches.iter().map(plain).collect();
        let schema = batches
            .first()
            .map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
        let mut writer =
            FileWriter::try_new(std::fs::File::create(&file).unwrap(), &schema).unwrap();
        for batch in &batches {
            writer.write(batch).unwrap();
        }
        writer.finish().unwrap();
        self.list.push(json!({
            "name": format!("{} {what}", table.name()),
            "table": table.url().to_file_path().unwrap(),
            "version": version,
            "rows": file,
            "readers": readers,
            "changes_from": changes_from,
        }));
    }
}

fn flights_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("carrier", DataType::Utf8, true),
        Field::new("delay", DataType::Float64, true),
        Field::new("late", DataType::Boolean, true),
        Field::new("day", DataType::Date32, true),
        Field::new(
            "at",
            DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
        Field::new("price", DataType::Decimal128(10, 2), true),
    ]))
}

fn flights(ids: std::ops::Range<i64>) -> RecordBatch {
    let number = |id: i64| i32::try_from(id).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(ids.clone())),
        Arc::new(StringArray::from_iter(ids.clone().map(|id| match id % 4 {
            0 => None,
            1 => Some("A A/%:é"),
            _ => Some("UA"),
        }))),
        Arc::new(Float64Array::from_iter(
            ids.clone()
                .map(|id| (id % 5 != 0).then(|| f64::from(number(id)) / 4.0)),
        )),
        Arc::new(BooleanArray::from_iter(
            ids.clone().map(|id| Some(id % 2 == 0)),
        )),
        Arc::new(Date32Array::from_iter_values(
            ids.clone().map(|id| 15_706 + number(id) % 3),
        )),
        Arc::new(
            TimestampMicrosecondArray::from_iter_values(
                ids.clone()
                    .map(|id| 1_357_018_200_000_000 + id * 60_000_001),
            )
            .with_timezone("UTC"),
        ),
        Arc::new(
            Decimal128Array::from_iter_values(ids.map(|id| i128::from(id) * 25))
                .with_precision_and_scale(10, 2)
                .unwrap(),
        ),
    ];
    RecordBatch::try_new(flights_schema(), columns).unwrap()
}

async fn append(table: &LakeTable, rows: RecordBatch) {
    table
        .append(vec![rows], AppendCommit::default())
        .await
        .unwrap();
}

/// Does everything to a table that makes a version, and notes what is in each.
async fn everything(table: &LakeTable, checks: &mut Checks) {
    let note = CommitNote::default;
    append(table, flights(0..20)).await;
    append(table, flights(20..30)).await;
    checks.add("after appends", table).await;
    table.delete(Some("id % 7 = 3"), note()).await.unwrap();
    checks.add("after a delete", table).await;
    table
        .delete(Some("carrier = 'UA' AND day = DATE '2013-01-01'"), note())
        .await
        .unwrap();
    checks
        .add("after a delete by partition columns", table)
        .await;
    table
        .update(
            &[("delay", "delay * 2"), ("late", "NOT late")],
            Some("id > 20"),
            note(),
        )
        .await
        .unwrap();
    checks.add("after an update", table).await;
    let source = MergeSource::Batches(vec![flights(15..25), flights(40..45)]);
    let request = MergeRequest::upsert(source, "source.id = target.id");
    table.merge(request, note()).await.unwrap();
    checks.add("after a merge", table).await;
    let delta = table
        .snapshot(AsOf::Latest)
        .await
        .unwrap()
        .delta_table()
        .clone();
    delta.optimize().await.unwrap();
    checks.add("after a compaction", table).await;
    table
        .overwrite(vec![flights(0..3)], Some("id >= 40"), note())
        .await
        .unwrap_err();
    table
        .overwrite(vec![flights(41..43)], Some("id >= 40"), note())
        .await
        .unwrap();
    checks.add("after a replace-where", table).await;
    let extra = Field::new("extra", DataType::Utf8, true);
    table.add_columns(&[extra], note()).await.unwrap();
    append(table, flights(50..52)).await;
    table
        .update(&[("extra", "carrier")], Some("id = 51"), note())
        .await
        .unwrap();
    checks.add("after a new column", table).await;
    table
        .add_constraint("known", "id >= 0", note())
        .await
        .unwrap();
    table.drop_not_null("id", note()).await.unwrap();
    append(table, flights(60..61)).await;
    checks.add("after a constraint", table).await;
    table.restore(AsOf::Version(2), note()).await.unwrap();
    checks.add("after a restore", table).await;
    table.truncate(note()).await.unwrap();
    append(table, flights(70..72)).await;
    checks.add("after a truncate", table).await;
}

/// Gives a mapped table one more column, rows that have it, and few files.
async fn change_columns(lake: &Arc<Lake>, table: &LakeTable) {
    let extra = Field::new("extra", DataType::Utf8, true);
    let note = CommitNote::default;
    table.add_columns(&[extra], note()).await.unwrap();
    append(table, flights(20..30)).await;
    table
        .update(&[("extra", "carrier")], Some("id > 15"), note())
        .await
        .unwrap();
    append(table, flights(30..40)).await;
    let maintainer = Maintainer::new(Arc::clone(lake), MaintenanceConfig::default().on_demand());
    let progress = Progress::default();
    let packed = maintainer.compact(table, Scope::All, &progress).await;
    assert!(packed.unwrap().files_removed > 0);
}

fn definition(table: &str, properties: &[(&str, &str)], partitions: &[&str]) -> TableDefinition {
    TableDefinition {
        name: name(table),
        schema: flights_schema(),
        comment: None,
        partition_columns: partitions.iter().map(ToString::to_string).collect(),
        properties: properties
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn python_reads_what_we_wrote() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let lake = open(&folder.path().join("lake")).await;
    let mut checks = Checks {
        folder: folder.path().to_owned(),
        list: Vec::new(),
    };
    // A checkpoint in the middle of it all.
    let often = ("delta.checkpointInterval", "3");
    for (table, properties, partitions) in [
        ("plain", vec![often], vec![]),
        (
            "parted",
            vec![often, ("delta.enableChangeDataFeed", "true")],
            vec!["carrier", "day"],
        ),
    ] {
        let definition = definition(table, &properties, &partitions);
        let table = lake.create_table(definition).await.unwrap();
        everything(&table, &mut checks).await;
    }
    let mapping = [
        ("delta.columnMapping.mode", "name"),
        ("delta.enableChangeDataFeed", "true"),
    ];
    let mapped = definition("mapped", &mapping, &["carrier"]);
    let mapped = lake.create_table(mapped).await.unwrap();
    append(&mapped, flights(0..20)).await;
    mapped
        .delete(Some("id = 3"), CommitNote::default())
        .await
        .unwrap();
    // PyArrow's datasets know no column mapping and no files elsewhere; Polars refuses both.
    let some = Some(["deltalake-sql", "spark"].as_slice());
    checks.add_for("with column mapping", &mapped, some).await;
    change_columns(&lake, &mapped).await;
    checks
        .add_for("with another column, packed", &mapped, some)
        .await;
    checks.add_changes(&mapped).await;
    let note = CommitNote::default();
    mapped
        .rename_column("delay", "minutes", note)
        .await
        .unwrap();
    checks.add_for("with a column renamed", &mapped, some).await;
    let at = AsOf::Version(2);
    let clone = lake
        .clone_table(&name("parted"), at, &name("clone"), CommitNote::default())
        .await
        .unwrap();
    checks.add_for("cloned", &clone, some).await;
    append(&clone, flights(80..82)).await;
    clone
        .delete(Some("id = 1"), CommitNote::default())
        .await
        .unwrap();
    checks.add("changed", &clone).await;
    let file = folder.path().join("checks.json");
    std::fs::write(&file, serde_json::to_vec(&checks.list).unwrap()).unwrap();
    call(&python, &["read", &file.display().to_string()]).await;
}

/// Compares all versions that somebody noted the rows of; returns how many there were.
async fn compare_versions(opened: &LakeTable, theirs: &Path, table: &str) -> usize {
    let latest = opened.snapshot(AsOf::Latest).await.unwrap().version();
    let mut compared = 0;
    for version in 0..=latest {
        let Ok(file) = std::fs::File::open(theirs.join(format!("{table}.{version}.arrow"))) else {
            continue;
        };
        let expected: Vec<RecordBatch> = FileReader::try_new(file, None)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let found = texts(&scan(opened, version).await);
        assert_eq!(found, texts(&expected), "{table} version {version}");
        compared += 1;
    }
    compared
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_deletion_vectors_hide_are_not_read() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("lake");
    let lake = open(&root).await;
    let theirs = root.join("theirs");
    std::fs::create_dir_all(&theirs).unwrap();
    call(&python, &["vectors", &theirs.display().to_string()]).await;
    for table in ["hidden", "hidden_parted"] {
        if !theirs.join(table).exists() {
            tell("SKIPPED: nobody here writes deletion vectors");
            return;
        }
        let location = format!("theirs/{table}");
        let opened = lake
            .convert(&name(table), &location, Conversion::default())
            .await
            .unwrap();
        assert_eq!(compare_versions(&opened, &theirs, table).await, 6);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn we_read_and_change_what_python_wrote() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("lake");
    let lake = open(&root).await;
    let theirs = root.join("theirs");
    std::fs::create_dir_all(&theirs).unwrap();
    call(&python, &["write", &theirs.display().to_string()]).await;
    let mut checks = Checks {
        folder: folder.path().to_owned(),
        list: Vec::new(),
    };
    for table in ["plain", "parted"] {
        let opened = lake
            .convert(
                &name(table),
                &format!("theirs/{table}"),
                Conversion::default(),
            )
            .await
            .unwrap();
        let compared = compare_versions(&opened, &theirs, table).await;
        assert!(compared >= 9, "{table}: only {compared} versions");
        let note = CommitNote::default;
        opened
            .update(&[("delay", "0.5")], Some("id = 301"), note())
            .await
            .unwrap();
        checks.add("after our update", &opened).await;
        opened.delete(Some("id = 300"), note()).await.unwrap();
        checks.add("after our delete", &opened).await;
        let broken = opened
            .update(&[("id", "-1")], None, note())
            .await
            .unwrap_err();
        assert!(broken.to_string().contains("`positive`"), "{broken}");
        opened.restore(AsOf::Version(4), note()).await.unwrap();
        checks.add("after our restore", &opened).await;
    }
    let file = folder.path().join("checks.json");
    std::fs::write(&file, serde_json::to_vec(&checks.list).unwrap()).unwrap();
    call(&python, &["read", &file.display().to_string()]).await;
}
