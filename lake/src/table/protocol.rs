//! Which table features this writer honours.
//!
//! Delta's writer claims more than it does, and its own checks come late: some after files were
//! written. Every path that writes asks here first, so that a table that needs a feature we lack
//! is refused by the feature's name before anything is written.

use std::collections::BTreeMap;

use deltalake::kernel::Protocol;
use deltalake::kernel::schema::{DataType, PrimitiveType, StructField};
use deltalake::kernel::transaction::{PROTOCOL, TransactionError};
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaTableError, TableProperty};

use super::{LakeTable, TableRef, TableSnapshot};
use crate::catalog::TableName;
use crate::error::{Error, Result};

/// The feature and, where it has one, the property that switches it on. Properties that only tune
/// a feature do not matter: without the feature they do nothing.
const UNSUPPORTED_PROPERTIES: [(&str, &str); 13] = [
    ("delta.enableDeletionVectors", "deletionVectors"),
    ("delta.enableRowTracking", "rowTracking"),
    ("delta.enableInCommitTimestamps", "inCommitTimestamp"),
    ("delta.enableTypeWidening", "typeWidening"),
    ("delta.enableIcebergCompatV1", "icebergCompatV1"),
    ("delta.enableIcebergCompatV2", "icebergCompatV2"),
    ("delta.enableIcebergCompatV3", "icebergCompatV3"),
    ("delta.enableIcebergWriterCompatV1", "icebergWriterCompatV1"),
    ("delta.universalFormat.enabledFormats", "universalFormat"),
    (
        "delta.coordinatedCommits.commitCoordinator-preview",
        "coordinatedCommits",
    ),
    ("delta.checkpointPolicy", "v2Checkpoint"),
    ("delta.randomizeFilePrefixes", "randomizeFilePrefixes"),
    ("delta.enableVariantShredding", "variantShredding"),
];

/// Field metadata by which a column needs a feature.
const UNSUPPORTED_COLUMNS: [(&str, &str); 5] = [
    ("delta.identity.start", "identityColumns"),
    ("delta.identity.step", "identityColumns"),
    ("delta.typeChanges", "typeWidening"),
    ("CURRENT_DEFAULT", "allowColumnDefaults"),
    ("delta.collations", "collations"),
];

/// The feature of tables that have times without a time zone.
pub(super) const LOCAL_TIMES: &str = "timestampNtz";

/// The features that tables have without naming them, by the writer version that brought them.
const IMPLIED: [(i32, &str); 6] = [
    (2, "appendOnly"),
    (2, "invariants"),
    (3, "checkConstraints"),
    (4, "changeDataFeed"),
    (4, "generatedColumns"),
    (5, "columnMapping"),
];
/// The reader version from which on columns may be mapped.
const MAPPING_READER_VERSION: i32 = 2;

/// The newest writer version that the protocol defines.
const LAST_WRITER_VERSION: i32 = 7;

/// Refuses a table that this writer would damage.
///
/// # Errors
///
/// [`Error::UnsupportedFeature`] names the features, as the protocol spells them.
fn check_writable(table: &TableRef, state: &DeltaTableState) -> Result<()> {
    let version = state.protocol().min_writer_version();
    if version > LAST_WRITER_VERSION {
        return Err(unsupported(table, format!("writer version {version}")));
    }
    // What removes or rewrites a file must name its deletion vector, which Delta's writer forgets.
    let features = state.protocol().writer_features().unwrap_or_default();
    let has_vectors = features
        .iter()
        .any(|feature| feature.as_ref() == "deletionVectors");
    if has_vectors {
        return Err(unsupported(
            table,
            feature_list(&["deletionVectors".to_owned()]),
        ));
    }
    match PROTOCOL.can_write_to(state) {
        Ok(()) => {}
        Err(TransactionError::UnsupportedTableFeatures(features)) => {
            let mut names: Vec<String> = features.iter().map(ToString::to_string).collect();
            names.sort_unstable();
            return Err(unsupported(table, feature_list(&names)));
        }
        Err(error) => {
            return Err(table.error(
                "checking the protocol of",
                Some(state.version()),
                DeltaTableError::from(error),
            ));
        }
    }
    match state.schema().fields().find_map(unsupported_column) {
        Some(feature) => Err(unsupported(table, feature)),
        None => Ok(()),
    }
}

impl LakeTable {
    /// Refuses a version of the table that this writer would damage.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedFeature`] names the features, as the protocol spells them.
    pub(crate) fn check_writable(&self, snapshot: &TableSnapshot) -> Result<()> {
        let state = snapshot
            .delta_table()
            .snapshot()
            .map_err(|error| self.delta_error("loading", error))?;
        check_writable(&self.table_ref, state)
    }
}

