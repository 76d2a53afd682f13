//! `/sql`: a statement and its rows, for people.
//!
//! Without scripts the statement is part of the address. An address can be a link on somebody else's page, so only
//! statements that read are run from there; the script sends the others to the API.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use axum::extract::{Query, State};
use axum::response::Response;
use futures::StreamExt;
use query::{Error, SessionSettings};
use serde::{Deserialize, Serialize};

use crate::telemetry::chain;
use crate::web::app::{App, Page};
use crate::web::error::PageError;

/// Rows that are shown.
const MAX_ROWS: usize = 500;
const DEADLINE: Duration = Duration::from_secs(60);
const READING: [&str; 7] = [
    "select", "with", "values", "table", "show", "describe", "desc",
];

#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Asked {
    q: Option<String>,
    /// A file of `sql/reports`, without the folder.
    report: Option<String>,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    name: &'a str,
    does: &'a str,
}

#[derive(Debug, Serialize)]
struct ConsolePage<'a> {
    sql: String,
    schema: Option<&'static str>,
    reports: Vec<Report<'a>>,
    max_rows: usize,
    result: Option<Grid>,
    elapsed_ms: u128,
    error: Option<String>,
}

/// Rows as text.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    more: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Column {
    name: String,
    numeric: bool,
}

pub(in crate::web) async fn show(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
) -> Response {
    app.answer(page(&app, asked).await)
}

async fn page(app: &App, asked: Asked) -> Result<Page, PageError> {
    let mut reports = Vec::new();
    let mut sql = asked.q.filter(|sql| !sql.trim().is_empty());
    for file in app.sql_files("reports") {
        let name = file.name.trim_start_matches("reports/");
        if asked.report.as_deref() == Some(name) {
            sql.get_or_insert_with(|| without_header(&file.sql).to_owned());
        }
        let does = file.does.as_str();
        reports.push(Report { name, does });
    }
    let schema = app.web.flights.then_some("flights");
    let mut page = ConsolePage {
        sql: sql.clone().unwrap_or_default(),
        schema,
        reports,
        max_rows: MAX_ROWS,
        result: None,
        elapsed_ms: 0,
        error: None,
    };
    if let Some(sql) = sql {
        let started = Instant::now();
        match result(app, &sql, schema).await {
            Ok(grid) => page.result = Some(grid),
            Err(reason) => page.error = Some(reason),
        }
        page.elapsed_ms = started.elapsed().as_millis();
    }
    app.render("console.html", &page)
}

async fn result(app: &App, sql: &str, schema: Option<&str>) -> Result<Grid, String> {
    if !only_reads(sql) {
        return Err(
            "From an address only statements that read are run. Run this one with the button, \
             which needs JavaScript, or send it to POST /sql."
                .to_owned(),
        );
    }
    let reading = Box::pin(read(app, sql, schema));
    match tokio::time::timeout(DEADLINE, reading).await {
        Ok(Ok(grid)) => Ok(grid),
        Ok(Err(error)) => Err(super::super::api::sql::message(&error)),
        Err(_) => Err("the query takes too long for a page".to_owned()),
    }
}

async fn read(app: &App, sql: &str, schema: Option<&str>) -> query::Result<Grid> {
    let session = SessionSettings {
        user: "sql-console".to_owned(),
        source: Some("sql-console".to_owned()),
        schema: schema.map(str::to_owned),
        ..SessionSettings::default()
    };
    let result = Box::pin(app.web.engine.run(sql, &session)).await?;
    let mut result = result.readable();
    let column = |field: &Arc<arrow::datatypes::Field>| Column {
        name: field.name().clone(),
        numeric: field.data_type().is_numeric(),
    };
    let mut grid = Grid {
        columns: result.schema.fields().iter().map(column).collect(),
        ..Grid::default()
    };
    while let Some(batch) = result.rows.next().await {
        let batch = batch.map_err(Error::Execution)?;
        let room = MAX_ROWS - grid.rows.len();
        let shown = batch.slice(0, batch.num_rows().min(room));
        grid.rows
            .extend(texts(&shown).map_err(|error| Error::Internal {
                message: chain(&error),
            })?);
        if batch.num_rows() > room {
            grid.more = true;
            break;
        }
    }
    Ok(grid)
}

fn texts(batch: &RecordBatch) -> Result<Vec<Vec<String>>, ArrowError> {
    let options = FormatOptions::default().with_null("");
    let columns: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<_, _>>()?;
    let row = |position: usize| {
        let cells = columns.iter().map(|column| {
            let text = column.value(position).try_to_string();
            text.unwrap_or_else(|error| error.to_string())
        });
        cells.collect()
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

/// Returns whether the statement starts with a word that only reads.
fn only_reads(sql: &str) -> bool {
    let mut rest = sql.trim_start();
    loop {
        let after = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map(|(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map(|(_, after)| after)
        } else if let Some(inner) = rest.strip_prefix('(') {
            Some(inner)
        } else {
            break;
        };
        rest = after.unwrap_or_default().trim_start();
    }
    let end = rest.find(|c: char| !c.is_ascii_alphabetic());
    let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
    match word.to_ascii_lowercase().as_str() {
        // What is explained with ANALYZE is run.
        "explain" => match after.trim_start().strip_prefix('(') {
            Some(options) => options
                .split_once(')')
                .is_some_and(|(_, explained)| only_reads(explained)),
            None => only_reads(after),
        },
        "analyze" | "verbose" => only_reads(after),
        word => READING.contains(&word),
    }
}

/// Returns the statement without the lines that describe the file.
fn without_header(sql: &str) -> &str {
    let mut rest = sql;
    while let Some((line, after)) = rest.split_once('\n') {
        if !line.starts_with("-- ") {
            break;
        }
        rest = after;
    }
    rest.trim_end()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    #[test]
    fn a_link_cannot_change_the_lake() {
        for sql in [
            "SELECT 1",
            "-- report\n/* why */ (with a as (select 1) select * from a)",
            "show tables",
            "explain select 1",
            "explain analyze verbose select 1",
            "explain (type logical) select 1",
        ] {
            assert!(only_reads(sql), "{sql}");
        }
        for sql in [
            "drop table x",
            "/* select */ insert into t values (1)",
            "-- select",
            "execute immediate 'drop table x'",
            "selector",
            "explain analyze insert into t values (1)",
            "explain (format text) drop table x",
            "explain",
            "create table t as select 1",
            "",
        ] {
            assert!(!only_reads(sql), "{sql}");
        }
    }

    #[test]
    fn a_report_is_shown_without_its_header() {
        let sql = "-- name: reports/x\n-- params:\nSELECT 1 -- one\nFROM t;\n";
        assert_eq!(without_header(sql), "SELECT 1 -- one\nFROM t;");
    }

    #[test]
    fn cells_are_text_and_nulls_are_empty() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(5), None]));
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        assert_eq!(texts(&batch).unwrap(), [["5"], [""]]);
    }
}
