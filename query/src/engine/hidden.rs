//! Columns that must be named to be seen: `"$path"`, `"$file_modified_time"`, `"$file_size"` of tables,
//! comments of `information_schema`.
//!
//! DataFusion has no such columns. A table whose columns a query names so is therefore marked in its name,
//! the catalog then adds the columns, and each `*` of that query leaves them out.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Column;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    ExceptSelectItem, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, Statement, TableAlias, TableFactor, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};
use lake::TableSnapshot;

use super::system::Hidden;
use crate::{Error, Result};

const PATH: &str = "$path";
const MODIFIED: &str = "$file_modified_time";
const SIZE: &str = "$file_size";

/// Marks a table; not allowed in names.
const MARK: &str = "#hidden";

/// Returns a table's name and whether it is marked.
pub(super) fn split_name(name: &str) -> (&str, Hidden) {
    match name.strip_suffix(MARK) {
        Some(name) => (name, Hidden::Included),
        None => (name, Hidden::Left),
    }
}

/// Marks the tables whose hidden columns a statement names.
pub(super) fn mark(statement: &mut Statement) {
    let text = statement.to_string();
    let mut marker = Marker {
        queries: BTreeSet::new(),
    };
    if marker.named_in(&text).is_some() || is_about_comments(&text) {
        let _: ControlFlow<()> = statement.visit(&mut marker);
    }
}

fn is_about_comments(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("information_schema")
        && ["comment", "extra_info"]
            .iter()
            .any(|word| text.contains(word))
}

struct Marker {
    /// Names of `WITH` queries, which are no tables.
    queries: BTreeSet<String>,
}

impl Marker {
    fn named_in(&self, text: &str) -> Option<&'static [&'static str]> {
        const FILES: &[&str] = &[PATH, MODIFIED, SIZE];
        let quoted = |name: &&str| text.contains(&format!("\"{name}\""));
        FILES.iter().any(quoted).then_some(FILES)
    }

    /// Returns the hidden columns of a table that a query names.
    fn columns_of(&self, table: &ObjectName, query: &str) -> Option<&'static [&'static str]> {
        let parts: Vec<String> = table
            .0
            .iter()
            .filter_map(|part| part.as_ident())
            .map(|ident| ident.value.to_lowercase())
            .collect();
        let names = |word: &str| {
            query
                .to_lowercase()
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|found| found == word)
        };
        match parts.as_slice() {
            [.., schema, table] if schema == super::information_schema::NAME => {
                match table.as_str() {
                    "columns"
                        if ["comment", "extra_info", "column_comment"]
                            .into_iter()
                            .any(names) =>
                    {
                        Some(&["comment", "extra_info", "column_comment"])
                    }
                    "tables" if names("table_comment") => Some(&["table_comment"]),
                    _ => None,
                }
            }
            [name] if self.queries.contains(name) => None,
            _ => self.named_in(query),
        }
    }

    fn mark(&self, factor: &mut TableFactor, query: &str) -> Option<Relation> {
        let TableFactor::Table {
            name, alias, args, ..
        } = factor
        else {
            return alias_of(factor).map(|alias| Relation { alias, hidden: &[] });
        };
        let last = name.0.last().and_then(ObjectNamePart::as_ident)?.clone();
        let known = alias.as_ref().map_or(&last, |alias| &alias.name).clone();
        let hidden = match args {
            None => self.columns_of(name, query).unwrap_or_default(),
            Some(_) => &[],
        };
        if !hidden.is_empty() {
            if alias.is_none() {
                *alias = Some(TableAlias {
                    explicit: true,
                    name: last.clone(),
                    columns: Vec::new(),
                    at: None,
                });
            }
            let marked = match last.quote_style {
                Some(_) => last.value,
                None => last.value.to_lowercase(),
            };
            name.0.pop();
            name.0.push(ObjectNamePart::Identifier(Ident::with_quote(
                '"',
                format!("{marked}{MARK}"),
            )));
        }
        Some(Relation {
            alias: known,
            hidden,
        })
    }
}

/// A relation of a query's FROM.
struct Relation {
    alias: Ident,
    hidden: &'static [&'static str],
}

fn alias_of(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::UNNEST { alias, .. } => alias.as_ref().map(|alias| alias.name.clone()),
        _ => None,
    }
}

impl VisitorMut for Marker {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for named in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.queries.insert(named.alias.name.value.to_lowercase());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let text = select.to_string();
        let mut relations = Vec::new();
        for from in &mut select.from {
            relations.push(self.mark(&mut from.relation, &text));
            for join in &mut from.joins {
                relations.push(self.mark(&mut join.relation, &text));
            }
        }
        let any = relations
            .iter()
            .flatten()
            .any(|relation| !relation.hidden.is_empty());
        if any {
            leave_out(&mut select.projection, &relations);
        }
        ControlFlow::Continue(())
    }
}

