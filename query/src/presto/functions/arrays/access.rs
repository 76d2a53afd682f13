//! Functions that look into arrays and maps: sizes, elements, positions, extremes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::error::Result;

use crate::presto::error::TrinoFailure;
use crate::presto::functions::networks;
use crate::presto::functions::shared::{
    Call, Comparable, Definition, Lists, Nulls, common_type, internal, invalid, is_orderable,
    list_of, map_of, map_parts, map_types, nan_flags, normal, same_lists, texts, unexpected,
};
use crate::presto::opaque::IP_ADDRESS;
use crate::presto::types::type_name;

pub(super) fn definitions() -> Vec<Definition> {
    let strict =
        |name, coerce, returns, run| Definition::new(name, Nulls::Propagate, coerce, returns, run);
    vec![
        strict("cardinality", coerce_collection, bigint, cardinality),
        strict("element_at", coerce_element_at, element_type, element_at),
        strict(
            "array_first",
            |types| one_list("array_first", types),
            item_type,
            |call| at_end(call, End::First),
        ),
        strict(
            "array_last",
            |types| one_list("array_last", types),
            item_type,
            |call| at_end(call, End::Last),
        ),
        strict("contains", coerce_contains, boolean, contains),
        strict(
            "array_position",
            |types| list_and_item("array_position", types),
            bigint,
            array_position,
        ),
        strict(
            "contains_sequence",
            |types| two_lists("contains_sequence", types),
            boolean,
            contains_sequence,
        ),
        strict(
            "arrays_overlap",
            |types| two_lists("arrays_overlap", types),
            boolean,
            arrays_overlap,
        ),
        strict(
            "array_max",
            |types| one_ordered_list("array_max", types),
            item_type,
            |call| extreme(call, End::Last),
        ),
        strict(
            "array_min",
            |types| one_ordered_list("array_min", types),
            item_type,
            |call| extreme(call, End::First),
        ),
        strict("array_join", coerce_join, varchar, array_join),
    ]
}

fn one_ordered_list(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let coerced = one_list(name, types)?;
    if coerced.iter().all(is_orderable) {
        return Ok(coerced);
    }
    Err(unexpected(name, types))
}

/// Which end of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

pub(super) fn bigint(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Int64)
}

pub(super) fn boolean(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Boolean)
}

pub(super) fn varchar(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Utf8)
}

/// Returns the element type of the first argument.
pub(super) fn item_type(types: &[DataType]) -> Result<DataType> {
    match types.first() {
        Some(DataType::List(item)) => Ok(item.data_type().clone()),
        _ => Err(internal("expected a list")),
    }
}

pub(super) fn one_list(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [_] => same_lists(name, types),
        _ => Err(unexpected(name, types)),
    }
}

pub(super) fn two_lists(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [_, _] => same_lists(name, types),
        _ => Err(unexpected(name, types)),
    }
}

/// Converts an array and a value to one element type.
pub(super) fn list_and_item(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [list, value] = types else {
        return Err(unexpected(name, types));
    };
    let item = match normal(list) {
        DataType::List(item) => item.data_type().clone(),
        DataType::Null => DataType::Null,
        _ => return Err(unexpected(name, types)),
    };
    let item = common_type(&item, value).ok_or_else(|| unexpected(name, types))?;
    Ok(vec![list_of(item.clone()), item])
}

fn coerce_collection(types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [DataType::Null] => Ok(vec![list_of(DataType::Null)]),
        [one] if matches!(normal(one), DataType::List(_) | DataType::Map(..)) => {
            Ok(vec![normal(one)])
        }
        // A sketch of approx_set.
        [DataType::Binary] => Ok(types.to_vec()),
        _ => Err(unexpected("cardinality", types)),
    }
}

