//! Which rows a scan's filters leave.

use std::collections::BTreeSet;

use datafusion::logical_expr::expr::{InList, Like};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;

/// The names that may occur; none means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engine) struct Wanted {
    pub(in crate::engine) catalogs: Option<BTreeSet<String>>,
    pub(in crate::engine) schemas: Option<BTreeSet<String>>,
    pub(in crate::engine) tables: Option<BTreeSet<String>>,
}

impl Wanted {
    /// Reads what filters say of the columns that name catalogs, schemas and tables.
    pub(super) fn of(filters: &[Expr]) -> Self {
        let mut wanted = Self::default();
        for filter in filters {
            wanted.add(filter);
        }
        wanted
    }

    fn add(&mut self, filter: &Expr) {
        if let Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And,
            right,
        }) = filter
        {
            self.add(left);
            self.add(right);
            return;
        }
        let Some((column, names)) = names(filter) else {
            return;
        };
        let place = match column.as_str() {
            "table_catalog" | "table_cat" | "catalog_name" => &mut self.catalogs,
            "table_schema" | "table_schem" | "schema_name" => &mut self.schemas,
            "table_name" => &mut self.tables,
            _ => return,
        };
        *place = Some(match place.take() {
            Some(known) => known.intersection(&names).cloned().collect(),
            None => names,
        });
    }

    pub(in crate::engine) fn has_catalog(&self, name: &str) -> bool {
        has(self.catalogs.as_ref(), name)
    }

    pub(in crate::engine) fn has_schema(&self, name: &str) -> bool {
        has(self.schemas.as_ref(), name)
    }

    pub(in crate::engine) fn has_table(&self, name: &str) -> bool {
        has(self.tables.as_ref(), name)
    }
}

fn has(names: Option<&BTreeSet<String>>, name: &str) -> bool {
    names.is_none_or(|names| names.contains(name))
}

/// Returns the column that a filter is about, and the values that it leaves.
fn names(filter: &Expr) -> Option<(String, BTreeSet<String>)> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Eq => {
                let pair = column(left).zip(text(right));
                let (column, text) = pair.or_else(|| column(right).zip(text(left)))?;
                Some((column, BTreeSet::from([text])))
            }
            Operator::Or => {
                let (left, mut found) = names(left)?;
                let (right, more) = names(right)?;
                found.extend(more);
                (left == right).then_some((left, found))
            }
            _ => None,
        },
        Expr::InList(InList {
            expr,
            list,
            negated: false,
        }) => {
            let texts: Option<BTreeSet<String>> = list.iter().map(text).collect();
            column(expr).zip(texts)
        }
        Expr::Like(Like {
            negated: false,
            expr,
            pattern,
            escape_char,
            case_insensitive: false,
        }) => {
            let pattern = text(pattern)?;
            let escape = escape_char.unwrap_or('\\');
            let mut name = String::new();
            let mut rest = pattern.chars();
            while let Some(character) = rest.next() {
                match character {
                    '%' | '_' => return None,
                    c if c == escape => name.push(rest.next()?),
                    c => name.push(c),
                }
            }
            column(expr).map(|column| (column, BTreeSet::from([name])))
        }
        _ => None,
    }
}

fn column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Column(column) => Some(column.name.clone()),
        Expr::Cast(cast) => column(&cast.expr),
        Expr::Alias(alias) => column(&alias.expr),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(
            ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text),
            _,
        ) => text.clone(),
        Expr::Cast(cast) => text(&cast.expr),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    #[test]
    fn equality_lists_and_plain_patterns_name_what_is_read() {
        let wanted = Wanted::of(&[
            col("table_schem")
                .eq(lit("s"))
                .or(col("table_schem").eq(lit("r"))),
            col("table_name").like(lit("a\\_b")),
            col("column_name").eq(lit("x")),
        ]);
        assert!(wanted.has_schema("s") && wanted.has_schema("r") && !wanted.has_schema("t"));
        assert!(wanted.has_table("a_b") && !wanted.has_table("axb"));
        assert!(wanted.has_catalog("anything"));
        let both = Wanted::of(&[
            col("table_name").eq(lit("a")),
            col("table_name").in_list(vec![lit("a"), lit("b")], false),
        ]);
        assert!(both.has_table("a") && !both.has_table("b"));
        assert_eq!(
            Wanted::of(&[col("table_name").like(lit("a%"))]),
            Wanted::default()
        );
    }
}
