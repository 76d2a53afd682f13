//! The files of others that `external_tables.slt` reads.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::object_store::ObjectStoreExt;
use datafusion::object_store::path::Path;
use datafusion::parquet::arrow::ArrowWriter;
use lake::Lake;

/// Puts them below `files/` of the lake.
pub(crate) async fn put(lake: &Lake) {
    let store = lake.storage().object_store();
    for (path, bytes) in all() {
        let path = Path::parse(format!("files/{path}")).unwrap();
        store.put(&path, bytes.into()).await.unwrap();
    }
}

fn all() -> Vec<(&'static str, Vec<u8>)> {
    // The writers had other letter case, narrower numbers, fewer columns or another order.
    let narrow = |carriers: Vec<&str>, delays: Vec<Option<i32>>| {
        parquet(vec![
            ("Carrier", Arc::new(StringArray::from(carriers))),
            ("Delay", Arc::new(Int32Array::from(delays))),
        ])
    };
    let wide = |carrier: &str, delay: i64, late: bool| {
        parquet(vec![
            ("late", Arc::new(BooleanArray::from(vec![late]))),
            ("unknown", Arc::new(Int64Array::from(vec![0]))),
            ("delay", Arc::new(Int64Array::from(vec![delay]))),
            ("carrier", Arc::new(StringArray::from(vec![carrier]))),
        ])
    };
    vec![
        (
            "flights/year=2013/month=1/a.parquet",
            narrow(vec!["AA", "UA"], vec![Some(10), None]),
        ),
        ("flights/year=2013/month=1/_SUCCESS", b"x".to_vec()),
        (
            "flights/year=2013/month=2/part-0",
            narrow(vec!["B6"], vec![Some(-3)]),
        ),
        ("flights/year=2014/month=1/c.parquet", wide("WN", 5, true)),
        (
            "flights/year=2014/month=__HIVE_DEFAULT_PARTITION__/d.parquet",
            wide("F9", 7, false),
        ),
        ("flights/_temporary/e.parquet", b"half".to_vec()),
        ("elsewhere/f.parquet", narrow(vec!["DL"], vec![Some(99)])),
        (
            "csv/a.csv",
            b"id;name;price;at\n1;\"one; two\";1.5;2013-01-01\n2;;;\n".to_vec(),
        ),
        ("text/000000_0", b"1\x01\"a\n2\x01\\N\n\\N\x01c\n".to_vec()),
        (
            "json/a.json",
            br#"{"id": 1, "tags": ["a", "b"], "place": {"lat": 40.6, "name": "JFK"}, "more": 1}
{"id": 2}
"#
            .to_vec(),
        ),
        ("zipped/a.csv.gz", b"\x1f\x8b".to_vec()),
    ]
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}
