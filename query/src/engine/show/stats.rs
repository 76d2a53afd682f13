//! `SHOW STATS`: what the log says of a table's columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray};
use lake::{AsOf, OpenTable, Relation};

use crate::Result;
use crate::engine::names::{FullName, in_catalog};
use crate::engine::session::SessionSettings;
use crate::engine::statement::one_batch;
use crate::engine::{QueryEngine, StatementResult};

pub(super) async fn stats(
    engine: &QueryEngine,
    full: &FullName,
    session: &SessionSettings,
) -> Result<StatementResult> {
    let name = full.in_lake()?;
    match engine.lake().catalog().relation(&name).await {
        Ok(Relation::View(_)) => {
            return stats_of_query(engine, &format!("SELECT * FROM {full}"), session).await;
        }
        Ok(Relation::Table(_)) => {}
        Err(error) => return Err(in_catalog(error, &full.catalog)),
    }
    let OpenTable::Delta(table) = engine.lake().open_table(&name).await? else {
        return stats_of_query(engine, &format!("SELECT * FROM {full}"), session).await;
    };
    let snapshot = table.snapshot(AsOf::Latest).await?;
    let rows = snapshot.row_count();
    let files = snapshot.files()?;
    let columns = snapshot
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let nulls: Option<i64> = files
                .iter()
                .map(|file| {
                    let statistics = file.statistics.as_ref()?;
                    statistics.get("nullCount")?.get(field.name())?.as_i64()
                })
                .sum();
            let fraction = match (rows, nulls) {
                (Some(0), _) => Some(1.0),
                #[expect(clippy::cast_precision_loss, reason = "a fraction is not exact")]
                (Some(rows), Some(nulls)) => Some(nulls as f64 / rows as f64),
                _ => None,
            };
            let is_number = field.data_type().is_numeric();
            let bound = |which: &str, greatest: bool| {
                let mut best: Option<f64> = None;
                for file in &files {
                    let statistics = file.statistics.as_ref()?;
                    let value = statistics.get(which).and_then(|all| all.get(field.name()));
                    let Some(value) = value.and_then(serde_json::Value::as_f64) else {
                        // A file without any value has no bounds.
                        let nulls = statistics.get("nullCount")?.get(field.name())?;
                        if Some(nulls) == statistics.get("numRecords") {
                            continue;
                        }
                        return None;
                    };
                    best = Some(match best {
                        Some(known) if greatest => known.max(value),
                        Some(known) => known.min(value),
                        None => value,
                    });
                }
                best.filter(|_| is_number)
                    .map(|value| number_text(value, field.data_type().is_integer()))
            };
            StatsRow {
                name: Some(field.name().to_lowercase()),
                nulls_fraction: fraction,
                distinct: (rows == Some(0)).then_some(0.0),
                size: (rows == Some(0)).then_some(0.0),
                row_count: None,
                low: bound("minValues", false),
                high: bound("maxValues", true),
            }
        })
        .collect();
    stats_rows(columns, rows)
}

fn number_text(value: f64, is_integer: bool) -> String {
    if is_integer {
        format!("{value:.0}")
    } else {
        let text = value.to_string();
        if text.contains('.') {
            text
        } else {
            format!("{text}.0")
        }
    }
}

struct StatsRow {
    name: Option<String>,
    size: Option<f64>,
    distinct: Option<f64>,
    nulls_fraction: Option<f64>,
    row_count: Option<f64>,
    low: Option<String>,
    high: Option<String>,
}

pub(super) async fn stats_of_query(
    engine: &QueryEngine,
    sql: &str,
    session: &SessionSettings,
) -> Result<StatementResult> {
    let schema = engine.output_schema(sql, session).await?;
    let rows = schema
        .fields()
        .iter()
        .map(|field| StatsRow {
            name: Some(field.name().clone()),
            size: None,
            distinct: None,
            nulls_fraction: None,
            row_count: None,
            low: None,
            high: None,
        })
        .collect();
    stats_rows(rows, None)
}

fn stats_rows(mut rows: Vec<StatsRow>, count: Option<u64>) -> Result<StatementResult> {
    rows.push(StatsRow {
        name: None,
        size: None,
        distinct: None,
        nulls_fraction: None,
        #[expect(clippy::cast_precision_loss, reason = "Trino counts rows in doubles")]
        row_count: count.map(|count| count as f64),
        low: None,
        high: None,
    });
    let text = |pick: fn(&StatsRow) -> &Option<String>| -> ArrayRef {
        Arc::new(
            rows.iter()
                .map(|row| pick(row).clone())
                .collect::<StringArray>(),
        )
    };
    let number = |pick: fn(&StatsRow) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(pick).collect::<Float64Array>())
    };
    one_batch(vec![
        ("column_name", text(|row| &row.name)),
        ("data_size", number(|row| row.size)),
        ("distinct_values_count", number(|row| row.distinct)),
        ("nulls_fraction", number(|row| row.nulls_fraction)),
        ("row_count", number(|row| row.row_count)),
        ("low_value", text(|row| &row.low)),
        ("high_value", text(|row| &row.high)),
    ])
}
