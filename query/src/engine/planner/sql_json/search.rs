//! A path in the input of each row.

use arrow::datatypes::Field;
use datafusion::error::Result;
use datafusion::logical_expr::ReturnFieldArgs;

use super::super::function::{failure, unexpected};
use super::texts::{Text, Texts, check_input};
use super::values::{Moments, Values, check_value};
use super::{Arguments, field_at};
use crate::presto::functions::sql_path::{Failure, Item, Json, Path};
use crate::presto::sql_json::{Clauses, Format};

/// A path, its inputs and its parameters.
pub(super) struct Search {
    path: Path,
    inputs: Texts,
    /// In the order of the path's names.
    parameters: Vec<Parameter>,
    /// Parameters that the path does not name, which must be JSON nevertheless.
    others: Vec<Texts>,
}

enum Parameter {
    Texts(Texts),
    Values(Values),
}

/// What the path finds in a row.
pub(super) enum Found<T> {
    /// The input is NULL.
    Null,
    Items(T),
    Failed(Failure),
}

/// Refuses inputs and parameters of types that paths do not have; parameters are the arguments from `first` on.
pub(super) fn check_search(
    args: &ReturnFieldArgs<'_>,
    clauses: &Clauses,
    first: usize,
) -> Result<()> {
    check_input(field_at(args, 0)?, clauses.input)?;
    for (position, format) in clauses.formats.iter().enumerate() {
        check_formatted(
            field_at(args, first + position)?,
            *format,
            "JSON path parameter",
        )?;
    }
    Ok(())
}

/// Refuses a value that is not of its format.
pub(super) fn check_formatted(field: &Field, format: Format, what: &str) -> Result<()> {
    match format {
        Format::Sql => check_value(field, what),
        _ => check_input(field, format),
    }
}

/// Reads a path.
pub(super) fn compiled(path: &str) -> Result<Path> {
    Path::compile(path).map_err(|wrong| failure(wrong.name, wrong.message))
}

impl Search {
    /// `first` is where parameters begin.
    pub(super) fn new(
        arguments: &Arguments<'_>,
        path: &str,
        clauses: &Clauses,
        first: usize,
    ) -> Result<Self> {
        let path = compiled(path)?;
        let mut named = Vec::with_capacity(clauses.names.len());
        for (position, (name, format)) in clauses.names.iter().zip(&clauses.formats).enumerate() {
            let array = arguments.array(first + position)?;
            let parameter = match format {
                Format::Sql => {
                    let field = arguments.field(first + position)?;
                    let zone = arguments.zone();
                    Parameter::Values(Values::read(&array, field, Moments::Kept, zone)?)
                }
                format => Parameter::Texts(Texts::read(&array, *format)?),
            };
            named.push((name, parameter));
        }
        let mut parameters = Vec::with_capacity(path.variables().len());
        for variable in path.variables() {
            let place = named.iter().position(|(name, _)| *name == variable);
            let (_, parameter) = named.swap_remove(place.ok_or_else(|| unexpected("a parameter"))?);
            parameters.push(parameter);
        }
        let others = named
            .into_iter()
            .filter_map(|(_, parameter)| match parameter {
                Parameter::Texts(texts) => Some(texts),
                Parameter::Values(_) => None,
            });
        Ok(Self {
            path,
            inputs: Texts::read(&arguments.array(0)?, clauses.input)?,
            parameters,
            others: others.collect(),
        })
    }

    /// Returns the items of a row.
    pub(super) fn find(&self, row: usize) -> Result<Found<Vec<Item<'_>>>> {
        self.with_row(row, Path::find)
    }

    /// Returns whether there are any.
    pub(super) fn exists(&self, row: usize) -> Result<Found<bool>> {
        self.with_row(row, Path::exists)
    }

    fn with_row<'a, T>(
        &'a self,
        row: usize,
        run: impl FnOnce(&Path, &'a str, &[Option<Item<'a>>]) -> std::result::Result<T, Failure>,
    ) -> Result<Found<T>> {
        let text = match self.inputs.get(row) {
            Text::Null => return Ok(Found::Null),
            Text::Broken => return Ok(Found::Failed(Failure::Input)),
            Text::Json(text) => text,
        };
        let mut parameters = Vec::with_capacity(self.parameters.len());
        for parameter in &self.parameters {
            match parameter.get(row)? {
                Ok(item) => parameters.push(item),
                Err(failure) => return Ok(Found::Failed(failure)),
            }
        }
        for other in &self.others {
            if let Err(failure) = json_of(other.get(row)) {
                return Ok(Found::Failed(failure));
            }
        }
        Ok(match run(&self.path, text, &parameters) {
            Ok(items) => Found::Items(items),
            Err(failure) => Found::Failed(failure),
        })
    }
}

impl Parameter {
    fn get(&self, row: usize) -> Result<std::result::Result<Option<Item<'_>>, Failure>> {
        Ok(match self {
            Self::Texts(texts) => json_of(texts.get(row)),
            Self::Values(values) => Ok(Some(match values.get(row)? {
                Some(datum) => Item::Value(datum),
                None => Item::Json(Json::Null),
            })),
        })
    }
}

/// Returns the JSON of a text; a NULL is no item.
fn json_of(text: Text<'_>) -> std::result::Result<Option<Item<'_>>, Failure> {
    match text {
        Text::Null => Ok(None),
        Text::Broken => Err(Failure::Input),
        Text::Json(text) => match Json::parse(text) {
            Some(json) => Ok(Some(Item::Json(json))),
            None => Err(Failure::Input),
        },
    }
}
