//! `SHOW FUNCTIONS`: ours as they are described, DataFusion's by their signatures.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::BooleanArray;
use datafusion::logical_expr::{Documentation, Signature, TypeSignature, Volatility};

use super::{matches, texts};
use crate::Result;
use crate::engine::session::SessionSettings;
use crate::engine::statement::one_batch;
use crate::engine::{QueryEngine, StatementResult};
use crate::presto::functions::descriptions;
use crate::presto::types::type_name;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    name: String,
    returns: String,
    arguments: String,
    kind: &'static str,
    is_deterministic: bool,
    text: String,
}

pub(super) fn functions(
    engine: &QueryEngine,
    like: Option<&str>,
    session: &SessionSettings,
) -> Result<StatementResult> {
    let state = engine.state(session)?;
    let mut rows: Vec<Row> = descriptions()
        .into_iter()
        .map(|known| Row {
            name: known.name.to_owned(),
            returns: known.returns.to_owned(),
            arguments: known.arguments.to_owned(),
            kind: known.kind.name(),
            is_deterministic: known.is_deterministic,
            text: known.text.to_owned(),
        })
        .collect();
    let described: HashSet<String> = rows.iter().map(|row| row.name.clone()).collect();
    let mut add = |name: &str, kind: &'static str, signature, documentation| {
        // What begins with a dollar sign is called by what statements are rewritten to.
        if !described.contains(name) && !name.starts_with('$') {
            rows.extend(by_signature(name, kind, signature, documentation));
        }
    };
    for (name, function) in state.scalar_functions() {
        add(
            name,
            "scalar",
            function.signature(),
            function.documentation(),
        );
    }
    for (name, function) in state.aggregate_functions() {
        add(
            name,
            "aggregate",
            function.signature(),
            function.documentation(),
        );
    }
    for (name, function) in state.window_functions() {
        add(
            name,
            "window",
            function.signature(),
            function.documentation(),
        );
    }
    rows.retain(|row| like.is_none_or(|pattern| matches(pattern, &row.name)));
    rows.sort();
    rows.dedup();
    let column = |pick: fn(&Row) -> &str| texts(rows.iter().map(pick).collect());
    let deterministic: BooleanArray = rows.iter().map(|row| Some(row.is_deterministic)).collect();
    one_batch(vec![
        ("Function", column(|row| &row.name)),
        ("Return Type", column(|row| &row.returns)),
        ("Argument Types", column(|row| &row.arguments)),
        ("Function Type", column(|row| row.kind)),
        ("Deterministic", Arc::new(deterministic)),
        ("Description", column(|row| &row.text)),
    ])
}

/// DataFusion tells no return types.
fn by_signature(
    name: &str,
    kind: &'static str,
    signature: &Signature,
    documentation: Option<&Documentation>,
) -> Vec<Row> {
    let text = documentation.map_or("", |known| known.description.trim());
    argument_types(&signature.type_signature)
        .into_iter()
        .map(|arguments| Row {
            name: name.to_lowercase(),
            returns: String::new(),
            arguments,
            kind,
            is_deterministic: signature.volatility != Volatility::Volatile,
            text: text.to_owned(),
        })
        .collect()
}

/// Returns the argument lists that a signature says; one without types if it says none.
fn argument_types(signature: &TypeSignature) -> Vec<String> {
    match signature {
        TypeSignature::Exact(types) => {
            let names: Vec<String> = types.iter().map(type_name).collect();
            vec![names.join(", ")]
        }
        TypeSignature::Uniform(count, types) => types
            .iter()
            .map(|data_type| vec![type_name(data_type); *count].join(", "))
            .collect(),
        TypeSignature::OneOf(signatures) => {
            let mut all: Vec<String> = signatures.iter().flat_map(argument_types).collect();
            all.sort();
            all.dedup();
            all
        }
        _ => vec![String::new()],
    }
}
