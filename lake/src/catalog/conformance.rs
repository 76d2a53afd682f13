//! What the catalog must do on every storage. Each check gets two openings of one place, which
//! stand for two processes.

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use tokio::task::JoinSet;

use super::*;
use crate::storage::StorageConfig;

fn entry(database: &str, table: &str) -> TableEntry {
    TableEntry::delta(
        name(database, table),
        format!("{database}/{table}"),
        Utc::now(),
    )
}

fn name(database: &str, table: &str) -> TableName {
    TableName::new(database, table).unwrap()
}

/// A Parquet table by year and place.
fn partitioned(database: &str, table: &str) -> TableEntry {
    TableEntry {
        partition_keys: vec![Column::new("year", "int"), Column::new("place", "string")],
        ..TableEntry::external(
            name(database, table),
            format!("files/{table}"),
            TableFormat::Parquet,
            vec![Column::new("id", "bigint")],
            Utc::now(),
        )
    }
}

fn partition(year: &str, place: &str) -> Partition {
    Partition::new(vec![year.to_owned(), place.to_owned()], Utc::now())
}

async fn catalog_at(config: &StorageConfig) -> Arc<Catalog> {
    let storage = Storage::open(config).await.unwrap();
    Arc::new(Catalog::open(&storage).await.unwrap())
}

async fn check_all(config: &StorageConfig) {
    let (one, two) = (catalog_at(config).await, catalog_at(config).await);
    what_one_process_creates_the_other_sees(&one, &two).await;
    names_are_unique_and_case_does_not_matter(&one, &two).await;
    unknown_names_list_the_nearest(&one).await;
    drops_are_checked(&one, &two).await;
    databases_and_tables_are_altered(&one, &two).await;
    renamed_tables_keep_everything_else(&one, &two).await;
    dropped_tables_can_be_had_back(&one, &two).await;
    purging_ends_the_way_back(&one, &two).await;
    locations_of_managed_tables_are_theirs_alone(&one).await;
    partitions_are_registered_and_forgotten(&one, &two).await;
    columns_and_partitions_are_checked(&one).await;
    rename_and_drop_have_one_winner(&one, &two).await;
    two_undrops_have_one_winner(&one, &two).await;
    two_adds_of_one_partition_have_one_winner(&one, &two).await;
    undrop_and_purge_have_one_winner(&one, &two).await;
    races_have_one_winner_and_lose_nothing(&one, &two).await;
    a_cold_start_sees_the_same(&one, config).await;
}

async fn what_one_process_creates_the_other_sees(one: &Catalog, two: &Catalog) {
    let flights = Database {
        name: "Flights".to_owned(),
        comment: Some("of 2013".to_owned()),
        properties: [("tier".to_owned(), "gold".to_owned())].into(),
        location: Some("elsewhere/flights".to_owned()),
        owner: Some("ops".to_owned()),
    };
    one.create_database(flights.clone()).await.unwrap();
    let seen = two.databases().await.unwrap();
    assert_eq!(
        seen,
        [Database {
            name: "flights".to_owned(),
            ..flights
        }]
    );
    two.register_table(entry("flights", "planes"))
        .await
        .unwrap();
    let name = TableName::new("flights", "planes").unwrap();
    assert_eq!(one.table(&name).await.unwrap().location, "flights/planes");
    assert_eq!(
        one.tables("flights").await.unwrap(),
        two.tables("flights").await.unwrap()
    );
}

async fn names_are_unique_and_case_does_not_matter(one: &Catalog, two: &Catalog) {
    let again = two.create_database(Database::named("FLIGHTS")).await;
    assert!(matches!(again, Err(Error::DatabaseAlreadyExists { name }) if name == "flights"));
    let again = one.register_table(entry("flights", "Planes")).await;
    assert!(matches!(again, Err(Error::TableAlreadyExists { name }) if name == "flights.planes"));
    for bad in ["", "a b", "a/b", "ä", "a.b"] {
        let refused = one.create_database(Database::named(bad)).await;
        assert!(matches!(refused, Err(Error::InvalidName { .. })), "{bad}");
    }
}

