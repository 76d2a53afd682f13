//! Clouds that are not here, as far as a scripted server can play them: how we ask, and how we
//! understand what they answer. Whether the real ones keep their promises, only they can say.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::scripted::{Answer, Request, Scripted};
use super::*;

fn s3(server: &Scripted, region: Option<&str>) -> StorageConfig {
    let mut config = StorageConfig::for_url("s3://bucket/lake");
    config.s3.endpoint = Some(server.endpoint.clone());
    config.s3.region = region.map(str::to_owned);
    config.s3.allow_http = true;
    config.s3.access_key_id = Some("key".to_owned());
    config.s3.secret_access_key = Some("secret".to_owned());
    config.client.first_backoff = Duration::from_millis(1);
    config.client.max_retries = 2;
    config
}

fn says(status: u16, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>text</Message></Error>");
    let kind = ("content-type", "application/xml".to_owned());
    Some((status, vec![kind], body.into_bytes()))
}

/// A bucket in memory that honours the conditions of `refused` by that status.
fn bucket(refused: u16) -> impl Fn(&Request) -> Answer {
    let objects: Mutex<HashMap<String, Vec<u8>>> = Mutex::default();
    move |request| {
        let mut objects = objects.lock();
        let is_conditional = request
            .headers
            .get("if-none-match")
            .is_some_and(|v| v == "*")
            || request
                .headers
                .get("x-goog-if-generation-match")
                .is_some_and(|v| v == "0");
        let date = ("last-modified", "Sat, 21 Nov 2026 11:00:00 GMT".to_owned());
        let etag = ("etag", "\"1\"".to_owned());
        match request.method.as_str() {
            "PUT" if is_conditional && objects.contains_key(&request.target) => {
                says(refused, "ConditionNotMet")
            }
            "PUT" => {
                objects.insert(request.target.clone(), request.body.clone());
                Some((201, vec![date, etag], Vec::new()))
            }
            "GET" => match objects.get(&request.target) {
                Some(bytes) => Some((200, vec![date, etag], bytes.clone())),
                None => says(404, "NoSuchKey"),
            },
            "DELETE" => {
                objects.remove(&request.target);
                Some((204, Vec::new(), Vec::new()))
            }
            _ => says(400, "NotScripted"),
        }
    }
}

#[tokio::test]
async fn the_bucket_is_asked_for_its_region_without_a_signature() {
    let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
    let log = Arc::clone(&seen);
    let objects = bucket(412);
    let server = Scripted::start(move |request: &Request| {
        log.lock().push(request.clone());
        if request.method == "HEAD" {
            let region = ("x-amz-bucket-region", "eu-test-7".to_owned());
            return Some((403, vec![region], Vec::new()));
        }
        objects(request)
    })
    .await;
    let mut config = s3(&server, None);
    config.s3.session_token = Some("the-session".to_owned());
    Storage::open(&config).await.unwrap();
    let seen = seen.lock();
    assert_eq!(seen[0].method, "HEAD");
    assert!(
        !seen[0].headers.contains_key("authorization"),
        "{:?}",
        seen[0]
    );
    assert!(seen.len() > 3);
    for request in seen.iter().skip(1) {
        let signature = &request.headers["authorization"];
        assert!(signature.contains("/eu-test-7/s3/"), "{signature}");
        assert_eq!(request.headers["x-amz-security-token"], "the-session");
        assert!(request.target.starts_with("/bucket"), "{request:?}");
    }
}

#[tokio::test]
async fn a_bucket_that_vanished_is_not_an_empty_one() {
    let is_gone = Arc::new(AtomicUsize::new(0));
    let switch = Arc::clone(&is_gone);
    let objects = bucket(412);
    let server = Scripted::start(move |request: &Request| {
        if switch.load(Ordering::SeqCst) == 1 {
            says(404, "NoSuchBucket")
        } else {
            objects(request)
        }
    })
    .await;
    let storage = Storage::open(&s3(&server, Some("us-east-1")))
        .await
        .unwrap();
    let store = storage.object_store();
    let absent = store.get(&Path::from("absent")).await.unwrap_err();
    assert!(matches!(absent, object_store::Error::NotFound { .. }));

    is_gone.store(1, Ordering::SeqCst);
    let gone = store.get(&Path::from("absent")).await.unwrap_err();
    assert!(
        !matches!(gone, object_store::Error::NotFound { .. }),
        "{gone}"
    );
    assert_eq!(StoreFailure::of(&gone), Some(StoreFailure::BucketMissing));
    let listed = store.list(None).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(StoreFailure::of(&listed), Some(StoreFailure::BucketMissing));
    let table = storage.table_url("db/t").unwrap();
    let error = storage.delete_below(&table).await.unwrap_err();
    assert_eq!(error.store_failure(), Some(StoreFailure::BucketMissing));
    assert!(
        error.to_string().ends_with("the bucket does not exist"),
        "{error}"
    );
}

