//! Columns that several joins of a chain share by `USING`.
//!
//! The planner knows which columns one `USING` makes the same, but of `a JOIN b USING (x) JOIN c USING (x)` it takes
//! `x` for two. So `x` gets the name of the table that surely has its value.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectNamePart, Query, Select, TableFactor,
    TableWithJoins, VisitMut as _, VisitorMut,
};

/// Names the table of each column in `select` that more than one `USING` joins by.
pub(super) fn qualify(select: &mut Select) {
    let [from] = select.from.as_slice() else {
        return;
    };
    let mut shared = shared_columns(from);
    shared.retain(|column| column.joins > 1);
    if shared.is_empty() {
        return;
    }
    let mut qualifier = Qualifier { shared, depth: 0 };
    let _ = select.projection.visit(&mut qualifier);
    let _ = select.selection.visit(&mut qualifier);
    let _ = select.group_by.visit(&mut qualifier);
    let _ = select.having.visit(&mut qualifier);
}

/// A column of `USING`.
struct Shared {
    name: String,
    joins: usize,
    /// The table that has its value in every row; none if no single one does.
    owner: Option<Ident>,
}

fn shared_columns(from: &TableWithJoins) -> Vec<Shared> {
    let mut columns: Vec<Shared> = Vec::new();
    for (place, join) in from.joins.iter().enumerate() {
        let (JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)) = &join.join_operator
        else {
            continue;
        };
        let JoinConstraint::Using(names) = constraint else {
            continue;
        };
        let right = relation_name(&join.relation);
        for name in names {
            let [ObjectNamePart::Identifier(name)] = name.0.as_slice() else {
                continue;
            };
            let name = name.value.to_lowercase();
            let known = columns.iter_mut().find(|column| column.name == name);
            // What has the value on the left: the tables of the first join are known by name.
            let left = match &known {
                Some(column) => column.owner.clone(),
                None if place == 0 => relation_name(&from.relation),
                None => None,
            };
            let owner = match join.join_operator {
                JoinOperator::FullOuter(_) => None,
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => left,
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => right.clone(),
                _ => left.or_else(|| right.clone()),
            };
            match known {
                Some(column) => {
                    column.joins += 1;
                    column.owner = owner;
                }
                None => columns.push(Shared {
                    name,
                    joins: 1,
                    owner,
                }),
            }
        }
    }
    columns
}

fn relation_name(relation: &TableFactor) -> Option<Ident> {
    match relation {
        TableFactor::Table {
            alias: Some(alias), ..
        }
        | TableFactor::Derived {
            alias: Some(alias), ..
        } => Some(alias.name.clone()),
        TableFactor::Table { name, .. } => match name.0.last()? {
            ObjectNamePart::Identifier(ident) => Some(ident.clone()),
            ObjectNamePart::Function(_) => None,
        },
        _ => None,
    }
}

struct Qualifier {
    shared: Vec<Shared>,
    /// How many queries we are in; names in them may be of their own tables.
    depth: usize,
}

impl VisitorMut for Qualifier {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr
            && self.depth == 0
            && let Some(column) = self
                .shared
                .iter()
                .find(|column| column.name.eq_ignore_ascii_case(&name.value))
            && let Some(owner) = &column.owner
        {
            *expr = Expr::CompoundIdentifier(vec![owner.clone(), name.clone()]);
        }
        ControlFlow::Continue(())
    }
}
