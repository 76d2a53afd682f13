//! The rules of a table that its rows must keep: CHECK constraints, column invariants and
//! generated columns. (NOT NULL is checked where rows are fitted to the table's columns.)
//!
//! Operations that Delta's builders run are checked by the builders; rows that we write ourselves
//! are checked here, which can say which rule was broken by which row. A table without rules has
//! no [`Rules`] and costs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, binary_expr, ident};
use datafusion::physical_expr::PhysicalExpr;
use deltalake::DeltaTableError;
use deltalake::delta_datafusion::create_session_state_with_spill_config;
use deltalake::delta_datafusion::expr::parse_predicate_expression;
use deltalake::kernel::{Action, EagerSnapshot, StructTypeExt};

use super::{LakeTable, TableSnapshot, schema};
use crate::catalog::TableName;
use crate::error::{Error, Result};

/// The prefix of the properties that hold CHECK constraints.
pub(super) const CONSTRAINT: &str = "delta.constraints.";
/// The field metadata that holds the expression of a generated column.
pub(super) const GENERATION: &str = "delta.generationExpression";

/// How much of a row is shown in an error.
const SHOWN_BYTES: usize = 400;

/// The rules of one version of a table, ready to be checked.
pub(super) struct Rules {
    session: SessionState,
    checks: Vec<Check>,
    generated: Vec<Generated>,
}

/// A rule by which a row is valid when its expression is true.
struct Check {
    /// What the rule is called in errors.
    name: String,
    holds: Arc<dyn PhysicalExpr>,
}

struct Generated {
    column: String,
    expression: Expr,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.checks.iter().map(|check| &check.name))
            .finish()
    }
}

impl Rules {
    /// Prepares the rules of a version; none when it has no rule.
    ///
    /// # Errors
    ///
    /// [`Error::Table`] for a rule that cannot be understood.
    pub(super) fn of(snapshot: &TableSnapshot) -> Result<Option<Arc<Self>>> {
        let failed = |error: DeltaTableError| snapshot.error("reading the rules of", error);
        let state = snapshot
            .delta_table()
            .snapshot()
            .map_err(failed)?
            .snapshot();
        if descriptions(state).map_err(failed)?.is_empty() {
            return Ok(None);
        }
        let rules = Self::prepare(state, &snapshot.schema()).map_err(failed)?;
        Ok(Some(Arc::new(rules)))
    }

    fn prepare(state: &EagerSnapshot, columns: &SchemaRef) -> Result<Self, DeltaTableError> {
        let session = create_session_state_with_spill_config(None, None);
        let schema = DFSchema::try_from(columns.as_ref().clone())?;
        let mut checks = Vec::new();
        for (name, expression) in checked_expressions(state)? {
            let expression = parse_predicate_expression(&schema, &expression, &session)?;
            checks.push(Check {
                name,
                holds: session.create_physical_expr(expression, &schema)?,
            });
        }
        let mut generated = Vec::new();
        for column in state.schema().get_generated_columns()? {
            let text = column.get_generation_expression();
            let field = columns.field_with_name(&column.name)?;
            let expression = parse_predicate_expression(&schema, text, &session)?
                .cast_to(field.data_type(), &schema)?;
            let holds = binary_expr(
                ident(&column.name),
                Operator::IsNotDistinctFrom,
                expression.clone(),
            );
            checks.push(Check {
                name: generation_name(&column.name, text),
                holds: session.create_physical_expr(holds, &schema)?,
            });
            generated.push(Generated {
                column: column.name,
                expression,
            });
        }
        Ok(Self {
            session,
            checks,
            generated,
        })
    }

