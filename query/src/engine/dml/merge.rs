//! `MERGE`.

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::sql::parser::Statement as ParsedStatement;
use datafusion::sql::sqlparser::tokenizer::Token;
use lake::{Assignments, MergeClause, MergeRequest, MergeSource, Resources, WriteOptions};

use super::change::{
    assign, check_boolean, count, from_clause, own_name, read_alias, read_assignment,
};
use super::expressions::{self, Planned};
use crate::engine::ddl::{self, Done};
use crate::engine::names::{Names, quote_name};
use crate::engine::reader::Reader;
use crate::engine::session::SessionSettings;
use crate::engine::{QueryEngine, plan_error};
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// What expressions call the source, whatever the statement calls it.
const SOURCE: &str = "merge_source";
/// What expressions call the target.
const TARGET: &str = "merge_target";

/// What `MERGE` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct MergeStatement {
    table: Vec<String>,
    alias: Option<String>,
    /// A table's name or a query in parentheses.
    source: String,
    source_alias: Option<String>,
    on: String,
    clauses: Vec<Clause>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    condition: Option<String>,
    action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Update(Vec<(String, String)>),
    Delete,
    Insert {
        columns: Vec<String>,
        values: Vec<String>,
    },
}

/// Reads what follows `MERGE`.
pub(in crate::engine) fn read_merge(reader: &mut Reader) -> Result<MergeStatement> {
    reader.expect_words(&["INTO"])?;
    let table = reader.name()?;
    let alias = read_alias(reader, &["USING"])?;
    reader.expect_words(&["USING"])?;
    let source = if reader.peek() == Some(&Token::LParen) {
        reader.text_until(&["AS", "ON"], &[])
    } else {
        let parts = reader.name()?;
        let parts: Vec<String> = parts.iter().map(|part| quote_name(part)).collect();
        parts.join(".")
    };
    // A query in parentheses may be followed by its alias without AS.
    let (source, mut source_alias) = split_alias(&source);
    if source_alias.is_none() {
        source_alias = read_alias(reader, &["ON"])?;
    }
    if reader.peek() == Some(&Token::LParen) {
        return Err(Error::NotSupported {
            what: "column aliases of the source of MERGE".to_owned(),
        });
    }
    reader.expect_words(&["ON"])?;
    let on = reader.text_until(&["WHEN"], &[]);
    let mut clauses = Vec::new();
    while reader.word("WHEN") {
        clauses.push(read_clause(reader)?);
    }
    reader.end()?;
    if clauses.is_empty() {
        return Err(reader.expected("WHEN"));
    }
    Ok(MergeStatement {
        table,
        alias,
        source,
        source_alias,
        on,
        clauses,
    })
}

/// What changes rows as `MERGE` does, where what is to be done with a row depends on queries that read it.
///
/// The source is what the statement says of each different row of the table; equal rows share their fate.
pub(super) fn of_rows(
    table: Vec<String>,
    from: &str,
    alias: &str,
    columns: &[String],
    set: Option<Vec<(String, String)>>,
    filter: Option<String>,
) -> MergeStatement {
    let column =
        |relation: &str, name: &str| format!("{}.{}", quote_name(relation), quote_name(name));
    let mut selected: Vec<String> = columns.iter().map(|name| column(alias, name)).collect();
    let action = match set {
        None => Action::Delete,
        Some(set) => {
            let values = set.into_iter().enumerate().map(|(place, (name, value))| {
                let changed = format!("new_{place}_of_{name}");
                selected.push(format!("({value}) AS {}", quote_name(&changed)));
                (name, column(SOURCE, &changed))
            });
            Action::Update(values.collect())
        }
    };
    let filter = filter.map_or_else(String::new, |filter| format!(" WHERE {filter}"));
    let same = columns.iter().map(|name| {
        let (own, source) = (column(TARGET, name), column(SOURCE, name));
        format!("{own} IS NOT DISTINCT FROM {source}")
    });
    MergeStatement {
        table,
        alias: Some(TARGET.to_owned()),
        source: format!(
            "(SELECT DISTINCT {} FROM {from}{filter})",
            selected.join(", ")
        ),
        source_alias: Some(SOURCE.to_owned()),
        on: same.collect::<Vec<_>>().join(" AND "),
        clauses: vec![Clause {
            condition: None,
            action,
        }],
    }
}

/// Splits `(query) alias`.
fn split_alias(source: &str) -> (String, Option<String>) {
    if let Some(end) = source.rfind(')')
        && source.starts_with('(')
        && let Some((query, alias)) = source.split_at_checked(end + 1)
        && !alias.trim().is_empty()
    {
        let alias = alias.trim().trim_matches('"').to_lowercase();
        return (query.to_owned(), Some(alias));
    }
    (source.to_owned(), None)
}