fn cardinality(call: &Call<'_>) -> Result<ArrayRef> {
    let [column] = call.arrays else {
        return Err(internal("cardinality takes one argument"));
    };
    if matches!(column.data_type(), DataType::Binary) {
        return crate::presto::functions::aggregates::sketch_cardinality(column);
    }
    let lists = match column.data_type() {
        DataType::Map(..) => Lists::keys(column)?,
        _ => Lists::new(column)?,
    };
    let size = |row| (!lists.is_null(row)).then(|| i64::try_from(lists.range(row).len()).ok());
    let sizes: Int64Array = (0..call.rows).map(|row| size(row).flatten()).collect();
    Ok(Arc::new(sizes))
}

fn coerce_element_at(types: &[DataType]) -> Result<Vec<DataType>> {
    let [collection, index] = types else {
        return Err(unexpected("element_at", types));
    };
    let collection = normal(collection);
    if let Some((key, value)) = map_types(&collection) {
        let key = common_type(&key, index).ok_or_else(|| unexpected("element_at", types))?;
        return Ok(vec![map_of(key.clone(), value), key]);
    }
    let is_position = index.is_integer() || *index == DataType::Null;
    match collection {
        DataType::Null if is_position => Ok(vec![list_of(DataType::Null), DataType::Int64]),
        // What is no position is a key.
        DataType::Null => Ok(vec![map_of(normal(index), DataType::Null), normal(index)]),
        list @ DataType::List(_) if is_position => Ok(vec![list, DataType::Int64]),
        _ => Err(unexpected("element_at", types)),
    }
}

fn element_type(types: &[DataType]) -> Result<DataType> {
    match types.first().and_then(map_types) {
        Some((_, value)) => Ok(value),
        None => item_type(types),
    }
}

fn element_at(call: &Call<'_>) -> Result<ArrayRef> {
    let [collection, index] = call.arrays else {
        return Err(internal("element_at takes two arguments"));
    };
    if matches!(collection.data_type(), DataType::Map(..)) {
        return value_of_key(call, collection, index);
    }
    let lists = Lists::new(collection)?;
    let positions = index.as_primitive::<Int64Type>();
    let mut picked: Vec<Option<u32>> = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if call.is_null(row) {
            picked.push(None);
            continue;
        }
        let range = lists.range(row);
        let at = match positions.value(row) {
            0 => return Err(invalid("SQL array indices start at 1")),
            at @ 1.. => usize::try_from(at - 1).ok(),
            at => usize::try_from(at.unsigned_abs())
                .ok()
                .and_then(|back| range.len().checked_sub(back)),
        };
        let at = at.filter(|at| *at < range.len());
        picked.push(at.and_then(|at| u32::try_from(range.start + at).ok()));
    }
    Ok(take(lists.values(), &UInt32Array::from(picked), None)?)
}

fn value_of_key(call: &Call<'_>, map: &ArrayRef, wanted: &ArrayRef) -> Result<ArrayRef> {
    let (ranges, _, keys, values) = map_parts(map)?;
    let encoder = Comparable::new(keys.data_type())?;
    let (keys, wanted) = (encoder.encode(&keys)?, encoder.encode(wanted)?);
    let picked: UInt32Array = ranges
        .into_iter()
        .enumerate()
        .map(|(row, mut range)| {
            if call.is_null(row) {
                return None;
            }
            let found = range.find(|index| keys.row(*index) == wanted.row(row));
            found.and_then(|index| u32::try_from(index).ok())
        })
        .collect();
    Ok(take(&values, &picked, None)?)
}

fn at_end(call: &Call<'_>, end: End) -> Result<ArrayRef> {
    let [column] = call.arrays else {
        return Err(internal("expected one argument"));
    };
    let lists = Lists::new(column)?;
    let picked: UInt32Array = (0..call.rows)
        .map(|row| {
            let mut range = lists.range(row);
            let index = match end {
                End::First => range.next(),
                End::Last => range.next_back(),
            };
            index.and_then(|index| u32::try_from(index).ok())
        })
        .collect();
    Ok(take(lists.values(), &picked, None)?)
}

