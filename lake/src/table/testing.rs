//! What the tests of tables share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::array_value_to_string;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::collect;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use url::Url;

use super::*;
use crate::catalog::Database;
use crate::lake::{Lake, TableDefinition};
use crate::storage::{Storage, StorageConfig};

pub(crate) fn events_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
    ]))
}

/// Returns rows `(id, "n<id>")`.
pub(crate) fn events(ids: impl IntoIterator<Item = i64>) -> RecordBatch {
    let ids: Vec<i64> = ids.into_iter().collect();
    named(
        &ids.iter()
            .map(|id| (*id, format!("n{id}")))
            .collect::<Vec<_>>(),
    )
}

pub(crate) fn named(rows: &[(i64, impl AsRef<str>)]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| row.1.as_ref()),
        )),
    ];
    RecordBatch::try_new(events_schema(), columns).unwrap()
}

pub(crate) fn definition(table: &str, schema: SchemaRef) -> TableDefinition {
    TableDefinition {
        name: name(table),
        schema,
        comment: None,
        partition_columns: Vec::new(),
        properties: BTreeMap::new(),
    }
}

pub(crate) fn name(table: &str) -> TableName {
    TableName::new("db", table).unwrap()
}

pub(crate) async fn lake_at(url: &str) -> Arc<Lake> {
    Lake::open(&StorageConfig::for_url(url)).await.unwrap()
}

pub(crate) async fn new_lake(url: &str) -> Arc<Lake> {
    let lake = lake_at(url).await;
    with_database(&lake).await;
    lake
}

async fn with_database(lake: &Arc<Lake>) {
    let database = Database::named("db");
    lake.catalog().create_database(database).await.unwrap();
}

/// Creates `db.events` with properties and appends rows.
pub(crate) async fn events_table(
    lake: &Arc<Lake>,
    properties: &[(&str, &str)],
    ids: impl IntoIterator<Item = i64>,
) -> LakeTable {
    let mut definition = definition("events", events_schema());
    definition.properties = texts(properties);
    let table = lake.create_table(definition).await.unwrap();
    append(&table, events(ids)).await;
    table
}

/// Creates `db.events` with column mapping, a nested column and a partition column, and appends
/// the rows 1, 2 and 3.
pub(crate) async fn mapped_table(lake: &Arc<Lake>, properties: &[(&str, &str)]) -> LakeTable {
    let inner = Field::new("inner", DataType::Int64, true);
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("part", DataType::Utf8, true),
        Field::new("nested", DataType::Struct(vec![inner].into()), true),
    ]));
    let mut mapped = definition("events", schema);
    mapped.partition_columns = vec!["part".to_owned()];
    mapped.properties = texts(&[("delta.columnMapping.mode", "name")]);
    mapped.properties.extend(texts(properties));
    let table = lake.create_table(mapped).await.unwrap();
    append(&table, mapped_rows(&[1, 2, 3])).await;
    table
}

/// Returns rows `(id, "even" or "odd", {inner: id})`.
pub(crate) fn mapped_rows(ids: &[i64]) -> RecordBatch {
    let values: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
    let inner = Arc::new(Field::new("inner", DataType::Int64, true));
    let nested: ArrayRef = Arc::new(StructArray::from(vec![(inner, Arc::clone(&values))]));
    let part: ArrayRef = Arc::new(StringArray::from_iter_values(
        ids.iter()
            .map(|id| if id % 2 == 0 { "even" } else { "odd" }),
    ));
    RecordBatch::try_from_iter([("id", values), ("part", part), ("nested", nested)]).unwrap()
}

pub(crate) fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

pub(crate) async fn append(table: &LakeTable, rows: RecordBatch) {
    let outcome = table.append(vec![rows], AppendCommit::default()).await;
    outcome.unwrap();
}

pub(crate) async fn rows(table: &LakeTable) -> Vec<String> {
    rows_of(&table.snapshot(AsOf::Latest).await.unwrap()).await
}

