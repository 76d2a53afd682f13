//! `JSON_EXISTS`.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::datatypes::{DataType, Field};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs};

use super::super::function::Kernel;
use super::search::{Found, Search, check_search};
use super::{by_rows, failed, planned_clauses};
use crate::presto::sql_json::{Behaviour, EXISTS};

/// Where parameters begin.
const PARAMETERS: usize = 3;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonExists;

impl Kernel for JsonExists {
    fn name(&self) -> &'static str {
        EXISTS
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        check_search(args, &planned_clauses(args, 2)?, PARAMETERS)?;
        Ok(Field::new(EXISTS, DataType::Boolean, true))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        by_rows(args, |arguments| {
            let clauses = arguments.clauses(2)?;
            let search = Search::new(arguments, arguments.constant(1)?, &clauses, PARAMETERS)?;
            let answers = (0..arguments.rows).map(|row| match search.exists(row)? {
                Found::Null => Ok(None),
                Found::Items(exists) => Ok(Some(exists)),
                Found::Failed(failure) => match clauses.on_error {
                    Behaviour::True => Ok(Some(true)),
                    Behaviour::False => Ok(Some(false)),
                    Behaviour::Error => Err(failed(&failure)),
                    _ => Ok(None),
                },
            });
            Ok(Arc::new(answers.collect::<Result<BooleanArray>>()?))
        })
    }
}
