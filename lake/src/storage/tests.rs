use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};

use super::*;

/// A store like some S3 look-alikes: it accepts `If-None-Match: *` and ignores it.
#[derive(Debug, Default)]
struct IgnoresConditions(InMemory);

impl std::fmt::Display for IgnoresConditions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IgnoresConditions")
    }
}

type StoreResult<T> = object_store::Result<T>;

#[async_trait]
impl ObjectStore for IgnoresConditions {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> StoreResult<PutResult> {
        options.mode = PutMode::Overwrite;
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.0.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.0.copy_opts(from, to, options).await
    }
}

/// Returns a fresh place in the S3 store that the environment names, to run the suites on it too:
/// `LAKEHOUSE_TEST_S3_ENDPOINT=http://127.0.0.1:9000`, and `.._ACCESS_KEY` and `.._SECRET_KEY`
/// where they are not `lakehouse` and `lakehouse-secret`.
pub(crate) fn s3_config(prefix: &str) -> Option<StorageConfig> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests find real servers in the environment"
    )]
    let variable = |name: &str| std::env::var(format!("LAKEHOUSE_TEST_S3_{name}")).ok();
    let Some(endpoint) = variable("ENDPOINT") else {
        println!("SKIPPED: LAKEHOUSE_TEST_S3_ENDPOINT is not set, S3 was not tested");
        return None;
    };
    let or = |name: &str, default: &str| variable(name).unwrap_or_else(|| default.to_owned());
    let run = uuid::Uuid::new_v4().simple();
    let s3 = S3Config {
        allow_http: endpoint.starts_with("http://"),
        endpoint: Some(endpoint),
        access_key_id: Some(or("ACCESS_KEY", "lakehouse")),
        secret_access_key: Some(or("SECRET_KEY", "lakehouse-secret")),
        create_bucket: true,
        ..S3Config::default()
    };
    Some(StorageConfig {
        url: format!("s3://lakehouse-test/{prefix}-{run}/lake"),
        s3,
    })
}

#[tokio::test]
async fn a_missing_bucket_is_an_error_unless_it_is_to_be_created() {
    let Some(mut config) = s3_config("bucket") else {
        return;
    };
    config.url = format!("s3://lakehouse-{}", uuid::Uuid::new_v4().simple());
    config.s3.create_bucket = false;
    let error = Storage::open(&config).await.unwrap_err();
    assert!(matches!(&error, Error::Storage { .. }), "{error:?}");
    assert!(error.to_string().contains(&config.url), "{error}");
    config.s3.create_bucket = true;
    Storage::open(&config).await.unwrap();
    Storage::open(&config).await.unwrap();
}

#[tokio::test]
async fn a_store_that_lets_the_second_conditional_put_win_is_refused() {
    let store = Arc::new(IgnoresConditions::default());
    let url = Url::parse("memory://careless/").unwrap();
    let error = Storage::over_store(url, store).await.unwrap_err();
    assert!(matches!(&error, Error::ConditionalPutIgnored { url } if url == "memory://careless/"));
    assert!(error.hint().unwrap().contains("If-None-Match"));
}

#[tokio::test]
async fn a_probe_leaves_nothing_behind() {
    let store = Arc::new(InMemory::new());
    let url = Url::parse("memory://tidy/").unwrap();
    Storage::over_store(url, Arc::clone(&store) as Arc<dyn ObjectStore>)
        .await
        .unwrap();
    assert!(
        store
            .list(None)
            .try_collect::<Vec<_>>()
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_folder_is_created_and_may_have_a_space_in_its_name() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("my lake #1");
    let by_path = Storage::open(&StorageConfig::for_url(folder.display().to_string())).await;
    let by_path = by_path.unwrap();
    assert!(by_path.root_url().as_str().ends_with("/my%20lake%20%231/"));
    let by_url = Storage::open(&StorageConfig::for_url(by_path.root_url().as_str()))
        .await
        .unwrap();
    assert_eq!(by_url.root_url(), by_path.root_url());

    let key = Path::from("a/b");
    by_path
        .object_store()
        .put(&key, PutPayload::from_static(b"x"))
        .await
        .unwrap();
    assert_eq!(std::fs::read(folder.join("a/b")).unwrap(), b"x");
    assert_eq!(
        by_url
            .delete_below(&by_url.table_url("a").unwrap())
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn a_folder_that_is_a_file_is_refused_with_its_path() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = StorageConfig::for_url(file.path().join("lake").display().to_string());
    let error = Storage::open(&config).await.unwrap_err();
    assert!(error.to_string().contains("lake"), "{error}");
    assert!(matches!(error, Error::Folder { .. }));
}

#[tokio::test]
async fn memories_are_private_unless_named() {
    let key = Path::from("key");
    let open = async |url: &str| Storage::open(&StorageConfig::for_url(url)).await.unwrap();
    let (one, two) = (open("memory://").await, open("memory://").await);
    one.object_store()
        .put(&key, PutPayload::from_static(b"1"))
        .await
        .unwrap();
    assert!(two.object_store().head(&key).await.is_err());
    assert_ne!(one.root_url(), two.root_url());
    assert!(one.clone().object_store().head(&key).await.is_ok());

    let (one, two) = (
        open("memory://shared-m").await,
        open("memory://shared-m").await,
    );
    one.object_store()
        .put(&key, PutPayload::from_static(b"1"))
        .await
        .unwrap();
    assert!(two.object_store().head(&key).await.is_ok());
}

#[tokio::test]
async fn urls_that_name_no_lake_are_refused() {
    for url in [
        "",
        "  ",
        "http://host/path",
        "s3://",
        "file://relative/path",
        "memory://name/path",
        "s3://bucket/prefix?x=1",
    ] {
        let error = Storage::open(&StorageConfig::for_url(url))
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::InvalidStorageUrl { .. }),
            "{url}: {error}"
        );
        assert!(error.hint().is_some());
    }
}

