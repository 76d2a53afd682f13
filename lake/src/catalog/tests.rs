//! Files of other versions, and how much is read.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use url::Url;

use super::*;
use crate::storage::StorageConfig;

/// The first five entries and the snapshot after them, as the first version wrote them.
const FIRST_LOG: [&str; 5] = [
    r#"{"sequence":1,"id":"6e1f3a44-3f0e-4d38-8f0e-0a5b4c6d7e8f","at":"2026-01-02T03:04:05.678901234Z","change":"create_database","database":{"name":"flights","comment":"of 2013","properties":{"owner":"ops"}}}"#,
    r#"{"sequence":2,"id":"6e1f3a44-3f0e-4d38-8f0e-0a5b4c6d7e80","at":"2026-01-02T03:04:06Z","change":"create_table","table":{"name":{"database":"flights","table":"planes"},"location":"flights/planes-0123456789ab","comment":"tail numbers","column_comments":{"tailnum":"key"},"properties":{"steward":"ops"},"created_at":"2026-01-02T03:04:06Z"}}"#,
    r#"{"sequence":3,"id":"6e1f3a44-3f0e-4d38-8f0e-0a5b4c6d7e81","at":"2026-01-02T03:04:07Z","change":"create_table","table":{"name":{"database":"flights","table":"gone"},"location":"flights/gone-0123456789ab","created_at":"2026-01-02T03:04:07Z"}}"#,
    r#"{"sequence":4,"id":"6e1f3a44-3f0e-4d38-8f0e-0a5b4c6d7e82","at":"2026-01-02T03:04:08Z","change":"drop_table","name":{"database":"flights","table":"gone"}}"#,
    r#"{"sequence":5,"id":"6e1f3a44-3f0e-4d38-8f0e-0a5b4c6d7e83","at":"2026-01-02T03:04:09Z","change":"drop_database","name":"nothing"}"#,
];
const FIRST_SNAPSHOT: &str = r#"{"sequence":5,"databases":{"flights":{"database":{"name":"flights","comment":"of 2013","properties":{"owner":"ops"}},"tables":{"planes":{"name":{"database":"flights","table":"planes"},"location":"flights/planes-0123456789ab","comment":"tail numbers","column_comments":{"tailnum":"key"},"properties":{"steward":"ops"},"created_at":"2026-01-02T03:04:06Z"}}}}}"#;

async fn storage_with(files: &[(String, &str)]) -> Storage {
    let storage = Storage::open(&StorageConfig::for_url("memory://"))
        .await
        .unwrap();
    for (path, text) in files {
        let payload = PutPayload::from((*text).to_owned());
        let path = Path::from(path.as_str());
        storage.object_store().put(&path, payload).await.unwrap();
    }
    storage
}

fn log_files(entries: &[&'static str]) -> Vec<(String, &'static str)> {
    (1_u64..)
        .zip(entries)
        .map(|(sequence, text)| (format!("_catalog/log/{sequence:020}.json"), *text))
        .collect()
}

#[tokio::test]
async fn what_the_first_version_wrote_is_read() {
    let snapshot = "_catalog/snapshot/00000000000000000005.json".to_owned();
    for files in [log_files(&FIRST_LOG), vec![(snapshot, FIRST_SNAPSHOT)]] {
        let storage = storage_with(&files).await;
        let catalog = Catalog::open(&storage).await.unwrap();
        let database = catalog.database("flights").await.unwrap();
        assert_eq!(
            (
                database.comment.as_deref(),
                database.location,
                database.owner
            ),
            (Some("of 2013"), None, None)
        );
        let tables = catalog.tables("flights").await.unwrap();
        let name = TableName::new("flights", "planes").unwrap();
        let at = "2026-01-02T03:04:06Z".parse().unwrap();
        let expected = TableEntry {
            comment: Some("tail numbers".to_owned()),
            column_comments: [("tailnum".to_owned(), "key".to_owned())].into(),
            properties: [("steward".to_owned(), "ops".to_owned())].into(),
            ..TableEntry::delta(name, "flights/planes-0123456789ab", at)
        };
        assert_eq!(tables, [expected]);
        assert!(catalog.dropped_tables(None).await.unwrap().is_empty());
        // And it can be changed.
        catalog.drop_table(&tables[0].name, None).await.unwrap();
        assert_eq!(
            Catalog::open(&storage)
                .await
                .unwrap()
                .dropped_tables(None)
                .await
                .unwrap()
                .len(),
            1
        );
    }
}

#[test]
fn what_needs_nothing_new_is_written_as_the_first_version_did() {
    for text in FIRST_LOG {
        let entry: LogEntry = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&entry).unwrap(), text);
    }
    let state: State = serde_json::from_str(FIRST_SNAPSHOT).unwrap();
    assert_eq!(serde_json::to_string(&state).unwrap(), FIRST_SNAPSHOT);
}

