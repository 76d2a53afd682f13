//! Commands that read documents.

use std::time::Instant;

use mongodb::bson::{Bson, Document, doc};

use super::{Batch, BatchKind, Call, Commands};
use crate::document_store::failure::{Failure, Result};
use crate::document_store::fields::Fields;
use crate::document_store::filter::Filter;
use crate::document_store::shape::{Projection, Sort, as_whole};
use crate::document_store::storage;

impl Commands {
    pub(super) fn find(&self, mut call: Call, now: Instant) -> Result<Document> {
        let namespace = call.namespace()?;
        let filter = Filter::parse(&call.fields.take_document("filter")?.unwrap_or_default())?;
        let sort = Sort::parse(call.fields.take_document("sort")?.as_ref())?;
        let projection = Projection::parse(call.fields.take_document("projection")?.as_ref())?;
        let skip = call.fields.take_count("skip")?.unwrap_or(0);
        let limit = call.fields.take_count("limit")?.filter(|limit| *limit > 0);
        let size = call
            .fields
            .take_count("batchSize")?
            .unwrap_or(Batch::DEFAULT_SIZE);
        let is_single = call.fields.take_bool("singleBatch")?.unwrap_or(false);
        call.fields.finish()?;

        let wanted = limit.map(|limit| skip.saturating_add(limit));
        let enough = wanted.filter(|_| sort.is_empty());
        let transaction = self.storage.begin_read()?;
        let mut found = storage::find(&transaction, &namespace, &filter, enough)?;
        if !sort.is_empty() {
            found = sort_documents(found, &sort)?;
        }
        let cut = found
            .into_iter()
            .skip(skip)
            .take(limit.unwrap_or(usize::MAX));
        let documents = cut.map(|document| projection.apply(document)).collect();
        let kind = if is_single {
            BatchKind::Single
        } else {
            BatchKind::More
        };
        self.first_batch(&namespace, documents, Batch { size, kind }, now)
    }

    pub(super) fn get_more(&self, mut call: Call, now: Instant) -> Result<Document> {
        let id = match &call.subject {
            Bson::Int64(id) => *id,
            _ => return Err(Failure::wrong_type("getMore", "a 64-bit cursor id")),
        };
        let collection = call
            .fields
            .take_text("collection")?
            .ok_or_else(|| Failure::missing("getMore", "collection"))?;
        let namespace = format!("{}.{collection}", call.database);
        let count = call
            .fields
            .take_count("batchSize")?
            .filter(|count| *count > 0)
            .unwrap_or(usize::MAX);
        call.fields.finish()?;
        let (id, batch) = self.cursors.lock().next_batch(id, &namespace, count, now)?;
        Ok(doc! { "ok": 1.0, "cursor": { "id": id, "ns": namespace, "nextBatch": batch } })
    }

    pub(super) fn kill_cursors(&self, mut call: Call) -> Result<Document> {
        let namespace = call.namespace()?;
        let Some(Bson::Array(ids)) = call.fields.take("cursors") else {
            return Err(Failure::wrong_type("cursors", "an array of cursor ids"));
        };
        call.fields.finish()?;
        let mut cursors = self.cursors.lock();
        let (killed, unknown): (Vec<Bson>, Vec<Bson>) = ids
            .into_iter()
            .partition(|id| id.as_i64().is_some_and(|id| cursors.close(id, &namespace)));
        let none = Bson::Array(Vec::new());
        Ok(doc! {
            "ok": 1.0, "cursorsKilled": killed, "cursorsNotFound": unknown, "cursorsAlive": none.clone(),
            "cursorsUnknown": none,
        })
    }

    pub(super) fn count(&self, mut call: Call) -> Result<Document> {
        let namespace = call.namespace()?;
        let query = call.fields.take_document("query")?.unwrap_or_default();
        let skip = call.fields.take_count("skip")?.unwrap_or(0);
        let limit = call.fields.take_count("limit")?.filter(|limit| *limit > 0);
        call.fields.finish()?;
        let count = self.count_matches(&namespace, &query, skip, limit)?;
        Ok(doc! { "ok": 1.0, "n": count })
    }

    /// Runs the one pipeline that `countDocuments` is made of.
    pub(super) fn aggregate(&self, mut call: Call) -> Result<Document> {
        let namespace = call.namespace()?;
        let stages = call.fields.take_documents("pipeline")?;
        if let Some(cursor) = call.fields.take_document("cursor")? {
            let mut cursor = Fields::new("cursor", cursor);
            cursor.take_count("batchSize")?;
            cursor.finish()?;
        }
        call.fields.finish()?;

        let (mut query, mut skip, mut limit) = (Document::new(), 0, None);
        let Some((group, before)) = stages.split_last() else {
            return Err(refuse_pipeline());
        };
        for (position, stage) in before.iter().enumerate() {
            let mut stage = Fields::new("pipeline", stage.clone());
            let is_first = position == 0;
            match (
                stage.take_document("$match")?,
                stage.take_count("$skip")?,
                stage.take_count("$limit")?,
            ) {
                (Some(filter), None, None) if is_first => query = filter,
                (None, Some(count), None) if skip == 0 && limit.is_none() => skip = count,
                (None, None, Some(count)) if limit.is_none() && count > 0 => limit = Some(count),
                _ => return Err(refuse_pipeline()),
            }
            stage.finish()?;
        }
        if !is_count_group(group) {
            return Err(refuse_pipeline());
        }
        let count = self.count_matches(&namespace, &query, skip, limit)?;
        // MongoDB groups nothing into no group.
        let batch = if count == 0 {
            Vec::new()
        } else {
            vec![doc! { "_id": 1, "n": count }]
        };
        Ok(doc! { "ok": 1.0, "cursor": { "id": 0_i64, "ns": namespace, "firstBatch": batch } })
    }

    fn count_matches(
        &self,
        namespace: &str,
        query: &Document,
        skip: usize,
        limit: Option<usize>,
    ) -> Result<i64> {
        let transaction = self.storage.begin_read()?;
        let all = if query.is_empty() {
            usize::try_from(storage::count_all(&transaction, namespace)?).unwrap_or(usize::MAX)
        } else {
            let enough = limit.map(|limit| skip.saturating_add(limit));
            storage::find(&transaction, namespace, &Filter::parse(query)?, enough)?.len()
        };
        let count = all.saturating_sub(skip).min(limit.unwrap_or(usize::MAX));
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// Sorts as `sort` says; documents that are equal in it keep their order.
pub(super) fn sort_documents(documents: Vec<Document>, sort: &Sort) -> Result<Vec<Document>> {
    let mut keyed = Vec::with_capacity(documents.len());
    for document in documents {
        keyed.push((sort.key(&document)?, document));
    }
    keyed.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(keyed.into_iter().map(|(_, document)| document).collect())
}

fn refuse_pipeline() -> Failure {
    Failure::not_supported("an aggregation other than the one of `countDocuments`")
}

/// Recognises `{ $group: { _id: 1, n: { $sum: 1 } } }`.
fn is_count_group(stage: &Document) -> bool {
    let one = |value: Option<&Bson>| value.and_then(as_whole) == Some(1);
    let Ok(group) = stage.get_document("$group") else {
        return false;
    };
    let sum = group.get_document("n").ok();
    stage.len() == 1
        && group.len() == 2
        && one(group.get("_id"))
        && sum.is_some_and(|sum| sum.len() == 1 && one(sum.get("$sum")))
}