fn read_clause(reader: &mut Reader) -> Result<Clause> {
    let is_matched = if reader.word("MATCHED") {
        true
    } else {
        reader.expect_words(&["NOT", "MATCHED"])?;
        if reader.word("BY") {
            return Err(Error::NotSupported {
                what: "WHEN NOT MATCHED BY".to_owned(),
            });
        }
        false
    };
    let condition = match reader.word("AND") {
        true => Some(reader.text_until(&["THEN"], &[])),
        false => None,
    };
    reader.expect_words(&["THEN"])?;
    let action = if is_matched && reader.word("DELETE") {
        Action::Delete
    } else if is_matched {
        reader.expect_words(&["UPDATE", "SET"])?;
        let mut set = vec![read_assignment(reader, &["WHEN"])?];
        while reader.token(&Token::Comma) {
            set.push(read_assignment(reader, &["WHEN"])?);
        }
        Action::Update(set)
    } else {
        reader.expect_words(&["INSERT"])?;
        let columns = match reader.peek() {
            Some(Token::LParen) => reader.list(Reader::identifier)?,
            _ => Vec::new(),
        };
        reader.expect_words(&["VALUES"])?;
        let values = reader.list(|reader| {
            let value = reader.text_until(&[], &[Token::Comma, Token::RParen]);
            match value.is_empty() {
                true => Err(reader.expected("an expression")),
                false => Ok(value),
            }
        })?;
        Action::Insert { columns, values }
    };
    Ok(Clause { condition, action })
}

/// Hands out planned expressions in the order in which their texts were collected.
struct Terms<'a> {
    planned: std::vec::IntoIter<Expr>,
    input: &'a datafusion::common::DFSchema,
    target: &'a SchemaRef,
    target_alias: &'a str,
}

impl Terms<'_> {
    fn next(&mut self) -> Result<(DataType, Expr)> {
        let expr = self.planned.next().ok_or_else(|| Error::Internal {
            message: "an expression of MERGE is lost".to_owned(),
        })?;
        let data_type = expr.get_type(self.input).map_err(plan_error)?;
        let qualified = expr.transform(|expr| {
            Ok(match expr {
                Expr::Column(column) => {
                    let of_target = column
                        .relation
                        .as_ref()
                        .is_some_and(|relation| relation.table() == self.target_alias);
                    let (alias, name) = if of_target {
                        (TARGET, own_name(self.target, &column.name))
                    } else {
                        (SOURCE, column.name)
                    };
                    Transformed::yes(Expr::Column(Column::new(Some(alias), name)))
                }
                other => Transformed::no(other),
            })
        });
        Ok((data_type, qualified.map_err(plan_error)?.data))
    }

    fn condition(&mut self, what: &str) -> Result<Expr> {
        let (data_type, expr) = self.next()?;
        check_boolean(&data_type, what)?;
        Ok(expr)
    }
}

