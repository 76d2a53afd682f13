//! The interactive SQL prompt: multi-line statements ended by `;`, history in the user's state folder.

use anyhow::{Context, Result};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};

use super::output::OutputFormat;
use super::sql::Target;

const HELP: &str = "\
Statements end with `;`. SHOW TABLES; DESCRIBE t; SELECT … FROM t FOR VERSION AS OF 1;
quit, exit or Ctrl-D leaves.";

/// Reads statements until the user leaves; a failed statement does not end the prompt.
#[expect(
    clippy::print_stderr,
    reason = "the prompt talks to a person; data goes to standard output"
)]
pub(super) async fn run(target: &mut Target, format: OutputFormat) -> Result<()> {
    let config = Config::builder()
        .max_history_size(1000)?
        .auto_add_history(false)
        .build();
    let mut editor: Editor<(), FileHistory> =
        Editor::with_config(config).context("cannot open the terminal")?;
    let history = history_file();
    if let Some(path) = &history {
        let _ = editor.load_history(path);
    }
    eprintln!("{HELP}");
    let mut statement = String::new();
    loop {
        let prompt = if statement.is_empty() {
            "lakehouse> "
        } else {
            "        -> "
        };
        // Reading blocks this thread; nothing else runs in this process meanwhile.
        let line = match tokio::task::block_in_place(|| editor.readline(prompt)) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                statement.clear();
                continue;
            }
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("cannot read the terminal"),
        };
        let word = line.trim().trim_end_matches(';').to_ascii_lowercase();
        if statement.is_empty() && matches!(word.as_str(), "quit" | "exit") {
            break;
        }
        if statement.is_empty() && matches!(word.as_str(), "help" | "\\?") {
            eprintln!("{HELP}");
            continue;
        }
        if statement.is_empty() && word.is_empty() {
            continue;
        }
        statement.push_str(&line);
        statement.push('\n');
        if !line.trim_end().ends_with(';') {
            continue;
        }
        let text = std::mem::take(&mut statement);
        let _ = editor.add_history_entry(text.trim());
        for sql in query::split_statements(&text) {
            if let Err(error) = target.execute(&sql, format, None).await {
                eprintln!("error: {error:#}");
                break;
            }
        }
    }
    if let Some(path) = &history {
        if let Some(folder) = path.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        let _ = editor.save_history(path);
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "serve reads the environment (I-4)"
)]
fn history_file() -> Option<std::path::PathBuf> {
    let state = std::env::var("XDG_STATE_HOME")
        .ok()
        .filter(|dir| !dir.is_empty())
        .map_or_else(
            || {
                std::env::var("HOME")
                    .ok()
                    .map(|home| std::path::Path::new(&home).join(".local/state"))
            },
            |dir| Some(dir.into()),
        )?;
    Some(state.join("lakehouse/sql_history"))
}
