//! `JSON_TABLE`: an array of rows for each input.
//!
//! ```text
//! input -> items of the first path -> for each: a cell of every column, rows of nested paths
//!       -> rows: the places of their cells -> arrays of the cells, taken by place
//! ```

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, ListArray, StructArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs};

use super::super::function::{Kernel, failure, unexpected};
use super::query::{Outputs, no_output, not_json};
use super::search::{Found, Search, check_search, compiled};
use super::texts::check_output;
use super::value::{Outcome, check_result};
use super::{Arguments, failed, field_at};
use crate::presto::functions::sql_path::{Failure, Item, Path};
use crate::presto::sql_json::Behaviour;
use crate::presto::sql_json::table::{Childless, Nested, Rows, Source, TABLE, Table};

/// Where what the call says is.
const SAYS: usize = 1;
/// Where the arguments of columns begin; parameters are behind them.
const FIRST: usize = 2;
/// How many rows an input may give: paths beside each other multiply them.
const MOST_ROWS: usize = 1 << 20;
/// How many rows there may be before their cells become arrays, which are smaller.
const CHUNK_ROWS: usize = 1 << 16;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonTable;

impl Kernel for JsonTable {
    fn name(&self) -> &'static str {
        TABLE
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        let says = args.scalar_arguments.get(SAYS).copied().flatten();
        let says = says.and_then(|says| says.try_as_str().flatten());
        let table = says.and_then(Table::decode);
        let table = table.ok_or_else(|| unexpected("a table"))?;
        let mut next = FIRST;
        let mut fields = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let field = match &column.source {
                Source::Ordinality => Field::new("", DataType::Int64, true),
                Source::Value { .. } => check_result(args, next)?.clone(),
                Source::Query { clauses, .. } => {
                    let returns = field_at(args, next)?;
                    check_output(returns, clauses.output)?;
                    returns.clone()
                }
            };
            // Names have no case inside of queries.
            fields.push(
                field
                    .with_name(column.name.to_lowercase())
                    .with_nullable(true),
            );
            next += column.source.arguments();
        }
        check_search(args, &table.search, next)?;
        let row = DataType::Struct(fields.into());
        Ok(Field::new(TABLE, DataType::new_list(row, true), true))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        // A constant would lose what the fields of the rows tell.
        let rows = args.number_rows;
        let arguments = Arguments { args, rows };
        let table =
            Table::decode(arguments.constant(SAYS)?).ok_or_else(|| unexpected("a table"))?;
        let columns = table.columns.iter().map(|column| column.source.arguments());
        let parameters = FIRST + columns.sum::<usize>();
        let search = Search::new(&arguments, &table.rows.path, &table.search, parameters)?;
        let DataType::List(row) = args.return_field.data_type() else {
            return Err(unexpected("a result that is no list"));
        };
        let DataType::Struct(fields) = row.data_type() else {
            return Err(unexpected("a result without rows"));
        };
        let mut builder = Builder::new(&table)?;
        let mut chunks = Vec::new();
        let mut lengths = Vec::with_capacity(rows);
        for input in 0..rows {
            let items = match search.find(input)? {
                Found::Null => Vec::new(),
                Found::Items(items) => builder.items(Ok(items))?,
                Found::Failed(failure) => builder.items(Err(failure))?,
            };
            lengths.push(builder.add(&items, input)?);
            if builder.rows.len() >= CHUNK_ROWS {
                chunks.push(builder.finish(&arguments, fields)?);
                builder = Builder::new(&table)?;
            }
        }
        chunks.push(builder.finish(&arguments, fields)?);
        let chunks: Vec<&dyn Array> = chunks.iter().map(|chunk| chunk as &dyn Array).collect();
        let values = concat(&chunks)?;
        i32::try_from(values.len()).map_err(|_| too_many())?;
        let ends = OffsetBuffer::from_lengths(lengths);
        let list = ListArray::try_new(Arc::clone(row), ends, values, None)?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}

/// The places of a row's cells, by column; none is NULL.
type Row = Vec<Option<u32>>;

/// The rows that there are so far, and their cells.
struct Builder<'t> {
    table: &'t Table,
    /// Nested ones, as they are written.
    paths: HashMap<&'t str, Path>,
    columns: Vec<Cells<'t>>,
    rows: Vec<Row>,
}

