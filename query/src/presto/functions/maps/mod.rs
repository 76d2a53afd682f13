//! Functions on maps.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, new_empty_array};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;

use super::shared::{
    Call, Comparable, Definition, Description, Lists, Nulls, Picker, build_map, common_type,
    internal, invalid, list_of, map_of, map_parts, map_types, normal, scalar, unexpected,
};

/// The name that `map` has inside: the planner of the engine has a meaning of its own for `map`.
pub(crate) const MAP: &str = "$map";

/// Returns the functions.
pub(super) fn scalars() -> Vec<ScalarUDF> {
    let strict = |name, coerce, returns, run| {
        ScalarUDF::from(Definition::new(
            name,
            Nulls::Propagate,
            coerce,
            returns,
            run,
        ))
    };
    vec![
        strict(MAP, coerce_map, map_type, map),
        strict(
            "map_from_entries",
            |types| entries("map_from_entries", types),
            from_entries_type,
            map_from_entries,
        ),
        strict(
            "multimap_from_entries",
            |types| entries("multimap_from_entries", types),
            multimap_type,
            multimap_from_entries,
        ),
        strict(
            "map_keys",
            |types| one_map("map_keys", types),
            |types| part_type(types, Part::Keys),
            |call| part(call, Part::Keys),
        ),
        strict(
            "map_values",
            |types| one_map("map_values", types),
            |types| part_type(types, Part::Values),
            |call| part(call, Part::Values),
        ),
        strict(
            "map_entries",
            |types| one_map("map_entries", types),
            entries_type,
            map_entries,
        ),
        strict("map_concat", coerce_map_concat, first_map, map_concat),
    ]
}

/// What `SHOW FUNCTIONS` says of them.
pub(super) const DESCRIPTIONS: [Description; 8] = [
    scalar(
        "map",
        "map(K,V)",
        "array(K), array(V)",
        "Constructs a map from the given key/value arrays",
    ),
    scalar("map", "map(unknown,unknown)", "", "Creates an empty map"),
    scalar(
        "map_concat",
        "map(K,V)",
        "map(K,V)",
        "Concatenates given maps",
    ),
    scalar(
        "map_entries",
        "array(row(k,v))",
        "map(k,v)",
        "Construct an array of entries from a given map",
    ),
    scalar(
        "map_from_entries",
        "map(k,v)",
        "array(row(k,v))",
        "Construct a map from an array of entries",
    ),
    scalar(
        "map_keys",
        "array(k)",
        "map(k,v)",
        "Returns the keys of the given map(K,V) as an array",
    ),
    scalar(
        "map_values",
        "array(v)",
        "map(k,v)",
        "Returns the values of the given map(K,V) as an array",
    ),
    scalar(
        "multimap_from_entries",
        "map(k,array(v))",
        "array(row(k,v))",
        "Construct a multimap from an array of entries",
    ),
];

fn coerce_map(types: &[DataType]) -> Result<Vec<DataType>> {
    let list = |t: &DataType| match normal(t) {
        DataType::Null => Ok(list_of(DataType::Null)),
        list @ DataType::List(_) => Ok(list),
        _ => Err(unexpected("map", types)),
    };
    match types {
        [] => Ok(Vec::new()),
        [keys, values] => Ok(vec![list(keys)?, list(values)?]),
        _ => Err(unexpected("map", types)),
    }
}

fn map_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [DataType::List(key), DataType::List(value)] => {
            Ok(map_of(key.data_type().clone(), value.data_type().clone()))
        }
        _ => Ok(map_of(DataType::Null, DataType::Null)),
    }
}

fn map(call: &Call<'_>) -> Result<ArrayRef> {
    let [keys, values] = call.arrays else {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(vec![0; call.rows + 1]));
        let nothing = new_empty_array(&DataType::Null);
        return build_map(call.returns, offsets, Arc::clone(&nothing), nothing, None);
    };
    let (keys, values) = (Lists::new(keys)?, Lists::new(values)?);
    let (mut picked_keys, mut picked_values) = (Picker::new(call.rows), Picker::new(call.rows));
    for row in 0..call.rows {
        if !call.is_null(row) {
            if keys.range(row).len() != values.range(row).len() {
                return Err(invalid("Key and value arrays must be the same length"));
            }
            keys.range(row).for_each(|index| picked_keys.push(index));
            values
                .range(row)
                .for_each(|index| picked_values.push(index));
        }
        picked_keys.close()?;
        picked_values.close()?;
    }
    let (keys, offsets) = picked_keys.parts(&[keys.values()])?;
    let (values, _) = picked_values.parts(&[values.values()])?;
    build_map(call.returns, offsets, keys, values, call.nulls.clone())
}

/// Converts an array of rows of two.
fn entries(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [list] => match normal(list) {
            DataType::Null => Ok(vec![no_entries()]),
            DataType::List(item) if *item.data_type() == DataType::Null => Ok(vec![no_entries()]),
            DataType::List(item) if matches!(item.data_type(), DataType::Struct(fields) if fields.len() == 2) => {
                Ok(vec![DataType::List(item)])
            }
            _ => Err(unexpected(name, types)),
        },
        _ => Err(unexpected(name, types)),
    }
}

