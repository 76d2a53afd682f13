use arrow::util::pretty::pretty_format_batches;
use lake::StorageConfig;

use super::*;

async fn engine() -> QueryEngine {
    let lake = Lake::open(&StorageConfig::for_url("memory://"))
        .await
        .unwrap();
    QueryEngine::new(lake, QueryConfig::default()).unwrap()
}

async fn text(engine: &QueryEngine, sql: &str) -> String {
    pretty_format_batches(&engine.collect(sql).await.unwrap())
        .unwrap()
        .to_string()
}

async fn with_rows() -> QueryEngine {
    let engine = engine().await;
    let script = "CREATE SCHEMA lake.s;
        CREATE TABLE lake.s.t (id integer NOT NULL COMMENT 'key', name varchar, at timestamp(6)) COMMENT 'a; b';
        INSERT INTO lake.s.t VALUES (1, 'one', TIMESTAMP '2026-01-01 00:00:00');
        INSERT INTO lake.s.t (name, id) SELECT 'two', 2";
    engine.execute_script(script).await.unwrap();
    engine
}

#[tokio::test]
async fn rows_are_stored_and_read() {
    let engine = with_rows().await;
    let rows = text(
        &engine,
        "SELECT id, upper(name), at FROM lake.s.T ORDER BY id DESC",
    )
    .await;
    assert_eq!(
        rows,
        "+----+-------+---------------------+\n\
         | id | _col1 | at                  |\n\
         +----+-------+---------------------+\n\
         | 2  | TWO   |                     |\n\
         | 1  | ONE   | 2026-01-01T00:00:00 |\n\
         +----+-------+---------------------+"
    );
}

#[tokio::test]
async fn an_old_version_is_read_as_it_was() {
    let engine = with_rows().await;
    let count = |sql: &'static str| {
        let engine = engine.clone();
        async move {
            let batches = engine.collect(sql).await.unwrap();
            batches.iter().map(RecordBatch::num_rows).sum::<usize>()
        }
    };
    assert_eq!(count("SELECT * FROM lake.s.t FOR VERSION AS OF 0").await, 0);
    assert_eq!(count("SELECT * FROM lake.s.t FOR VERSION AS OF 1").await, 1);
    assert_eq!(count("SELECT * FROM lake.s.t").await, 2);
    assert!(
        engine
            .collect("SELECT * FROM lake.s.t FOR VERSION AS OF 9")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn names_are_listed() {
    let engine = with_rows().await;
    assert!(text(&engine, "SHOW CATALOGS").await.contains("lake"));
    assert!(
        text(&engine, "SHOW SCHEMAS FROM lake")
            .await
            .contains("information_schema")
    );
    assert!(
        text(&engine, "SHOW TABLES FROM lake.s LIKE 't%'")
            .await
            .contains("| t ")
    );
    let described = text(&engine, "DESCRIBE lake.s.t").await;
    assert!(
        described.contains("timestamp(6)") && described.contains("key"),
        "{described}"
    );
    assert!(
        text(&engine, "SHOW CREATE TABLE lake.s.t")
            .await
            .contains("id integer NOT NULL")
    );
}

#[tokio::test]
async fn wrong_statements_are_named() {
    let engine = with_rows().await;
    let fails = |sql: &'static str| {
        let engine = engine.clone();
        async move {
            let error = engine.collect(sql).await.unwrap_err();
            let source =
                std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
            format!("{error} {source}")
        }
    };
    assert!(fails("SELEKT 1").await.contains("SELEKT"));
    assert!(fails("SELECT nope FROM lake.s.t").await.contains("nope"));
    assert!(fails("SELECT * FROM lake.s.tt").await.contains("s.tt"));
    assert!(fails("SELECT * FROM t").await.contains("needs a schema"));
    assert!(
        fails("SELECT * FROM lake.s.t TABLESAMPLE BERNOULLI (101)")
            .await
            .contains("less than or equal to 100")
    );
    assert!(
        fails("GRANT SELECT ON lake.s.t TO bob")
            .await
            .contains("not supported")
    );
}

#[tokio::test]
async fn quotes_in_literals_survive_every_rewrite() {
    let engine = with_rows().await;
    for sql in [
        "SELECT 'it''s' AS s, 1e0 AS d",
        "SELECT 'it''s' AS s, count(*) AS n FROM lake.s.t FOR VERSION AS OF 1",
        "EXECUTE IMMEDIATE 'SELECT ''it''''s'' AS s, 1e0 AS d'",
        "EXECUTE IMMEDIATE 'SELECT ? AS s, 1e0 AS d' USING 'it''s'",
    ] {
        let rows = text(&engine, sql).await;
        assert!(rows.contains("it's"), "{sql}: {rows}");
    }
}

#[tokio::test]
async fn an_external_table_is_shown_as_it_would_be_created() {
    let engine = with_rows().await;
    let create = "CREATE EXTERNAL TABLE lake.s.f (\n   a array<string> COMMENT 'it''s',\n   b decimal(10,2)\n)\n\
                  COMMENT 'files'\n\
                  PARTITIONED BY (\n   year int\n)\n\
                  STORED AS PARQUET\n\
                  LOCATION 'files/f'\n\
                  TBLPROPERTIES ('steward' = 'ops')";
    engine.collect(create).await.unwrap();
    let shown = engine.collect("SHOW CREATE TABLE lake.s.f").await.unwrap();
    let shown = arrow::util::display::array_value_to_string(shown[0].column(0), 0).unwrap();
    assert_eq!(shown, create);
    let again = shown.replace("lake.s.f", "lake.s.g");
    engine.collect(&again).await.unwrap();
    let plan = text(&engine, "EXPLAIN SELECT * FROM lake.s.g WHERE year = 2013").await;
    assert!(plan.contains("EmptyExec"), "{plan}");
}

#[tokio::test]
async fn rows_that_nobody_reads_are_not_made_while_their_session_lives() {
    let engine = engine().await;
    let session = SessionSettings::default();
    let many = "UNNEST(sequence(1, 10000))";
    let sql = format!(
        "SELECT a.n % 10 AS k, sum(a.n * b.n * c.n % 7) FROM {many} a(n) CROSS JOIN {many} b(n) CROSS JOIN {many} c(n) GROUP BY 1"
    );
    let result = engine.run(&sql, &session).await.unwrap();
    let workers = engine.workers().handle().metrics();
    assert!(workers.num_alive_tasks() > 0, "it is at work");
    drop(result);
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while workers.num_alive_tasks() > 0 || session.work.totals().memory_bytes > 0 {
        assert!(std::time::Instant::now() < patience, "work goes on");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
