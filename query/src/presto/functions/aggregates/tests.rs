use crate::presto::functions::shared::check;

#[tokio::test]
async fn sums_and_averages_have_the_types_of_presto() {
    check(&[
        ("SELECT sum(x), avg(x), sum(DISTINCT x), avg(DISTINCT x) FROM (VALUES (1), (2), (2), (NULL)) AS t(x)", "5 | 1.6666666666666667 | 3 | 1.5 :: bigint | double | bigint | double"),
        ("SELECT sum(x) FROM (VALUES (9223372036854775807), (1)) AS t(x)", "NUMERIC_VALUE_OUT_OF_RANGE: bigint addition overflow"),
        ("SELECT g, sum(x) FROM (VALUES (1, 9223372036854775807), (1, 1)) AS t(g, x) GROUP BY g", "NUMERIC_VALUE_OUT_OF_RANGE: bigint addition overflow"),
        ("SELECT sum(x) FROM (VALUES (9223372036854775807), (-9223372036854775807)) AS t(x)", "0 :: bigint"),
        ("SELECT sum(x), avg(x) FROM (VALUES (1.25), (1.26), (NULL)) AS t(x)", "2.51 | 1.26 :: decimal(38,2) | decimal(3,2)"),
        ("SELECT avg(x), avg(-x) FROM (VALUES (1.0), (1.1)) AS t(x)", "1.1 | -1.1 :: decimal(2,1) | decimal(2,1)"),
        ("SELECT g, sum(x), avg(x) FROM (VALUES ('a', 1.0), ('b', NULL), ('a', 1.1)) AS t(g, x) GROUP BY g ORDER BY g", "a | 2.1 | 1.1; b | NULL | NULL :: varchar | decimal(38,1) | decimal(2,1)"),
        ("SELECT sum(x) FROM (VALUES (CAST('99999999999999999999999999999999999999' AS decimal(38,0))), (CAST(1 AS decimal(38,0)))) AS t(x)", "NUMERIC_VALUE_OUT_OF_RANGE: Decimal overflow"),
        ("SELECT avg(x) FROM (VALUES (CAST('99999999999999999999999999999999999999' AS decimal(38,0))), (CAST(1 AS decimal(38,0)))) AS t(x)", "50000000000000000000000000000000000000 :: decimal(38,0)"),
        ("SELECT sum(x), avg(x) FROM (VALUES (CAST(1.5 AS real)), (CAST(2.5 AS real))) AS t(x)", "4.0 | 2.0 :: real | real"),
        ("SELECT g, sum(x), avg(x) FROM (VALUES (1, CAST(1.5 AS real)), (1, CAST(2.5 AS real))) AS t(g, x) GROUP BY g", "1 | 4.0 | 2.0 :: bigint | real | real"),
        ("SELECT sum(x), avg(x), count_if(x > 1), count(x) FROM (VALUES (1)) AS t(x) WHERE x > 1", "NULL | NULL | 0 | 0 :: bigint | double | bigint | bigint"),
        ("SELECT sum(CAST(x AS tinyint)), avg(CAST(x AS double)), sum(CAST(y AS double)) FROM (VALUES (1, 1), (2, 2)) AS t(x, y)", "3 | 1.5 | 3.0 :: bigint | double | double"),
        ("SELECT avg(x) FROM (VALUES ('a')) AS t(x)", "FUNCTION_NOT_FOUND: Unexpected parameters (varchar) for function avg"),
        ("SELECT sum(x), avg(x) FROM (VALUES (INTERVAL '1' MONTH), (INTERVAL '4' MONTH)) AS t(x)", "5 mons | 3 mons ::*"),
        ("SELECT g, sum(x) FILTER (WHERE x > 1), avg(x) FILTER (WHERE x > 1) FROM (VALUES (1, 1), (1, 2), (2, 1), (1, 4)) AS t(g, x) GROUP BY g ORDER BY g", "1 | 6 | 3.0; 2 | NULL | NULL :: bigint | bigint | double"),
        ("SELECT sum(DISTINCT x), count(DISTINCT y), sum(y) FROM (VALUES (1, 1), (1, 2), (2, 2)) AS t(x, y)", "3 | 2 | 5 :: bigint | bigint | bigint"),
    ])
    .await;
}