/// Returns the type of entries of which nothing is known.
fn no_entries() -> DataType {
    let fields = ["key", "value"].map(|name| Field::new(name, DataType::Null, true));
    list_of(DataType::Struct(Fields::from(fields.to_vec())))
}

fn entry_types(types: &[DataType]) -> Result<(DataType, DataType)> {
    if let Some(DataType::List(item)) = types.first()
        && let DataType::Struct(fields) = item.data_type()
        && let (Some(key), Some(value)) = (fields.first(), fields.get(1))
    {
        return Ok((key.data_type().clone(), value.data_type().clone()));
    }
    Err(internal("expected an array of entries"))
}

fn from_entries_type(types: &[DataType]) -> Result<DataType> {
    let (key, value) = entry_types(types)?;
    Ok(map_of(key, value))
}

fn multimap_type(types: &[DataType]) -> Result<DataType> {
    let (key, value) = entry_types(types)?;
    Ok(map_of(key, list_of(value)))
}

/// Returns keys and values of entries that must not be NULL.
fn entry_columns(call: &Call<'_>, lists: &Lists) -> Result<(ArrayRef, ArrayRef)> {
    let rows = lists
        .values()
        .as_struct_opt()
        .ok_or_else(|| internal("expected an array of rows"))?;
    for row in 0..call.rows {
        if !call.is_null(row) && lists.range(row).any(|index| rows.is_null(index)) {
            return Err(invalid("map entry cannot be null"));
        }
    }
    match rows.columns() {
        [keys, values] => Ok((Arc::clone(keys), Arc::clone(values))),
        _ => Err(internal("expected rows of two")),
    }
}

fn map_from_entries(call: &Call<'_>) -> Result<ArrayRef> {
    let [column] = call.arrays else {
        return Err(internal("expected one array"));
    };
    let lists = Lists::new(column)?;
    let (keys, values) = entry_columns(call, &lists)?;
    let (mut picked_keys, mut picked_values) = (Picker::new(call.rows), Picker::new(call.rows));
    for row in 0..call.rows {
        for index in lists.range(row) {
            picked_keys.push(index);
            picked_values.push(index);
        }
        picked_keys.close()?;
        picked_values.close()?;
    }
    let (keys, offsets) = picked_keys.parts(&[&keys])?;
    let (values, _) = picked_values.parts(&[&values])?;
    build_map(call.returns, offsets, keys, values, call.nulls.clone())
}

fn multimap_from_entries(call: &Call<'_>) -> Result<ArrayRef> {
    let [column] = call.arrays else {
        return Err(internal("expected one array"));
    };
    let lists = Lists::new(column)?;
    let (keys, values) = entry_columns(call, &lists)?;
    let groups = Grouped::new(&keys, (0..call.rows).map(|row| lists.range(row)))?;
    groups.build(call.returns, &keys, &values, call.nulls.clone())
}

/// Entries with the same key of a row put together.
pub(super) struct Grouped {
    keys: Picker,
    values: Picker,
}

impl Grouped {
    /// Groups the entries of each row by their keys.
    ///
    /// # Errors
    /// A key is NULL.
    pub(super) fn new(
        keys: &ArrayRef,
        rows: impl Iterator<Item = std::ops::Range<usize>>,
    ) -> Result<Self> {
        let encoded = Comparable::new(keys.data_type())?.encode(keys)?;
        let nulls = keys.logical_nulls();
        let (mut first, mut values) = (Picker::new(0), Picker::new(0));
        for row in rows {
            let mut places = HashMap::new();
            let mut groups: Vec<Vec<usize>> = Vec::new();
            for index in row {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(index)) {
                    return Err(invalid("map key cannot be null"));
                }
                let place = *places.entry(encoded.row(index)).or_insert_with(|| {
                    first.push(index);
                    groups.push(Vec::new());
                    groups.len() - 1
                });
                if let Some(group) = groups.get_mut(place) {
                    group.push(index);
                }
            }
            first.close()?;
            for group in groups {
                group.into_iter().for_each(|index| values.push(index));
                values.close()?;
            }
        }
        Ok(Self {
            keys: first,
            values,
        })
    }

    /// Builds maps from keys to arrays of their values.
    pub(super) fn build(
        self,
        returns: &DataType,
        keys: &ArrayRef,
        values: &ArrayRef,
        nulls: Option<arrow::buffer::NullBuffer>,
    ) -> Result<ArrayRef> {
        let (keys, offsets) = self.keys.parts(&[keys])?;
        let lists = self
            .values
            .finish(&[values], &list_of(values.data_type().clone()), None)?;
        build_map(returns, offsets, keys, lists, nulls)
    }
}

/// A half of a map.
#[derive(Debug, Clone, Copy)]
enum Part {
    Keys,
    Values,
}

