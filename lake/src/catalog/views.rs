//! Views: queries with a name, which tables and views share.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::model::{Column, TableName};
use super::state::Change;
use super::{Catalog, check, find_database, outcome};
use crate::error::{Error, Result};
use crate::nearest::nearest;

/// With whose rights a view reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewSecurity {
    /// Those of its owner.
    #[default]
    Definer,
    /// Those of whoever asks.
    Invoker,
}

/// A view as the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewEntry {
    /// The name.
    pub name: TableName,
    /// The query, in the dialect of those who made it.
    pub sql: String,
    /// The columns, with types as the query service writes them.
    pub columns: Vec<Column>,
    /// The catalog of names that the query leaves unqualified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<String>,
    /// The schema of names that the query leaves unqualified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// What the view is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Who is responsible for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// With whose rights it reads.
    #[serde(default)]
    pub security: ViewSecurity,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What to do about a view of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfViewExists {
    /// The new one takes its place.
    Replace,
    /// Fail, and change nothing.
    Fail,
}

/// What has a name in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// A table.
    Table(Box<super::TableEntry>),
    /// A view.
    View(Box<ViewEntry>),
}

/// The views of one database, by name.
pub(super) type Views = BTreeMap<String, ViewEntry>;

impl Catalog {
    /// Returns the views of a database, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] lists the nearest names.
    pub async fn views(&self, database: &str) -> Result<Vec<ViewEntry>> {
        let state = self.refresh().await?;
        let known = find_database(&state, database)?;
        Ok(known.views.values().cloned().collect())
    }

    /// Returns the table or view of a name.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`] list the nearest names.
    pub async fn relation(&self, name: &TableName) -> Result<Relation> {
        let state = self.refresh().await?;
        let known = find_database(&state, &name.database)?;
        let lower = name.table.to_ascii_lowercase();
        if let Some(view) = known.views.get(&lower) {
            return Ok(Relation::View(Box::new(view.clone())));
        }
        if let Some(table) = known.tables.get(&lower) {
            return Ok(Relation::Table(Box::new(table.clone())));
        }
        let names = known.tables.keys().chain(known.views.keys());
        Err(Error::TableNotFound {
            nearest: nearest(&lower, names.map(String::as_str))
                .into_iter()
                .map(|found| format!("{}.{found}", known.database.name))
                .collect(),
            name: format!("{}.{lower}", known.database.name),
        })
    }

    /// Names a view.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::InvalidName`], and [`Error::TableAlreadyExists`] when
    /// a table has the name, or a view that is not to be replaced.
    pub async fn create_view(&self, mut view: ViewEntry, if_exists: IfViewExists) -> Result<()> {
        view.name = TableName::new(&view.name.database, &view.name.table)?;
        self.change(|state| {
            let known = find_database(state, &view.name.database)?;
            let replaces =
                if_exists == IfViewExists::Replace && known.views.contains_key(&view.name.table);
            if !replaces {
                check::name_is_free(state, &view.name)?;
            }
            Ok(Change::PutView { view: view.clone() })
        })
        .await
    }

    /// Edits what is known of a view, whatever others edit meanwhile, and returns the outcome.
    /// The edit is called again after a lost race; it cannot change the name.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`].
    pub async fn edit_view(
        &self,
        name: &TableName,
        mut edit: impl FnMut(&mut ViewEntry) + Send,
    ) -> Result<ViewEntry> {
        let mut edited = None;
        self.change(|state| {
            let mut view = find_view(state, name)?.clone();
            let known = view.name.clone();
            edit(&mut view);
            view.name = known;
            edited = Some(view.clone());
            Ok(Change::PutView { view })
        })
        .await?;
        outcome(edited)
    }

    /// Gives a view another name, in the same or in another database.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::TableNotFound`], [`Error::TableAlreadyExists`] or
    /// [`Error::InvalidName`].
    pub async fn rename_view(&self, from: &TableName, to: &TableName) -> Result<()> {
        let to = TableName::new(&to.database, &to.table)?;
        self.change(|state| {
            let from = find_view(state, from)?.name.clone();
            check::name_is_free(state, &to)?;
            Ok(Change::RenameView {
                from,
                to: to.clone(),
            })
        })
        .await
    }

