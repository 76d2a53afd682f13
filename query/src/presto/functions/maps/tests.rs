use crate::presto::functions::shared::check;

#[tokio::test]
async fn maps_are_built_and_read() {
    check(&[
        ("map(ARRAY[1,2],ARRAY['a','b']), map(), cardinality(map())", "{1: a, 2: b} | {} | 0 :: map(bigint, varchar) | map(unknown, unknown) | bigint"),
        ("map(ARRAY[1,1],ARRAY['a','b'])", "INVALID_FUNCTION_ARGUMENT: Duplicate map keys (1) are not allowed"),
        ("map(ARRAY['x','x'],ARRAY['a','b'])", "INVALID_FUNCTION_ARGUMENT: Duplicate map keys (x) are not allowed"),
        ("map(ARRAY[1],ARRAY['a','b'])", "INVALID_FUNCTION_ARGUMENT: Key and value arrays must be the same length"),
        ("map(ARRAY[NULL],ARRAY['a'])", "INVALID_FUNCTION_ARGUMENT: map key cannot be null"),
        ("map(NULL,ARRAY[1])", "NULL :: map(unknown, bigint)"),
        ("map_from_entries(zip(ARRAY[1,2],ARRAY['x',NULL]))", "{1: x, 2: NULL} :: map(bigint, varchar)"),
        ("map_from_entries(zip(ARRAY[1,1],ARRAY['x','y']))", "INVALID_FUNCTION_ARGUMENT: Duplicate map keys (1) are not allowed"),
        ("map_from_entries(zip(ARRAY[1,2],ARRAY['x','y']) || repeat(element_at(zip(ARRAY[1],ARRAY['x']), 2), 1))", "INVALID_FUNCTION_ARGUMENT: map entry cannot be null"),
        ("map_from_entries(zip(ARRAY[1,NULL],ARRAY['x','y']))", "INVALID_FUNCTION_ARGUMENT: map key cannot be null"),
        ("multimap_from_entries(zip(ARRAY[1,2,1],ARRAY['x','y',NULL]))", "{1: [x, NULL], 2: [y]} :: map(bigint, array(varchar))"),
        ("map_keys(map(ARRAY[1,2],ARRAY['a','b'])), map_values(map(ARRAY[1,2],ARRAY['a','b']))", "[1, 2] | [a, b] :: array(bigint) | array(varchar)"),
        ("map_entries(map(ARRAY[1,2],ARRAY['a','b']))", "[{c0: 1, c1: a}, {c0: 2, c1: b}] ::*"),
        ("map_concat(map(ARRAY[1,2],ARRAY['a','b']),map(ARRAY[2,3],ARRAY['c','d'])), map_concat(map(ARRAY[1],ARRAY[2]),NULL)", "{1: a, 2: c, 3: d} | NULL :: map(bigint, varchar) | map(bigint, bigint)"),
        ("map_concat(map(ARRAY[1],ARRAY[2]))", "INVALID_FUNCTION_ARGUMENT: There must be two or more concatenation arguments to map_concat"),
        ("map_keys(1)", "FUNCTION_NOT_FOUND: Unexpected parameters (bigint) for function map_keys"),
        ("SELECT map(k, v), map_keys(map(k, v)), element_at(map(k, v), x) FROM (VALUES (ARRAY[1,2], ARRAY['a','b'], 2), (NULL, ARRAY['c'], 1), (ARRAY[3], ARRAY[NULL], 3)) AS t(k, v, x)",
         "{1: a, 2: b} | [1, 2] | b; NULL | NULL | NULL; {3: NULL} | [3] | NULL :: map(bigint, varchar) | array(bigint) | varchar"),
    ])
    .await;
}
