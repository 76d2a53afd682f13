use std::sync::Arc;

use bytes::BytesMut;
use chrono::DateTime;
use lake::{
    Lake, Partition, StorageConfig, StorageDescriptor, TableEntry, TableFormat, TableKind,
    TableName,
};
use pilota::thrift::Message;
use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::*;
use crate::hive_metastore::reply::Output;
use crate::hive_metastore::wire::{Fields, Input, VERSION_1};

async fn locations() -> Locations {
    let lake = Lake::open(&StorageConfig::for_url("memory://"))
        .await
        .unwrap();
    Locations::new(lake.storage(), "s3a")
}

/// Sends a structure through the wire, as the only argument of a call.
async fn received<T: Message>(sent: &T) -> Fields {
    let mut message = BytesMut::new();
    message.extend_from_slice(&(VERSION_1 | 1).to_be_bytes());
    message.extend_from_slice(&[0, 0, 0, 1, b'm', 0, 0, 0, 1, 12, 0, 1]);
    sent.encode(&mut Output::new(&mut message, false)).unwrap();
    message.extend_from_slice(&[0]);
    let mut input = Input::new(message.as_ref(), 1 << 20, Arc::new(Semaphore::new(1)));
    input.header().await.unwrap();
    let arguments = input.arguments().await.unwrap();
    arguments.fields(1).unwrap().clone()
}

fn entry(format: TableFormat) -> TableEntry {
    let columns = vec![
        Column::new("id", "bigint"),
        Column {
            comment: Some("who".to_owned()),
            ..Column::new("name", "string")
        },
    ];
    let name = TableName::new("flights", "planes").unwrap();
    let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    TableEntry::external(name, "raw/planes", format, columns, at)
}

async fn round_trip(entry: &TableEntry) -> TableEntry {
    let locations = locations().await;
    let table = table_of(entry, None, &locations);
    let sent = received(&table).await;
    entry_from(&sent, &locations, entry.created_at).unwrap()
}

#[tokio::test]
async fn tables_come_back_as_they_went_out() {
    for format in [TableFormat::Parquet, TableFormat::Csv, TableFormat::Json] {
        let mut entry = entry(format);
        assert_eq!(round_trip(&entry).await, entry, "{format}");
        entry.kind = TableKind::Managed;
        entry.comment = Some("planes".to_owned());
        entry.owner = Some("me".to_owned());
        entry.partition_keys = vec![Column::new("year", "int")];
        entry.properties = [("a".to_owned(), "b".to_owned())].into();
        entry.statistics = Some(lake::TableStatistics {
            rows: Some(3),
            files: 2,
            bytes: 100,
            collected_at: entry.created_at,
        });
        entry.storage = StorageDescriptor {
            serde_parameters: [("x".to_owned(), "y".to_owned())].into(),
            ..StorageDescriptor::default()
        };
        if format == TableFormat::Csv {
            let tab = ("field.delim".to_owned(), "\t".to_owned());
            entry.storage.serde_parameters.extend([tab]);
        }
        assert_eq!(round_trip(&entry).await, entry, "{format}");
    }
}

#[tokio::test]
async fn what_the_metastore_cannot_keep_is_refused() {
    let locations = locations().await;
    let table = table_of(&entry(TableFormat::Parquet), None, &locations);
    let property = |key: &str, value: &str| {
        let mut table = table.clone();
        let parameters = table.parameters.get_or_insert_default();
        parameters.insert(FastStr::new(key), FastStr::new(value));
        table
    };
    let mut view = table.clone();
    view.table_type = Some(FastStr::new("VIRTUAL_VIEW"));
    view.parameters = None;
    let mut orc = table.clone();
    let storage = orc.sd.get_or_insert_default();
    storage.serde_info.get_or_insert_default().serialization_lib =
        Some(FastStr::new("org.apache.hadoop.hive.ql.io.orc.OrcSerde"));
    let mut bucketed = table.clone();
    bucketed.sd.get_or_insert_default().bucket_cols = Some(vec![FastStr::new("id")]);
    let refused = [
        view,
        orc,
        bucketed,
        property("table_type", "ICEBERG"),
        property("spark.sql.sources.provider", "orc"),
    ];
    for table in refused {
        let sent = received(&table).await;
        let error = entry_from(&sent, &locations, DateTime::UNIX_EPOCH).unwrap_err();
        assert!(
            matches!(error, super::super::failure::Failure::Invalid(_)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn spark_options_of_csv_become_those_of_hive() {
    let locations = locations().await;
    let mut table = table_of(&entry(TableFormat::Csv), None, &locations);
    let storage = table.sd.get_or_insert_default();
    let options = storage
        .serde_info
        .get_or_insert_default()
        .parameters
        .get_or_insert_default();
    options.clear();
    options.insert(FastStr::new("sep"), FastStr::new(";"));
    options.insert(FastStr::new("header"), FastStr::new("true"));
    options.insert(FastStr::new("path"), FastStr::new("s3a://bucket/a b"));
    let received = received(&table).await;
    let back = entry_from(&received, &locations, DateTime::UNIX_EPOCH).unwrap();
    assert_eq!(back.location, "s3://bucket/a%20b");
    assert_eq!(back.storage.serde_parameters["field.delim"], ";");
    assert_eq!(back.properties["skip.header.line.count"], "1");
}

#[tokio::test]
async fn partitions_come_back_as_they_went_out() {
    let locations = locations().await;
    let mut entry = entry(TableFormat::Parquet);
    entry.partition_keys = vec![Column::new("place", "string")];
    let table = table_of(&entry, None, &locations);
    let mut partition = Partition::new(vec!["a/b c".to_owned()], entry.created_at);
    for elsewhere in [
        None,
        Some("s3://bucket/x%25y".to_owned()),
        Some("other place".to_owned()),
    ] {
        partition.location = elsewhere;
        let sent = received(&partition_of(&entry, &table, &partition, &locations)).await;
        let back = partition_from(&entry, &sent, &locations, entry.created_at).unwrap();
        assert_eq!(back, partition);
    }
    partition.location = None;
    let sent = partition_of(&entry, &table, &partition, &locations);
    let location = sent.sd.unwrap().location.unwrap();
    assert!(location.ends_with("raw/planes/place=a%2Fb c"), "{location}");
}

proptest! {
    #[test]
    fn locations_round_trip(path in "[a-zA-Z0-9 %=#?ü+&._-]{1,20}(/[a-z0-9 %]{1,8}){0,3}") {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let locations = runtime.block_on(locations());
        for hadoop in [format!("s3a://bucket/{path}"), format!("file:///{path}")] {
            let inward = locations.inward(&hadoop).unwrap();
            let again = locations.inward(&locations.outward(&inward)).unwrap();
            prop_assert_eq!(&again, &inward);
            prop_assert_eq!(locations.outward(&inward), hadoop.trim_end_matches('/'));
        }
    }
}

#[tokio::test]
async fn one_place_has_one_location_however_it_is_written() {
    let locations = locations().await;
    for text in ["/a/b", "file:/a/b", "file:///a/b/", "file://localhost/a/b"] {
        assert_eq!(locations.inward(text).unwrap(), "file:///a/b", "{text}");
    }
    for text in ["a/b", ""] {
        assert!(locations.inward(text).is_err(), "{text}");
    }
}