#[tokio::test]
async fn counts_and_bits() {
    check(&[
        ("SELECT count_if(x), every(x), bool_and(x), bool_or(x) FROM (VALUES (true), (NULL), (false)) AS t(x)", "1 | false | false | true :: bigint | boolean | boolean | boolean"),
        ("SELECT g, count_if(x) FROM (VALUES (1, true), (1, NULL), (2, false), (1, true)) AS t(g, x) GROUP BY g ORDER BY g", "1 | 2; 2 | 0 :: bigint | bigint"),
        ("SELECT g, count_if(x) FILTER (WHERE y > 1) FROM (VALUES (1, true, 1), (1, true, 2), (2, true, NULL)) AS t(g, x, y) GROUP BY g ORDER BY g", "1 | 1; 2 | 0 :: bigint | bigint"),
        ("SELECT count_if(DISTINCT b) FROM (VALUES (true), (true), (false)) AS t(b)", "1 :: bigint"),
        ("SELECT count_if(x) FROM (VALUES (1)) AS t(x)", "FUNCTION_NOT_FOUND: Unexpected parameters (bigint) for function count_if"),
        ("SELECT bitwise_and_agg(x), bitwise_or_agg(x), bitwise_xor_agg(x) FROM (VALUES (6), (3), (NULL)) AS t(x)", "2 | 7 | 5 :: bigint | bigint | bigint"),
        ("SELECT g, bitwise_and_agg(x) FROM (VALUES (1, 6), (1, 3), (2, NULL)) AS t(g, x) GROUP BY g ORDER BY g", "1 | 2; 2 | NULL :: bigint | bigint"),
        ("SELECT arbitrary(x), any_value(x) FROM (VALUES (NULL), (2)) AS t(x)", "2 | 2 :: bigint | bigint"),
        ("SELECT variance(x), var_samp(x), stddev(x) FROM (VALUES (1), (2), (3)) AS t(x)", "1.0 | 1.0 | 1.0 :: double | double | double"),
        ("SELECT approx_distinct(x), approx_distinct(x, 0.01), approx_distinct(y), cardinality(approx_set(x)) FROM (VALUES (1, 'a'), (2, 'b'), (2, 'b'), (NULL, NULL)) AS t(x, y)", "2 | 2 | 2 | 2 :: bigint | bigint | bigint | bigint"),
        ("SELECT approx_distinct(x, 0.5) FROM (VALUES (1)) AS t(x)", "INVALID_FUNCTION_ARGUMENT: Max standard error must be in [0.0040625, 0.26]: 0.5"),
        ("SELECT g, approx_distinct(x) FROM (VALUES (1, true), (1, false), (2, NULL), (1, true)) AS t(g, x) GROUP BY g ORDER BY g", "1 | 2; 2 | 0 :: bigint | bigint"),
        ("SELECT cardinality(merge(s)) FROM (SELECT approx_set(x) AS s FROM (VALUES (1, 5), (1, 6), (2, 6)) AS t(g, x) GROUP BY g)", "2 :: bigint"),
    ])
    .await;
}

#[tokio::test]
async fn the_best_rows_are_found() {
    check(&[
        ("SELECT max_by(x,y), min_by(x,y), max_by(x,y,2), min_by(x,y,2) FROM (VALUES (1,10), (NULL,30), (3,NULL), (4,20)) AS t(x,y)", "NULL | 1 | [NULL, 4] | [1, 4] :: bigint | bigint | array(bigint) | array(bigint)"),
        ("SELECT g, max_by(x,y), min_by(x,y) FROM (VALUES (1,'a',10), (1,'b',30), (2,'c',NULL), (1,'d',20)) AS t(g,x,y) GROUP BY g ORDER BY g", "1 | b | a; 2 | NULL | NULL :: bigint | varchar | varchar"),
        ("SELECT g, max_by(x,y) FILTER (WHERE y < 30) FROM (VALUES (1,'a',10), (1,'b',30), (2,'c',40)) AS t(g,x,y) GROUP BY g ORDER BY g", "1 | a; 2 | NULL :: bigint | varchar"),
        ("SELECT max(x,2), min(x,2), max(x,10) FROM (VALUES (1), (5), (NULL), (3)) AS t(x)", "[5, 3] | [1, 3] | [5, 3, 1] :: array(bigint) | array(bigint) | array(bigint)"),
        ("SELECT max(x,2), max_by(x,x,2) FROM (VALUES (1)) AS t(x) WHERE x > 1", "NULL | NULL :: array(bigint) | array(bigint)"),
        ("SELECT max(x,0) FROM (VALUES (1)) AS t(x)", "INVALID_FUNCTION_ARGUMENT: second argument of max_n must be positive"),
        ("SELECT max(x,10001) FROM (VALUES (1)) AS t(x)", "INVALID_FUNCTION_ARGUMENT: second argument of max_n must be less than or equal to 10000; found 10001"),
        ("SELECT max_by(x,y,0) FROM (VALUES (1,1)) AS t(x,y)", "INVALID_FUNCTION_ARGUMENT: third argument of max_by must be a positive integer"),
        ("SELECT max_by(DISTINCT x, y) FROM (VALUES (1,1), (2,5), (2,5)) AS t(x,y)", "2 :: bigint"),
        ("SELECT max(x), min(x) FROM (VALUES (1), (NULL), (3)) AS t(x)", "3 | 1 :: bigint | bigint"),
    ])
    .await;
}

