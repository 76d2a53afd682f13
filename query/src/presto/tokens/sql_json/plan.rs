//! `PLAN`: how the rows of nested paths go together.
//!
//! ```text
//! plan     PLAN DEFAULT ( {OUTER | INNER} [, {UNION | CROSS}] ), or the other way round
//!          PLAN ( specific )
//! specific name [{OUTER | INNER} primary] | primary UNION primary … | primary CROSS primary …
//! primary  name | ( specific )
//! ```

use datafusion::sql::sqlparser::tokenizer::{Span, Token};

use super::clause::Clause;
use super::failure;
use super::table::{self, PathColumns};
use crate::presto::labels::Quoted;
use crate::presto::sql_json::table::{Childless, Nested, Rows};
use crate::{Error, Result};

/// How deep parentheses may lie in one another: a path has them around itself and around those in it.
const DEEPEST: usize = 2 * table::DEEPEST;

/// What the clause says.
pub(super) enum Plan {
    /// The same of all paths; theirs need no names if the clause is not there.
    Default {
        is_written: bool,
        childless: Childless,
        siblings: Siblings,
    },
    /// Each path by its name.
    Specific(Tree, Span),
}

/// How the rows of paths beside each other go together.
#[derive(Debug, Clone, Copy)]
pub(super) enum Siblings {
    Union,
    Cross,
}

/// A specific plan.
pub(super) enum Tree {
    Path(PathPlan),
    Siblings(Siblings, Vec<Tree>),
}

/// A path by its name, and the plan of those nested in it.
pub(super) struct PathPlan {
    name: String,
    place: Span,
    nested: Option<(Childless, Box<Tree>)>,
}

impl Plan {
    pub(super) fn read(clause: &mut Clause<'_>, quoted: &Quoted) -> Result<Self> {
        if !clause.eat_word("plan") {
            return Ok(Self::Default {
                is_written: false,
                childless: Childless::Kept,
                siblings: Siblings::Union,
            });
        }
        if clause.eat_word("default") {
            return Self::read_default(&mut clause.inside()?);
        }
        let mut inside = clause.inside()?;
        let place = inside.place();
        let tree = Tree::read(&mut inside, quoted, 0)?;
        inside.end()?;
        Ok(Self::Specific(tree, place))
    }

    fn read_default(clause: &mut Clause<'_>) -> Result<Self> {
        let mut childless = eat_childless(clause);
        let mut siblings = None;
        if childless.is_none() || clause.eat(&Token::Comma) {
            siblings = eat_siblings(clause);
            if siblings.is_none() {
                return Err(clause.unexpected("'CROSS', 'UNION'"));
            }
        }
        if childless.is_none() && clause.eat(&Token::Comma) {
            childless = eat_childless(clause);
            if childless.is_none() {
                return Err(clause.unexpected("'INNER', 'OUTER'"));
            }
        }
        clause.end()?;
        Ok(Self::Default {
            is_written: true,
            childless: childless.unwrap_or_default(),
            siblings: siblings.unwrap_or(Siblings::Union),
        })
    }

    /// Returns the rows of the first path.
    pub(super) fn arrange(&self, root: PathColumns) -> Result<Rows> {
        match self {
            Self::Default {
                is_written,
                childless,
                siblings,
            } => {
                if *is_written {
                    let message = "All nested JSON paths must be named when default plan is given";
                    check_named(&root.nested, message)?;
                }
                Ok(all_alike(root, *childless, *siblings))
            }
            Self::Specific(tree, place) => {
                let message = "All JSON paths must be named when specific plan is given";
                check_named(std::slice::from_ref(&root), message)?;
                let Tree::Path(plan) = tree else {
                    let message = "JSON_TABLE plan must either be a single path name or it must be rooted in \
                                   parent-child relationship (OUTER or INNER)";
                    return Err(failure("INVALID_PLAN", message, *place));
                };
                let mut paths = vec![root];
                check_level(&paths, Some(tree), *place)?;
                plan.rows(&mut paths, *place)
            }
        }
    }
}

fn eat_childless(clause: &mut Clause<'_>) -> Option<Childless> {
    if clause.eat_word("outer") {
        return Some(Childless::Kept);
    }
    clause.eat_word("inner").then_some(Childless::Dropped)
}

fn eat_siblings(clause: &mut Clause<'_>) -> Option<Siblings> {
    if clause.eat_word("union") {
        return Some(Siblings::Union);
    }
    clause.eat_word("cross").then_some(Siblings::Cross)
}

impl Siblings {
    const fn word(self) -> &'static str {
        match self {
            Self::Union => "union",
            Self::Cross => "cross",
        }
    }

    fn of(self, parts: Vec<Nested>) -> Nested {
        match self {
            Self::Union => Nested::Union(parts),
            Self::Cross => Nested::Cross(parts),
        }
    }
}

