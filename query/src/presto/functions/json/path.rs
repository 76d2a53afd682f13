//! The paths of `json_extract`: `$.a["b c"][0]`.

use datafusion::error::Result;

use crate::presto::functions::call::invalid;

/// Names, with the number that they are for arrays.
pub(super) type Steps = Vec<(String, Option<usize>)>;

/// Returns the steps of a path.
pub(super) fn compile(path: &str) -> Result<Steps> {
    steps(path).ok_or_else(|| invalid(format!("Invalid JSON path: '{path}'")))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':'
}

fn steps(path: &str) -> Option<Steps> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while let Some(c) = rest.chars().next() {
        let (name, after) = match c {
            '.' => {
                let rest = rest.get(1..)?;
                let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
                let (name, after) = rest.split_at_checked(end)?;
                (name.to_owned(), after)
            }
            '[' => {
                let inner = rest.get(1..)?;
                let (name, after) = match inner.strip_prefix('"') {
                    Some(quoted) => quoted_name(quoted)?,
                    None => {
                        let end = inner.find(|c: char| !is_name(c) || c == ':')?;
                        let (name, after) = inner.split_at_checked(end)?;
                        (name.to_owned(), after)
                    }
                };
                (name, after.strip_prefix(']')?)
            }
            _ => return None,
        };
        if name.is_empty() {
            return None;
        }
        let index = name.parse().ok();
        steps.push((name, index));
        rest = after;
    }
    Some(steps)
}

/// Reads to the closing quote; a backslash escapes a quote or itself.
fn quoted_name(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((name, text.get(at + 1..)?)),
            '\\' => {
                let (_, escaped) = chars.next()?;
                if !matches!(escaped, '"' | '\\') {
                    return None;
                }
                name.push(escaped);
            }
            c => name.push(c),
        }
    }
    None
}
