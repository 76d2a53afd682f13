//! What the lake asks of an S3 server, on the stand-in always and on a real one when its endpoint is given.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, UpdateVersion,
};

use super::{S3Server, S3ServerConfig};
use crate::error::Error;

const ACCESS_KEY: &str = "stand-in";
const SECRET_KEY: &str = "stand-in-secret";
const PART: usize = 5 * 1024 * 1024;

/// A folder of its own in the bucket, so that runs on a server that keeps its data do not meet.
struct Suite {
    store: Arc<AmazonS3>,
    prefix: String,
}

impl Suite {
    fn key(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.prefix))
    }
}

fn open(endpoint: &str, access_key: &str, secret_key: &str) -> Result<Arc<AmazonS3>> {
    let builder = AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_bucket_name("lake")
        .with_region("us-east-1")
        .with_access_key_id(access_key)
        .with_secret_access_key(secret_key)
        .with_allow_http(true)
        .with_conditional_put(S3ConditionalPut::ETagMatch);
    Ok(Arc::new(builder.build()?))
}

async fn run_suite(who: &str, store: Arc<AmazonS3>) -> Result<()> {
    let suite = Suite {
        store,
        prefix: format!("conformance/{}", uuid::Uuid::new_v4()),
    };
    put_if_absent_has_one_winner(&suite)
        .await
        .context("put if absent")?;
    sixteen_writers_have_one_winner(&suite)
        .await
        .context("race of writers")?;
    put_if_match_refuses_a_stale_tag(&suite)
        .await
        .context("put if match")?;
    multipart_reads_back_in_ranges(&suite)
        .await
        .context("multipart and ranges")?;
    aborted_upload_leaves_nothing(&suite)
        .await
        .context("aborted multipart")?;
    list_goes_past_one_page(&suite)
        .await
        .context("list and bulk delete")?;
    copy_and_delete(&suite).await.context("copy and delete")?;
    partition_keys_keep_their_characters(&suite)
        .await
        .context("special keys")?;
    println!("S3 conformance suite passed on {who}");
    Ok(())
}

async fn put_if_absent_has_one_winner(suite: &Suite) -> Result<()> {
    let key = suite.key("_delta_log/00000000000000000000.json");
    suite
        .store
        .put_opts(&key, "first".into(), PutMode::Create.into())
        .await?;
    let second = suite
        .store
        .put_opts(&key, "second".into(), PutMode::Create.into())
        .await;
    ensure!(
        matches!(second, Err(object_store::Error::AlreadyExists { .. })),
        "second put: {second:?}"
    );
    ensure!(suite.store.get(&key).await?.bytes().await? == "first");
    Ok(())
}

