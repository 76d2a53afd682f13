//! Paths in calls. They are read here, because here their places in the statement are known.

use datafusion::sql::sqlparser::tokenizer::Span;

use super::clause::Clause;
use super::failure;
use crate::Result;
use crate::presto::functions::sql_path::Path;
use crate::presto::labels::Quoted;

/// A path, its place, and its name and where that is.
pub(super) struct PathText {
    pub(super) text: String,
    pub(super) place: Span,
    pub(super) name: Option<(String, Span)>,
}

impl PathText {
    pub(super) fn read(clause: &mut Clause<'_>) -> Result<Self> {
        let (text, place) = clause.text()?;
        let name = None;
        Ok(Self { text, place, name })
    }

    /// `'path' [AS name]`
    pub(super) fn read_named(clause: &mut Clause<'_>, quoted: &Quoted) -> Result<Self> {
        let mut path = Self::read(clause)?;
        if clause.eat_word("as") {
            path.name = Some(clause.name(quoted)?);
        }
        Ok(path)
    }

    /// Refuses a path that is not understood, or has a parameter that is none of `names`.
    pub(super) fn check(&self, names: &[String]) -> Result<()> {
        let (text, span) = (&self.text, self.place);
        let path = Path::compile(text).map_err(|wrong| {
            let place = wrong.at.map_or(span, |at| place_in(text, at, span));
            failure(wrong.name, &wrong.message, place)
        })?;
        let Some(unknown) = path.variables().iter().find(|name| !names.contains(name)) else {
            return Ok(());
        };
        let mut message = format!("no value passed for parameter {unknown}");
        if names.iter().any(|name| name.eq_ignore_ascii_case(unknown)) {
            message.push_str(&format!(
                ". Try quoting \"{unknown}\" in the PASSING clause to match case"
            ));
        }
        Err(failure("INVALID_PATH", &message, span))
    }
}

/// Returns where a byte of a text is that begins, in its quotes, at `span`.
fn place_in(text: &str, at: usize, span: Span) -> Span {
    let before = text.get(..at).unwrap_or(text);
    let mut place = span;
    match before.rsplit_once('\n') {
        Some((lines, line)) => {
            place.start.line += 1 + count(lines.matches('\n').count());
            place.start.column = 1 + count(line.chars().count());
        }
        None => place.start.column += 1 + count(before.chars().count()),
    }
    place
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
