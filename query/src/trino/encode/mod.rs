//! Arrow arrays into the protocol's JSON, without a value in between.
//!
//! One writer per column, made once per batch; then row after row into the page's buffer. Nothing is allocated per value.

mod nested;
mod numbers;
mod opaque;
mod text;
mod times;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Int8Type, Int16Type, Int32Type, Int64Type, IntervalUnit, SchemaRef, TimeUnit,
    UInt64Type,
};

use super::types::Special;
use crate::presto::opaque::opaque_name;
use crate::presto::zoned_time::unit_and_offset;
use crate::{Error, Result};

/// Writes values for one client.
#[derive(Debug, Clone)]
pub(super) struct RowEncoder {
    dates: Dates,
    schema: Option<SchemaRef>,
}

/// Which times a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dates {
    /// As many digits as the type has.
    Parametric,
    /// Three digits always.
    Legacy,
}

type Writer = Box<dyn Fn(usize, &mut Vec<u8>) -> Result<()> + Send>;

struct Column {
    nulls: Option<NullBuffer>,
    write: Writer,
}

impl Column {
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        (self.write)(row, out)
    }
}

impl RowEncoder {
    pub(super) fn new(dates: Dates) -> Self {
        Self {
            dates,
            schema: None,
        }
    }

    /// Takes the columns' types from here: batches may have lost what fields say beyond Arrow's types.
    pub(super) fn set_schema(&mut self, schema: &SchemaRef) {
        self.schema = Some(SchemaRef::clone(schema));
    }

    /// Appends the rows of `batch` to a JSON array that is empty, or open after a row.
    pub(super) fn write(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let own = batch.schema();
        let schema = self.schema.as_ref().unwrap_or(&own);
        let columns = batch
            .columns()
            .iter()
            .zip(schema.fields())
            .map(|(array, field)| self.column(array, Some(field)))
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let mut separator = if out.is_empty() { b"[[" } else { b",[" }.as_slice();
            for column in &columns {
                out.extend_from_slice(separator);
                column.write(row, out)?;
                separator = b",";
            }
            if columns.is_empty() {
                out.extend_from_slice(separator);
            }
            out.push(b']');
        }
        Ok(())
    }

    fn column(&self, array: &ArrayRef, field: Option<&Field>) -> Result<Column> {
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let special = field.and_then(Special::of);
        let write = match special {
            None | Some(Special::Sketch(_)) => self.writer(array)?,
            Some(special) => text::special(array, special)?,
        };
        Ok(Column { nulls, write })
    }

    fn writer(&self, array: &ArrayRef) -> Result<Writer> {
        let to = |data_type: DataType| converted(array, &data_type);
        Ok(match array.data_type() {
            DataType::Null => Box::new(|_, out| {
                out.extend_from_slice(b"null");
                Ok(())
            }),
            DataType::Boolean => {
                let values = array.as_boolean().clone();
                Box::new(move |row, out| {
                    out.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
                    Ok(())
                })
            }
            DataType::Int8 => numbers::integer::<Int8Type>(array),
            DataType::Int16 => numbers::integer::<Int16Type>(array),
            DataType::Int32 => numbers::integer::<Int32Type>(array),
            DataType::Int64 => numbers::integer::<Int64Type>(array),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
                numbers::integer::<Int64Type>(&to(DataType::Int64)?)
            }
            DataType::UInt64 => numbers::unsigned(array.as_primitive::<UInt64Type>().clone()),
            DataType::Float16 | DataType::Float32 => numbers::real(&to(DataType::Float32)?),
            DataType::Float64 => numbers::double(array),
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => {
                numbers::decimal128(&to(DataType::Decimal128(*p, *s))?, *s)
            }
            DataType::Decimal128(_, s) => numbers::decimal128(array, *s),
            DataType::Decimal256(_, s) => numbers::decimal256(array, *s),
            DataType::Utf8 => text::utf8(array.as_string::<i32>().clone()),
            DataType::LargeUtf8 => text::utf8(array.as_string::<i64>().clone()),
            DataType::Utf8View => {
                let values = array.as_string_view().clone();
                Box::new(move |row, out| {
                    text::json(out, values.value(row));
                    Ok(())
                })
            }
            DataType::Binary => text::binary(array.as_binary::<i32>().clone()),
            DataType::LargeBinary => text::binary(array.as_binary::<i64>().clone()),
            known if opaque_name(known).is_some() => opaque::opaque(array),
            DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                text::binary(to(DataType::Binary)?.as_binary::<i32>().clone())
            }
            DataType::Date32 => times::date(array),
            DataType::Date64 => times::date(&to(DataType::Date32)?),
            DataType::Time32(unit) | DataType::Time64(unit) => times::time(
                &to(DataType::Time64(TimeUnit::Nanosecond))?,
                self.digits(*unit),
            ),
            zoned if let Some((unit, offset)) = unit_and_offset(zoned) => {
                times::zoned_time(array, unit, offset, self.digits(unit))?
            }
            DataType::Timestamp(unit, zone) => {
                times::timestamp(array, *unit, zone.as_deref(), self.digits(*unit))?
            }
            DataType::Duration(_) => {
                times::duration(&to(DataType::Duration(TimeUnit::Nanosecond))?)
            }
            DataType::Interval(IntervalUnit::YearMonth) => times::year_to_month(array),
            DataType::Interval(_) => {
                times::interval(&to(DataType::Interval(IntervalUnit::MonthDayNano))?)
            }
            DataType::List(item) => {
                let lists = array.as_list::<i32>();
                let items = self.column(lists.values(), Some(item))?;
                nested::list(lists.offsets().clone(), items)
            }
            DataType::LargeList(item) => {
                let lists = array.as_list::<i64>();
                let items = self.column(lists.values(), Some(item))?;
                nested::list(lists.offsets().clone(), items)
            }
            DataType::FixedSizeList(item, _)
            | DataType::ListView(item)
            | DataType::LargeListView(item) => {
                self.writer(&to(DataType::List(std::sync::Arc::clone(item)))?)?
            }
            DataType::Map(entries, _) => {
                let maps = array.as_map();
                let fields = match entries.data_type() {
                    DataType::Struct(fields) => fields.iter().collect::<Vec<_>>(),
                    _ => Vec::new(),
                };
                let field = |index: usize| fields.get(index).map(|field| field.as_ref());
                let keys = self.column(maps.keys(), field(0))?;
                let values = self.column(maps.values(), field(1))?;
                nested::map(maps.offsets().clone(), keys, values)
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns().iter().zip(fields);
                let columns = columns
                    .map(|(array, field)| self.column(array, Some(field)))
                    .collect::<Result<Vec<_>>>()?;
                nested::row(columns)
            }
            DataType::Dictionary(_, value) => self.writer(&to(value.as_ref().clone())?)?,
            DataType::RunEndEncoded(_, value) => self.writer(&to(value.data_type().clone())?)?,
            other => {
                return Err(Error::NotSupported {
                    what: format!("results of Arrow type `{other}`"),
                });
            }
        })
    }

    fn digits(&self, unit: TimeUnit) -> u8 {
        match self.dates {
            Dates::Parametric => super::model::digits(unit),
            Dates::Legacy => 3,
        }
    }
}

fn converted(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    cast(array, data_type).map_err(|error| internal(&error.to_string()))
}

fn internal(message: &str) -> Error {
    Error::Internal {
        message: format!("cannot write a result value: {message}"),
    }
}

#[cfg(test)]
mod tests;
