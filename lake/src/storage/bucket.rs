//! Bucket administration: finding a bucket's region, creating it, and telling what it does with
//! old versions and old objects. Object data goes through `object_store`; only this needs the AWS
//! SDK.

use std::fmt;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig as SdkRetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region, SharedHttpClient};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, Delete,
    ObjectIdentifier,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use object_store::aws::AmazonS3;
use tracing::info;

use super::config::StorageConfig;
use super::failure::StoreFailure;
use super::lifecycle::{Lifecycle, LifecycleRule};
use super::{client, s3};
use crate::error::{Error, Result};

/// What AWS and most other stores call the region that need not be named.
const DEFAULT_REGION: &str = "us-east-1";
const REGION_HEADER: &str = "x-amz-bucket-region";

/// The region of a bucket and how it became known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketRegion {
    /// The configuration names it.
    Configured(String),
    /// The bucket answered with it.
    Discovered(String),
    /// The store does not tell regions, as MinIO without one.
    Assumed(String),
}

impl BucketRegion {
    /// Returns the region.
    pub fn name(&self) -> &str {
        match self {
            Self::Configured(name) | Self::Discovered(name) | Self::Assumed(name) => name,
        }
    }
}

impl fmt::Display for BucketRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured(name) => write!(f, "{name} (configured)"),
            Self::Discovered(name) => write!(f, "{name} (the bucket says so)"),
            Self::Assumed(name) => write!(f, "{name} (assumed: the store names none)"),
        }
    }
}

/// Whether a bucket keeps the former versions of its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versioning {
    /// It does not.
    Off,
    /// It does: what vacuum deletes stays, and is paid for, as a former version.
    Enabled,
    /// It did, and keeps what it has.
    Suspended,
    /// The store would not say, and why.
    Unknown(String),
}

/// What an S3 bucket does besides storing objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketReport {
    /// Where the bucket is.
    pub region: BucketRegion,
    /// Whether it keeps former versions.
    pub versioning: Versioning,
    /// What it deletes by itself.
    pub lifecycle: Lifecycle,
}

/// A bucket, to administer it.
#[derive(Debug)]
pub(super) struct Bucket {
    client: Client,
    name: String,
    endpoint: String,
    region: BucketRegion,
}

impl Bucket {
    /// Finds the region of a bucket: the configured one, or the one that the bucket answers with.
    /// The request is not signed, since AWS tells a bucket's region to anyone who asks.
    ///
    /// # Errors
    ///
    /// [`Error::Bucket`] when the store cannot be reached.
    pub(super) async fn find_region(config: &StorageConfig, name: &str) -> Result<BucketRegion> {
        if let Some(region) = &config.s3.region {
            return Ok(BucketRegion::Configured(region.clone()));
        }
        let sdk = sdk_config(config, name, DEFAULT_REGION)?.allow_no_auth();
        let bucket = Self {
            client: Client::from_conf(sdk.build()),
            name: name.to_owned(),
            endpoint: endpoint(config),
            region: BucketRegion::Assumed(DEFAULT_REGION.to_owned()),
        };
        let found = match bucket.client.head_bucket().bucket(name).send().await {
            Ok(answer) => answer.bucket_region().map(str::to_owned),
            Err(error) => match error.raw_response() {
                Some(response) => response.headers().get(REGION_HEADER).map(str::to_owned),
                None => return Err(bucket.error("asking for the region of", &error)),
            },
        };
        Ok(found.map_or(bucket.region, BucketRegion::Discovered))
    }

    /// Prepares the administration of a bucket, with the credentials that its data is read with.
    ///
    /// # Errors
    ///
    /// [`Error::Bucket`] when there are no credentials to be had.
    pub(super) async fn connect(
        config: &StorageConfig,
        name: &str,
        region: BucketRegion,
        store: &AmazonS3,
    ) -> Result<Self> {
        let credential = store
            .credentials()
            .get_credential()
            .await
            .map_err(|source| Error::Bucket {
                bucket: name.to_owned(),
                endpoint: endpoint(config),
                action: "getting credentials for",
                failure: StoreFailure::of(&source),
                source: Box::new(source),
            })?;
        let credentials = Credentials::new(
            &credential.key_id,
            &credential.secret_key,
            credential.token.clone(),
            None,
            "lakehouse",
        );
        let sdk = sdk_config(config, name, region.name())?.credentials_provider(credentials);
        Ok(Self {
            client: Client::from_conf(sdk.build()),
            name: name.to_owned(),
            endpoint: endpoint(config),
            region,
        })
    }

