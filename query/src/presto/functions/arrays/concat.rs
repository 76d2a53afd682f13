//! Functions that strings, binary values and arrays have in common: `concat`, `concat_ws`, `reverse`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, StringArray, StringBuilder,
};
use arrow::datatypes::DataType;
use datafusion::error::Result;

use super::access::varchar;
use super::sets::first_type;
use crate::presto::functions::shared::{
    Call, Definition, Lists, Nulls, Picker, common_type, internal, invalid, list_of, normal,
    same_lists, unexpected,
};

pub(super) fn definitions() -> Vec<Definition> {
    vec![
        Definition::new(
            "concat",
            Nulls::Propagate,
            coerce_concat,
            concat_type,
            concat,
        ),
        Definition::new(
            "concat_ws",
            Nulls::Given,
            coerce_concat_ws,
            varchar,
            concat_ws,
        ),
        Definition::new(
            "reverse",
            Nulls::Propagate,
            coerce_reverse,
            first_type,
            reverse,
        )
        .keeping_char(),
    ]
}

/// Converts strings to varchar, binary values to varbinary; other types do not fit.
fn texts_or_bytes(types: &[DataType]) -> Option<Vec<DataType>> {
    let mut target = DataType::Null;
    for one in types {
        match (normal(one), &target) {
            (DataType::Null, _) => {}
            (t @ (DataType::Utf8 | DataType::Binary), DataType::Null) => target = t,
            (t, known) if t == *known => {}
            _ => return None,
        }
    }
    if target == DataType::Null {
        target = DataType::Utf8;
    }
    Some(vec![target; types.len()])
}

fn coerce_concat(types: &[DataType]) -> Result<Vec<DataType>> {
    let is_list = |t: &DataType| matches!(normal(t), DataType::List(_));
    if !types.iter().any(is_list) {
        let coerced = texts_or_bytes(types).ok_or_else(|| unexpected("concat", types))?;
        if types.len() < 2 {
            return Err(invalid("There must be two or more concatenation arguments"));
        }
        return Ok(coerced);
    }
    if types.len() < 2 {
        return Err(invalid("There must be two or more arguments to concat"));
    }
    if types.iter().all(is_list)
        && let Ok(lists) = same_lists("concat", types)
    {
        return Ok(lists);
    }
    let [left, right] = types else {
        return Err(unexpected("concat", types));
    };
    let (left, right) = (normal(left), normal(right));
    if let DataType::List(item) = &left
        && let Some(item) = common_type(item.data_type(), &right)
    {
        return Ok(vec![list_of(item.clone()), item]);
    }
    if let DataType::List(item) = &right
        && let Some(item) = common_type(item.data_type(), &left)
    {
        return Ok(vec![item.clone(), list_of(item)]);
    }
    Err(unexpected("concat", types))
}

fn concat_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [first, second] if list_of(first.clone()) == *second => Ok(second.clone()),
        [first, ..] => Ok(first.clone()),
        [] => Err(internal("concat takes two arguments")),
    }
}

fn concat(call: &Call<'_>) -> Result<ArrayRef> {
    match call.returns {
        DataType::Utf8 => {
            let parts: Vec<&StringArray> = call
                .arrays
                .iter()
                .map(|array| array.as_string::<i32>())
                .collect();
            let bytes: usize = parts.iter().map(|part| part.value_data().len()).sum();
            let mut builder = StringBuilder::with_capacity(call.rows, bytes);
            for row in 0..call.rows {
                if call.is_null(row) {
                    builder.append_null();
                    continue;
                }
                for part in &parts {
                    append(&mut builder, part.value(row));
                }
                builder.append_value("");
            }
            Ok(Arc::new(builder.finish()))
        }
        DataType::Binary => {
            let parts: Vec<&BinaryArray> = call
                .arrays
                .iter()
                .map(|array| array.as_binary::<i32>())
                .collect();
            let mut builder = BinaryBuilder::new();
            for row in 0..call.rows {
                if call.is_null(row) {
                    builder.append_null();
                    continue;
                }
                let joined: Vec<u8> = parts
                    .iter()
                    .flat_map(|part| part.value(row))
                    .copied()
                    .collect();
                builder.append_value(joined);
            }
            Ok(Arc::new(builder.finish()))
        }
        _ => concat_lists(call),
    }
}

/// Adds to the value that the builder is building.
fn append(builder: &mut StringBuilder, text: &str) {
    // Writing to the builder of strings cannot fail.
    let _ = std::fmt::Write::write_str(builder, text);
}

