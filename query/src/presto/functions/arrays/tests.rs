use crate::presto::functions::shared::check;

#[tokio::test]
async fn elements_and_positions_are_found() {
    check(&[
        ("cardinality(ARRAY[1,NULL]), cardinality(map(ARRAY[1],ARRAY[2])), cardinality(CAST(NULL AS array<bigint>))", "2 | 1 | NULL :: bigint | bigint | bigint"),
        ("cardinality(1)", "FUNCTION_NOT_FOUND: Unexpected parameters (bigint) for function cardinality"),
        ("element_at(ARRAY[1,2,3],-1), element_at(ARRAY[1],5), element_at(ARRAY[1],-5), element_at(ARRAY[1],NULL)", "3 | NULL | NULL | NULL :: bigint | bigint | bigint | bigint"),
        ("element_at(ARRAY[1],0)", "INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1"),
        ("element_at(map(ARRAY['a'],ARRAY[1]),'b'), element_at(map(ARRAY['a'],ARRAY[1]),'a'), element_at(map(ARRAY['a'],ARRAY[1]),NULL)", "NULL | 1 | NULL :: bigint | bigint | bigint"),
        ("contains(ARRAY[1,NULL],2), contains(ARRAY[1,NULL],1), contains(ARRAY[1,2],NULL), contains(ARRAY[1],2)", "NULL | true | NULL | false :: boolean | boolean | boolean | boolean"),
        ("contains('abc','b')", "FUNCTION_NOT_FOUND: Unexpected parameters (varchar, varchar) for function contains"),
        ("contains(ARRAY[1,2], 2.0), contains(ARRAY[CAST('NaN' AS double)], CAST('NaN' AS double))", "true | false :: boolean | boolean"),
        ("array_position(ARRAY[1,NULL,3],3), array_position(ARRAY[1],NULL), array_position(ARRAY[1],9)", "3 | NULL | 0 :: bigint | bigint | bigint"),
        ("contains_sequence(ARRAY[1,2,3],ARRAY[2,3]), contains_sequence(ARRAY[1,NULL,3],ARRAY[NULL,3]), contains_sequence(ARRAY[1],ARRAY[]), contains_sequence(ARRAY[1],NULL), contains_sequence(ARRAY[1],ARRAY[1,2])", "true | true | true | NULL | false :: boolean | boolean | boolean | boolean | boolean"),
        ("arrays_overlap(ARRAY[1,NULL],ARRAY[2]), arrays_overlap(ARRAY[1,NULL],ARRAY[1]), arrays_overlap(ARRAY[1],ARRAY[2]), arrays_overlap(ARRAY[],ARRAY[NULL])", "NULL | true | false | false :: boolean | boolean | boolean | boolean"),
        ("array_max(ARRAY[1,NULL]), array_min(ARRAY[2,1]), array_max(ARRAY[]), array_max(ARRAY[1,3])", "NULL | 1 | NULL | 3 :: bigint | bigint | unknown | bigint"),
        ("array_max(ARRAY[CAST(1 AS double), CAST('NaN' AS double)]), array_min(ARRAY[CAST('NaN' AS double), CAST(1 AS double)])", "1.0 | 1.0 :: double | double"),
        ("array_first(ARRAY[1,2]), array_last(ARRAY[1,2]), array_first(ARRAY[])", "1 | 2 | NULL :: bigint | bigint | unknown"),
        ("array_join(ARRAY[1,NULL,3],','), array_join(ARRAY[1,NULL,3],',','x'), array_join(ARRAY[1,2],NULL)", "1,3 | 1,x,3 | NULL :: varchar | varchar | varchar"),
        ("array_join(ARRAY[CAST(1.5 AS double),CAST(2 AS double)],','), array_join(ARRAY[true],','), array_join(ARRAY[DATE '2020-01-01'],','), array_join(ARRAY[1.50],',')", "1.5E0,2.0E0 | true | 2020-01-01 | 1.50 :: varchar | varchar | varchar | varchar"),
        ("array_join(ARRAY[ARRAY[1]],',')", "OPERATOR_NOT_FOUND: Cannot cast array(bigint) to varchar"),
    ])
    .await;
}

