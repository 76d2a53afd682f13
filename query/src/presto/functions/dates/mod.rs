//! Dates, times and timestamps.

mod arithmetic;
mod durations;
mod fields;
mod iso8601;
mod joda;
mod moments;
mod mysql;
mod pattern;
mod teradata;
mod zones;

use super::scalar::Entry;

pub(super) use moments::Moments;

/// The functions of this room.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("at_timezone", zones::at_timezone).returning(zones::in_second),
    Entry::new("current_timezone", zones::current_timezone),
    Entry::new("date", fields::date),
    Entry::new("date_add", arithmetic::date_add).returning(|planned| Ok(planned.type_at(2))),
    Entry::new("date_diff", arithmetic::date_diff),
    Entry::new("date_format", mysql::date_format),
    Entry::new("date_parse", mysql::date_parse),
    Entry::new("date_trunc", arithmetic::date_trunc).returning(|planned| Ok(planned.type_at(1))),
    Entry::new("day", fields::day),
    Entry::new("day_of_month", fields::day),
    Entry::new("day_of_week", fields::day_of_week),
    Entry::new("day_of_year", fields::day_of_year),
    Entry::new("dow", fields::day_of_week),
    Entry::new("doy", fields::day_of_year),
    Entry::new("format_datetime", joda::format_datetime),
    Entry::new("from_iso8601_date", iso8601::from_iso8601_date),
    Entry::new("from_iso8601_timestamp", iso8601::from_iso8601_timestamp)
        .returning(iso8601::zone_of_constant),
    Entry::new(
        "from_iso8601_timestamp_nanos",
        iso8601::from_iso8601_timestamp,
    )
    .returning(iso8601::zone_of_constant),
    Entry::new("from_unixtime", zones::from_unixtime).returning(zones::of_unixtime),
    Entry::new("from_unixtime_nanos", zones::from_unixtime_nanos),
    Entry::new("hour", fields::hour),
    Entry::new("human_readable_seconds", durations::human_readable_seconds),
    Entry::new("last_day_of_month", fields::last_day_of_month),
    Entry::new("millisecond", fields::millisecond),
    Entry::new("minute", fields::minute),
    Entry::new("month", fields::month),
    Entry::new("parse_datetime", joda::parse_datetime).returning(joda::zone_of_constant),
    Entry::new("parse_duration", durations::parse_duration),
    Entry::new("quarter", fields::quarter),
    Entry::new("second", fields::second),
    Entry::new("timezone", zones::timezone),
    Entry::new("timezone_hour", zones::timezone_hour),
    Entry::new("timezone_minute", zones::timezone_minute),
    Entry::new("to_char", teradata::to_char),
    Entry::new("to_date", teradata::to_date),
    Entry::new("to_iso8601", iso8601::to_iso8601),
    Entry::new("to_milliseconds", durations::to_milliseconds),
    Entry::new("to_timestamp", teradata::to_timestamp),
    Entry::new("to_unixtime", zones::to_unixtime),
    Entry::new("week", fields::week),
    Entry::new("week_of_year", fields::week),
    Entry::new("with_timezone", zones::with_timezone).returning(zones::in_second),
    Entry::new("year", fields::year),
    Entry::new("year_of_week", fields::year_of_week),
    Entry::new("yow", fields::year_of_week),
];
