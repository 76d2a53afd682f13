//! Presto's functions.
//!
//! A scalar function of plain values is a line per overload in `catalogue.txt` and a body in one of the rooms below.
//! The catalogue decides which arguments fit and what the result is; the body gets its arguments in the overload's
//! types. Functions on arrays and maps, with lambdas, of groups and of windows derive their types from their
//! arguments and describe themselves.

mod aggregates;
mod arrays;
mod binary;
mod call;
mod catalogue;
mod dates;
mod digests;
mod format;
mod general;
mod geo;
mod json;
mod kinds;
mod lambdas;
mod maps;
mod math;
mod networks;
mod regex;
mod scalar;
mod shared;
mod strings;
mod unified;
mod url;
mod windows;

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, WindowUDF};

pub(crate) use self::aggregates::AggregatePlanner;
pub(crate) use self::arrays::ArrayPlanner;
pub(crate) use self::digests::{check_tdigest, rewritten_tdigest};
pub(crate) use self::json::{quote as quote_json, sql_path};
pub(crate) use self::lambdas::REGEXP_REPLACE;
pub(crate) use self::maps::MAP;
pub use self::shared::{Description, Kind};
use crate::presto::temporal::normalize_zone;

/// The zone that functions are built for; those of dates are built again for a session with another.
const UTC: &str = "UTC";

/// The functions that a session has besides DataFusion's.
#[derive(Debug)]
pub struct Library {
    scalars: Vec<Arc<ScalarUDF>>,
    aggregates: Vec<Arc<AggregateUDF>>,
    windows: Vec<Arc<WindowUDF>>,
    higher_order: Vec<Arc<HigherOrderUDF>>,
}

impl Library {
    /// Returns all of them.
    #[must_use]
    pub fn new() -> Self {
        let zone = Arc::from(UTC);
        let scalars = scalars()
            .map(|entry| entry.build(&zone))
            .chain(arrays::scalars())
            .chain(maps::scalars())
            .chain(unified::functions());
        Self {
            scalars: scalars.map(Arc::new).collect(),
            aggregates: aggregates::aggregates().into_iter().map(Arc::new).collect(),
            windows: windows::windows().into_iter().map(Arc::new).collect(),
            higher_order: lambdas::higher_order().into_iter().map(Arc::new).collect(),
        }
    }

    /// Adds the functions to a session's state; they replace those of the same name.
    ///
    /// # Errors
    /// The state takes no functions.
    pub fn register(&self, state: &mut SessionState) -> crate::Result<()> {
        let failed = |error: DataFusionError| crate::Error::Internal {
            message: format!("cannot register a function: {error}"),
        };
        for function in &self.scalars {
            state.register_udf(Arc::clone(function)).map_err(failed)?;
        }
        for function in &self.aggregates {
            state.register_udaf(Arc::clone(function)).map_err(failed)?;
        }
        for function in &self.windows {
            state.register_udwf(Arc::clone(function)).map_err(failed)?;
        }
        for function in &self.higher_order {
            // A scalar function would win over the one of the same name that takes lambdas.
            state.deregister_udf(function.name()).map_err(failed)?;
            state
                .register_higher_order_function(Arc::clone(function))
                .map_err(failed)?;
        }
        let zone = state.config_options().execution.time_zone.clone();
        let zone = zone.unwrap_or_else(|| UTC.to_owned());
        let zone: Arc<str> = normalize_zone(&zone).unwrap_or(zone).into();
        if *zone != *UTC {
            for entry in dates::ENTRIES {
                let function = Arc::new(entry.build(&zone));
                state.register_udf(function).map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// Returns what `SHOW FUNCTIONS` says of all of them.
#[must_use]
pub fn descriptions() -> Vec<Description> {
    [
        arrays::DESCRIPTIONS.as_slice(),
        &maps::DESCRIPTIONS,
        &lambdas::DESCRIPTIONS,
        &aggregates::DESCRIPTIONS,
        &windows::DESCRIPTIONS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .chain(catalogue::descriptions())
    .collect()
}

impl Default for Library {
    fn default() -> Self {
        Self::new()
    }
}

fn scalars() -> impl Iterator<Item = scalar::Entry> {
    let rooms = [
        binary::ENTRIES,
        dates::ENTRIES,
        digests::ENTRIES,
        format::ENTRIES,
        general::ENTRIES,
        geo::ENTRIES,
        json::ENTRIES,
        math::ENTRIES,
        regex::ENTRIES,
        strings::ENTRIES,
        url::ENTRIES,
    ];
    rooms.into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_described() {
        for entry in scalars() {
            let lines = catalogue::describe(entry.name());
            assert!(!lines.is_empty(), "{}", entry.name());
        }
    }
}
