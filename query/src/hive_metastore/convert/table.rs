//! Tables and their partitions.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use hive_metastore as hms;
use lake::{
    Column, Partition, StorageDescriptor, TableEntry, TableFormat, TableKind, TableName,
    TableStatistics, hive_types,
};
use pilota::FastStr;

use super::formats::{classes, format};
use super::{Locations, columns_from, field_schema, not_empty, parameters, spark, text};
use crate::hive_metastore::arguments;
use crate::hive_metastore::failure::{Failure, Result};
use crate::hive_metastore::wire::Fields;

const MANAGED_TABLE: &str = "MANAGED_TABLE";
const EXTERNAL_TABLE: &str = "EXTERNAL_TABLE";

const EXTERNAL: &str = "EXTERNAL";
const COMMENT: &str = "comment";
const CREATED: &str = "transient_lastDdlTime";
const ROWS: &str = "numRows";
const FILES: &str = "numFiles";
const BYTES: &str = "totalSize";
/// Properties that are said by something else in the catalog, or by nothing.
const DERIVED: [&str; 8] = [
    EXTERNAL,
    COMMENT,
    CREATED,
    ROWS,
    FILES,
    BYTES,
    "rawDataSize",
    "COLUMN_STATS_ACCURATE",
];

const FIELD_DELIMITER: &str = "field.delim";
const SERIALIZATION_FORMAT: &str = "serialization.format";
const PATH: &str = "path";
const HEADER_LINES: &str = "skip.header.line.count";

/// What the log of a Delta table says beyond the catalog.
#[derive(Debug)]
pub(in crate::hive_metastore) struct TableFacts {
    pub(in crate::hive_metastore) schema: SchemaRef,
    pub(in crate::hive_metastore) partition_columns: Vec<String>,
    pub(in crate::hive_metastore) rows: Option<u64>,
    pub(in crate::hive_metastore) files: u64,
    pub(in crate::hive_metastore) bytes: u64,
}

/// Returns a table's type, as Hive calls it.
pub(in crate::hive_metastore) fn table_type_of(entry: &TableEntry) -> &'static str {
    match entry.kind {
        TableKind::Managed => MANAGED_TABLE,
        TableKind::External => EXTERNAL_TABLE,
    }
}

/// Returns a table as clients see it. `facts` are those of a Delta table; one whose log cannot be
/// read is shown without columns, so that it can still be looked at and dropped.
pub(in crate::hive_metastore) fn table_of(
    entry: &TableEntry,
    facts: Option<&TableFacts>,
    locations: &Locations,
) -> hms::Table {
    let mut properties = properties_of(entry, facts);
    let statistics = match (facts, &entry.statistics) {
        (Some(facts), _) => Some((facts.rows, facts.files, facts.bytes)),
        (None, Some(known)) => Some((known.rows, known.files, known.bytes)),
        (None, None) => None,
    };
    if let Some((rows, files, bytes)) = statistics {
        properties.insert(FILES.to_owned(), files.to_string());
        properties.insert(BYTES.to_owned(), bytes.to_string());
        properties.extend(rows.map(|rows| (ROWS.to_owned(), rows.to_string())));
    }
    let keys = entry.partition_keys.iter().map(field_schema).collect();
    hms::Table {
        table_name: Some(text(&entry.name.table)),
        db_name: Some(text(&entry.name.database)),
        owner: Some(text(entry.owner.as_deref().unwrap_or_default())),
        create_time: Some(seconds(entry.created_at)),
        last_access_time: Some(0),
        retention: Some(0),
        sd: Some(storage_of(entry, facts, locations)),
        partition_keys: Some(keys),
        parameters: Some(parameters(&properties)),
        table_type: Some(text(table_type_of(entry))),
        temporary: Some(false),
        rewrite_enabled: Some(false),
        ..hms::Table::default()
    }
}

/// Returns a table's properties as clients see them, without statistics.
pub(in crate::hive_metastore) fn properties_of(
    entry: &TableEntry,
    facts: Option<&TableFacts>,
) -> BTreeMap<String, String> {
    let delta = facts.map(|facts| (facts.schema.as_ref(), facts.partition_columns.as_slice()));
    let mut properties = BTreeMap::new();
    // What Spark wrote is Spark's; only without it we say how Spark is to read the table.
    if !entry.properties.contains_key(spark::PROVIDER) {
        properties = spark::properties(entry, delta);
    }
    properties.extend(entry.properties.clone());
    if entry.kind == TableKind::External {
        properties.insert(EXTERNAL.to_owned(), "TRUE".to_owned());
    }
    if let Some(comment) = &entry.comment {
        properties.insert(COMMENT.to_owned(), comment.clone());
    }
    let created = entry.created_at.timestamp().to_string();
    properties.insert(CREATED.to_owned(), created);
    properties
}

