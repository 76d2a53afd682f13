//! The two ways a statement travels, with the same text for the same value.

use std::collections::BTreeMap;

use arrow::array::Array;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use lake::{Lake, StorageConfig};
use query::trino::TrinoError;
use query::{QueryConfig, QueryEngine, SessionSettings};
use serde_json::Value;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};
use tokio::task::JoinSet;

use crate::files;

/// A failed statement.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(String);

/// One way to run statements.
pub(crate) trait Door:
    AsyncDB<Error = Failure, ColumnType = DefaultColumnType> + 'static
{
    /// Whether its answers are written when completing.
    const COMPLETES: bool;
    /// Opens it.
    fn open(engine: QueryEngine, url: String) -> Self;
}

/// An engine over an empty lake in memory, served on a free port.
pub(crate) struct House {
    pub(crate) engine: QueryEngine,
    pub(crate) url: String,
    serving: JoinSet<()>,
}

impl House {
    pub(crate) async fn start() -> Self {
        let lake = Lake::open(&StorageConfig::for_url("memory://"))
            .await
            .unwrap();
        files::put(&lake).await;
        let engine = QueryEngine::new(lake, QueryConfig::default()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = query::trino::router(engine.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            engine,
            url,
            serving,
        }
    }

    pub(crate) async fn stop(mut self) {
        self.engine.registry().shutdown().await;
        self.serving.shutdown().await;
    }
}

/// In this process.
pub(crate) struct EngineDoor {
    engine: QueryEngine,
    session: SessionSettings,
}

impl Door for EngineDoor {
    const COMPLETES: bool = true;

    fn open(engine: QueryEngine, _: String) -> Self {
        Self {
            engine,
            session: SessionSettings::default(),
        }
    }
}

/// Returns an error as clients see it.
fn failure(error: &query::Error) -> Failure {
    let error = TrinoError::of(error);
    Failure(format!("{}: {}", error.name, error.message))
}

fn output(rows: Vec<Vec<String>>, columns: usize) -> DBOutput<DefaultColumnType> {
    DBOutput::Rows {
        types: vec![DefaultColumnType::Any; columns],
        rows,
    }
}

#[async_trait::async_trait]
impl AsyncDB for EngineDoor {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        let result = self.engine.run(sql, &self.session).await;
        let result = result.map_err(|error| failure(&error))?.readable();
        self.session.apply(&result.effects);
        let columns = result.schema.fields().len();
        let batches: Vec<_> = result
            .rows
            .try_collect()
            .await
            .map_err(|error| failure(&query::Error::Execution(error)))?;
        if columns == 0 {
            return Ok(DBOutput::StatementComplete(
                result.update_count.unwrap_or(0),
            ));
        }
        let options = FormatOptions::new()
            .with_null("NULL")
            .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"));
        let mut rows = Vec::new();
        for batch in batches {
            let columns: Vec<_> = batch
                .columns()
                .iter()
                .map(|array| ArrayFormatter::try_new(array.as_ref(), &options).unwrap())
                .collect();
            for row in 0..batch.num_rows() {
                rows.push(
                    columns
                        .iter()
                        .map(|column| column.value(row).to_string())
                        .collect(),
                );
            }
            debug_assert!(
                batch
                    .columns()
                    .iter()
                    .all(|array| array.len() == batch.num_rows())
            );
        }
        Ok(output(rows, columns))
    }

    async fn shutdown(&mut self) {}
}

/// Through the Trino protocol, as a client speaks it.
pub(crate) struct TrinoDoor {
    client: reqwest::Client,
    url: String,
    prepared: BTreeMap<String, String>,
}

impl Door for TrinoDoor {
    const COMPLETES: bool = false;

    fn open(_: QueryEngine, url: String) -> Self {
        Self {
            client: reqwest::Client::new(),
            url,
            prepared: BTreeMap::new(),
        }
    }
}

#[async_trait::async_trait]
impl AsyncDB for TrinoDoor {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        let failure = |error: reqwest::Error| Failure(error.to_string());
        let mut request = self
            .client
            .post(format!("{}/v1/statement", self.url))
            .header("X-Trino-User", "test")
            .header("X-Trino-Client-Capabilities", "PARAMETRIC_DATETIME")
            .body(sql.to_owned());
        for (name, text) in &self.prepared {
            request = request.header("X-Trino-Prepared-Statement", format!("{name}={text}"));
        }
        let mut page: Value = request
            .send()
            .await
            .map_err(failure)?
            .json()
            .await
            .map_err(failure)?;
        assert!(
            page.get("data").is_none() && page.get("columns").is_none(),
            "the POST has no data"
        );
        let (mut rows, mut columns, mut update) = (Vec::new(), 0, None);
        loop {
            if let Some(error) = page.get("error") {
                return Err(Failure(error.to_string()));
            }
            columns = page["columns"].as_array().map_or(columns, Vec::len);
            update = page["updateType"].as_str().map(str::to_owned).or(update);
            for row in page["data"].as_array().into_iter().flatten() {
                rows.push(row.as_array().unwrap().iter().map(text).collect());
            }
            let Some(next) = page["nextUri"].as_str() else {
                break;
            };
            let response = self.client.get(next).send().await.map_err(failure)?;
            for added in response.headers().get_all("x-trino-added-prepare") {
                let (name, text) = added.to_str().unwrap().split_once('=').unwrap();
                self.prepared.insert(name.to_owned(), text.to_owned());
            }
            page = response.json().await.map_err(failure)?;
        }
        if update.is_some() {
            return Ok(DBOutput::StatementComplete(0));
        }
        Ok(output(rows, columns))
    }

    async fn shutdown(&mut self) {}
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(text).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}
