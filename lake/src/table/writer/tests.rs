use crate::table::testing::*;
use crate::table::{AppendCommit, AsOf, Resources};

#[tokio::test]
async fn few_rows_are_compressed_fast_and_many_well() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..3).await;
    append(&table, events(0..20_000)).await;
    // Batches that are small by themselves make one file, which is not.
    let mut pending = table.begin_append().await.unwrap();
    for batch in 0..20 {
        let rows = events(batch * 1_000..(batch + 1) * 1_000);
        pending.write(&rows).await.unwrap();
    }
    pending.commit(AppendCommit::default()).await.unwrap();
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    let mut files: Vec<(i64, bool)> = snapshot
        .adds()
        .unwrap()
        .iter()
        .map(|add| {
            let stats = add.get_stats().unwrap().unwrap();
            (stats.num_records, add.path.ends_with(".zstd.parquet"))
        })
        .collect();
    files.sort_unstable();
    assert_eq!(files, [(3, false), (20_000, true), (20_000, true)]);
    assert_eq!(rows_of(&snapshot).await.len(), 40_003);
}

#[test]
fn row_groups_are_as_large_as_the_memory_of_an_operation_allows() {
    let bytes = |resources: Resources| {
        let session = resources.session();
        super::session_properties(&session).max_row_group_bytes()
    };
    let bounded = |memory_bytes| Resources::Bounded {
        memory_bytes,
        spill_bytes: 1 << 30,
    };
    assert_eq!(bytes(bounded(64 << 20)), Some(4 << 20));
    assert_eq!(bytes(bounded(1 << 30)), Some(32 << 20));
    assert_eq!(bytes(Resources::Unbounded), None);
}
