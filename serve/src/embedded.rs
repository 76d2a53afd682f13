//! Stand-ins for what is not configured, and the file that tells other processes where they listen.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use infra::document_store::{DocumentStore, DocumentStoreConfig};
use infra::kafka_broker::{KafkaBroker, KafkaBrokerConfig};
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// Addresses of a running house, kept in `endpoints.json` so that `lakehouse produce` finds its broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    /// Base URL of pages, SQL API and Trino protocol.
    pub(crate) http: String,
    /// Kafka bootstrap servers.
    pub(crate) kafka: String,
    /// MongoDB URI without credentials.
    pub(crate) mongodb: String,
    /// URI of the Hive metastore; none when it is not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hive_metastore: Option<String>,
}

/// The stand-ins that run in this process; none of them when everything is configured.
#[derive(Debug)]
pub(crate) struct Embedded {
    broker: Option<KafkaBroker>,
    documents: Option<DocumentStore>,
}

impl Embedded {
    /// Starts a stand-in for each part without a configured address and writes its address into `config`.
    ///
    /// # Errors
    /// The data folder cannot be used, or another process holds it.
    pub(crate) async fn start(config: &mut Config) -> Result<Self> {
        let dir = config.data_dir.clone();
        let mut embedded = Self {
            broker: None,
            documents: None,
        };
        if config.kafka.brokers.is_empty() {
            let broker = KafkaBroker::start(KafkaBrokerConfig::new(dir.join("kafka")))
                .await
                .context("cannot start the embedded Kafka broker")?;
            config.kafka.brokers = broker.bootstrap_servers();
            embedded.broker = Some(broker);
        }
        if config.mongodb.uri.is_empty() {
            let store_config = DocumentStoreConfig {
                data_dir: dir.join("documents"),
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            };
            let documents = DocumentStore::start(store_config)
                .await
                .context("cannot start the embedded document store")?;
            config.mongodb.uri = documents.uri();
            embedded.documents = Some(documents);
        }
        Ok(embedded)
    }

    /// Whether Kafka is our stand-in.
    #[must_use]
    pub(crate) fn has_broker(&self) -> bool {
        self.broker.is_some()
    }

    /// Whether the prediction store is our stand-in.
    #[must_use]
    pub(crate) fn has_documents(&self) -> bool {
        self.documents.is_some()
    }

    /// Stops the stand-ins after their clients are gone.
    pub(crate) async fn shutdown(self) {
        if let Some(broker) = self.broker {
            broker.shutdown().await;
        }
        if let Some(documents) = self.documents {
            documents.shutdown().await;
        }
    }
}

impl Endpoints {
    fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("endpoints.json")
    }

    /// Writes the file whole, so that a reader never sees half of it.
    ///
    /// # Errors
    /// The folder is not writable.
    pub(crate) fn write(&self, data_dir: &Path) -> Result<()> {
        std::fs::create_dir_all(data_dir)
            .with_context(|| format!("cannot create the data folder `{}`", data_dir.display()))?;
        let path = Self::path(data_dir);
        let temporary = path.with_extension("json.tmp");
        std::fs::write(&temporary, serde_json::to_vec_pretty(self)?)
            .and_then(|()| std::fs::rename(&temporary, &path))
            .with_context(|| format!("cannot write `{}`", path.display()))
    }

    /// Removes the file when the house stops.
    pub(crate) fn remove(data_dir: &Path) {
        let _ = std::fs::remove_file(Self::path(data_dir));
    }

    /// Fills in Kafka's address from a house that runs on `config.data_dir`, unless one is configured.
    ///
    /// # Errors
    /// Neither is an address configured nor does a house run there.
    pub(crate) fn fill_kafka(config: &mut Config) -> Result<()> {
        if !config.kafka.brokers.is_empty() {
            return Ok(());
        }
        let dir = config.data_dir.display();
        let Some(endpoints) = Self::read(&config.data_dir)? else {
            bail!(
                "no lakehouse runs on `{dir}` and `kafka.brokers` is not set: start `lakehouse up`, or name a broker"
            );
        };
        config.kafka.brokers = endpoints.kafka;
        Ok(())
    }

    /// Returns the addresses of the house that runs on `data_dir`; none when none does.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub(crate) fn read(data_dir: &Path) -> Result<Option<Self>> {
        let path = Self::path(data_dir);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read `{}`", path.display()))?,
        };
        let endpoints = serde_json::from_slice(&bytes);
        endpoints.map(Some).with_context(|| {
            let path = path.display();
            format!("`{path}` is damaged; `lakehouse up` writes it again")
        })
    }
}
