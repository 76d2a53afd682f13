#![doc = include_str!("../README.md")]

mod config;
mod error;
pub mod metrics;

pub mod buckets;
pub mod features;
pub mod training_set;

pub mod evaluate;
pub mod models;

pub mod artifact;
pub mod registry;
pub mod train;

pub mod prediction_store;
pub mod requests;

pub mod predictor;

pub use crate::artifact::{Learner, LoadedModel, ModelCard};
pub use crate::config::{MlConfig, MongoConfig};
pub use crate::error::{Error, Result};
pub use crate::prediction_store::{PredictionStore, RequestStatus};
pub use crate::registry::ModelRegistry;