/// What a search for a value found.
enum Search {
    /// The position, from 0.
    At(usize),
    /// Nothing, and the array has no NULL.
    Absent,
    /// Nothing, but a NULL could be it.
    Unknown,
}

fn search(call: &Call<'_>) -> Result<Vec<Search>> {
    let [column, value] = call.arrays else {
        return Err(internal("expected an array and a value"));
    };
    let lists = Lists::new(column)?;
    let items = lists.values();
    let encoder = Comparable::new(items.data_type())?;
    let (encoded, wanted) = (encoder.encode(items)?, encoder.encode(value)?);
    let nans = nan_flags(value);
    let mut found = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let range = lists.range(row);
        let is_nan = nans.as_ref().is_some_and(|nans| nans.value(row));
        let (start, mut has_null, mut at) = (range.start, false, None);
        for index in range {
            if items.is_null(index) {
                has_null = true;
            } else if !is_nan && encoded.row(index) == wanted.row(row) {
                at = Some(index - start);
                break;
            }
        }
        found.push(match at {
            Some(at) => Search::At(at),
            None if has_null => Search::Unknown,
            None => Search::Absent,
        });
    }
    Ok(found)
}

/// An array and an item, or a network and an address.
fn coerce_contains(types: &[DataType]) -> Result<Vec<DataType>> {
    if let [network, address] = types
        && normal(network) == DataType::Utf8
        && *address == IP_ADDRESS
    {
        return Ok(vec![DataType::Utf8, IP_ADDRESS]);
    }
    list_and_item("contains", types)
}

fn contains(call: &Call<'_>) -> Result<ArrayRef> {
    if let [network, _] = call.arrays
        && *network.data_type() == DataType::Utf8
    {
        return networks::contains(call);
    }
    let found = search(call)?;
    let answers: BooleanArray = found
        .into_iter()
        .enumerate()
        .map(|(row, found)| match found {
            _ if call.is_null(row) => None,
            Search::At(_) => Some(true),
            Search::Absent => Some(false),
            Search::Unknown => None,
        })
        .collect();
    Ok(Arc::new(answers))
}

fn array_position(call: &Call<'_>) -> Result<ArrayRef> {
    let found = search(call)?;
    let positions: Int64Array = found
        .into_iter()
        .enumerate()
        .map(|(row, found)| match found {
            _ if call.is_null(row) => None,
            Search::At(at) => i64::try_from(at + 1).ok(),
            Search::Absent | Search::Unknown => Some(0),
        })
        .collect();
    Ok(Arc::new(positions))
}

fn contains_sequence(call: &Call<'_>) -> Result<ArrayRef> {
    let [column, sequence] = call.arrays else {
        return Err(internal("contains_sequence takes two arrays"));
    };
    let (lists, wanted) = (Lists::new(column)?, Lists::new(sequence)?);
    let encoder = Comparable::new(lists.values().data_type())?;
    let (items, parts) = (
        encoder.encode(lists.values())?,
        encoder.encode(wanted.values())?,
    );
    let answers: BooleanArray = (0..call.rows)
        .map(|row| {
            if call.is_null(row) {
                return None;
            }
            let (range, part) = (lists.range(row), wanted.range(row));
            let Some(last) = range.len().checked_sub(part.len()) else {
                return Some(false);
            };
            let starts_at = |start: usize| {
                part.clone()
                    .enumerate()
                    .all(|(at, index)| items.row(range.start + start + at) == parts.row(index))
            };
            Some((0..=last).any(starts_at))
        })
        .collect();
    Ok(Arc::new(answers))
}