    /// Creates the bucket unless it exists.
    ///
    /// # Errors
    ///
    /// [`Error::Bucket`] when the store cannot be reached or refuses.
    pub(super) async fn ensure(&self) -> Result<()> {
        match self.client.head_bucket().bucket(&self.name).send().await {
            Ok(_) => return Ok(()),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(self.error("looking for", &error)),
        }
        let mut request = self.client.create_bucket().bucket(&self.name);
        if self.region.name() != DEFAULT_REGION {
            let constraint = BucketLocationConstraint::from(self.region.name());
            request = request.create_bucket_configuration(
                CreateBucketConfiguration::builder()
                    .location_constraint(constraint)
                    .build(),
            );
        }
        match request.send().await {
            Ok(_) => {
                info!(bucket = self.name, "bucket created");
                Ok(())
            }
            Err(error) if is_there_already(&error) => Ok(()),
            Err(error) => Err(self.error("creating", &error)),
        }
    }

    /// Asks what the bucket does with former versions and old objects.
    pub(super) async fn report(&self) -> BucketReport {
        let versioning = self.client.get_bucket_versioning().bucket(&self.name);
        let versioning = match versioning.send().await {
            Ok(answer) => match answer.status() {
                Some(BucketVersioningStatus::Enabled) => Versioning::Enabled,
                Some(BucketVersioningStatus::Suspended) => Versioning::Suspended,
                _ => Versioning::Off,
            },
            Err(error) => Versioning::Unknown(why_not(&error)),
        };
        let rules = self.client.get_bucket_lifecycle_configuration();
        let lifecycle = match rules.bucket(&self.name).send().await {
            Ok(answer) => {
                Lifecycle::Rules(answer.rules().iter().map(LifecycleRule::from_sdk).collect())
            }
            Err(error) if error.code() == Some("NoSuchLifecycleConfiguration") => {
                Lifecycle::Rules(Vec::new())
            }
            Err(error) => Lifecycle::Unknown(why_not(&error)),
        };
        BucketReport {
            region: self.region.clone(),
            versioning,
            lifecycle,
        }
    }

    /// Deletes all versions of all objects below a prefix, and returns how many there were.
    ///
    /// # Errors
    ///
    /// [`Error::Bucket`] when the store cannot be reached or refuses.
    pub(super) async fn purge_versions(&self, prefix: &str) -> Result<usize> {
        let mut purged = 0;
        loop {
            let request = self.client.list_object_versions();
            let listed = request
                .bucket(&self.name)
                .prefix(prefix)
                .send()
                .await
                .map_err(|error| self.error("listing the versions in", &error))?;
            let versions = listed.versions().iter().map(|v| (v.key(), v.version_id()));
            let markers = listed.delete_markers().iter();
            let markers = markers.map(|marker| (marker.key(), marker.version_id()));
            let objects: Vec<ObjectIdentifier> = versions
                .chain(markers)
                .filter_map(|(key, version)| {
                    let object = ObjectIdentifier::builder().set_key(key.map(str::to_owned));
                    object
                        .set_version_id(version.map(str::to_owned))
                        .build()
                        .ok()
                })
                .collect();
            if objects.is_empty() {
                return Ok(purged);
            }
            let count = objects.len();
            let delete = Delete::builder().set_objects(Some(objects)).build();
            let delete = delete.map_err(|error| Error::Internal {
                message: format!("the versions of `{prefix}` cannot be named: {error}"),
            })?;
            let request = self.client.delete_objects().bucket(&self.name);
            let answer = request
                .delete(delete)
                .send()
                .await
                .map_err(|error| self.error("deleting versions in", &error))?;
            if let Some(refused) = answer.errors().first() {
                return Err(Error::Bucket {
                    bucket: self.name.clone(),
                    endpoint: self.endpoint.clone(),
                    action: "deleting versions in",
                    failure: None,
                    source: refused.message().unwrap_or("it refuses").into(),
                });
            }
            purged += count;
        }
    }

