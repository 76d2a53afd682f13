#![doc = include_str!("../README.md")]

mod error;
pub mod flights_data;
pub mod history;

pub use crate::error::{Error, Result};