impl Tree {
    fn read(clause: &mut Clause<'_>, quoted: &Quoted, depth: usize) -> Result<Self> {
        let is_name = clause.peek().token != Token::LParen;
        let mut first = Self::primary(clause, quoted, depth)?;
        if is_name
            && let Self::Path(path) = &mut first
            && let Some(childless) = eat_childless(clause)
        {
            let nested = Self::primary(clause, quoted, depth)?;
            path.nested = Some((childless, Box::new(nested)));
            return Ok(first);
        }
        let Some(siblings) = eat_siblings(clause) else {
            if is_name {
                return Ok(first);
            }
            return Err(clause.unexpected("'CROSS', 'UNION'"));
        };
        let mut parts = vec![first, Self::primary(clause, quoted, depth)?];
        while clause.eat_word(siblings.word()) {
            parts.push(Self::primary(clause, quoted, depth)?);
        }
        Ok(Self::Siblings(siblings, parts))
    }

    /// A name, or what is in parentheses.
    fn primary(clause: &mut Clause<'_>, quoted: &Quoted, depth: usize) -> Result<Self> {
        if clause.peek().token != Token::LParen {
            let (name, place) = clause.name(quoted)?;
            let nested = None;
            return Ok(Self::Path(PathPlan {
                name,
                place,
                nested,
            }));
        }
        if depth == DEEPEST {
            let message = format!("PLAN has parentheses more than {DEEPEST} levels deep");
            return Err(failure("SYNTAX_ERROR", &message, clause.place()));
        }
        let mut inside = clause.inside()?;
        let tree = Self::read(&mut inside, quoted, depth + 1)?;
        inside.end()?;
        Ok(tree)
    }

    /// Adds the names of paths beside each other.
    fn names<'a>(&'a self, names: &mut Vec<&'a str>) -> Result<()> {
        match self {
            Self::Siblings(_, parts) => parts.iter().try_for_each(|part| part.names(names)),
            Self::Path(path) if names.contains(&path.name.as_str()) => {
                let name = &path.name;
                let message =
                    format!("Duplicate reference to JSON path name in sibling plan: {name}");
                Err(failure("INVALID_PLAN", &message, path.place))
            }
            Self::Path(path) => {
                names.push(&path.name);
                Ok(())
            }
        }
    }

    /// Takes the paths, which have been checked, out of `paths`.
    fn nested(&self, paths: &mut Vec<PathColumns>, place: Span) -> Result<Nested> {
        match self {
            Self::Path(plan) => Ok(Nested::Path(Box::new(plan.rows(paths, place)?))),
            Self::Siblings(siblings, parts) => {
                let parts = parts.iter().map(|part| part.nested(paths, place));
                Ok(siblings.of(parts.collect::<Result<_>>()?))
            }
        }
    }
}

impl PathPlan {
    fn rows(&self, paths: &mut Vec<PathColumns>, place: Span) -> Result<Rows> {
        let index = paths
            .iter()
            .position(|path| path.name() == Some(&self.name));
        let mut path = paths.swap_remove(index.ok_or_else(|| unavailable(&self.name, place))?);
        let tree = self.nested.as_ref();
        check_level(&path.nested, tree.map(|(_, tree)| tree.as_ref()), place)?;
        let nested = tree.map(|(_, tree)| tree.nested(&mut path.nested, place));
        Ok(Rows {
            path: path.path.text,
            columns: path.columns,
            nested: nested.transpose()?,
            childless: tree.map(|(childless, _)| *childless).unwrap_or_default(),
        })
    }
}

/// Refuses a plan that does not name just the paths that are beside each other.
fn check_level(paths: &[PathColumns], tree: Option<&Tree>, place: Span) -> Result<()> {
    let mut names = Vec::new();
    if let Some(tree) = tree {
        tree.names(&mut names)?;
    }
    let known: Vec<&str> = paths.iter().filter_map(PathColumns::name).collect();
    let without = |all: &[&str], some: &[&str]| {
        let rest: Vec<&str> = all
            .iter()
            .copied()
            .filter(|name| !some.contains(name))
            .collect();
        rest.join(", ")
    };
    let missing = without(&known, &names);
    if !missing.is_empty() {
        let message = format!(
            "JSON_TABLE plan should contain all JSON paths available at each level of nesting. \
             Paths not included: {missing}"
        );
        return Err(failure("INVALID_PLAN", &message, place));
    }
    let unknown = without(&names, &known);
    if !unknown.is_empty() {
        return Err(unavailable(&unknown, place));
    }
    Ok(())
}

fn unavailable(names: &str, place: Span) -> Error {
    let message = format!("JSON_TABLE plan includes unavailable JSON path names: {names}");
    failure("INVALID_PLAN", &message, place)
}

fn check_named(paths: &[PathColumns], message: &str) -> Result<()> {
    for path in paths {
        if path.name().is_none() {
            return Err(failure("MISSING_PATH_NAME", message, path.path.place));
        }
        check_named(&path.nested, message)?;
    }
    Ok(())
}

fn all_alike(path: PathColumns, childless: Childless, siblings: Siblings) -> Rows {
    let nested = path.nested.into_iter();
    let mut nested: Vec<Nested> = nested
        .map(|path| Nested::Path(Box::new(all_alike(path, childless, siblings))))
        .collect();
    Rows {
        path: path.path.text,
        columns: path.columns,
        nested: if nested.len() > 1 {
            Some(siblings.of(nested))
        } else {
            nested.pop()
        },
        childless,
    }
}
