//! Features of a flight, computed by one function for training and for serving.
//!
//! ```text
//! RecordBatch rows --+
//!                    +--> Flight --> FeaturePipeline::encode_into --> one row of the model's input
//! a request ---------+
//! ```
//!
//! A batch is encoded by calling the row function for each row, so that the two cannot drift apart.

mod pipeline;
mod vocabulary;

use chrono::{Datelike, NaiveDate};

pub use self::pipeline::FeaturePipeline;
pub use self::vocabulary::Vocabulary;

/// The features of the original course, by name.
pub const FLIGHT_FEATURES: [&str; 9] = [
    "DepDelay",
    "Distance",
    "DayOfMonth",
    "DayOfWeek",
    "DayOfYear",
    "Carrier",
    "Origin",
    "Dest",
    "Route",
];

/// What is known of a flight when its delay is predicted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flight<'a> {
    /// Minutes; negative is early.
    pub dep_delay: f64,
    /// Miles.
    pub distance: f64,
    /// Local date of the departure; the calendar features come from it.
    pub date: NaiveDate,
    /// Two-letter carrier code.
    pub carrier: &'a str,
    /// FAA code of the airport of departure.
    pub origin: &'a str,
    /// FAA code of the destination.
    pub dest: &'a str,
}

impl Flight<'_> {
    /// Returns the route, such as `JFK-LAX`.
    pub fn route(&self) -> String {
        route(self.origin, self.dest)
    }

    /// Returns the day of the month, from 1.
    pub fn day_of_month(&self) -> u32 {
        self.date.day()
    }

    /// Returns the day of the week: 1 is Monday, 7 is Sunday.
    pub fn day_of_week(&self) -> u32 {
        self.date.weekday().number_from_monday()
    }

    /// Returns the day of the year, from 1.
    pub fn day_of_year(&self) -> u32 {
        self.date.ordinal()
    }
}

/// Returns the name of the route between two airports.
pub fn route(origin: &str, dest: &str) -> String {
    format!("{origin}-{dest}")
}

#[cfg(test)]
mod tests;
