//! The whole house, driven from outside, and the rules of the repository.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod end_to_end;
mod house;
mod interop;
mod kill;
mod object_stores;
mod sandbox;
mod spark_hive;
mod stress;
mod tidy;
mod trino_clients;
mod trino_python;
