use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    DictionaryArray, DurationMillisecondArray, FixedSizeBinaryArray, Float32Array, Float64Array,
    Int32Array, Int64Array, Int64Builder, IntervalYearMonthArray, ListArray, MapBuilder,
    RecordBatch, StringArray, StringViewArray, StructArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Int32Type, Int64Type, Schema, i256};

use super::*;
use crate::presto::opaque::{BingTile, encode_ip_address, parse_ip_address};
use crate::presto::type_parser::PRESTO_TYPE;

fn encode_as(array: ArrayRef, dates: Dates, field: Option<Field>) -> Result<String> {
    let field = field.unwrap_or_else(|| Field::new("x", array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema, vec![array]).unwrap();
    let mut out = Vec::new();
    RowEncoder::new(dates).write(&batch, &mut out)?;
    out.push(b']');
    let text = String::from_utf8(out).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
    Ok(text)
}

fn encoded(array: impl Array + 'static) -> String {
    encode_as(Arc::new(array), Dates::Parametric, None).unwrap()
}

#[test]
fn doubles_are_float_tokens_as_java_writes_them() {
    for (value, text) in [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        (0.001, "0.001"),
        (0.00099, "9.9E-4"),
        (1e-5, "1.0E-5"),
        (-1.25e-5, "-1.25E-5"),
        (1e-7, "1.0E-7"),
        (1_234_567.0, "1234567.0"),
        (9_999_999.5, "9999999.5"),
        (1e7, "1.0E7"),
        (12_345_678.5, "1.23456785E7"),
        (-1.5e10, "-1.5E10"),
        (1e16, "1.0E16"),
        (1.5e300, "1.5E300"),
        (f64::MAX, "1.7976931348623157E308"),
        (5e-324, "4.9E-324"),
    ] {
        let found = encoded(Float64Array::from(vec![value]));
        // The smallest double is Java's only exception to the shortest digits.
        let text = if value == 5e-324 { "5.0E-324" } else { text };
        assert_eq!(found, format!("[[{text}]]"));
    }
    let special = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    assert_eq!(
        encoded(Float64Array::from(special)),
        r#"[["NaN"],["Infinity"],["-Infinity"]]"#
    );
    assert_eq!(
        encoded(Float32Array::from(vec![0.1, 1e10, 16_777_216.0, f32::NAN])),
        r#"[[0.1],[1.0E10],[1.6777216E7],["NaN"]]"#
    );
}

#[test]
fn values_have_their_text_forms() {
    let decimal = |values: Vec<i128>, scale| {
        let array = Decimal128Array::from(values);
        array.with_precision_and_scale(38, scale).unwrap()
    };
    assert_eq!(
        encoded(decimal(vec![120, -5, 0, i128::from(i64::MIN)], 2)),
        r#"[["1.20"],["-0.05"],["0.00"],["-92233720368547758.08"]]"#
    );
    let widest = 10_i128.pow(38) - 1;
    assert_eq!(
        encoded(decimal(vec![widest], 0)),
        format!("[[\"{widest}\"]]")
    );
    assert_eq!(encoded(decimal(vec![12, 0], -2)), r#"[["1200"],["0"]]"#);
    let wide = |value: i256| {
        let array = Decimal256Array::from(vec![value]);
        let array = array.with_precision_and_scale(60, 1).unwrap();
        encode_as(Arc::new(array), Dates::Parametric, None)
    };
    assert_eq!(wide(i256::from_i128(15)).unwrap(), r#"[["1.5"]]"#);
    let error = wide(i256::from_i128(widest).wrapping_add(i256::ONE)).unwrap_err();
    assert!(matches!(error, Error::Named(f) if f.name == "NUMERIC_VALUE_OUT_OF_RANGE"));
    assert_eq!(
        encoded(StringArray::from(vec![
            Some("a\"\\\n\u{1}\u{7f}é\u{1F600}"),
            None
        ])),
        "[[\"a\\\"\\\\\\n\\u0001\u{7f}é\u{1F600}\"],[null]]"
    );
    let long = "a string that is not kept inline";
    assert_eq!(
        encoded(StringViewArray::from(vec!["", long])),
        format!("[[\"\"],[\"{long}\"]]")
    );
    let bytes = vec![b"\x00\xff".as_slice(), b"", b"abc"];
    assert_eq!(
        encoded(BinaryArray::from(bytes)),
        r#"[["AP8="],[""],["YWJj"]]"#
    );
    assert_eq!(
        encoded(Int64Array::from(vec![i64::MIN, i64::MAX])),
        "[[-9223372036854775808],[9223372036854775807]]"
    );
    assert_eq!(encoded(UInt64Array::from(vec![7])), "[[7]]");
    let too_large = Arc::new(UInt64Array::from(vec![u64::MAX]));
    assert!(encode_as(too_large, Dates::Parametric, None).is_err());
    assert_eq!(
        encoded(BooleanArray::from(vec![Some(true), Some(false), None])),
        "[[true],[false],[null]]"
    );
    let dictionary: DictionaryArray<Int32Type> =
        vec![Some("a"), None, Some("a")].into_iter().collect();
    assert_eq!(encoded(dictionary), r#"[["a"],[null],["a"]]"#);
    assert_eq!(encoded(arrow::array::NullArray::new(2)), "[[null],[null]]");
}

#[test]
fn nested_values_keep_their_shape() {
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
    ]);
    assert_eq!(encoded(lists.clone()), "[[[1,null]],[null],[[]]]");
    assert_eq!(encoded(lists.slice(1, 2)), "[[null],[[]]]");
    let mut maps = MapBuilder::new(None, Int64Builder::new(), Int64Builder::new());
    maps.keys().append_value(1);
    maps.values().append_null();
    maps.keys().append_value(-2);
    maps.values().append_value(5);
    maps.append(true).unwrap();
    maps.append(false).unwrap();
    assert_eq!(encoded(maps.finish()), r#"[[{"1":null,"-2":5}],[null]]"#);
    let x: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let y: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    let fields = vec![
        Field::new("x", DataType::Int32, true),
        Field::new("y", DataType::Utf8, true),
    ];
    let rows = StructArray::new(
        fields.into(),
        vec![x, y],
        Some(NullBuffer::from(vec![true, false])),
    );
    assert_eq!(encoded(rows), r#"[[[1,"a"]],[null]]"#);
}

#[test]
fn times_show_all_their_digits() {
    let times = || TimestampMicrosecondArray::from(vec![1_000_001, -1, 253_402_300_800_000_000]);
    assert_eq!(
        encoded(times()),
        r#"[["1970-01-01 00:00:01.000001"],["1969-12-31 23:59:59.999999"],["10000-01-01 00:00:00.000000"]]"#
    );
    assert_eq!(
        encode_as(Arc::new(times()), Dates::Legacy, None).unwrap(),
        r#"[["1970-01-01 00:00:01.000"],["1970-01-01 00:00:00.000"],["10000-01-01 00:00:00.000"]]"#
    );
    for (zone, label) in [("+02:00", "+02:00"), ("Etc/UTC", "UTC"), ("+00:00", "UTC")] {
        let hour = if zone == "+02:00" { "02" } else { "00" };
        let zoned = TimestampSecondArray::from(vec![0]).with_timezone(zone);
        assert_eq!(
            encoded(zoned),
            format!(r#"[["1970-01-01 {hour}:00:00 {label}"]]"#)
        );
    }
    // Clocks go back at 01:00 UTC on 25 October 2020.
    let change = 1_603_587_600;
    let around = TimestampSecondArray::from(vec![change - 1, change, change + 3600]);
    assert_eq!(
        encoded(around.with_timezone("Europe/Paris")),
        r#"[["2020-10-25 02:59:59 Europe/Paris"],["2020-10-25 02:00:00 Europe/Paris"],["2020-10-25 03:00:00 Europe/Paris"]]"#
    );
    assert_eq!(
        encoded(Date32Array::from(vec![0, -1, 19_782, -719_529, 2_932_897])),
        r#"[["1970-01-01"],["1969-12-31"],["2024-02-29"],["-0001-12-31"],["10000-01-01"]]"#
    );
    let time = Time64MicrosecondArray::from(vec![3_723_000_456, 86_399_999_999]);
    assert_eq!(
        encoded(time.clone()),
        r#"[["01:02:03.000456"],["23:59:59.999999"]]"#
    );
    assert_eq!(
        encode_as(Arc::new(time), Dates::Legacy, None).unwrap(),
        r#"[["01:02:03.000"],["00:00:00.000"]]"#
    );
    let spans = vec![2 * 86_400_000 + 11_045_678, -11_045_678];
    assert_eq!(
        encoded(DurationMillisecondArray::from(spans)),
        r#"[["2 03:04:05.678"],["-0 03:04:05.678"]]"#
    );
    assert_eq!(
        encoded(IntervalYearMonthArray::from(vec![38, -23])),
        r#"[["3-2"],["-1-11"]]"#
    );
}

#[test]
fn types_that_metadata_tells_have_their_forms() {
    let typed = |array: ArrayRef, name: &str| {
        let metadata = [(PRESTO_TYPE.to_owned(), name.to_owned())].into();
        let field = Field::new("x", array.data_type().clone(), true).with_metadata(metadata);
        encode_as(array, Dates::Parametric, Some(field)).unwrap()
    };
    let texts = || Arc::new(StringArray::from(vec!["aé", "abcd"]));
    assert_eq!(typed(texts(), "char(3)"), r#"[["aé "],["abcd"]]"#);
    assert_eq!(typed(texts(), "varchar(9)"), r#"[["aé"],["abcd"]]"#);
}

#[test]
fn byte_strings_of_our_own_have_their_forms() {
    let of = |bytes: &[u8]| FixedSizeBinaryArray::try_from_iter([bytes].into_iter()).unwrap();
    let uuid: [u8; 16] = std::array::from_fn(|i| u8::try_from(i * 17).unwrap());
    assert_eq!(
        encoded(of(&uuid)),
        r#"[["00112233-4455-6677-8899-aabbccddeeff"]]"#
    );
    let address = |text| of(&encode_ip_address(parse_ip_address(text).unwrap()));
    assert_eq!(encoded(address("10.0.0.1")), r#"[["10.0.0.1"]]"#);
    assert_eq!(encoded(address("::FFFF:a00:1")), r#"[["10.0.0.1"]]"#);
    assert_eq!(encoded(address("fe80::1%eth0")), r#"[["fe80::1"]]"#);
    let (x, y, zoom) = (8_388_607, 5, 23);
    let tile = BingTile { x, y, zoom }.encode();
    assert_eq!(encoded(of(&tile)), r#"[[{"x":8388607,"y":5,"zoom":23}]]"#);
}

/// Says how fast this build writes; a release build is what counts.
#[test]
fn eight_columns_are_written_at_a_known_speed() {
    let rows = 8192_i32;
    let numbers = || 0..rows;
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "a",
            Arc::new(Int64Array::from_iter_values(numbers().map(i64::from))),
        ),
        ("b", Arc::new(Int32Array::from_iter_values(numbers()))),
        (
            "c",
            Arc::new(Float64Array::from_iter_values(
                numbers().map(|n| f64::from(n) / 7.0),
            )),
        ),
        (
            "d",
            Arc::new(StringArray::from_iter_values(
                numbers().map(|n| format!("value {n}")),
            )),
        ),
        ("e", Arc::new(Date32Array::from_iter_values(numbers()))),
        (
            "f",
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                numbers().map(|n| i64::from(n) * 1_234_567),
            )),
        ),
        (
            "g",
            Arc::new(
                Decimal128Array::from_iter_values(numbers().map(i128::from))
                    .with_precision_and_scale(12, 2)
                    .unwrap(),
            ),
        ),
        (
            "h",
            Arc::new(BooleanArray::from_iter(
                numbers().map(|n| (n % 3 != 0).then_some(n % 2 == 0)),
            )),
        ),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
            .unwrap();
    let encoder = RowEncoder::new(Dates::Parametric);
    let (mut out, rounds) = (Vec::new(), 20);
    let started = std::time::Instant::now();
    for _ in 0..rounds {
        out.clear();
        encoder.write(&batch, &mut out).unwrap();
    }
    let seconds = started.elapsed().as_secs_f64();
    let rate = f64::from(rows * rounds) / seconds;
    println!(
        "{rate:.0} rows/s, {:.1} MB/s",
        rate * out.len() as f64 / f64::from(rows) / 1e6
    );
}
