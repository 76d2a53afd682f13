use super::*;

#[test]
fn types_are_read_and_written() {
    let cases = [
        ("BIGINT", "bigint"),
        ("double precision", "double"),
        ("decimal(10, 2)", "decimal(10,2)"),
        ("DECIMAL", "decimal(38,0)"),
        ("varchar", "varchar"),
        ("varchar(3)", "varchar(3)"),
        ("char", "char(1)"),
        ("timestamp", "timestamp(3)"),
        ("timestamp(6) with time zone", "timestamp(6) with time zone"),
        ("time(0)", "time(0)"),
        ("json", "json"),
        ("uuid", "uuid"),
        ("TDigest", "tdigest"),
        ("hyperloglog", "HyperLogLog"),
        ("array(qdigest(double))", "array(qdigest(double))"),
        ("interval day to second", "interval day to second"),
        ("interval year to month", "interval year to month"),
        ("ARRAY<ARRAY<INT>>", "array(array(integer))"),
        ("array(varchar(3))", "array(varchar(3))"),
        ("map(varchar, decimal(10,2))", "map(varchar, decimal(10,2))"),
        (
            "row(a integer, b array(varchar(3)))",
            "row(a integer, b array(varchar(3)))",
        ),
        ("row(integer, double precision)", "row(integer, double)"),
        ("row(\"A b\" json)", "row(\"A b\" json)"),
        (
            "STRUCT<x INT, y STRUCT<z DATE>>",
            "row(x integer, y row(z date))",
        ),
    ];
    for (text, expected) in cases {
        let field = parse_type(text, "UTC").unwrap();
        assert_eq!(field_type_name(&field), expected, "{text}");
    }
}

#[test]
fn what_is_no_type_is_named() {
    let cases = [
        ("foo", "TYPE_NOT_FOUND"),
        ("timestamp(13)", "TYPE_NOT_FOUND"),
        ("timestamp(12)", "NOT_SUPPORTED"),
        ("p4hyperloglog", "NOT_SUPPORTED"),
        ("qdigest(varchar)", "NOT_SUPPORTED"),
        ("qdigest", "TYPE_NOT_FOUND"),
        ("decimal(39,0)", "INVALID_FUNCTION_ARGUMENT"),
        ("decimal(5,6)", "INVALID_FUNCTION_ARGUMENT"),
        ("array(", "TYPE_NOT_FOUND"),
        ("", "TYPE_NOT_FOUND"),
    ];
    for (text, expected) in cases {
        assert_eq!(
            parse_type(text, "UTC").unwrap_err().name,
            expected,
            "{text}"
        );
    }
}
