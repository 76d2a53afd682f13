//! The variables by which the tools of AWS, Google and Azure find a store and their credentials.
//!
//! They come below the configuration file: what it says about a store wins. Credentials belong together: of a cloud
//! that has some in the configuration, none are taken from the environment.

use figment::Figment;
use serde_json::{Map, Value};

/// Returns the settings that the environment of this process makes, below `ours`.
pub(super) fn read(ours: &Figment) -> Value {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the environment is read"
    )]
    let variable = |name: &str| std::env::var(name).ok();
    settings(variable, |key| ours.find_value(key).is_ok())
}

/// What a variable is to become.
enum Kind {
    Text,
    /// Part of the credentials of its section.
    Credential,
    Switch,
}

/// One setting: its key, and its variables in order of precedence.
type Setting = (&'static str, Kind, &'static [&'static str]);

const SETTINGS: [Setting; 17] = [
    ("s3.access_key_id", Kind::Credential, &["AWS_ACCESS_KEY_ID"]),
    (
        "s3.secret_access_key",
        Kind::Credential,
        &["AWS_SECRET_ACCESS_KEY"],
    ),
    ("s3.session_token", Kind::Credential, &["AWS_SESSION_TOKEN"]),
    (
        "s3.region",
        Kind::Text,
        &["AWS_REGION", "AWS_DEFAULT_REGION"],
    ),
    (
        "s3.endpoint",
        Kind::Text,
        &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
    ),
    ("s3.allow_http", Kind::Switch, &["AWS_ALLOW_HTTP"]),
    (
        "s3.virtual_host_style",
        Kind::Switch,
        &["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"],
    ),
    ("client.ca_file", Kind::Text, &["AWS_CA_BUNDLE"]),
    (
        "gcs.credentials_file",
        Kind::Credential,
        &[
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_SERVICE_ACCOUNT",
            "GOOGLE_SERVICE_ACCOUNT_PATH",
        ],
    ),
    (
        "gcs.service_account_key",
        Kind::Credential,
        &["GOOGLE_SERVICE_ACCOUNT_KEY"],
    ),
    (
        "azure.account",
        Kind::Text,
        &["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"],
    ),
    (
        "azure.access_key",
        Kind::Credential,
        &[
            "AZURE_STORAGE_ACCOUNT_KEY",
            "AZURE_STORAGE_ACCESS_KEY",
            "AZURE_STORAGE_KEY",
        ],
    ),
    (
        "azure.sas_token",
        Kind::Credential,
        &["AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"],
    ),
    (
        "azure.tenant_id",
        Kind::Credential,
        &["AZURE_STORAGE_TENANT_ID", "AZURE_TENANT_ID"],
    ),
    (
        "azure.client_id",
        Kind::Credential,
        &["AZURE_STORAGE_CLIENT_ID", "AZURE_CLIENT_ID"],
    ),
    (
        "azure.client_secret",
        Kind::Credential,
        &["AZURE_STORAGE_CLIENT_SECRET", "AZURE_CLIENT_SECRET"],
    ),
    (
        "azure.endpoint",
        Kind::Text,
        &["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"],
    ),
];

/// Variables without a key of their own; `storage` knows them by these names, in small letters. The last three would
/// move commits away from conditional puts and are there to be refused by name.
const OPTIONS: [(&str, &[&str]); 2] = [
    (
        "s3",
        &[
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_ROLE_ARN",
            "AWS_ROLE_SESSION_NAME",
            "AWS_ENDPOINT_URL_STS",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            "AWS_METADATA_ENDPOINT",
            "AWS_IMDSV1_FALLBACK",
            "AWS_SKIP_SIGNATURE",
            "AWS_REQUEST_PAYER",
            "AWS_SERVER_SIDE_ENCRYPTION",
            "AWS_SSE_KMS_KEY_ID",
            "AWS_SSE_BUCKET_KEY_ENABLED",
            "AWS_SSE_CUSTOMER_KEY_BASE64",
            "AWS_S3_LOCKING_PROVIDER",
            "AWS_S3_ALLOW_UNSAFE_RENAME",
            "AWS_CONDITIONAL_PUT",
        ],
    ),
    (
        "azure",
        &[
            "AZURE_STORAGE_TOKEN",
            "AZURE_STORAGE_AUTHORITY_HOST",
            "AZURE_FEDERATED_TOKEN_FILE",
            "AZURE_MSI_ENDPOINT",
            "AZURE_OBJECT_ID",
            "AZURE_MSI_RESOURCE_ID",
            "AZURE_SKIP_SIGNATURE",
        ],
    ),
];

fn settings(variable: impl Fn(&str) -> Option<String>, is_ours: impl Fn(&str) -> bool) -> Value {
    let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let mut storage = Map::new();
    let mut set = |section: &str, key: &str, value: Value| {
        let section = storage
            .entry(section)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(section) = section {
            section.insert(key.to_owned(), value);
        }
    };
    for (key, kind, names) in SETTINGS {
        let Some((section, key)) = key.split_once('.') else {
            continue;
        };
        let Some(value) = names.iter().find_map(|name| variable(name)) else {
            continue;
        };
        match kind {
            Kind::Text => set(section, key, Value::String(value)),
            Kind::Credential if has_credentials(section, &is_ours) => {}
            Kind::Credential => set(section, key, Value::String(value)),
            Kind::Switch => set(section, key, Value::Bool(is_on(&value))),
        }
    }
    for (section, names) in OPTIONS {
        let values = names.iter().filter_map(|name| {
            let value = variable(name)?;
            Some((name.to_ascii_lowercase(), Value::String(value)))
        });
        let values: Map<String, Value> = values.collect();
        if !values.is_empty() {
            set(section, "options", Value::Object(values));
        }
    }
    let mut all = Map::new();
    all.insert("storage".to_owned(), Value::Object(storage));
    Value::Object(all)
}

fn has_credentials(section: &str, is_ours: impl Fn(&str) -> bool) -> bool {
    SETTINGS.iter().any(|(key, kind, _)| {
        matches!(kind, Kind::Credential)
            && key.split_once('.').is_some_and(|(of, _)| of == section)
            && is_ours(&format!("storage.{key}"))
    })
}

fn is_on(value: &str) -> bool {
    matches!(
        value.trim().to_ascii_lowercase().as_str(),
        "1" | "true" | "yes" | "on" | "y" | "t"
    )
}

#[cfg(test)]
mod tests {
    use figment::providers::{Format, Serialized, Toml};

    use super::*;
    use crate::config::Config;

    fn config(variables: &[(&str, &str)], file: &str) -> Config {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let ours = Figment::from(Toml::string(file));
        let layer = settings(variable, |key| ours.find_value(key).is_ok());
        Figment::from(Serialized::defaults(Config::default()))
            .merge(Serialized::globals(layer))
            .merge(ours)
            .extract()
            .unwrap()
    }

    #[test]
    fn the_usual_variables_of_aws_reach_the_storage() {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "1234"),
            ("AWS_SECRET_ACCESS_KEY", "hush"),
            ("AWS_SESSION_TOKEN", "token"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", "http://general"),
            ("AWS_ENDPOINT_URL_S3", "http://minio:9000"),
            ("AWS_ALLOW_HTTP", "TRUE"),
            ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "0"),
            ("AWS_CA_BUNDLE", "/etc/ca.pem"),
            ("AWS_ROLE_ARN", ""),
        ];
        let storage = config(&variables, "").storage;
        // A key of digits alone is a text, not a number.
        assert_eq!(storage.s3.access_key_id.as_deref(), Some("1234"));
        assert_eq!(storage.s3.session_token.as_deref(), Some("token"));
        assert_eq!(storage.s3.region.as_deref(), Some("eu-west-1"));
        assert_eq!(storage.s3.endpoint.as_deref(), Some("http://minio:9000"));
        assert!(storage.s3.allow_http && !storage.s3.virtual_host_style);
        assert_eq!(storage.client.ca_file, Some("/etc/ca.pem".into()));
        assert!(storage.s3.options.is_empty());
    }

    #[test]
    fn the_usual_variables_of_google_and_azure_reach_the_storage() {
        let variables = [
            ("GOOGLE_APPLICATION_CREDENTIALS", "/etc/google.json"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
            ("AZURE_STORAGE_ACCOUNT_KEY", "key"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/var/token"),
        ];
        let storage = config(&variables, "").storage;
        assert_eq!(
            storage.gcs.credentials_file,
            Some("/etc/google.json".into())
        );
        assert_eq!(storage.azure.account.as_deref(), Some("account"));
        assert_eq!(storage.azure.access_key.as_deref(), Some("key"));
        assert_eq!(
            storage.azure.options.get("azure_federated_token_file"),
            Some(&"/var/token".to_owned())
        );
    }

    #[test]
    fn credentials_of_the_file_are_not_mixed_with_those_of_the_environment() {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "theirs"),
            ("AWS_SESSION_TOKEN", "theirs"),
            ("AWS_REGION", "eu-west-1"),
        ];
        let file = "[storage.s3]\naccess_key_id = \"ours\"\nsecret_access_key = \"ours\"";
        let s3 = config(&variables, file).storage.s3;
        assert_eq!(s3.access_key_id.as_deref(), Some("ours"));
        assert_eq!(s3.session_token, None);
        assert_eq!(s3.region.as_deref(), Some("eu-west-1"));
    }

    #[tokio::test]
    async fn a_locking_provider_in_the_environment_is_refused_with_the_reason() {
        let variables = [("AWS_S3_LOCKING_PROVIDER", "dynamodb")];
        let storage = config(&variables, "[storage]\nurl = \"s3://bucket\"").storage;
        let error = lake::Storage::open(&storage).await.unwrap_err().to_string();
        assert!(error.contains("aws_s3_locking_provider"), "{error}");
        assert!(error.contains("conditional puts"), "{error}");
        // It says something about S3 only.
        let folder = tempfile::tempdir().unwrap();
        let file = format!("[storage]\nurl = \"{}\"", folder.path().display());
        let storage = config(&variables, &file).storage;
        lake::Storage::open(&storage).await.unwrap();
    }
}