async fn unknown_names_list_the_nearest(one: &Catalog) {
    let error = one.tables("fligths").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "database `fligths` does not exist; did you mean `flights`"
    );
    let error = one
        .table(&TableName::new("flights", "plane").unwrap())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "table `flights.plane` does not exist; did you mean `flights.planes`"
    );
}

async fn drops_are_checked(one: &Catalog, two: &Catalog) {
    let full = one.drop_database("flights").await;
    assert!(matches!(
        full,
        Err(Error::DatabaseNotEmpty { tables: 1, .. })
    ));
    let name = TableName::new("flights", "planes").unwrap();
    assert_eq!(two.unregister_table(&name).await.unwrap().name, name);
    assert!(matches!(
        one.unregister_table(&name).await,
        Err(Error::TableNotFound { .. })
    ));
    one.drop_database("flights").await.unwrap();
    assert!(matches!(
        two.drop_database("flights").await,
        Err(Error::DatabaseNotFound { .. })
    ));
}

async fn databases_and_tables_are_altered(one: &Catalog, two: &Catalog) {
    one.create_database(Database::named("alter")).await.unwrap();
    let altered = Database {
        comment: Some("new".to_owned()),
        ..Database::named("alter")
    };
    two.alter_database(altered.clone()).await.unwrap();
    assert_eq!(one.database("ALTER").await.unwrap(), altered);
    let missing = one.alter_database(Database::named("nope")).await;
    assert!(matches!(missing, Err(Error::DatabaseNotFound { .. })));

    let before = partitioned("alter", "t");
    one.register_table(before.clone()).await.unwrap();
    let statistics = TableStatistics {
        rows: Some(3),
        files: 2,
        bytes: 100,
        collected_at: Utc::now(),
    };
    let after = TableEntry {
        owner: Some("me".to_owned()),
        comment: Some("new".to_owned()),
        statistics: Some(statistics),
        ..before
    };
    two.alter_table(after.clone()).await.unwrap();
    assert_eq!(one.table(&after.name).await.unwrap(), after);
    // Edits of different parts at once lose nothing.
    let (left, right) = tokio::join!(
        one.edit_table(&after.name, |entry| entry.owner = Some("you".to_owned())),
        two.edit_table(&after.name, |entry| entry.comment = None),
    );
    left.unwrap();
    right.unwrap();
    let edited = one.table(&after.name).await.unwrap();
    assert_eq!(
        (edited.owner.as_deref(), edited.comment),
        (Some("you"), None)
    );
    let missing = one.alter_table(entry("alter", "nope")).await;
    assert!(matches!(missing, Err(Error::TableNotFound { .. })));
}

async fn renamed_tables_keep_everything_else(one: &Catalog, two: &Catalog) {
    one.create_database(Database::named("to")).await.unwrap();
    let (from, to) = (name("alter", "t"), name("to", "renamed"));
    let values = vec![partition("2013", "jfk")];
    one.add_partitions(&from, values.clone(), IfExists::Fail)
        .await
        .unwrap();
    let before = one.table(&from).await.unwrap();
    two.rename_table(&from, &to).await.unwrap();
    let missing = one.table(&from).await;
    assert!(matches!(missing, Err(Error::TableNotFound { .. })));
    let after = one.table_and_partitions(&to).await.unwrap();
    let expected = TableEntry {
        name: to.clone(),
        ..before
    };
    assert_eq!(after, (expected, values));
    one.register_table(entry("to", "other")).await.unwrap();
    let taken = one.rename_table(&to, &name("to", "other")).await;
    assert!(matches!(taken, Err(Error::TableAlreadyExists { .. })));
    let nowhere = one.rename_table(&to, &name("nope", "t")).await;
    assert!(matches!(nowhere, Err(Error::DatabaseNotFound { .. })));
    one.unregister_table(&name("to", "other")).await.unwrap();
}

