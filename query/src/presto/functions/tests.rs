//! Every function against what a Trino server answered, as constants and over columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::concat;
use arrow::datatypes::{Field, FieldRef, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable as _, ReturnFieldArgs, ScalarFunctionArgs,
};
use datafusion::prelude::SessionConfig;
use datafusion::sql::sqlparser::ast::{ExprWithAlias, SelectItem, SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use serde_json::Value;

use super::Library;
use super::kinds::Kind;
use crate::presto::error::TrinoFailure;
use crate::presto::rewrite::{self, SessionFacts};
use crate::presto::types::type_name;

/// `expression`, type and value, or error and message.
const ANSWERS: &str = include_str!("tests.tsv");

fn state(zone: &str) -> SessionState {
    let mut config =
        SessionConfig::new().set_bool("datafusion.sql_parser.parse_float_as_decimal", true);
    config.options_mut().execution.time_zone = Some(zone.to_owned());
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .build();
    Library::new().register(&mut state).unwrap();
    state
}

struct Answer {
    value: ScalarValue,
    field: FieldRef,
}

fn one_row() -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap()
}

/// Plans an expression as a statement's would be.
fn plan(state: &SessionState, sql: &str) -> Result<Expr> {
    let sql = rewrite::literals(&format!("SELECT {sql}")).unwrap();
    let mut statement = Parser::parse_sql(&GenericDialect {}, &sql)
        .unwrap()
        .remove(0);
    rewrite::functions(&mut statement, &SessionFacts::default()).unwrap();
    let Statement::Query(query) = statement else {
        panic!("{sql}");
    };
    let SetExpr::Select(select) = *query.body else {
        panic!("{sql}");
    };
    let [SelectItem::UnnamedExpr(expr)] = select.projection.as_slice() else {
        panic!("{sql}");
    };
    let expr = ExprWithAlias {
        expr: expr.clone(),
        alias: None,
    };
    state.create_logical_expr_from_sql_expr(expr, &DFSchema::empty())
}

/// Evaluates an expression of constants, each call of ours also over a column.
fn evaluate(state: &SessionState, expr: &Expr) -> Result<Answer> {
    let schema = DFSchema::empty();
    let Expr::ScalarFunction(call) = expr else {
        let physical = state.create_physical_expr(expr.clone(), &schema)?;
        let value = physical.evaluate(&one_row())?.into_array(1)?;
        let (_, field) = expr.to_field(&schema)?;
        let field = Field::clone(&field).with_data_type(value.data_type().clone());
        return Ok(Answer {
            value: ScalarValue::try_from_array(&value, 0)?,
            field: Arc::new(field),
        });
    };
    let arguments: Vec<Answer> = call
        .args
        .iter()
        .map(|argument| evaluate(state, argument))
        .collect::<Result<_>>()?;
    let fields: Vec<FieldRef> = arguments.iter().map(|a| Arc::clone(&a.field)).collect();
    let constants: Vec<Option<&ScalarValue>> = arguments.iter().map(|a| Some(&a.value)).collect();
    let field = call.func.return_field_from_args(ReturnFieldArgs {
        arg_fields: &fields,
        scalar_arguments: &constants,
    })?;
    let invoke = |args: Vec<ColumnarValue>, rows: usize| {
        call.func.invoke_with_args(ScalarFunctionArgs {
            args,
            arg_fields: fields.clone(),
            number_rows: rows,
            return_field: Arc::clone(&field),
            config_options: Arc::new(ConfigOptions::default()),
        })
    };
    let values = arguments
        .iter()
        .map(|a| ColumnarValue::Scalar(a.value.clone()));
    let scalar = invoke(values.collect(), 1)?.into_array(1)?;
    let columns = arguments.iter().map(|a| {
        let value = a.value.to_array()?;
        let null = arrow::array::new_null_array(value.data_type(), 1);
        let all: ArrayRef = concat(&[value.as_ref(), null.as_ref(), value.as_ref()])?;
        Ok(ColumnarValue::Array(all))
    });
    let columns: Vec<ColumnarValue> = columns.collect::<Result<_>>()?;
    let column = invoke(columns, 3)?.into_array(3)?;
    for row in [0, 2] {
        assert_eq!(
            ScalarValue::try_from_array(&scalar, 0)?,
            ScalarValue::try_from_array(&column, row)?,
            "as a constant and in a column: {expr}"
        );
    }
    let takes_null = [
        "typeof",
        "format",
        "concat_ws",
        "json_array",
        "make_array",
        "json_object",
    ];
    let is_null = column.is_null(1) || takes_null.contains(&call.func.name());
    assert!(call.args.is_empty() || is_null, "NULL in a column: {expr}");
    Ok(Answer {
        value: ScalarValue::try_from_array(&scalar, 0)?,
        field,
    })
}

