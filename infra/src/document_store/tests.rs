use std::path::Path;

use anyhow::Result;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{IndexOptions, InsertManyOptions};
use mongodb::{Client, Collection, IndexModel};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::filter::Filter;
use super::update::{Occasion, Update};
use super::value::order_key;
use super::{DocumentStore, DocumentStoreConfig};
use crate::error::Error;

/// A store in a folder of its own, with a driver connected to it.
pub(super) struct Sandbox {
    pub(super) store: DocumentStore,
    pub(super) client: Client,
    folder: tempfile::TempDir,
}

impl Sandbox {
    pub(super) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = start(folder.path()).await?;
        let client = Client::with_uri_str(store.uri()).await?;
        Ok(Self {
            store,
            client,
            folder,
        })
    }

    fn collection(&self) -> Collection<Document> {
        self.client.database("test").collection("things")
    }
}

async fn start(folder: &Path) -> Result<DocumentStore, Error> {
    DocumentStore::start(DocumentStoreConfig {
        data_dir: folder.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
    })
    .await
}

fn by_request_id() -> IndexModel {
    IndexModel::builder()
        .keys(doc! { "r": 1 })
        .options(IndexOptions::builder().unique(true).build())
        .build()
}

#[tokio::test]
async fn second_store_on_the_folder_is_refused() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    let second = start(sandbox.folder.path()).await;
    let message = second
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(
        message.contains("is another lakehouse running on this folder?"),
        "{message}"
    );
    sandbox.store.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn documents_and_unique_indexes_outlive_a_restart() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    sandbox.collection().create_index(by_request_id()).await?;
    sandbox
        .collection()
        .insert_one(doc! { "_id": 1, "r": "a" })
        .await?;
    sandbox.store.shutdown().await;

    let store = start(sandbox.folder.path()).await?;
    let client = Client::with_uri_str(store.uri()).await?;
    let collection = client.database("test").collection::<Document>("things");
    assert_eq!(
        collection.find_one(doc! { "r": "a" }).await?,
        Some(doc! { "_id": 1, "r": "a" })
    );
    assert!(
        collection
            .insert_one(doc! { "_id": 2, "r": "a" })
            .await
            .is_err()
    );
    store.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn acknowledged_documents_are_in_the_file_before_the_answer() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    sandbox.collection().create_index(by_request_id()).await?;
    for n in 0..20 {
        sandbox
            .collection()
            .insert_one(doc! { "_id": n, "r": n })
            .await?;
    }
    // What `kill -9` would leave: the file as it is, with the store still open on it.
    let copy = tempfile::tempdir()?;
    std::fs::copy(
        sandbox.folder.path().join("documents.redb"),
        copy.path().join("documents.redb"),
    )?;
    let store = start(copy.path()).await?;
    let client = Client::with_uri_str(store.uri()).await?;
    let collection = client.database("test").collection::<Document>("things");
    assert_eq!(
        collection
            .count_documents(doc! { "r": { "$gte": 0 } })
            .await?,
        20
    );
    assert_eq!(
        collection.find_one(doc! { "r": 19 }).await?,
        Some(doc! { "_id": 19, "r": 19 })
    );
    store.shutdown().await;
    sandbox.store.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn what_is_not_supported_is_refused() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    sandbox
        .collection()
        .insert_one(doc! { "_id": 1, "list": [1], "n": 1 })
        .await?;
    let commands = [
        doc! { "serverStatus": 1 },
        doc! { "find": "things", "collation": { "locale": "en" } },
        doc! { "find": "things", "hint": "_id_" },
        doc! { "find": "things", "maxTimeMS": 5 },
        doc! { "find": "things", "filter": { "$where": "1" } },
        doc! { "find": "things", "filter": { "n": { "$mod": [2, 0] } } },
        doc! { "find": "things", "sort": { "list": 1 } },
        doc! { "find": "things", "projection": { "n": { "$slice": 1 } } },
        doc! { "aggregate": "things", "pipeline": [{ "$group": { "_id": "$n", "n": { "$sum": 1 } } }], "cursor": {} },
        doc! { "findAndModify": "things", "query": {}, "update": { "$push": { "list": 2 } } },
        doc! { "findAndModify": "things", "query": {}, "update": { "$set": { "list.0": 2 } } },
        doc! { "findAndModify": "things", "query": {}, "update": [{ "$set": { "n": 2 } }] },
        doc! { "findAndModify": "things", "query": {}, "update": { "$set": { "_id": 2 } } },
        doc! { "createIndexes": "things", "indexes": [{ "key": { "n": 1 }, "name": "n", "expireAfterSeconds": 1 }] },
        doc! { "createIndexes": "things", "indexes": [{ "key": { "n": "text" }, "name": "n" }] },
        doc! { "insert": "things", "documents": [{ "_id": 2 }], "txnNumber": 1_i64, "autocommit": false },
        doc! { "insert": "$bad", "documents": [{ "_id": 2 }] },
    ];
    for command in commands {
        let reply = sandbox
            .client
            .database("test")
            .run_command(command.clone())
            .await;
        assert!(reply.is_err(), "{command} was answered with {reply:?}");
    }
    let kept = sandbox.collection().find_one(doc! {}).await?;
    assert_eq!(kept, Some(doc! { "_id": 1, "list": [1], "n": 1 }));
    sandbox.store.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn unordered_insert_goes_on_after_a_duplicate_and_ordered_stops() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    let documents = |from: i32| [from, from, from + 1].map(|id| doc! { "_id": id });
    assert!(
        sandbox
            .collection()
            .insert_many(documents(1))
            .await
            .is_err()
    );
    let unordered = InsertManyOptions::builder().ordered(false).build();
    assert!(
        sandbox
            .collection()
            .insert_many(documents(11))
            .with_options(unordered)
            .await
            .is_err()
    );
    let ids = sandbox.collection().distinct("_id", doc! {}).await;
    assert!(ids.is_err(), "`distinct` is not in the subset");
    assert_eq!(sandbox.collection().count_documents(doc! {}).await?, 3);
    assert_eq!(
        sandbox
            .collection()
            .count_documents(doc! { "_id": { "$in": [1, 11, 12] } })
            .await?,
        3
    );
    sandbox.store.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn hostile_bytes_end_their_connection_only() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    let hostile: [&[u8]; 3] = [&[0xff; 64], &[0; 16], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"];
    for bytes in hostile {
        let mut stream = tokio::net::TcpStream::connect(sandbox.store.address).await?;
        stream.write_all(bytes).await?;
        let mut answer = Vec::new();
        // Closed or reset: both are the end of it.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty());
    }
    sandbox.collection().insert_one(doc! { "_id": 1 }).await?;
    sandbox.store.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn build_info_says_what_this_is() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    let build = sandbox
        .client
        .database("admin")
        .run_command(doc! { "buildInfo": 1 })
        .await?;
    assert!(format!("{:?}", build.get("modules")).contains("not MongoDB"));
    sandbox.store.shutdown().await;
    Ok(())
}