/// The cells of a column.
enum Cells<'t> {
    Ordinals(Vec<i64>),
    Values(Path, Outcome<'t>),
    Queries(Path, Outputs<'t>),
}

impl<'t> Builder<'t> {
    fn new(table: &'t Table) -> Result<Self> {
        let columns = table.columns.iter().map(|column| match &column.source {
            Source::Ordinality => Ok(Cells::Ordinals(Vec::new())),
            Source::Value { path, clauses } => {
                Ok(Cells::Values(compiled(path)?, Outcome::new(clauses)))
            }
            Source::Query { path, clauses } => {
                Ok(Cells::Queries(compiled(path)?, Outputs::new(clauses, 0)))
            }
        });
        Ok(Self {
            table,
            paths: HashMap::new(),
            columns: columns.collect::<Result<_>>()?,
            rows: Vec::new(),
        })
    }

    /// Adds the rows that the items of the first path give, and returns how many they are.
    fn add(&mut self, items: &[Item<'_>], input: usize) -> Result<usize> {
        let table = self.table;
        let rows = self.rows_of(&table.rows, items, input)?;
        let length = rows.len();
        self.rows.extend(rows);
        Ok(length)
    }

    /// Returns the rows that the items of a path give; `input` is the row of the arguments.
    fn rows_of(&mut self, rows: &'t Rows, items: &[Item<'_>], input: usize) -> Result<Vec<Row>> {
        let mut out = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            let mut own = vec![None; self.columns.len()];
            for column in &rows.columns {
                if let Some(cells) = self.columns.get_mut(*column)
                    && let Some(place) = own.get_mut(*column)
                {
                    *place = Some(cells.push(position + 1, item, input)?);
                }
            }
            match &rows.nested {
                None => out.push(own),
                Some(nested) => {
                    let nested = self.nested(nested, item, input)?;
                    if nested.is_empty() && rows.childless == Childless::Kept {
                        out.push(own);
                    } else {
                        out.extend(nested.iter().map(|row| joined(&own, row)));
                    }
                }
            }
            limit(out.len())?;
        }
        Ok(out)
    }

    /// Returns the rows that nested paths give in an item.
    fn nested(&mut self, nested: &'t Nested, item: &Item<'_>, input: usize) -> Result<Vec<Row>> {
        match nested {
            Nested::Path(rows) => {
                let path = match self.paths.entry(&rows.path) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => unknown.insert(compiled(&rows.path)?),
                };
                let found = path.find_in(item);
                let items = self.items(found)?;
                self.rows_of(rows, &items, input)
            }
            Nested::Union(parts) => {
                let mut out = Vec::new();
                for part in parts {
                    out.extend(self.nested(part, item, input)?);
                    limit(out.len())?;
                }
                Ok(out)
            }
            Nested::Cross(parts) => {
                let mut out = vec![vec![None; self.columns.len()]];
                for part in parts {
                    // What cannot give a row any more is not evaluated, and does not fail.
                    if out.is_empty() {
                        break;
                    }
                    let rows = self.nested(part, item, input)?;
                    limit(out.len().saturating_mul(rows.len()))?;
                    let pairs = out.iter();
                    out = pairs
                        .flat_map(|left| rows.iter().map(|right| joined(left, right)))
                        .collect();
                }
                Ok(out)
            }
        }
    }

    /// Returns the items that a path finds; there are none if it fails, unless that is an error.
    fn items<'a>(
        &self,
        found: std::result::Result<Vec<Item<'a>>, Failure>,
    ) -> Result<Vec<Item<'a>>> {
        let is_error = self.table.search.on_error == Behaviour::Error;
        let items = match found {
            Ok(items) => items,
            Err(failure) if is_error => return Err(failed(&failure)),
            Err(_) => return Ok(Vec::new()),
        };
        match items.iter().find_map(not_json) {
            None => Ok(items),
            Some(message) if is_error => Err(no_output(&message)),
            Some(_) => Ok(Vec::new()),
        }
    }

    /// Returns the rows with the values of their cells.
    fn finish(self, arguments: &Arguments<'_>, fields: &Fields) -> Result<StructArray> {
        let mut arrays = Vec::with_capacity(fields.len());
        let mut next = FIRST;
        let columns = self.columns.into_iter().zip(&self.table.columns);
        for (position, (cells, column)) in columns.enumerate() {
            let values: ArrayRef = match cells {
                Cells::Ordinals(numbers) => Arc::new(Int64Array::from(numbers)),
                Cells::Values(_, outcome) => outcome.finish(arguments, next)?,
                Cells::Queries(_, outputs) => outputs.finish(arguments.field(next)?)?,
            };
            next += column.source.arguments();
            let places = self
                .rows
                .iter()
                .map(|row| row.get(position).copied().flatten());
            arrays.push(take(&values, &places.collect::<UInt32Array>(), None)?);
        }
        Ok(StructArray::try_new(fields.clone(), arrays, None)?)
    }
}

impl Cells<'_> {
    /// Adds the cell of an item, and returns its place; `input` is the row of the arguments.
    fn push(&mut self, ordinal: usize, item: &Item<'_>, input: usize) -> Result<u32> {
        let place = match self {
            Self::Ordinals(numbers) => {
                numbers.push(i64::try_from(ordinal).unwrap_or(i64::MAX));
                numbers.len() - 1
            }
            Self::Values(path, outcome) => {
                outcome.push(input, found(path, item))?;
                outcome.len() - 1
            }
            Self::Queries(path, outputs) => {
                outputs.push(found(path, item))?;
                outputs.len() - 1
            }
        };
        u32::try_from(place).map_err(|_| too_many())
    }
}

fn found<'a>(path: &Path, item: &Item<'a>) -> Found<Vec<Item<'a>>> {
    match path.find_in(item) {
        Ok(items) => Found::Items(items),
        Err(failure) => Found::Failed(failure),
    }
}

/// Returns the cells of both.
fn joined(left: &Row, right: &Row) -> Row {
    let pairs = left.iter().zip(right);
    pairs.map(|(left, right)| left.or(*right)).collect()
}

fn limit(rows: usize) -> Result<()> {
    if rows > MOST_ROWS {
        return Err(too_many());
    }
    Ok(())
}

fn too_many() -> DataFusionError {
    failure(
        "EXCEEDED_LOCAL_MEMORY_LIMIT",
        format!("JSON_TABLE gives more than {MOST_ROWS} rows for an input"),
    )
}
