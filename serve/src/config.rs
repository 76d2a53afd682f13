//! Layered configuration: defaults, then a TOML file, then `LAKEHOUSE__…` variables, then flags.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

/// Everything that can be configured, one section per crate.
///
/// `infra/config/reference.toml` lists each key with its default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder of the embedded lake and of the stand-ins.
    pub data_dir: PathBuf,
    /// The HTTP door: pages, SQL API and Trino protocol.
    pub http: HttpConfig,
    /// Where the tables live; an empty URL means the folder `lake` in `data_dir`.
    pub storage: lake::StorageConfig,
    /// SQL engine limits.
    pub query: query::QueryConfig,
    /// The built-in flights application.
    pub flights: FlightsConfig,
    /// Logging.
    pub log: LogConfig,
}

/// Where the web pages, the SQL API and the Trino protocol listen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address to bind; loopback by default, because there is no login.
    pub host: String,
    /// TCP port; 0 lets the system choose.
    pub port: u16,
}

/// The built-in application: the flights of one year.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlightsConfig {
    /// Whether `up` creates and loads the flights tables at all.
    pub enabled: bool,
    /// First departure date that is not loaded; none loads the whole year.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_until: Option<chrono::NaiveDate>,
}

/// What is logged and how; logs go to standard error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Filter in the syntax of `tracing` (`info,lake=debug`).
    pub filter: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

/// Shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("lakehouse-data"),
            http: HttpConfig::default(),
            storage: lake::StorageConfig::default(),
            query: query::QueryConfig::default(),
            flights: FlightsConfig::default(),
            log: LogConfig::default(),
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8080,
        }
    }
}

impl Default for FlightsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            history_until: None,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info,rustls=warn,hyper=warn,h2=warn".to_owned(),
            format: LogFormat::Text,
        }
    }
}

impl Config {
    /// Returns the defaults overlaid with `file` and the environment.
    ///
    /// # Errors
    /// A file that is missing or not TOML, an unknown key, a value of the wrong type: each names the key.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let mut layers = Figment::from(Serialized::defaults(Self::default()));
        if let Some(path) = file {
            if !path.is_file() {
                bail!("configuration file `{}` does not exist", path.display());
            }
            layers = layers.merge(Toml::file_exact(path));
        }
        let config: Self = layers
            .merge(Env::prefixed("LAKEHOUSE__").split("__"))
            .extract()
            .map_err(|error| anyhow::anyhow!("{error}"))
            .context("the configuration cannot be used")?;
        config.check()?;
        Ok(config)
    }

    /// Checks what types cannot express.
    ///
    /// # Errors
    /// Names the key and the reason.
    pub fn check(&self) -> Result<()> {
        if self.http.host.parse::<std::net::IpAddr>().is_err() {
            bail!("`http.host` is `{}`, not an IP address", self.http.host);
        }
        if self.data_dir.as_os_str().is_empty() {
            bail!("`data_dir` is empty");
        }
        Ok(())
    }

    /// Returns the configuration as TOML with secrets replaced by `***`.
    ///
    /// # Errors
    /// Only if a value cannot be written as TOML, which is a bug.
    pub fn to_redacted_toml(&self) -> Result<String> {
        let mut value =
            toml::Value::try_from(self).context("cannot write the configuration as TOML")?;
        redact("", &mut value);
        toml::to_string_pretty(&value).context("cannot write the configuration as TOML")
    }

    /// Returns the storage settings with the embedded default filled in.
    #[must_use]
    pub fn effective_storage(&self) -> lake::StorageConfig {
        let mut storage = self.storage.clone();
        if storage.url.is_empty() {
            storage.url = self.data_dir.join("lake").display().to_string();
        }
        storage
    }
}

/// Hides values whose key says secret, and passwords inside URLs.
fn redact(key: &str, value: &mut toml::Value) {
    const SECRET_WORDS: [&str; 5] = ["secret", "password", "token", "credential", "private"];
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                redact(key, value);
            }
        }
        toml::Value::Array(values) => values.iter_mut().for_each(|value| redact(key, value)),
        toml::Value::String(text) => {
            let key = key.to_ascii_lowercase();
            if !text.is_empty() && SECRET_WORDS.iter().any(|word| key.contains(word)) {
                "***".clone_into(text);
            } else if let Ok(mut url) = url::Url::parse(text)
                && url.password().is_some()
                && url.set_password(Some("***")).is_ok()
            {
                *text = url.to_string();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_the_rest_is_shown() {
        let mut config = Config::default();
        config.storage.s3.secret_access_key = Some("hush".to_owned());
        config.storage.s3.endpoint = Some("https://user:hush@s3.example/".to_owned());
        let text = config.to_redacted_toml().unwrap();
        assert!(!text.contains("hush"), "{text}");
        assert!(text.contains("s3.example") && text.contains("enabled"));
    }

    #[test]
    fn unknown_keys_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        std::fs::write(&file, "[http]\nporrt = 1\n").unwrap();
        let error = format!("{:#}", Config::load(Some(&file)).unwrap_err());
        assert!(error.contains("porrt"), "{error}");
    }
}