    /// Fits a batch to the table's columns, computes generated columns that it lacks, and checks
    /// every row.
    fn fit(
        &self,
        table: &TableName,
        columns: &SchemaRef,
        batch: &RecordBatch,
    ) -> Result<RecordBatch> {
        let absent: Vec<&Generated> = self
            .generated
            .iter()
            .filter(|generated| batch.column_by_name(&generated.column).is_none())
            .collect();
        let fitted = if absent.is_empty() {
            schema::fit_batch(table, columns, batch)?
        } else {
            self.generate(table, columns, batch, &absent)?
        };
        for check in &self.checks {
            let kept = check
                .holds
                .evaluate(&fitted)
                .and_then(|value| value.into_array(fitted.num_rows()))
                .map_err(|error| not_evaluated(table, &check.name, &error))?;
            if let Some(row) = first_broken(&kept) {
                return Err(Error::ConstraintViolated {
                    table: table.to_string(),
                    rule: check.name.clone(),
                    row: show_row(&fitted, row),
                });
            }
        }
        Ok(fitted)
    }

    /// Names the rules that are not true for the row of a batch.
    fn broken_by(&self, row: &RecordBatch) -> Vec<String> {
        let is_broken = |check: &&Check| {
            let value = check.holds.evaluate(row);
            let kept = value.and_then(|value| value.into_array(row.num_rows()));
            kept.is_ok_and(|kept| first_broken(&kept).is_some())
        };
        let broken = self.checks.iter().filter(is_broken);
        broken.map(|check| check.name.clone()).collect()
    }

    fn generate(
        &self,
        table: &TableName,
        columns: &SchemaRef,
        batch: &RecordBatch,
        absent: &[&Generated],
    ) -> Result<RecordBatch> {
        let generated_by = |field: &Field| {
            absent
                .iter()
                .find(|generated| generated.column == *field.name())
        };
        let given: Vec<_> = columns
            .fields()
            .iter()
            .filter(|field| generated_by(field).is_none())
            .cloned()
            .collect();
        let given = Arc::new(Schema::new(given));
        let fitted = schema::fit_batch(table, &given, batch)?;
        let given = DFSchema::try_from(given.as_ref().clone())
            .map_err(|error| not_evaluated(table, "its columns", &error))?;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.fields().len());
        for field in columns.fields() {
            let array = match generated_by(field) {
                None => fitted.column_by_name(field.name()).map(Arc::clone),
                Some(generated) => Some(
                    self.session
                        .create_physical_expr(generated.expression.clone(), &given)
                        .and_then(|expression| expression.evaluate(&fitted))
                        .and_then(|value| value.into_array(fitted.num_rows()))
                        .map_err(|error| not_evaluated(table, &generated.column, &error))?,
                ),
            };
            arrays.extend(array);
        }
        RecordBatch::try_new(Arc::clone(columns), arrays).map_err(|error| Error::SchemaMismatch {
            table: table.to_string(),
            reason: error.to_string(),
        })
    }
}

/// Fits a batch to a table's columns and rules.
///
/// # Errors
///
/// [`Error::SchemaMismatch`] or [`Error::ConstraintViolated`], which shows a row.
pub(super) fn fit(
    rules: Option<&Rules>,
    table: &TableName,
    columns: &SchemaRef,
    batch: &RecordBatch,
) -> Result<RecordBatch> {
    match rules {
        None => schema::fit_batch(table, columns, batch),
        Some(rules) => rules.fit(table, columns, batch),
    }
}

/// Refuses rules of a new table that cannot be understood.
///
/// # Errors
///
/// [`Error::SchemaMismatch`] names the rule.
pub(super) fn check_definition(
    table: &TableName,
    columns: &SchemaRef,
    properties: &BTreeMap<String, String>,
) -> Result<()> {
    let generated = |field: &Arc<Field>| {
        let expression = field.metadata().get(GENERATION)?.clone();
        Some((
            generation_name(field.name(), &expression),
            expression,
            field.data_type().clone(),
        ))
    };
    let constraint = |(key, expression): (&String, &String)| {
        let name = key.strip_prefix(CONSTRAINT)?;
        let name = constraint_name(name, expression);
        Some((name, expression.clone(), DataType::Boolean))
    };
    let mut rules: Vec<_> = columns.fields().iter().filter_map(generated).collect();
    rules.extend(properties.iter().filter_map(constraint));
    if rules.is_empty() {
        return Ok(());
    }
    let session = create_session_state_with_spill_config(None, None);
    let schema = DFSchema::try_from(columns.as_ref().clone())
        .map_err(|error| not_evaluated(table, "its columns", &error))?;
    for (name, text, data_type) in rules {
        let expression = parse_predicate_expression(&schema, &text, &session)
            .map_err(|error| not_evaluated(table, &name, &error))?;
        let found = expression
            .get_type(&schema)
            .map_err(|error| not_evaluated(table, &name, &error))?;
        if data_type == DataType::Boolean && found != DataType::Boolean {
            return Err(Error::SchemaMismatch {
                table: table.to_string(),
                reason: format!("{name} is of type {found}, not true or false"),
            });
        }
        expression
            .cast_to(&data_type, &schema)
            .and_then(|expression| session.create_physical_expr(expression, &schema))
            .map_err(|error| not_evaluated(table, &name, &error))?;
    }
    Ok(())
}

