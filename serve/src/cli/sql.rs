//! `lakehouse sql`: one statement, a file, or a prompt; on a server or directly on the lake.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use clap::Args;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use lake::Lake;
use query::{QueryEngine, SessionSettings};

use super::output::{OutputFormat, write_rows};
use super::{Common, prompt};
use crate::config::Config;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lakehouse sql -e \"SHOW TABLES FROM lake.flights\"
  lakehouse sql -f sql/reports/carriers.sql --format csv -o carriers.csv
  lakehouse sql --server http://127.0.0.1:8080
  lakehouse sql -e \"SELECT count(*) FROM lake.flights.flights FOR VERSION AS OF 1\"")]
pub(super) struct SqlArgs {
    /// Run this statement and exit
    #[arg(
        short,
        long = "execute",
        value_name = "SQL",
        conflicts_with = "file",
        allow_hyphen_values = true
    )]
    execute: Option<String>,
    /// Run the statements of this file and exit
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// URL of a running server; without it the lake is opened directly
    #[arg(long, value_name = "URL")]
    server: Option<url::Url>,
    /// Default schema for unqualified table names
    #[arg(long, value_name = "NAME", default_value = "flights")]
    schema: String,
    /// How rows are written
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    format: OutputFormat,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Where statements run.
pub(super) enum Target {
    /// In this process, on the lake's files.
    Lake(Box<QueryEngine>, Box<SessionSettings>),
    /// On a server's `/sql` API.
    Server {
        client: reqwest::Client,
        url: url::Url,
        schema: String,
    },
}

pub(super) async fn run(common: &Common, args: SqlArgs) -> Result<()> {
    let mut target = open_target(common, &args).await?;
    let script = match (&args.execute, &args.file) {
        (Some(sql), _) => sql.clone(),
        (None, Some(path)) => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read `{}`", path.display()))?,
        (None, None) => return prompt::run(&mut target, args.format).await,
    };
    let statements = query::split_statements(&script);
    if statements.is_empty() {
        bail!("there is no SQL statement to run");
    }
    if statements.len() > 1 && args.output.is_some() {
        bail!(
            "-o takes the result of one statement, but there are {}",
            statements.len()
        );
    }
    for statement in statements {
        target
            .execute(&statement, args.format, args.output.as_deref())
            .await?;
    }
    Ok(())
}

async fn open_target(common: &Common, args: &SqlArgs) -> Result<Target> {
    let config = common.load_quiet()?;
    if let Some(server) = &args.server {
        let url = server
            .join("/sql")
            .context("`--server` is not a base URL")?;
        let client = reqwest::Client::builder()
            .connect_timeout(std::time::Duration::from_secs(10))
            .build()
            .context("cannot build the HTTP client")?;
        return Ok(Target::Server {
            client,
            url,
            schema: args.schema.clone(),
        });
    }
    require_lake(&config)?;
    let lake = Lake::open_with(&config.effective_storage(), config.lake.clone())
        .await
        .context("cannot open the lake")?;
    let engine =
        QueryEngine::new(lake, config.query.clone()).context("cannot start the SQL engine")?;
    let session = SessionSettings {
        catalog: Some("lake".to_owned()),
        schema: Some(args.schema.clone()),
        source: Some("lakehouse-cli".to_owned()),
        ..SessionSettings::default()
    };
    Ok(Target::Lake(Box::new(engine), Box::new(session)))
}

/// Refuses to make a lake where somebody only wanted to read one.
///
/// # Errors
/// No store is configured and the data folder has no lake.
pub(super) fn require_lake(config: &Config) -> Result<()> {
    if config.storage.url.is_empty() && !config.data_dir.join("lake").is_dir() {
        bail!(
            "there is no lake in `{}`: start `lakehouse up` once, or name another --data-dir",
            config.data_dir.display()
        );
    }
    Ok(())
}

impl Target {
    /// Runs one statement, writes its rows, and tells on standard error how it went.
    #[expect(
        clippy::print_stderr,
        reason = "the summary belongs beside the data, not in it"
    )]
    pub(super) async fn execute(
        &mut self,
        sql: &str,
        format: OutputFormat,
        file: Option<&std::path::Path>,
    ) -> Result<()> {
        let started = Instant::now();
        let (schema, rows, update) = self.start(sql).await?;
        let has_rows = !schema.fields().is_empty();
        let mut count = 0;
        if has_rows && update.is_none() {
            count = write_rows(schema, rows, format, file).await?;
        } else {
            use futures::TryStreamExt;
            let _: Vec<_> = rows.try_collect().await.context("the statement failed")?;
        }
        let elapsed = started.elapsed().as_secs_f64();
        match update {
            Some(what) => eprintln!("{what} ({elapsed:.3} s)"),
            None => eprintln!("{count} rows ({elapsed:.3} s)"),
        }
        Ok(())
    }

    async fn start(
        &mut self,
        sql: &str,
    ) -> Result<(SchemaRef, SendableRecordBatchStream, Option<String>)> {
        match self {
            Self::Lake(engine, session) => {
                let result = engine.run(sql, session).await?.readable();
                session.apply(&result.effects);
                let update = result.update_type.map(|kind| match result.update_count {
                    Some(count) => format!("{kind}: {count} rows"),
                    None => kind,
                });
                Ok((result.schema, result.rows, update))
            }
            Self::Server {
                client,
                url,
                schema,
            } => {
                if let Some(name) = parse_use(sql) {
                    *schema = name;
                    let empty = Arc::new(arrow::datatypes::Schema::empty());
                    let rows =
                        RecordBatchStreamAdapter::new(Arc::clone(&empty), futures::stream::empty());
                    return Ok((empty, Box::pin(rows), Some("USE".to_owned())));
                }
                let response = client
                    .post(url.clone())
                    .query(&[("format", "arrow"), ("schema", schema)])
                    .body(sql.to_owned())
                    .send()
                    .await
                    .with_context(|| format!("cannot reach `{url}`"))?;
                let status = response.status();
                let body = response.bytes().await.context("the answer broke off")?;
                if !status.is_success() {
                    let message = serde_json::from_slice::<serde_json::Value>(&body)
                        .ok()
                        .and_then(|error| error.get("message")?.as_str().map(str::to_owned))
                        .unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
                    bail!("{message}");
                }
                let reader = StreamReader::try_new(std::io::Cursor::new(body), None)
                    .context("the server's answer is not an Arrow stream")?;
                let schema = reader.schema();
                let batches = futures::stream::iter(
                    reader.map(|batch| batch.map_err(datafusion::error::DataFusionError::from)),
                );
                let rows = RecordBatchStreamAdapter::new(Arc::clone(&schema), batches);
                Ok((schema, Box::pin(rows), None))
            }
        }
    }
}

/// Returns the schema named by a `USE` statement, which the stateless `/sql` API cannot keep.
fn parse_use(sql: &str) -> Option<String> {
    let mut words = sql.trim().trim_end_matches(';').split_whitespace();
    let (verb, name, rest) = (words.next()?, words.next()?, words.next());
    (verb.eq_ignore_ascii_case("use") && rest.is_none()).then(|| {
        name.rsplit('.')
            .next()
            .unwrap_or(name)
            .trim_matches('"')
            .to_owned()
    })
}