    /// Forgets a view.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`].
    pub async fn drop_view(&self, name: &TableName) -> Result<()> {
        self.change(|state| {
            let name = find_view(state, name)?.name.clone();
            Ok(Change::DropView { name })
        })
        .await
    }
}

fn find_view<'a>(state: &'a super::State, name: &TableName) -> Result<&'a ViewEntry> {
    let known = find_database(state, &name.database)?;
    let lower = name.table.to_ascii_lowercase();
    known.views.get(&lower).ok_or_else(|| Error::TableNotFound {
        nearest: nearest(&lower, known.views.keys().map(String::as_str))
            .into_iter()
            .map(|found| format!("{}.{found}", known.database.name))
            .collect(),
        name: format!("{}.{lower}", known.database.name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Database, TableEntry};
    use crate::storage::{Storage, StorageConfig};

    fn view(table: &str) -> ViewEntry {
        ViewEntry {
            name: TableName::new("d", table).unwrap(),
            sql: "SELECT 1 AS a".to_owned(),
            columns: vec![Column::new("a", "integer")],
            catalog: None,
            schema: Some("d".to_owned()),
            comment: None,
            owner: None,
            security: ViewSecurity::Definer,
            created_at: Utc::now(),
        }
    }

    #[tokio::test]
    async fn views_and_tables_share_their_names_and_survive() {
        let storage = Storage::open(&StorageConfig::for_url("memory://views"))
            .await
            .unwrap();
        let catalog = Catalog::open(&storage).await.unwrap();
        catalog.create_database(Database::named("d")).await.unwrap();
        let table = TableEntry::delta(TableName::new("d", "t").unwrap(), "d/t", Utc::now());
        catalog.register_table(table.clone()).await.unwrap();
        let taken = catalog.create_view(view("T"), IfViewExists::Replace).await;
        assert!(matches!(taken, Err(Error::TableAlreadyExists { .. })));
        catalog
            .create_view(view("V"), IfViewExists::Fail)
            .await
            .unwrap();
        let again = catalog.create_view(view("v"), IfViewExists::Fail).await;
        assert!(matches!(again, Err(Error::TableAlreadyExists { .. })));
        catalog
            .create_view(view("v"), IfViewExists::Replace)
            .await
            .unwrap();
        let as_view = TableEntry {
            name: TableName::new("d", "v").unwrap(),
            location: "d/v".to_owned(),
            ..table
        };
        let taken = catalog.register_table(as_view).await;
        assert!(matches!(taken, Err(Error::TableAlreadyExists { .. })));
        assert!(matches!(
            catalog.drop_database("d").await,
            Err(Error::DatabaseNotEmpty { tables: 2, .. })
        ));
        let (v, w) = (
            TableName::new("d", "v").unwrap(),
            TableName::new("d", "w").unwrap(),
        );
        catalog.rename_view(&v, &w).await.unwrap();
        let reopened = Catalog::open(&storage).await.unwrap();
        assert_eq!(reopened.views("d").await.unwrap().len(), 1);
        assert!(matches!(
            reopened.relation(&w).await.unwrap(),
            Relation::View(_)
        ));
        reopened.drop_view(&w).await.unwrap();
        assert!(reopened.relation(&w).await.is_err());
    }

    #[tokio::test]
    async fn a_replaced_table_is_there_before_and_after_and_can_be_had_back() {
        let storage = Storage::open(&StorageConfig::for_url("memory://replaced"))
            .await
            .unwrap();
        let catalog = Catalog::open(&storage).await.unwrap();
        catalog.create_database(Database::named("d")).await.unwrap();
        let name = TableName::new("d", "t").unwrap();
        let old = TableEntry::delta(name.clone(), "d/one", Utc::now());
        catalog.register_table(old).await.unwrap();
        let new = TableEntry::delta(name.clone(), "d/two", Utc::now());
        catalog.replace_table(new, Some(Utc::now())).await.unwrap();
        assert_eq!(catalog.table(&name).await.unwrap().location, "d/two");
        catalog
            .rename_table(&name, &TableName::new("d", "new").unwrap())
            .await
            .unwrap();
        assert_eq!(catalog.undrop_table(&name).await.unwrap().location, "d/one");
    }
}
