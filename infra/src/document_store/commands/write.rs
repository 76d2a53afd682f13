//! Commands that change documents. One command is one transaction; a statement that fails changes nothing.

use mongodb::bson::{Bson, Document, doc};

use super::{Call, Commands};
use crate::document_store::failure::{Failure, Result};
use crate::document_store::fields::Fields;
use crate::document_store::filter::Filter;
use crate::document_store::shape::{Projection, Sort};
use crate::document_store::storage::Collection;
use crate::document_store::update::{Occasion, Update, with_id_first};
use crate::document_store::value::order_key;

/// What follows a failed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Stop,
    GoOn,
}

/// What one statement of `update` asks.
struct Statement {
    query: Document,
    filter: Filter,
    update: Update,
    multi: bool,
    upsert: bool,
}

#[derive(Default)]
struct Updated {
    matched: i32,
    modified: i32,
    upserted: Option<Bson>,
}

impl Commands {
    pub(super) fn insert(&self, mut call: Call) -> Result<Document> {
        let namespace = call.namespace()?;
        let documents = call.fields.take_documents("documents")?;
        let order = take_order(&mut call.fields)?;
        // There are no validation rules to bypass.
        call.fields.take_bool("bypassDocumentValidation")?;
        call.fields.finish()?;

        let transaction = self.storage.begin_write()?;
        let mut inserted = 0;
        let mut failures = Vec::new();
        {
            let mut collection = Collection::ensure(&transaction, &namespace)?;
            for (position, document) in documents.into_iter().enumerate() {
                match collection.insert(&with_id_first(document)) {
                    Ok(()) => inserted += 1,
                    Err(failure) => {
                        failures.push(failure.to_write_error(position));
                        if order == Order::Stop {
                            break;
                        }
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(write_reply(doc! { "ok": 1.0, "n": inserted }, failures))
    }

    pub(super) fn update(&self, mut call: Call) -> Result<Document> {
        let namespace = call.namespace()?;
        let statements = call.fields.take_documents("updates")?;
        let order = take_order(&mut call.fields)?;
        call.fields.take_bool("bypassDocumentValidation")?;
        call.fields.finish()?;

        let transaction = self.storage.begin_write()?;
        let (mut matched, mut modified) = (0, 0);
        let (mut upserted, mut failures) = (Vec::new(), Vec::new());
        {
            let mut collection = Collection::ensure(&transaction, &namespace)?;
            for (position, statement) in statements.into_iter().enumerate() {
                let outcome = Statement::parse(statement)
                    .and_then(|statement| statement.run(&mut collection));
                match outcome {
                    Ok(updated) => {
                        matched += updated.matched;
                        modified += updated.modified;
                        if let Some(id) = updated.upserted {
                            upserted.push(doc! { "index": i32::try_from(position).unwrap_or(i32::MAX), "_id": id });
                        }
                    }
                    Err(failure) => {
                        failures.push(failure.to_write_error(position));
                        if order == Order::Stop {
                            break;
                        }
                    }
                }
            }
        }
        transaction.commit()?;
        let mut reply = doc! { "ok": 1.0, "n": matched, "nModified": modified };
        if !upserted.is_empty() {
            reply.insert("upserted", upserted);
        }
        Ok(write_reply(reply, failures))
    }

    pub(super) fn delete(&self, mut call: Call) -> Result<Document> {
        let namespace = call.namespace()?;
        let statements = call.fields.take_documents("deletes")?;
        let order = take_order(&mut call.fields)?;
        call.fields.finish()?;

        let transaction = self.storage.begin_write()?;
        let mut deleted = 0;
        let mut failures = Vec::new();
        if let Some(mut collection) = Collection::open(&transaction, &namespace)? {
            for (position, statement) in statements.into_iter().enumerate() {
                match delete_one_statement(&mut collection, statement) {
                    Ok(count) => deleted += count,
                    Err(failure) => {
                        failures.push(failure.to_write_error(position));
                        if order == Order::Stop {
                            break;
                        }
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(write_reply(doc! { "ok": 1.0, "n": deleted }, failures))
    }

    pub(super) fn find_and_modify(&self, mut call: Call) -> Result<Document> {
        let namespace = call.namespace()?;
        let query = call.fields.take_document("query")?.unwrap_or_default();
        let sort = Sort::parse(call.fields.take_document("sort")?.as_ref())?;
        let projection = Projection::parse(call.fields.take_document("fields")?.as_ref())?;
        let remove = call.fields.take_bool("remove")?.unwrap_or(false);
        let update = call
            .fields
            .take("update")
            .map(|update| Update::parse(&update))
            .transpose()?;
        let wants_new = call.fields.take_bool("new")?.unwrap_or(false);
        let upsert = call.fields.take_bool("upsert")?.unwrap_or(false);
        call.fields.take_bool("bypassDocumentValidation")?;
        call.fields.finish()?;
        if remove == update.is_some() || (remove && (wants_new || upsert)) {
            return Err(Failure::bad_value(
                "`findAndModify` takes either `remove` alone or an `update`",
            ));
        }

        let filter = Filter::parse(&query)?;
        let transaction = self.storage.begin_write()?;
        let (value, outcome) = {
            let mut collection = Collection::ensure(&transaction, &namespace)?;
            let found = first_match(&collection, &filter, &sort)?;
            match (found, update) {
                (None, Some(update)) if upsert => {
                    let document = update.build_upsert(&query)?;
                    collection.insert(&document)?;
                    let id = document.get("_id").cloned().unwrap_or(Bson::Null);
                    let value = wants_new.then_some(document);
                    (
                        value,
                        doc! { "n": 1, "updatedExisting": false, "upserted": id },
                    )
                }
                (None, Some(_)) => (None, doc! { "n": 0, "updatedExisting": false }),
                (None, None) => (None, doc! { "n": 0 }),
                (Some((id, old)), Some(update)) => {
                    let new = update.apply(&old, Occasion::Modify)?;
                    collection.replace(&id, &old, &new)?;
                    (
                        Some(if wants_new { new } else { old }),
                        doc! { "n": 1, "updatedExisting": true },
                    )
                }
                (Some((id, old)), None) => {
                    collection.remove(&id, &old)?;
                    (Some(old), doc! { "n": 1 })
                }
            }
        };
        transaction.commit()?;
        let value = value.map_or(Bson::Null, |document| projection.apply(document).into());
        Ok(doc! { "ok": 1.0, "value": value, "lastErrorObject": outcome })
    }
}

impl Statement {
    fn parse(statement: Document) -> Result<Self> {
        let mut fields = Fields::new("update", statement);
        let query = fields.require_document("q")?;
        let update = Update::parse(
            &fields
                .take("u")
                .ok_or_else(|| Failure::missing("update", "u"))?,
        )?;
        let multi = fields.take_bool("multi")?.unwrap_or(false);
        let upsert = fields.take_bool("upsert")?.unwrap_or(false);
        fields.finish()?;
        if multi && update.is_replacement() {
            return Err(Failure::bad_value(
                "a replacement changes one document, not `multi`",
            ));
        }
        Ok(Self {
            filter: Filter::parse(&query)?,
            query,
            update,
            multi,
            upsert,
        })
    }

    fn run(self, collection: &mut Collection<'_>) -> Result<Updated> {
        let found = collection.find(&self.filter, (!self.multi).then_some(1))?;
        if found.is_empty() && self.upsert {
            let document = self.update.build_upsert(&self.query)?;
            collection.insert(&document)?;
            return Ok(Updated {
                matched: 1,
                modified: 0,
                upserted: document.get("_id").cloned(),
            });
        }
        let mut updated = Updated::default();
        for (id, old) in found {
            let new = self.update.apply(&old, Occasion::Modify)?;
            updated.matched += 1;
            if new != old {
                collection.replace(&id, &old, &new)?;
                updated.modified += 1;
            }
        }
        Ok(updated)
    }
}

fn delete_one_statement(collection: &mut Collection<'_>, statement: Document) -> Result<i32> {
    let mut fields = Fields::new("delete", statement);
    let query = fields.require_document("q")?;
    let enough = match fields.take_count("limit")? {
        Some(0) => None,
        Some(1) => Some(1),
        _ => {
            return Err(Failure::bad_value(
                "the `limit` of a delete is 0 (all) or 1",
            ));
        }
    };
    fields.finish()?;
    let mut deleted = 0;
    for (id, document) in collection.find(&Filter::parse(&query)?, enough)? {
        collection.remove(&id, &document)?;
        deleted += 1;
    }
    Ok(deleted)
}

fn first_match(
    collection: &Collection<'_>,
    filter: &Filter,
    sort: &Sort,
) -> Result<Option<(Vec<u8>, Document)>> {
    if sort.is_empty() {
        return Ok(collection.find(filter, Some(1))?.pop());
    }
    let found = collection
        .find(filter, None)?
        .into_iter()
        .map(|(_, document)| document)
        .collect();
    let first = super::read::sort_documents(found, sort)?.into_iter().next();
    let Some(document) = first else {
        return Ok(None);
    };
    let id = order_key(document.get("_id").unwrap_or(&Bson::Null))?;
    Ok(Some((id, document)))
}

fn take_order(fields: &mut Fields) -> Result<Order> {
    Ok(if fields.take_bool("ordered")?.unwrap_or(true) {
        Order::Stop
    } else {
        Order::GoOn
    })
}

fn write_reply(mut reply: Document, failures: Vec<Document>) -> Document {
    if !failures.is_empty() {
        reply.insert("writeErrors", failures);
    }
    reply
}