fn storage_of(
    entry: &TableEntry,
    facts: Option<&TableFacts>,
    locations: &Locations,
) -> hms::StorageDescriptor {
    let own = classes(entry.format);
    let class = |known: &Option<String>, own: &str| text(known.as_deref().unwrap_or(own));
    let location = locations.of_table(entry);
    let mut options = entry.storage.serde_parameters.clone();
    match entry.format {
        TableFormat::Csv => {
            let delimiter = options.entry(FIELD_DELIMITER.to_owned());
            let delimiter = delimiter.or_insert_with(|| ",".to_owned()).clone();
            options.insert("sep".to_owned(), delimiter.clone());
            options.insert(SERIALIZATION_FORMAT.to_owned(), delimiter);
            let lines = entry.properties.get(HEADER_LINES);
            let header = lines.is_some_and(|lines| lines != "0");
            options.insert("header".to_owned(), header.to_string());
        }
        _ => {
            options.insert(SERIALIZATION_FORMAT.to_owned(), "1".to_owned());
        }
    }
    // Where Spark and Trino look for a table that has a provider.
    if entry.format != TableFormat::Parquet || entry.properties.contains_key(spark::PROVIDER) {
        options.insert(PATH.to_owned(), location.clone());
    }
    hms::StorageDescriptor {
        cols: Some(columns_of(entry, facts)),
        location: Some(text(&location)),
        input_format: Some(class(&entry.storage.input_format, own.input)),
        output_format: Some(class(&entry.storage.output_format, own.output)),
        compressed: Some(false),
        num_buckets: Some(-1),
        serde_info: Some(hms::SerDeInfo {
            name: Some(text(&entry.name.table)),
            serialization_lib: Some(class(&entry.storage.serde, own.serde)),
            parameters: Some(parameters(&options)),
        }),
        bucket_cols: Some(Vec::new()),
        sort_cols: Some(Vec::new()),
        parameters: Some(parameters(&BTreeMap::new())),
        skewed_info: Some(hms::SkewedInfo {
            skewed_col_names: Some(Vec::new()),
            skewed_col_values: Some(Vec::new()),
            skewed_col_value_location_maps: Some(pilota::AHashMap::default()),
        }),
        stored_as_sub_directories: Some(false),
    }
}

/// Returns the columns without partition keys. A Delta table has no keys to Hive: its partition
/// columns are columns as any other.
fn columns_of(entry: &TableEntry, facts: Option<&TableFacts>) -> Vec<hms::FieldSchema> {
    let Some(facts) = facts else {
        return entry.columns.iter().map(field_schema).collect();
    };
    let columns = facts.schema.fields().iter().map(|field| {
        let name = field.name();
        let comment = entry.column_comments.get(name.as_str());
        field_schema(&Column {
            name: name.clone(),
            data_type: delta_type(field.data_type()),
            comment: comment.cloned(),
        })
    });
    columns.collect()
}

/// Returns the type that readers of Hive's types understand: they know one kind of timestamp, and
/// what they cannot know is text to them.
fn delta_type(data_type: &arrow::datatypes::DataType) -> String {
    hive_types::hive_type(data_type).map_or_else(
        || "string".to_owned(),
        |known| known.replace("timestamp with local time zone", "timestamp"),
    )
}

fn seconds(at: DateTime<Utc>) -> i32 {
    i32::try_from(at.timestamp()).unwrap_or(i32::MAX)
}