/// Returns the protocol that a new table with constraints needs; none for other tables, whose
/// protocol Delta finds by itself.
pub(super) fn needed_protocol(properties: &BTreeMap<String, String>) -> Option<Action> {
    properties.keys().find(|key| key.starts_with(CONSTRAINT))?;
    serde_json::from_value(serde_json::json!({
        "protocol": { "minReaderVersion": 1, "minWriterVersion": 3 }
    }))
    .ok()
}

/// Names all rules of a version, for errors.
pub(super) fn descriptions(state: &EagerSnapshot) -> Result<Vec<String>, DeltaTableError> {
    let mut names: Vec<String> = checked_expressions(state)?
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for column in state.schema().get_generated_columns()? {
        names.push(generation_name(
            &column.name,
            column.get_generation_expression(),
        ));
    }
    Ok(names)
}

/// Returns the constraints and invariants with what they are called in errors.
fn checked_expressions(state: &EagerSnapshot) -> Result<Vec<(String, String)>, DeltaTableError> {
    let mut found = Vec::new();
    for (key, expression) in state.metadata().configuration() {
        if let Some(name) = key.strip_prefix(CONSTRAINT) {
            found.push((constraint_name(name, expression), expression.clone()));
        }
    }
    found.sort_unstable();
    for invariant in state.schema().get_invariants()? {
        found.push((
            format!(
                "the invariant of column `{}` (`{}`)",
                invariant.field_name, invariant.invariant_sql
            ),
            invariant.invariant_sql,
        ));
    }
    Ok(found)
}

fn constraint_name(name: &str, expression: &str) -> String {
    format!("the CHECK constraint `{name}` (`{expression}`)")
}

fn generation_name(column: &str, expression: &str) -> String {
    format!("the generation expression of column `{column}` (`{expression}`)")
}

/// Returns the first row whose rule is not true. As Delta demands, unknown is not true.
fn first_broken(kept: &ArrayRef) -> Option<usize> {
    let kept = kept.as_boolean_opt()?;
    if kept.null_count() == 0 && kept.true_count() == kept.len() {
        return None;
    }
    (0..kept.len()).find(|row| kept.is_null(*row) || !kept.value(*row))
}

fn show_row(batch: &RecordBatch, row: usize) -> String {
    let options = FormatOptions::default().with_null("null");
    let mut shown = String::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let value = ArrayFormatter::try_new(column.as_ref(), &options).map_or_else(
            |_| "?".to_owned(),
            |formatter| formatter.value(row).to_string(),
        );
        let comma = if shown.is_empty() { "" } else { ", " };
        shown = format!("{shown}{comma}{} = {value}", field.name());
        if shown.len() > SHOWN_BYTES {
            let end = (0..=SHOWN_BYTES)
                .rev()
                .find(|end| shown.is_char_boundary(*end))
                .unwrap_or(0);
            shown.truncate(end);
            return format!("{shown}…");
        }
    }
    shown
}

fn not_evaluated(table: &TableName, rule: &str, error: &dyn std::error::Error) -> Error {
    Error::SchemaMismatch {
        table: table.to_string(),
        reason: format!("{rule} cannot be evaluated: {error}"),
    }
}