/// Writes each `*` so that it leaves hidden columns out.
fn leave_out(projection: &mut Vec<SelectItem>, relations: &[Option<Relation>]) {
    let mut items = Vec::with_capacity(projection.len());
    for item in projection.drain(..) {
        match (item, relations) {
            (SelectItem::Wildcard(options), [Some(only)]) => {
                items.push(SelectItem::Wildcard(except(options, only.hidden)));
            }
            // Each relation by its name; one without a name keeps the whole star as it is.
            (SelectItem::Wildcard(options), relations) if relations.iter().all(Option::is_some) => {
                for relation in relations.iter().flatten() {
                    let name = ObjectName(vec![ObjectNamePart::Identifier(relation.alias.clone())]);
                    items.push(SelectItem::QualifiedWildcard(
                        SelectItemQualifiedWildcardKind::ObjectName(name),
                        except(options.clone(), relation.hidden),
                    ));
                }
            }
            (
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ),
                relations,
            ) => {
                let wanted = name.0.last().and_then(ObjectNamePart::as_ident);
                let found = relations.iter().flatten().find(|relation| {
                    wanted.is_some_and(|wanted| {
                        wanted.value.eq_ignore_ascii_case(&relation.alias.value)
                    })
                });
                let hidden = found.map_or(&[] as &[&str], |relation| relation.hidden);
                items.push(SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    except(options, hidden),
                ));
            }
            (item, _) => items.push(item),
        }
    }
    *projection = items;
}

fn except(
    mut options: WildcardAdditionalOptions,
    hidden: &[&'static str],
) -> WildcardAdditionalOptions {
    let mut names = hidden.iter().map(|name| Ident::with_quote('"', *name));
    if let Some(first_element) = names.next() {
        options.opt_except = Some(ExceptSelectItem {
            first_element,
            additional_elements: names.collect(),
        });
    }
    options
}

/// Returns a table with the hidden columns of its files.
pub(super) async fn with_files(
    snapshot: &TableSnapshot,
    state: &Arc<SessionState>,
) -> Result<Arc<dyn TableProvider>> {
    const URL: &str = "$url";
    let scan = snapshot
        .provider_with_files(Arc::clone(state), PATH)
        .await?;
    let files = snapshot.files()?;
    let urls: StringArray = files.iter().map(|file| Some(file.url.as_str())).collect();
    let modified: TimestampMillisecondArray = files
        .iter()
        .map(|file| file.modified.map(|time| time.timestamp_millis()))
        .collect();
    let sizes: Int64Array = files
        .iter()
        .map(|file| i64::try_from(file.size).ok())
        .collect();
    let internal = |error: arrow::error::ArrowError| Error::Internal {
        message: error.to_string(),
    };
    let batch = RecordBatch::try_from_iter_with_nullable([
        (URL, Arc::new(urls) as ArrayRef, true),
        (
            MODIFIED,
            Arc::new(modified.with_timezone("UTC")) as ArrayRef,
            true,
        ),
        (SIZE, Arc::new(sizes) as ArrayRef, true),
    ])
    .map_err(internal)?;
    let plan = || -> datafusion::error::Result<_> {
        let files = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        let files = LogicalPlanBuilder::scan("files", provider_as_source(Arc::new(files)), None)?;
        let rows = LogicalPlanBuilder::scan("rows", provider_as_source(scan), None)?;
        let mut columns: Vec<Expr> = Vec::new();
        for field in rows.schema().fields() {
            let column = Expr::Column(Column::new(Some("rows"), field.name()));
            columns.push(if field.name() == PATH {
                datafusion::logical_expr::cast(column, arrow::datatypes::DataType::Utf8).alias(PATH)
            } else {
                column.alias(field.name())
            });
        }
        for name in [MODIFIED, SIZE] {
            columns.push(Expr::Column(Column::new(Some("files"), name)).alias(name));
        }
        let path = Expr::Column(Column::new(Some("rows"), PATH));
        let on = datafusion::logical_expr::cast(path, arrow::datatypes::DataType::Utf8)
            .eq(Expr::Column(Column::new(Some("files"), URL)));
        rows.join_on(files.build()?, JoinType::Left, [on])?
            .project(columns)?
            .build()
    };
    Ok(Arc::new(ViewTable::new(plan().map_err(Error::Plan)?, None)))
}

/// Returns a table whose columns are in lower case, as names in statements are.
pub(super) fn in_lower_case(table: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let schema = table.schema();
    let lower: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().to_lowercase())
        .collect();
    let same = schema
        .fields()
        .iter()
        .zip(&lower)
        .all(|(field, lower)| field.name() == lower);
    if same {
        return Ok(table);
    }
    let distinct: BTreeSet<&String> = lower.iter().collect();
    if distinct.len() < lower.len() {
        return Err(Error::NotSupported {
            what: "a table with columns that differ in letter case only".to_owned(),
        });
    }
    let plan = || -> datafusion::error::Result<_> {
        let rows = LogicalPlanBuilder::scan("rows", provider_as_source(table), None)?;
        let columns = schema.fields().iter().zip(&lower).map(|(field, lower)| {
            Expr::Column(Column::new(Some("rows"), field.name())).alias(lower)
        });
        rows.project(columns.collect::<Vec<_>>())?.build()
    };
    Ok(Arc::new(ViewTable::new(plan().map_err(Error::Plan)?, None)))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn marked(sql: &str) -> String {
        let mut statements = Parser::parse_sql(&GenericDialect {}, sql).unwrap();
        mark(&mut statements[0]);
        statements[0].to_string()
    }

    #[test]
    fn tables_are_marked_and_stars_leave_hidden_columns_out() {
        assert_eq!(
            marked("SELECT *, \"$path\" FROM s.t"),
            "SELECT * EXCEPT (\"$path\", \"$file_modified_time\", \"$file_size\"), \"$path\" \
             FROM s.\"t#hidden\" AS t"
        );
        assert_eq!(marked("SELECT * FROM s.t"), "SELECT * FROM s.t");
        let own = "SELECT comment FROM lake.information_schema.columns";
        assert!(marked(own).contains("\"columns#hidden\" AS columns"));
        let other = "SELECT comment FROM lake.s.columns";
        assert_eq!(marked(other), other);
    }
}
