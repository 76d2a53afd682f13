//! Sessions: what a client has set, and the DataFusion session a statement runs in.
//!
//! The only place that constructs a `SessionContext`.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::TrackConsumersPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use parking_lot::Mutex;

use super::catalog::LakeCatalogList;
use super::planner;
use super::pool::SharedPool;
use super::work::QueryWork;
use super::workers::Workers;
use crate::config::QueryConfig;
use crate::presto::functions::Library;
use crate::{Error, Result};

/// What a client's session remembers between statements; the client keeps it, not the server.
#[derive(Debug, Clone, Default)]
pub struct SessionSettings {
    /// Who asks.
    pub user: String,
    /// Which program asks.
    pub source: Option<String>,
    /// Default catalog of unqualified names.
    pub catalog: Option<String>,
    /// Default schema of unqualified names.
    pub schema: Option<String>,
    /// IANA name or offset; UTC if none.
    pub time_zone: Option<String>,
    /// Session properties.
    pub properties: BTreeMap<String, String>,
    /// Prepared statements by name.
    pub prepared: BTreeMap<String, String>,
    /// The open transaction; writes are refused inside it, because a rollback could not undo them.
    pub transaction: Option<String>,
    /// What the statement that runs in the session has used; each statement of the registry has its own.
    pub work: Arc<QueryWork>,
}

/// A change to the session that a statement made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEffect {
    /// `USE catalog.schema`.
    SetCatalog(String),
    /// `USE schema`.
    SetSchema(String),
    /// `SET SESSION name = value`.
    SetProperty(String, String),
    /// `SET TIME ZONE 'zone'`.
    SetTimeZone(String),
    /// `START TRANSACTION`: the id that the client sends along.
    StartTransaction(String),
    /// `COMMIT` or `ROLLBACK`.
    EndTransaction,
    /// `RESET SESSION name`.
    ResetProperty(String),
    /// `PREPARE name FROM sql`.
    AddPrepared(String, String),
    /// `DEALLOCATE PREPARE name`.
    RemovePrepared(String),
}

impl SessionSettings {
    /// Returns the time zone in force: the property, else the client's, else UTC.
    #[must_use]
    pub fn effective_time_zone(&self) -> &str {
        let property = self
            .properties
            .get("time_zone_id")
            .or(self.time_zone.as_ref());
        property.map_or("UTC", String::as_str)
    }

    /// Applies what a statement changed.
    pub fn apply(&mut self, effects: &[SessionEffect]) {
        for effect in effects {
            match effect.clone() {
                SessionEffect::SetCatalog(name) => self.catalog = Some(name),
                SessionEffect::SetSchema(name) => self.schema = Some(name),
                SessionEffect::SetProperty(name, value) => {
                    self.properties.insert(name, value);
                }
                SessionEffect::SetTimeZone(zone) => {
                    self.properties.insert("time_zone_id".to_owned(), zone);
                }
                SessionEffect::StartTransaction(id) => self.transaction = Some(id),
                SessionEffect::EndTransaction => self.transaction = None,
                SessionEffect::ResetProperty(name) => {
                    self.properties.remove(&name);
                }
                SessionEffect::AddPrepared(name, sql) => {
                    self.prepared.insert(name, sql);
                }
                SessionEffect::RemovePrepared(name) => {
                    self.prepared.remove(&name);
                }
            }
        }
    }
}

/// The larger side of a join is not distributed if the smaller one is estimated to be below this, and below an eighth of
/// the memory limit.
const BROADCAST_BYTES: usize = 256 << 20;
const BROADCAST_ROWS: usize = 10_000_000;
/// How many that hold the most memory are named when it is exhausted.
const CONSUMERS_NAMED: NonZeroUsize = NonZeroUsize::new(4).unwrap();
/// The least part of the memory limit that one sort may keep for merging.
const SORT_RESERVATION_SHARE: usize = 32;

/// Time zones whose sessions are kept to be copied; a client's zone seldom changes.
const KEPT_ZONES: usize = 8;

/// Builds sessions that share memory, spill space and opened stores.
#[derive(Debug)]
pub(super) struct SessionFactory {
    base: Arc<SessionState>,
    workers: Arc<Workers>,
    library: Library,
    /// Sessions with all functions, by time zone.
    by_zone: Mutex<HashMap<String, SessionState>>,
}

