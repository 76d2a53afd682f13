//! What a plan is expected to read and to return.

use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, TableReference};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{LogicalPlan, TableScan};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use serde_json::{Value, json};

use super::super::{CATALOG, plan_error};
use super::analyze::size;
use crate::presto::types::type_name;
use crate::{Error, Result};

fn statistics(plan: &dyn ExecutionPlan) -> Option<Arc<Statistics>> {
    let context = StatisticsContext::new();
    context.compute(plan, &StatisticsArgs::new()).ok()
}

fn number(value: &Precision<usize>) -> Option<f64> {
    value.get_value().map(|value| *value as f64)
}

/// Numbers that are not known are NaN, as text, because JSON has no such number.
fn shown(value: Option<f64>) -> Value {
    value.map_or_else(|| json!("NaN"), |value| json!(value))
}

fn estimate(statistics: Option<&Statistics>, cost: Option<f64>) -> Value {
    let rows = statistics.and_then(|statistics| number(&statistics.num_rows));
    let bytes = statistics.and_then(|statistics| number(&statistics.total_byte_size));
    json!({
        "outputRowCount": shown(rows),
        "outputSizeInBytes": shown(bytes),
        "cpuCost": shown(cost),
        "maxMemory": shown(Some(0.0)),
        "networkCost": shown(Some(0.0)),
    })
}

/// Returns one line about the whole plan.
pub(super) fn one_line(plan: &dyn ExecutionPlan) -> String {
    let found = statistics(plan);
    let rows = found
        .as_ref()
        .and_then(|found| found.num_rows.get_value().copied());
    let bytes = found
        .as_ref()
        .and_then(|found| found.total_byte_size.get_value().copied());
    let rows = rows.map_or_else(|| "?".to_owned(), |rows| rows.to_string());
    let bytes = bytes.map_or_else(|| "?".to_owned(), size);
    format!("Estimates: {{rows: {rows} ({bytes})}}")
}

/// Returns Trino's document of `TYPE IO`.
///
/// # Errors
/// A bug of ours.
pub(super) fn document(logical: &LogicalPlan, physical: &dyn ExecutionPlan) -> Result<String> {
    let (mut tables, mut read) = (Vec::new(), Some(0.0));
    let visited = logical.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let (table, bytes) = scanned(scan);
            tables.push(table);
            read = read.zip(bytes).map(|(read, bytes)| read + bytes);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    visited.map_err(plan_error)?;
    // Rows that are read cost at least their reading; more than that is not modelled.
    let estimate = estimate(statistics(physical).as_deref(), read);
    pretty(&json!({ "inputTableColumnInfos": tables, "estimate": estimate }))
}

fn scanned(scan: &TableScan) -> (Value, Option<f64>) {
    let found = source_as_provider(&scan.source).ok();
    let found = found.and_then(|provider| provider.statistics());
    let bytes = found
        .as_ref()
        .and_then(|found| number(&found.total_byte_size));
    let (catalog, schema, table) = match &scan.table_name {
        TableReference::Bare { table } => (None, None, table),
        TableReference::Partial { schema, table } => (None, Some(schema), table),
        TableReference::Full {
            catalog,
            schema,
            table,
        } => (Some(catalog), Some(schema), table),
    };
    let columns: Vec<Value> = scan
        .projected_schema
        .fields()
        .iter()
        .filter(|field| {
            let mut filters = scan.filters.iter();
            filters.any(|filter| filter.column_refs().iter().any(|c| c.name == *field.name()))
        })
        .map(|field| json!({ "columnName": field.name(), "type": type_name(field.data_type()) }))
        .collect();
    let document = json!({
        "table": {
            "catalog": catalog.map_or(CATALOG, |name| name.as_ref()),
            "schemaTable": { "schema": schema.map(|name| name.as_ref()), "table": table.as_ref() },
        },
        "constraint": { "none": false, "columnConstraints": columns },
        "estimate": estimate(found.as_ref(), bytes),
    });
    (document, bytes)
}

/// Returns the operators as Trino nests them.
///
/// # Errors
/// A bug of ours.
pub(super) fn tree(plan: &dyn ExecutionPlan) -> Result<String> {
    let mut next = 0;
    pretty(&json!({ "0": node(plan, &mut next) }))
}

fn node(plan: &dyn ExecutionPlan, next: &mut usize) -> Value {
    let id = next.to_string();
    *next += 1;
    let schema = plan.schema();
    let outputs: Vec<Value> = schema
        .fields()
        .iter()
        .map(|field| json!({ "name": field.name(), "type": type_name(field.data_type()) }))
        .collect();
    let children = plan.children();
    let children: Vec<Value> = children.iter().map(|c| node(c.as_ref(), next)).collect();
    json!({
        "id": id,
        "name": plan.name(),
        "descriptor": {},
        "outputs": outputs,
        "details": [displayable(plan).one_line().to_string().trim_end()],
        "estimates": [estimate(statistics(plan).as_deref(), None)],
        "children": children,
    })
}

fn pretty(document: &Value) -> Result<String> {
    serde_json::to_string_pretty(document).map_err(|error| Error::Internal {
        message: format!("cannot write a plan: {error}"),
    })
}
