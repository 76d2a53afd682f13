use proptest::prelude::*;

use super::*;

fn found(path: &str, json: &str) -> Result<String, Failure> {
    let items = Path::compile(path).unwrap().find(json, &[])?;
    let mut out = String::new();
    for item in items {
        if !out.is_empty() {
            out.push(' ');
        }
        item.write_json(&mut out).unwrap();
    }
    Ok(out)
}

#[test]
fn a_plain_path_is_followed_in_the_text() {
    for (path, is_plain) in [
        ("lax $", true),
        ("strict $.a[0][last - 1 to last][*].\"b\"", true),
        ("lax $.*", false),
        ("lax $..a", false),
        ("lax $[0, 0]", false),
        ("lax $[-1]", false),
        ("lax $[1.5]", false),
        ("lax $.a ? (@ > 1)", false),
        ("lax $.a.size()", false),
    ] {
        assert_eq!(
            Path::compile(path).unwrap().plain.is_some(),
            is_plain,
            "{path}"
        );
    }
}

#[test]
fn of_equal_keys_the_last_counts() {
    let json = r#"{"b":0,"a":1,"b":{"c":1,"c":2}}"#;
    assert_eq!(found("lax $.b", json).unwrap(), r#"{"c":2}"#);
    assert_eq!(found("lax $.b.c", json).unwrap(), "2");
    assert_eq!(found("lax $.*", json).unwrap(), r#"{"c":2} 1"#);
    let many: Vec<String> = (0..40).map(|n| format!("\"k{}\":{n}", n % 20)).collect();
    let values: Vec<String> = (20..40).map(|n| n.to_string()).collect();
    assert_eq!(
        found("lax $.*", &format!("{{{}}}", many.join(","))).unwrap(),
        values.join(" ")
    );
}

#[test]
fn what_is_wrong_with_a_path_has_a_place() {
    for (path, at, message) in [
        ("$.a", 0, "mismatched input '$'. Expecting: 'lax', 'strict'"),
        ("lax $.a.foo()", 11, "mismatched input '('"),
        ("lax $ ? (@)", 10, "mismatched input ')'. Expecting: '=='"),
        (
            "lax $ ? (! @ > 1)",
            11,
            "mismatched input '@'. Expecting: '(', 'exists'",
        ),
        (
            "lax $[1 2]",
            8,
            "mismatched input '2'. Expecting: ',', ']', 'to'",
        ),
        (
            "lax $.\"a",
            6,
            "mismatched input '\"'. Expecting: <identifier>, <string>",
        ),
        ("lax (@ > 1)", 7, "mismatched input '>'. Expecting: ')'"),
        ("lax 1 +", 7, "mismatched input '<EOF>'. Expecting: '+'"),
        (
            "lax 9223372036854775808",
            4,
            "Invalid numeric literal: 9223372036854775808",
        ),
    ] {
        let wrong = Path::compile(path).unwrap_err();
        assert_eq!(wrong.at, Some(at), "{path}");
        assert!(
            wrong.message.starts_with(message),
            "{path}: {}",
            wrong.message
        );
    }
}

#[test]
fn depth_has_a_limit() {
    for (open, close) in [("(", ")"), ("-", ""), ("$[", "]"), ("$ ? (1 == ", ")")] {
        let nested = |depth| format!("lax {}1{}", open.repeat(depth), close.repeat(depth));
        assert!(Path::compile(&nested(30)).is_ok(), "{open}");
        let wrong = Path::compile(&nested(100_000)).unwrap_err();
        assert!(
            wrong.message.contains("levels deep"),
            "{open}: {}",
            wrong.message
        );
    }
    let chain = format!("lax 1{}", " + 1".repeat(50_000));
    assert_eq!(found(&chain, "1").unwrap(), "50001");
    let members = format!("lax ${}.type()", ".a".repeat(50_000));
    assert_eq!(found(&members, "1").unwrap(), "");
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(found("lax $..a", &deep(1_000)).unwrap(), "");
    assert_eq!(found("lax $..a", &deep(100_000)), Err(Failure::Input));
    assert_eq!(found("lax $", &deep(100_000)), Err(Failure::Input));
}

#[test]
fn a_sequence_has_a_limit() {
    let path = format!("lax ${}", "[0,0]".repeat(60));
    assert!(matches!(found(&path, "1"), Err(Failure::Path(message)) if message.contains("items")));
}

/// Pieces that meet each other in paths.
const PIECES: [&str; 36] = [
    "$",
    "@",
    "last",
    "$x",
    "null",
    "true",
    "1",
    "2.5",
    "1e1",
    "\"a\"",
    ".a",
    ".\"b\"",
    ".*",
    "..a",
    "[*]",
    "[0]",
    "[last]",
    "[0 to 1, 2]",
    "[",
    "]",
    "(",
    ")",
    "? (",
    "==",
    "<",
    "<>",
    "&&",
    "||",
    "!(",
    "exists(",
    "starts with",
    "is unknown",
    "+",
    "-",
    "% 2",
    ".size()",
];

/// Texts that paths meet.
const TEXTS: [&str; 6] = [
    "null",
    "[1, [2.5, \"a\"], {\"a\": [3]}]",
    "{\"a\": {\"a\": 1, \"b\": [true]}, \"b\": \"abc\"}",
    "{\"a\": 1, \"a\": [1, 2]}",
    "-12345678901234567890",
    "[",
];

proptest! {
    #[test]
    fn any_path_finds_something_or_is_refused(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..12)
    ) {
        for mode in ["lax", "strict"] {
            let text = format!("{mode} {}", pieces.join(" "));
            let Ok(path) = Path::compile(&text) else {
                continue;
            };
            let parameters = vec![Some(Item::Value(Datum::varchar("a"))); path.variables().len()];
            for json in TEXTS {
                let items = path.find(json, &parameters);
                let exists = path.exists(json, &parameters);
                prop_assert_eq!(items.map(|items| !items.is_empty()), exists, "{} on {}", text, json);
            }
        }
    }

    #[test]
    fn any_text_is_a_path_or_refused(text in ".{0,60}") {
        drop(Path::compile(&text));
        drop(Path::compile(&format!("lax {text}")));
    }

    #[test]
    fn in_the_text_and_in_a_tree_the_same_is_found(
        steps in prop::collection::vec(
            prop::sample::select(vec![".a", ".b", "[*]", "[0]", "[last]", "[last - 1]", "[0 to 1]", "[1 to last]"]),
            0..5,
        ),
        mode in prop::sample::select(vec!["lax", "strict"]),
    ) {
        let mut path = Path::compile(&format!("{mode} ${}", steps.concat())).unwrap();
        for json in TEXTS {
            let plain = path.find(json, &[]);
            let steps = path.plain.take();
            prop_assert_eq!(plain, path.find(json, &[]), "{:?} on {}", steps, json);
            path.plain = steps;
        }
    }
}
