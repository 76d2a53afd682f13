//! What scripts call.

pub(super) mod classify;
mod formats;
pub(super) mod sql;
