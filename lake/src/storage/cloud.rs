//! The clients of Google Cloud Storage and Azure Blob Storage.

use std::str::FromStr;

use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey};

use super::client;
use super::config::StorageConfig;
use crate::error::{Error, Result};

/// Builds the client of a bucket of Google Cloud Storage.
///
/// # Errors
///
/// [`Error::StorageOptionRefused`] for an unknown option, [`Error::Storage`] when the client
/// cannot be built, as from a credentials file that is not one.
pub(super) fn build_gcs(config: &StorageConfig, bucket: &str) -> Result<GoogleCloudStorage> {
    let gcs = &config.gcs;
    let options = client::client_options(&config.client)?.with_allow_http(gcs.allow_http);
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_client_options(options)
        .with_retry(client::retry_config(&config.client));
    if let Some(endpoint) = &gcs.endpoint {
        builder = builder.with_base_url(endpoint.trim_end_matches('/'));
    }
    if let Some(file) = &gcs.credentials_file {
        builder = builder.with_application_credentials(file.display().to_string());
    }
    if let Some(key) = &gcs.service_account_key {
        builder = builder.with_service_account_key(key);
    }
    for (option, value) in &gcs.options {
        let key = GoogleConfigKey::from_str(&option.to_ascii_lowercase())
            .map_err(|error| refused(option, &error))?;
        builder = builder.with_config(key, value);
    }
    builder.build().map_err(|source| Error::Storage {
        url: format!("gs://{bucket}"),
        action: "preparing the Google Cloud client",
        source,
    })
}

/// Builds the client of a container of Azure Blob Storage.
///
/// # Errors
///
/// [`Error::StorageOptionRefused`] for an unknown option or no account, [`Error::Storage`] when
/// the client cannot be built, as with a key that is not Base64.
pub(super) fn build_azure(
    config: &StorageConfig,
    account: Option<&str>,
    container: &str,
) -> Result<MicrosoftAzure> {
    let azure = &config.azure;
    let options = client::client_options(&config.client)?.with_allow_http(azure.allow_http);
    let mut builder = MicrosoftAzureBuilder::new()
        .with_container_name(container)
        .with_client_options(options)
        .with_retry(client::retry_config(&config.client));
    let typed = [
        (AzureConfigKey::AccountName, account),
        (AzureConfigKey::Endpoint, azure.endpoint.as_deref()),
        (AzureConfigKey::AccessKey, azure.access_key.as_deref()),
        (AzureConfigKey::SasKey, azure.sas_token.as_deref()),
        (AzureConfigKey::AuthorityId, azure.tenant_id.as_deref()),
        (AzureConfigKey::ClientId, azure.client_id.as_deref()),
        (AzureConfigKey::ClientSecret, azure.client_secret.as_deref()),
    ];
    for (key, value) in typed {
        if let Some(value) = value {
            builder = builder.with_config(key, value);
        }
    }
    for (option, value) in &azure.options {
        let key = AzureConfigKey::from_str(&option.to_ascii_lowercase())
            .map_err(|error| refused(option, &error))?;
        builder = builder.with_config(key, value);
    }
    builder.build().map_err(|source| Error::Storage {
        url: format!("az://{container}"),
        action: "preparing the Azure client",
        source,
    })
}

fn refused(option: &str, error: &object_store::Error) -> Error {
    Error::StorageOptionRefused {
        option: option.to_owned(),
        reason: error.to_string(),
    }
}