#[tokio::test]
async fn arrays_are_sets() {
    check(&[
        ("array_distinct(ARRAY[1,NULL,1,NULL]), array_union(ARRAY[1,NULL],ARRAY[NULL,2])", "[1, NULL] | [1, NULL, 2] :: array(bigint) | array(bigint)"),
        ("array_except(ARRAY[1,1,NULL,2],ARRAY[2]), array_intersect(ARRAY[3,1,NULL,1],ARRAY[NULL,1,3])", "[1, NULL] | [3, 1, NULL] :: array(bigint) | array(bigint)"),
        ("array_union(ARRAY[1],ARRAY[1.5]), array_union(ARRAY[1],NULL)", "[1.0, 1.5] | NULL :: array(decimal(20,1)) | array(bigint)"),
        ("array_distinct(ARRAY[CAST('NaN' AS double),CAST('NaN' AS double)]), array_distinct(ARRAY[CAST(0 AS double),-CAST(0 AS double)])", "[NaN] | [0.0] :: array(double) | array(double)"),
        ("array_remove(ARRAY[1,NULL,1,2],1), array_remove(ARRAY[1,NULL],NULL)", "[NULL, 2] | NULL :: array(bigint) | array(bigint)"),
        ("array_histogram(ARRAY[1,1,2,NULL])", "{1: 2, 2: 1} :: map(bigint, bigint)"),
        ("array_distinct('a')", "FUNCTION_NOT_FOUND: Unexpected parameters (varchar) for function array_distinct"),
    ])
    .await;
}

#[tokio::test]
async fn arrays_are_cut_and_joined() {
    check(&[
        ("slice(ARRAY[1,2,3],2,2), slice(ARRAY[1,2,3],-2,2), slice(ARRAY[1,2,3],5,2), slice(ARRAY[1,2,3],-5,2), slice(ARRAY[1,2],1,0)", "[2, 3] | [2, 3] | [] | [] | [] :: array(bigint) | array(bigint) | array(bigint) | array(bigint) | array(bigint)"),
        ("slice(ARRAY[1],0,1)", "INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1"),
        ("slice(ARRAY[1],1,-1)", "INVALID_FUNCTION_ARGUMENT: length must be greater than or equal to 0"),
        ("trim_array(ARRAY[1,2,3],1)", "[1, 2] :: array(bigint)"),
        ("trim_array(ARRAY[1],2)", "INVALID_FUNCTION_ARGUMENT: size must not exceed array cardinality 1: 2"),
        ("trim_array(ARRAY[1],-1)", "INVALID_FUNCTION_ARGUMENT: size must not be negative: -1"),
        ("combinations(ARRAY['a','b','c'],2), combinations(ARRAY[1,2],0), combinations(ARRAY[1,2],3)", "[[a, b], [a, c], [b, c]] | [[]] | [] :: array(array(varchar)) | array(array(bigint)) | array(array(bigint))"),
        ("combinations(ARRAY[1,2],6)", "INVALID_FUNCTION_ARGUMENT: combination size must not exceed 5: 6"),
        ("combinations(ARRAY[1,2,3],-1)", "INVALID_FUNCTION_ARGUMENT: combination size must not be negative: -1"),
        ("combinations(sequence(1,100),4)", "INVALID_FUNCTION_ARGUMENT: combinations exceed max size"),
        ("ngrams(ARRAY['a','b','c'],2), ngrams(ARRAY[1],3), ngrams(ARRAY[],2)", "[[a, b], [b, c]] | [[1]] | [[]] :: array(array(varchar)) | array(array(bigint)) | array(array(unknown))"),
        ("ngrams(ARRAY[1],0)", "INVALID_FUNCTION_ARGUMENT: N must be positive"),
        ("flatten(ARRAY[ARRAY[1,2],NULL,ARRAY[3]]), reverse(ARRAY[1,NULL,2]), reverse('abc'), reverse(X'0102')", "[1, 2, 3] | [2, NULL, 1] | cba | 0201 :: array(bigint) | array(bigint) | varchar | varbinary"),
        ("reverse(1)", "FUNCTION_NOT_FOUND: Unexpected parameters (bigint) for function reverse"),
        ("repeat(1,3), repeat('a',0), repeat(NULL,2), repeat(1,NULL), repeat('ab',2)", "[1, 1, 1] | [] | [NULL, NULL] | NULL | [ab, ab] :: array(bigint) | array(varchar) | array(unknown) | array(bigint) | array(varchar)"),
        ("repeat('a',-1)", "INVALID_FUNCTION_ARGUMENT: count argument of repeat function must be greater than or equal to 0"),
        ("repeat(1,10001)", "INVALID_FUNCTION_ARGUMENT: count argument of repeat function must be less than or equal to 10000"),
        ("zip(ARRAY[1,2],ARRAY['a']), zip(ARRAY[1],NULL)", "[{c0: 1, c1: a}, {c0: 2, c1: NULL}] | NULL ::*"),
        ("cardinality(shuffle(ARRAY[1,2,3])), array_sort(shuffle(ARRAY[3,1,2]))", "3 | [1, 2, 3] :: bigint | array(bigint)"),
        ("ARRAY[1]||ARRAY[2]||3, 0||ARRAY[1], ARRAY[1]||CAST(NULL AS bigint), concat(ARRAY[1],ARRAY[2],ARRAY[NULL])", "[1, 2, 3] | [0, 1] | NULL | [1, 2, NULL] :: array(bigint) | array(bigint) | array(bigint) | array(bigint)"),
        ("concat(ARRAY[1],2), concat(ARRAY[1],2.5), ARRAY[1]||ARRAY[ARRAY[2]], ARRAY[ARRAY[1]]||ARRAY[2]", "[1, 2] | [1.0, 2.5] | [[1], [2]] | [[1], [2]] :: array(bigint) | array(decimal(20,1)) | array(array(bigint)) | array(array(bigint))"),
        ("concat('a',NULL), concat('a','b','c'), concat(X'01',X'02'), 'a'||NULL", "NULL | abc | 0102 | NULL :: varchar | varchar | varbinary | varchar"),
        ("concat(1,2)", "FUNCTION_NOT_FOUND: Unexpected parameters (bigint, bigint) for function concat"),
        ("concat('a')", "INVALID_FUNCTION_ARGUMENT: There must be two or more concatenation arguments"),
        ("concat_ws(',','a',NULL,'b'), concat_ws(',',ARRAY['a',NULL,'b']), concat_ws(NULL,'a')", "a,b | a,b | NULL :: varchar | varchar | varchar"),
        ("concat_ws(',')", "INVALID_FUNCTION_ARGUMENT: There must be two or more arguments"),
        ("concat_ws(',',ARRAY[1])", "FUNCTION_NOT_FOUND: Unexpected parameters (varchar, array(bigint)) for function concat_ws"),
    ])
    .await;
}

