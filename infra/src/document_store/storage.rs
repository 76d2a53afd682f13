//! Collections in one redb file: a table `_id -> BSON` each, and a table `key -> _id` for each unique index.
//! A write command is one redb transaction, on disk before its answer is sent.

use std::path::Path;

use mongodb::bson::{Bson, Document, doc};
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition,
    WriteTransaction,
};

use super::failure::{Failure, Result};
use super::filter::Filter;
use super::path;
use super::value::{check_storable, order_key};

/// As in MongoDB.
pub(super) const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;

const COLLECTIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("collections");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

type Bytes = &'static [u8];
type BytesTable<'txn> = Table<'txn, Bytes, Bytes>;

/// What is known of a collection besides its documents. `number` names its tables.
#[derive(Debug, Clone)]
pub(super) struct CollectionInfo {
    number: u64,
    pub(super) indexes: Vec<IndexInfo>,
}

/// An index as it was asked for. Only unique ones have a table; others are remembered and listed, and queries scan.
#[derive(Debug, Clone)]
pub(super) struct IndexInfo {
    number: u64,
    pub(super) name: String,
    pub(super) key: Document,
    pub(super) unique: bool,
}

impl IndexInfo {
    /// An index that is not stored yet.
    pub(super) fn new(name: String, key: Document, unique: bool) -> Self {
        Self {
            number: 0,
            name,
            key,
            unique,
        }
    }

    fn key_of(&self, document: &Document) -> Result<Vec<u8>> {
        let mut key = Vec::new();
        for field in self.key.keys() {
            let value = path::single(document, field, "a unique index")?;
            key.extend(order_key(value.unwrap_or(&Bson::Null))?);
        }
        Ok(key)
    }

    /// The index key that every match of `filter` has, if the filter pins all its fields.
    fn key_required_by(&self, filter: &Filter) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        for field in self.key.keys() {
            key.extend(filter.required_key(field)?);
        }
        Some(key)
    }
}

/// The file that holds all collections.
#[derive(Debug)]
pub(super) struct Storage {
    database: Database,
}

impl Storage {
    pub(super) fn open(file: &Path) -> Result<Self, redb::Error> {
        let database = Database::create(file)?;
        let transaction = database.begin_write()?;
        transaction.open_table(COLLECTIONS)?;
        transaction.open_table(NUMBERS)?;
        transaction.commit()?;
        Ok(Self { database })
    }

    pub(super) fn begin_read(&self) -> Result<ReadTransaction> {
        Ok(self.database.begin_read()?)
    }

    pub(super) fn begin_write(&self) -> Result<WriteTransaction> {
        Ok(self.database.begin_write()?)
    }
}

/// Lists all namespaces (`database.collection`) in order.
pub(super) fn namespaces(transaction: &ReadTransaction) -> Result<Vec<String>> {
    let table = transaction.open_table(COLLECTIONS)?;
    let mut names = Vec::new();
    for entry in table.iter()? {
        names.push(entry?.0.value().to_owned());
    }
    Ok(names)
}

pub(super) fn load_info(
    transaction: &ReadTransaction,
    namespace: &str,
) -> Result<Option<CollectionInfo>> {
    let table = transaction.open_table(COLLECTIONS)?;
    let stored = table.get(namespace)?;
    stored.map(|bytes| decode_info(bytes.value())).transpose()
}

/// Finds documents in `_id` order; stops after `enough` when it is given.
pub(super) fn find(
    transaction: &ReadTransaction,
    namespace: &str,
    filter: &Filter,
    enough: Option<usize>,
) -> Result<Vec<Document>> {
    let Some(info) = load_info(transaction, namespace)? else {
        return Ok(Vec::new());
    };
    let documents = transaction.open_table(documents_table(&documents_name(info.number)))?;
    let id = match pinned(&info, filter) {
        None => None,
        Some(Pin::Id(id)) => Some(id),
        Some(Pin::Index(number, key)) => {
            let index = transaction.open_table(documents_table(&index_name(number)))?;
            let Some(id) = index.get(key.as_slice())? else {
                return Ok(Vec::new());
            };
            Some(id.value().to_vec())
        }
    };
    Ok(scan(&documents, id.as_deref(), filter, enough)?
        .into_iter()
        .map(|(_, document)| document)
        .collect())
}

