use arrow::datatypes::{DataType, Field, Schema};

use super::*;
use crate::lake::Lake;
use crate::maintenance::{Maintainer, MaintenanceConfig, Progress, Scope};
use crate::table::testing::*;
use crate::table::{AppendCommit, AsOf, CommitNote, MergeRequest, MergeSource};

/// Creates a table and has another writer change its protocol.
async fn with_protocol(folder: &std::path::Path, actions: &str) -> LakeTable {
    let url = folder.display().to_string();
    let lake: std::sync::Arc<Lake> = new_lake(&url).await;
    let table = events_table(&lake, &[], 0..3).await;
    let log = table.url().to_file_path().unwrap().join("_delta_log");
    std::fs::write(log.join(format!("{:020}.json", 2)), actions).unwrap();
    lake_at(&url).await.table(&name("events")).await.unwrap()
}

fn features(reader: &[&str], writer: &[&str]) -> String {
    let version = if reader.is_empty() { 1 } else { 3 };
    let mut protocol = serde_json::json!({
        "minReaderVersion": version, "minWriterVersion": 7, "writerFeatures": writer,
    });
    if !reader.is_empty() {
        protocol["readerFeatures"] = serde_json::json!(reader);
    }
    serde_json::json!({ "protocol": protocol }).to_string()
}

/// Tries every way to write and returns what each was refused with.
async fn refusals(table: &LakeTable) -> Vec<Error> {
    let note = CommitNote::default;
    let extra = [Field::new("extra", DataType::Int64, true)];
    let source = || MergeSource::Batches(vec![events([1])]);
    let upsert = MergeRequest::upsert(source(), "source.id = target.id");
    let rows = || vec![events([1])];
    vec![
        table
            .append(rows(), AppendCommit::default())
            .await
            .unwrap_err(),
        table.delete(Some("id = 1"), note()).await.unwrap_err(),
        table.truncate(note()).await.unwrap_err(),
        table
            .update(&[("name", "'x'")], None, note())
            .await
            .unwrap_err(),
        table.overwrite(rows(), None, note()).await.unwrap_err(),
        table.merge(upsert, note()).await.unwrap_err(),
        table.restore(AsOf::Version(1), note()).await.unwrap_err(),
        table.add_columns(&extra, note()).await.unwrap_err(),
        table.drop_not_null("id", note()).await.unwrap_err(),
        table.comment_column("id", "x", note()).await.unwrap_err(),
        table.comment("x", note()).await.unwrap_err(),
        table
            .add_constraint("c", "id > 0", note())
            .await
            .unwrap_err(),
        table
            .set_properties(texts(&[("delta.appendOnly", "true")]), note())
            .await
            .unwrap_err(),
    ]
}

fn files(table: &LakeTable) -> usize {
    let folder = table.url().to_file_path().unwrap();
    let count = |folder: std::path::PathBuf| std::fs::read_dir(folder).unwrap().count();
    count(folder.join("_delta_log")) + count(folder)
}

#[tokio::test]
async fn a_table_that_needs_a_feature_we_lack_is_refused_by_its_name() {
    for feature in [
        "identityColumns",
        "rowTracking",
        "inCommitTimestamp",
        "domainMetadata",
        "clustering",
        "allowColumnDefaults",
        "icebergCompatV2",
        "timeMachine",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let table = with_protocol(folder.path(), &features(&[], &[feature])).await;
        let before = files(&table);
        for error in refusals(&table).await {
            assert!(
                matches!(error, Error::UnsupportedFeature { .. }),
                "{feature}: {error:?}"
            );
            let text = error.to_string();
            assert!(text.contains(&format!("the feature `{feature}`")), "{text}");
        }
        assert_eq!(files(&table), before, "{feature}: something was written");
        assert_eq!(
            rows(&table).await,
            ["0|n0", "1|n1", "2|n2"],
            "{feature}: it can be read"
        );
    }
}

#[tokio::test]
async fn features_that_readers_need_too_are_refused_by_their_names() {
    for feature in ["typeWidening", "vacuumProtocolCheck", "timeMachine"] {
        let folder = tempfile::tempdir().unwrap();
        let table = with_protocol(folder.path(), &features(&[feature], &[feature])).await;
        let before = files(&table);
        for error in refusals(&table).await {
            assert!(
                chain(&error).contains(feature),
                "{feature}: {}",
                chain(&error)
            );
        }
        assert_eq!(files(&table), before, "{feature}: something was written");
    }
}

