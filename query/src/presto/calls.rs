//! Calls with a syntax of their own, as calls that the planner takes.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, LambdaFunction, ListAggOnOverflow, ObjectName,
    ObjectNamePart, TrimWhereField, Value,
};

use super::functions::{MAP, REGEXP_REPLACE};
use crate::{Error, Result};

/// Returns what the call becomes, if its name is one of ours.
///
/// # Errors
/// A call without what its syntax asks for.
pub(super) fn rewritten(name: &str, function: &Function) -> Result<Option<Expr>> {
    match name {
        "listagg" => listagg(function).map(Some),
        "reduce_agg" => reduce_agg(function).map(Some),
        "if" => conditional(function).map(Some),
        "normalize" => Ok(normalize(function)),
        "map" => Ok(Some(renamed(function, MAP))),
        "regexp_replace" if ends_with_lambda(function) => {
            Ok(Some(renamed(function, REGEXP_REPLACE)))
        }
        _ => Ok(None),
    }
}

fn renamed(function: &Function, name: &str) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::with_quote('"', name)]),
        ..function.clone()
    })
}

fn ends_with_lambda(function: &Function) -> bool {
    match &function.args {
        FunctionArguments::List(list) => {
            matches!(list.args.last().and_then(plain), Some(Expr::Lambda(_)))
        }
        _ => false,
    }
}

/// Returns the call that an expression with words between its arguments means.
pub(super) fn special_form(expr: &Expr) -> Option<Expr> {
    let (name, arguments) = match expr {
        // The planner would look for their columns in the innermost query only.
        Expr::Array(array) => {
            let elements = array.elem.iter().cloned().map(Box::new);
            ("make_array", elements.collect())
        }
        // The planner takes only names and literals in it.
        Expr::Tuple(items) => ("row", items.iter().cloned().map(Box::new).collect()),
        Expr::Position { expr, r#in } => ("strpos", vec![r#in.clone(), expr.clone()]),
        Expr::Substring {
            expr,
            substring_from,
            substring_for,
            ..
        } => {
            let start = || Box::new(Expr::value(Value::Number("1".to_owned(), false)));
            let from = substring_from.clone().unwrap_or_else(start);
            let all = [Some(expr.clone()), Some(from), substring_for.clone()];
            ("substr", all.into_iter().flatten().collect())
        }
        Expr::Trim {
            expr,
            trim_where,
            trim_what,
            trim_characters,
        } => {
            let name = match trim_where {
                None | Some(TrimWhereField::Both) => "trim",
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
            };
            let listed = trim_characters.as_ref().and_then(|list| list.first());
            let what = trim_what.clone().or_else(|| listed.cloned().map(Box::new));
            (
                name,
                [Some(expr.clone()), what].into_iter().flatten().collect(),
            )
        }
        _ => return None,
    };
    Some(Expr::Function(Function {
        name: object(name),
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments
                .into_iter()
                .map(|arg: Box<Expr>| argument(*arg))
                .collect(),
            clauses: Vec::new(),
        }),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }))
}

/// `normalize(text, NFD)`: the form is a word.
fn normalize(function: &Function) -> Option<Expr> {
    let mut function = function.clone();
    if let FunctionArguments::List(list) = &mut function.args
        && let [_, form] = list.args.as_mut_slice()
        && let Some(Expr::Identifier(word)) = plain(form)
        && word.value.starts_with("NF")
    {
        *form = argument(text(&word.value));
        return Some(Expr::Function(function));
    }
    None
}

/// `if(condition, yes, no)`.
fn conditional(function: &Function) -> Result<Expr> {
    let arguments: Option<Vec<Expr>> = match &function.args {
        FunctionArguments::List(list) => list.args.iter().map(plain).collect(),
        _ => None,
    };
    let mut arguments = arguments.unwrap_or_default().into_iter();
    let (Some(condition), Some(result), no, None) = (
        arguments.next(),
        arguments.next(),
        arguments.next(),
        arguments.next(),
    ) else {
        return Err(Error::Invalid {
            message: "Invalid number of arguments for 'if' function".to_owned(),
        });
    };
    Ok(Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result }],
        else_result: no.map(Box::new),
    })
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

fn plain(argument: &FunctionArg) -> Option<Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    }
}

fn text(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}