/// Counts the documents of a collection without reading them.
pub(super) fn count_all(transaction: &ReadTransaction, namespace: &str) -> Result<u64> {
    use redb::ReadableTableMetadata as _;
    let Some(info) = load_info(transaction, namespace)? else {
        return Ok(0);
    };
    Ok(transaction
        .open_table(documents_table(&documents_name(info.number)))?
        .len()?)
}

/// Drops a collection; tells whether it was there.
pub(super) fn drop_collection(transaction: &WriteTransaction, namespace: &str) -> Result<bool> {
    let info = match transaction.open_table(COLLECTIONS)?.remove(namespace)? {
        Some(bytes) => decode_info(bytes.value())?,
        None => return Ok(false),
    };
    transaction.delete_table(documents_table(&documents_name(info.number)))?;
    for index in info.indexes.iter().filter(|index| index.unique) {
        transaction.delete_table(documents_table(&index_name(index.number)))?;
    }
    Ok(true)
}

/// Adds an index to a collection, making the collection where there is none. Tells whether it is new.
pub(super) fn create_index(
    transaction: &WriteTransaction,
    namespace: &str,
    mut index: IndexInfo,
) -> Result<bool> {
    let mut info = ensure_collection(transaction, namespace)?;
    for existing in &info.indexes {
        let (same_name, same_key) = (existing.name == index.name, existing.key == index.key);
        if same_name && same_key && existing.unique == index.unique {
            return Ok(false);
        }
        if same_name || same_key {
            return Err(Failure::index_conflict(&index.name));
        }
    }
    index.number = next_number(transaction)?;
    if index.unique {
        let documents = transaction.open_table(documents_table(&documents_name(info.number)))?;
        let mut entries = transaction.open_table(documents_table(&index_name(index.number)))?;
        for entry in documents.iter()? {
            let (id, bytes) = entry?;
            let document = Document::from_reader(bytes.value())?;
            let key = index.key_of(&document)?;
            if entries.insert(key.as_slice(), id.value())?.is_some() {
                return Err(duplicate(namespace, &index.name, &index.key, &document));
            }
        }
    }
    info.indexes.push(index);
    store_info(transaction, namespace, &info)?;
    Ok(true)
}

/// A collection opened for writing.
pub(super) struct Collection<'txn> {
    namespace: String,
    info: CollectionInfo,
    documents: BytesTable<'txn>,
    indexes: Vec<(IndexInfo, BytesTable<'txn>)>,
}

impl<'txn> Collection<'txn> {
    /// Opens a collection, making it where there is none.
    pub(super) fn ensure(transaction: &'txn WriteTransaction, namespace: &str) -> Result<Self> {
        let info = ensure_collection(transaction, namespace)?;
        Self::open_tables(transaction, namespace, info)
    }

    /// Opens a collection if it is there.
    pub(super) fn open(
        transaction: &'txn WriteTransaction,
        namespace: &str,
    ) -> Result<Option<Self>> {
        let info = transaction
            .open_table(COLLECTIONS)?
            .get(namespace)?
            .map(|bytes| decode_info(bytes.value()));
        info.transpose()?
            .map(|info| Self::open_tables(transaction, namespace, info))
            .transpose()
    }

