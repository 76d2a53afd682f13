//! What the catalog must do on every storage. Each check gets two openings of one place, which
//! stand for two processes.

use std::collections::BTreeMap;

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use tokio::task::JoinSet;

use super::*;
use crate::storage::StorageConfig;

fn entry(database: &str, table: &str) -> TableEntry {
    let name = TableName::new(database, table).unwrap();
    TableEntry {
        location: format!("{database}/{table}"),
        name,
        comment: None,
        column_comments: BTreeMap::new(),
        properties: BTreeMap::new(),
        created_at: Utc::now(),
    }
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
    races_have_one_winner_and_lose_nothing(&one, &two).await;
    a_cold_start_sees_the_same(&one, config).await;
}

async fn what_one_process_creates_the_other_sees(one: &Catalog, two: &Catalog) {
    let flights = Database {
        name: "Flights".to_owned(),
        comment: Some("of 2013".to_owned()),
        properties: [("owner".to_owned(), "ops".to_owned())].into(),
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
    assert_eq!(from_snapshot.sequence, SNAPSHOT_EVERY);
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
