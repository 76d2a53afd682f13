//! The work of one query: its turn, its rows, its pages ahead of the client.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::limits::{Limit, TimeLimits};
use super::model::Head;
use super::query::{Chunk, RunningQuery};
use crate::engine::{QueryEngine, StatementResult, run_error};
use crate::{Error, Result};

/// A page that is not full is handed out after this time.
const PAGE_PATIENCE: Duration = Duration::from_secs(1);
/// Pages written ahead of the client, besides the one that is being written.
pub(super) const PREFETCHED_PAGES: usize = 1;
/// Rows of up to so many bytes travel with the word that they are the last; that page is kept for a client that asks again.
const LAST_PAGE_BYTES: usize = 64 << 10;

/// Writes rows in a door's format, a page at a time.
///
/// The next page is being written while the client reads this one.
#[async_trait]
pub trait PageWriter: Send {
    /// Is told the columns before the first rows.
    ///
    /// # Errors
    /// A type that this door cannot write.
    fn begin(&mut self, schema: &SchemaRef) -> Result<()>;

    /// Adds rows to the page.
    ///
    /// # Errors
    /// A value that this door cannot write.
    fn add(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Returns the bytes that the page holds.
    fn page_bytes(&self) -> usize;

    /// Returns whether the page has its size.
    fn is_full(&self) -> bool;

    /// Returns the page and begins the next.
    ///
    /// # Errors
    /// What belongs to the page could not be stored.
    async fn finish_page(&mut self) -> Result<Bytes>;

    /// Deletes what was stored besides pages: the query has failed, and nobody will ask for it.
    async fn discard(&mut self);
}

/// Runs the query to its end, whatever that is.
pub(super) async fn run(
    query: Arc<RunningQuery>,
    engine: QueryEngine,
    turns: Arc<Semaphore>,
    pages: mpsc::Sender<Chunk>,
) {
    let Some(mut writer) = query.writer.lock().take() else {
        return;
    };
    let patience = engine.config().client_timeout;
    let outcome = match &query.limits {
        Err(error) => {
            query.set_started();
            Err(Error::from(crate::presto::error::TrinoFailure::new(
                "INVALID_SESSION_PROPERTY",
                error.to_string(),
            )))
        }
        Ok(limits) => {
            let work = produce(&query, &engine, &turns, limits, writer.as_mut(), &pages);
            let too_late = run_out(&query, &limits.run);
            tokio::select! {
                biased;
                () = query.stop.cancelled() => Err(Error::Cancelled),
                () = query.abandoned(patience) => Err(Error::Abandoned),
                outcome = work => outcome,
                () = too_late => Err(limits.run.exceeded()),
            }
        }
    };
    let is_abandoned = matches!(outcome, Err(Error::Abandoned));
    if let Err(error) = outcome {
        query.end(Some(error));
        writer.discard().await;
    }
    drop(pages);
    if is_abandoned {
        query.reader.lock().await.pages = None;
    }
}

/// Returns when a query that has not ended has run for too long.
async fn run_out(query: &RunningQuery, limit: &Limit) {
    tokio::time::sleep_until(query.born + limit.duration).await;
    if query.has_ended() {
        std::future::pending::<()>().await;
    }
}

async fn produce(
    query: &RunningQuery,
    engine: &QueryEngine,
    turns: &Semaphore,
    limits: &TimeLimits,
    writer: &mut dyn PageWriter,
    pages: &mpsc::Sender<Chunk>,
) -> Result<()> {
    let turn = turns.acquire().await.map_err(|_| Error::Internal {
        message: "the semaphore is closed".to_owned(),
    })?;
    query.set_started();
    let execution_ends = Instant::now() + limits.execution.duration;
    let work = async {
        let mut result = Box::pin(engine.run(&query.sql, &query.session)).await?;
        query.set_planned(Head {
            schema: Arc::clone(&result.schema),
            update_type: result.update_type.take(),
            update_count: result.update_count,
            effects: std::mem::take(&mut result.effects),
        });
        write_pages(query, result, writer, pages).await
    };
    let rest = match tokio::time::timeout_at(execution_ends, work).await {
        Ok(rest) => rest?,
        Err(_) => return Err(limits.execution.exceeded()),
    };
    // A client that is slow to fetch the end holds nobody up.
    drop(turn);
    query.end(None);
    let _ = pages.send(rest).await;
    Ok(())
}

/// Writes all rows and sends all pages but the last.
async fn write_pages(
    query: &RunningQuery,
    mut result: StatementResult,
    writer: &mut dyn PageWriter,
    pages: &mpsc::Sender<Chunk>,
) -> Result<Chunk> {
    writer.begin(&result.schema)?;
    let mut page_ends: Option<Instant> = None;
    loop {
        let next = match page_ends {
            Some(end) => tokio::time::timeout_at(end, result.rows.next()).await,
            None => Ok(result.rows.next().await),
        };
        match next {
            Ok(Some(batch)) => {
                let batch = batch.map_err(run_error)?;
                if batch.num_rows() == 0 {
                    continue;
                }
                let before = writer.page_bytes();
                writer.add(&batch)?;
                query.count(batch.num_rows(), writer.page_bytes().saturating_sub(before));
                page_ends.get_or_insert_with(|| Instant::now() + PAGE_PATIENCE);
                if !writer.is_full() {
                    continue;
                }
            }
            Ok(None) => break,
            Err(_) => {}
        }
        page_ends = None;
        send(writer.finish_page().await?, pages).await;
    }
    drop(result);
    let mut rows = match writer.page_bytes() {
        0 => Bytes::new(),
        _ => writer.finish_page().await?,
    };
    if rows.len() > LAST_PAGE_BYTES {
        send(std::mem::take(&mut rows), pages).await;
    }
    Ok(Chunk {
        rows,
        is_last: true,
    })
}

/// A reader that is gone has dropped the query; the stop token tells.
async fn send(rows: Bytes, pages: &mpsc::Sender<Chunk>) {
    let _ = pages
        .send(Chunk {
            rows,
            is_last: false,
        })
        .await;
}