fn concat_lists(call: &Call<'_>) -> Result<ArrayRef> {
    let mut lists: Vec<Option<Lists>> = Vec::with_capacity(call.arrays.len());
    for array in call.arrays {
        let is_list = array.data_type() == call.returns;
        lists.push(if is_list {
            Some(Lists::new(array)?)
        } else {
            None
        });
    }
    let mut sources: Vec<&ArrayRef> = Vec::with_capacity(lists.len());
    for (list, array) in lists.iter().zip(call.arrays) {
        sources.push(list.as_ref().map_or(array, Lists::values));
    }
    let mut picker = Picker::new(call.rows);
    for row in 0..call.rows {
        if !call.is_null(row) {
            for (source, list) in lists.iter().enumerate() {
                match list {
                    Some(list) => {
                        list.range(row)
                            .for_each(|index| picker.push_from(source, index));
                    }
                    None => picker.push_from(source, row),
                }
            }
        }
        picker.close()?;
    }
    picker.finish(&sources, call.returns, call.nulls.clone())
}

fn coerce_concat_ws(types: &[DataType]) -> Result<Vec<DataType>> {
    if types.len() < 2 {
        return Err(invalid("There must be two or more arguments"));
    }
    if let [separator, list] = types
        && let DataType::List(item) = normal(list)
    {
        let fits = |t: &DataType| matches!(t, DataType::Utf8 | DataType::Null);
        if fits(&normal(separator)) && fits(item.data_type()) {
            return Ok(vec![DataType::Utf8, list_of(DataType::Utf8)]);
        }
        return Err(unexpected("concat_ws", types));
    }
    match texts_or_bytes(types) {
        Some(texts) if texts.first() == Some(&DataType::Utf8) => Ok(texts),
        _ => Err(unexpected("concat_ws", types)),
    }
}

fn concat_ws(call: &Call<'_>) -> Result<ArrayRef> {
    let [separators, parts @ ..] = call.arrays else {
        return Err(internal("concat_ws takes a separator"));
    };
    let separators = separators.as_string::<i32>();
    let list = match parts {
        [only] if matches!(only.data_type(), DataType::List(_)) => Some(Lists::new(only)?),
        _ => None,
    };
    let parts: Vec<&StringArray> = match &list {
        Some(list) => vec![list.values().as_string::<i32>()],
        None => parts.iter().map(|part| part.as_string::<i32>()).collect(),
    };
    let mut builder = StringBuilder::new();
    for row in 0..call.rows {
        if separators.is_null(row) || list.as_ref().is_some_and(|list| list.is_null(row)) {
            builder.append_null();
            continue;
        }
        let mut is_first = true;
        let mut add = |part: &StringArray, at: usize| {
            if part.is_valid(at) {
                if !is_first {
                    append(&mut builder, separators.value(row));
                }
                append(&mut builder, part.value(at));
                is_first = false;
            }
        };
        match (&list, parts.first()) {
            (Some(list), Some(values)) => list.range(row).for_each(|at| add(values, at)),
            _ => parts.iter().for_each(|part| add(part, row)),
        }
        builder.append_value("");
    }
    Ok(Arc::new(builder.finish()))
}

fn coerce_reverse(types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [one] => match normal(one) {
            t @ (DataType::Utf8 | DataType::Binary | DataType::List(_)) => Ok(vec![t]),
            DataType::Null => Ok(vec![DataType::Utf8]),
            _ => Err(unexpected("reverse", types)),
        },
        _ => Err(unexpected("reverse", types)),
    }
}

fn reverse(call: &Call<'_>) -> Result<ArrayRef> {
    let [column] = call.arrays else {
        return Err(internal("reverse takes one argument"));
    };
    match column.data_type() {
        DataType::Utf8 => {
            let mut builder = StringBuilder::new();
            for text in column.as_string::<i32>() {
                match text {
                    Some(text) => {
                        text.chars()
                            .rev()
                            .for_each(|c| append(&mut builder, c.encode_utf8(&mut [0; 4])));
                        builder.append_value("");
                    }
                    None => builder.append_null(),
                }
            }
            Ok(Arc::new(builder.finish()))
        }
        DataType::Binary => {
            let reversed: BinaryArray = column
                .as_binary::<i32>()
                .iter()
                .map(|bytes| bytes.map(|bytes| bytes.iter().rev().copied().collect::<Vec<u8>>()))
                .collect();
            Ok(Arc::new(reversed))
        }
        _ => {
            let lists = Lists::new(column)?;
            let mut picker = Picker::new(call.rows);
            for row in 0..call.rows {
                lists.range(row).rev().for_each(|index| picker.push(index));
                picker.close()?;
            }
            picker.finish(&[lists.values()], call.returns, call.nulls.clone())
        }
    }
}
