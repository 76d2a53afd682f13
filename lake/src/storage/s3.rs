//! The S3 client of a bucket.

use std::str::FromStr;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use url::Url;

use super::client;
use super::config::{S3Config, StorageConfig};
use crate::error::{Error, Result};

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
fn refuse_locking_options(config: &S3Config) -> Result<()> {
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

/// Builds the S3 client of a bucket in a region.
///
/// # Errors
///
/// Those of [`builder`], and [`Error::Storage`] when the client cannot be built.
pub(super) fn build(config: &StorageConfig, bucket: &str, region: &str) -> Result<AmazonS3> {
    let builder = builder(config, bucket)?.with_region(region);
    builder.build().map_err(|source| Error::Storage {
        url: format!("s3://{bucket}"),
        action: "preparing the S3 client",
        source,
    })
}

/// Checks all settings of a bucket, without the region, which the bucket may have to be asked for.
///
/// # Errors
///
/// [`Error::StorageOptionRefused`] for an option that is unknown or has a key of its own,
/// [`Error::InvalidStorageUrl`] for an endpoint that cannot be used, [`Error::Certificates`].
pub(super) fn builder(config: &StorageConfig, bucket: &str) -> Result<AmazonS3Builder> {
    let s3 = &config.s3;
    refuse_locking_options(s3)?;
    let options = client::client_options(&config.client)?.with_allow_http(s3.allow_http);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_virtual_hosted_style_request(s3.virtual_host_style)
        .with_client_options(options)
        .with_retry(client::retry_config(&config.client));
    if let Some(endpoint) = bucket_endpoint(s3, bucket)? {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(key) = &s3.access_key_id {
        builder = builder.with_access_key_id(key);
    }
    if let Some(secret) = &s3.secret_access_key {
        builder = builder.with_secret_access_key(secret);
    }
    if let Some(token) = &s3.session_token {
        builder = builder.with_token(token);
    }
    for (option, value) in &s3.options {
        let refused = |reason: String| Error::StorageOptionRefused {
            option: option.clone(),
            reason,
        };
        let key = AmazonS3ConfigKey::from_str(&option.to_ascii_lowercase())
            .map_err(|error| refused(error.to_string()))?;
        if let Some(own) = key_of_its_own(&key) {
            return Err(refused(format!("use `storage.s3.{own}`")));
        }
        builder = builder.with_config(key, value);
    }
    Ok(builder)
}

/// Returns the endpoint as `object_store` wants it: where the bucket is in the host name, the
/// endpoint must say so.
fn bucket_endpoint(config: &S3Config, bucket: &str) -> Result<Option<String>> {
    let Some(endpoint) = &config.endpoint else {
        return Ok(None);
    };
    let invalid = |reason: String| Error::InvalidStorageUrl {
        url: endpoint.clone(),
        reason,
    };
    let mut url = Url::parse(endpoint).map_err(|error| invalid(error.to_string()))?;
    if url.scheme() == "http" && !config.allow_http {
        return Err(invalid(
            "it has no TLS, and storage.s3.allow_http is not set".to_owned(),
        ));
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    if config.virtual_host_style && !host.starts_with(&format!("{bucket}.")) {
        url.set_host(Some(&format!("{bucket}.{host}")))
            .map_err(|_| invalid(format!("`{host}` cannot have a bucket in front of it")))?;
    }
    Ok(Some(url.as_str().trim_end_matches('/').to_owned()))
}

/// Two keys for one thing would let the hidden one win.
fn key_of_its_own(key: &AmazonS3ConfigKey) -> Option<&'static str> {
    Some(match key {
        AmazonS3ConfigKey::AccessKeyId => "access_key_id",
        AmazonS3ConfigKey::SecretAccessKey => "secret_access_key",
        AmazonS3ConfigKey::Token => "session_token",
        AmazonS3ConfigKey::Region | AmazonS3ConfigKey::DefaultRegion => "region",
        AmazonS3ConfigKey::Endpoint | AmazonS3ConfigKey::S3Endpoint => "endpoint",
        AmazonS3ConfigKey::VirtualHostedStyleRequest => "virtual_host_style",
        AmazonS3ConfigKey::Client(object_store::ClientConfigKey::AllowHttp) => "allow_http",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(endpoint: &str, virtual_host_style: bool) -> Result<Option<String>> {
        let config = S3Config {
            endpoint: Some(endpoint.to_owned()),
            virtual_host_style,
            allow_http: true,
            ..S3Config::default()
        };
        bucket_endpoint(&config, "lake")
    }

    #[test]
    fn the_bucket_is_in_the_host_name_once_where_that_is_asked_for() {
        let found = |text: &str, style| endpoint(text, style).unwrap().unwrap();
        assert_eq!(found("http://minio:9000/", false), "http://minio:9000");
        assert_eq!(found("http://minio:9000/", true), "http://lake.minio:9000");
        assert_eq!(
            found("https://lake.s3.example.org", true),
            "https://lake.s3.example.org"
        );
    }

    #[test]
    fn an_address_cannot_have_a_bucket_in_front_of_it() {
        let error = endpoint("http://127.0.0.1:9000", true).unwrap_err();
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
    }

    #[test]
    fn an_endpoint_without_tls_must_be_allowed() {
        let config = S3Config {
            endpoint: Some("http://minio:9000".to_owned()),
            ..S3Config::default()
        };
        let error = bucket_endpoint(&config, "lake").unwrap_err();
        assert!(error.to_string().contains("allow_http"), "{error}");
    }
}
