//! Every `sql/tests/*.slt` through each door: a bug of the protocol shows as "engine passes, trino fails".
//!
//! `SLT_COMPLETE=1` writes the engine's answers into the files.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test program: a panic is a failed trial"
)]

mod doors;
mod files;

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use sqllogictest::{AsyncDB, DefaultColumnType, MakeConnection, QueryExpect, Record, Runner};

use crate::doors::{Door, EngineDoor, TrinoDoor};

fn main() {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/tests");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "slt"))
        .collect();
    files.sort();
    let mut trials = Vec::new();
    for path in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let (engine_path, trino_path) = (path.clone(), path);
        trials.push(Trial::test(format!("engine::{name}"), move || {
            run::<EngineDoor>(&engine_path)
        }));
        trials.push(Trial::test(format!("trino::{name}"), move || {
            run::<TrinoDoor>(&trino_path)
        }));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn run<D: Door>(path: &Path) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let house = doors::House::start().await;
        let url = house.url.clone();
        let engine = house.engine.clone();
        let mut runner = Runner::new(|| {
            let door = D::open(engine.clone(), url.clone());
            async move { Ok(door) }
        });
        runner.with_column_validator(|_, _| true);
        let result = if D::COMPLETES && is_completing() {
            runner
                .update_test_file(
                    path,
                    " ",
                    sqllogictest::default_validator,
                    sqllogictest::default_normalizer,
                    |_, _| true,
                )
                .await
                .map_err(|error| Failed::from(error.to_string()))
        } else {
            run_all(&mut runner, path).await
        };
        house.stop().await;
        result
    })
}

/// Runs each record of the file, also after one that fails.
async fn run_all<D, M>(runner: &mut Runner<D, M>, path: &Path) -> Result<(), Failed>
where
    D: AsyncDB<ColumnType = DefaultColumnType>,
    M: MakeConnection<Conn = D>,
{
    let mut failures = Vec::new();
    for record in sqllogictest::parse_file(path)? {
        failures.extend(lacks_order(&record));
        if let Err(error) = runner.run_async(record).await {
            failures.push(error.to_string());
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(Failed::from(failures.join("\n\n")))
}

/// What is wrong with a record of several rows that come in any order: it would pass on one machine and fail on the next.
fn lacks_order(record: &Record<DefaultColumnType>) -> Option<String> {
    let Record::Query {
        loc,
        sql,
        expected:
            QueryExpect::Results {
                sort_mode: None,
                results,
                ..
            },
        ..
    } = record
    else {
        return None;
    };
    let begins = |word| {
        sql.get(..6)
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    if results.len() < 2 || !(begins("SELECT") || begins("VALUES")) || orders_its_rows(sql) {
        return None;
    }
    Some(format!(
        "rows without an order: write ORDER BY, or `rowsort` behind `query`\n[SQL] {sql}\nat {loc}"
    ))
}

/// Whether `ORDER BY` is in the statement outside of parentheses; that of a window does not order rows.
fn orders_its_rows(sql: &str) -> bool {
    let mut depth = 0_usize;
    let mut outside = String::new();
    for c in sql.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => outside.push(c.to_ascii_lowercase()),
            _ => {}
        }
    }
    outside.contains("order by")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch of the test run, as in insta"
)]
fn is_completing() -> bool {
    std::env::var("SLT_COMPLETE").is_ok()
}
