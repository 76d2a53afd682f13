use crate::presto::functions::shared::check;

#[tokio::test]
async fn lambdas_run_over_arrays() {
    check(&[
        ("transform(ARRAY[1,NULL],x->x+1), transform(ARRAY[],x->1), transform(NULL,x->1)", "[2, NULL] | [] | NULL :: array(bigint) | array(bigint) | array(bigint)"),
        ("filter(ARRAY[5,NULL,7],x->x>5)", "[7] :: array(bigint)"),
        ("filter(ARRAY[1],x->x)", "FUNCTION_NOT_FOUND: Unexpected parameters (array(bigint), <function>) for function filter"),
        ("any_match(ARRAY[1,NULL],x->x>5), any_match(ARRAY[],x->true), all_match(ARRAY[1,NULL],x->x>0), all_match(ARRAY[1,NULL],x->x>5)", "NULL | false | NULL | false :: boolean | boolean | boolean | boolean"),
        ("all_match(ARRAY[],x->false), none_match(ARRAY[1,NULL],x->x>5), none_match(ARRAY[1,NULL],x->x>0), none_match(ARRAY[],x->true), any_match(NULL,x->true)", "true | NULL | false | true | NULL :: boolean | boolean | boolean | boolean | boolean"),
        ("reduce(ARRAY[1,2,3],0,(s,x)->s+x,s->s), reduce(ARRAY[1,NULL],0,(s,x)->s+x,s->s), reduce(ARRAY[],5,(s,x)->s,s->s*2)", "6 | NULL | 10 :: bigint | bigint | bigint"),
        ("reduce(ARRAY[1,2],CAST(0 AS double),(s,x)->s+x,s->s), reduce(ARRAY[1,2],0,(s,x)->s+x*0.5,s->s), reduce(CAST(NULL AS array<bigint>),0,(s,x)->s+x,s->s)", "3.0 | 1.5 | NULL ::*"),
        ("reduce(ARRAY[1],0,(s,x)->'a',s->s)", "FUNCTION_NOT_FOUND: Unexpected parameters (array(bigint), bigint, <function>, <function>) for function reduce"),
        ("zip_with(ARRAY[1,2],ARRAY['a'],(x,y)->y), zip_with(ARRAY[1,2],ARRAY[3,4],(x,y)->x*y)", "[a, NULL] | [3, 8] :: array(varchar) | array(bigint)"),
        ("array_sort(ARRAY[3,NULL,1]), array_sort(ARRAY['b','a']), array_sort(ARRAY[ARRAY[2],ARRAY[1,2]])", "[1, 3, NULL] | [a, b] | [[1, 2], [2]] :: array(bigint) | array(varchar) | array(array(bigint))"),
        ("array_sort(ARRAY[3,2,5,1,2],(x,y)->CASE WHEN x<y THEN 1 WHEN x=y THEN 0 ELSE -1 END)", "[5, 3, 2, 2, 1] :: array(bigint)"),
        ("array_sort(ARRAY[3,NULL,2],(x,y)->CASE WHEN x IS NULL THEN -1 WHEN y IS NULL THEN 1 WHEN x<y THEN -1 WHEN x=y THEN 0 ELSE 1 END)", "[NULL, 2, 3] :: array(bigint)"),
        ("array_sort(ARRAY['ccc','a','bb','dd'],(x,y)->CASE WHEN length(x)<length(y) THEN -1 WHEN length(x)=length(y) THEN 0 ELSE 1 END)", "[a, bb, dd, ccc] :: array(varchar)"),
        ("array_sort(ARRAY[3,2],(x,y)->5)", "INVALID_FUNCTION_ARGUMENT: Lambda comparator must return either -1, 0, or 1"),
        ("array_sort(sequence(1,1000),(x,y)->CASE WHEN x<y THEN 1 WHEN x=y THEN 0 ELSE -1 END) = reverse(sequence(1,1000))", "true :: boolean"),
        ("transform(ARRAY[ARRAY[1,2],ARRAY[3]], a -> transform(a, b -> b * cardinality(a)))", "[[2, 4], [3]] :: array(array(bigint))"),
    ])
    .await;
}

#[tokio::test]
async fn lambdas_run_over_maps() {
    check(&[
        ("map_filter(map(ARRAY[1,2],ARRAY['a',NULL]),(k,v)->v IS NOT NULL)", "{1: a} :: map(bigint, varchar)"),
        ("transform_keys(map(ARRAY[1,2],ARRAY['a','b']),(k,v)->k+1)", "{2: a, 3: b} :: map(bigint, varchar)"),
        ("transform_keys(map(ARRAY[1,2],ARRAY['a','b']),(k,v)->1)", "INVALID_FUNCTION_ARGUMENT: Duplicate map keys (1) are not allowed"),
        ("transform_keys(map(ARRAY[1,2],ARRAY['a','b']),(k,v)->NULL)", "INVALID_FUNCTION_ARGUMENT: map key cannot be null"),
        ("transform_values(map(ARRAY[1,2],ARRAY['a','b']),(k,v)->k)", "{1: 1, 2: 2} :: map(bigint, bigint)"),
        ("map_zip_with(map(ARRAY[1,2],ARRAY['a','b']),map(ARRAY[2,3],ARRAY['x','y']),(k,a,b)->coalesce(a,'-')||coalesce(b,'-'))", "{1: a-, 2: bx, 3: -y} :: map(bigint, varchar)"),

    ])
    .await;
}

#[tokio::test]
async fn lambdas_see_the_columns_of_their_row() {
    check(&[
        ("SELECT transform(a, x -> x * n), filter(a, x -> x > n), reduce(a, n, (s, x) -> s + x, s -> s * n), any_match(a, x -> x = n), array_sort(a, (x, y) -> CASE WHEN x * n < y * n THEN -1 WHEN x = y THEN 0 ELSE 1 END) FROM (VALUES (ARRAY[1,2,3], 2), (ARRAY[], 1), (NULL, 5), (ARRAY[4,NULL], 4), (ARRAY[7,8], -1)) AS t(a, n)",
         "[2, 4, 6] | [3] | 16 | true | [1, 2, 3]; [] | [] | 1 | false | []; NULL | NULL | NULL | NULL | NULL; [16, NULL] | [] | NULL | true |*"),
        ("SELECT transform_values(map(a, a), (k, v) -> v + n), zip_with(a, b, (x, y) -> coalesce(x, n) + coalesce(y, n)) FROM (VALUES (ARRAY[1,2], ARRAY[5], 10), (NULL, ARRAY[1], 1), (ARRAY[], ARRAY[3], 7)) AS t(a, b, n)",
         "{1: 11, 2: 12} | [6, 12]; NULL | NULL; {} | [10] :: map(bigint, bigint) | array(bigint)"),
        ("SELECT reduce_agg(x, 0, (a, b) -> a + b, (a, b) -> a + b), reduce_agg(x, 1, (a, b) -> a * b, (a, b) -> a * b) FILTER (WHERE x > 1) FROM (VALUES (1), (2), (NULL), (5)) AS t(x)", "8 | 10 :: bigint | bigint"),
        ("SELECT reduce_agg(x, 0, (a, b) -> a + b, (a, b) -> a + b) FROM (VALUES (1)) AS t(x) WHERE x > 1", "NULL :: bigint"),
    ])
    .await;
}