fn wire(answer: &Answer) -> Value {
    let array = answer.value.to_array().unwrap();
    let schema = Schema::new(vec![answer.field.as_ref().clone()]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![array]).unwrap();
    let rows = crate::trino::encoded_rows(&batch).unwrap();
    let rows: Value = serde_json::from_slice(&rows).unwrap();
    rows[0][0].clone()
}

fn same(ours: &Value, theirs: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    match (number(ours), number(theirs)) {
        // The inverse distributions are found by trying; Trino stops earlier.
        (Some(a), Some(b)) => a == b || (a - b).abs() <= 1e-9 * b.abs(),
        _ => ours == theirs,
    }
}

fn type_of(field: &Field) -> String {
    match Kind::of(field) {
        Kind::Json => "json".to_owned(),
        Kind::Geometry => "Geometry".to_owned(),
        Kind::SphericalGeography => "SphericalGeography".to_owned(),
        Kind::Uuid => "uuid".to_owned(),
        _ => type_name(field.data_type()).replace(", ", ","),
    }
}

#[test]
fn functions_answer_as_trino_does() {
    let state = state("UTC");
    let mut failures = Vec::new();
    for line in ANSWERS.lines() {
        let [sql, kind, value] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let result = plan(&state, sql).and_then(|expr| evaluate(&state, &expr));
        let failure = match (result, kind.strip_prefix("ERROR ")) {
            (Err(error), Some(name)) => match TrinoFailure::find(&error) {
                Some(found) if found.name == name => None,
                Some(found) => Some(format!("{} {}", found.name, found.message)),
                None => Some(format!("no name: {error}")),
            },
            (Err(error), None) => Some(error.to_string()),
            (Ok(answer), Some(_)) => Some(format!("no error but {:?}", answer.value)),
            (Ok(answer), None) => {
                let (ours, theirs) = (wire(&answer), serde_json::from_str(value).unwrap());
                let own_type = type_of(&answer.field);
                let is_same = same(&ours, &theirs) && own_type.eq_ignore_ascii_case(kind);
                (!is_same).then(|| format!("{own_type} {ours}"))
            }
        };
        if let Some(failure) = failure {
            failures.push(format!(
                "{sql}\n  Trino: {kind} {value}\n  ours:  {failure}"
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {}\n{}",
        failures.len(),
        ANSWERS.lines().count(),
        failures.join("\n")
    );
}

#[test]
fn a_session_has_its_own_zone() {
    let state = state("Europe/Paris");
    let expr = plan(&state, "current_timezone()").unwrap();
    let answer = evaluate(&state, &expr).unwrap();
    assert_eq!(wire(&answer), Value::from("Europe/Paris"));
    let sql = "from_iso8601_timestamp('2024-01-02')";
    let expr = plan(&state, sql).unwrap();
    let answer = evaluate(&state, &expr).unwrap();
    assert_eq!(
        wire(&answer),
        Value::from("2024-01-02 00:00:00.000 Europe/Paris")
    );
}

#[test]
fn every_function_is_described() {
    for entry in super::scalars() {
        assert!(
            !super::describe(entry.name()).is_empty(),
            "{}",
            entry.name()
        );
    }
}
