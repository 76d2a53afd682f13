//! `JSON_VALUE`: the scalar that a path finds, cast from the type that it has to the one that is wanted.
//!
//! ```text
//! rows -> items, by their types -> one cast for each type -> the rows again, with what is there for none and for errors
//! ```

use std::sync::Arc;

use arrow::array::{Array, ArrayBuilder, ArrayRef, StringBuilder, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs};

use super::super::attempt::attempt;
use super::super::casts::{cast_array, check, is_implied};
use super::super::expressions::shown_value;
use super::super::function::{Kernel, failure, is_text};
use super::search::{Found, Search, check_search};
use super::{Arguments, by_rows, failed, field_at, planned_clauses};
use crate::presto::functions::sql_path::{Datum, Item, Json, Width};
use crate::presto::sql_json::{Behaviour, Clauses, VALUE};
use crate::presto::type_parser::is_json;
use crate::presto::types::field_type_name;

/// Where the result's type is; the expressions for none and for errors are behind it.
const RETURNS: usize = 3;
/// Where parameters begin.
const PARAMETERS: usize = 6;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonValue;

impl Kernel for JsonValue {
    fn name(&self) -> &'static str {
        VALUE
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        let clauses = planned_clauses(args, 2)?;
        check_search(args, &clauses, PARAMETERS)?;
        let returns = check_result(args, RETURNS)?;
        Ok(returns.clone().with_name(VALUE))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        by_rows(args, |arguments| {
            let clauses = arguments.clauses(2)?;
            let search = Search::new(arguments, arguments.constant(1)?, &clauses, PARAMETERS)?;
            let mut outcome = Outcome::new(&clauses);
            for row in 0..arguments.rows {
                outcome.push(row, search.find(row)?)?;
            }
            outcome.finish(arguments, RETURNS)
        })
    }
}

/// Returns the result's type, which is the argument at `first`; refuses one that no scalar has, and defaults of others.
pub(super) fn check_result<'a>(args: &ReturnFieldArgs<'a>, first: usize) -> Result<&'a Field> {
    let returns = field_at(args, first)?;
    check_returned(returns)?;
    for (offset, event) in [(1, "EMPTY"), (2, "ERROR")] {
        let position = first + offset;
        let field = field_at(args, position)?;
        let constant = args.scalar_arguments.get(position).copied().flatten();
        if !is_implied(field, constant, returns) {
            return Err(failure(
                "TYPE_MISMATCH",
                format!(
                    "Function JSON_VALUE default ON {event} result must evaluate to a {} (actual: {})",
                    field_type_name(returns),
                    shown_value(constant, field)
                ),
            ));
        }
    }
    Ok(returns)
}

/// Refuses types that are none of scalars.
fn check_returned(field: &Field) -> Result<()> {
    let known = field.data_type();
    let is_scalar = is_text(known)
        || known.is_numeric()
        || matches!(
            known,
            DataType::Boolean
                | DataType::Date32
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Timestamp(..)
        );
    if is_scalar && !is_json(field) {
        return Ok(());
    }
    Err(failure(
        "TYPE_MISMATCH",
        format!(
            "Invalid return type of function JSON_VALUE: {}",
            field_type_name(field)
        ),
    ))
}

fn no_value(message: &str) -> DataFusionError {
    failure(
        "JSON_VALUE_RESULT_ERROR",
        format!("cannot extract SQL scalar from JSON: {message}"),
    )
}

/// Where a row's value comes from.
#[derive(Debug, Clone, Copy)]
enum Cell {
    Null,
    OnEmpty,
    OnError,
    /// A type's place, and the value's among those of that type.
    Value(usize, usize),
}

/// The values that are found.
pub(super) struct Outcome<'c> {
    clauses: &'c Clauses,
    /// Each with the row of its defaults.
    cells: Vec<(usize, Cell)>,
    types: Vec<OfType>,
}

/// Values of one type.
struct OfType {
    type_name: String,
    values: Typed,
}

enum Typed {
    Texts(StringBuilder),
    Others(DataType, Vec<ScalarValue>),
}