async fn dropped_tables_can_be_had_back(one: &Catalog, two: &Catalog) {
    let table = name("to", "renamed");
    let before = one.table_and_partitions(&table).await.unwrap();
    let dropped = one.drop_table(&table, None).await.unwrap();
    assert_eq!(dropped, before.0);
    assert!(matches!(
        two.table(&table).await,
        Err(Error::TableNotFound { .. })
    ));
    let listed = two.dropped_tables(Some("TO")).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].entry, listed[0].purge_after), (&before.0, None));
    assert!(two.dropped_tables(Some("alter")).await.unwrap().is_empty());

    // The newest one of a name comes back first, and the name must be free.
    one.register_table(entry("to", "renamed")).await.unwrap();
    let taken = two.undrop_table(&table).await;
    assert!(matches!(taken, Err(Error::TableAlreadyExists { .. })));
    one.drop_table(&table, None).await.unwrap();
    assert_eq!(
        two.undrop_table(&table).await.unwrap().format,
        TableFormat::Delta
    );
    one.unregister_table(&table).await.unwrap();
    two.undrop_table(&table).await.unwrap();
    assert_eq!(one.table_and_partitions(&table).await.unwrap(), before);
    let error = one.undrop_table(&table).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no dropped table `to.renamed` can be had back"
    );
    one.unregister_table(&table).await.unwrap();
    // Unregistering leaves nothing to have back.
    let nothing = one.undrop_table(&table).await;
    assert!(matches!(nothing, Err(Error::DroppedTableNotFound { .. })));
}

async fn purging_ends_the_way_back(one: &Catalog, two: &Catalog) {
    let now = Utc::now();
    let (soon, later) = (name("to", "soon"), name("to", "later"));
    for table in [&soon, &later] {
        one.register_table(entry("to", &table.table)).await.unwrap();
    }
    one.drop_table(&soon, Some(now)).await.unwrap();
    one.drop_table(&later, Some(now + chrono::TimeDelta::days(1)))
        .await
        .unwrap();
    let claimed = one.claim_dropped(now, &Default::default()).await.unwrap();
    let names: Vec<&TableName> = claimed.iter().map(|table| &table.entry.name).collect();
    assert_eq!(names, [&soon]);
    let refused = two.undrop_table(&soon).await;
    assert!(matches!(refused, Err(Error::DroppedTableNotFound { .. })));
    // Who claimed it may have died, so the next one gets it again, without another change.
    let again = two.claim_dropped(now, &Default::default()).await.unwrap();
    assert_eq!(again.len(), 1);
    assert!(again[0].purging);
    // Nobody may put new files where old ones are being deleted.
    let into = one.register_table(entry("to", "soon")).await;
    assert!(matches!(into, Err(Error::LocationTaken { .. })));
    two.forget_dropped(&again).await.unwrap();
    one.register_table(entry("to", "soon")).await.unwrap();
    assert!(
        one.claim_dropped(now, &Default::default())
            .await
            .unwrap()
            .is_empty()
    );
    two.undrop_table(&later).await.unwrap();
    for table in [&soon, &later] {
        one.unregister_table(table).await.unwrap();
    }
}

async fn locations_of_managed_tables_are_theirs_alone(one: &Catalog) {
    let at = |table: &str, location: &str, kind| TableEntry {
        location: location.to_owned(),
        kind,
        ..entry("to", table)
    };
    let managed = |table, location| at(table, location, TableKind::Managed);
    one.register_table(managed("a", "place/a")).await.unwrap();
    for location in ["place/a", "place/a/", "place", "place/a/b"] {
        let refused = one.register_table(managed("b", location)).await;
        assert!(
            matches!(&refused, Err(Error::LocationTaken { table, .. }) if table == "to.a"),
            "{location}: {refused:?}"
        );
    }
    one.register_table(managed("b", "place/ab")).await.unwrap();
    one.register_table(at("c", "place/a", TableKind::External))
        .await
        .unwrap();
    // Files that an external table names are not deleted either.
    one.drop_table(&name("to", "a"), Some(Utc::now()))
        .await
        .unwrap();
    assert!(
        one.claim_dropped(Utc::now(), &Default::default())
            .await
            .unwrap()
            .is_empty()
    );
    one.unregister_table(&name("to", "c")).await.unwrap();
    let claimed = one
        .claim_dropped(Utc::now(), &Default::default())
        .await
        .unwrap();
    assert_eq!(claimed.len(), 1);
    one.forget_dropped(&claimed).await.unwrap();
    one.unregister_table(&name("to", "b")).await.unwrap();
}

