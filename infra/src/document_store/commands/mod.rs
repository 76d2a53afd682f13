//! Every command that is understood. The rest is refused by name.

mod admin;
mod read;
mod write;

use std::time::Instant;

use mongodb::bson::{Bson, Document, doc};
use parking_lot::Mutex;

use super::cursors::{Cursors, take_batch};
use super::failure::{Failure, Result};
use super::fields::Fields;
use super::storage::Storage;
use super::wire::MAX_MESSAGE_BYTES;

/// Runs commands on the storage. Blocking: a write ends with a flush to disk.
#[derive(Debug)]
pub(super) struct Commands {
    storage: Storage,
    cursors: Mutex<Cursors>,
}

/// A command with its name and addressee taken off.
struct Call {
    name: String,
    /// The value of the command's own field: mostly the collection.
    subject: Bson,
    database: String,
    fields: Fields,
}

impl Call {
    fn parse(mut command: Document) -> Result<Self> {
        let name = command
            .keys()
            .next()
            .cloned()
            .ok_or_else(|| Failure::bad_value("an empty command"))?;
        let subject = command.remove(&name).unwrap_or(Bson::Null);
        let database = match command.remove("$db") {
            Some(Bson::String(database)) => database,
            _ => return Err(Failure::missing(&name, "$db")),
        };
        let is_valid = !database.is_empty()
            && database.len() < 64
            && !database.contains(['/', '\\', '.', '"', '$', ' ', '\0']);
        if !is_valid {
            return Err(Failure::invalid_namespace(&database));
        }
        let fields = Fields::new(name.clone(), command);
        Ok(Self {
            name,
            subject,
            database,
            fields,
        })
    }

    /// The namespace of a command whose own field names the collection.
    fn namespace(&self) -> Result<String> {
        let Bson::String(collection) = &self.subject else {
            return Err(Failure::wrong_type(&self.name, "the name of a collection"));
        };
        self.namespace_of(collection)
    }

    fn namespace_of(&self, collection: &str) -> Result<String> {
        let namespace = format!("{}.{collection}", self.database);
        let is_valid = !collection.is_empty()
            && namespace.len() < 256
            && !collection.contains(['$', '\0'])
            && !collection.starts_with("system.")
            && !collection.starts_with('.')
            && !collection.ends_with('.');
        if is_valid {
            Ok(namespace)
        } else {
            Err(Failure::invalid_namespace(&namespace))
        }
    }
}

impl Commands {
    pub(super) fn new(storage: Storage) -> Self {
        Self {
            storage,
            cursors: Mutex::new(Cursors::new()),
        }
    }

    /// Runs one command; a failure becomes the reply that says so.
    pub(super) fn run(&self, command: Document, now: Instant) -> Document {
        self.try_run(command, now)
            .unwrap_or_else(|failure| failure.to_reply())
    }

    fn try_run(&self, command: Document, now: Instant) -> Result<Document> {
        let mut call = Call::parse(command)?;
        if matches!(call.name.as_str(), "hello" | "isMaster" | "ismaster") {
            return hello(call);
        }
        call.fields.take_envelope()?;
        match call.name.as_str() {
            "ping" => {
                call.fields.finish()?;
                Ok(doc! { "ok": 1.0 })
            }
            "buildInfo" | "buildinfo" => build_info(call),
            "endSessions" => {
                call.fields.finish()?;
                Ok(doc! { "ok": 1.0 })
            }
            "insert" => self.insert(call),
            "update" => self.update(call),
            "delete" => self.delete(call),
            "findAndModify" | "findandmodify" => self.find_and_modify(call),
            "find" => self.find(call, now),
            "getMore" => self.get_more(call, now),
            "killCursors" => self.kill_cursors(call),
            "count" => self.count(call),
            "aggregate" => self.aggregate(call),
            "createIndexes" => self.create_indexes(call),
            "listIndexes" => self.list_indexes(call),
            "listCollections" => self.list_collections(call),
            "listDatabases" => self.list_databases(call),
            "drop" => self.drop_collection(call),
            other => Err(Failure::unknown_command(other)),
        }
    }

    /// Answers with the first batch of `documents`, keeping the rest for `getMore`.
    fn first_batch(
        &self,
        namespace: &str,
        documents: Vec<Document>,
        batch: Batch,
        now: Instant,
    ) -> Result<Document> {
        let mut waiting = documents.into();
        let first = take_batch(&mut waiting, batch.size)?;
        let id = match batch.kind {
            BatchKind::Single => 0,
            BatchKind::More => self.cursors.lock().keep(namespace, waiting, now)?,
        };
        Ok(doc! { "ok": 1.0, "cursor": { "id": id, "ns": namespace, "firstBatch": first } })
    }
}

/// How a cursor's reply is cut.
#[derive(Debug, Clone, Copy)]
struct Batch {
    size: usize,
    kind: BatchKind,
}

#[derive(Debug, Clone, Copy)]
enum BatchKind {
    /// What does not fit is not wanted.
    Single,
    More,
}

impl Batch {
    const DEFAULT_SIZE: usize = 101;
}

/// The handshake. A driver adds fields that describe itself: they ask for nothing and are not looked at.
fn hello(mut call: Call) -> Result<Document> {
    if call.fields.take("speculativeAuthenticate").is_some()
        || call.fields.take("saslSupportedMechs").is_some()
    {
        return Err(Failure::not_supported("authentication"));
    }
    if call.fields.take("apiVersion").is_some()
        || call.fields.take_bool("loadBalanced")? == Some(true)
    {
        return Err(Failure::not_supported(
            "the versioned API, or load balancing,",
        ));
    }
    Ok(doc! {
        "ok": 1.0,
        "helloOk": true,
        "isWritablePrimary": true,
        "ismaster": true,
        "minWireVersion": 0,
        "maxWireVersion": 21,
        "maxBsonObjectSize": i32::try_from(super::storage::MAX_DOCUMENT_BYTES).unwrap_or(i32::MAX),
        "maxMessageSizeBytes": i32::try_from(MAX_MESSAGE_BYTES).unwrap_or(i32::MAX),
        "maxWriteBatchSize": 100_000,
        "readOnly": false,
    })
}

fn build_info(call: Call) -> Result<Document> {
    call.fields.finish()?;
    Ok(doc! {
        "ok": 1.0,
        // The wire behaviour that the subset follows, which is what drivers read here.
        "version": "7.0.0",
        "versionArray": [7, 0, 0, 0],
        "gitVersion": concat!("lakehouse ", env!("CARGO_PKG_VERSION")),
        "modules": ["embedded document store (MongoDB wire subset), a stand-in, not MongoDB"],
        "maxBsonObjectSize": i32::try_from(super::storage::MAX_DOCUMENT_BYTES).unwrap_or(i32::MAX),
    })
}