/// Refuses properties of a new or altered table that would make it need a feature we lack.
///
/// # Errors
///
/// [`Error::UnsupportedFeature`] names the feature and the property.
pub(super) fn check_properties(
    table: &TableRef,
    properties: &BTreeMap<String, String>,
) -> Result<()> {
    for (key, value) in properties {
        if let Some(feature) = key.strip_prefix("delta.feature.") {
            return Err(unsupported(
                table,
                format!("the feature `{feature}` (property `{key}`)"),
            ));
        }
        let switched_on = !matches!(
            value.to_ascii_lowercase().as_str(),
            "false" | "classic" | "none" | ""
        );
        let known = UNSUPPORTED_PROPERTIES
            .iter()
            .find(|(property, _)| property == key);
        if let Some((_, feature)) = known
            && switched_on
        {
            return Err(unsupported(
                table,
                format!("the feature `{feature}` (property `{key}`)"),
            ));
        }
    }
    Ok(())
}

/// Refuses columns of a new table that would make it need a feature we lack.
///
/// # Errors
///
/// [`Error::UnsupportedFeature`] names the feature and the column.
pub(super) fn check_columns<'a>(
    table: &TableRef,
    mut fields: impl Iterator<Item = &'a StructField>,
) -> Result<()> {
    match fields.find_map(unsupported_column) {
        Some(feature) => Err(unsupported(table, feature)),
        None => Ok(()),
    }
}

/// Returns the error for a table that needs something this writer does not do.
pub(super) fn unsupported(table: &TableRef, feature: impl Into<String>) -> Error {
    Error::UnsupportedFeature {
        table: table.name.to_string(),
        location: table.url.to_string(),
        feature: feature.into(),
    }
}

fn unsupported_column(field: &StructField) -> Option<String> {
    UNSUPPORTED_COLUMNS
        .iter()
        .find(|(key, _)| field.metadata().contains_key(*key))
        .map(|(_, feature)| format!("the feature `{feature}` (column `{}`)", field.name()))
}

fn feature_list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let noun = if names.len() == 1 {
        "feature"
    } else {
        "features"
    };
    format!("the {noun} {}", quoted.join(", "))
}

/// Reports whether columns have times without a time zone, at any depth.
pub(super) fn has_local_times(columns: &[StructField]) -> bool {
    columns
        .iter()
        .any(|column| is_local_time(column.data_type()))
}

fn is_local_time(data_type: &DataType) -> bool {
    match data_type {
        DataType::Primitive(primitive) => *primitive == PrimitiveType::TimestampNtz,
        DataType::Struct(columns) => columns
            .fields()
            .any(|column| is_local_time(column.data_type())),
        DataType::Array(array) => is_local_time(array.element_type()),
        DataType::Map(map) => is_local_time(map.key_type()) || is_local_time(map.value_type()),
        _ => false,
    }
}

/// Returns a protocol with one more feature, which readers and writers must know; none when it has
/// the feature. What the versions implied is named then, because the versions that name features
/// imply none.
///
/// # Errors
///
/// Those of features that Delta's library puts into no protocol.
pub(super) fn with_feature(
    protocol: &Protocol,
    feature: &str,
) -> Result<Option<Protocol>, serde_json::Error> {
    let mut writer = names(protocol.writer_features()).unwrap_or_else(|| {
        let version = protocol.min_writer_version();
        let implied = IMPLIED.iter().filter(|(since, _)| version >= *since);
        implied.map(|(_, feature)| (*feature).to_owned()).collect()
    });
    if writer.iter().any(|known| known == feature) {
        return Ok(None);
    }
    let mut reader = names(protocol.reader_features()).unwrap_or_else(|| {
        let maps = protocol.min_reader_version() >= MAPPING_READER_VERSION;
        maps.then(|| "columnMapping".to_owned())
            .into_iter()
            .collect()
    });
    for features in [&mut writer, &mut reader] {
        features.push(feature.to_owned());
        features.sort_unstable();
        features.dedup();
    }
    serde_json::from_value(serde_json::json!({
        "minReaderVersion": 3,
        "minWriterVersion": LAST_WRITER_VERSION,
        "readerFeatures": reader,
        "writerFeatures": writer,
    }))
    .map(Some)
}

fn names(features: Option<&[impl ToString]>) -> Option<Vec<String>> {
    features.map(|features| features.iter().map(ToString::to_string).collect())
}

/// Refuses a property that claims to be Delta's and is not.
///
/// # Errors
///
/// [`Error::SchemaMismatch`] names it.
pub(super) fn check_known(table: &TableName, key: &str) -> Result<()> {
    if key.starts_with("delta.") && key.parse::<TableProperty>().is_err() {
        return Err(Error::SchemaMismatch {
            table: table.to_string(),
            reason: format!("`{key}` is not a property of Delta"),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
