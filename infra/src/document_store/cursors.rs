//! Results that did not fit one reply, until they are fetched, closed or forgotten.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use mongodb::bson::Document;

use super::failure::{Failure, Result};

const IDLE: Duration = Duration::from_secs(600);
const MAX_CURSORS: usize = 1_000;
const MAX_WAITING_DOCUMENTS: usize = 2_000_000;
/// A reply must stay under the message limit with room for its frame.
const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug)]
struct Cursor {
    namespace: String,
    waiting: VecDeque<Document>,
    last_used: Instant,
}

/// The open cursors of the server.
#[derive(Debug)]
pub(super) struct Cursors {
    open: HashMap<i64, Cursor>,
    last_id: i64,
}

impl Cursors {
    pub(super) fn new() -> Self {
        Self {
            open: HashMap::new(),
            last_id: 0,
        }
    }

    /// Keeps what is left of a result; returns the cursor's id, 0 when nothing is left.
    pub(super) fn keep(
        &mut self,
        namespace: &str,
        waiting: VecDeque<Document>,
        now: Instant,
    ) -> Result<i64> {
        if waiting.is_empty() {
            return Ok(0);
        }
        self.expire(now);
        let held: usize = self.open.values().map(|cursor| cursor.waiting.len()).sum();
        if self.open.len() >= MAX_CURSORS || held + waiting.len() > MAX_WAITING_DOCUMENTS {
            return Err(Failure::too_many_cursors());
        }
        self.last_id += 1;
        self.open.insert(
            self.last_id,
            Cursor {
                namespace: namespace.to_owned(),
                waiting,
                last_used: now,
            },
        );
        Ok(self.last_id)
    }

    /// Takes the next batch; the returned id is 0 when the cursor is at its end.
    pub(super) fn next_batch(
        &mut self,
        id: i64,
        namespace: &str,
        count: usize,
        now: Instant,
    ) -> Result<(i64, Vec<Document>)> {
        self.expire(now);
        let cursor = self
            .open
            .get_mut(&id)
            .filter(|cursor| cursor.namespace == namespace);
        let cursor = cursor.ok_or_else(|| Failure::cursor_not_found(id))?;
        cursor.last_used = now;
        let batch = take_batch(&mut cursor.waiting, count)?;
        if cursor.waiting.is_empty() {
            self.open.remove(&id);
            return Ok((0, batch));
        }
        Ok((id, batch))
    }

    /// Closes a cursor; tells whether it was open.
    pub(super) fn close(&mut self, id: i64, namespace: &str) -> bool {
        let is_open = self
            .open
            .get(&id)
            .is_some_and(|cursor| cursor.namespace == namespace);
        is_open && self.open.remove(&id).is_some()
    }

    fn expire(&mut self, now: Instant) {
        self.open
            .retain(|_, cursor| now.duration_since(cursor.last_used) < IDLE);
    }
}

/// Takes up to `count` documents from the front, fewer when they would not fit one reply.
pub(super) fn take_batch(waiting: &mut VecDeque<Document>, count: usize) -> Result<Vec<Document>> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while batch.len() < count
        && let Some(next) = waiting.pop_front()
    {
        bytes += next.to_vec()?.len();
        if bytes > MAX_BATCH_BYTES && !batch.is_empty() {
            waiting.push_front(next);
            break;
        }
        batch.push(next);
    }
    Ok(batch)
}