fn one_map(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [DataType::Null] => Ok(vec![map_of(DataType::Null, DataType::Null)]),
        [one] if matches!(one, DataType::Map(..)) => Ok(vec![normal(one)]),
        _ => Err(unexpected(name, types)),
    }
}

fn types_of_map(types: &[DataType]) -> Result<(DataType, DataType)> {
    types
        .first()
        .and_then(map_types)
        .ok_or_else(|| internal("expected a map"))
}

fn part_type(types: &[DataType], part: Part) -> Result<DataType> {
    let (key, value) = types_of_map(types)?;
    Ok(list_of(match part {
        Part::Keys => key,
        Part::Values => value,
    }))
}

fn part(call: &Call<'_>, part: Part) -> Result<ArrayRef> {
    let ([column], DataType::List(field)) = (call.arrays, call.returns) else {
        return Err(internal("expected one map"));
    };
    let map = column
        .as_map_opt()
        .ok_or_else(|| internal("expected a map"))?;
    let items = match part {
        Part::Keys => map.keys(),
        Part::Values => map.values(),
    };
    let lists = ListArray::try_new(
        Arc::clone(field),
        map.offsets().clone(),
        Arc::clone(items),
        call.nulls.clone(),
    )?;
    Ok(Arc::new(lists))
}

fn entries_type(types: &[DataType]) -> Result<DataType> {
    let (key, value) = types_of_map(types)?;
    let fields = vec![Field::new("c0", key, true), Field::new("c1", value, true)];
    Ok(list_of(DataType::Struct(Fields::from(fields))))
}

fn map_entries(call: &Call<'_>) -> Result<ArrayRef> {
    let ([column], DataType::List(field)) = (call.arrays, call.returns) else {
        return Err(internal("expected one map"));
    };
    let map = column
        .as_map_opt()
        .ok_or_else(|| internal("expected a map"))?;
    let DataType::Struct(fields) = field.data_type() else {
        return Err(internal("expected to return rows"));
    };
    let columns = vec![Arc::clone(map.keys()), Arc::clone(map.values())];
    let rows = arrow::array::StructArray::try_new(fields.clone(), columns, None)?;
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(field),
        map.offsets().clone(),
        Arc::new(rows),
        call.nulls.clone(),
    )?))
}

fn coerce_map_concat(types: &[DataType]) -> Result<Vec<DataType>> {
    let wrong = || unexpected("map_concat", types);
    let mut common = DataType::Null;
    for one in types {
        if !matches!(one, DataType::Map(..) | DataType::Null) {
            return Err(wrong());
        }
        common = common_type(&common, one).ok_or_else(wrong)?;
    }
    if common == DataType::Null {
        common = map_of(DataType::Null, DataType::Null);
    }
    if types.len() < 2 {
        return Err(invalid(
            "There must be two or more concatenation arguments to map_concat",
        ));
    }
    Ok(vec![common; types.len()])
}

fn first_map(types: &[DataType]) -> Result<DataType> {
    types
        .first()
        .cloned()
        .ok_or_else(|| internal("expected a map"))
}

fn map_concat(call: &Call<'_>) -> Result<ArrayRef> {
    let maps: Vec<_> = call.arrays.iter().map(map_parts).collect::<Result<_>>()?;
    let Some((_, _, keys, _)) = maps.first() else {
        return Err(internal("map_concat takes maps"));
    };
    let encoder = Comparable::new(keys.data_type())?;
    let mut encoded = Vec::with_capacity(maps.len());
    for (_, _, keys, _) in &maps {
        encoded.push(encoder.encode(keys)?);
    }
    let mut picker = Picker::new(call.rows);
    let mut values = Picker::new(call.rows);
    for row in 0..call.rows {
        if !call.is_null(row) {
            // A key keeps the place where it is first and has the value where it is last.
            let mut places = HashMap::new();
            let mut chosen: Vec<(usize, usize)> = Vec::new();
            for (source, ((ranges, ..), encoded)) in maps.iter().zip(&encoded).enumerate() {
                for index in ranges.get(row).cloned().unwrap_or(0..0) {
                    let place = *places.entry(encoded.row(index)).or_insert_with(|| {
                        chosen.push((source, index));
                        chosen.len() - 1
                    });
                    if let Some(slot) = chosen.get_mut(place) {
                        *slot = (source, index);
                    }
                }
            }
            for (source, index) in chosen {
                picker.push_from(source, index);
                values.push_from(source, index);
            }
        }
        picker.close()?;
        values.close()?;
    }
    let key_columns: Vec<&ArrayRef> = maps.iter().map(|(_, _, keys, _)| keys).collect();
    let value_columns: Vec<&ArrayRef> = maps.iter().map(|(.., values)| values).collect();
    let (keys, offsets) = picker.parts(&key_columns)?;
    let (values, _) = values.parts(&value_columns)?;
    build_map(call.returns, offsets, keys, values, call.nulls.clone())
}
