//! `regexp_replace` with a lambda that makes a match's replacement of its groups.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListBuilder, StringArray, StringBuilder, UInt32Array,
};
use arrow::datatypes::DataType;
use datafusion::error::Result;

use super::function::{Call, HigherOrder, Values, signature};
use super::items::call;
use crate::presto::functions::call::Memo;
use crate::presto::functions::regex::{Pattern, each_match};
use crate::presto::functions::shared::{list_of, normal, unexpected};

/// The function's own name: the other forms of `regexp_replace` are a scalar function.
pub(crate) const REGEXP_REPLACE: &str = "$regexp_replace";

pub(super) fn definition() -> HigherOrder {
    HigherOrder {
        name: REGEXP_REPLACE,
        lambdas: (1, 1),
        coerce,
        parameters: |_, _| Ok(vec![Some(vec![list_of(DataType::Utf8)])]),
        returns: |_, lambdas| match lambdas {
            [one] if normal(one) == DataType::Utf8 => Some(DataType::Utf8),
            _ => None,
        },
        coerce_again: None,
        run: replace,
        signature: signature(),
    }
}

fn coerce(types: Values<'_>) -> Result<Vec<DataType>> {
    let is_text = |one: &DataType| matches!(normal(one), DataType::Utf8 | DataType::Null);
    match types {
        [text, pattern] if is_text(text) && is_text(pattern) => Ok(vec![DataType::Utf8; 2]),
        _ => Err(unexpected("regexp_replace", types)),
    }
}

/// A match, in bytes of the text of its row.
struct Place {
    row: usize,
    start: usize,
    end: usize,
}

fn replace(args: &Call<'_>) -> Result<ArrayRef> {
    let texts = args.value(0)?.as_string::<i32>();
    let patterns = args.value(1)?.as_string::<i32>();
    let mut places = Vec::new();
    let mut groups = ListBuilder::new(StringBuilder::new());
    let mut memo = Memo::new();
    for row in 0..args.rows {
        if texts.is_null(row) || patterns.is_null(row) {
            continue;
        }
        let pattern = memo.get(patterns.value(row), Pattern::compile)?;
        each_match(pattern, texts.value(row), |captures| {
            for group in captures.iter().skip(1) {
                groups
                    .values()
                    .append_option(group.map(|group| group.as_str()));
            }
            groups.append(true);
            places.extend(captures.get(0).map(|whole| Place {
                row,
                start: whole.start(),
                end: whole.end(),
            }));
            Ok(true)
        })?;
    }
    let groups: ArrayRef = Arc::new(groups.finish());
    let rows: UInt32Array = places
        .iter()
        .map(|place| u32::try_from(place.row).ok())
        .collect();
    let answers = call(args.lambda(0)?, &[groups], &rows)?;
    let answers = arrow::compute::cast(&answers, &DataType::Utf8)?;
    let answers = answers.as_string::<i32>();
    let mut places = places.iter().zip(answers).peekable();
    let replaced: StringArray = (0..args.rows)
        .map(|row| {
            let mut out = (texts.is_valid(row) && patterns.is_valid(row)).then(String::new);
            let text = if out.is_some() { texts.value(row) } else { "" };
            let mut rest = 0;
            while let Some((place, answer)) = places.next_if(|(place, _)| place.row == row) {
                out = out.zip(answer).map(|(mut out, answer)| {
                    out.push_str(text.get(rest..place.start).unwrap_or_default());
                    out.push_str(answer);
                    out
                });
                rest = place.end;
            }
            let mut out = out?;
            out.push_str(text.get(rest..).unwrap_or_default());
            Some(out)
        })
        .collect();
    Ok(Arc::new(replaced))
}