    fn open_tables(
        transaction: &'txn WriteTransaction,
        namespace: &str,
        info: CollectionInfo,
    ) -> Result<Self> {
        let documents = transaction.open_table(documents_table(&documents_name(info.number)))?;
        let mut indexes = Vec::new();
        for index in info.indexes.iter().filter(|index| index.unique) {
            let table = transaction.open_table(documents_table(&index_name(index.number)))?;
            indexes.push((index.clone(), table));
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            info,
            documents,
            indexes,
        })
    }

    /// Finds documents to change, with their keys.
    pub(super) fn find(
        &self,
        filter: &Filter,
        enough: Option<usize>,
    ) -> Result<Vec<(Vec<u8>, Document)>> {
        let id = match pinned(&self.info, filter) {
            None => None,
            Some(Pin::Id(id)) => Some(id),
            Some(Pin::Index(number, key)) => {
                let entry = self
                    .indexes
                    .iter()
                    .find(|(index, _)| index.number == number);
                let Some((_, table)) = entry else {
                    return Err(Failure::internal("an index has no table"));
                };
                let Some(id) = table.get(key.as_slice())? else {
                    return Ok(Vec::new());
                };
                Some(id.value().to_vec())
            }
        };
        scan(&self.documents, id.as_deref(), filter, enough)
    }

    /// Inserts a document that has an `_id`. Fails before anything is changed.
    pub(super) fn insert(&mut self, document: &Document) -> Result<()> {
        check_storable(document)?;
        let bytes = encode(document)?;
        let id_value = document
            .get("_id")
            .ok_or_else(|| Failure::internal("a document has no `_id`"))?;
        if matches!(id_value, Bson::Array(_)) {
            return Err(Failure::bad_value(
                "the `_id` of a document cannot be an array",
            ));
        }
        let id = order_key(id_value)?;
        if self.documents.get(id.as_slice())?.is_some() {
            return Err(duplicate(
                &self.namespace,
                "_id_",
                &doc! { "_id": 1 },
                document,
            ));
        }
        let keys = self.check_unique(document, None)?;
        for ((_, table), key) in self.indexes.iter_mut().zip(keys) {
            table.insert(key.as_slice(), id.as_slice())?;
        }
        self.documents.insert(id.as_slice(), bytes.as_slice())?;
        Ok(())
    }

    /// Replaces the document stored under `id`. Fails before anything is changed.
    pub(super) fn replace(&mut self, id: &[u8], old: &Document, new: &Document) -> Result<()> {
        let bytes = encode(new)?;
        let keys = self.check_unique(new, Some(id))?;
        for ((index, table), key) in self.indexes.iter_mut().zip(keys) {
            table.remove(index.key_of(old)?.as_slice())?;
            table.insert(key.as_slice(), id)?;
        }
        self.documents.insert(id, bytes.as_slice())?;
        Ok(())
    }

    pub(super) fn remove(&mut self, id: &[u8], old: &Document) -> Result<()> {
        for (index, table) in &mut self.indexes {
            table.remove(index.key_of(old)?.as_slice())?;
        }
        self.documents.remove(id)?;
        Ok(())
    }

    fn check_unique(&self, document: &Document, own_id: Option<&[u8]>) -> Result<Vec<Vec<u8>>> {
        let mut keys = Vec::new();
        for (index, table) in &self.indexes {
            let key = index.key_of(document)?;
            if table
                .get(key.as_slice())?
                .is_some_and(|holder| Some(holder.value()) != own_id)
            {
                return Err(duplicate(
                    &self.namespace,
                    &index.name,
                    &index.key,
                    document,
                ));
            }
            keys.push(key);
        }
        Ok(keys)
    }
}

/// A filter that names one document needs no scan.
enum Pin {
    Id(Vec<u8>),
    Index(u64, Vec<u8>),
}

fn pinned(info: &CollectionInfo, filter: &Filter) -> Option<Pin> {
    if let Some(id) = filter.required_key("_id") {
        return Some(Pin::Id(id.to_vec()));
    }
    let unique = info.indexes.iter().filter(|index| index.unique);
    unique
        .into_iter()
        .find_map(|index| Some(Pin::Index(index.number, index.key_required_by(filter)?)))
}