/// Returns the rows as text, sorted: by our scan, which must find what Delta's own finds.
pub(crate) async fn rows_of(snapshot: &TableSnapshot) -> Vec<String> {
    let state = SessionStateBuilder::new().with_default_features().build();
    let ours = snapshot.provider_for(Arc::new(state)).await.unwrap();
    let rows = provided(&ours, None).await;
    let delta = snapshot.provider().await.unwrap();
    assert_eq!(rows, provided(&delta, None).await);
    rows
}

/// Returns the rows of a provider as text, sorted; of all columns or of those given.
pub(crate) async fn provided(
    provider: &Arc<dyn TableProvider>,
    columns: Option<&[&str]>,
) -> Vec<String> {
    let state = SessionStateBuilder::new().with_default_features().build();
    let projection: Option<Vec<usize>> = columns.map(|columns| {
        let schema = provider.schema();
        columns
            .iter()
            .map(|column| schema.index_of(column).unwrap())
            .collect()
    });
    let plan = provider
        .scan(&state, projection.as_ref(), &[], None)
        .await
        .unwrap();
    let mut rows = Vec::new();
    for batch in collect(plan, state.task_ctx()).await.unwrap() {
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = batch
                .columns()
                .iter()
                .map(|column| array_value_to_string(column, row).unwrap())
                .collect();
            rows.push(cells.join("|"));
        }
    }
    rows.sort_unstable();
    rows
}

pub(crate) fn sorted(rows: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut rows: Vec<String> = rows.into_iter().map(Into::into).collect();
    rows.sort_unstable();
    rows
}

/// Returns the text of an error and its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// When a [`FaultyStore`] fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// One call is not made.
    Refused,
    /// One call is made, but its answer is lost.
    AnswerLost,
    /// From one call on nothing is made any more.
    Crashed,
}

/// A store in memory that fails from the n-th call on, as a crash or a broken network would.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    inner: Arc<InMemory>,
    calls: AtomicUsize,
    fails_at: AtomicUsize,
    fault: Fault,
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

type StoreResult<T> = object_store::Result<T>;

fn broken() -> object_store::Error {
    object_store::Error::Generic {
        store: "FaultyStore",
        source: "the store is broken".into(),
    }
}

impl FaultyStore {
    pub(crate) fn over(inner: &Arc<InMemory>, fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            calls: AtomicUsize::new(0),
            fails_at: AtomicUsize::new(usize::MAX),
            fault,
        })
    }

    /// Lets the n-th call from now on fail.
    pub(crate) fn fail_at(&self, n: usize) {
        self.calls.store(0, Ordering::SeqCst);
        self.fails_at.store(n, Ordering::SeqCst);
    }

    /// Reports whether a call failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.calls.load(Ordering::SeqCst) >= self.fails_at.load(Ordering::SeqCst)
    }

    /// Counts a call and reports whether it is to fail.
    fn fails(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let at = self.fails_at.load(Ordering::SeqCst);
        call == at || (self.fault == Fault::Crashed && call > at)
    }

    async fn run<T>(&self, call: impl Future<Output = StoreResult<T>> + Send) -> StoreResult<T> {
        match (self.fails(), self.fault) {
            (false, _) => call.await,
            (true, Fault::AnswerLost) => {
                let _ = call.await;
                Err(broken())
            }
            (true, _) => Err(broken()),
        }
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        self.run(self.inner.put_opts(location, payload, options))
            .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.run(self.inner.put_multipart_opts(location, options))
            .await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.run(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        if self.fails() {
            return stream::once(async { Err(broken()) }).boxed();
        }
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        if self.fails() {
            return stream::once(async { Err(broken()) }).boxed();
        }
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.run(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.run(self.inner.copy_opts(from, to, options)).await
    }
}

/// Opens a lake over a store, with the database `db` if it is new.
pub(crate) async fn lake_over(store: Arc<dyn ObjectStore>) -> Arc<Lake> {
    let url = Url::parse("memory://faulty/lake/").unwrap();
    let storage = Storage::over_store(url, store).await.unwrap();
    let lake = Lake::over(storage).await.unwrap();
    if lake.catalog().database("db").await.is_err() {
        with_database(&lake).await;
    }
    lake
}
