//! Patterns of `LIKE`: the backslash escapes only if the statement says so; the engine's always does.

use std::sync::Arc;

use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs};

use super::function::{Kernel, by_arrays, call, failure, unexpected};

/// Returns the pattern with the escape as the engine reads it.
///
/// # Errors
/// `INVALID_FUNCTION_ARGUMENT`: the escape is no single character, or escapes nothing.
pub(super) fn pattern(pattern: Expr, escape: Expr, has_escape: bool) -> Result<Expr> {
    if let (Expr::Literal(ScalarValue::Utf8(Some(text)), _), Expr::Literal(escape, _)) =
        (&pattern, &escape)
    {
        let escape = match escape {
            ScalarValue::Utf8(Some(escape)) => Some(single(escape)?),
            _ => None,
        };
        let text = translate(text, escape)?;
        return Ok(Expr::Literal(ScalarValue::Utf8(Some(text)), None));
    }
    let arguments = if has_escape {
        vec![pattern, escape]
    } else {
        vec![pattern]
    };
    Ok(call(LikePattern, arguments))
}

fn single(escape: &str) -> Result<char> {
    let mut chars = escape.chars();
    match (chars.next(), chars.next()) {
        (Some(escape), None) => Ok(escape),
        _ => Err(failure(
            "INVALID_FUNCTION_ARGUMENT",
            "Escape string must be a single character",
        )),
    }
}

fn translate(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            let Some(escaped) = chars
                .next()
                .filter(|c| matches!(c, '%' | '_') || Some(*c) == escape)
            else {
                return Err(failure(
                    "INVALID_FUNCTION_ARGUMENT",
                    "Escape character must be followed by '%', '_' or the escape character itself",
                ));
            };
            if matches!(escaped, '%' | '_' | '\\') {
                out.push('\\');
            }
            out.push(escaped);
        } else {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
        }
    }
    Ok(out)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct LikePattern;

impl Kernel for LikePattern {
    fn name(&self) -> &'static str {
        "like_pattern"
    }

    fn coerce(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(vec![DataType::Utf8; types.len()])
    }

    fn returns(&self, _: &ReturnFieldArgs<'_>) -> Result<Field> {
        Ok(Field::new(self.name(), DataType::Utf8, true))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        by_arrays(args, |arrays| {
            let (patterns, escapes) = match arrays {
                [patterns] => (patterns, None),
                [patterns, escapes] => (patterns, Some(escapes)),
                _ => return Err(unexpected("pattern")),
            };
            let texts = patterns.as_string::<i32>();
            let translated = (0..texts.len()).map(|row| {
                let is_null =
                    texts.is_null(row) || escapes.is_some_and(|escapes| escapes.is_null(row));
                if is_null {
                    return Ok(None);
                }
                let escape = escapes.map(|escapes| single(escapes.as_string::<i32>().value(row)));
                translate(texts.value(row), escape.transpose()?).map(Some)
            });
            Ok(Arc::new(translated.collect::<Result<StringArray>>()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backslash_is_a_character_like_others() {
        assert_eq!(translate(r"a\_b%", None).unwrap(), r"a\\_b%");
        assert_eq!(translate(r"a#_b#%##", Some('#')).unwrap(), r"a\_b\%#");
        assert_eq!(translate(r"a\\b\%", Some('\\')).unwrap(), r"a\\b\%");
        assert!(translate("a#b", Some('#')).is_err());
        assert!(translate("a#", Some('#')).is_err());
    }
}
