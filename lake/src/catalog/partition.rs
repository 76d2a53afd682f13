//! Partitions of tables without a Delta log, and how Hive names their folders.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::model::Column;

/// What Hive writes as the value of a partition that has none.
pub const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// A registered partition of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// One value per partition key, in their order; [`NULL_PARTITION`] stands for none.
    pub values: Vec<String>,
    /// Where its files are, if not in the folder of its name in the table's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Free properties.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}

impl Partition {
    /// Returns a partition in the folder of its name.
    pub fn new(values: Vec<String>, created_at: DateTime<Utc>) -> Self {
        Self {
            values,
            location: None,
            properties: BTreeMap::new(),
            created_at,
        }
    }

    /// Returns the name, which is also the path of its folder: `year=2013/month=1`.
    ///
    /// # Source
    ///
    /// `FileUtils.makePartName` of Hive.
    pub fn name(&self, keys: &[Column]) -> String {
        partition_name(keys, &self.values)
    }
}

/// Returns the name of the partition with these values.
pub fn partition_name(keys: &[Column], values: &[String]) -> String {
    let parts: Vec<String> = keys
        .iter()
        .zip(values)
        .map(|(key, value)| format!("{}={}", escape(&key.name.to_lowercase()), escape(value)))
        .collect();
    parts.join("/")
}

/// Parses the name of a partition; none when it does not have exactly these keys in this order.
pub fn parse_partition_name(name: &str, keys: &[Column]) -> Option<Vec<String>> {
    let parts: Vec<&str> = name.trim_matches('/').split('/').collect();
    if parts.len() != keys.len() {
        return None;
    }
    parts
        .into_iter()
        .zip(keys)
        .map(|(part, key)| parse_partition_folder(part, key))
        .collect()
}

/// Parses one folder of a partition's path, such as `month=1`.
pub(crate) fn parse_partition_folder(folder: &str, key: &Column) -> Option<String> {
    let (name, value) = folder.split_once('=')?;
    unescape(name)?
        .eq_ignore_ascii_case(&key.name)
        .then(|| unescape(value))
        .flatten()
}

/// Returns a text that is different for different values, to find a partition by.
pub(super) fn values_key(values: &[String]) -> String {
    let parts: Vec<String> = values.iter().map(|value| escape(value)).collect();
    parts.join("/")
}

/// Escapes what may not be in the name of a folder, as `FileUtils.escapePathName` of Hive does.
fn escape(text: &str) -> String {
    if text.is_empty() {
        return NULL_PARTITION.to_owned();
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        let special = matches!(
            c,
            '\u{1}'
                ..='\u{1f}'
                    | '\u{7f}'
                    | '"'
                    | '#'
                    | '%'
                    | '\''
                    | '*'
                    | '/'
                    | ':'
                    | '='
                    | '?'
                    | '\\'
                    | '{'
                    | '['
                    | ']'
                    | '^'
        );
        if special {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{:02X}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> Vec<Column> {
        vec![Column::new("Year", "int"), Column::new("place", "string")]
    }

    #[test]
    fn names_are_escaped_as_hive_does() {
        let partition = Partition::new(
            vec!["2013".to_owned(), "a/b=c %ü".to_owned()],
            DateTime::UNIX_EPOCH,
        );
        assert_eq!(partition.name(&keys()), "year=2013/place=a%2Fb%3Dc %25ü");
        let none = Partition::new(vec!["1".to_owned(), String::new()], DateTime::UNIX_EPOCH);
        assert_eq!(
            none.name(&keys()),
            "year=1/place=__HIVE_DEFAULT_PARTITION__"
        );
    }

    #[test]
    fn names_of_other_keys_are_not_understood() {
        for name in ["year=1", "place=a/year=1", "year=1/place=a/x=2", "1/a", ""] {
            assert_eq!(parse_partition_name(name, &keys()), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn names_round_trip(year in 0..3000_u32, place in "[^\u{0}]{1,12}") {
            let values = vec![year.to_string(), place];
            let name = partition_name(&keys(), &values);
            prop_assert_eq!(parse_partition_name(&name, &keys()), Some(values));
        }

        #[test]
        fn different_values_have_different_keys(
            left in proptest::collection::vec("[^\u{0}]{1,4}", 2),
            right in proptest::collection::vec("[^\u{0}]{1,4}", 2),
        ) {
            prop_assert_eq!(values_key(&left) == values_key(&right), left == right);
        }
    }
}