impl SessionFactory {
    pub(super) fn new(config: &QueryConfig) -> Result<Self> {
        let runtime = build_runtime(config)?;
        let mut session = SessionConfig::new()
            .with_batch_size(config.batch_rows.max(1))
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false)
            .set_str("datafusion.sql_parser.default_null_ordering", "nulls_last")
            // One hash table for all cores spares the larger side its way through an exchange.
            .set_usize(
                "datafusion.optimizer.hash_join_single_partition_threshold",
                BROADCAST_BYTES.min(config.memory_limit_bytes / 8),
            )
            .set_usize(
                "datafusion.optimizer.hash_join_single_partition_threshold_rows",
                BROADCAST_ROWS,
            )
            .set_bool("datafusion.sql_parser.parse_float_as_decimal", true)
            .set_bool("datafusion.sql_parser.collect_spans", true);
        // What a sort keeps for merging what it has spilled must leave room for the rows themselves.
        let reservation = session.options().execution.sort_spill_reservation_bytes;
        let share = config.memory_limit_bytes / SORT_RESERVATION_SHARE;
        session = session.with_sort_spill_reservation_bytes(reservation.min(share));
        if config.target_partitions > 0 {
            session = session.with_target_partitions(config.target_partitions);
        }
        let workers = Arc::new(Workers::start(config.target_partitions)?);
        let builder = SessionStateBuilder::new()
            .with_config(session)
            .with_runtime_env(runtime)
            .with_default_features();
        let base = planner::install(builder).build();
        Ok(Self {
            base: Arc::new(base),
            workers,
            library: Library::new(),
            by_zone: Mutex::new(HashMap::new()),
        })
    }

    /// Returns what one statement is planned in, with tables pinned by `catalogs`. What runs in it would not be on the
    /// statement's account: see [`task`].
    pub(super) fn state(
        &self,
        settings: &SessionSettings,
        catalogs: LakeCatalogList,
    ) -> Result<SessionState> {
        let mut state = self.of_zone(settings.effective_time_zone())?;
        *state.config_mut() = self.configure(state.config().clone(), settings);
        state.register_catalog_list(Arc::new(catalogs));
        state.mark_start_execution();
        Ok(state)
    }

    /// Returns a session with the functions of a time zone.
    fn of_zone(&self, zone: &str) -> Result<SessionState> {
        if let Some(state) = self.by_zone.lock().get(zone) {
            return Ok(state.clone());
        }
        let mut config = self.base.config().clone();
        config.options_mut().execution.time_zone = Some(zone.to_owned());
        let state = self.build(config, Arc::clone(self.base.runtime_env()))?;
        let mut by_zone = self.by_zone.lock();
        if by_zone.len() >= KEPT_ZONES {
            by_zone.clear();
        }
        by_zone.insert(zone.to_owned(), state.clone());
        Ok(state)
    }

    /// Returns a session with all functions: the work that copying one spares.
    fn build(&self, config: SessionConfig, runtime: Arc<RuntimeEnv>) -> Result<SessionState> {
        // Building a state registers each function under its aliases, too, in any order; ours must win over
        // those, so they come last.
        let mut state = SessionStateBuilder::new_from_existing(self.base.as_ref().clone())
            .with_config(config)
            .with_runtime_env(runtime)
            .build();
        self.library.register(&mut state)?;
        Ok(state)
    }

    fn configure(&self, config: SessionConfig, settings: &SessionSettings) -> SessionConfig {
        let mut config = config
            .with_extension(Arc::clone(&settings.work))
            .with_extension(Arc::clone(&self.workers));
        let options = config.options_mut();
        options.catalog.default_catalog = settings
            .catalog
            .clone()
            .unwrap_or_else(|| super::CATALOG.to_owned());
        options.catalog.default_schema = settings
            .schema
            .clone()
            .unwrap_or_else(|| super::catalog::NO_SCHEMA.to_owned());
        options.execution.time_zone = Some(settings.effective_time_zone().to_owned());
        config
    }

    /// Returns a session of its own for one statement that runs within it, with tables pinned by `catalogs`.
    #[expect(clippy::disallowed_methods, reason = "this is the one place (I-3)")]
    pub(super) fn context(
        &self,
        settings: &SessionSettings,
        catalogs: LakeCatalogList,
    ) -> Result<SessionContext> {
        let config = self.configure(self.base.config().clone(), settings);
        let runtime = on_account(self.base.runtime_env(), &settings.work)?;
        let mut state = self.build(config, runtime)?;
        state.register_catalog_list(Arc::new(catalogs));
        Ok(SessionContext::new_with_state(state))
    }

    #[cfg(test)]
    pub(super) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Returns the state that table scans take their Parquet settings from.
    pub(super) fn base(&self) -> &Arc<SessionState> {
        &self.base
    }
}

/// Returns what a plan of the session runs in: on the account of its statement. Functions are looked up by name only
/// while a statement is planned.
pub(super) fn task(state: &SessionState) -> Result<Arc<TaskContext>> {
    let config = state.config().clone();
    let runtime = match config.get_extension::<QueryWork>() {
        Some(work) => on_account(state.runtime_env(), &work)?,
        None => Arc::clone(state.runtime_env()),
    };
    Ok(Arc::new(TaskContext::new(
        None,
        state.session_id().to_owned(),
        config,
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        runtime,
    )))
}

fn on_account(runtime: &Arc<RuntimeEnv>, work: &QueryWork) -> Result<Arc<RuntimeEnv>> {
    let memory = work.account(Arc::clone(&runtime.memory_pool));
    RuntimeEnvBuilder::from_runtime_env(runtime)
        .with_memory_pool(memory)
        .build_arc()
        .map_err(runtime_error)
}

fn build_runtime(config: &QueryConfig) -> Result<Arc<RuntimeEnv>> {
    let mode = if config.spill_dir.as_os_str().is_empty() {
        DiskManagerMode::OsTmpDirectory
    } else {
        DiskManagerMode::Directories(vec![config.spill_dir.clone()])
    };
    let spill = DiskManagerBuilder::default()
        .with_mode(mode)
        .with_max_temp_directory_size(config.spill_limit_bytes);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(
            SharedPool::new(config.memory_limit_bytes),
            CONSUMERS_NAMED,
        )))
        .with_disk_manager_builder(spill)
        .build_arc()
        .map_err(runtime_error)
}

fn runtime_error(error: DataFusionError) -> Error {
    Error::Internal {
        message: format!("cannot build the runtime: {error}"),
    }
}
