//! `lakehouse doctor`: is each part reachable, and does the storage keep the promises commits rest on?

use std::io::Write;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use futures::TryStreamExt;
use lake::{Storage, StorageConfig};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use ::ingest::KafkaConfig;
use ::ingest::pipeline::cluster_id;
use ml::{MongoConfig, PredictionStore};

use super::Common;
use crate::config::Config;
use crate::embedded::Endpoints;

const MEBIBYTE: usize = 1 << 20;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lakehouse doctor
  lakehouse doctor --store s3://flights/lake")]
pub(super) struct DoctorArgs {
    /// Check this store instead of the configured one; S3 settings are taken from the configuration
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

pub(super) async fn run(common: &Common, args: DoctorArgs) -> Result<()> {
    let config = common.load_quiet()?;
    let storage = match args.store {
        Some(url) => StorageConfig {
            url,
            ..config.storage.clone()
        },
        None => config.effective_storage(),
    };
    let mut out = std::io::stdout().lock();
    let begin = Instant::now();
    // Opening creates the folder or bucket and probes put-if-absent.
    let opened = Storage::open(&storage)
        .await
        .context("the storage cannot be used")?;
    writeln!(
        out,
        "ok  {:<44} {:>8.1} ms",
        opened.root_url().as_str(),
        millis(begin)
    )?;
    writeln!(out, "ok  a second put of one key is refused")?;

    let store = opened.object_store();
    let key = Path::from(format!("_probe/doctor-{}", std::process::id()));
    let outcome = round_trips(store.as_ref(), &key, &mut out).await;
    let _ = store.delete(&key).await;
    outcome?;

    let begin = Instant::now();
    if let Some(brokers) = brokers(&config)? {
        let kafka = KafkaConfig {
            brokers,
            client: config.kafka.client.clone(),
        };
        let cluster = cluster_id(&kafka, config.ingest.broker_timeout).await?;
        let address = format!("Kafka {} (cluster {cluster})", kafka.brokers);
        writeln!(out, "ok  {address:<44} {:>8.1} ms", millis(begin))?;
    } else {
        writeln!(out, "--  Kafka: embedded, runs with `lakehouse up`")?;
    }

    let begin = Instant::now();
    if let Some(mongodb) = mongodb(&config)? {
        PredictionStore::connect(&mongodb).await?.ping().await?;
        writeln!(out, "ok  {:<44} {:>8.1} ms", "MongoDB", millis(begin))?;
    } else {
        writeln!(out, "--  MongoDB: embedded, runs with `lakehouse up`")?;
    }
    Ok(())
}

/// Returns the configured brokers, or those of the house that runs on the data folder.
fn brokers(config: &Config) -> Result<Option<String>> {
    if !config.kafka.brokers.is_empty() {
        return Ok(Some(config.kafka.brokers.clone()));
    }
    Ok(Endpoints::read(&config.data_dir)?.map(|endpoints| endpoints.kafka))
}

/// Returns the configured MongoDB, or that of the house that runs on the data folder.
fn mongodb(config: &Config) -> Result<Option<MongoConfig>> {
    let mut mongodb = config.mongodb.clone();
    if mongodb.uri.is_empty() {
        let Some(endpoints) = Endpoints::read(&config.data_dir)? else {
            return Ok(None);
        };
        mongodb.uri = endpoints.mongodb;
    }
    Ok(Some(mongodb))
}

async fn round_trips(store: &dyn ObjectStore, key: &Path, out: &mut impl Write) -> Result<()> {
    let begin = Instant::now();
    let mut upload = store
        .put_multipart(key)
        .await
        .context("cannot start a multipart upload")?;
    for byte in [1_u8, 2] {
        // Services refuse parts below 5 MiB, except the last.
        upload
            .put_part(PutPayload::from(vec![byte; 6 * MEBIBYTE]))
            .await
            .context("cannot upload a part")?;
    }
    upload
        .complete()
        .await
        .context("cannot complete a multipart upload")?;
    writeln!(
        out,
        "ok  {:<44} {:>8.1} ms",
        "12 MiB in two parts",
        millis(begin)
    )?;

    let begin = Instant::now();
    let border = 6 * MEBIBYTE as u64;
    let bytes = store
        .get_range(key, border - 2..border + 2)
        .await
        .context("cannot read a range")?;
    ensure!(
        bytes.as_ref() == [1, 1, 2, 2],
        "a ranged read returned other bytes than were written"
    );
    writeln!(out, "ok  {:<44} {:>8.1} ms", "ranged read", millis(begin))?;

    let begin = Instant::now();
    let listed: Vec<_> = store
        .list(Some(&Path::from("_probe")))
        .try_collect()
        .await
        .context("cannot list")?;
    ensure!(
        listed.iter().any(|object| object.location == *key),
        "the object just written is not listed"
    );
    writeln!(out, "ok  {:<44} {:>8.1} ms", "list", millis(begin))?;
    Ok(())
}

fn millis(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1000.0
}