#[tokio::test]
async fn rows_are_collected() {
    check(&[
        ("SELECT array_agg(x ORDER BY x DESC), array_agg(x) FILTER (WHERE x > 5) FROM (VALUES (1), (NULL), (2)) AS t(x)", "[2, 1, NULL] | NULL :: array(bigint) | array(bigint)"),
        ("SELECT listagg(x, ',' ORDER BY x DESC), listagg(x ORDER BY x), listagg(DISTINCT x, '-' ORDER BY x) FROM (VALUES ('a'), ('c'), (NULL), ('b'), ('a')) AS t(x)", "c,b,a,a | aabc | a-b-c :: varchar | varchar | varchar"),
        ("SELECT listagg(x, ',') WITHIN GROUP (ORDER BY y DESC, x) FROM (VALUES ('a', 1), ('c', 2), ('b', 2)) AS t(x, y)", "b,c,a :: varchar"),
        ("SELECT listagg(x, ',') WITHIN GROUP (ORDER BY x) FROM (VALUES ('a')) AS t(x) WHERE x > 'b'", "NULL :: varchar"),
        ("SELECT g, listagg(x, ',') WITHIN GROUP (ORDER BY x) FILTER (WHERE x < 'c') FROM (VALUES (1, 'b'), (1, 'a'), (2, 'c'), (1, 'c')) AS t(g, x) GROUP BY g ORDER BY g", "1 | a,b; 2 | NULL :: bigint | varchar"),
        ("SELECT listagg(x, ',') WITHIN GROUP (ORDER BY x) FROM (VALUES (1)) AS t(x)", "TYPE_MISMATCH: Expected expression of varchar, but the argument has bigint type"),
        ("SELECT histogram(x) FROM (VALUES ('b'), ('b'), (NULL)) AS t(x)", "{b: 2} :: map(varchar, bigint)"),
        ("SELECT histogram(x), histogram(DISTINCT x) FROM (VALUES (1), (1), (1)) AS t(x)", "{1: 3} | {1: 1} :: map(bigint, bigint) | map(bigint, bigint)"),
        ("SELECT histogram(x), map_agg(x, x), multimap_agg(x, x) FROM (VALUES (1)) AS t(x) WHERE x > 1", "NULL | NULL | NULL :: map(bigint, bigint) | map(bigint, bigint) | map(bigint, array(bigint))"),
        ("SELECT map_agg(x, y ORDER BY x, y), multimap_agg(x, y ORDER BY x, y) FROM (VALUES (1,'a'), (2,NULL), (1,'c'), (NULL,'d')) AS t(x,y)", "{1: a, 2: NULL} | {1: [a, c], 2: [NULL]} :: map(bigint, varchar) | map(bigint, array(varchar))"),
        ("SELECT g, map_agg(x, y) FROM (VALUES (1,1,'a'), (2,2,'b'), (2,NULL,'c')) AS t(g,x,y) GROUP BY g ORDER BY g", "1 | {1: a}; 2 | {2: b} :: bigint | map(bigint, varchar)"),
        ("SELECT map_union(map(ARRAY[x], ARRAY[y]) ORDER BY x, y) FROM (VALUES (1,'a'), (1,'b'), (2,'c')) AS t(x,y)", "{1: a, 2: c} :: map(bigint, varchar)"),
        ("SELECT map_union(map(ARRAY[x], ARRAY[1])) FROM (VALUES (1)) AS t(x) WHERE x > 1", "NULL :: map(bigint, bigint)"),
        ("SELECT approx_most_frequent(2,x,10), approx_most_frequent(2,s,10) FROM (VALUES (5,'a'), (5,'a'), (1,'b'), (1,'b'), (1,'a'), (7,'c')) AS t(x,s)", "{1: 3, 5: 2} | {a: 3, b: 2} :: map(bigint, bigint) | map(varchar, bigint)"),
        ("SELECT numeric_histogram(2, x) FROM (VALUES (1), (2), (10), (12)) AS t(x)", "{1.5: 2.0, 11.0: 2.0} :: map(real, real)"),
        ("SELECT numeric_histogram(3, x, w) FROM (VALUES (CAST(1 AS double),2), (CAST(3 AS double),4), (CAST(9 AS double),1), (CAST(10 AS double),1)) AS t(x,w)", "{1.0: 2.0, 3.0: 4.0, 9.5: 2.0} :: map(double, double)"),
        ("SELECT numeric_histogram(1, x) FROM (VALUES (1), (2)) AS t(x)", "INVALID_FUNCTION_ARGUMENT: numeric_histogram bucket count must be greater than one"),
    ])
    .await;
}

