//! Tries out a store, as `lakehouse doctor` does: whether it keeps the promises that commits and
//! reads rest on, and what else there is to know about it.
//!
//! Everything is written below one folder of its own, `_probe/doctor-<random>/`, which is gone at
//! the end, versions included.

use std::path::{Path as DiskPath, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use futures::future::join_all;
use futures::stream::StreamExt;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use url::Url;
use uuid::Uuid;

use super::bucket::{Bucket, BucketReport, Versioning};
use super::config::StorageConfig;
use super::failure::StoreFailure;
use super::lifecycle::Lifecycle;
use super::location::{Location, Opened};
use super::{object_path, probe};
use crate::error::{Error, Result};

/// Services refuse parts below 5 MiB, except the last.
const PART_BYTES: usize = 6 << 20;
const WRITERS: u8 = 16;

/// What one check of a store found.
#[derive(Debug)]
pub struct Finding {
    /// What was tried, in words.
    pub check: String,
    /// How long it took.
    pub elapsed: Duration,
    /// How it ended.
    pub verdict: Verdict,
}

/// How a check ended.
#[derive(Debug)]
pub enum Verdict {
    /// As it must.
    Passed,
    /// Something worth knowing, that is neither right nor wrong.
    Noted,
    /// The store is not fit for a lake.
    Failed(Error),
}

type Tell<'a> = dyn FnMut(Finding) + Send + 'a;

pub(super) async fn check_up(config: &StorageConfig, tell: &mut Tell<'_>) {
    let begin = Instant::now();
    let found = Checkup::open(config).await;
    let elapsed = begin.elapsed();
    let checkup = match found {
        Ok(checkup) => checkup,
        Err(error) => {
            return tell(Finding {
                check: format!("open `{}`", config.url),
                elapsed,
                verdict: Verdict::Failed(error),
            });
        }
    };
    tell(Finding {
        check: format!("open {}", checkup.root),
        elapsed,
        verdict: Verdict::Passed,
    });
    checkup.run(tell).await;
}

#[derive(Debug)]
pub(super) struct Checkup {
    pub(super) root: Url,
    /// The store, rooted at a folder that nobody else uses.
    pub(super) store: Arc<dyn ObjectStore>,
    /// That folder, as a path in the bucket.
    pub(super) folder: Path,
    /// That folder on disk, and the folders above it that are made for it.
    pub(super) disk: Option<(PathBuf, Vec<PathBuf>)>,
    pub(super) bucket: Option<Bucket>,
}

impl Checkup {
    async fn open(config: &StorageConfig) -> Result<Self> {
        let location = Location::parse(&config.url)?;
        let config = &location.complete(config);
        let name = format!("doctor-{}", Uuid::new_v4().simple());
        let mut disk = None;
        if let Location::Folder(path) = &location {
            let probes = path.join("_probe");
            disk = Some((probes.join(&name), missing_folders(&probes)));
            std::fs::create_dir_all(path).map_err(|source| Error::Folder {
                path: path.display().to_string(),
                source,
            })?;
        }
        let Opened { url, store, s3 } = location.open(config).await?;
        let folder = object_path(&url)?.join("_probe").join(name);
        let bucket = match s3 {
            Some(bucket) => Some(bucket.admin(config).await?),
            None => None,
        };
        Ok(Self {
            root: url,
            store: Arc::new(PrefixStore::new(store, folder.clone())),
            folder,
            disk,
            bucket,
        })
    }

    pub(super) async fn run(&self, tell: &mut Tell<'_>) {
        let begin = Instant::now();
        let probed = probe::probe(self.store.as_ref(), &self.root).await;
        // Of a store that cannot be written, the rest would say the same, each after its retries.
        let is_over = matches!(probed, Err(Error::Storage { .. }));
        let answers = !matches!(
            probed.as_ref().err().and_then(Error::store_failure),
            Some(StoreFailure::Unreachable | StoreFailure::TimedOut)
        );
        tell_result(tell, "a second put of one key is refused", begin, probed);
        if is_over {
            if answers {
                // The first put may have worked.
                let _ = self.delete_all().await;
            }
            self.remove_folders();
            return;
        }
        self.run_writing(tell).await;
        let begin = Instant::now();
        let report = match &self.bucket {
            Some(bucket) => Some(bucket.report().await),
            None => None,
        };
        if let Some(report) = &report {
            self.tell_report(report, begin.elapsed(), tell);
        }
        let begin = Instant::now();
        let cleaned = self.clean_up(report.as_ref()).await;
        tell_result(tell, "nothing is left behind", begin, cleaned);
    }

    async fn run_writing(&self, tell: &mut Tell<'_>) {
        let begin = Instant::now();
        let check = format!("of {WRITERS} puts of one key at once, one wins");
        tell_result(tell, &check, begin, self.race().await);

        let big = Path::from("multipart");
        let begin = Instant::now();
        let uploaded = self.upload(&big).await;
        let is_there = uploaded.is_ok();
        tell_result(tell, "12 MiB in two parts", begin, uploaded);
        if is_there {
            let begin = Instant::now();
            tell_result(tell, "ranged reads", begin, self.read_ranges(&big).await);
        }
        let begin = Instant::now();
        tell_result(tell, "list", begin, self.list().await);
        let begin = Instant::now();
        tell_result(tell, "delete", begin, self.delete().await);
    }

    /// Some stores look whether a key is free and only later take it: one put after the other finds
    /// nothing wrong with them, puts at once do.
    async fn race(&self) -> Result<()> {
        let key = Path::from("race");
        let puts = (0..WRITERS).map(|writer| {
            let payload = PutPayload::from(vec![writer; 1024]);
            self.store.put_opts(&key, payload, PutMode::Create.into())
        });
        let mut winner = None;
        for (writer, put) in (0..WRITERS).zip(join_all(puts).await) {
            match put {
                Ok(_) if winner.is_none() => winner = Some(writer),
                Ok(_) => {
                    return Err(Error::ConditionalPutIgnored {
                        url: self.root.to_string(),
                    });
                }
                Err(StoreError::AlreadyExists { .. }) => {}
                Err(error) => return Err(self.failed("putting one key many times", error)),
            }
        }
        let read = async { self.store.get(&key).await?.bytes().await };
        let bytes = read
            .await
            .map_err(|error| self.failed("reading an object back", error))?;
        match winner {
            Some(writer) if bytes.iter().all(|byte| *byte == writer) => Ok(()),
            Some(_) => Err(self.unreliable("the loser's bytes replaced the winner's")),
            None => Err(self.unreliable("no put of a new key won")),
        }
    }

    async fn upload(&self, key: &Path) -> Result<()> {
        let failed = |error| self.failed("uploading in parts", error);
        let mut upload = self.store.put_multipart(key).await.map_err(failed)?;
        for byte in [1_u8, 2] {
            let part = PutPayload::from(vec![byte; PART_BYTES]);
            if let Err(error) = upload.put_part(part).await {
                // The parts would stay; whether that works is not what failed.
                let _ = upload.abort().await;
                return Err(failed(error));
            }
        }
        upload.complete().await.map_err(failed)?;
        Ok(())
    }

    async fn read_ranges(&self, key: &Path) -> Result<()> {
        let failed = |error| self.failed("reading ranges", error);
        let border = PART_BYTES as u64;
        let across = self.store.get_range(key, border - 2..border + 2).await;
        let ranges = [0..1, 2 * border - 1..2 * border];
        let ends = self.store.get_ranges(key, &ranges).await;
        let across = across.map_err(failed)?;
        let ends = ends.map_err(failed)?;
        if across.as_ref() == [1, 1, 2, 2] && ends == [vec![1_u8], vec![2]] {
            Ok(())
        } else {
            Err(self.unreliable("a ranged read returned other bytes than were written"))
        }
    }

    async fn list(&self) -> Result<()> {
        let failed = |error| self.failed("listing", error);
        let deep = Path::from("folder/key=a b%2Fc/file");
        let put = self.store.put(&deep, PutPayload::from_static(b"x")).await;
        put.map_err(failed)?;
        let listed: Vec<_> = self.store.list(None).try_collect().await.map_err(failed)?;
        if !listed.iter().any(|object| object.location == deep) {
            return Err(self.unreliable("an object just written is not listed"));
        }
        let top = self.store.list_with_delimiter(None).await.map_err(failed)?;
        if top.common_prefixes.contains(&Path::from("folder")) {
            Ok(())
        } else {
            Err(self.unreliable("a list by folder does not show the folder just written"))
        }
    }

    async fn delete(&self) -> Result<()> {
        let failed = |error| self.failed("deleting", error);
        self.delete_all().await.map_err(failed)?;
        match self.store.head(&Path::from("race")).await {
            Err(StoreError::NotFound { .. }) => {}
            Ok(_) => return Err(self.unreliable("an object just deleted is still there")),
            Err(error) => return Err(failed(error)),
        }
        let left: Vec<_> = self.store.list(None).try_collect().await.map_err(failed)?;
        if left.is_empty() {
            Ok(())
        } else {
            Err(self.unreliable("an object just deleted is still listed"))
        }
    }

    async fn delete_all(&self) -> object_store::Result<()> {
        let all = self.store.list(None).map_ok(|object| object.location);
        let deleted = self.store.delete_stream(all.boxed());
        deleted.try_for_each(|_| async { Ok(()) }).await
    }

    /// Removes what a failed check may have left, former versions, and empty folders.
    async fn clean_up(&self, report: Option<&BucketReport>) -> Result<()> {
        let deleted = self.delete_all().await;
        let has_versions = report.is_some_and(|report| {
            matches!(
                report.versioning,
                Versioning::Enabled | Versioning::Suspended
            )
        });
        if let Some(bucket) = &self.bucket
            && has_versions
        {
            bucket.purge_versions(&format!("{}/", self.folder)).await?;
        }
        self.remove_folders();
        deleted.map_err(|error| self.failed("cleaning up", error))
    }

    fn remove_folders(&self) {
        let Some((own, above)) = &self.disk else {
            return;
        };
        // Nobody else knows the name of the first; the others may be in use meanwhile, and stay.
        let _ = std::fs::remove_dir_all(own);
        for folder in above {
            let _ = std::fs::remove_dir(folder);
        }
    }

    fn tell_report(&self, report: &BucketReport, elapsed: Duration, tell: &mut Tell<'_>) {
        let mut note = |check: String, verdict| {
            tell(Finding {
                check,
                elapsed,
                verdict,
            });
        };
        note(format!("region: {}", report.region), Verdict::Noted);
        let versioning = match &report.versioning {
            Versioning::Off => "off: what is deleted is gone".to_owned(),
            Versioning::Enabled => "on: what vacuum deletes stays as a former version".to_owned(),
            Versioning::Suspended => "suspended: former versions stay".to_owned(),
            Versioning::Unknown(why) => format!("unknown: {why}"),
        };
        note(format!("versioning: {versioning}"), Verdict::Noted);
        let rules = match &report.lifecycle {
            Lifecycle::Unknown(why) => {
                return note(format!("lifecycle rules: unknown: {why}"), Verdict::Noted);
            }
            Lifecycle::Rules(rules) => rules,
        };
        let lake = self.root.path().trim_start_matches('/');
        for rule in rules {
            let verdict = if rule.deletes_below(lake) {
                Verdict::Failed(Error::LifecycleDeletesTables {
                    bucket: self.root.host_str().unwrap_or_default().to_owned(),
                    rule: rule.to_string(),
                })
            } else {
                Verdict::Noted
            };
            note(format!("lifecycle rule {rule}"), verdict);
        }
        if rules.is_empty() {
            note("lifecycle rules: none".to_owned(), Verdict::Noted);
        }
        if !rules.iter().any(|rule| rule.aborts_uploads_below(lake)) {
            let check = "no lifecycle rule removes abandoned uploads: their parts stay";
            note(check.to_owned(), Verdict::Noted);
        }
        let keeps = report.versioning == Versioning::Enabled;
        if keeps && !rules.iter().any(|rule| rule.noncurrent_days.is_some()) {
            let check = "no lifecycle rule removes former versions: vacuum frees nothing";
            note(check.to_owned(), Verdict::Noted);
        }
    }

    fn failed(&self, action: &'static str, source: StoreError) -> Error {
        Error::Storage {
            url: self.root.to_string(),
            action,
            source,
        }
    }

    fn unreliable(&self, what: &'static str) -> Error {
        Error::StoreUnreliable {
            url: self.root.to_string(),
            what,
        }
    }
}

fn tell_result(tell: &mut Tell<'_>, check: &str, begin: Instant, result: Result<()>) {
    tell(Finding {
        check: check.to_owned(),
        elapsed: begin.elapsed(),
        verdict: result.map_or_else(Verdict::Failed, |()| Verdict::Passed),
    });
}

/// Returns the folders of a path that do not exist, the deepest first.
fn missing_folders(path: &DiskPath) -> Vec<PathBuf> {
    path.ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .map(DiskPath::to_path_buf)
        .collect()
}
