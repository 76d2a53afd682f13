use crate::presto::functions::shared::check;

#[tokio::test]
async fn ranks_are_bigints() {
    check(&[
        ("SELECT row_number() OVER (ORDER BY x), rank() OVER (ORDER BY x), dense_rank() OVER (ORDER BY x), ntile(2) OVER (ORDER BY x), percent_rank() OVER (ORDER BY x), cume_dist() OVER (ORDER BY x) FROM (VALUES (1), (1), (3)) AS t(x) ORDER BY 1", "1 | 1 | 1 | 1 | 0.0 | 0.6666666666666666; 2 | 1 | 1 | 1 | 0.0 | 0.6666666666666666; 3 | 3 | 2 | 2 | 1.0 | 1.0 :: bigint | bigint | bigint | bigint | double | double"),
        ("SELECT ntile(0) OVER (ORDER BY x) FROM (VALUES (1)) AS t(x)", "INVALID_FUNCTION_ARGUMENT: Buckets must be greater than 0"),
        ("SELECT ntile(NULL) OVER (ORDER BY x) FROM (VALUES (1), (2)) AS t(x)", "NULL; NULL :: bigint"),
        ("SELECT x FROM (SELECT x, row_number() OVER (ORDER BY x DESC) AS n FROM (VALUES (1), (5), (3)) AS t(x)) WHERE n <= 2 ORDER BY x", "3; 5 :: bigint"),
    ])
    .await;
}

#[tokio::test]
async fn shifts_need_an_order() {
    check(&[(
        "SELECT lag(x) OVER () FROM (VALUES (1)) AS t(x)",
        "MISSING_ORDER_BY: lag function requires an ORDER BY window clause",
    )])
    .await;
}

#[tokio::test]
async fn rows_look_at_others() {
    check(&[
        ("SELECT lag(x) OVER (ORDER BY x), lag(x,2) OVER (ORDER BY x), lag(x,1,99) OVER (ORDER BY x), lead(x,0) OVER (ORDER BY x), lead(x,1,-1) OVER (ORDER BY x) FROM (VALUES (1), (2), (3)) AS t(x) ORDER BY x", "NULL | NULL | 99 | 1 | 2; 1 | NULL | 1 | 2 | 3; 2 | 1 | 2 | 3 | -1 :: bigint | bigint | bigint | bigint | bigint"),
        ("SELECT lag(x,-1) OVER (ORDER BY x) FROM (VALUES (1)) AS t(x)", "INVALID_FUNCTION_ARGUMENT: Offset must be at least 0"),
        ("SELECT lag(x,NULL) OVER (ORDER BY x) FROM (VALUES (1)) AS t(x)", "INVALID_FUNCTION_ARGUMENT: Offset must not be null"),
        ("SELECT lag(x,y) OVER (ORDER BY x), lag(x,1,y) OVER (ORDER BY x), lead(x,y,y*10) OVER (ORDER BY x) FROM (VALUES (1,0), (2,1), (3,2)) AS t(x,y) ORDER BY x", "1 | 0 | 1; 1 | 1 | 3; 1 | 2 | 20 :: bigint | bigint | bigint"),
        ("SELECT lag(x) IGNORE NULLS OVER (ORDER BY y), lead(x) IGNORE NULLS OVER (ORDER BY y), first_value(x) IGNORE NULLS OVER (ORDER BY y), last_value(x) IGNORE NULLS OVER (ORDER BY y), nth_value(x,2) IGNORE NULLS OVER (ORDER BY y) FROM (VALUES (1,1), (NULL,2), (3,3)) AS t(x,y) ORDER BY y", "NULL | 3 | 1 | 1 | NULL; 1 | 3 | 1 | 1 | NULL; 1 | NULL | 1 | 3 | 3 :: bigint | bigint | bigint | bigint | bigint"),
        ("SELECT nth_value(x,0) OVER (ORDER BY x) FROM (VALUES (1)) AS t(x)", "INVALID_FUNCTION_ARGUMENT: Offset must be at least 1"),
        ("SELECT nth_value(x,NULL) OVER (ORDER BY x) FROM (VALUES (1), (2)) AS t(x)", "NULL; NULL :: bigint"),
        ("SELECT nth_value(x,2) OVER (ORDER BY x) FROM (VALUES (1), (2)) AS t(x) ORDER BY x", "NULL; 2 :: bigint"),
    ])
    .await;
}