fn arrays_overlap(call: &Call<'_>) -> Result<ArrayRef> {
    let [left, right] = call.arrays else {
        return Err(internal("arrays_overlap takes two arrays"));
    };
    let (left, right) = (Lists::new(left)?, Lists::new(right)?);
    let encoder = Comparable::new(left.values().data_type())?;
    let (a, b) = (
        encoder.encode(left.values())?,
        encoder.encode(right.values())?,
    );
    let answers: BooleanArray = (0..call.rows)
        .map(|row| {
            if call.is_null(row) {
                return None;
            }
            let (mine, yours) = (left.range(row), right.range(row));
            if mine.is_empty() || yours.is_empty() {
                return Some(false);
            }
            let known: std::collections::HashSet<_> = mine
                .clone()
                .filter(|index| left.values().is_valid(*index))
                .map(|index| a.row(index))
                .collect();
            let shares = yours
                .clone()
                .any(|index| right.values().is_valid(index) && known.contains(&b.row(index)));
            if shares {
                return Some(true);
            }
            let mut nulls = mine.map(|index| left.values().is_null(index));
            let mut others = yours.map(|index| right.values().is_null(index));
            let is_open = nulls.any(|null| null) || others.any(|null| null);
            (!is_open).then_some(false)
        })
        .collect();
    Ok(Arc::new(answers))
}

fn extreme(call: &Call<'_>, end: End) -> Result<ArrayRef> {
    let [column] = call.arrays else {
        return Err(internal("expected one array"));
    };
    let lists = Lists::new(column)?;
    let items = lists.values();
    let encoded = Comparable::new(items.data_type())?.encode(items)?;
    let nans = nan_flags(items);
    let is_nan = |index: usize| nans.as_ref().is_some_and(|nans| nans.value(index));
    let picked: UInt32Array = (0..call.rows)
        .map(|row| {
            let mut best: Option<usize> = None;
            for index in lists.range(row) {
                if items.is_null(index) {
                    return None;
                }
                let is_better = best.is_none_or(|best| {
                    if is_nan(best) || is_nan(index) {
                        return is_nan(best) && !is_nan(index);
                    }
                    match end {
                        End::First => encoded.row(index) < encoded.row(best),
                        End::Last => encoded.row(index) > encoded.row(best),
                    }
                });
                if is_better {
                    best = Some(index);
                }
            }
            best.and_then(|index| u32::try_from(index).ok())
        })
        .collect();
    Ok(take(items, &picked, None)?)
}

fn coerce_join(types: &[DataType]) -> Result<Vec<DataType>> {
    let ([list, _] | [list, _, _]) = types else {
        return Err(unexpected("array_join", types));
    };
    let list = match normal(list) {
        DataType::Null => list_of(DataType::Null),
        DataType::List(item) if item.data_type().is_nested() => {
            let item = type_name(item.data_type());
            return Err(TrinoFailure::new(
                "OPERATOR_NOT_FOUND",
                format!("Cannot cast {item} to varchar"),
            )
            .into());
        }
        list @ DataType::List(_) => list,
        _ => return Err(unexpected("array_join", types)),
    };
    let mut coerced = vec![list];
    for text in types.iter().skip(1) {
        if !matches!(normal(text), DataType::Utf8 | DataType::Null) {
            return Err(unexpected("array_join", types));
        }
        coerced.push(DataType::Utf8);
    }
    Ok(coerced)
}

fn array_join(call: &Call<'_>) -> Result<ArrayRef> {
    let [column, delimiters, rest @ ..] = call.arrays else {
        return Err(internal("array_join takes an array and a delimiter"));
    };
    let lists = Lists::new(column)?;
    let items = texts(lists.values())?;
    let delimiters = delimiters.as_string::<i32>();
    let replacements = rest.first().map(|array| array.as_string::<i32>());
    let joined: StringArray = (0..call.rows)
        .map(|row| {
            if call.is_null(row) {
                return None;
            }
            let replacement = replacements.map(|texts| texts.value(row));
            let items = items.get(lists.range(row)).unwrap_or_default();
            let present: Vec<&str> = items
                .iter()
                .filter_map(|item| item.as_deref().or(replacement))
                .collect();
            Some(present.join(delimiters.value(row)))
        })
        .collect();
    Ok(Arc::new(joined))
}
