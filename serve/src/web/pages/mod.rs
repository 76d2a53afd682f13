//! What people read.

pub(super) mod airline;
pub(super) mod airlines;
pub(super) mod console;
pub(super) mod home;
pub(super) mod predict;
pub(super) mod search;