/// Returns a deletion vector that is in the action itself, and hides the rows at positions below
/// 65,536 that are given: a Roaring bitmap of 64 bits, in Z85.
fn inline_vector(hidden: &[u16]) -> serde_json::Value {
    let mut bytes = 1_681_511_377_u32.to_le_bytes().to_vec();
    // One bitmap, of the numbers whose upper half is 0; in it one array of numbers.
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(12_346_u32.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(0_u16.to_le_bytes());
    bytes.extend(u16::try_from(hidden.len() - 1).unwrap().to_le_bytes());
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend(hidden.iter().flat_map(|row| row.to_le_bytes()));
    let size = bytes.len();
    bytes.resize(size.next_multiple_of(4), 0);
    let digits =
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let mut text = String::new();
    for word in bytes.chunks(4) {
        let word = u32::from_be_bytes(word.try_into().unwrap());
        for power in (0..5).rev() {
            let digit = word / 85_u32.pow(power) % 85;
            text.push(char::from(digits[digit as usize]));
        }
    }
    serde_json::json!({
        "storageType": "i", "pathOrInlineDv": text, "sizeInBytes": size,
        "cardinality": hidden.len(),
    })
}

#[tokio::test]
async fn a_table_with_deletion_vectors_is_read_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let feature = ["deletionVectors"];
    let table = with_protocol(folder.path(), &features(&feature, &feature)).await;
    let log = table.url().to_file_path().unwrap().join("_delta_log");
    let appended = std::fs::read_to_string(log.join(format!("{:020}.json", 1))).unwrap();
    let add = appended
        .lines()
        .find(|line| line.contains("\"add\""))
        .unwrap();
    let mut add: serde_json::Value = serde_json::from_str(add).unwrap();
    let remove = serde_json::json!({ "remove": {
        "path": add["add"]["path"], "dataChange": true, "deletionTimestamp": 0,
    }});
    add["add"]["deletionVector"] = inline_vector(&[1]);
    let commit = format!("{remove}\n{add}");
    std::fs::write(log.join(format!("{:020}.json", 3)), commit).unwrap();
    assert_eq!(rows(&table).await, ["0|n0", "2|n2"]);
    let before = files(&table);
    let lake = lake_at(&folder.path().display().to_string()).await;
    let maintainer = Maintainer::new(lake, MaintenanceConfig::default());
    let mut errors = refusals(&table).await;
    let progress = Progress::default();
    let compacted = maintainer.compact(&table, Scope::All, &progress).await;
    errors.push(compacted.unwrap_err());
    for error in errors {
        assert!(
            matches!(error, Error::UnsupportedFeature { .. }),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(text.contains("the feature `deletionVectors`"), "{text}");
    }
    assert_eq!(files(&table), before, "something was written");
    assert_eq!(rows(&table).await, ["0|n0", "2|n2"]);
}

#[tokio::test]
async fn features_that_we_have_are_not_refused() {
    let folder = tempfile::tempdir().unwrap();
    let known = [
        "appendOnly",
        "invariants",
        "checkConstraints",
        "changeDataFeed",
        "generatedColumns",
    ];
    let table = with_protocol(folder.path(), &features(&[], &known)).await;
    append(&table, events([3])).await;
    table
        .delete(Some("id = 1"), CommitNote::default())
        .await
        .unwrap();
    assert_eq!(rows(&table).await, ["0|n0", "2|n2", "3|n3"]);
}

#[tokio::test]
async fn columns_that_need_a_feature_are_refused_although_the_protocol_is_old() {
    let lake = new_lake("memory://").await;
    let metadata = [("delta.identity.start".to_owned(), "1".to_owned())];
    let id = Field::new("id", DataType::Int64, false).with_metadata(metadata.into());
    let other = Field::new("other", DataType::Int64, true);
    let schema = std::sync::Arc::new(Schema::new(vec![id, other]));
    let error = lake
        .create_table(definition("t", schema))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("the feature `identityColumns` (column `id`)"),
        "{text}"
    );
}

#[tokio::test]
async fn properties_that_need_a_feature_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let lake = new_lake(&folder.path().display().to_string()).await;
    for (key, value, feature) in [
        ("delta.enableDeletionVectors", "true", "deletionVectors"),
        ("delta.enableRowTracking", "true", "rowTracking"),
        ("delta.enableTypeWidening", "true", "typeWidening"),
        (
            "delta.enableInCommitTimestamps",
            "true",
            "inCommitTimestamp",
        ),
        ("delta.checkpointPolicy", "v2", "v2Checkpoint"),
        ("delta.feature.clustering", "supported", "clustering"),
    ] {
        let mut refused = definition("t", events_schema());
        refused.properties = texts(&[(key, value)]);
        let error = lake.create_table(refused).await.unwrap_err();
        assert!(
            matches!(error, Error::UnsupportedFeature { .. }),
            "{key}: {error:?}"
        );
        assert!(
            error.to_string().contains(&format!("`{feature}`")),
            "{error}"
        );
    }
    assert!(!folder.path().join("db").exists());
    let mut unknown = definition("t", events_schema());
    unknown.properties = texts(&[("delta.nonsense", "1")]);
    let error = lake.create_table(unknown).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`delta.nonsense` is not a property"),
        "{error}"
    );
    let mut off = definition("t", events_schema());
    off.properties = texts(&[("delta.enableDeletionVectors", "false")]);
    lake.create_table(off).await.unwrap();
}
