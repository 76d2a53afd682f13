//! Spark against the Hive metastore of the running house.
//!
//! Needs `LAKEHOUSE_TEST_PYTHON` to be a Python with PySpark 3.5 (`pip install 'pyspark==3.5.*'`,
//! which has Hive's client in it), and a Java runtime (`apt-get install default-jre-headless`).

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use chrono::Utc;
use lake::{Column, Database, IfExists, Partition, TableEntry, TableFormat, TableKind, TableName};
use parquet::arrow::ArrowWriter;
use serde_json::json;

use crate::sandbox::{Sandbox, test_config};

#[tokio::test(flavor = "multi_thread")]
async fn spark_reads_and_makes_tables_through_the_metastore() {
    #[expect(clippy::disallowed_methods, reason = "a test asks where the peer is")]
    let python = std::env::var("LAKEHOUSE_TEST_PYTHON").unwrap_or_default();
    let has = |program: &str, arguments: &[&str]| {
        let ran = Command::new(program).args(arguments).output();
        ran.is_ok_and(|output| output.status.success())
    };
    if !has(&python, &["-c", "import pyspark"]) || !has("java", &["-version"]) {
        println!(
            "SKIPPED: LAKEHOUSE_TEST_PYTHON names no Python with `pyspark` 3.5, or there is no `java`"
        );
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut config = test_config(dir.path());
    config.flights.enabled = false;
    let sandbox = Sandbox::start_with(config).await;
    let engine = &sandbox.house.engine;
    let lake_dir = dir.path().join("lake");
    write_weather(&lake_dir);
    register_weather(engine.lake()).await;
    let script = "CREATE TABLE lake.raw.planes (tail varchar NOT NULL COMMENT 'number', seats integer, built timestamp(6))
        COMMENT 'those that fly';
        INSERT INTO lake.raw.planes VALUES ('N1', 180, TIMESTAMP '2001-02-03 04:05:06')";
    engine.execute_script(script).await.unwrap();

    let work = json!({
        "lake": format!("file://{}", lake_dir.display()),
        "databases": sorted_databases(engine.lake()).await,
        "tables": { "raw": ["planes", "weather"], "default": [] },
        "columns": {
            "raw.weather": [["origin", "string"], ["hour", "bigint"], ["temp", "double"], ["year", "int"], ["place", "string"]],
            "raw.planes": [["tail", "string"], ["seats", "int"], ["built", "timestamp_ntz"]],
        },
        "queries": {
            "SELECT * FROM raw.weather ORDER BY hour": [
                ["EWR", 1, 10.5, 2013, "a/b c"],
                ["JFK", 2, null, 2013, "a/b c"],
                ["EWR", 3, -2.0, 2014, "x"],
            ],
            "SELECT count(*), sum(temp) FROM raw.weather WHERE year = 2013": [[2, 10.5]],
            "SELECT origin FROM raw.weather WHERE place = 'x' AND year > 2013": [["EWR"]],
        },
        "partitions": { "raw.weather": ["year=2013/place=a%2Fb c", "year=2014/place=x"] },
        "pruned": {
            "SELECT * FROM raw.weather": 2,
            "SELECT * FROM raw.weather WHERE year = 2014": 1,
            "SELECT * FROM raw.weather WHERE place IN ('x', 'y')": 1,
            "SELECT * FROM raw.weather WHERE place LIKE 'a%'": 1,
        },
    });
    let path = dir.path().join("work.json");
    std::fs::write(&path, work.to_string()).unwrap();
    let metastore = sandbox.house.hive_metastore.clone().unwrap();
    let spark =
        |step: &'static str| run_spark(step, python.clone(), metastore.clone(), path.clone());

    println!("{}", spark("read").await);
    println!("{}", spark("create").await);
    let catalog = engine.lake().catalog();
    let name = TableName::new("made", "visits").unwrap();
    let visits = catalog.table(&name).await.unwrap();
    assert_eq!(visits.kind, TableKind::External);
    assert_eq!(visits.location, "spark/visits");
    assert_eq!(visits.properties["team"], "data");
    let columns: Vec<_> = visits
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(columns, ["who", "n", "seen", "extra"]);
    assert_eq!(catalog.partitions(&name).await.unwrap().len(), 2);
    println!("{}", spark("drop").await);
    assert!(catalog.table(&name).await.is_err());
    assert!(
        lake_dir.join("spark/visits/day=2026-01-01").is_dir(),
        "external files stay"
    );
    sandbox.house.stop().await;
}

/// Writes what somebody else has left on the lake: Parquet files in Hive's folders.
fn write_weather(lake: &Path) {
    let write = |folder: &str, origins: Vec<&str>, hours: Vec<i64>, temps: Vec<Option<f64>>| {
        let columns: [(&str, ArrayRef); 3] = [
            ("origin", Arc::new(StringArray::from(origins))),
            ("hour", Arc::new(Int64Array::from(hours))),
            ("temp", Arc::new(Float64Array::from(temps))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let folder = lake.join("weather").join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let file = std::fs::File::create(folder.join("part-0.parquet")).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    };
    let (first, second) = ("year=2013/place=a%2Fb c", "year=2014/place=x");
    write(
        first,
        vec!["EWR", "JFK"],
        vec![1, 2],
        vec![Some(10.5), None],
    );
    write(second, vec!["EWR"], vec![3], vec![Some(-2.0)]);
}

async fn register_weather(lake: &lake::Lake) {
    lake.catalog()
        .create_database(Database::named("raw"))
        .await
        .unwrap();
    let name = TableName::new("raw", "weather").unwrap();
    let columns = vec![
        Column::new("origin", "string"),
        Column::new("hour", "bigint"),
        Column::new("temp", "double"),
    ];
    let mut entry = TableEntry::external(
        name.clone(),
        "weather",
        TableFormat::Parquet,
        columns,
        Utc::now(),
    );
    entry.partition_keys = vec![Column::new("year", "int"), Column::new("place", "string")];
    lake.create_external_table(entry).await.unwrap();
    let partitions = [["2013", "a/b c"], ["2014", "x"]]
        .map(|values| Partition::new(values.map(str::to_owned).to_vec(), Utc::now()));
    lake.add_partitions(&name, partitions.to_vec(), IfExists::Fail)
        .await
        .unwrap();
}

async fn sorted_databases(lake: &lake::Lake) -> Vec<String> {
    let databases = lake.catalog().databases().await.unwrap();
    let mut names: Vec<_> = databases
        .into_iter()
        .map(|database| database.name)
        .collect();
    names.push("default".to_owned());
    names.sort();
    names.dedup();
    names
}

async fn run_spark(
    step: &str,
    python: String,
    metastore: String,
    work: std::path::PathBuf,
) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("infra/clients/spark_hive.py");
    let mut command = Command::new(&python);
    command.arg(script).args([step, &metastore]).arg(&work);
    // Workers of Spark start the same Python; its files go where they can be deleted.
    command
        .env("PYSPARK_PYTHON", &python)
        .current_dir(work.parent().unwrap());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{step}: {text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    format!("{step}: {text}")
}
