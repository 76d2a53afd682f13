#![doc = include_str!("../README.md")]

pub mod document_store;
pub mod kafka_broker;
#[cfg(feature = "s3-server")]
pub mod s3_server;

mod error;

pub use crate::error::{Error, Result};