async fn partitions_are_registered_and_forgotten(one: &Catalog, two: &Catalog) {
    let table = name("to", "parts");
    one.register_table(partitioned("to", "parts"))
        .await
        .unwrap();
    assert!(two.partitions(&table).await.unwrap().is_empty());
    let elsewhere = Partition {
        location: Some("files/elsewhere".to_owned()),
        ..partition("2014", "a/b")
    };
    let some = vec![partition("2013", "jfk"), elsewhere.clone()];
    let added = one
        .add_partitions(&table, some.clone(), IfExists::Fail)
        .await;
    assert_eq!(added.unwrap(), 2);
    assert_eq!(two.partitions(&table).await.unwrap(), some);
    let again = two
        .add_partitions(&table, vec![partition("2014", "a/b")], IfExists::Fail)
        .await;
    assert!(matches!(
        again,
        Err(Error::PartitionAlreadyExists { partition, .. }) if partition == "year=2014/place=a%2Fb"
    ));
    // The one that exists keeps its location; no value is written in one way only.
    let more = vec![partition("2014", "a/b"), partition("2014", "")];
    let added = two.add_partitions(&table, more, IfExists::Keep).await;
    assert_eq!(added.unwrap(), 1);
    let names: Vec<String> = one
        .partitions(&table)
        .await
        .unwrap()
        .iter()
        .map(|known| known.name(&partitioned("to", "parts").partition_keys))
        .collect();
    assert_eq!(
        names,
        [
            "year=2013/place=jfk",
            "year=2014/place=__HIVE_DEFAULT_PARTITION__",
            "year=2014/place=a%2Fb"
        ]
    );
    let gone = vec![vec!["2013".to_owned(), "jfk".to_owned()]];
    one.drop_partitions(&table, &gone).await.unwrap();
    let missing = two.drop_partitions(&table, &gone).await;
    assert!(matches!(
        missing,
        Err(Error::PartitionNotFound { partition, .. }) if partition == "year=2013/place=jfk"
    ));
    assert_eq!(two.partitions(&table).await.unwrap().len(), 2);
    assert!(two.partitions(&table).await.unwrap().contains(&elsewhere));
}

async fn columns_and_partitions_are_checked(one: &Catalog) {
    let table = name("to", "parts");
    for values in [vec!["2013"], vec!["2013", "a", "b"], vec!["may", "a"]] {
        let values = values.into_iter().map(str::to_owned).collect();
        let odd = vec![Partition::new(values, Utc::now())];
        let refused = one.add_partitions(&table, odd, IfExists::Keep).await;
        assert!(matches!(refused, Err(Error::InvalidPartition { .. })));
    }
    let rekeyed = one
        .edit_table(&table, |entry| {
            entry.partition_keys.pop();
        })
        .await;
    assert!(matches!(rekeyed, Err(Error::SchemaMismatch { .. })));
    one.unregister_table(&table).await.unwrap();
    let odd = |edit: fn(&mut TableEntry)| {
        let mut entry = partitioned("to", "odd");
        edit(&mut entry);
        one.register_table(entry)
    };
    for refused in [
        odd(|entry| entry.columns.clear()).await,
        odd(|entry| entry.columns.push(Column::new("YEAR", "int"))).await,
        odd(|entry| entry.columns.push(Column::new("", "int"))).await,
        odd(|entry| entry.partition_keys.push(Column::new("l", "array<int>"))).await,
        odd(|entry| entry.format = TableFormat::Delta).await,
        odd(|entry| entry.location.clear()).await,
    ] {
        assert!(
            matches!(refused, Err(Error::SchemaMismatch { .. })),
            "{refused:?}"
        );
    }
    let odd = odd(|entry| entry.columns.push(Column::new("b", "itn"))).await;
    assert!(matches!(odd, Err(Error::InvalidHiveType { .. })));
    one.register_table(entry("to", "delta")).await.unwrap();
    let delta = one.partitions(&name("to", "delta")).await;
    assert!(matches!(delta, Err(Error::InvalidPartition { .. })));
    one.unregister_table(&name("to", "delta")).await.unwrap();
}