/// Returns the table that a client sent.
pub(in crate::hive_metastore) fn entry_from(
    fields: &Fields,
    locations: &Locations,
    now: DateTime<Utc>,
) -> Result<TableEntry> {
    let (name, database) = (arguments::text(fields, 1)?, arguments::database(fields, 2)?);
    let invalid = |error: lake::Error| Failure::Invalid(error.to_string());
    let name = TableName::new(&database, &name).map_err(invalid)?;
    let sent = fields.map(9);
    let kind = kind_from(&name, fields.text(12).as_deref(), &sent)?;
    if sent
        .get("table_type")
        .is_some_and(|kind| kind.eq_ignore_ascii_case("iceberg"))
    {
        return Err(Failure::Invalid(format!(
            "`{name}` is an Iceberg table, which this metastore does not keep"
        )));
    }
    let nothing = Fields::default();
    let storage = fields.fields(7).unwrap_or(&nothing);
    refuse_buckets(&name, storage)?;
    let serde = storage.fields(7).unwrap_or(&nothing);
    let mut options = serde.map(3);
    let path = options.remove(PATH);
    let format = format(
        sent.get(spark::PROVIDER).map(String::as_str),
        &serde.text(2).unwrap_or_default(),
        &storage.text(3).unwrap_or_default(),
        options.contains_key(FIELD_DELIMITER),
    )?;
    // Spark's own place for the location of what it reads by itself.
    let location = path.or_else(|| not_empty(storage.text(2)));
    let location = location
        .map(|location| locations.inward(&location))
        .transpose()?;
    let mut properties = sent.clone();
    if format == TableFormat::Csv {
        csv_options(&mut options, &mut properties);
    }
    options.remove(SERIALIZATION_FORMAT);
    let own = classes(format);
    let class = |sent: Option<FastStr>, own: &str| not_empty(sent).filter(|class| class != own);
    let mut entry = TableEntry {
        name,
        location: location.unwrap_or_default(),
        comment: sent.get(COMMENT).filter(|text| !text.is_empty()).cloned(),
        column_comments: BTreeMap::new(),
        properties: BTreeMap::new(),
        created_at: now,
        kind,
        format,
        owner: not_empty(fields.text(3)),
        columns: columns_from(storage, 1),
        partition_keys: columns_from(fields, 8),
        storage: StorageDescriptor {
            serde: class(serde.text(2), own.serde),
            input_format: class(storage.text(3), own.input),
            output_format: class(storage.text(4), own.output),
            serde_parameters: options,
        },
        statistics: statistics_from(&sent, now),
    };
    if format == TableFormat::Delta {
        entry.storage = StorageDescriptor::default();
        entry.statistics = None;
    }
    let derived = spark::properties(&entry, None);
    properties
        .retain(|key, value| !DERIVED.contains(&key.as_str()) && derived.get(key) != Some(value));
    if format == TableFormat::Delta {
        // The log says it, and Spark's copy would only grow old.
        properties.retain(|key, _| !key.starts_with("spark.sql.sources."));
        properties.remove("spark.sql.partitionProvider");
    }
    entry.properties = properties;
    Ok(entry)
}

fn kind_from(
    name: &TableName,
    table_type: Option<&str>,
    properties: &BTreeMap<String, String>,
) -> Result<TableKind> {
    let external = properties.get(EXTERNAL);
    match table_type {
        Some(EXTERNAL_TABLE) => Ok(TableKind::External),
        _ if external.is_some_and(|text| text.eq_ignore_ascii_case("true")) => {
            Ok(TableKind::External)
        }
        None | Some("" | MANAGED_TABLE) => Ok(TableKind::Managed),
        Some(other) => Err(Failure::Invalid(format!(
            "`{name}` cannot be a {other}: this metastore keeps tables only"
        ))),
    }
}

fn refuse_buckets(name: &TableName, storage: &Fields) -> Result<()> {
    let buckets = storage.texts(8).unwrap_or_default();
    if buckets.is_empty() {
        return Ok(());
    }
    Err(Failure::Invalid(format!(
        "`{name}` is bucketed by `{}`, which this metastore does not keep",
        buckets.join("`, `")
    )))
}

/// Takes Spark's options for what Hive calls otherwise.
fn csv_options(options: &mut BTreeMap<String, String>, properties: &mut BTreeMap<String, String>) {
    let separator = options.remove("sep");
    let delimiter = options.remove("delimiter").or(separator);
    if let Some(delimiter) = delimiter {
        options
            .entry(FIELD_DELIMITER.to_owned())
            .or_insert(delimiter);
    }
    if options.get(FIELD_DELIMITER).is_some_and(|text| text == ",") {
        options.remove(FIELD_DELIMITER);
    }
    let header = options.remove("header");
    if header.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        let lines = properties.entry(HEADER_LINES.to_owned());
        lines.or_insert_with(|| "1".to_owned());
    }
}