#[tokio::test]
async fn a_change_of_a_newer_version_is_named_and_not_skipped() {
    let newer = r#"{"sequence":6,"id":"6e1f3a44-3f0e-4d38-8f0e-0a5b4c6d7e84","at":"2026-01-02T03:04:10Z","change":"create_view","view":{"name":"v"}}"#;
    let mut files = FIRST_LOG.to_vec();
    files.push(newer);
    let files = log_files(&files);
    let error = Catalog::open(&storage_with(&files).await)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::UnknownCatalogChange { change, path }
            if change == "create_view" && path.ends_with("00000000000000000006.json")),
        "{error}"
    );
    assert_eq!(error.hint(), Some("upgrade this process"));

    // The same in a process that is running, which must not forget what it knows.
    let storage = storage_with(&log_files(&FIRST_LOG)).await;
    let catalog = Catalog::open(&storage).await.unwrap();
    let path = Path::from("_catalog/log/00000000000000000006.json");
    storage
        .object_store()
        .put(&path, newer.into())
        .await
        .unwrap();
    for _ in 0..2 {
        let error = catalog.databases().await.unwrap_err();
        assert!(matches!(error, Error::UnknownCatalogChange { .. }));
    }
}

#[tokio::test]
async fn parts_of_a_newer_version_are_refused() {
    let newer = r#"{"sequence":6,"id":"6e1f3a44-3f0e-4d38-8f0e-0a5b4c6d7e84","at":"2026-01-02T03:04:10Z","change":"drop_table","name":{"database":"flights","table":"planes"},"cascade":true}"#;
    let mut files = FIRST_LOG.to_vec();
    files.push(newer);
    let error = Catalog::open(&storage_with(&log_files(&files)).await)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::CatalogCorrupt { .. }), "{error}");
    // A snapshot with something new is not used, because the log says it, too.
    let mut files = log_files(&FIRST_LOG);
    let newer = FIRST_SNAPSHOT.replacen('{', r#"{"views":{},"#, 1);
    let snapshot = "_catalog/snapshot/00000000000000000005.json".to_owned();
    files.push((snapshot, newer.as_str()));
    let catalog = Catalog::open(&storage_with(&files).await).await.unwrap();
    assert_eq!(catalog.tables("flights").await.unwrap().len(), 1);
}

/// Counts requests.
#[derive(Debug, Default)]
struct Counting {
    store: InMemory,
    gets: AtomicUsize,
    lists: AtomicUsize,
}

impl Counting {
    fn take(&self) -> (usize, usize) {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
        (take(&self.gets), take(&self.lists))
    }
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counting")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Counting {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        self.store.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        self.store.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        self.store.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.store.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_warm_read_is_one_request_and_a_cold_one_is_bounded() {
    let store = Arc::new(Counting::default());
    let root = Url::parse("memory://counting/").unwrap();
    let storage = Storage::over_store(root, Arc::clone(&store) as Arc<dyn ObjectStore>)
        .await
        .unwrap();
    let catalog = Catalog::open(&storage).await.unwrap();
    for number in 0..223 {
        let database = Database::named(format!("d{number}"));
        catalog.create_database(database).await.unwrap();
    }
    store.take();
    catalog.databases().await.unwrap();
    assert_eq!(store.take(), (1, 0));

    // Two listings, the newest snapshot, and the entries after it.
    let cold = Catalog::open(&storage).await.unwrap();
    let (gets, lists) = store.take();
    assert_eq!((gets, lists), (1 + 223 % 50, 2));
    assert_eq!(cold.databases().await.unwrap().len(), 223);
    let snapshots = Path::from("_catalog/snapshot");
    let kept: Vec<ObjectMeta> =
        futures::TryStreamExt::try_collect(store.store.list(Some(&snapshots)))
            .await
            .unwrap();
    assert_eq!(kept.len(), 3);
}

/// The target is 50 ms; a debug build on a busy machine gets ten times that.
#[tokio::test]
async fn a_thousand_tables_are_listed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = StorageConfig::for_url(folder.path().display().to_string());
    let storage = Storage::open(&config).await.unwrap();
    let mut state = State::default();
    let columns = (0..20).map(|number| Column::new(format!("c{number}"), "bigint"));
    let columns: Vec<Column> = columns.collect();
    let mut database = DatabaseState {
        database: Database::named("d"),
        ..DatabaseState::default()
    };
    for number in 0..1000 {
        let name = TableName::new("d", &format!("t{number}")).unwrap();
        let location = format!("d/{number}");
        let mut entry = TableEntry::external(
            name,
            location,
            TableFormat::Parquet,
            columns.clone(),
            Utc::now(),
        );
        entry.partition_keys = vec![Column::new("k", "int")];
        let partitions = (0..20).map(|value: u32| {
            let value = value.to_string();
            (value.clone(), Partition::new(vec![value], Utc::now()))
        });
        database
            .partitions
            .insert(entry.name.table.clone(), partitions.collect());
        database.tables.insert(entry.name.table.clone(), entry);
    }
    state.sequence = 50;
    state.databases.insert("d".to_owned(), database);
    let log = CatalogLog::new(storage.object_store(), storage.root_url().clone());
    log.put_snapshot(&state).await.unwrap();
    let catalog = Catalog::open(&storage).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        assert_eq!(catalog.tables("d").await.unwrap().len(), 1000);
        times.push(started.elapsed());
    }
    times.sort();
    println!("1,000 tables listed in {:?} (median of 5)", times[2]);
    assert!(times[2].as_millis() < 500, "{times:?}");
}
