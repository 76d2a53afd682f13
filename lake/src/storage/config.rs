//! Where the bytes of the lake live.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Where the lake lives and how to reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// A folder path, `file:///path`, `memory://`, `memory://name` (shared by all who open that
    /// name in this process) or `s3://bucket/prefix`. Empty means that the caller chooses.
    pub url: String,
    /// How to reach an S3 store; unused for other URLs.
    pub s3: S3Config,
}

impl StorageConfig {
    /// Returns a configuration for a URL, with defaults for everything else.
    pub fn for_url(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            s3: S3Config::default(),
        }
    }
}

/// How to reach an S3 store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3Config {
    /// The endpoint of MinIO or another store, such as `http://127.0.0.1:9000`; none means AWS.
    pub endpoint: Option<String>,
    /// The region; stores other than AWS accept any.
    pub region: String,
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

impl Default for S3Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: "us-east-1".to_owned(),
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            allow_http: false,
            virtual_host_style: false,
            create_bucket: false,
            options: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |value: &Option<String>| value.as_ref().map(|_| "***");
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
