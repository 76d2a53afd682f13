//! `lakehouse table restore | clone | convert`.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use arrow::datatypes::Field;
use chrono::{DateTime, Utc};
use clap::Args;
use lake::{AsOf, CommitNote, Conversion, TableName, clone_owner, hive_types};

use super::super::Common;
use super::super::models::parse_time;
use super::{TableArg, Target, open_lake};

/// Which version is meant.
#[derive(Debug, Args)]
struct VersionArg {
    /// The version [default: the newest]
    #[arg(long, value_name = "N", conflicts_with = "as_of")]
    version: Option<u64>,
    /// The version that was the newest at this time: a date, or a time in RFC 3339
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    as_of: Option<DateTime<Utc>>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lakehouse table restore flights.flights --version 12 --dry-run"
)]
pub(in crate::cli) struct RestoreArgs {
    #[command(flatten)]
    table: TableArg,
    #[command(flatten)]
    version: VersionArg,
    /// Only tell what would be restored
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lakehouse table clone flights.flights flights.experiment --version 12"
)]
pub(in crate::cli) struct CloneArgs {
    #[command(flatten)]
    table: TableArg,
    /// The new table, as database.table; it shares the files of the version
    #[arg(value_name = "DATABASE.TABLE")]
    target: TableName,
    #[command(flatten)]
    version: VersionArg,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  lakehouse table convert archive.flights imports/flights --partition year:int --partition month:int")]
pub(in crate::cli) struct ConvertArgs {
    #[command(flatten)]
    table: TableArg,
    /// The folder of Parquet files: a path within the lake, or a URL inside it
    #[arg(value_name = "LOCATION")]
    location: String,
    /// A partition column with its type, in the order of the folders
    #[arg(long, value_name = "COLUMN:TYPE", value_parser = parse_partition)]
    partition: Vec<Field>,
    /// What the table is for
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

fn parse_partition(text: &str) -> Result<Field, String> {
    let (name, data_type) = text
        .split_once(':')
        .ok_or_else(|| "write it as column:type, such as year:int".to_owned())?;
    let data_type = hive_types::parse_hive_type(data_type).map_err(|error| error.to_string())?;
    Ok(Field::new(name, data_type, true))
}

impl VersionArg {
    fn as_of(&self) -> AsOf {
        match (self.version, self.as_of) {
            (Some(version), _) => AsOf::Version(version),
            (None, Some(time)) => AsOf::Timestamp(time),
            (None, None) => AsOf::Latest,
        }
    }
}

fn note() -> CommitNote {
    let producer = ("producer".to_owned(), "lakehouse table".into());
    CommitNote {
        metadata: BTreeMap::from([producer]),
    }
}

pub(super) async fn restore(common: &Common, args: RestoreArgs) -> Result<()> {
    let target = Target::open(common, &args.table.table).await?;
    let old = target.table.snapshot(args.version.as_of()).await?;
    let table = &args.table.table;
    let rows = old
        .row_count()
        .map_or_else(|| "?".to_owned(), |rows| rows.to_string());
    let mut out = std::io::stdout();
    if args.dry_run {
        let latest = target.table.snapshot(AsOf::Latest).await?.version();
        writeln!(
            out,
            "{table}: version {latest} would be followed by version {} again ({rows} rows); nothing was written",
            old.version()
        )?;
        return Ok(());
    }
    let done = target
        .table
        .restore(AsOf::Version(old.version()), note())
        .await?;
    writeln!(
        out,
        "{table}: version {} is version {} again ({rows} rows)",
        done.version(),
        old.version()
    )?;
    Ok(())
}

pub(super) async fn clone(common: &Common, args: CloneArgs) -> Result<()> {
    let (lake, _) = open_lake(common).await?;
    let source = &args.table.table;
    let version = lake
        .table(source)
        .await?
        .snapshot(args.version.as_of())
        .await?
        .version();
    lake.clone_table(source, AsOf::Version(version), &args.target, note())
        .await?;
    writeln!(
        std::io::stdout(),
        "{}: shares the files of version {version} of {source}, which {} pins",
        args.target,
        clone_owner(&args.target)
    )?;
    Ok(())
}

pub(super) async fn convert(common: &Common, args: ConvertArgs) -> Result<()> {
    let (lake, _) = open_lake(common).await?;
    let conversion = Conversion {
        partition_columns: args.partition,
        comment: args.comment,
        properties: BTreeMap::new(),
        note: note(),
    };
    let table = lake
        .convert(&args.table.table, &args.location, conversion)
        .await?;
    let snapshot = table.snapshot(AsOf::Latest).await?;
    writeln!(
        std::io::stdout(),
        "{}: {} files of {} are version {} of a Delta table",
        args.table.table,
        snapshot.file_count(),
        args.location,
        snapshot.version()
    )?;
    Ok(())
}
