//! `lakehouse table pin | unpin | pins`.

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use clap::Args;
use lake::maintenance::pins::{Pin, Pins};
use lake::{AsOf, TableName};

use super::super::Common;
use super::maintain::parse_duration;
use super::{TableArg, open_lake};

#[derive(Debug, Args)]
pub(in crate::cli) struct PinArgs {
    #[command(flatten)]
    table: TableArg,
    /// The version to keep [default: the newest]
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    /// Who needs it: letters, digits, `_`, `-` and `.`
    #[arg(long, value_name = "NAME", default_value = "manual")]
    owner: String,
    /// Why, for whoever wonders whether it may go
    #[arg(long, value_name = "TEXT", default_value = "pinned by hand")]
    reason: String,
    /// Let it go by itself after this time, such as 90d
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    expires: Option<Duration>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct UnpinArgs {
    #[command(flatten)]
    table: TableArg,
    /// The version to let go
    #[arg(long, value_name = "N")]
    version: u64,
    /// Whose pin it is
    #[arg(long, value_name = "NAME", default_value = "manual")]
    owner: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PinsArgs {
    /// The table, as database.table [default: all tables]
    #[arg(value_name = "DATABASE.TABLE")]
    table: Option<TableName>,
}

pub(super) async fn pin(common: &Common, args: PinArgs) -> Result<()> {
    let (lake, _) = open_lake(common).await?;
    let version = match args.version {
        Some(version) => version,
        None => {
            let table = lake.table(&args.table.table).await?;
            table.snapshot(AsOf::Latest).await?.version()
        }
    };
    let now = Utc::now();
    let pin = Pin {
        table: args.table.table,
        version,
        owner: args.owner,
        reason: args.reason,
        created_at: now,
        expires_at: args.expires.map(|expires| now + expires),
    };
    lake.pin(&pin).await?;
    let mut out = std::io::stdout().lock();
    let until = told(pin.expires_at);
    writeln!(
        out,
        "{}: version {version} is pinned for {}, until {until}",
        pin.table, pin.owner
    )?;
    Ok(())
}

pub(super) async fn unpin(common: &Common, args: UnpinArgs) -> Result<()> {
    let (lake, _) = open_lake(common).await?;
    let pins = Pins::new(lake.storage().object_store());
    let table = &args.table.table;
    if !pins.unpin(table, args.version, &args.owner).await? {
        bail!(
            "`{}` does not pin version {} of `{table}`; `lakehouse table pins {table}` lists the pins",
            args.owner,
            args.version
        );
    }
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{table}: {} lets version {} go",
        args.owner, args.version
    )?;
    Ok(())
}

pub(super) async fn list(common: &Common, args: PinsArgs) -> Result<()> {
    let (lake, _) = open_lake(common).await?;
    let pins = Pins::new(lake.storage().object_store());
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<32} {:>8} {:<28} {:<20}  REASON",
        "TABLE", "VERSION", "OWNER", "UNTIL"
    )?;
    for pin in pins.list(args.table.as_ref()).await? {
        writeln!(
            out,
            "{:<32} {:>8} {:<28} {:<20}  {}",
            pin.table.to_string(),
            pin.version,
            pin.owner,
            told(pin.expires_at),
            pin.reason
        )?;
    }
    Ok(())
}

fn told(expires_at: Option<DateTime<Utc>>) -> String {
    expires_at.map_or_else(
        || "unpinned".to_owned(),
        |at| at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
    )
}
