//! Calls with a syntax of their own, as calls that the planner takes.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, LambdaFunction, ListAggOnOverflow, ObjectName,
    ObjectNamePart, Value,
};

use crate::{Error, Result};

/// Returns what the call becomes, if its name is one of ours.
///
/// # Errors
/// A call without what its syntax asks for.
pub(super) fn rewritten(name: &str, function: &Function) -> Result<Option<Expr>> {
    match name {
        "listagg" => listagg(function).map(Some),
        "reduce_agg" => reduce_agg(function).map(Some),
        _ => Ok(None),
    }
}

/// `listagg(x, sep ON OVERFLOW …) WITHIN GROUP (ORDER BY y)`: order and overflow become arguments.
fn listagg(function: &Function) -> Result<Expr> {
    let mut function = function.clone();
    let within_group = std::mem::take(&mut function.within_group);
    let FunctionArguments::List(list) = &mut function.args else {
        return Err(Error::Syntax {
            message: "listagg takes a value and a separator".to_owned(),
        });
    };
    let is_ordered =
        |clause: &FunctionArgumentClause| matches!(clause, FunctionArgumentClause::OrderBy(_));
    if within_group.is_empty() && !list.clauses.iter().any(is_ordered) {
        return Err(Error::Syntax {
            message: "listagg: mismatched input. Expecting: 'WITHIN'".to_owned(),
        });
    }
    let mut overflow = None;
    list.clauses.retain(|clause| match clause {
        FunctionArgumentClause::OnOverflow(rule) => {
            overflow = Some(rule.clone());
            false
        }
        _ => true,
    });
    if let Some(ListAggOnOverflow::Truncate { filler, with_count }) = overflow {
        if list.args.len() == 1 {
            list.args.push(argument(text("")));
        }
        let filler = filler.map_or_else(|| text("..."), |filler| *filler);
        list.args.push(argument(filler));
        list.args
            .push(argument(Expr::value(Value::Boolean(with_count))));
    }
    if !within_group.is_empty() {
        list.clauses
            .push(FunctionArgumentClause::OrderBy(within_group));
    }
    Ok(Expr::Function(function))
}

/// `reduce_agg(x, s, f, g)`: the states of parts need no `g` where the values of a group are reduced in one go.
fn reduce_agg(function: &Function) -> Result<Expr> {
    let unexpected = || {
        Error::Invalid {
        message: "Unexpected parameters for function reduce_agg. Expected: reduce_agg(T, S, function(S,T,S), function(S,S,S))"
            .to_owned(),
    }
    };
    let FunctionArguments::List(list) = &function.args else {
        return Err(unexpected());
    };
    let [
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)),
        state,
        merge @ FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Lambda(lambda))),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Lambda(_))),
    ] = list.args.as_slice()
    else {
        return Err(unexpected());
    };
    let name = lambda
        .params
        .iter()
        .next()
        .map(|parameter| parameter.name.clone())
        .ok_or_else(unexpected)?;
    let identity = LambdaFunction {
        params: datafusion::sql::sqlparser::ast::OneOrManyWithParens::One(
            lambda
                .params
                .iter()
                .next()
                .cloned()
                .ok_or_else(unexpected)?,
        ),
        body: Box::new(Expr::Identifier(name)),
        syntax: lambda.syntax,
    };
    let present = Expr::IsNotNull(Box::new(Expr::Nested(Box::new(value.clone()))));
    let filter = match &function.filter {
        None => present,
        Some(own) => Expr::BinaryOp {
            left: Box::new(Expr::Nested(own.clone())),
            op: BinaryOperator::And,
            right: Box::new(present),
        },
    };
    let values = Function {
        name: object("array_agg"),
        args: FunctionArguments::List(FunctionArgumentList {
            args: vec![argument(value.clone())],
            ..list.clone()
        }),
        filter: Some(Box::new(filter)),
        ..function.clone()
    };
    Ok(Expr::Function(Function {
        name: object("reduce"),
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![
                argument(Expr::Function(values)),
                state.clone(),
                merge.clone(),
                argument(Expr::Lambda(identity)),
            ],
            clauses: Vec::new(),
        }),
        filter: None,
        over: None,
        ..function.clone()
    }))
}

fn object(name: &str) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))])
}

fn argument(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

fn text(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}
