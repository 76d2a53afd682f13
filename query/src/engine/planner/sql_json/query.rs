//! `JSON_QUERY`.

use arrow::array::{ArrayBuilder, ArrayRef, StringBuilder};
use arrow::datatypes::Field;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs};

use super::super::function::{Kernel, failure};
use super::search::{Found, Search, check_search};
use super::texts::{check_output, written};
use super::{by_rows, failed, field_at, planned_clauses};
use crate::presto::functions::sql_path::{Datum, Item, Json};
use crate::presto::sql_json::{Behaviour, Clauses, QUERY, Quotes, Wrapper};

/// Where parameters begin.
const PARAMETERS: usize = 4;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonQuery;

impl Kernel for JsonQuery {
    fn name(&self) -> &'static str {
        QUERY
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        let clauses = planned_clauses(args, 2)?;
        check_search(args, &clauses, PARAMETERS)?;
        let returns = field_at(args, 3)?;
        check_output(returns, clauses.output)?;
        Ok(returns.clone().with_name(QUERY))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        by_rows(args, |arguments| {
            let clauses = arguments.clauses(2)?;
            let search = Search::new(arguments, arguments.constant(1)?, &clauses, PARAMETERS)?;
            let mut outputs = Outputs::new(&clauses, arguments.rows);
            for row in 0..arguments.rows {
                outputs.push(search.find(row)?)?;
            }
            outputs.finish(&arguments.args.return_field)
        })
    }
}

/// What is found, written as JSON.
pub(super) struct Outputs<'c> {
    clauses: &'c Clauses,
    texts: StringBuilder,
    out: String,
}

impl<'c> Outputs<'c> {
    pub(super) fn new(clauses: &'c Clauses, rows: usize) -> Self {
        Self {
            clauses,
            texts: StringBuilder::with_capacity(rows, rows * 8),
            out: String::new(),
        }
    }

    pub(super) fn push(&mut self, found: Found<Vec<Item<'_>>>) -> Result<()> {
        let clauses = self.clauses;
        self.out.clear();
        let behaviour = match found {
            Found::Null => Some(Behaviour::Null),
            Found::Failed(found) => match clauses.on_error {
                Behaviour::Error => return Err(failed(&found)),
                other => Some(other),
            },
            Found::Items(items) if items.is_empty() => match clauses.on_empty {
                Behaviour::Error => return Err(no_output("JSON path found no items")),
                other => Some(other),
            },
            Found::Items(items) => match write(&items, clauses, &mut self.out) {
                Ok(()) => None,
                Err(message) => match clauses.on_error {
                    Behaviour::Error => return Err(no_output(&message)),
                    other => Some(other),
                },
            },
        };
        match behaviour {
            None => self.texts.append_value(&self.out),
            Some(Behaviour::EmptyArray) => self.texts.append_value("[]"),
            Some(Behaviour::EmptyObject) => self.texts.append_value("{}"),
            Some(_) => self.texts.append_null(),
        }
        Ok(())
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(super) fn finish(mut self, to: &Field) -> Result<ArrayRef> {
        written(self.texts.finish(), to, self.clauses.output)
    }
}

pub(super) fn no_output(message: &str) -> DataFusionError {
    failure(
        "JSON_OUTPUT_CONVERSION_ERROR",
        format!("conversion from JSON failed: {message}"),
    )
}

fn write(
    items: &[Item<'_>],
    clauses: &Clauses,
    out: &mut String,
) -> std::result::Result<(), String> {
    let is_wrapped = match (clauses.wrapper, items) {
        (Wrapper::Without, _)
        | (Wrapper::Conditional, [Item::Json(Json::Array(_) | Json::Object(_))]) => false,
        (Wrapper::Conditional | Wrapper::Unconditional, _) => true,
    };
    let is_bare = clauses.quotes == Quotes::Omit && !is_wrapped;
    match items {
        [Item::Json(Json::Text(text)) | Item::Value(Datum::Text { text, .. })] if is_bare => {
            out.push_str(text);
            return Ok(());
        }
        [_] => {}
        _ if is_wrapped => {}
        _ => return Err("JSON path found multiple items".to_owned()),
    }
    if is_wrapped {
        out.push('[');
    }
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        item.write_json(out)
            .map_err(|type_name| no_json(&type_name))?;
    }
    if is_wrapped {
        out.push(']');
    }
    Ok(())
}

/// Returns the message that an item is no JSON, if it is none.
pub(super) fn not_json(item: &Item<'_>) -> Option<String> {
    match item {
        Item::Json(_) => None,
        Item::Value(datum) => {
            let written = datum.write_json(&mut String::new());
            written.err().map(|type_name| no_json(&type_name))
        }
    }
}

fn no_json(type_name: &str) -> String {
    format!(
        "JSON path returned a scalar SQL value of type {type_name} that cannot be represented as JSON"
    )
}
