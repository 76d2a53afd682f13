//! The files under `sql/`: embedded in the binary, read from the folder in debug builds.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};

use crate::{Error, Result};

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../sql");

/// One file: its header and its SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlFile {
    /// Path without ending, such as `reports/carriers`.
    pub name: String,
    /// What it is for, from its header.
    pub does: String,
    /// Parameters its header names.
    pub params: Vec<String>,
    /// The text, header included.
    pub sql: String,
}

/// All SQL files by name.
#[derive(Debug, Clone)]
pub struct SqlLibrary {
    files: BTreeMap<String, SqlFile>,
}

impl SqlLibrary {
    /// Loads all files.
    ///
    /// # Errors
    /// A file without its header.
    pub fn load() -> Result<Self> {
        let mut texts = BTreeMap::new();
        collect_embedded(&EMBEDDED, &mut texts);
        if cfg!(debug_assertions) {
            // The folder wins, so that editing SQL needs no new link; a moved binary has what is embedded.
            let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql");
            for (name, text) in &mut texts {
                if let Ok(newer) = std::fs::read_to_string(root.join(format!("{name}.sql"))) {
                    *text = newer;
                }
            }
        }
        let files = texts
            .into_iter()
            .map(|(name, text)| parse(&name, text).map(|file| (name, file)))
            .collect::<Result<_>>()?;
        Ok(Self { files })
    }

    /// Returns the file with this name.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, name: &str) -> Result<&SqlFile> {
        self.files.get(name).ok_or_else(|| Error::Library {
            name: name.to_owned(),
            reason: format!(
                "it does not exist; there is `{}`",
                self.names().collect::<Vec<_>>().join("`, `")
            ),
        })
    }

    /// Returns all names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Returns the files in a folder such as `reports`, in order.
    pub fn folder<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a SqlFile> {
        self.files.values().filter(move |file| {
            file.name
                .strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

fn collect_embedded(dir: &Dir<'_>, texts: &mut BTreeMap<String, String>) {
    for file in dir.files() {
        let name = file.path().to_string_lossy();
        if let (Some(name), Some(text)) = (name.strip_suffix(".sql"), file.contents_utf8()) {
            texts.insert(name.to_owned(), text.to_owned());
        }
    }
    for child in dir.dirs() {
        collect_embedded(child, texts);
    }
}

fn parse(name: &str, sql: String) -> Result<SqlFile> {
    let mut values = Vec::new();
    for (line, key) in sql
        .lines()
        .zip(["name", "does", "reads", "writes", "params"])
    {
        let value = line
            .strip_prefix(&format!("-- {key}:"))
            .ok_or_else(|| Error::Library {
                name: name.to_owned(),
                reason: format!("its header needs a line `-- {key}: …`, found `{line}`"),
            })?;
        values.push(value.trim().to_owned());
    }
    let [declared, does, _, _, params] = values.as_slice() else {
        return Err(Error::Library {
            name: name.to_owned(),
            reason: "its header is too short".to_owned(),
        });
    };
    if declared != name {
        return Err(Error::Library {
            name: name.to_owned(),
            reason: format!("its header calls it `{declared}`"),
        });
    }
    let params = params
        .split(',')
        .map(str::trim)
        .filter(|p| !p.is_empty())
        .map(str::to_owned)
        .collect();
    Ok(SqlFile {
        name: name.to_owned(),
        does: does.clone(),
        params,
        sql,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_its_header() {
        let library = SqlLibrary::load().unwrap();
        assert!(library.folder("tables").count() >= 5);
    }
}
