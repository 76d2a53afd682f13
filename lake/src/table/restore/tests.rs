use super::*;
use crate::table::testing::*;
use crate::table::{AppendCommit, OffsetRange};

fn note() -> CommitNote {
    CommitNote::default()
}

#[tokio::test]
async fn a_version_is_restored_by_number_and_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let lake = new_lake(&folder.path().display().to_string()).await;
    let table = events_table(&lake, &[], 0..3).await;
    table.delete(Some("id = 1"), note()).await.unwrap();
    table.comment_column("id", "unique", note()).await.unwrap();
    assert_eq!(
        table
            .restore(AsOf::Version(1), note())
            .await
            .unwrap()
            .version(),
        4
    );
    assert_eq!(rows(&table).await, ["0|n0", "1|n1", "2|n2"]);
    assert!(table.schema().await.unwrap().field(0).metadata().is_empty());
    let history = table.history(10).await.unwrap();
    assert_eq!(history[0].operation, "RESTORE");
    let then = history
        .iter()
        .find(|commit| commit.version == 2)
        .unwrap()
        .timestamp;
    table.restore(AsOf::Timestamp(then), note()).await.unwrap();
    assert_eq!(rows(&table).await, ["0|n0", "2|n2"]);
    let same = table.restore(AsOf::Version(5), note()).await.unwrap();
    assert_eq!(same, ChangeOutcome::Unchanged { version: 5 });
    let error = table.restore(AsOf::Version(9), note()).await.unwrap_err();
    assert!(
        matches!(error, Error::VersionNotFound { version: 9, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn offsets_are_not_restored() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..1).await;
    let range = |start, end| AppendCommit::of_range(OffsetRange::new("s", start, end));
    table
        .append(vec![events([1])], range(None, 5))
        .await
        .unwrap();
    table.restore(AsOf::Version(1), note()).await.unwrap();
    assert_eq!(table.stored_offset("s").await.unwrap(), Some(5));
    table
        .append(vec![events([2])], range(Some(5), 6))
        .await
        .unwrap();
    assert_eq!(rows(&table).await, ["0|n0", "2|n2"]);
}

#[tokio::test]
async fn a_version_whose_files_are_gone_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let lake = new_lake(&folder.path().display().to_string()).await;
    let mut partitioned = definition("events", events_schema());
    partitioned.partition_columns = vec!["name".to_owned()];
    let table = lake.create_table(partitioned).await.unwrap();
    append(&table, named(&[(1, "a b/c:d%e"), (2, "plain")])).await;
    table.delete(None, note()).await.unwrap();
    table.restore(AsOf::Version(1), note()).await.unwrap();
    assert_eq!(rows(&table).await, ["1|a b/c:d%e", "2|plain"]);
    table.delete(None, note()).await.unwrap();
    let folder = table.url().to_file_path().unwrap();
    std::fs::remove_dir_all(folder.join("name=plain")).unwrap();
    let error = table.restore(AsOf::Version(1), note()).await.unwrap_err();
    assert!(
        matches!(&error, Error::MissingFile { file, version: 1, .. } if file.contains("plain")),
        "{error:?}"
    );
    assert!(error.hint().is_some());
    assert_eq!(rows(&table).await, Vec::<String>::new());
}
