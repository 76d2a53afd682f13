use super::*;
use crate::engine::frontend::{self, FrontStatement};

fn parsed(sql: &str) -> MetastoreStatement {
    match frontend::classify(sql).unwrap() {
        FrontStatement::Metastore(statement) => *statement,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn partitions_are_read_in_any_order_and_with_any_literal() {
    let sql = "alter table a.b add if not exists \
               partition (Day = -1, at = DATE '2013-01-01', x = NULL, y = true) location 's3://b/c', \
               partition (day = 2)";
    let MetastoreStatement::AddPartitions {
        partitions,
        if_not_exists,
        ..
    } = parsed(sql)
    else {
        panic!("{sql}")
    };
    assert!(if_not_exists);
    let value = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
    assert_eq!(
        partitions,
        [
            PartitionSpec {
                values: vec![
                    value("day", Some("-1")),
                    value("at", Some("2013-01-01")),
                    value("x", None),
                    value("y", Some("true")),
                ],
                location: Some("s3://b/c".to_owned()),
            },
            PartitionSpec {
                values: vec![value("day", Some("2"))],
                location: None,
            },
        ]
    );
}

#[test]
fn an_external_table_is_read_with_types_of_hive_and_of_presto() {
    let sql = "CREATE EXTERNAL TABLE IF NOT EXISTS s.t (
            a array<struct<x:int,y:array<string>>> COMMENT 'it''s', b timestamp(6), c decimal(10, 2),
            d map<string,array<date>>, e array(varchar), `F g` double)
        PARTITIONED BY (k varchar(3)) COMMENT 'things'
        ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' NULL DEFINED AS 'none'
        LOCATION '/data/t' STORED AS TEXTFILE TBLPROPERTIES ('a' = 'b', c = 1)";
    let MetastoreStatement::CreateExternalTable(table) = parsed(sql) else {
        panic!("{sql}")
    };
    let types: Vec<(&str, &str)> = table
        .columns
        .iter()
        .chain(&table.partition_keys)
        .map(|column| (column.name.as_str(), column.data_type.as_str()))
        .collect();
    assert_eq!(
        types,
        [
            ("a", "array<struct<x:int,y:array<string>>>"),
            ("b", "timestamp"),
            ("c", "decimal(10,2)"),
            ("d", "map<string,array<date>>"),
            ("e", "array<string>"),
            ("f g", "double"),
            ("k", "string"),
        ]
    );
    assert_eq!(table.columns[0].comment.as_deref(), Some("it's"));
    assert!(table.if_not_exists && table.storage.is_plain_text());
    let parameters: Vec<(&str, &str)> = table
        .storage
        .serde_parameters
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        parameters,
        [("field.delim", "|"), ("serialization.null.format", "none")]
    );
    assert_eq!(table.location, "/data/t");
    assert_eq!(table.properties.len(), 2);
}

#[test]
fn other_statements_are_left_to_the_parser() {
    for sql in [
        "ALTER TABLE t ADD COLUMN a int",
        "ALTER TABLE t DROP COLUMN a",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 1)",
        "CREATE SCHEMA AUTHORIZATION joe",
        "CREATE TABLE t (a int)",
        "SHOW TABLES",
    ] {
        assert_eq!(
            frontend::classify(sql).unwrap(),
            FrontStatement::Sql,
            "{sql}"
        );
    }
}

#[test]
fn what_is_malformed_is_named() {
    for sql in [
        "MSCK TABLE t",
        "MSCK REPAIR TABLE t SYNC",
        "UNDROP t",
        "SHOW PARTITIONS",
        "ALTER TABLE t ADD PARTITION (a > 1)",
        "CREATE SCHEMA s WITH location = 'x'",
        "CREATE EXTERNAL TABLE t (a int) LOCATION 'x' STORED AS ORC",
        "CREATE EXTERNAL TABLE t (a int) STORED AS PARQUET",
    ] {
        let refused = frontend::classify(sql);
        assert!(
            matches!(refused, Err(Error::Syntax { .. })),
            "{sql}: {refused:?}"
        );
    }
}
