//! What the house is doing right now, shared between the services that know and the pages that show it.

use std::sync::Arc;

use parking_lot::RwLock;
use serde::Serialize;

/// Shared, cheap to clone behind its `Arc`; written by services, read by pages.
#[derive(Debug, Default)]
pub struct Status {
    inner: RwLock<StatusSnapshot>,
}

/// One consistent look at the house.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StatusSnapshot {
    /// Kafka, storage, MongoDB, and our own services, in the order they started.
    pub services: Vec<ServiceStatus>,
    /// Flights loaded as history.
    pub history: Progress,
    /// Flights replayed through Kafka.
    pub replay: Progress,
    /// What training is doing, in words; empty when idle.
    pub training: String,
    /// The topics this house reads, as last seen.
    pub topics: Vec<TopicStatus>,
}

/// How far a topic is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicStatus {
    /// Name of the topic.
    pub topic: String,
    /// Who reads it: a table or the predictor.
    pub reader: String,
    /// Records kept by the broker, over all partitions.
    pub records: u64,
    /// Records not yet read.
    pub lag: u64,
}

/// One service or outside system.
#[derive(Debug, Clone, Serialize)]
pub struct ServiceStatus {
    /// For example `kafka` or `predictor`.
    pub name: String,
    /// What answers there: `stand-in`, `external`, `folder` or `built in`.
    pub kind: String,
    /// URL or address; no secrets.
    pub address: String,
    /// How it is.
    pub health: Health,
}

/// Health of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "lowercase")]
pub enum Health {
    /// Not yet ready.
    Starting,
    /// Doing its work.
    Running,
    /// Retrying on its own; the reason is for people.
    Degraded(String),
    /// Its work is done.
    Finished,
    /// Ended as asked.
    Stopped,
}

/// Rows done of rows planned; `total` is 0 while unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Rows so far.
    pub done: u64,
    /// Rows planned.
    pub total: u64,
}

impl Status {
    /// Returns an empty status.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Returns a copy of everything.
    #[must_use]
    pub fn snapshot(&self) -> StatusSnapshot {
        self.inner.read().clone()
    }

    /// Adds a service or replaces what was known of it.
    pub fn set_service(&self, name: &str, kind: &str, address: &str, health: Health) {
        let entry = ServiceStatus {
            name: name.to_owned(),
            kind: kind.to_owned(),
            address: address.to_owned(),
            health,
        };
        let mut inner = self.inner.write();
        match inner
            .services
            .iter_mut()
            .find(|service| service.name == name)
        {
            Some(service) => *service = entry,
            None => inner.services.push(entry),
        }
    }

    /// Changes the health of a known service.
    pub fn set_health(&self, name: &str, health: Health) {
        let mut inner = self.inner.write();
        if let Some(service) = inner
            .services
            .iter_mut()
            .find(|service| service.name == name)
        {
            service.health = health;
        }
    }

    /// Records how much history is loaded.
    pub fn set_history(&self, done: u64, total: u64) {
        self.inner.write().history = Progress { done, total };
    }

    /// Records how much was replayed.
    pub fn set_replay(&self, done: u64, total: u64) {
        self.inner.write().replay = Progress { done, total };
    }

    /// Replaces what was known of the topics.
    pub fn set_topics(&self, topics: Vec<TopicStatus>) {
        self.inner.write().topics = topics;
    }

    /// Says what training is doing; empty when idle.
    pub fn set_training(&self, text: &str) {
        text.clone_into(&mut self.inner.write().training);
    }
}
