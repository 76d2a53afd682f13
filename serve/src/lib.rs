#![doc = include_str!("../README.md")]

pub mod cli;
pub mod config;
mod flights;
pub mod services;
pub mod status;
pub mod telemetry;
mod web;