/// Runs `MERGE`.
pub(in crate::engine) async fn run(
    engine: &QueryEngine,
    statement: MergeStatement,
    session: &SessionSettings,
) -> Result<Done> {
    let full = Names::full(&statement.table, session)?;
    let name = ddl::writable(engine, &full, "Merging into views is not supported").await?;
    let table = engine.lake().table(&name).await?;
    let schema = table.schema().await?;
    let target_alias = statement
        .alias
        .clone()
        .unwrap_or_else(|| full.table.clone());
    let source_alias = statement.source_alias.clone().unwrap_or_else(|| {
        let last = statement.source.rsplit('.').next().unwrap_or_default();
        let last = last.trim_matches('"');
        if statement.source.starts_with('(') {
            SOURCE.to_owned()
        } else {
            last.to_owned()
        }
    });
    if source_alias == target_alias {
        return Err(Error::NotSupported {
            what: "a source of MERGE with the name of the target: give it an alias".to_owned(),
        });
    }
    let source_from = format!("{} AS {}", statement.source, quote_name(&source_alias));
    let from = format!(
        "{} CROSS JOIN {source_from}",
        from_clause(&full, statement.alias.as_deref())
    );
    let planned = expressions::plan(engine, session, &texts(&statement), &from).await?;
    let Some(Planned {
        exprs,
        input,
        state,
    }) = planned
    else {
        return Err(Error::NotSupported {
            what: "a correlated subquery in MERGE: make it a column of the source".to_owned(),
        });
    };
    let mut terms = Terms {
        planned: exprs.into_iter(),
        input: input.schema(),
        target: &schema,
        target_alias: &target_alias,
    };
    let on = terms.condition("The MERGE search condition")?;
    let mut clauses = Vec::new();
    for clause in &statement.clauses {
        clauses.push(planned_clause(clause, &mut terms, &schema)?);
    }
    let source = engine.parse(&format!("SELECT * FROM {source_from}"), session)?;
    let source = engine
        .state(session)?
        .statement_to_plan(ParsedStatement::Statement(Box::new(source.statement)))
        .await
        .map_err(plan_error)?;
    let request = MergeRequest {
        source: MergeSource::Plan(Box::new(source)),
        source_alias: SOURCE.to_owned(),
        target_alias: TARGET.to_owned(),
        on,
        clauses,
    };
    let options = WriteOptions {
        resources: Resources::Session(Box::new(state)),
        ..WriteOptions::default()
    };
    let outcome = table.merge(request, options).await.map_err(|error| {
        let text = chain(&error);
        if text.contains("multiple source rows") {
            Error::from(TrinoFailure::new(
                "MERGE_TARGET_ROW_MULTIPLE_MATCHES",
                "One MERGE target table row matched more than one source row",
            ))
        } else {
            error.into()
        }
    })?;
    let rows = [
        "num_target_rows_inserted",
        "num_target_rows_updated",
        "num_target_rows_deleted",
    ];
    let rows = rows.iter().map(|metric| count(&outcome, metric)).sum();
    Ok(("MERGE", Some(rows)))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// Returns the texts of all expressions: of ON, then of each clause its condition and its values.
fn texts(statement: &MergeStatement) -> Vec<String> {
    let mut texts = vec![statement.on.clone()];
    for clause in &statement.clauses {
        texts.extend(clause.condition.clone());
        match &clause.action {
            Action::Update(set) => texts.extend(set.iter().map(|(_, value)| value.clone())),
            Action::Insert { values, .. } => texts.extend(values.iter().cloned()),
            Action::Delete => {}
        }
    }
    texts
}

fn planned_clause(
    clause: &Clause,
    terms: &mut Terms<'_>,
    schema: &SchemaRef,
) -> Result<MergeClause<Expr>> {
    let condition = match clause.condition {
        Some(_) => Some(terms.condition("WHEN clause condition")?),
        None => None,
    };
    Ok(match &clause.action {
        Action::Delete => MergeClause::MatchedDelete { condition },
        Action::Update(set) => {
            let mut assigned = Vec::new();
            for (column, _) in set {
                let (data_type, value) = terms.next()?;
                assigned.push(assign(schema, column, &data_type, value, "MERGE")?);
            }
            MergeClause::MatchedUpdate {
                condition,
                set: Assignments::Columns(assigned),
            }
        }
        Action::Insert { columns, values } => {
            let columns: Vec<String> = match columns.is_empty() {
                true => {
                    let fields = schema.fields().iter();
                    fields.map(|field| field.name().to_lowercase()).collect()
                }
                false => columns.clone(),
            };
            if columns.len() != values.len() {
                return Err(TrinoFailure::new(
                    "TYPE_MISMATCH",
                    format!(
                        "MERGE inserts {} values into {} columns",
                        values.len(),
                        columns.len()
                    ),
                )
                .into());
            }
            let mut assigned = Vec::new();
            for column in &columns {
                let (data_type, value) = terms.next()?;
                assigned.push(assign(schema, column, &data_type, value, "MERGE")?);
            }
            MergeClause::NotMatchedInsert {
                condition,
                values: Assignments::Columns(assigned),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_clauses_are_read() {
        let sql = "INTO a.t AS d USING (SELECT * FROM s WHERE x IN (1, 2)) src ON (d.id = src.id) \
                   WHEN MATCHED AND src.op = 'd' THEN DELETE \
                   WHEN MATCHED THEN UPDATE SET v = CASE WHEN src.v > 1 THEN 1 ELSE 2 END, w = src.w \
                   WHEN NOT MATCHED AND src.op <> 'd' THEN INSERT (id, v) VALUES (src.id, coalesce(src.v, 0))";
        let merge = read_merge(&mut Reader::new(sql).unwrap()).unwrap();
        assert_eq!(merge.alias.as_deref(), Some("d"));
        assert_eq!(merge.source, "(SELECT * FROM s WHERE x IN (1, 2))");
        assert_eq!(merge.source_alias.as_deref(), Some("src"));
        assert_eq!(merge.clauses.len(), 3);
        assert_eq!(texts(&merge).len(), 7);
    }
}
