//! Rules of the repository that no compiler checks: what may stand where, and who may import whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serve::config::Config;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn manifest(package: &str) -> toml::Table {
    let text = std::fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
    text.parse().unwrap()
}

const PACKAGES: [&str; 6] = ["lake", "query", "ingest", "ml", "serve", "infra"];

#[test]
fn the_top_level_holds_only_what_it_may() {
    let allowed: BTreeSet<&str> = [
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "ingest",
        "lake",
        "query",
        "ml",
        "serve",
        "infra",
        "sql",
        // What running and building leaves behind; ignored by git.
        "target",
        "lakehouse-data",
    ]
    .into();
    let allowed_dots: BTreeSet<&str> = [
        ".cargo",
        ".ci",
        ".clippy.toml",
        ".deny.toml",
        ".git",
        ".github",
        ".gitignore",
        ".rustfmt.toml",
    ]
    .into();
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = allowed.contains(name.as_str()) || allowed_dots.contains(name.as_str());
        assert!(known, "`{name}` does not belong at the top level");
    }
}

#[test]
fn no_floor_imports_a_higher_one() {
    let floors: BTreeMap<&str, &[&str]> = [
        ("infra", &[][..]),
        ("lake", &[][..]),
        ("query", &["lake"][..]),
        ("ingest", &["lake", "query"][..]),
        ("ml", &["lake", "query", "ingest"][..]),
        ("serve", &["lake", "query", "ingest", "ml", "infra"][..]),
    ]
    .into();
    for package in PACKAGES {
        let manifest = manifest(package);
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for dependency in table
                .keys()
                .filter(|name| PACKAGES.contains(&name.as_str()))
            {
                let may = floors[package].contains(&dependency.as_str())
                    || (section == "dev-dependencies" && dependency == "infra");
                assert!(
                    may,
                    "`{package}` must not import `{dependency}` ({section})"
                );
            }
        }
    }
}

#[test]
fn each_package_lists_its_targets_and_inherits_the_rules() {
    let mut test_targets = PACKAGES.len();
    for package in PACKAGES {
        let manifest = manifest(package);
        let settings = manifest["package"].as_table().unwrap();
        for key in ["autotests", "autoexamples", "autobenches"] {
            assert_eq!(
                settings.get(key).and_then(toml::Value::as_bool),
                Some(false),
                "{package}: {key}"
            );
        }
        assert_eq!(
            manifest["lints"]["workspace"].as_bool(),
            Some(true),
            "{package}: lints"
        );
        test_targets += manifest
            .get("test")
            .and_then(toml::Value::as_array)
            .map_or(0, Vec::len);
        for section in ["dependencies", "dev-dependencies"] {
            let Some(table) = manifest.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for (name, value) in table {
                let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                assert!(
                    inherited,
                    "{package}: `{name}` must come from [workspace.dependencies]"
                );
            }
        }
    }
    assert!(
        test_targets <= 8,
        "{test_targets} test executables; each links DataFusion again, 8 is the budget"
    );
}

#[test]
fn every_sql_file_has_its_header() {
    let mut folders = vec![root().join("sql")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sql") {
                files += 1;
                let text = std::fs::read_to_string(&path).unwrap();
                for (line, key) in text
                    .lines()
                    .zip(["name", "does", "reads", "writes", "params"])
                {
                    assert!(
                        line.starts_with(&format!("-- {key}:")),
                        "{}: expected a line `-- {key}: …`, found `{line}`",
                        path.display()
                    );
                }
            }
        }
    }
    assert!(files > 0);
}

#[test]
fn the_reference_configuration_lists_every_key_with_its_default() {
    let path = root().join("infra/config/reference.toml");
    let written: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    let (mut expected, mut found) = (BTreeMap::new(), BTreeMap::new());
    flatten("", &defaults, &mut expected);
    flatten("", &written, &mut found);
    assert_eq!(found, expected, "{} is not up to date", path.display());
}

fn flatten(prefix: &str, table: &toml::Table, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let name = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            toml::Value::Table(table) if !table.is_empty() => flatten(&name, table, into),
            value => {
                into.insert(name, value.to_string());
            }
        }
    }
}

#[test]
fn source_files_stay_readable() {
    let mut folders: Vec<PathBuf> = PACKAGES
        .iter()
        .map(|package| root().join(package).join("src"))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path.file_name().is_none_or(|name| name != "tests.rs")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let production = text
                    .lines()
                    .take_while(|line| !line.contains("#[cfg(test)]"))
                    .count();
                assert!(
                    production <= 700,
                    "{}: {production} lines; look for the seam",
                    path.display()
                );
            }
        }
    }
}