async fn rename_and_drop_have_one_winner(one: &Arc<Catalog>, two: &Arc<Catalog>) {
    for round in 0..5 {
        let (from, to) = (name("to", "from"), name("to", "gone"));
        one.register_table(entry("to", "from")).await.unwrap();
        let (renamed, dropped) =
            tokio::join!(one.rename_table(&from, &to), two.drop_table(&from, None));
        let lost = match (&renamed, &dropped) {
            (Ok(()), Err(error)) | (Err(error), Ok(_)) => error,
            both => panic!("{both:?}"),
        };
        assert!(matches!(lost, Error::TableNotFound { .. }), "{lost}");
        let back = one.undrop_table(&from).await;
        assert_eq!(back.is_ok(), dropped.is_ok(), "round {round}");
        let left = if renamed.is_ok() { &to } else { &from };
        two.unregister_table(left).await.unwrap();
    }
}

async fn two_undrops_have_one_winner(one: &Arc<Catalog>, two: &Arc<Catalog>) {
    let table = name("to", "back");
    for _ in 0..5 {
        one.register_table(entry("to", "back")).await.unwrap();
        one.drop_table(&table, None).await.unwrap();
        let (left, right) = tokio::join!(one.undrop_table(&table), two.undrop_table(&table));
        let lost = match (left, right) {
            (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
            both => panic!("{both:?}"),
        };
        assert!(matches!(lost, Error::DroppedTableNotFound { .. }), "{lost}");
        two.unregister_table(&table).await.unwrap();
    }
}

async fn two_adds_of_one_partition_have_one_winner(one: &Arc<Catalog>, two: &Arc<Catalog>) {
    let table = name("to", "parts");
    one.register_table(partitioned("to", "parts"))
        .await
        .unwrap();
    for year in ["2013", "2014", "2015"] {
        // Each also adds one of its own, which must not be lost with the other.
        let add = |catalog: &Arc<Catalog>, own: &str| {
            let catalog = Arc::clone(catalog);
            let (own, shared) = (partition(year, own), partition(year, "shared"));
            let table = table.clone();
            async move {
                let fails = IfExists::Fail;
                let first = catalog.add_partitions(&table, vec![own], fails).await;
                assert_eq!(first.unwrap(), 1);
                catalog.add_partitions(&table, vec![shared], fails).await
            }
        };
        let (left, right) = tokio::join!(add(one, "one"), add(two, "two"));
        let lost = match (left, right) {
            (Ok(1), Err(error)) | (Err(error), Ok(1)) => error,
            both => panic!("{both:?}"),
        };
        assert!(
            matches!(lost, Error::PartitionAlreadyExists { .. }),
            "{lost}"
        );
    }
    assert_eq!(one.partitions(&table).await.unwrap().len(), 9);
    assert_eq!(
        one.partitions(&table).await.unwrap(),
        two.partitions(&table).await.unwrap()
    );
    one.unregister_table(&table).await.unwrap();
}

async fn undrop_and_purge_have_one_winner(one: &Arc<Catalog>, two: &Arc<Catalog>) {
    let table = name("to", "purged");
    for _ in 0..5 {
        one.register_table(entry("to", "purged")).await.unwrap();
        one.drop_table(&table, Some(Utc::now())).await.unwrap();
        let now = Utc::now();
        let unpinned = Default::default();
        let (back, claimed) =
            tokio::join!(one.undrop_table(&table), two.claim_dropped(now, &unpinned));
        let claimed = claimed.unwrap();
        assert_ne!(back.is_ok(), claimed.len() == 1, "{back:?} {claimed:?}");
        two.forget_dropped(&claimed).await.unwrap();
        if back.is_ok() {
            one.unregister_table(&table).await.unwrap();
        }
    }
}

/// Enough changes to pass a snapshot, from both processes at once; every name is wanted twice.
async fn races_have_one_winner_and_lose_nothing(one: &Arc<Catalog>, two: &Arc<Catalog>) {
    one.create_database(Database::named("race")).await.unwrap();
    let mut tasks = JoinSet::new();
    for catalog in [one, two] {
        for half in 0..2 {
            let catalog = Arc::clone(catalog);
            tasks.spawn(async move {
                let mut won = 0;
                for number in 0..15 {
                    let table = format!("t{}", half * 15 + number);
                    match catalog.register_table(entry("race", &table)).await {
                        Ok(()) => won += 1,
                        Err(Error::TableAlreadyExists { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                won
            });
        }
    }
    let won: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!(won, 30);
    assert_eq!(one.tables("race").await.unwrap().len(), 30);
    assert_eq!(
        one.tables("race").await.unwrap(),
        two.tables("race").await.unwrap()
    );
    for number in 0..25 {
        one.create_database(Database::named(format!("d{number}")))
            .await
            .unwrap();
    }
}

async fn a_cold_start_sees_the_same(one: &Catalog, config: &StorageConfig) {
    let cold = catalog_at(config).await;
    assert_eq!(
        cold.databases().await.unwrap(),
        one.databases().await.unwrap()
    );
    assert_eq!(
        cold.tables("race").await.unwrap(),
        one.tables("race").await.unwrap()
    );
    let from_snapshot = cold.log.load_snapshot().await.unwrap();
    let newest = cold.refresh().await.unwrap().sequence;
    assert_eq!(from_snapshot.sequence, newest - newest % SNAPSHOT_EVERY);
    assert!(newest > SNAPSHOT_EVERY);
}

#[tokio::test]
async fn the_catalog_conforms_in_memory() {
    check_all(&StorageConfig::for_url("memory://catalog-conformance")).await;
}

#[tokio::test]
async fn the_catalog_conforms_on_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    check_all(&StorageConfig::for_url(folder.path().display().to_string())).await;
}

#[tokio::test]
async fn the_catalog_conforms_on_a_folder_with_fsync() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = StorageConfig::for_url(folder.path().display().to_string());
    config.fsync = true;
    check_all(&config).await;
}

#[tokio::test]
async fn the_catalog_conforms_on_s3() {
    if let Some(config) = crate::storage::tests::s3_config("catalog") {
        check_all(&config).await;
    }
}

async fn storage_with_three_databases() -> Storage {
    let storage = Storage::open(&StorageConfig::for_url("memory://"))
        .await
        .unwrap();
    let catalog = Catalog::open(&storage).await.unwrap();
    for name in ["a", "b", "c"] {
        catalog
            .create_database(Database::named(name))
            .await
            .unwrap();
    }
    storage
}

fn second_entry() -> Path {
    Path::from("_catalog/log/00000000000000000002.json")
}

#[tokio::test]
async fn a_missing_log_file_is_named() {
    let storage = storage_with_three_databases().await;
    storage
        .object_store()
        .delete(&second_entry())
        .await
        .unwrap();
    let error = Catalog::open(&storage).await.unwrap_err();
    assert!(matches!(error, Error::CatalogGap { .. }));
    assert!(
        error.to_string().contains("00000000000000000002.json"),
        "{error}"
    );
}

#[tokio::test]
async fn a_corrupt_log_file_is_named() {
    let storage = storage_with_three_databases().await;
    let garbage = PutPayload::from_static(b"{\"sequence\":2,");
    storage
        .object_store()
        .put(&second_entry(), garbage)
        .await
        .unwrap();
    let error = Catalog::open(&storage).await.unwrap_err();
    assert!(matches!(error, Error::CatalogCorrupt { .. }));
    assert!(
        error.to_string().contains("00000000000000000002.json"),
        "{error}"
    );
}

#[tokio::test]
async fn a_corrupt_snapshot_is_ignored_because_the_log_has_everything() {
    let storage = storage_with_three_databases().await;
    let path = Path::from("_catalog/snapshot/00000000000000000003.json");
    storage
        .object_store()
        .put(&path, PutPayload::from_static(b"garbage"))
        .await
        .unwrap();
    let catalog = Catalog::open(&storage).await.unwrap();
    assert_eq!(catalog.databases().await.unwrap().len(), 3);
}
