//! Layered configuration: defaults, then the usual variables of the clouds, then a TOML file, then `LAKEHOUSE__…`
//! variables, then flags.

mod cloud_variables;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use chrono::NaiveDate;
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use ingest::replay::ReplaySpeed;
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
    /// How the lake treats its tables.
    pub lake: lake::LakeConfig,
    /// Kafka; empty brokers mean the embedded one.
    pub kafka: ingest::KafkaConfig,
    /// How topics become tables.
    pub ingest: ingest::IngestConfig,
    /// SQL engine limits.
    pub query: query::QueryConfig,
    /// Training and prediction.
    pub ml: ml::MlConfig,
    /// Where predictions are stored; an empty URI means the embedded document store.
    pub mongodb: ml::MongoConfig,
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

/// The built-in application: the flights of one year, part history, part replayed, and a model of their delays.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlightsConfig {
    /// Whether `up` runs it at all.
    pub enabled: bool,
    /// First departure date that arrives through Kafka instead of as history.
    pub history_until: NaiveDate,
    /// Whether the flights from then on are replayed; otherwise all of them are history.
    pub replay: bool,
    /// Hours of 2013 in a second, or `max`.
    #[serde(with = "speed")]
    pub replay_speed: ReplaySpeed,
    /// Topic of the replayed flights.
    pub topic: String,
}

/// A speed as it is written in TOML: a number or a text.
mod speed {
    use ingest::replay::ReplaySpeed;
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(f64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(
        speed: &ReplaySpeed,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(speed)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ReplaySpeed, D::Error> {
        let text = match Written::deserialize(deserializer)? {
            Written::Number(hours) => hours.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(de::Error::custom)
    }
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
            lake: lake::LakeConfig::default(),
            kafka: ingest::KafkaConfig::default(),
            ingest: ingest::IngestConfig::default(),
            query: query::QueryConfig::default(),
            ml: ml::MlConfig::default(),
            mongodb: ml::MongoConfig::default(),
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
            history_until: NaiveDate::from_ymd_opt(2013, 12, 1).unwrap_or_default(),
            replay: true,
            replay_speed: ReplaySpeed::HoursPerSecond(1.0),
            topic: "flight-events".to_owned(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
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
        let mut ours = Figment::new();
        if let Some(path) = file {
            if !path.is_file() {
                bail!("configuration file `{}` does not exist", path.display());
            }
            ours = ours.merge(Toml::file_exact(path));
        }
        let ours = ours.merge(Env::prefixed("LAKEHOUSE__").split("__"));
        let mut config: Self = Figment::from(Serialized::defaults(Self::default()))
            .merge(Serialized::globals(cloud_variables::read(&ours)))
            .merge(ours)
            .extract()
            .map_err(|error| anyhow::anyhow!("{error}"))
            .context("the configuration cannot be used")?;
        // Names of variables have no dots: `…KAFKA__CLIENT__SASL_USERNAME` means `sasl.username`.
        let client = std::mem::take(&mut config.kafka.client).into_iter();
        config.kafka.client = client
            .map(|(key, value)| (key.replace('_', "."), value))
            .collect();
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
        let metastore = &self.query.hive_metastore;
        if metastore.host.parse::<std::net::IpAddr>().is_err() {
            bail!(
                "`query.hive_metastore.host` is `{}`, not an IP address",
                metastore.host
            );
        }
        if self.data_dir.as_os_str().is_empty() {
            bail!("`data_dir` is empty");
        }
        let mut topics = BTreeSet::new();
        for stream in self.streams() {
            if let Err(error) = stream.table.parse::<lake::TableName>() {
                bail!(
                    "`ingest.streams` names the table `{}`: {error}",
                    stream.table
                );
            }
            if stream.topic.is_empty() {
                bail!("the topic of table `{}` is empty", stream.table);
            }
            if !topics.insert(stream.topic.clone()) {
                bail!(
                    "topic `{}` is stored twice; one pipeline reads a topic",
                    stream.topic
                );
            }
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

    /// Returns the topics to store: the configured ones and the replayed flights.
    #[must_use]
    pub fn streams(&self) -> Vec<ingest::StreamConfig> {
        let mut streams = self.ingest.streams.clone();
        if self.flights.enabled {
            streams.push(ingest::StreamConfig {
                topic: self.flights.topic.clone(),
                table: "flights.flights".to_owned(),
            });
        }
        streams
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
    const SECRET_WORDS: [&str; 9] = [
        "secret",
        "password",
        "token",
        "credential",
        "private",
        "access_key",
        "account_key",
        "customer_key",
        "sas_key",
    ];
    // The name of a file, or of a key, gives nothing away.
    let is_a_name = |key: &str| key.ends_with("_file") || key.ends_with("_id");
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                redact(key, value);
            }
        }
        toml::Value::Array(values) => values.iter_mut().for_each(|value| redact(key, value)),
        toml::Value::String(text) => {
            let key = key.to_ascii_lowercase();
            let is_secret =
                SECRET_WORDS.iter().any(|word| key.contains(word)) || key == "service_account_key";
            if !text.is_empty() && is_secret && !is_a_name(&key) {
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
        config.storage.s3.session_token = Some("hush".to_owned());
        config
            .storage
            .s3
            .options
            .extend([("aws_sse_customer_key_base64".to_owned(), "hush".to_owned())]);
        config.storage.gcs.service_account_key = Some("hush".to_owned());
        config.storage.azure.access_key = Some("hush".to_owned());
        config.storage.azure.sas_token = Some("hush".to_owned());
        config.storage.azure.client_secret = Some("hush".to_owned());
        config.storage.s3.access_key_id = Some("AKIA-shown".to_owned());
        config.storage.gcs.credentials_file = Some("/etc/shown.json".into());
        config.mongodb.uri = "mongodb://user:hush@db.example/x".to_owned();
        let password = ("sasl.password".to_owned(), "hush".to_owned());
        config.kafka.client.extend([password]);
        let text = config.to_redacted_toml().unwrap();
        assert!(!text.contains("hush"), "{text}");
        for shown in ["s3.example", "db.example", "AKIA-shown", "/etc/shown.json"] {
            assert!(text.contains(shown), "{shown} is missing in {text}");
        }
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