#[test]
fn order_key_orders_numbers_of_all_types() {
    let largest_exact = 1_i64 << 53;
    let ordered = [
        Bson::Null,
        f64::NEG_INFINITY.into(),
        i64::MIN.into(),
        (-2.5).into(),
        (-2_i32).into(),
        0_i32.into(),
        1_i64.into(),
        1.5.into(),
        largest_exact.into(),
        (largest_exact + 1).into(),
        i64::MAX.into(),
        f64::INFINITY.into(),
        "".into(),
        "a".into(),
        "a\0".into(),
        "a\u{1}".into(),
        "b".into(),
        false.into(),
        true.into(),
    ];
    for pair in ordered.windows(2) {
        assert!(
            order_key(&pair[0]).unwrap() < order_key(&pair[1]).unwrap(),
            "{pair:?}"
        );
    }
    assert_eq!(
        order_key(&2_i32.into()).unwrap(),
        order_key(&2.0.into()).unwrap()
    );
    assert_eq!(
        order_key(&(-0.0).into()).unwrap(),
        order_key(&0_i64.into()).unwrap()
    );
}

#[test]
fn order_key_is_never_the_beginning_of_another() {
    let values: [Bson; 7] = [
        "".into(),
        "a".into(),
        "a\0".into(),
        doc! {}.into(),
        doc! { "a": 1 }.into(),
        Bson::Array(vec![]),
        Bson::Array(vec![1.into()]),
    ];
    let keys: Vec<Vec<u8>> = values
        .iter()
        .map(|value| order_key(value).unwrap())
        .collect();
    for (left, key) in keys.iter().enumerate() {
        assert!(
            keys.iter()
                .enumerate()
                .all(|(right, other)| left == right || !other.starts_with(key))
        );
    }
}

#[test]
fn null_below_an_array_is_refused_instead_of_guessed() {
    let filter = Filter::parse(&doc! { "a.b": Bson::Null }).unwrap();
    assert!(filter.matches(&doc! { "a": [{ "b": 1 }, {}] }).is_err());
    assert!(filter.matches(&doc! { "a": { "c": 1 } }).unwrap());
}

#[test]
fn increment_widens_and_never_wraps() {
    let apply = |document: Document, by: Bson| {
        Update::parse(&doc! { "$inc": { "n": by } }.into())
            .unwrap()
            .apply(&document, Occasion::Modify)
    };
    assert_eq!(
        apply(doc! { "n": i32::MAX }, 1.into()).unwrap(),
        doc! { "n": i64::from(i32::MAX) + 1 }
    );
    assert_eq!(
        apply(doc! { "n": 1 }, 0.5.into()).unwrap(),
        doc! { "n": 1.5 }
    );
    assert!(apply(doc! { "n": i64::MAX }, 1.into()).is_err());
    assert!(apply(doc! { "n": "text" }, 1.into()).is_err());
}

#[test]
fn writing_one_path_twice_is_a_conflict() {
    for update in [
        doc! { "$set": { "a": 1 }, "$inc": { "a": 1 } },
        doc! { "$set": { "a": 1, "a.b": 2 } },
        doc! { "$set": { "a.b": 1 }, "$unset": { "a": "" } },
    ] {
        assert!(Update::parse(&update.clone().into()).is_err(), "{update}");
    }
    assert!(Update::parse(&doc! { "$set": { "a": 1, "ab": 2, "a-b.c": 3 } }.into()).is_ok());
}
