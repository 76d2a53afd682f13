#![doc = include_str!("../README.md")]

pub mod cli;
pub mod config;
mod embedded;
mod flights;
mod predictions;
pub mod services;
pub mod status;
pub mod telemetry;
mod watch;
mod web;
mod workers;