fn scan(
    documents: &impl ReadableTable<Bytes, Bytes>,
    id: Option<&[u8]>,
    filter: &Filter,
    enough: Option<usize>,
) -> Result<Vec<(Vec<u8>, Document)>> {
    let mut found = Vec::new();
    if let Some(id) = id {
        if let Some(bytes) = documents.get(id)? {
            let document = Document::from_reader(bytes.value())?;
            if filter.matches(&document)? {
                found.push((id.to_vec(), document));
            }
        }
        return Ok(found);
    }
    for entry in documents.iter()? {
        if enough.is_some_and(|enough| found.len() >= enough) {
            break;
        }
        let (id, bytes) = entry?;
        let document = Document::from_reader(bytes.value())?;
        if filter.matches(&document)? {
            found.push((id.value().to_vec(), document));
        }
    }
    Ok(found)
}

fn documents_table(name: &str) -> TableDefinition<'_, Bytes, Bytes> {
    TableDefinition::new(name)
}

fn documents_name(number: u64) -> String {
    format!("documents/{number}")
}

fn index_name(number: u64) -> String {
    format!("index/{number}")
}

fn next_number(transaction: &WriteTransaction) -> Result<u64> {
    let mut numbers = transaction.open_table(NUMBERS)?;
    let next = numbers.get("next")?.map_or(1, |number| number.value());
    numbers.insert("next", next + 1)?;
    Ok(next)
}

fn ensure_collection(transaction: &WriteTransaction, namespace: &str) -> Result<CollectionInfo> {
    if let Some(bytes) = transaction.open_table(COLLECTIONS)?.get(namespace)? {
        return decode_info(bytes.value());
    }
    let info = CollectionInfo {
        number: next_number(transaction)?,
        indexes: Vec::new(),
    };
    transaction.open_table(documents_table(&documents_name(info.number)))?;
    store_info(transaction, namespace, &info)?;
    Ok(info)
}

fn store_info(
    transaction: &WriteTransaction,
    namespace: &str,
    info: &CollectionInfo,
) -> Result<()> {
    let encode_index = |index: &IndexInfo| {
        doc! { "number": index.number.cast_signed(), "name": &index.name, "key": &index.key, "unique": index.unique }
    };
    let indexes: Vec<Document> = info.indexes.iter().map(encode_index).collect();
    let bytes = doc! { "number": info.number.cast_signed(), "indexes": indexes }.to_vec()?;
    transaction
        .open_table(COLLECTIONS)?
        .insert(namespace, bytes.as_slice())?;
    Ok(())
}

fn decode_info(bytes: &[u8]) -> Result<CollectionInfo> {
    let broken = |_| Failure::internal("the description of a collection is unreadable");
    let stored = Document::from_reader(bytes)?;
    let mut indexes = Vec::new();
    for index in stored
        .get_array("indexes")
        .map_err(broken)?
        .iter()
        .filter_map(Bson::as_document)
    {
        indexes.push(IndexInfo {
            number: index.get_i64("number").map_err(broken)?.cast_unsigned(),
            name: index.get_str("name").map_err(broken)?.to_owned(),
            key: index.get_document("key").map_err(broken)?.clone(),
            unique: index.get_bool("unique").map_err(broken)?,
        });
    }
    Ok(CollectionInfo {
        number: stored.get_i64("number").map_err(broken)?.cast_unsigned(),
        indexes,
    })
}

fn encode(document: &Document) -> Result<Vec<u8>> {
    let bytes = document.to_vec()?;
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(Failure::document_too_large(bytes.len()));
    }
    Ok(bytes)
}

fn duplicate(namespace: &str, index: &str, key: &Document, document: &Document) -> Failure {
    let value = |field: &String| {
        path::resolve(document, field)
            .first()
            .map_or(Bson::Null, |value| (*value).clone())
    };
    let values: Document = key
        .keys()
        .map(|field| (field.clone(), value(field)))
        .collect();
    Failure::duplicate_key(namespace, index, &values)
}
