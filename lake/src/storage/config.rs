//! Where the bytes of the lake live, and how to reach them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where the lake lives and how to reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// A folder path, `file:///path`, `memory://`, `memory://name` (shared by all who open that
    /// name in this process), `s3://bucket/prefix`, `gs://bucket/prefix` or
    /// `az://container/prefix`. Empty means that the caller chooses.
    pub url: String,
    /// Whether a write to a folder is acknowledged only when it would survive the loss of power.
    /// Without, it survives the death of the process; clouds do as they do.
    pub fsync: bool,
    /// URLs below which tables may live outside the lake, such as `s3://landing/parquet/`. Only
    /// what is listed can be named in SQL, so that nobody reads the disk of the server.
    pub external_locations: Vec<String>,
    /// How requests to any cloud are made; unused for a folder and for memory.
    pub client: ClientConfig,
    /// How to reach an S3 store; unused for other URLs.
    pub s3: S3Config,
    /// How to reach Google Cloud Storage; unused for other URLs.
    pub gcs: GcsConfig,
    /// How to reach Azure Blob Storage; unused for other URLs.
    pub azure: AzureConfig,
}

impl StorageConfig {
    /// Returns a configuration for a URL, with defaults for everything else.
    pub fn for_url(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ..Self::default()
        }
    }
}

/// How requests to any cloud are made: how long each may take, and how often it is made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientConfig {
    /// Longest wait for a connection.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Longest wait for the whole answer to one request, the body included.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// How often a request is made again after a failure that may pass: no connection, a server
    /// error, too many requests.
    pub max_retries: usize,
    /// No request is made again when the first was this long ago.
    #[serde(with = "humantime_serde")]
    pub retry_timeout: Duration,
    /// The pause before the first retry; later ones are random and longer.
    #[serde(with = "humantime_serde")]
    pub first_backoff: Duration,
    /// The longest pause between two retries.
    #[serde(with = "humantime_serde")]
    pub longest_backoff: Duration,
    /// A PEM file of certificates to trust besides those of the system, for a store with a
    /// certificate of its own.
    pub ca_file: Option<PathBuf>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            max_retries: 6,
            retry_timeout: Duration::from_secs(30),
            first_backoff: Duration::from_millis(50),
            longest_backoff: Duration::from_secs(5),
            ca_file: None,
        }
    }
}

/// How to reach an S3 store.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3Config {
    /// The endpoint of MinIO or another store, such as `http://127.0.0.1:9000`; none means AWS.
    pub endpoint: Option<String>,
    /// The region; none means that the bucket is asked for it.
    pub region: Option<String>,
    /// The access key; none means the credentials of the AWS instance or container.
    pub access_key_id: Option<String>,
    /// The secret key that belongs to the access key.
    pub secret_access_key: Option<String>,
    /// The session token of temporary credentials.
    pub session_token: Option<String>,
    /// Allows an endpoint without TLS.
    pub allow_http: bool,
    /// Puts the bucket into the host name instead of the path.
    pub virtual_host_style: bool,
    /// Creates the bucket when it is missing.
    pub create_bucket: bool,
    /// Further options by their `object_store` names, such as `aws_sse_kms_key_id`. Options that
    /// would change how commits are made exclusive are refused.
    pub options: BTreeMap<String, String>,
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Config")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &hidden(&self.secret_access_key))
            .field("session_token", &hidden(&self.session_token))
            .field("allow_http", &self.allow_http)
            .field("virtual_host_style", &self.virtual_host_style)
            .field("create_bucket", &self.create_bucket)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// How to reach Google Cloud Storage. With neither a file nor a key, the credentials of the
/// machine are used: those that `gcloud auth application-default login` stored, or of the instance.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GcsConfig {
    /// The endpoint of an emulator; none means Google.
    pub endpoint: Option<String>,
    /// A JSON file of a service account or of application default credentials.
    pub credentials_file: Option<PathBuf>,
    /// The JSON text of a service account's key, instead of a file.
    pub service_account_key: Option<String>,
    /// Allows an endpoint without TLS.
    pub allow_http: bool,
    /// Further options by their `object_store` names, such as `google_skip_signature`.
    pub options: BTreeMap<String, String>,
}

impl fmt::Debug for GcsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcsConfig")
            .field("endpoint", &self.endpoint)
            .field("credentials_file", &self.credentials_file)
            .field("service_account_key", &hidden(&self.service_account_key))
            .field("allow_http", &self.allow_http)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// How to reach Azure Blob Storage. With no key, token or secret, the managed identity of the
/// machine is used.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AzureConfig {
    /// The storage account; `abfss://container@account.dfs.core.windows.net/` names it too.
    pub account: Option<String>,
    /// The endpoint of an emulator or a private link; none means the account's own.
    pub endpoint: Option<String>,
    /// The account's key.
    pub access_key: Option<String>,
    /// A shared access signature, instead of a key.
    pub sas_token: Option<String>,
    /// The tenant of the service principal.
    pub tenant_id: Option<String>,
    /// The service principal.
    pub client_id: Option<String>,
    /// The secret of the service principal.
    pub client_secret: Option<String>,
    /// Allows an endpoint without TLS.
    pub allow_http: bool,
    /// Further options by their `object_store` names, such as `azure_federated_token_file`.
    pub options: BTreeMap<String, String>,
}

impl fmt::Debug for AzureConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureConfig")
            .field("account", &self.account)
            .field("endpoint", &self.endpoint)
            .field("access_key", &hidden(&self.access_key))
            .field("sas_token", &hidden(&self.sas_token))
            .field("tenant_id", &self.tenant_id)
            .field("client_id", &self.client_id)
            .field("client_secret", &hidden(&self.client_secret))
            .field("allow_http", &self.allow_http)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish()
    }
}

fn hidden(value: &Option<String>) -> Option<&'static str> {
    value.as_ref().map(|_| "***")
}
