//! The threads that queries work on.
//!
//! They are not those of the doors: a server that sorts on all its cores must still hear that the sort is cancelled,
//! and answer those who ask how far it is. Threads of two runtimes share the cores by the system's measure, tasks of one
//! runtime wait for each other.

use std::fmt;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::{Error, Result};

/// A runtime of its own; it stops when its last user is gone.
pub(crate) struct Workers {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Workers {
    /// Starts `threads` threads; none means one per core.
    pub(super) fn start(threads: usize) -> Result<Self> {
        let mut builder = Builder::new_multi_thread();
        if threads > 0 {
            builder.worker_threads(threads);
        }
        let built = builder.thread_name("query").enable_all().build();
        let runtime = built.map_err(|error| Error::Internal {
            message: format!("cannot start the threads of queries: {error}"),
        })?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Waiting for tasks is not allowed where this is dropped, inside of one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}
