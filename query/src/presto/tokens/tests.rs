use lake::AsOf;

use super::*;
use crate::presto::sql_json::table::Table;

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
    for sql in ["9223372036854775808", "0b2", "1x", "GEOMETRY 'POINT (1 2)'"] {
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
fn sql_json_calls_become_plain_ones() {
    for (sql, expected) in [
        (
            "json_exists(j, 'lax $')",
            r#""$json_exists" ( j , 'lax $' , '{"input":"json","on_error":"false"}' )"#,
        ),
        (
            "json_query(j FORMAT JSON ENCODING UTF8, 'lax $' RETURNING varchar(5) WITH ARRAY WRAPPER EMPTY ARRAY ON ERROR)",
            r#""$json_query" ( j , 'lax $' , '{"input":"utf8","wrapper":"unconditional","on_error":"empty_array"}' , CAST ( NULL AS varchar ( 5 ) ) )"#,
        ),
        (
            "json_value(j, 'lax $X + $y' PASSING a + 1 AS x, b FORMAT JSON AS \"y\" RETURNING timestamp(3) with time zone DEFAULT f(a) ON EMPTY)",
            r#""$json_value" ( j , 'lax $X + $y' , '{"input":"json","names":["X","y"],"formats":["sql","json"],"on_empty":"default"}' , CAST ( NULL AS timestamp ( 3 ) with time zone ) , f ( a ) , NULL , a + 1 , b )"#,
        ),
        (
            "json_object(KEY a VALUE b, f(c) : (json_array(1, 2 NULL ON NULL)) ABSENT ON NULL WITH UNIQUE KEYS)",
            r#""$json_object" ( '{"formats":["sql","json"],"nulls":"absent","keys":"unique"}' , CAST ( NULL AS VARCHAR ) , a , b , f ( c ) , ( "$json_array" ( '{"formats":["sql","sql"]}' , CAST ( NULL AS VARCHAR ) , 1 , 2 ) ) )"#,
        ),
        (
            "json_array(RETURNING varbinary FORMAT JSON ENCODING UTF16)",
            r#""$json_array" ( '{"output":"utf16","nulls":"absent"}' , CAST ( NULL AS varbinary ) )"#,
        ),
        ("SELECT json_value FROM t", "SELECT json_value FROM t"),
    ] {
        assert_eq!(rewritten(sql), expected, "{sql}");
    }
}

#[test]
fn a_json_table_becomes_unnest() {
    for (sql, expected) in [
        (
            "JSON_TABLE(j, 'lax $' PASSING f(x) AS x COLUMNS (a varchar(5) DEFAULT y ON ERROR)) AS t",
            r#"UNNEST ( "$json_table" ( j , '{"search":{"input":"json","names":["X"],"formats":["sql"]},"columns":[{"name":"A","source":{"value":{"path":"lax $.\"A\"","clauses":{"on_error":"default"}}}}],"rows":{"path":"lax $","columns":[0]}}' , CAST ( NULL AS varchar ( 5 ) ) , NULL , y , f ( x ) ) ) AS t"#,
        ),
        (
            "JSON_TABLE(j, 'lax $' AS p COLUMNS (NESTED 'lax $.b' AS q COLUMNS (o FOR ORDINALITY)) PLAN (p INNER q))",
            r#"UNNEST ( "$json_table" ( j , '{"search":{"input":"json"},"columns":[{"name":"O","source":"ordinality"}],"rows":{"path":"lax $","columns":[],"nested":{"path":{"path":"lax $.b","columns":[0]}},"childless":"dropped"}}' ) )"#,
        ),
    ] {
        assert_eq!(rewritten(sql), expected, "{sql}");
    }
}

#[test]
fn what_is_nested_deeply_is_refused() {
    let nested = "NESTED 'lax $' COLUMNS (".repeat(5_000) + "a bigint" + &")".repeat(5_000);
    assert!(read(&format!("JSON_TABLE(j, 'lax $' COLUMNS ({nested}))")).is_err());
    let plan = "(".repeat(5_000) + "p" + &")".repeat(5_000);
    assert!(
        read(&format!(
            "JSON_TABLE(j, 'lax $' AS p COLUMNS (a bigint) PLAN {plan})"
        ))
        .is_err()
    );
}

#[test]
fn the_deepest_json_table_is_read_again() {
    let (mut columns, mut plan) = ("x FOR ORDINALITY".to_owned(), "p0".to_owned());
    for level in 0..24 {
        columns = format!(
            "NESTED 'lax $' AS p{level} COLUMNS ({columns}), \
             NESTED 'lax $' AS q{level} COLUMNS (o{level} FOR ORDINALITY)"
        );
        plan = format!("p{} OUTER ({plan} UNION q{level})", level + 1);
        if level < 23 {
            plan = format!("({plan})");
        }
    }
    let table = rewritten(&format!(
        "JSON_TABLE(j, 'lax $' AS p24 COLUMNS ({columns}) PLAN ({plan}))"
    ));
    let text = table.split('\'').nth(1).unwrap();
    assert!(Table::decode(text).is_some(), "{table}");
}

#[test]
fn what_is_wrong_with_a_sql_json_call_has_a_place() {
    for (sql, expected) in [
        (
            "json_value('{}')",
            "line 1:16: mismatched input ')'. Expecting: ','",
        ),
        (
            "json_value('{}', p)",
            "line 1:18: mismatched input 'p'. Expecting: <string>",
        ),
        (
            "json_value('{}', 'lax $' NULL)",
            "line 1:30: mismatched input ')'. Expecting: 'ON'",
        ),
        (
            "json_value('{}', 'lax $' NULL ON FOO)",
            "line 1:34: mismatched input 'FOO'. Expecting: 'EMPTY', 'ERROR'",
        ),
        (
            "json_value('{}', 'lax $' ERROR ON ERROR NULL ON EMPTY)",
            "line 1:41: mismatched input 'NULL'. Expecting: ')'",
        ),
        (
            "json_value('{}', 'lax $' RETURNING)",
            "line 1:35: mismatched input ')'. Expecting: <type>",
        ),
        (
            "json_exists('{}', 'lax $' ERROR ON EMPTY)",
            "line 1:36: mismatched input 'EMPTY'. Expecting: 'ERROR'",
        ),
        (
            "json_query('{}', 'lax $' EMPTY ON ERROR)",
            "line 1:32: mismatched input 'ON'. Expecting: 'ARRAY', 'OBJECT'",
        ),
        (
            "json_object('a')",
            "line 1:16: mismatched input ')'. Expecting: 'VALUE'",
        ),
        (
            "json_object('a' :)",
            "line 1:18: mismatched input ')'. Expecting: <expression>",
        ),
        (
            "json_array(1,)",
            "line 1:14: mismatched input ')'. Expecting: <expression>",
        ),
        (
            "json_value('1', 'lax a')",
            "line 1:22: mismatched input 'a'",
        ),
        (
            "json_value('1', 'lax\n $..*')",
            "line 2:5: mismatched input '*'. Expecting: <identifier>, <string>",
        ),
        (
            "json_value('1', 'lax $.datetime()')",
            "line 1:17: datetime method in JSON path is not yet supported",
        ),
        (
            "json_value('1', 'lax $x' PASSING 1 AS x)",
            "line 1:17: no value passed for parameter x. Try quoting",
        ),
        (
            "json_value('1', 'lax $' PASSING 1 AS x, 2 AS X)",
            "line 1:46: X JSON path parameter is specified more than once",
        ),
        (
            "json_query('1', 'lax $' WITH WRAPPER OMIT QUOTES)",
            "line 1:1: OMIT QUOTES behavior specified",
        ),
        (
            "JSON_TABLE('1', 'lax $' COLUMNS (a bigint, a FOR ORDINALITY))",
            "line 1:44: All column and path names in JSON_TABLE invocation must be unique",
        ),
        (
            "JSON_TABLE('1', 'lax $' COLUMNS (a bigint) PLAN (p, q))",
            "line 1:51: mismatched input ','. Expecting: ')'",
        ),
        (
            "json_value('1', 'lax $' AS p)",
            "line 1:28: JSON path name is not allowed in JSON_VALUE function",
        ),
    ] {
        let error = crate::trino::TrinoError::of(&read(sql).unwrap_err()).message;
        assert!(
            error.starts_with(expected),
            "{sql}\n  {expected}\n  {error}"
        );
    }
    let nested = format!("{}1{}", "json_array(".repeat(5_000), ")".repeat(5_000));
    assert!(read(&nested).is_err());
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