#[tokio::test]
async fn sequences_count() {
    check(&[
        ("sequence(1,5), sequence(5,1), sequence(1,6,2), sequence(5,1,-2), sequence(1,10,NULL)", "[1, 2, 3, 4, 5] | [5, 4, 3, 2, 1] | [1, 3, 5] | [5, 3, 1] | NULL :: array(bigint) | array(bigint) | array(bigint) | array(bigint) | array(bigint)"),
        ("sequence(DATE '2020-01-01',DATE '2020-01-03'), sequence(DATE '2020-01-03',DATE '2020-01-01')", "[2020-01-01, 2020-01-02, 2020-01-03] | [2020-01-03, 2020-01-02, 2020-01-01] :: array(date) | array(date)"),
        ("sequence(DATE '2020-01-31',DATE '2020-05-01', INTERVAL '1' MONTH)", "[2020-01-31, 2020-02-29, 2020-03-31, 2020-04-30] :: array(date)"),
        ("sequence(TIMESTAMP '2020-01-01 00:00:00',TIMESTAMP '2020-01-01 02:00:00', INTERVAL '1' HOUR)", "[2020-01-01T00:00:00, 2020-01-01T01:00:00, 2020-01-01T02:00:00] ::*"),
        ("sequence(1,5,-1)", "INVALID_FUNCTION_ARGUMENT: sequence stop value should be greater than or equal to start value if step is greater than zero otherwise stop should be less than or equal to start"),
        ("sequence(1,5,0)", "INVALID_FUNCTION_ARGUMENT: step must not be zero"),
        ("sequence(1,100000)", "INVALID_FUNCTION_ARGUMENT: result of sequence function must not have more than 10000 entries"),
        ("sequence(DATE '2020-01-01', DATE '2020-01-02', INTERVAL '1' HOUR)", "INVALID_FUNCTION_ARGUMENT: sequence step must be a day interval if start and end values are dates"),
    ])
    .await;
}

#[tokio::test]
async fn columns_answer_as_constants_do() {
    check(&[
        ("SELECT contains(a, x), array_position(a, x), element_at(a, x), a || x, slice(a, 1, x) FROM (VALUES (ARRAY[1,2], 2), (ARRAY[NULL,1], 1), (NULL, 1), (ARRAY[], 1)) AS t(a, x)",
         "true | 2 | 2 | [1, 2, 2] | [1, 2]; true | 2 | NULL | [NULL, 1, 1] | [NULL]; NULL | NULL | NULL | NULL | NULL; false | 0 | NULL | [1] | [] :: boolean | bigint | bigint | array(bigint) | array(bigint)"),
        ("SELECT concat(s, '-', s), reverse(s), repeat(s, 2), array_join(ARRAY[s, 'x'], '+') FROM (VALUES ('ab'), (NULL), ('é')) AS t(s)",
         "ab-ab | ba | [ab, ab] | ab+x; NULL | NULL | [NULL, NULL] | x; é-é | é | [é, é] | é+x :: varchar | varchar | array(varchar) | varchar"),
        ("SELECT array_agg(x) || ARRAY[9] FROM (VALUES (1), (NULL)) AS t(x)", "[1, NULL, 9] :: array(bigint)"),
    ])
    .await;
}
