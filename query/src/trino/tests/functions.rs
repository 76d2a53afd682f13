//! Every scalar function against what a Trino server answered, as constants and over columns.

use super::*;
use crate::presto::dialect::TrinoDialect;
use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments};
use datafusion::sql::sqlparser::parser::Parser;

/// Expression, type or `ERROR` and its name, value or message.
const ANSWERS: &str = concat!(include_str!("functions.tsv"), include_str!("sql_json.tsv"));

/// These take a NULL for a value, or leave it out.
const TAKES_NULL: [&str; 5] = ["concat_ws", "format", "json_array", "json_object", "typeof"];

/// A column has one time zone, which a constant names; the form of a normalization is a word.
const OF_CONSTANTS: [&str; 6] = [
    "at_timezone",
    "from_iso8601_timestamp",
    "from_unixtime",
    "normalize",
    "parse_datetime",
    "with_timezone",
];

impl House {
    /// The type and the values of the one column, or the error's name and message.
    async fn column(&self, sql: &str) -> Result<(String, Vec<Value>), (String, String)> {
        let headers = [("x-trino-client-capabilities", "PARAMETRIC_DATETIME")];
        let answers = self.run(&headers, sql).await;
        let pages: Vec<Value> = answers.iter().map(Answer::json).collect();
        if let Some(error) = pages.last().map(|page| &page["error"])
            && let Some(name) = error["errorName"].as_str()
        {
            return Err((name.to_owned(), error["message"].to_string()));
        }
        let columns = pages.iter().find_map(|page| page["columns"].get(0));
        let own_type = columns.unwrap()["type"]
            .as_str()
            .unwrap()
            .replace(", ", ",");
        let rows = pages.iter().filter_map(|page| page["data"].as_array());
        let values = rows.flatten().map(|row| row[0].clone()).collect();
        Ok((own_type, values))
    }
}

/// Calls whose input may be any value; a path is a literal.
const OF_PATHS: [&str; 3] = ["json_exists", "json_query", "json_value"];

/// Returns the call with its input from a column, as [`over_columns`].
fn over_input(sql: &str) -> Option<(String, String)> {
    let (name, arguments) = sql.split_once('(')?;
    let text = arguments.strip_prefix('\'')?;
    let (text, clauses) = text.split_once("\',")?;
    let sql = format!(
        "SELECT {name}(c, {clauses} FROM (VALUES (1, '{text}'), (2, NULL), (3, '{text}')) t(n, c) ORDER BY n"
    );
    Some((name.to_owned(), sql))
}

/// Returns the call with its arguments from columns: of the values, of NULLs, of the values again. None if it is no
/// plain call.
fn over_columns(sql: &str) -> Option<(String, String)> {
    if OF_PATHS.iter().any(|name| sql.starts_with(name)) {
        return over_input(sql);
    }
    let mut parser = Parser::new(&TrinoDialect).try_with_sql(sql).unwrap();
    let Ok(Expr::Function(mut call)) = parser.parse_expr() else {
        return None;
    };
    let name = call.name.to_string().to_lowercase();
    // The parser's text of a quote within a string is not what it has read.
    if OF_CONSTANTS.contains(&name.as_str()) || name == "json_object" || sql.contains("''") {
        return None;
    }
    let FunctionArguments::List(list) = &mut call.args else {
        return None;
    };
    let mut values = Vec::new();
    for (position, argument) in list.args.iter_mut().enumerate() {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = argument else {
            return None;
        };
        values.push(value.to_string());
        let column = Parser::new(&TrinoDialect).try_with_sql(&format!("c{position}"));
        *value = column.unwrap().parse_expr().unwrap();
    }
    if values.is_empty() {
        return None;
    }
    let columns: Vec<String> = (0..values.len()).map(|n| format!("c{n}")).collect();
    let (values, nulls) = (values.join(", "), vec!["NULL"; columns.len()].join(", "));
    let sql = format!(
        "SELECT {call} FROM (VALUES (1, {values}), (2, {nulls}), (3, {values})) t(n, {}) ORDER BY n",
        columns.join(", ")
    );
    Some((name, sql))
}

fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours.as_f64(), theirs.as_f64()) {
        // The inverse distributions are found by trying; Trino stops earlier.
        (Some(a), Some(b)) => a == b || (a - b).abs() <= 1e-9 * b.abs(),
        _ => ours == theirs,
    }
}

/// A varchar of any length is a varchar: Trino's constants know their length, most of its functions do not.
fn same_type(ours: &str, theirs: &str) -> bool {
    if ours.eq_ignore_ascii_case(theirs) {
        return true;
    }
    let ours = match ours.split_once('(') {
        Some(("varchar", _)) => "varchar",
        _ => ours,
    };
    ours.eq_ignore_ascii_case(theirs)
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_answer_as_trino_does() {
    let house = House::start().await;
    let mut failures = Vec::new();
    let mut columns = 0;
    for line in ANSWERS.lines() {
        let [sql, kind, value] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let found = house.column(&format!("SELECT {sql}")).await;
        let failed = match (&found, kind.strip_prefix("ERROR ")) {
            (Err((name, _)), Some(wanted)) => name != wanted,
            (Ok((own_type, values)), None) => {
                let theirs: Value = serde_json::from_str(value).unwrap();
                !same_type(own_type, kind) || values.len() != 1 || !same(&values[0], &theirs)
            }
            _ => true,
        };
        if failed {
            failures.push(format!(
                "{sql}\n  Trino: {kind} {value}\n  ours:  {found:?}"
            ));
            continue;
        }
        let (Ok((_, values)), Some((name, sql))) = (found, over_columns(sql)) else {
            continue;
        };
        columns += 1;
        let found = house.column(&sql).await;
        let is_same = found.as_ref().is_ok_and(|(_, own)| {
            let takes_null = TAKES_NULL.contains(&name.as_str());
            own[0] == values[0] && own[2] == values[0] && (takes_null || own[1].is_null())
        });
        if !is_same {
            failures.push(format!(
                "{sql}\n  as a constant: {values:?}\n  in a column: {found:?}"
            ));
        }
    }
    assert!(columns > 300, "{columns} calls over columns");
    assert!(
        failures.is_empty(),
        "{} of {}\n{}",
        failures.len(),
        ANSWERS.lines().count(),
        failures.join("\n")
    );
}

#[tokio::test]
async fn a_session_has_its_own_zone() {
    let house = House::start().await;
    let zone = [("x-trino-time-zone", "Europe/Paris")];
    let sql = "SELECT current_timezone(), CAST(from_iso8601_timestamp('2024-01-02') AS varchar)";
    let rows = house.rows(&zone, sql).await;
    let wanted = serde_json::json!(["Europe/Paris", "2024-01-02 00:00:00.000 Europe/Paris"]);
    assert_eq!(rows, [wanted]);
}