async fn sixteen_writers_have_one_winner(suite: &Suite) -> Result<()> {
    for round in 0..12 {
        let key = suite.key(&format!("race/{round:020}.json"));
        let write = |writer: u8| {
            let (store, key) = (Arc::clone(&suite.store), key.clone());
            async move {
                (
                    writer,
                    store
                        .put_opts(&key, vec![writer; 20_000].into(), PutMode::Create.into())
                        .await,
                )
            }
        };
        let mut writers = tokio::task::JoinSet::new();
        (0..16).for_each(|writer| drop(writers.spawn(write(writer))));
        let mut winners = Vec::new();
        for (writer, outcome) in writers.join_all().await {
            match outcome {
                Ok(_) => winners.push(writer),
                Err(object_store::Error::AlreadyExists { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        ensure!(winners.len() == 1, "round {round}: winners {winners:?}");
        let stored = suite.store.get(&key).await?.bytes().await?;
        ensure!(stored.len() == 20_000 && stored.iter().all(|byte| Some(byte) == winners.first()));
    }
    Ok(())
}

async fn put_if_match_refuses_a_stale_tag(suite: &Suite) -> Result<()> {
    let key = suite.key("compare-and-swap");
    let first = suite.store.put(&key, "first".into()).await?;
    let version = UpdateVersion {
        e_tag: first.e_tag,
        version: None,
    };
    suite
        .store
        .put_opts(
            &key,
            "second".into(),
            PutMode::Update(version.clone()).into(),
        )
        .await?;
    let stale = suite
        .store
        .put_opts(&key, "third".into(), PutMode::Update(version).into())
        .await;
    ensure!(
        matches!(stale, Err(object_store::Error::Precondition { .. })),
        "stale put: {stale:?}"
    );
    ensure!(suite.store.get(&key).await?.bytes().await? == "second");
    Ok(())
}

async fn multipart_reads_back_in_ranges(suite: &Suite) -> Result<()> {
    let key = suite.key("large.parquet");
    let mut upload = suite.store.put_multipart(&key).await?;
    for part in 0..3_u8 {
        upload.put_part(PutPayload::from(vec![part; PART])).await?;
    }
    upload.complete().await?;
    let part = PART as u64;
    ensure!(suite.store.head(&key).await?.size == 3 * part);
    ensure!(suite.store.get_range(&key, part - 2..part + 2).await? == [0, 0, 1, 1].as_slice());
    let ranges = suite
        .store
        .get_ranges(&key, &[0..2, 2 * part..2 * part + 2])
        .await?;
    ensure!(ranges == [[0, 0].as_slice(), [2, 2].as_slice()]);
    let last = GetOptions {
        range: Some(GetRange::Suffix(8)),
        ..GetOptions::default()
    };
    ensure!(suite.store.get_opts(&key, last).await?.bytes().await? == [2; 8].as_slice());
    Ok(())
}

async fn aborted_upload_leaves_nothing(suite: &Suite) -> Result<()> {
    let key = suite.key("aborted.parquet");
    let mut upload = suite.store.put_multipart(&key).await?;
    upload.put_part(PutPayload::from(vec![1; PART])).await?;
    upload.abort().await?;
    let head = suite.store.head(&key).await;
    ensure!(
        matches!(head, Err(object_store::Error::NotFound { .. })),
        "head: {head:?}"
    );
    Ok(())
}

async fn list_goes_past_one_page(suite: &Suite) -> Result<()> {
    let folder = suite.key("list");
    let keys: BTreeSet<Path> = (0..1_105)
        .map(|file| suite.key(&format!("list/month={}/{file:05}.parquet", file % 5)))
        .collect();
    let put = |key: Path| {
        let store = Arc::clone(&suite.store);
        async move { store.put(&key, "x".into()).await }
    };
    futures::stream::iter(keys.iter().cloned().map(put))
        .buffer_unordered(32)
        .try_collect::<Vec<_>>()
        .await?;

    let listed: Vec<Path> = suite
        .store
        .list(Some(&folder))
        .map_ok(|object| object.location)
        .try_collect()
        .await?;
    ensure!(listed.len() == keys.len() && listed.iter().cloned().collect::<BTreeSet<_>>() == keys);
    let offset = suite.key("list/month=4/01000.parquet");
    let after = suite.store.list_with_offset(Some(&folder), &offset);
    let after: BTreeSet<Path> = after.map_ok(|object| object.location).try_collect().await?;
    ensure!(after == keys.iter().filter(|key| **key > offset).cloned().collect());
    let level = suite.store.list_with_delimiter(Some(&folder)).await?;
    ensure!(level.common_prefixes.len() == 5 && level.objects.is_empty());

    let doomed = futures::stream::iter(keys.into_iter().map(Ok)).boxed();
    suite
        .store
        .delete_stream(doomed)
        .try_collect::<Vec<_>>()
        .await?;
    ensure!(
        suite
            .store
            .list(Some(&folder))
            .try_collect::<Vec<_>>()
            .await?
            .is_empty()
    );
    Ok(())
}

async fn copy_and_delete(suite: &Suite) -> Result<()> {
    let (from, to) = (suite.key("from"), suite.key("to"));
    suite.store.put(&from, "content".into()).await?;
    suite.store.copy(&from, &to).await?;
    suite.store.delete(&from).await?;
    ensure!(matches!(
        suite.store.get(&from).await,
        Err(object_store::Error::NotFound { .. })
    ));
    ensure!(suite.store.get(&to).await?.bytes().await? == "content");
    Ok(())
}

async fn partition_keys_keep_their_characters(suite: &Suite) -> Result<()> {
    let key = suite.key("origin=A%20B/ date=2013-01-01 00%3A00/x+y.parquet");
    suite.store.put(&key, "content".into()).await?;
    ensure!(suite.store.get(&key).await?.bytes().await? == "content");
    let folder = suite.key("origin=A%20B");
    let listed: Vec<Path> = suite
        .store
        .list(Some(&folder))
        .map_ok(|object| object.location)
        .try_collect()
        .await?;
    ensure!(listed == [key], "listed: {listed:?}");
    Ok(())
}

async fn start(folder: &std::path::Path) -> Result<S3Server, Error> {
    S3Server::start(S3ServerConfig {
        data_dir: folder.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stand_in_conforms() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = start(folder.path()).await?;
    server.create_bucket("lake")?;
    run_suite(
        "the stand-in",
        open(&server.endpoint(), ACCESS_KEY, SECRET_KEY)?,
    )
    .await?;
    server.shutdown().await;
    Ok(())
}

/// Needs `LAKEHOUSE_TEST_S3_ENDPOINT`, `_ACCESS_KEY` and `_SECRET_KEY` with a bucket `lake` that exists.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(
    clippy::disallowed_methods,
    reason = "the address of a real server comes from the environment of the test"
)]
async fn real_server_conforms_when_configured() -> Result<()> {
    let Ok(endpoint) = std::env::var("LAKEHOUSE_TEST_S3_ENDPOINT") else {
        println!("not run: LAKEHOUSE_TEST_S3_ENDPOINT is not set");
        return Ok(());
    };
    let access_key = std::env::var("LAKEHOUSE_TEST_S3_ACCESS_KEY")?;
    let secret_key = std::env::var("LAKEHOUSE_TEST_S3_SECRET_KEY")?;
    run_suite(&endpoint, open(&endpoint, &access_key, &secret_key)?).await
}

#[tokio::test]
async fn wrong_secret_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = start(folder.path()).await?;
    server.create_bucket("lake")?;
    let store = open(&server.endpoint(), ACCESS_KEY, "wrong")?;
    assert!(store.put(&Path::from("key"), "x".into()).await.is_err());
    server.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn second_server_on_the_folder_is_refused_until_the_first_stops() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let first = start(folder.path()).await?;
    first.create_bucket("lake")?;
    let store = open(&first.endpoint(), ACCESS_KEY, SECRET_KEY)?;
    store.put(&Path::from("kept"), "content".into()).await?;
    assert!(matches!(
        start(folder.path()).await,
        Err(Error::FolderInUse { .. })
    ));
    first.shutdown().await;

    let second = start(folder.path()).await?;
    let store = open(&second.endpoint(), ACCESS_KEY, SECRET_KEY)?;
    assert_eq!(
        store.get(&Path::from("kept")).await?.bytes().await?,
        "content"
    );
    second.shutdown().await;
    Ok(())
}