#[test]
fn an_s3_url_is_a_bucket_and_a_prefix() {
    let parsed = Location::parse("s3://bucket/a/b/").unwrap();
    assert_eq!(
        parsed,
        Location::S3 {
            bucket: "bucket".into(),
            prefix: "a/b".into()
        }
    );
    let (url, _) = parsed.open(&S3Config::default()).unwrap();
    assert_eq!(url.as_str(), "s3://bucket/a/b/");
    let (url, _) = Location::parse("s3://bucket")
        .unwrap()
        .open(&S3Config::default())
        .unwrap();
    assert_eq!(url.as_str(), "s3://bucket/");
}

#[tokio::test]
async fn options_that_move_commits_to_a_lock_table_are_refused() {
    for option in [
        "AWS_S3_LOCKING_PROVIDER",
        "aws_conditional_put",
        "s3_allow_unsafe_rename",
    ] {
        let mut config = StorageConfig::for_url("s3://bucket/");
        config
            .s3
            .options
            .insert(option.to_owned(), "dynamodb".to_owned());
        let error = Storage::open(&config).await.unwrap_err();
        assert!(matches!(&error, Error::StorageOptionRefused { option: o, .. } if o == option));
    }
}

#[tokio::test]
async fn an_unknown_s3_option_is_refused_by_name() {
    let mut config = StorageConfig::for_url("s3://bucket/");
    config
        .s3
        .options
        .insert("aws_no_such_thing".to_owned(), "1".to_owned());
    let error = Storage::open(&config).await.unwrap_err();
    assert!(error.to_string().contains("aws_no_such_thing"));
}

#[tokio::test]
async fn creating_a_bucket_without_keys_is_refused() {
    let mut config = StorageConfig::for_url("s3://bucket/");
    config.s3.create_bucket = true;
    let error = Storage::open(&config).await.unwrap_err();
    assert!(error.to_string().contains("create_bucket"));
}

#[tokio::test]
async fn an_unreachable_bucket_is_one_clear_line() {
    let mut config = StorageConfig::for_url("s3://bucket/lake");
    // Port 9 (discard) is not served here, and connecting to it fails at once.
    config.s3.endpoint = Some("http://127.0.0.1:9".to_owned());
    config.s3.allow_http = true;
    config.s3.access_key_id = Some("key".to_owned());
    config.s3.secret_access_key = Some("secret".to_owned());
    config.s3.create_bucket = true;
    let error = Storage::open(&config).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "looking for bucket `bucket` at `http://127.0.0.1:9` failed"
    );
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.contains("Connection refused") && !cause.contains("secret"),
        "{cause}"
    );
    assert!(error.hint().is_some());
}

#[test]
fn secrets_are_not_in_the_debug_output() {
    let config = S3Config {
        secret_access_key: Some("hush-hush".into()),
        ..S3Config::default()
    };
    assert!(!format!("{config:?}").contains("hush-hush"));
}

#[tokio::test]
async fn a_location_is_inside_the_lake_or_refused() {
    let storage = Storage::open(&StorageConfig::for_url("memory://inside"))
        .await
        .unwrap();
    let url = storage.table_url("db/table-1").unwrap();
    assert_eq!(url.as_str(), "memory://inside/db/table-1/");
    assert_eq!(storage.table_url(url.as_str()).unwrap(), url);
    assert_eq!(
        storage.table_url("memory://inside/db/table-1").unwrap(),
        url
    );
    for outside in [
        "",
        "/",
        "../x",
        "a/../../x",
        "a//b",
        "memory://other/x",
        "memory://inside/",
        "memory://inside/../x",
    ] {
        let found = storage.table_url(outside);
        assert!(
            matches!(found, Err(Error::LocationOutsideLake { .. })) || outside.ends_with("../x"),
            "{outside}: {found:?}"
        );
        if let Ok(url) = found {
            assert!(url.as_str().starts_with("memory://inside/"), "{outside}");
        }
    }
}
