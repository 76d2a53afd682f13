use arrow::util::display::array_value_to_string;
use lake::{Lake, StorageConfig};

use super::*;
use crate::QueryConfig;
use crate::trino::TrinoError;

async fn engine() -> QueryEngine {
    let lake = Lake::open(&StorageConfig::for_url("memory://"))
        .await
        .unwrap();
    let engine = QueryEngine::new(lake, QueryConfig::default()).unwrap();
    let script = "CREATE SCHEMA lake.s; CREATE TABLE lake.s.t AS SELECT 1 AS id, 'a' AS name;
        INSERT INTO lake.s.t VALUES (100, 'b')";
    engine.execute_script(script).await.unwrap();
    engine
}

async fn plan(engine: &QueryEngine, sql: &str) -> String {
    let rows = engine.collect(sql).await.unwrap();
    assert_eq!((rows[0].num_rows(), rows[0].num_columns()), (1, 1), "{sql}");
    array_value_to_string(rows[0].column(0), 0).unwrap()
}

#[tokio::test]
async fn every_type_and_format_is_one_text() {
    let engine = engine().await;
    let query = "SELECT name, count(*) AS n FROM lake.s.t WHERE id < 10 GROUP BY name";
    for (options, part) in [
        ("", "AggregateExec"),
        ("(TYPE LOGICAL)", "Aggregate: "),
        ("(type distributed, format text)", "AggregateExec"),
        ("(TYPE LOGICAL, FORMAT GRAPHVIZ)", "digraph"),
        ("(FORMAT GRAPHVIZ)", "digraph"),
        (
            "(FORMAT JSON, TYPE LOGICAL)",
            "\"Node Type\": \"Aggregate\"",
        ),
        ("(FORMAT JSON)", "\"name\": \"AggregateExec\""),
        ("(TYPE VALIDATE)", "true"),
        ("(TYPE IO)", "\"schema\": \"s\""),
    ] {
        let sql = format!("EXPLAIN {options} {query}");
        let text = plan(&engine, &sql).await;
        assert!(text.contains(part), "{sql}: {text}");
    }
    assert!(
        plan(&engine, "EXPLAIN (SELECT 1)")
            .await
            .contains("ProjectionExec")
    );
}

#[tokio::test]
async fn the_estimate_has_the_keys_that_tools_read() {
    let engine = engine().await;
    let text = plan(
        &engine,
        "EXPLAIN (TYPE IO, FORMAT JSON) SELECT id FROM lake.s.t",
    )
    .await;
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for key in [
        "outputRowCount",
        "outputSizeInBytes",
        "cpuCost",
        "maxMemory",
        "networkCost",
    ] {
        assert!(!document["estimate"][key].is_null(), "{key}: {text}");
    }
    assert_eq!(document["estimate"]["outputRowCount"], 2.0, "{text}");
    let table = &document["inputTableColumnInfos"][0]["table"];
    assert_eq!(
        (&table["catalog"], &table["schemaTable"]["table"]),
        (&"lake".into(), &"t".into())
    );
}

#[tokio::test]
async fn analyze_says_what_each_operator_did() {
    let engine = engine().await;
    let query = "SELECT name FROM lake.s.t WHERE id > 50";
    let text = plan(&engine, &format!("EXPLAIN ANALYZE {query}")).await;
    for part in ["Output: 1 row", "CPU: ", "Pruned: ", "Planning: "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("metrics:"));
    let verbose = plan(&engine, &format!("EXPLAIN ANALYZE VERBOSE {query}")).await;
    assert!(verbose.contains("'output_rows' = 1"), "{verbose}");
    println!("{text}\n{verbose}");
    let join = "SELECT count(*) FROM lake.s.t a JOIN lake.s.t b ON a.id < b.id";
    let text = plan(&engine, &format!("EXPLAIN ANALYZE {join}")).await;
    assert!(
        text.contains("NestedLoopJoinExec") && !text.contains("CooperativeExec"),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_no_query_or_no_option_is_refused_by_name() {
    let engine = engine().await;
    for (sql, name, message) in [
        (
            "EXPLAIN (TYPE NOPE) SELECT 1",
            "SYNTAX_ERROR",
            "line 1:15: mismatched input 'NOPE'. Expecting: 'DISTRIBUTED', 'IO', 'LOGICAL', 'VALIDATE'",
        ),
        (
            "EXPLAIN (FORMAT NOPE) SELECT 1",
            "SYNTAX_ERROR",
            "line 1:17: mismatched input 'NOPE'. Expecting: 'GRAPHVIZ', 'JSON', 'TEXT'",
        ),
        (
            "EXPLAIN (TYPE IO SELECT 1",
            "SYNTAX_ERROR",
            "line 1:18: mismatched input 'SELECT'. Expecting: ')', ','",
        ),
        (
            "EXPLAIN ANALYZE CREATE SCHEMA x",
            "NOT_SUPPORTED",
            "EXPLAIN ANALYZE doesn't support statement type: CREATE SCHEMA",
        ),
        ("EXPLAIN", "SYNTAX_ERROR", ""),
        (
            "EXPLAIN (TYPE VALIDATE) SELECT nope",
            "COLUMN_NOT_FOUND",
            "",
        ),
        (
            "EXPLAIN (TYPE VALIDATE) SELECT FROM WHERE",
            "SYNTAX_ERROR",
            "",
        ),
    ] {
        let error = TrinoError::of(&engine.collect(sql).await.unwrap_err());
        assert_eq!(error.name, name, "{sql}: {}", error.message);
        if !message.is_empty() {
            assert_eq!(error.message, message, "{sql}");
        }
    }
}
