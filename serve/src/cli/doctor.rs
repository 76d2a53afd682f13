//! `lakehouse doctor`: is each part reachable, and does the storage keep the promises commits rest on?

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use lake::storage::{Finding, Verdict};
use lake::{Storage, StorageConfig};

use ::ingest::KafkaConfig;
use ::ingest::pipeline::cluster_id;
use ml::{MongoConfig, PredictionStore};

use super::Common;
use crate::config::Config;
use crate::embedded::Endpoints;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lakehouse doctor
  lakehouse doctor --store s3://flights/lake
  lakehouse doctor --store file:///srv/lake")]
pub(super) struct DoctorArgs {
    /// Check this store, and nothing else, with the settings of the configuration; leaves nothing behind
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

pub(super) async fn run(common: &Common, args: DoctorArgs) -> Result<()> {
    let config = common.load_quiet()?;
    let mut page = Page::default();
    if let Some(url) = args.store {
        let storage = StorageConfig {
            url,
            ..config.storage
        };
        page.check_store(&storage).await;
        return page.finish();
    }
    page.check_store(&config.effective_storage()).await;
    page.check_kafka(&config).await?;
    page.check_metastore(&config).await?;
    page.check_mongodb(&config).await?;
    page.finish()
}

/// What is printed, and how many checks failed so far.
#[derive(Debug, Default)]
struct Page {
    checks: usize,
    failed: usize,
}

impl Page {
    async fn check_store(&mut self, storage: &StorageConfig) {
        let mut tell = |finding| self.finding(finding);
        Storage::check_up(storage, &mut tell).await;
    }

    fn finding(&mut self, finding: Finding) {
        let Finding {
            check,
            elapsed,
            verdict,
        } = finding;
        match verdict {
            Verdict::Passed => self.passed(&check, elapsed),
            Verdict::Noted => print(&format!("--  {check}")),
            Verdict::Failed(error) => {
                let hint = error.hint();
                self.failed(&check, elapsed, &error.into(), hint);
            }
        }
    }

    async fn check_kafka(&mut self, config: &Config) -> Result<()> {
        let begin = Instant::now();
        let Some(brokers) = brokers(config)? else {
            print("--  Kafka: embedded, runs with `lakehouse up`");
            return Ok(());
        };
        let kafka = KafkaConfig {
            brokers,
            client: config.kafka.client.clone(),
        };
        match cluster_id(&kafka, config.ingest.broker_timeout).await {
            Ok(cluster) => {
                let check = format!("Kafka {} (cluster {cluster})", kafka.brokers);
                self.passed(&check, begin.elapsed());
            }
            Err(error) => {
                let check = format!("Kafka {}", kafka.brokers);
                self.failed(&check, begin.elapsed(), &error.into(), None);
            }
        }
        Ok(())
    }

    async fn check_metastore(&mut self, config: &Config) -> Result<()> {
        let begin = Instant::now();
        let running = Endpoints::read(&config.data_dir)?;
        let Some(uri) = running.and_then(|endpoints| endpoints.hive_metastore) else {
            print("--  Hive metastore: runs with `lakehouse up`");
            return Ok(());
        };
        let address = uri.trim_start_matches("thrift://");
        let timeout = config.query.hive_metastore.transfer_timeout;
        let check = format!("Hive metastore {uri}");
        match query::hive_metastore::ping(address, timeout).await {
            Ok(()) => self.passed(&check, begin.elapsed()),
            Err(error) => self.failed(&check, begin.elapsed(), &error.into(), None),
        }
        Ok(())
    }

    async fn check_mongodb(&mut self, config: &Config) -> Result<()> {
        let begin = Instant::now();
        let Some(mongodb) = mongodb(config)? else {
            print("--  MongoDB: embedded, runs with `lakehouse up`");
            return Ok(());
        };
        let answer = async { PredictionStore::connect(&mongodb).await?.ping().await };
        match answer.await {
            Ok(()) => self.passed("MongoDB", begin.elapsed()),
            Err(error) => self.failed("MongoDB", begin.elapsed(), &error.into(), None),
        }
        Ok(())
    }

    fn passed(&mut self, check: &str, elapsed: Duration) {
        self.checks += 1;
        print(&line("ok", check, elapsed));
    }

    fn failed(
        &mut self,
        check: &str,
        elapsed: Duration,
        error: &anyhow::Error,
        hint: Option<&str>,
    ) {
        self.checks += 1;
        self.failed += 1;
        print(&line("NO", check, elapsed));
        let mut said = String::new();
        for cause in error.chain() {
            // Stores answer in XML of several lines.
            let text = cause.to_string().replace('\n', " ");
            if !said.contains(&text) {
                print(&format!("      {text}"));
                said.push_str(&text);
            }
        }
        if let Some(hint) = hint.or_else(|| super::hint(error)) {
            print(&format!("      hint: {hint}"));
        }
    }

    fn finish(self) -> Result<()> {
        if self.failed > 0 {
            bail!("{} of {} checks failed", self.failed, self.checks);
        }
        Ok(())
    }
}

fn line(mark: &str, check: &str, elapsed: Duration) -> String {
    let millis = elapsed.as_secs_f64() * 1000.0;
    format!("{mark}  {check:<52} {millis:>9.1} ms")
}

/// Prints each line when it is known: a check may take its time.
fn print(line: &str) {
    // A reader that has gone away has seen what it wanted; the exit code still tells the rest.
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
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
