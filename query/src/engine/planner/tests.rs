use arrow::util::pretty::pretty_format_batches;
use lake::{Lake, StorageConfig};

use crate::engine::QueryEngine;
use crate::{QueryConfig, Result};

async fn engine() -> QueryEngine {
    let lake = Lake::open(&StorageConfig::for_url("memory://"))
        .await
        .unwrap();
    QueryEngine::new(lake, QueryConfig::default()).unwrap()
}

async fn text(engine: &QueryEngine, sql: &str) -> Result<String> {
    let batches = engine.collect(sql).await?;
    Ok(pretty_format_batches(&batches).unwrap().to_string())
}

/// Presto's literals and arithmetic must not hide constants from the statistics of files.
#[tokio::test]
async fn filters_reach_the_statistics_of_files() {
    let engine = engine().await;
    let script = "CREATE SCHEMA lake.s;
        CREATE TABLE lake.s.lineitem (l_quantity decimal(15,2), l_discount decimal(15,2), l_shipdate date, \
          l_orderkey bigint, l_comment varchar);
        INSERT INTO lake.s.lineitem VALUES (1.00, 0.06, DATE '1994-05-05', 1, 'a'), \
          (50.00, 0.01, DATE '1998-12-31', 2, 'b')";
    engine.execute_script(script).await.unwrap();
    let cases = [
        (
            "l_shipdate <= DATE '1998-12-01' - INTERVAL '90' DAY",
            "1998-09-02",
        ),
        (
            "l_shipdate < DATE '1994-01-01' + INTERVAL '1' YEAR",
            "1995-01-01",
        ),
        ("l_discount BETWEEN 0.05 AND 0.07", "0.05"),
        ("l_quantity < 24", "24"),
        ("l_orderkey = 1 + 0", "1"),
        ("l_orderkey = CAST('1' AS bigint)", "1"),
        ("l_comment LIKE 'a%'", "a"),
    ];
    for (filter, constant) in cases {
        let sql = format!("EXPLAIN SELECT count(*) FROM lake.s.lineitem WHERE {filter}");
        let plan = text(&engine, &sql).await.unwrap();
        let pruning = plan.split("pruning_predicate=").nth(1).unwrap_or_default();
        assert!(pruning.contains(constant), "{filter}: {plan}");
        let sql = format!("SELECT count(*) FROM lake.s.lineitem WHERE {filter}");
        let count = text(&engine, &sql).await.unwrap();
        assert!(count.contains("| 1 "), "{filter}: {count}");
    }
}

#[tokio::test]
async fn projections_read_only_their_columns() {
    let engine = engine().await;
    let script = "CREATE SCHEMA lake.s; CREATE TABLE lake.s.t (a bigint, b bigint, c bigint);
        INSERT INTO lake.s.t VALUES (1, 2, 3)";
    engine.execute_script(script).await.unwrap();
    let plan = text(&engine, "EXPLAIN SELECT try(a / b) + 1 FROM lake.s.t")
        .await
        .unwrap();
    assert!(plan.contains("try(a@0, b@1)"), "{plan}");
}
