use lake::AsOf;

use super::*;

fn rewritten(sql: &str) -> String {
    let texts: Vec<String> = read(sql)
        .unwrap()
        .tokens
        .iter()
        .map(|token| token.token.to_string())
        .collect();
    texts.join(" ")
}

#[test]
fn literals_keep_their_types() {
    for (sql, expected) in [
        ("1e3, 1.5, '1e3'", "CAST ( '1e3' AS DOUBLE ) , 1.5 , '1e3'"),
        ("DECIMAL '1.20'", "CAST ( '1.20' AS DECIMAL ( 3 , 2 ) )"),
        ("DECIMAL '-05'", "CAST ( '-05' AS DECIMAL ( 1 , 0 ) )"),
        (
            "0x1F, X'1f', 1_000, 0b101, 0o17",
            "31 , X'1f' , 1000 , 5 , 15",
        ),
        (r"U&'\0041', U&'#0042##' UESCAPE '#'", "'A' , 'B#'"),
        ("-9223372036854775808", "- 9223372036854775808"),
        ("a.\"B\"", "a . \"b\""),
    ] {
        assert_eq!(rewritten(sql), expected, "{sql}");
    }
    for sql in ["9223372036854775808", "0b2", "1x", "IPADDRESS '::1'"] {
        assert!(read(sql).is_err(), "{sql}");
    }
}

#[test]
fn types_and_calls_are_what_the_parser_expects() {
    for (sql, expected) in [
        (
            "CAST(x AS ROW(a ARRAY(varchar(2)), b int))",
            "CAST ( x AS presto_type ( 'ROW ( a ARRAY ( varchar ( 2 ) ) , b int )' ) )",
        ),
        (
            "CREATE TABLE t (x ARRAY(ARRAY(varchar(2))))",
            "CREATE TABLE t ( x ARRAY < ARRAY < varchar ( 2 ) > > )",
        ),
        ("trim(LEADING FROM s)", "trim ( LEADING ' ' FROM s )"),
        ("normalize(f(s), nfd)", "normalize ( f ( s ) , 'NFD' )"),
        ("ARRAY[1]", "ARRAY [ 1 ]"),
    ] {
        assert_eq!(rewritten(sql), expected, "{sql}");
    }
}

#[test]
fn queries_begin_with_select() {
    for (sql, expected) in [
        ("TABLE t", "SELECT * FROM t"),
        ("INSERT INTO t TABLE s", "INSERT INTO t SELECT * FROM s"),
        ("CREATE TABLE t (a int)", "CREATE TABLE t ( a int )"),
        ("FROM TABLE(f(1))", "FROM TABLE ( f ( 1 ) )"),
        (
            "VALUES 1, f(2, 3) ORDER BY 1",
            "VALUES ( 1 ) , ( f ( 2 , 3 ) ) ORDER BY 1",
        ),
        ("VALUES (1, 2), ROW(3, 4)", "VALUES ( 1 , 2 ) , ( 3 , 4 )"),
        (
            "x IN (VALUES (1) + 1, 2)",
            "x IN ( VALUES ( ( 1 ) + 1 ) , ( 2 ) )",
        ),
        ("OFFSET 2 FETCH FIRST 5 ROWS ONLY", "OFFSET 2 LIMIT 5"),
        ("FETCH NEXT ROW ONLY", "LIMIT 1"),
        (
            "x > ALL (VALUES 1)",
            "x > ALL ( SELECT * FROM ( VALUES ( 1 ) ) )",
        ),
    ] {
        assert_eq!(rewritten(sql), expected, "{sql}");
    }
}

#[test]
fn a_version_moves_into_the_name() {
    assert_eq!(
        rewritten("FROM lake.flights.Flights FOR VERSION AS OF 3 f JOIN b"),
        "FROM lake . flights . \"flights@v3\" f JOIN b"
    );
    assert!(matches!(
        split_name("flights@v3"),
        Ok(("flights", AsOf::Version(3)))
    ));
    assert_eq!(
        rewritten("FROM t FOR TIMESTAMP AS OF TIMESTAMP '1970-01-01 00:00:01 UTC'"),
        "FROM \"t@t1000000\""
    );
    assert_eq!(
        rewritten("SELECT 'x FOR VERSION AS OF 3'"),
        "SELECT 'x FOR VERSION AS OF 3'"
    );
}

#[test]
fn a_version_that_is_not_understood_is_an_error() {
    for sql in [
        "SELECT * FROM t FOR VERSION AS OF latest",
        "SELECT * FROM t FOR TIMESTAMP AS OF now()",
        "SELECT * FROM (SELECT 1) FOR VERSION AS OF 1",
    ] {
        assert!(read(sql).is_err(), "{sql}");
    }
}

#[test]
fn tokens_keep_their_places() {
    let source = read("SELECT\n  1e3 x").unwrap();
    let last = source.tokens.last().unwrap();
    assert_eq!((last.span.start.line, last.span.start.column), (2, 7));
}

proptest::proptest! {
    #[test]
    fn any_text_has_tokens_or_an_error(sql in ".{0,200}") {
        drop(read(&sql));
    }

    #[test]
    fn any_words_have_tokens_or_an_error(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "VALUES", "TABLE", "(", ")", ",", "1", "FETCH", "FIRST", "ROWS", "ONLY", "ARRAY", "trim", "LEADING",
                "FROM", "FOR", "VERSION", "AS", "OF", "ROW", "0b1", "1e", "normalize", "[", "]", "INSERT", "t",
            ]),
            0..30,
        )
    ) {
        drop(read(&words.join(" ")));
    }
}
