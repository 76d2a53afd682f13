//! Bucket administration and the S3 client. Object data goes through `object_store`; only
//! looking for a bucket and creating it needs the AWS SDK.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig as SdkRetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use tracing::info;

use super::config::S3Config;
use crate::error::{Error, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_RETRIES: usize = 6;

/// Options that move the exclusivity of commits away from conditional puts. With one of them set,
/// writers that follow it and writers that do not would not see each other's commits.
const LOCKING_OPTIONS: [&str; 6] = [
    "s3_locking_provider",
    "aws_s3_locking_provider",
    "s3_allow_unsafe_rename",
    "aws_s3_allow_unsafe_rename",
    "conditional_put",
    "aws_conditional_put",
];

/// Refuses options that would move commits away from conditional puts.
///
/// # Errors
///
/// [`Error::StorageOptionRefused`] names the option.
pub(super) fn refuse_locking_options(config: &S3Config) -> Result<()> {
    for option in config.options.keys() {
        if LOCKING_OPTIONS.contains(&option.to_ascii_lowercase().as_str()) {
            return Err(Error::StorageOptionRefused {
                option: option.clone(),
                reason: "commits are made exclusive by conditional puts only, and must not be \
                         mixed with writers that use a lock table or an unsafe rename"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// Builds the S3 client of a bucket.
///
/// # Errors
///
/// [`Error::StorageOptionRefused`] for an unknown option, [`Error::Storage`] when the client
/// cannot be built.
pub(super) fn build_s3(config: &S3Config, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    let client = ClientOptions::new()
        .with_allow_http(config.allow_http)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT);
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: FIRST_BACKOFF,
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: MAX_RETRIES,
        retry_timeout: RETRY_TIMEOUT,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&config.region)
        .with_virtual_hosted_style_request(config.virtual_host_style)
        .with_client_options(client)
        .with_retry(retry);
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    if let Some(key) = &config.access_key_id {
        builder = builder.with_access_key_id(key);
    }
    if let Some(secret) = &config.secret_access_key {
        builder = builder.with_secret_access_key(secret);
    }
    if let Some(token) = &config.session_token {
        builder = builder.with_token(token);
    }
    for (option, value) in &config.options {
        let key = AmazonS3ConfigKey::from_str(&option.to_ascii_lowercase()).map_err(|error| {
            Error::StorageOptionRefused {
                option: option.clone(),
                reason: error.to_string(),
            }
        })?;
        builder = builder.with_config(key, value);
    }
    let store = builder.build().map_err(|source| Error::Storage {
        url: format!("s3://{bucket}"),
        action: "preparing the S3 client",
        source,
    })?;
    Ok(Arc::new(store))
}

/// Creates the bucket unless it exists.
///
/// # Errors
///
/// [`Error::Bucket`] when the store cannot be reached or refuses; [`Error::StorageOptionRefused`]
/// when there are no keys to create a bucket with.
pub(super) async fn ensure_bucket(config: &S3Config, bucket: &str) -> Result<()> {
    let client = admin_client(config)?;
    match client.head_bucket().bucket(bucket).send().await {
        Ok(_) => return Ok(()),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(bucket_error(config, bucket, "looking for", &error)),
    }
    let mut request = client.create_bucket().bucket(bucket);
    if config.endpoint.is_none() && config.region != "us-east-1" {
        let constraint = BucketLocationConstraint::from(config.region.as_str());
        request = request.create_bucket_configuration(
            CreateBucketConfiguration::builder()
                .location_constraint(constraint)
                .build(),
        );
    }
    match request.send().await {
        Ok(_) => {
            info!(bucket, "bucket created");
            Ok(())
        }
        Err(error) if is_there_already(&error) => Ok(()),
        Err(error) => Err(bucket_error(config, bucket, "creating", &error)),
    }
}

fn admin_client(config: &S3Config) -> Result<aws_sdk_s3::Client> {
    let (Some(key), Some(secret)) = (&config.access_key_id, &config.secret_access_key) else {
        return Err(Error::StorageOptionRefused {
            option: "create_bucket".to_owned(),
            reason: "creating a bucket needs access_key_id and secret_access_key".to_owned(),
        });
    };
    let credentials =
        Credentials::new(key, secret, config.session_token.clone(), None, "lakehouse");
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_timeout(RETRY_TIMEOUT)
        .build();
    let mut sdk = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .credentials_provider(credentials)
        .timeout_config(timeouts)
        .retry_config(SdkRetryConfig::standard().with_initial_backoff(FIRST_BACKOFF))
        .force_path_style(!config.virtual_host_style);
    if let Some(endpoint) = &config.endpoint {
        sdk = sdk.endpoint_url(endpoint.trim_end_matches('/'));
    }
    Ok(aws_sdk_s3::Client::from_conf(sdk.build()))
}

fn is_missing<E>(error: &SdkError<E>) -> bool {
    error
        .raw_response()
        .is_some_and(|response| response.status().as_u16() == 404)
}

fn is_there_already<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    matches!(
        error.code(),
        Some("BucketAlreadyOwnedByYou" | "BucketAlreadyExists")
    )
}

fn bucket_error<E>(
    config: &S3Config,
    bucket: &str,
    action: &'static str,
    error: &SdkError<E>,
) -> Error
where
    SdkError<E>: std::error::Error,
{
    Error::Bucket {
        bucket: bucket.to_owned(),
        endpoint: config.endpoint.clone().unwrap_or_else(|| "AWS".to_owned()),
        action,
        source: chain(error).into(),
    }
}

/// Joins the messages of an error and its causes: the SDK's own are terse ("dispatch failure").
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
