//! Commands about collections and indexes.

use std::collections::BTreeMap;
use std::time::Instant;

use mongodb::bson::{Bson, Document, doc};

use super::{Batch, BatchKind, Call, Commands};
use crate::document_store::failure::{Failure, Result};
use crate::document_store::fields::Fields;
use crate::document_store::filter::Filter;
use crate::document_store::path;
use crate::document_store::shape::as_whole;
use crate::document_store::storage::{self, IndexInfo};

/// Lists of names are short: one batch holds them all.
const WHOLE: Batch = Batch {
    size: usize::MAX,
    kind: BatchKind::Single,
};

impl Commands {
    pub(super) fn create_indexes(&self, mut call: Call) -> Result<Document> {
        let namespace = call.namespace()?;
        let indexes = call.fields.take_documents("indexes")?;
        call.fields.take("commitQuorum");
        call.fields.finish()?;
        let indexes = indexes
            .into_iter()
            .map(parse_index)
            .collect::<Result<Vec<_>>>()?;

        let transaction = self.storage.begin_read()?;
        let existing = storage::load_info(&transaction, &namespace)?;
        drop(transaction);
        let before = 1 + existing.as_ref().map_or(0, |info| info.indexes.len());
        let transaction = self.storage.begin_write()?;
        let mut made = 0;
        for index in indexes {
            made += usize::from(storage::create_index(&transaction, &namespace, index)?);
        }
        transaction.commit()?;
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        Ok(doc! {
            "ok": 1.0, "numIndexesBefore": number(before), "numIndexesAfter": number(before + made),
            "createdCollectionAutomatically": existing.is_none(),
        })
    }

    pub(super) fn list_indexes(&self, mut call: Call) -> Result<Document> {
        let namespace = call.namespace()?;
        take_cursor_options(&mut call.fields)?;
        call.fields.finish()?;
        let transaction = self.storage.begin_read()?;
        let info = storage::load_info(&transaction, &namespace)?;
        let info = info.ok_or_else(|| Failure::namespace_not_found(&namespace))?;
        let mut listed = vec![doc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" }];
        for index in info.indexes {
            let mut entry = doc! { "v": 2, "key": index.key, "name": index.name };
            if index.unique {
                entry.insert("unique", true);
            }
            listed.push(entry);
        }
        self.first_batch(&namespace, listed, WHOLE, Instant::now())
    }

    pub(super) fn list_collections(&self, mut call: Call) -> Result<Document> {
        let filter = Filter::parse(&call.fields.take_document("filter")?.unwrap_or_default())?;
        let name_only = call.fields.take_bool("nameOnly")?.unwrap_or(false);
        // Everybody may see everything.
        call.fields.take_bool("authorizedCollections")?;
        take_cursor_options(&mut call.fields)?;
        call.fields.finish()?;
        let transaction = self.storage.begin_read()?;
        let mut listed = Vec::new();
        for namespace in storage::namespaces(&transaction)? {
            let Some((database, name)) = namespace.split_once('.') else {
                continue;
            };
            let mut entry = doc! { "name": name, "type": "collection" };
            if !name_only {
                entry.insert("options", Document::new());
                entry.insert("info", doc! { "readOnly": false });
            }
            if database == call.database && filter.matches(&entry)? {
                listed.push(entry);
            }
        }
        let namespace = format!("{}.$cmd.listCollections", call.database);
        self.first_batch(&namespace, listed, WHOLE, Instant::now())
    }

    pub(super) fn list_databases(&self, mut call: Call) -> Result<Document> {
        let filter = Filter::parse(&call.fields.take_document("filter")?.unwrap_or_default())?;
        let name_only = call.fields.take_bool("nameOnly")?.unwrap_or(false);
        call.fields.take_bool("authorizedDatabases")?;
        call.fields.finish()?;
        if !name_only {
            return Err(Failure::not_supported(
                "`listDatabases` with sizes (`nameOnly: false`)",
            ));
        }
        let transaction = self.storage.begin_read()?;
        let mut databases = BTreeMap::new();
        for namespace in storage::namespaces(&transaction)? {
            if let Some((database, _)) = namespace.split_once('.') {
                databases.insert(database.to_owned(), doc! { "name": database });
            }
        }
        let mut listed: Vec<Bson> = Vec::new();
        for entry in databases.into_values() {
            if filter.matches(&entry)? {
                listed.push(entry.into());
            }
        }
        Ok(doc! { "ok": 1.0, "databases": listed })
    }

    pub(super) fn drop_collection(&self, call: Call) -> Result<Document> {
        let namespace = call.namespace()?;
        call.fields.finish()?;
        let transaction = self.storage.begin_write()?;
        let was_there = storage::drop_collection(&transaction, &namespace)?;
        transaction.commit()?;
        // Dropping what is not there is no error since MongoDB 7.0.
        Ok(if was_there {
            doc! { "ok": 1.0, "ns": namespace }
        } else {
            doc! { "ok": 1.0 }
        })
    }
}

fn parse_index(index: Document) -> Result<IndexInfo> {
    let mut fields = Fields::new("createIndexes", index);
    let key = fields.require_document("key")?;
    let name = fields
        .take_text("name")?
        .ok_or_else(|| Failure::missing("createIndexes", "name"))?;
    let unique = fields.take_bool("unique")?.unwrap_or(false);
    // The format version of an index, and a hint about building it: both without meaning here.
    fields.take("v");
    fields.take_bool("background")?;
    fields.finish()?;
    if key.is_empty() {
        return Err(Failure::bad_value("an index needs a key"));
    }
    for (field, direction) in &key {
        path::check_plain(field)?;
        if !matches!(as_whole(direction), Some(1 | -1)) {
            return Err(Failure::not_supported(format!(
                "an index of kind {direction} on `{field}`"
            )));
        }
    }
    Ok(IndexInfo::new(name, key, unique))
}

fn take_cursor_options(fields: &mut Fields) -> Result<()> {
    if let Some(cursor) = fields.take_document("cursor")? {
        let mut cursor = Fields::new("cursor", cursor);
        cursor.take_count("batchSize")?;
        cursor.finish()?;
    }
    Ok(())
}
