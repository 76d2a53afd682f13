//! Casts of arrays, maps and rows: element by element.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray};
use arrow::datatypes::{DataType, Field};
use arrow::row::{RowConverter, SortField};
use datafusion::error::Result;

use super::super::function::unexpected;
use super::{cast_array, invalid};

pub(super) fn cast_nested(array: &ArrayRef, from: &Field, to: &Field) -> Result<ArrayRef> {
    match (from.data_type(), to.data_type()) {
        (DataType::List(from), DataType::List(to)) => {
            let lists = array.as_list::<i32>();
            let values = cast_array(lists.values(), from, to)?;
            let offsets = lists.offsets().clone();
            let lists =
                ListArray::try_new(Arc::clone(to), offsets, values, lists.nulls().cloned())?;
            Ok(Arc::new(lists))
        }
        (DataType::Struct(from), DataType::Struct(to)) => {
            let row = array.as_struct();
            let columns = row.columns().iter().zip(from.iter().zip(to));
            let columns = columns.map(|(column, (from, to))| cast_array(column, from, to));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            let rows = StructArray::try_new(to.clone(), columns, row.nulls().cloned())?;
            Ok(Arc::new(rows))
        }
        (DataType::Map(from, _), DataType::Map(to, is_sorted)) => {
            let (DataType::Struct(from), DataType::Struct(to_fields)) =
                (from.data_type(), to.data_type())
            else {
                return Err(unexpected("map"));
            };
            let maps = array.as_map();
            let columns = [maps.keys(), maps.values()]
                .into_iter()
                .zip(from.iter().zip(to_fields));
            let columns = columns.map(|(column, (from, to))| cast_array(column, from, to));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            if let Some(keys) = columns.first() {
                refuse_duplicates(keys, maps)?;
            }
            let entries = StructArray::try_new(to_fields.clone(), columns, None)?;
            let offsets = maps.offsets().clone();
            let maps = MapArray::try_new(
                Arc::clone(to),
                offsets,
                entries,
                maps.nulls().cloned(),
                *is_sorted,
            )?;
            Ok(Arc::new(maps))
        }
        _ => Err(unexpected("nested type")),
    }
}

/// Keys that were different may be equal in the new type.
fn refuse_duplicates(keys: &ArrayRef, maps: &MapArray) -> Result<()> {
    let converter = RowConverter::new(vec![SortField::new(keys.data_type().clone())])?;
    let keys = converter.convert_columns(&[Arc::clone(keys)])?;
    for bounds in maps.value_offsets().windows(2) {
        let &[start, end] = bounds else { continue };
        let (start, end) = (
            usize::try_from(start).unwrap_or(0),
            usize::try_from(end).unwrap_or(0),
        );
        let mut entries: Vec<_> = (start..end).map(|entry| keys.row(entry)).collect();
        entries.sort();
        if entries
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a == b))
        {
            return Err(invalid("duplicate keys"));
        }
    }
    Ok(())
}