#[tokio::test]
async fn many_rows_collect_like_few() {
    check(&[
        ("SELECT cardinality(histogram(x % 10)), cardinality(map_agg(x % 7, x)), max(x, 3), cardinality(multimap_agg(x % 3, x)) FROM (SELECT unnest(sequence(1, 10000)) AS x)", "10 | 7 | [10000, 9999, 9998] | 3 :: bigint | bigint | array(bigint) | bigint"),
        ("SELECT element_at(histogram(x % 10), 3), max_by(x, x), min_by(x, x, 2) FROM (SELECT unnest(sequence(1, 10000)) AS x)", "1000 | 10000 | [1, 2] :: bigint | bigint | array(bigint)"),
        ("SELECT approx_percentile(x, 0.5), approx_percentile(x, 0.99), approx_percentile(x, 0.01) FROM (SELECT unnest(sequence(1, 1000)) AS x)", "501 | 991 | 11 :: bigint | bigint | bigint"),
        ("SELECT abs(approx_percentile(x, 0.9) - 90000) < 1000 FROM (SELECT a * 10000 + b AS x FROM (SELECT unnest(sequence(0, 9)) AS a) CROSS JOIN (SELECT unnest(sequence(1, 10000)) AS b))", "true :: boolean"),
    ])
    .await;
}

#[tokio::test]
async fn percentiles_are_values_of_their_column() {
    check(&[
        ("SELECT approx_percentile(x,0.5), approx_percentile(x,0.0), approx_percentile(x,1.0), approx_percentile(x,0.25), approx_percentile(x,0.9) FROM (VALUES (10), (20), (30), (40), (50), (NULL)) AS t(x)", "30 | 10 | 50 | 20 | 50 :: bigint | bigint | bigint | bigint | bigint"),
        ("SELECT approx_percentile(x, ARRAY[0.1,0.5]), approx_percentile(x, 1, ARRAY[0.1,0.5]), approx_percentile(x, x, 0.5) FROM (VALUES (10), (20), (30), (40)) AS t(x)", "[10, 30] | [10, 30] | 31 :: array(bigint) | array(bigint) | bigint"),
        ("SELECT approx_percentile(x, 1.5) FROM (VALUES (1)) AS t(x)", "INVALID_FUNCTION_ARGUMENT: Percentile must be between 0 and 1"),
        ("SELECT approx_percentile(x, -1, 0.5) FROM (VALUES (1)) AS t(x)", "INVALID_FUNCTION_ARGUMENT: weight must be >= 1, was -1.0"),
        ("SELECT approx_percentile(x, 0.5) FROM (VALUES (1)) AS t(x) WHERE x > 1", "NULL :: bigint"),
        ("SELECT approx_percentile(CAST(x AS double), 0.5), approx_percentile(CAST(x AS real), 0.50) FROM (VALUES (1), (2)) AS t(x)", "2.0 | 2.0 :: double | real"),
        ("SELECT approx_percentile(DATE '2020-01-01', 0.5)", "FUNCTION_NOT_FOUND: Unexpected parameters (date, decimal(1,1)) for function approx_percentile"),
        ("SELECT approx_percentile(DISTINCT x, 0.5) FROM (VALUES (1), (1), (3)) AS t(x)", "3 :: bigint"),
        ("SELECT skewness(x), kurtosis(x) FROM (VALUES (1), (2), (4)) AS t(x)", "0.38180177416060*"),
        ("SELECT kurtosis(x), skewness(x) FROM (VALUES (1), (2)) AS t(x)", "NULL | NULL :: double | double"),
        ("SELECT geometric_mean(x), geometric_mean(CAST(y AS real)) FROM (VALUES (0, 0), (1, 1)) AS t(x, y)", "0.0 | 0.0 :: double | real"),
        ("SELECT entropy(x) FROM (VALUES (1), (1)) AS t(x)", "1.0 :: double"),
        ("SELECT entropy(x) FROM (VALUES (1), (-1)) AS t(x)", "INVALID_FUNCTION_ARGUMENT: Entropy count argument must be non-negative"),
    ])
    .await;
}

