//! `listagg`: texts joined in the order asked for.

use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;

use super::collect::{Collect, Collector, collected_state, without_nulls};
use super::function::{Aggregate, Order};
use crate::presto::error::TrinoFailure;
use crate::presto::functions::shared::{internal, normal, unexpected};
use crate::presto::types::type_name;

/// The longest text.
const MAX_BYTES: usize = 1 << 20;

pub(super) fn definition() -> Aggregate {
    Aggregate {
        state: |inputs| collected_state(&LISTAGG, inputs),
        order: Order::Sorts,
        ..Aggregate::new(
            "listagg",
            coerce,
            |_| Ok(DataType::Utf8),
            |inputs| Ok(Box::new(Collect::new(&LISTAGG, inputs))),
        )
    }
}

/// Converts a text, a separator, and what to do about too long a text: a filler and whether to count.
fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
    let text = |t: &DataType| matches!(normal(t), DataType::Utf8 | DataType::Null);
    let ([value] | [value, _] | [value, _, _, _]) = types else {
        return Err(unexpected("listagg", types));
    };
    if !text(value) {
        return Err(TrinoFailure::new(
            "TYPE_MISMATCH",
            format!(
                "Expected expression of varchar, but the argument has {} type",
                type_name(value)
            ),
        )
        .into());
    }
    if !types.iter().skip(1).take(2).all(text) {
        return Err(unexpected("listagg", types));
    }
    let wanted = [
        DataType::Utf8,
        DataType::Utf8,
        DataType::Utf8,
        DataType::Boolean,
    ];
    Ok(wanted.into_iter().take(types.len()).collect())
}

static LISTAGG: Collector = Collector {
    types: |inputs| inputs.types.clone(),
    prepare: |_, values| without_nulls(values, 0),
    compact: None,
    finish: |inputs, columns| {
        let Some(texts) = columns
            .first()
            .and_then(|column| column.as_string_opt::<i32>())
        else {
            return Err(internal("listagg takes varchar"));
        };
        let parameter = |place: usize| {
            let column = columns.get(place).filter(|_| place < inputs.arguments)?;
            let texts = column.as_string_opt::<i32>()?;
            texts.is_valid(0).then(|| texts.value(0))
        };
        let separator = parameter(1).unwrap_or_default();
        let filler = parameter(2);
        let is_counted = inputs.arguments > 3
            && columns
                .get(3)
                .and_then(|column| column.as_boolean_opt())
                .is_some_and(|flags| flags.is_valid(0) && flags.value(0));
        let mut joined = String::new();
        for (place, text) in texts.iter().flatten().enumerate() {
            let start = joined.len();
            if place > 0 {
                joined.push_str(separator);
            }
            joined.push_str(text);
            if joined.len() > MAX_BYTES {
                let Some(filler) = filler else {
                    return Err(TrinoFailure::new(
                        "EXCEEDED_FUNCTION_MEMORY_LIMIT",
                        format!("Concatenated string has the length in bytes larger than the maximum output length {MAX_BYTES}"),
                    )
                    .into());
                };
                joined.truncate(start);
                joined.push_str(separator);
                joined.push_str(filler);
                if is_counted {
                    // Writing to a string cannot fail.
                    let _ = write!(joined, "({})", texts.len() - place);
                }
                break;
            }
        }
        Ok(ScalarValue::Utf8(Some(joined)))
    },
};
