//! Numbers that are no values of rows: positions, counts, arguments of table functions.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, TableFactor, Value, ValueWithSpan,
};

/// Marks a number that is no value of rows.
pub(super) fn keep(expr: &mut Expr) {
    if let Expr::Value(ValueWithSpan {
        value: Value::Number(_, is_kept),
        ..
    }) = expr
    {
        *is_kept = true;
    }
}

/// Marks the positions in a GROUP BY list.
pub(super) fn keep_positions(expr: &mut Expr) {
    match expr {
        Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => {
            sets.iter_mut().flatten().for_each(keep);
        }
        Expr::Tuple(items) => items.iter_mut().for_each(keep),
        other => keep(other),
    }
}

/// Marks the argument of a table function.
pub(super) fn keep_argument(argument: &mut FunctionArg) {
    match argument {
        FunctionArg::Named { arg, .. }
        | FunctionArg::ExprNamed { arg, .. }
        | FunctionArg::Unnamed(arg) => {
            if let FunctionArgExpr::Expr(expr) = arg {
                keep(expr);
            }
        }
    }
}

/// Marks the size of a sample.
pub(super) fn keep_sample(factor: &mut TableFactor) {
    use datafusion::sql::sqlparser::ast::TableSampleKind as K;
    let TableFactor::Table {
        sample: Some(K::BeforeTableAlias(sample) | K::AfterTableAlias(sample)),
        ..
    } = factor
    else {
        return;
    };
    if let Some(quantity) = &mut sample.quantity {
        keep(&mut quantity.value);
    }
}
