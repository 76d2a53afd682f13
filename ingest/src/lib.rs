#![doc = include_str!("../README.md")]

mod client;
mod config;
mod error;
mod metrics;

mod decode;
mod source;

mod dead_letters;
mod flush;
pub mod pipeline;
mod positions;

pub mod flights_data;
pub mod history;

pub mod lag;
pub mod producer;
pub mod replay;
pub mod tail;

pub use crate::config::{IngestConfig, KafkaConfig, StreamConfig};
pub use crate::error::{Error, Result};
