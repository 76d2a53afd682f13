use std::time::{Duration, Instant};

use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutPayload};

use super::*;

mod clouds;
mod flawed;
mod metrics;
mod scripted;

use self::flawed::{Flaw, Flawed};

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
        ..StorageConfig::default()
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
    assert_eq!(error.store_failure(), Some(StoreFailure::BucketMissing));
    assert!(error.to_string().contains(&config.url), "{error}");
    config.s3.create_bucket = true;
    Storage::open(&config).await.unwrap();
    Storage::open(&config).await.unwrap();
}

#[tokio::test]
async fn a_store_that_lets_the_second_conditional_put_win_is_refused() {
    let store = Arc::new(Flawed::new(Flaw::IgnoresConditions));
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

#[tokio::test]
async fn an_s3_url_is_a_bucket_and_a_prefix() {
    let parsed = Location::parse("s3://bucket/a/b/").unwrap();
    assert_eq!(
        parsed,
        Location::S3 {
            bucket: "bucket".into(),
            prefix: "a/b".into()
        }
    );
    let mut config = StorageConfig::default();
    config.s3.region = Some("eu-west-1".to_owned());
    for (asked, url) in [
        ("s3://bucket/a/b/", "s3://bucket/a/b/"),
        ("s3a://bucket/a", "s3://bucket/a/"),
        ("s3://bucket", "s3://bucket/"),
    ] {
        let opened = Location::parse(asked).unwrap().open(&config).await.unwrap();
        assert_eq!(opened.url.as_str(), url);
        assert_eq!(opened.s3.unwrap().region.name(), "eu-west-1");
    }
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
async fn an_option_with_a_key_of_its_own_is_refused_with_that_key() {
    let mut config = StorageConfig::for_url("s3://bucket/");
    config
        .s3
        .options
        .insert("aws_region".to_owned(), "eu-west-1".to_owned());
    let error = Storage::open(&config).await.unwrap_err();
    assert!(error.to_string().contains("storage.s3.region"), "{error}");
}

#[tokio::test]
async fn a_machine_without_credentials_is_told_so() {
    let mut config = unreachable_bucket();
    config.s3.access_key_id = None;
    config.s3.secret_access_key = None;
    config.client.max_retries = 0;
    let metadata = "http://127.0.0.1:9".to_owned();
    config
        .s3
        .options
        .insert("aws_metadata_endpoint".to_owned(), metadata);
    let error = Storage::open(&config).await.unwrap_err();
    assert_eq!(
        error.store_failure(),
        Some(StoreFailure::CredentialsMissing),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("access_key_id"));
}

/// Port 9 (discard) is not served here, and connecting to it fails at once.
fn unreachable_bucket() -> StorageConfig {
    let mut config = StorageConfig::for_url("s3://bucket/lake");
    config.s3.endpoint = Some("http://127.0.0.1:9".to_owned());
    config.s3.region = Some("us-east-1".to_owned());
    config.s3.allow_http = true;
    config.s3.access_key_id = Some("key".to_owned());
    config.s3.secret_access_key = Some("secret".to_owned());
    config.s3.create_bucket = true;
    config
}

#[tokio::test]
async fn an_unreachable_bucket_is_one_clear_line() {
    let mut config = unreachable_bucket();
    let error = Storage::open(&config).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "looking for bucket `bucket` at `http://127.0.0.1:9` failed: the store cannot be reached"
    );
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.contains("Connection refused") && !cause.contains("secret"),
        "{cause}"
    );
    assert!(error.hint().is_some());

    config.s3.region = None;
    let error = Storage::open(&config).await.unwrap_err().to_string();
    assert!(error.starts_with("asking for the region of bucket `bucket`"));
}

#[tokio::test]
async fn retries_end_in_bounded_time() {
    let mut config = unreachable_bucket();
    config.s3.create_bucket = false;
    config.client.max_retries = 1000;
    config.client.retry_timeout = Duration::from_millis(300);
    config.client.longest_backoff = Duration::from_millis(60);
    let begin = Instant::now();
    let error = Storage::open(&config).await.unwrap_err();
    assert_eq!(error.store_failure(), Some(StoreFailure::Unreachable));
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert!(error.to_string().contains("s3://bucket/lake/"), "{error}");
}