impl LakeTable {
    /// Returns the rules of a version, prepared once for every definition of the table.
    pub(super) fn rules(&self, snapshot: &TableSnapshot) -> Result<Option<Arc<Rules>>> {
        let metadata = snapshot
            .delta_table()
            .snapshot()
            .map_err(|error| self.delta_error("loading", error))?
            .metadata();
        if let Some((known, rules)) = self.shared.rules.lock().as_ref()
            && known == metadata
        {
            return Ok(rules.clone());
        }
        let rules = Rules::of(snapshot)?;
        *self.shared.rules.lock() = Some((metadata.clone(), rules.clone()));
        Ok(rules)
    }

    /// Returns the error of an operation that Delta's builders refused or failed.
    pub(super) fn operation_error(
        &self,
        action: &'static str,
        snapshot: &TableSnapshot,
        error: DeltaTableError,
    ) -> Error {
        let text = error.to_string();
        if !text.contains("failed validation check") {
            return self
                .table_ref
                .error(action, Some(snapshot.version()), error);
        }
        let row = preview(&text);
        Error::ConstraintViolated {
            table: self.name().to_string(),
            rule: self.broken_rules(snapshot, &row).join(" or "),
            row: show_pairs(&row, &text),
        }
    }

    /// Names the rules that a row shown by Delta breaks; all rules where the row does not tell.
    fn broken_rules(&self, snapshot: &TableSnapshot, row: &[(String, String)]) -> Vec<String> {
        let schema = snapshot.schema();
        let mut broken: Vec<String> = row
            .iter()
            .filter(|(name, value)| {
                let field = schema.field_with_name(name).ok();
                // Text that is empty is not null.
                let field = field.filter(|field| !field.is_nullable() && !is_text(field));
                value.is_empty() && field.is_some()
            })
            .map(|(name, _)| format!("NOT NULL of column `{name}`"))
            .collect();
        let rules = self.rules(snapshot).ok().flatten();
        if let (Some(rules), Some(row)) = (&rules, parse_row(&schema, row)) {
            broken.extend(rules.broken_by(&row));
        }
        if !broken.is_empty() {
            return broken;
        }
        match rules {
            Some(rules) => rules.checks.iter().map(|rule| rule.name.clone()).collect(),
            None => vec!["NOT NULL of a column".to_owned()],
        }
    }
}

fn is_text(field: &Field) -> bool {
    matches!(
        field.data_type(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// Reads a row that was shown as text; none when a value is not of its column's type.
fn parse_row(columns: &SchemaRef, row: &[(String, String)]) -> Option<RecordBatch> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let mut arrays = Vec::with_capacity(columns.fields().len());
    for field in columns.fields() {
        let (_, value) = row.iter().find(|(name, _)| name == field.name())?;
        let value = (!value.is_empty() || is_text(field)).then_some(value.as_str());
        let text = StringArray::from(vec![value]);
        arrays.push(cast_with_options(&text, field.data_type(), &options).ok()?);
    }
    let fields = columns.fields().iter();
    let nullable = fields.map(|field| field.as_ref().clone().with_nullable(true));
    let schema = Schema::new(nullable.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), arrays).ok()
}

/// Returns the first row of the preview in Delta's message: columns and what is shown of them.
fn preview(text: &str) -> Vec<(String, String)> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    let mut lines = text.lines().filter(|line| line.starts_with('|'));
    let (Some(header), Some(row)) = (lines.next(), lines.next()) else {
        return Vec::new();
    };
    let pairs = cells(header).into_iter().zip(cells(row));
    pairs
        .filter(|(column, _)| !column.starts_with("__delta_rs"))
        .collect()
}

/// Shows a row as `column = value` pairs; what Delta said, where that has no row.
fn show_pairs(row: &[(String, String)], text: &str) -> String {
    if row.is_empty() {
        return text.to_owned();
    }
    let pairs = row
        .iter()
        .map(|(column, value)| format!("{column} = {value}"));
    pairs.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
