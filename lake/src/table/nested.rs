//! Fitting values within values, as old files have them, to a table's columns of today: columns
//! within columns come and go like others.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, new_null_array};
use arrow::datatypes::{DataType, Fields};
use arrow::error::ArrowError;

/// Returns an array with the fields of a type: those of structs are found by name, absent ones are
/// null and unknown ones left out. Values within that have other types stay as they are.
///
/// # Errors
///
/// A field without values that must have some.
pub(crate) fn fit(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    match (array.data_type(), wanted) {
        (given, wanted) if given == wanted => Ok(Arc::clone(array)),
        (DataType::Struct(_), DataType::Struct(fields)) => {
            Ok(Arc::new(fit_struct(array.as_struct(), fields)?))
        }
        (DataType::List(_), DataType::List(item)) => {
            let list = array.as_list::<i32>();
            let values = fit(list.values(), item.data_type())?;
            let item = Arc::new(
                item.as_ref()
                    .clone()
                    .with_data_type(values.data_type().clone()),
            );
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Ok(Arc::new(ListArray::try_new(item, offsets, values, nulls)?))
        }
        (DataType::Map(_, _), DataType::Map(entries, sorted)) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return Ok(Arc::clone(array));
            };
            let map = array.as_map();
            // Keys and values are told by their places: writers name them as they like.
            let columns = map.entries().columns().iter().zip(fields);
            let columns = columns
                .map(|(column, field)| fit(column, field.data_type()))
                .collect::<Result<Vec<_>, _>>()?;
            let fields = retyped(fields, &columns);
            let values = StructArray::try_new(fields.clone(), columns, None)?;
            let entries = entries
                .as_ref()
                .clone()
                .with_data_type(DataType::Struct(fields));
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            let fitted = MapArray::try_new(Arc::new(entries), offsets, values, nulls, *sorted)?;
            Ok(Arc::new(fitted))
        }
        _ => Ok(Arc::clone(array)),
    }
}

fn fit_struct(given: &StructArray, fields: &Fields) -> Result<StructArray, ArrowError> {
    let columns = fields
        .iter()
        .map(|field| match given.column_by_name(field.name()) {
            Some(column) => fit(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), given.len())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let fields = retyped(fields, &columns);
    StructArray::try_new_with_length(fields, columns, given.nulls().cloned(), given.len())
}

/// Returns fields with the types of their columns.
fn retyped(fields: &Fields, columns: &[ArrayRef]) -> Fields {
    let typed = fields.iter().zip(columns).map(|(field, column)| {
        let data_type = column.data_type().clone();
        Arc::new(field.as_ref().clone().with_data_type(data_type))
    });
    typed.collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use arrow::buffer::{NullBuffer, OffsetBuffer};
    use arrow::datatypes::Field;

    use super::*;

    fn numbers(values: &[i64]) -> ArrayRef {
        Arc::new(Int64Array::from(values.to_vec()))
    }

    fn given() -> ArrayRef {
        let fields: Fields = vec![
            Field::new("b", DataType::Int64, true),
            Field::new("gone", DataType::Int64, true),
            Field::new("a", DataType::Int64, true),
        ]
        .into();
        let columns = vec![
            numbers(&[1, 2, 3]),
            numbers(&[7, 8, 9]),
            numbers(&[4, 5, 6]),
        ];
        let nulls = NullBuffer::from(vec![true, false, true]);
        Arc::new(StructArray::new(fields, columns, Some(nulls)))
    }

    fn wanted() -> DataType {
        let id = [("PARQUET:field_id".to_owned(), "4".to_owned())];
        DataType::Struct(
            vec![
                Field::new("a", DataType::Int64, true).with_metadata(id.into()),
                Field::new("b", DataType::Int64, true),
                Field::new("new", DataType::Utf8, true),
            ]
            .into(),
        )
    }

    fn expected() -> ArrayRef {
        let DataType::Struct(fields) = wanted() else {
            unreachable!()
        };
        let new: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; 3]));
        let columns = vec![numbers(&[4, 5, 6]), numbers(&[1, 2, 3]), new];
        let nulls = NullBuffer::from(vec![true, false, true]);
        Arc::new(StructArray::new(fields, columns, Some(nulls)))
    }

    #[test]
    fn fields_are_found_by_name() {
        assert_eq!(&fit(&given(), &wanted()).unwrap(), &expected());
        let slice = fit(&given().slice(1, 2), &wanted()).unwrap();
        assert_eq!(&slice, &expected().slice(1, 2));
    }

    #[test]
    fn fields_within_lists_and_maps_are_found_too() {
        let list = |values: ArrayRef, name| {
            let item = Arc::new(Field::new(name, values.data_type().clone(), true));
            let offsets = OffsetBuffer::from_lengths([2, 0, 1]);
            Arc::new(ListArray::new(item, offsets, values, None)) as ArrayRef
        };
        let wanted_list = list(expected(), "element");
        let fitted = fit(&list(given(), "item"), wanted_list.data_type()).unwrap();
        assert_eq!(&fitted, &wanted_list);
        let map = |values: ArrayRef, names: [&str; 2]| {
            let fields: Fields = vec![
                Field::new(names[0], DataType::Int64, false),
                Field::new(names[1], values.data_type().clone(), true),
            ]
            .into();
            let entries = Field::new("entries", DataType::Struct(fields.clone()), false);
            let values = StructArray::new(fields, vec![numbers(&[1, 2, 3]), values], None);
            let offsets = OffsetBuffer::from_lengths([1, 2]);
            let map = MapArray::new(Arc::new(entries), offsets, values, None, false);
            Arc::new(map) as ArrayRef
        };
        let wanted_map = map(expected(), ["key", "value"]);
        let fitted = fit(&map(given(), ["k", "v"]), wanted_map.data_type()).unwrap();
        assert_eq!(&fitted, &wanted_map);
    }
}