#[tokio::test]
async fn pauses_and_timeouts_that_make_no_sense_are_refused_by_name() {
    let client = ClientConfig::default;
    let wrong = [
        (
            "first_backoff",
            ClientConfig {
                first_backoff: Duration::ZERO,
                ..client()
            },
        ),
        (
            "longest_backoff",
            ClientConfig {
                longest_backoff: Duration::from_millis(1),
                ..client()
            },
        ),
        (
            "request_timeout",
            ClientConfig {
                request_timeout: Duration::ZERO,
                ..client()
            },
        ),
    ];
    for (name, client) in wrong {
        let config = StorageConfig {
            client,
            ..unreachable_bucket()
        };
        let error = Storage::open(&config).await.unwrap_err();
        assert!(matches!(error, Error::StorageOptionRefused { .. }));
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_refused_with_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let not_pem = folder.path().join("not.pem");
    std::fs::write(&not_pem, "no certificate").unwrap();
    let broken = folder.path().join("broken.pem");
    let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(&broken, text).unwrap();
    for file in [folder.path().join("absent.pem"), not_pem, broken.clone()] {
        let mut config = unreachable_bucket();
        config.client.ca_file = Some(file.clone());
        let error = Storage::open(&config).await.unwrap_err();
        assert!(
            matches!(error, Error::Certificates { .. }) || file == broken,
            "{error:?}"
        );
        assert!(!matches!(error, Error::Bucket { .. }), "{error:?}");
    }
}

async fn assert_empty(storage: &Storage) {
    let left: Vec<_> = storage
        .object_store()
        .list(None)
        .try_collect()
        .await
        .unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_folder_with_fsync_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = StorageConfig::for_url(folder.path().display().to_string());
    config.fsync = true;
    let storage = Storage::open(&config).await.unwrap();
    let checks = check_up(&config).await;
    assert!(
        checks.iter().all(|check| check.starts_with("ok ")),
        "{checks:?}"
    );
    assert_empty(&storage).await;
}

#[tokio::test]
async fn a_checked_memory_passes_and_is_left_empty() {
    let config = StorageConfig::for_url("memory://checked");
    let storage = Storage::open(&config).await.unwrap();
    let checks = check_up(&config).await;
    assert_eq!(checks.len(), 8, "{checks:?}");
    assert!(
        checks.iter().all(|check| check.starts_with("ok ")),
        "{checks:?}"
    );
    assert_empty(&storage).await;
}

#[tokio::test]
async fn a_checked_folder_is_as_before() {
    let parent = tempfile::tempdir().unwrap();
    let entries = || std::fs::read_dir(parent.path()).unwrap().count();
    let folder = parent.path().join("new/lake");
    let config = StorageConfig::for_url(folder.display().to_string());
    let checks = check_up(&config).await;
    assert!(
        checks.iter().all(|check| check.starts_with("ok ")),
        "{checks:?}"
    );
    assert_eq!(entries(), 0, "a folder that was not there is not there");

    std::fs::create_dir_all(folder.join("db")).unwrap();
    check_up(&config).await;
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn a_store_that_looks_before_it_writes_is_found_out_by_puts_at_once() {
    let checks = check_up_flawed(Flaw::LooksThenWrites).await;
    assert!(checks[0].starts_with("ok a second put"), "{checks:?}");
    assert!(
        checks[1].contains("let a second conditional put"),
        "{checks:?}"
    );
}

#[tokio::test]
async fn a_store_that_does_not_list_what_it_has_is_found_out() {
    let checks = check_up_flawed(Flaw::ListsNothing).await;
    let found = checks.iter().find(|check| check.contains("is not listed"));
    assert!(found.is_some(), "{checks:?}");
}

#[tokio::test]
async fn a_bucket_is_checked_with_its_rules_and_left_empty() {
    let Some(config) = s3_config("doctor") else {
        return;
    };
    let storage = Storage::open(&config).await.unwrap();
    let checks = check_up(&config).await;
    assert!(
        checks.iter().all(|check| !check.starts_with("NO")),
        "{checks:?}"
    );
    for part in ["region: ", "versioning: ", "lifecycle rule"] {
        assert!(
            checks.iter().any(|check| check.contains(part)),
            "{part}: {checks:?}"
        );
    }
    assert_empty(&storage).await;
}

#[tokio::test]
async fn a_wrong_secret_is_access_denied() {
    let Some(mut config) = s3_config("denied") else {
        return;
    };
    Storage::open(&config).await.unwrap();
    config.s3.secret_access_key = Some("wrong".to_owned());
    for create in [true, false] {
        config.s3.create_bucket = create;
        let error = Storage::open(&config).await.unwrap_err();
        assert_eq!(
            error.store_failure(),
            Some(StoreFailure::AccessDenied),
            "{error:?}"
        );
    }
}

/// Returns the findings as lines.
async fn check_up(config: &StorageConfig) -> Vec<String> {
    let mut lines = Vec::new();
    Storage::check_up(config, &mut |finding| lines.push(line(&finding))).await;
    lines
}

async fn check_up_flawed(flaw: Flaw) -> Vec<String> {
    let checkup = checkup::Checkup {
        root: Url::parse("memory://flawed/").unwrap(),
        store: Arc::new(Flawed::new(flaw)),
        folder: Path::default(),
        disk: None,
        bucket: None,
    };
    let mut lines = Vec::new();
    checkup.run(&mut |finding| lines.push(line(&finding))).await;
    lines
}

fn line(finding: &Finding) -> String {
    let check = &finding.check;
    match &finding.verdict {
        Verdict::Passed => format!("ok {check}"),
        Verdict::Noted => format!("-- {check}"),
        Verdict::Failed(error) => format!("NO {check}: {error}"),
    }
}

#[test]
fn secrets_are_not_in_the_debug_output() {
    let config = S3Config {
        secret_access_key: Some("hush-hush".into()),
        ..S3Config::default()
    };
    assert!(!format!("{config:?}").contains("hush-hush"));
    let secret = || Some("hush-hush".to_owned());
    let config = StorageConfig {
        gcs: GcsConfig {
            service_account_key: secret(),
            ..GcsConfig::default()
        },
        azure: AzureConfig {
            access_key: secret(),
            sas_token: secret(),
            client_secret: secret(),
            ..AzureConfig::default()
        },
        ..StorageConfig::default()
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

#[tokio::test]
async fn a_location_outside_the_lake_must_be_listed() {
    let disk = tempfile::tempdir().unwrap();
    let path = |name: &str| disk.path().join(name).display().to_string();
    std::fs::create_dir_all(path("exports/2013")).unwrap();
    std::fs::create_dir_all(path("private")).unwrap();
    std::fs::write(path("exports/2013/a.csv"), "x").unwrap();
    std::os::unix::fs::symlink(path("private"), path("exports/link")).unwrap();
    let config = StorageConfig {
        external_locations: vec![path("exports"), "memory://landing/raw".to_owned()],
        ..StorageConfig::for_url(path("lake"))
    };
    let storage = Storage::open(&config).await.unwrap();

    let url = storage.external_url(&path("exports/2013")).unwrap();
    let store = storage.external_store(&url).await.unwrap();
    let file = object_path(&url).unwrap().join("a.csv");
    assert_eq!(store.get(&file).await.unwrap().bytes().await.unwrap(), "x");
    // The lake's own store is of the whole disk, too: one is enough.
    assert!(Arc::ptr_eq(&store, &storage.inner.root_store));

    let inside = storage.root_url().join("db/table/").unwrap();
    assert_eq!(storage.external_url(inside.as_str()).unwrap(), inside);

    let landing = Url::parse("memory://landing/raw/a/").unwrap();
    let one = storage.external_store(&landing).await.unwrap();
    let other = storage.external_store(&landing).await.unwrap();
    assert!(Arc::ptr_eq(&one, &other));

    for refused in [
        path("private"),
        path("exports2"),
        path("exports/../private"),
        path("exports/link"),
        "/etc".to_owned(),
        "file:///etc/".to_owned(),
        "memory://landing/rawer".to_owned(),
        "s3://landing/raw".to_owned(),
    ] {
        let error = storage.external_url(&refused).unwrap_err();
        assert!(
            matches!(error, Error::ExternalLocationNotAllowed { .. }),
            "{refused}: {error}"
        );
        assert!(error.hint().unwrap().contains("storage.external_locations"));
    }
    let error = storage.external_url("exports/2013").unwrap_err();
    assert!(matches!(error, Error::InvalidStorageUrl { .. }), "{error}");
}

#[tokio::test]
async fn nothing_outside_the_lake_is_allowed_by_default() {
    let storage = Storage::open(&StorageConfig::for_url("memory://closed"))
        .await
        .unwrap();
    let url = Url::parse("file:///tmp/").unwrap();
    let error = storage.external_store(&url).await.unwrap_err();
    assert!(matches!(error, Error::ExternalLocationNotAllowed { .. }));
    let error = Storage::open(&StorageConfig {
        external_locations: vec!["ftp://host/".to_owned()],
        ..StorageConfig::for_url("memory://closed")
    })
    .await
    .unwrap_err();
    assert!(error.to_string().contains("ftp://host/"), "{error}");
}