#[tokio::test]
async fn checksums_are_those_of_trino() {
    check(&[
        ("SELECT checksum(CAST(1.5 AS real))", "a7cf78cf4ea91988 :: varbinary"),
        ("SELECT checksum(CAST(1.5 AS decimal(30,2)))", "a6ddddb8b64ce8f8 :: varbinary"),
        ("SELECT checksum(x) FROM (VALUES (1), (2), (NULL)) AS t(x)", "ea51bc7b38d908d5 :: varbinary"),
        ("SELECT checksum(x) FROM (VALUES ('a'), ('hello world, this is a longer text than thirty two bytes')) AS t(x)", "d264e1e43a48a22e :: varbinary"),
        ("SELECT checksum(true), checksum(CAST(1.5 AS double)), checksum(DATE '2020-01-01')", "938fc30ab52de5d4 | 4f83aa852755ebde | 26032b833338426e ::*"),
        ("SELECT checksum(CAST(TIMESTAMP '2020-01-01 00:00:00' AS TIMESTAMP(6))), checksum(1.5), checksum(X'01')", "041be70863eeaf9f | 585f84f8832cfac8 | 50ca5c38e9c12abc ::*"),
        ("SELECT checksum(ARRAY[1,2]), checksum(CAST(NULL AS bigint))", "9d5abb38bebaac29 | 87caeb85b179379e ::*"),
        ("SELECT checksum(x) FROM (VALUES (1)) AS t(x) WHERE x > 1", "NULL :: varbinary"),
    ])
    .await;
}

#[tokio::test]
async fn frames_slide() {
    check(&[
        ("SELECT sum(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), avg(x) OVER (ORDER BY x), count_if(x > 1) OVER () FROM (VALUES (1), (2), (3)) AS t(x) ORDER BY x", "1 | 1.0 | 2; 3 | 1.5 | 2; 5 | 2.0 | 2 :: bigint | double | bigint"),
        ("SELECT avg(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), max_by(x, x) OVER (ORDER BY x), histogram(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM (VALUES (1), (2), (3)) AS t(x) ORDER BY x", "1.0 | 1 | {1: 1}; 1.5 | 2 | {1: 1, 2: 1}; 2.5 | 3 | {2: 1, 3: 1} :: double | bigint | map(bigint, bigint)"),
        ("SELECT sum(CAST(x AS double)) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), count_if(x > 1) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), max(x, 1) OVER (ORDER BY x ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) FROM (VALUES (1), (2), (NULL)) AS t(x) ORDER BY x", "1.0 | 0 | [2]; 3.0 | 1 | [2]; 2.0 | 1 | NULL :: double | bigint | array(bigint)"),
        ("SELECT sum(DISTINCT x) OVER (), sum(1.5) OVER (ORDER BY x ROWS 1 PRECEDING) FROM (VALUES (1), (1)) AS t(x)", "1 | 1.5; 1 | 3.0 :: bigint | decimal(38,1)"),
    ])
    .await;
}