#[tokio::test]
async fn refusals_are_named() {
    for (status, code, failure) in [
        (403, "SignatureDoesNotMatch", StoreFailure::AccessDenied),
        (403, "AccessDenied", StoreFailure::AccessDenied),
        (400, "ExpiredToken", StoreFailure::AccessDenied),
        (
            400,
            "AuthorizationHeaderMalformed",
            StoreFailure::WrongRegion,
        ),
        (301, "PermanentRedirect", StoreFailure::WrongRegion),
        (404, "NoSuchBucket", StoreFailure::BucketMissing),
    ] {
        let server = Scripted::start(move |_: &Request| says(status, code)).await;
        let error = Storage::open(&s3(&server, Some("us-east-1")))
            .await
            .unwrap_err();
        assert_eq!(error.store_failure(), Some(failure), "{code}: {error:?}");
        assert!(error.to_string().contains("s3://bucket/lake/"), "{error}");
        assert_eq!(error.hint(), Some(failure.hint()));
    }
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let asked = AtomicUsize::new(0);
    let objects = bucket(412);
    let server = Scripted::start(move |request: &Request| {
        if asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(3) {
            says(503, "SlowDown")
        } else {
            objects(request)
        }
    })
    .await;
    Storage::open(&s3(&server, Some("us-east-1")))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = Scripted::start(|_: &Request| None).await;
    let mut config = s3(&server, Some("us-east-1"));
    config.client.request_timeout = Duration::from_millis(200);
    config.client.retry_timeout = Duration::from_millis(400);
    let begin = Instant::now();
    let error = Storage::open(&config).await.unwrap_err();
    assert_eq!(
        error.store_failure(),
        Some(StoreFailure::TimedOut),
        "{error:?}"
    );
    config.s3.create_bucket = true;
    let error = Storage::open(&config).await.unwrap_err();
    assert_eq!(
        error.store_failure(),
        Some(StoreFailure::TimedOut),
        "{error:?}"
    );
    assert!(begin.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn google_is_asked_for_a_generation_of_zero() {
    let server = Scripted::start(bucket(412)).await;
    let mut config = StorageConfig::for_url("gs://bucket/lake");
    config.gcs.endpoint = Some(format!("{}/", server.endpoint));
    config.gcs.allow_http = true;
    // A key that asks for no token, as emulators are reached with.
    let key =
        r#"{"private_key": "", "private_key_id": "", "client_email": "", "disable_oauth": true}"#;
    config.gcs.service_account_key = Some(key.to_owned());
    let storage = Storage::open(&config).await.unwrap();
    assert_eq!(storage.root_url().as_str(), "gs://bucket/lake/");

    let careless = bucket(412);
    let server = Scripted::start(move |request: &Request| {
        let headers = BTreeMap::new();
        careless(&Request {
            headers,
            ..request.clone()
        })
    })
    .await;
    config.gcs.endpoint = Some(server.endpoint.clone());
    let error = Storage::open(&config).await.unwrap_err();
    assert!(
        matches!(error, Error::ConditionalPutIgnored { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn azure_is_asked_with_a_condition_and_the_key_of_the_account() {
    let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
    let log = Arc::clone(&seen);
    let container = bucket(409);
    let server = Scripted::start(move |request: &Request| {
        log.lock().push(request.clone());
        container(request)
    })
    .await;
    let mut config = StorageConfig::for_url("abfss://raw@account.dfs.core.windows.net/lake/");
    config.azure.endpoint = Some(server.endpoint.clone());
    config.azure.access_key = Some("c2VjcmV0".to_owned());
    config.azure.allow_http = true;
    let storage = Storage::open(&config).await.unwrap();
    assert_eq!(storage.root_url().as_str(), "az://raw/lake/");
    let inside = "abfss://raw@account.dfs.core.windows.net/lake/db/t";
    let url = storage.external_url(inside).unwrap();
    assert_eq!(url.as_str(), "az://raw/lake/db/t/");
    let seen = seen.lock();
    let signature = &seen[0].headers["authorization"];
    assert!(signature.starts_with("SharedKey account:"), "{signature}");
    assert!(
        seen[0].target.starts_with("/raw/lake/_probe/"),
        "{:?}",
        seen[0]
    );
}

#[tokio::test]
async fn azure_needs_one_account() {
    let mut config = StorageConfig::for_url("az://raw/lake");
    let error = Storage::open(&config).await.unwrap_err();
    assert!(
        error.to_string().contains("storage.azure.account"),
        "{error}"
    );
    config.azure.account = Some("ours".to_owned());
    config.url = "abfss://raw@theirs.dfs.core.windows.net/".to_owned();
    let error = Storage::open(&config).await.unwrap_err().to_string();
    assert!(
        error.contains("ours") && error.contains("theirs"),
        "{error}"
    );
}

#[test]
fn urls_of_the_clouds_are_read() {
    let azure = |account: Option<&str>, container: &str, prefix: &str| Location::Azure {
        account: account.map(str::to_owned),
        container: container.to_owned(),
        prefix: prefix.to_owned(),
    };
    for (url, location) in [
        (
            "gs://bucket/a/",
            Location::Gcs {
                bucket: "bucket".into(),
                prefix: "a".into(),
            },
        ),
        ("az://raw/a/b", azure(None, "raw", "a/b")),
        ("abfs://raw", azure(None, "raw", "")),
        (
            "abfss://raw@account.dfs.core.windows.net/a",
            azure(Some("account"), "raw", "a"),
        ),
    ] {
        assert_eq!(Location::parse(url).unwrap(), location, "{url}");
    }
    for url in [
        "gs:///a",
        "az:///a",
        "az://account.blob.core.windows.net/raw",
        "abfss://raw@account.example.org/",
        "s3://key:secret@bucket/",
        "wasb://raw/",
    ] {
        assert!(Location::parse(url).is_err(), "{url}");
    }
}

#[tokio::test]
async fn unknown_options_of_the_clouds_are_refused_by_name() {
    let mut config = StorageConfig::for_url("gs://bucket");
    config
        .gcs
        .options
        .extend([("google_nonsense".to_owned(), "1".to_owned())]);
    let error = Storage::open(&config).await.unwrap_err();
    assert!(error.to_string().contains("google_nonsense"), "{error}");
    let mut config = StorageConfig::for_url("az://raw");
    config.azure.account = Some("account".to_owned());
    config
        .azure
        .options
        .extend([("azure_nonsense".to_owned(), "1".to_owned())]);
    let error = Storage::open(&config).await.unwrap_err();
    assert!(error.to_string().contains("azure_nonsense"), "{error}");
}
