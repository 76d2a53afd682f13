//! `lakehouse config show|check`.

use std::io::Write;

use anyhow::Result;
use clap::Subcommand;

use super::Common;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the configuration in force as TOML, secrets hidden
    Show,
    /// Check the configuration and exit
    Check,
}

#[expect(clippy::print_stderr, reason = "the verdict is for a person")]
pub(super) fn run(common: &Common, command: ConfigCommand) -> Result<()> {
    let config = common.load()?;
    match command {
        ConfigCommand::Show => {
            std::io::stdout().write_all(config.to_redacted_toml()?.as_bytes())?
        }
        ConfigCommand::Check => eprintln!("the configuration is valid"),
    }
    Ok(())
}
