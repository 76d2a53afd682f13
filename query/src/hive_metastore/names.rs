//! Patterns of names.

use regex::{Regex, RegexBuilder};

use super::failure::{Failure, Result};

/// Largest compiled pattern; a hostile one must not cost megabytes.
const LARGEST_PATTERN: usize = 1 << 18;

/// Compiles a pattern of the metastore: `*` means anything, `|` separates alternatives, and the
/// rest is a regular expression that ignores case.
///
/// # Source
/// `ObjectStore.appendPatternCondition` and `MetaStoreUtils.filterPattern` of Hive.
pub(super) fn pattern(text: &str) -> Result<Regex> {
    let alternatives = text.trim().replace('*', ".*");
    compile(&alternatives, Case::Ignored)
        .ok_or_else(|| Failure::Invalid(format!("`{text}` cannot be used as a pattern of names")))
}

/// Compiles the right side of a LIKE in a filter, where only `.*` is special.
pub(super) fn like(text: &str) -> Option<Regex> {
    let parts: Vec<String> = text.split(".*").map(regex::escape).collect();
    compile(&parts.join("(?s:.*)"), Case::Matters)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Ignored,
    Matters,
}

fn compile(expression: &str, case: Case) -> Option<Regex> {
    RegexBuilder::new(&format!("^(?:{expression})$"))
        .case_insensitive(case == Case::Ignored)
        .size_limit(LARGEST_PATTERN)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_bars_are_understood_as_hive_does() {
        let matches = |text: &str, name: &str| pattern(text).unwrap().is_match(name);
        assert!(matches("*", "flights"));
        assert!(matches("fl*|carriers", "FLIGHTS"));
        assert!(matches("fl*|carriers", "carriers"));
        assert!(!matches("fl*", "my_flights"));
        assert!(matches(".*", "flights"));
        assert!(!matches("", "flights"));
        assert!(pattern("(").is_err());
        assert!(pattern(&"(a{1000}){1000}".repeat(3)).is_err());
    }

    #[test]
    fn like_takes_only_dot_star_for_special() {
        let regex = like("a+.*z").unwrap();
        assert!(regex.is_match("a+bc\nz") && !regex.is_match("aaz"));
    }
}
