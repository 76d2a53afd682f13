//! Presto's functions.
//!
//! A scalar function is a line per overload in `catalogue.txt` and a body in one of the rooms below. The catalogue
//! decides which arguments fit and what the result is; the body gets its arguments in the overload's types.

mod binary;
mod call;
mod catalogue;
mod dates;
mod format;
mod general;
mod geo;
mod json;
mod kinds;
mod math;
mod regex;
mod scalar;
mod strings;
mod url;

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::ScalarUDF;

pub use catalogue::{FunctionDescription, describe, descriptions};

/// The zone that functions are built for; those of dates are built again for a session with another.
const UTC: &str = "UTC";

/// The functions that a session has besides DataFusion's.
#[derive(Debug)]
pub struct Library {
    scalars: Vec<Arc<ScalarUDF>>,
}

impl Library {
    /// Returns all of them.
    #[must_use]
    pub fn new() -> Self {
        let zone = Arc::from(UTC);
        let scalars = scalars()
            .map(|entry| Arc::new(entry.build(&zone)))
            .collect();
        Self { scalars }
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
        let zone = state.config_options().execution.time_zone.clone();
        let zone: Arc<str> = Arc::from(dates::normalize_zone(zone.as_deref().unwrap_or(UTC)));
        if *zone != *UTC {
            for entry in dates::ENTRIES {
                let function = Arc::new(entry.build(&zone));
                state.register_udf(function).map_err(failed)?;
            }
        }
        Ok(())
    }
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
mod tests;