    fn error<E>(&self, action: &'static str, error: &SdkError<E>) -> Error
    where
        SdkError<E>: std::error::Error,
    {
        Error::Bucket {
            bucket: self.name.clone(),
            endpoint: self.endpoint.clone(),
            action,
            failure: failure(error),
            source: chain(error).into(),
        }
    }
}

fn endpoint(config: &StorageConfig) -> String {
    let endpoint = config.s3.endpoint.as_deref();
    endpoint.unwrap_or("AWS").trim_end_matches('/').to_owned()
}

fn sdk_config(config: &StorageConfig, name: &str, region: &str) -> Result<Builder> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(config.client.connect_timeout)
        .operation_attempt_timeout(config.client.request_timeout)
        .operation_timeout(config.client.retry_timeout)
        .build();
    let mut sdk = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .timeout_config(timeouts)
        .retry_config(SdkRetryConfig::standard().with_initial_backoff(config.client.first_backoff))
        .force_path_style(!config.s3.virtual_host_style);
    if let Some(endpoint) = &config.s3.endpoint {
        sdk = sdk.endpoint_url(endpoint.trim_end_matches('/'));
    }
    if let Some(pem) = client::ca_bundle(&config.client)? {
        // The SDK panics on certificates that it cannot read; the other client says so.
        s3::build(config, name, region)?;
        sdk = sdk.http_client(https_client(pem)?);
    }
    Ok(sdk)
}

fn https_client(pem: Vec<u8>) -> Result<SharedHttpClient> {
    let trust = TrustStore::default().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context = context.map_err(|error| Error::Internal {
        message: format!("the TLS context cannot be built: {error}"),
    })?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https())
}

fn failure<E>(error: &SdkError<E>) -> Option<StoreFailure> {
    match error {
        SdkError::DispatchFailure(_) => Some(StoreFailure::Unreachable),
        SdkError::TimeoutError(_) => Some(StoreFailure::TimedOut),
        error => match error.raw_response()?.status().as_u16() {
            401 | 403 => Some(StoreFailure::AccessDenied),
            404 => Some(StoreFailure::BucketMissing),
            301 => Some(StoreFailure::WrongRegion),
            _ => None,
        },
    }
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

/// Says in a word why the store did not answer a question.
fn why_not<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata,
    SdkError<E>: std::error::Error,
{
    let code = error.code();
    code.map_or_else(|| chain(error), ToOwned::to_owned)
}

/// Joins the messages of an error and its causes: the SDK's own are terse ("dispatch failure").
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{
        BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
        LifecycleRuleFilter, NoncurrentVersionExpiration, VersioningConfiguration,
    };

    use super::*;
    use crate::storage::location::Location;
    use crate::storage::tests::s3_config;
    use crate::storage::{Storage, Verdict};

    fn rule(prefix: &str) -> LifecycleRule {
        let noncurrent = NoncurrentVersionExpiration::builder().noncurrent_days(3);
        LifecycleRule::builder()
            .id("old")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
            .expiration(LifecycleExpiration::builder().days(30).build())
            .noncurrent_version_expiration(noncurrent.build())
            .build()
            .unwrap()
    }

    async fn set_rule(bucket: &Bucket, prefix: &str) {
        let rules = BucketLifecycleConfiguration::builder().rules(rule(prefix));
        let request = bucket.client.put_bucket_lifecycle_configuration();
        let request = request.bucket(&bucket.name);
        let rules = rules.build().unwrap();
        request.lifecycle_configuration(rules).send().await.unwrap();
    }

    #[tokio::test]
    async fn a_bucket_with_versions_and_rules_says_so_and_keeps_nothing_of_the_checks() {
        let Some(mut config) = s3_config("versions") else {
            return;
        };
        config.url = format!("s3://lakehouse-{}/lake", uuid::Uuid::new_v4().simple());
        Storage::open(&config).await.unwrap();
        let opened = Location::parse(&config.url).unwrap().open(&config).await;
        let bucket = opened.unwrap().s3.unwrap().admin(&config).await.unwrap();
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
        let request = bucket.client.put_bucket_versioning().bucket(&bucket.name);
        let request = request.versioning_configuration(enabled.build());
        request.send().await.unwrap();
        set_rule(&bucket, "logs/").await;

        let report = bucket.report().await;
        assert_eq!(report.versioning, Versioning::Enabled);
        let Lifecycle::Rules(rules) = report.lifecycle else {
            panic!("{:?}", report.lifecycle);
        };
        assert_eq!(rules[0].noncurrent_days, Some(3));

        let mut failed = Vec::new();
        let mut tell = |finding: crate::storage::Finding| {
            if let Verdict::Failed(error) = finding.verdict {
                failed.push(error.to_string());
            }
        };
        Storage::check_up(&config, &mut tell).await;
        set_rule(&bucket, "la").await;
        Storage::check_up(&config, &mut tell).await;
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(failed[0].contains("destroys the tables"), "{failed:?}");
        // The probe at the start, of the bucket without versions, left nothing either.
        assert_eq!(bucket.purge_versions("").await.unwrap(), 0);
    }
}