fn statistics_from(
    properties: &BTreeMap<String, String>,
    now: DateTime<Utc>,
) -> Option<TableStatistics> {
    let number = |key: &str| properties.get(key)?.parse::<u64>().ok();
    Some(TableStatistics {
        rows: number(ROWS),
        files: number(FILES)?,
        bytes: number(BYTES)?,
        collected_at: now,
    })
}

/// Checks what a client wants to change of a Delta table and returns its new entry: properties,
/// comments and the owner are the catalog's, everything else is the log's.
pub(in crate::hive_metastore) fn altered_delta(
    known: &TableEntry,
    sent: TableEntry,
    facts: Option<&TableFacts>,
    locations: &Locations,
) -> Result<TableEntry> {
    let name = &known.name;
    let refuse = |what: &str| {
        Err(Failure::Refused(format!(
            "{what} of Delta table `{name}` cannot be changed through the metastore; its log has them"
        )))
    };
    if sent.format != TableFormat::Delta || !sent.partition_keys.is_empty() {
        return refuse("format and partitions");
    }
    if !sent.location.is_empty() && !locations.same(&sent.location, &known.location) {
        return refuse("the location");
    }
    let delta = |properties: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        let of_delta = properties
            .iter()
            .filter(|(key, _)| key.starts_with("delta."));
        of_delta.map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    if delta(&sent.properties) != delta(&known.properties) {
        return refuse("properties `delta.…`");
    }
    let mut entry = TableEntry {
        comment: sent.comment,
        properties: sent.properties,
        owner: sent.owner,
        kind: sent.kind,
        ..known.clone()
    };
    let Some(facts) = facts.filter(|_| !is_placeholder(&sent.columns)) else {
        return Ok(entry);
    };
    let stored = columns_of(known, Some(facts));
    let same = stored.len() == sent.columns.len()
        && stored.iter().zip(&sent.columns).all(|(stored, sent)| {
            stored.name.as_deref() == Some(&sent.name)
                && stored.r#type.as_deref() == Some(&sent.data_type)
        });
    if !same {
        return refuse("columns");
    }
    let fields = facts.schema.fields().iter();
    entry.column_comments = fields
        .zip(sent.columns)
        .filter_map(|(field, column)| Some((field.name().clone(), column.comment?)))
        .collect();
    Ok(entry)
}

/// Returns whether these are no columns but what Spark registers for want of any.
fn is_placeholder(columns: &[Column]) -> bool {
    match columns {
        [] => true,
        [only] => only.name == "col" && only.data_type == "array<string>",
        _ => false,
    }
}

/// Returns a partition as clients see it: the table's storage, elsewhere.
pub(in crate::hive_metastore) fn partition_of(
    entry: &TableEntry,
    table: &hms::Table,
    partition: &Partition,
    locations: &Locations,
) -> hms::Partition {
    let location = locations.of_partition(entry, partition);
    let storage = table.sd.clone().map(|storage| hms::StorageDescriptor {
        location: Some(text(&location)),
        ..storage
    });
    let mut properties = partition.properties.clone();
    let created = partition.created_at.timestamp().to_string();
    properties.insert(CREATED.to_owned(), created);
    hms::Partition {
        values: Some(partition.values.iter().map(|value| text(value)).collect()),
        db_name: table.db_name.clone(),
        table_name: table.table_name.clone(),
        create_time: Some(seconds(partition.created_at)),
        last_access_time: Some(0),
        sd: storage,
        parameters: Some(parameters(&properties)),
        ..hms::Partition::default()
    }
}

/// Returns the partition that a client sent.
pub(in crate::hive_metastore) fn partition_from(
    entry: &TableEntry,
    fields: &Fields,
    locations: &Locations,
    now: DateTime<Utc>,
) -> Result<Partition> {
    let values = arguments::texts(fields, 1)?;
    let mut properties = fields.map(7);
    properties.remove(CREATED);
    let mut partition = Partition {
        values: values.iter().map(ToString::to_string).collect(),
        location: None,
        properties,
        created_at: now,
    };
    let sent = fields
        .fields(6)
        .and_then(|storage| not_empty(storage.text(2)));
    if let Some(sent) = sent {
        // In the folder of its name it needs no location, and moves with the table.
        if !locations.same(&sent, &locations.of_partition(entry, &partition)) {
            partition.location = Some(locations.inward(&sent)?);
        }
    }
    Ok(partition)
}