impl<'c> Outcome<'c> {
    pub(super) fn new(clauses: &'c Clauses) -> Self {
        Self {
            clauses,
            cells: Vec::new(),
            types: Vec::new(),
        }
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Adds what is found for a row of the arguments.
    pub(super) fn push(&mut self, row: usize, found: Found<Vec<Item<'_>>>) -> Result<()> {
        let cell = match found {
            Found::Null => Cell::Null,
            Found::Failed(found) => self.fail(|| failed(&found))?,
            Found::Items(items) => self.cell(&items)?,
        };
        self.cells.push((row, cell));
        Ok(())
    }

    fn fail(&self, error: impl FnOnce() -> DataFusionError) -> Result<Cell> {
        match self.clauses.on_error {
            Behaviour::Error => Err(error()),
            Behaviour::Default => Ok(Cell::OnError),
            _ => Ok(Cell::Null),
        }
    }

    fn cell(&mut self, items: &[Item<'_>]) -> Result<Cell> {
        match items {
            [] => match self.clauses.on_empty {
                Behaviour::Error => Err(no_value("JSON path found no items")),
                Behaviour::Default => Ok(Cell::OnEmpty),
                _ => Ok(Cell::Null),
            },
            [Item::Json(Json::Null)] => Ok(Cell::Null),
            [item] => match item.scalar() {
                Some(datum) => Ok(self.put(datum)),
                None => self.fail(|| {
                    no_value("JSON path found an item that cannot be converted to an SQL value")
                }),
            },
            _ => self.fail(|| no_value("JSON path found multiple items")),
        }
    }

    fn put(&mut self, datum: Datum<'_>) -> Cell {
        let other = match &datum {
            Datum::Text { .. } => None,
            other => Some(scalar_of(other)),
        };
        let data_type = other.as_ref().map(ScalarValue::data_type);
        let is_same = |of_type: &OfType| match (&of_type.values, &data_type) {
            (Typed::Texts(_), None) => true,
            (Typed::Others(known, _), Some(data_type)) => known == data_type,
            _ => false,
        };
        let place = self.types.iter().position(is_same).unwrap_or_else(|| {
            self.types.push(OfType {
                type_name: datum.type_name().into_owned(),
                values: match data_type {
                    None => Typed::Texts(StringBuilder::new()),
                    Some(data_type) => Typed::Others(data_type, Vec::new()),
                },
            });
            self.types.len() - 1
        });
        let length = match (
            self.types.get_mut(place).map(|known| &mut known.values),
            datum,
        ) {
            (Some(Typed::Texts(texts)), Datum::Text { text, .. }) => {
                texts.append_value(text);
                texts.len()
            }
            (Some(Typed::Others(_, values)), _) => {
                values.extend(other);
                values.len()
            }
            _ => return Cell::Null,
        };
        Cell::Value(place, length.saturating_sub(1))
    }

    /// Returns the values; their type is the argument at `returns`, the defaults are behind it.
    pub(super) fn finish(mut self, arguments: &Arguments<'_>, returns: usize) -> Result<ArrayRef> {
        let to = arguments.field(returns)?;
        let mut arrays = vec![new_null_array(to.data_type(), 1)];
        for position in [returns + 1, returns + 2] {
            arrays.push(cast_array(
                &arguments.array(position)?,
                arguments.field(position)?,
                to,
            )?);
        }
        let first = arrays.len();
        for of_type in std::mem::take(&mut self.types) {
            arrays.push(self.converted(of_type, to)?);
        }
        let mut places = Vec::with_capacity(self.cells.len());
        for (row, cell) in &self.cells {
            places.push(match cell {
                Cell::Null => (0, 0),
                Cell::OnEmpty => (1, *row),
                Cell::OnError => (2, *row),
                Cell::Value(place, at) => {
                    let is_converted = arrays
                        .get(first + place)
                        .is_some_and(|values| values.is_valid(*at));
                    match self.clauses.on_error {
                        _ if is_converted => (first + place, *at),
                        Behaviour::Default => (2, *row),
                        _ => (0, 0),
                    }
                }
            });
        }
        let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        Ok(interleave(&arrays, &places)?)
    }

    /// Casts the values; those that fail are NULL, or an error if that is wanted.
    fn converted(&self, of_type: OfType, to: &Field) -> Result<ArrayRef> {
        let array: ArrayRef = match of_type.values {
            Typed::Texts(mut texts) => Arc::new(texts.finish()),
            Typed::Others(_, values) => ScalarValue::iter_to_array(values)?,
        };
        let from = Field::new("", array.data_type().clone(), true);
        let cast = if check(&from, to).is_ok() {
            attempt(array.len(), to.data_type(), &|start, length| {
                cast_array(&array.slice(start, length), &from, to)
            })?
        } else {
            new_null_array(to.data_type(), array.len())
        };
        if self.clauses.on_error == Behaviour::Error && cast.null_count() > 0 {
            return Err(no_value(&format!(
                "Cannot cast value of type {} to declared return type of function JSON_VALUE: {}",
                of_type.type_name,
                field_type_name(to)
            )));
        }
        Ok(cast)
    }
}

fn scalar_of(datum: &Datum<'_>) -> ScalarValue {
    match datum {
        Datum::Boolean(value) => ScalarValue::Boolean(Some(*value)),
        Datum::Integer { value, width } => match width {
            Width::Tiny => ScalarValue::Int8(i8::try_from(*value).ok()),
            Width::Small => ScalarValue::Int16(i16::try_from(*value).ok()),
            Width::Plain => ScalarValue::Int32(i32::try_from(*value).ok()),
            Width::Big => ScalarValue::Int64(Some(*value)),
        },
        Datum::Decimal {
            value,
            precision,
            scale,
        } => ScalarValue::Decimal128(Some(*value), *precision, i8::try_from(*scale).unwrap_or(0)),
        Datum::Double(value) => ScalarValue::Float64(Some(*value)),
        Datum::Real(value) => ScalarValue::Float32(Some(*value)),
        Datum::Text { text, .. } => ScalarValue::Utf8(Some(text.to_string())),
        Datum::Moment(moment) => moment.value.clone(),
    }
}
