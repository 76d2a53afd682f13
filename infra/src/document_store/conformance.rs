//! What the application asks of a MongoDB server, through the official driver: on the stand-in always, and on a real
//! server when its URI is given.

use anyhow::{Context as _, Result, ensure};
use futures::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error as MongoError, ErrorKind, WriteFailure};
use mongodb::options::{IndexOptions, ReturnDocument};
use mongodb::{Client, Collection, IndexModel};

use super::tests::Sandbox;

async fn run_suite(client: &Client) -> Result<()> {
    let database = client.database("lakehouse_conformance");
    let build = database.run_command(doc! { "buildInfo": 1 }).await?;
    let name = format!("suite_{}", uuid::Uuid::new_v4().simple());
    let collection = database.collection::<Document>(&name);

    unique_index_refuses_a_duplicate(&collection)
        .await
        .context("unique index")?;
    upsert_is_idempotent(&collection).await.context("upsert")?;
    update_one_changes_one(&collection)
        .await
        .context("update one and many")?;
    updates_reach_into_documents(&collection)
        .await
        .context("dotted updates")?;
    replace_keeps_the_id(&collection).await.context("replace")?;
    find_and_modify_returns_before_or_after(&collection)
        .await
        .context("find and modify")?;
    find_filters_sorts_and_projects(&collection)
        .await
        .context("find")?;
    filters_agree_on_types_and_arrays(&collection)
        .await
        .context("filters")?;
    large_result_comes_in_batches(&collection)
        .await
        .context("batches")?;
    counts_agree(&collection).await.context("counts")?;
    delete_removes_one_or_many(&collection)
        .await
        .context("delete")?;

    ensure!(database.list_collection_names().await?.contains(&name));
    collection.drop().await?;
    ensure!(!database.list_collection_names().await?.contains(&name));
    println!(
        "MongoDB conformance suite passed on version {:?}, modules {:?}",
        build.get("version"),
        build.get("modules")
    );
    Ok(())
}

async fn fetch(collection: &Collection<Document>, filter: Document) -> Result<Document> {
    collection
        .find_one(filter)
        .await?
        .context("document not found")
}

async fn names(collection: &Collection<Document>, filter: Document) -> Result<Vec<String>> {
    let found: Vec<Document> = collection
        .find(filter)
        .sort(doc! { "name": 1 })
        .await?
        .try_collect()
        .await?;
    Ok(found
        .iter()
        .filter_map(|document| document.get_str("name").ok().map(str::to_owned))
        .collect())
}

fn is_duplicate(error: &MongoError) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(failure)) => failure.code == 11_000,
        // FerretDB 1 on SQLite refuses an update as it should, and says so in SQLite's words.
        ErrorKind::Command(failure) => {
            failure.code == 11_000 || failure.message.contains("UNIQUE constraint failed")
        }
        _ => false,
    }
}

async fn unique_index_refuses_a_duplicate(collection: &Collection<Document>) -> Result<()> {
    let unique = || {
        let options = IndexOptions::builder()
            .unique(true)
            .name("request_id".to_owned())
            .build();
        IndexModel::builder()
            .keys(doc! { "request_id": 1 })
            .options(options)
            .build()
    };
    collection.create_index(unique()).await?;
    collection
        .create_index(unique())
        .await
        .context("the same index again")?;
    ensure!(collection.list_index_names().await? == ["_id_", "request_id"]);

    collection
        .insert_one(doc! { "_id": 1, "request_id": "r1" })
        .await?;
    let again = collection
        .insert_one(doc! { "_id": 2, "request_id": "r1" })
        .await;
    ensure!(
        again.as_ref().is_err_and(is_duplicate),
        "same key: {again:?}"
    );
    let again = collection
        .insert_one(doc! { "_id": 1, "request_id": "r2" })
        .await;
    ensure!(
        again.as_ref().is_err_and(is_duplicate),
        "same id: {again:?}"
    );
    collection
        .insert_one(doc! { "_id": 2, "request_id": "r2" })
        .await?;
    let moved = collection
        .update_one(doc! { "_id": 2 }, doc! { "$set": { "request_id": "r1" } })
        .await;
    ensure!(
        moved.as_ref().is_err_and(is_duplicate),
        "moved key: {moved:?}"
    );
    collection
        .update_one(doc! { "_id": 1 }, doc! { "$set": { "request_id": "r3" } })
        .await?;
    collection
        .update_one(doc! { "_id": 2 }, doc! { "$set": { "request_id": "r1" } })
        .await
        .context("a freed key")?;
    Ok(())
}

async fn upsert_is_idempotent(collection: &Collection<Document>) -> Result<()> {
    let query = doc! { "request_id": "upsert" };
    let update = doc! { "$set": { "class": 2 }, "$setOnInsert": { "first": true } };
    let first = collection
        .update_one(query.clone(), update.clone())
        .upsert(true)
        .await?;
    ensure!(first.upserted_id.is_some() && first.matched_count == 0);
    let second = collection
        .update_one(query.clone(), update)
        .upsert(true)
        .await?;
    ensure!(
        second.upserted_id.is_none() && second.matched_count == 1 && second.modified_count == 0
    );
    let stored = fetch(collection, query.clone()).await?;
    ensure!(stored.get_i32("class")? == 2 && stored.get_bool("first")?);
    collection
        .update_one(query.clone(), doc! { "$setOnInsert": { "first": false } })
        .upsert(true)
        .await?;
    ensure!(fetch(collection, query).await?.get_bool("first")?);
    Ok(())
}

async fn update_one_changes_one(collection: &Collection<Document>) -> Result<()> {
    collection
        .insert_many((0..3).map(|n| doc! { "request_id": format!("u{n}"), "kind": "u", "n": n }))
        .await?;
    let one = collection
        .update_one(doc! { "kind": "u" }, doc! { "$inc": { "n": 10 } })
        .await?;
    ensure!(one.matched_count == 1 && one.modified_count == 1);
    let many = collection
        .update_many(doc! { "kind": "u" }, doc! { "$set": { "n": 7 } })
        .await?;
    ensure!(many.matched_count == 3 && many.modified_count == 3);
    let none = collection
        .update_many(doc! { "kind": "u" }, doc! { "$set": { "n": 7 } })
        .await?;
    ensure!(none.matched_count == 3 && none.modified_count == 0);
    Ok(())
}

async fn updates_reach_into_documents(collection: &Collection<Document>) -> Result<()> {
    let query = doc! { "request_id": "dotted" };
    collection
        .insert_one(doc! { "request_id": "dotted", "features": { "a": 1, "b": 2 }, "gone": 1 })
        .await?;
    let update = doc! {
        "$set": { "features.b": 3, "features.deep.c": "new" }, "$inc": { "features.a": 4, "count": 1 },
        "$unset": { "gone": "" },
    };
    collection.update_one(query.clone(), update).await?;
    let stored = fetch(collection, query).await?;
    ensure!(
        *stored.get_document("features")? == doc! { "a": 5, "b": 3, "deep": { "c": "new" } },
        "{stored}"
    );
    ensure!(stored.get_i32("count")? == 1 && !stored.contains_key("gone"));
    Ok(())
}

async fn replace_keeps_the_id(collection: &Collection<Document>) -> Result<()> {
    let query = doc! { "request_id": "replaced" };
    let first = collection
        .replace_one(query.clone(), doc! { "request_id": "replaced", "v": 1 })
        .upsert(true)
        .await?;
    let id = first.upserted_id.context("not upserted")?;
    let second = collection
        .replace_one(query.clone(), doc! { "request_id": "replaced", "w": 2 })
        .await?;
    ensure!(second.matched_count == 1 && second.modified_count == 1);
    ensure!(
        fetch(collection, query).await? == doc! { "_id": id, "request_id": "replaced", "w": 2 }
    );
    Ok(())
}

async fn find_and_modify_returns_before_or_after(collection: &Collection<Document>) -> Result<()> {
    collection
        .insert_many((0..3).map(|n| doc! { "request_id": format!("f{n}"), "kind": "f", "n": n }))
        .await?;
    let increment = || doc! { "$inc": { "n": 100 } };
    let before = collection
        .find_one_and_update(doc! { "kind": "f" }, increment())
        .sort(doc! { "n": -1 })
        .await?;
    ensure!(before.context("nothing found")?.get_i32("n")? == 2);
    let after = collection.find_one_and_update(doc! { "request_id": "f0" }, increment());
    let after = after
        .return_document(ReturnDocument::After)
        .await?
        .context("nothing found")?;
    ensure!(after.get_i32("n")? == 100);
    let made = collection.find_one_and_update(doc! { "request_id": "f9" }, increment());
    let made = made
        .upsert(true)
        .return_document(ReturnDocument::After)
        .await?
        .context("nothing made")?;
    ensure!(made.get_i32("n")? == 100 && made.get_str("request_id")? == "f9");
    let removed = collection
        .find_one_and_delete(doc! { "request_id": "f9" })
        .await?;
    ensure!(
        removed.is_some()
            && collection
                .find_one(doc! { "request_id": "f9" })
                .await?
                .is_none()
    );
    Ok(())
}

async fn find_filters_sorts_and_projects(collection: &Collection<Document>) -> Result<()> {
    let document = |n: i32| doc! { "request_id": format!("s{n}"), "kind": "s", "k": (n * 37) % 50, "in": { "x": n } };
    collection.insert_many((0..50).map(document)).await?;
    let cursor = collection.find(doc! { "kind": "s", "k": { "$gte": 10, "$lt": 40 } });
    let found: Vec<Document> = cursor
        .sort(doc! { "k": -1 })
        .skip(2)
        .limit(3)
        .await?
        .try_collect()
        .await?;
    let keys: Vec<i32> = found
        .iter()
        .filter_map(|document| document.get_i32("k").ok())
        .collect();
    ensure!(keys == [37, 36, 35], "{keys:?}");
    let kept = collection
        .find_one(doc! { "request_id": "s3" })
        .projection(doc! { "_id": 0, "in.x": 1 })
        .await?;
    ensure!(kept == Some(doc! { "in": { "x": 3 } }), "{kept:?}");
    let left = collection
        .find_one(doc! { "request_id": "s3" })
        .projection(doc! { "_id": 0, "k": 0, "in": 0 })
        .await?;
    ensure!(
        left == Some(doc! { "request_id": "s3", "kind": "s" }),
        "{left:?}"
    );
    Ok(())
}

async fn filters_agree_on_types_and_arrays(collection: &Collection<Document>) -> Result<()> {
    let rows = [
        doc! { "request_id": "t1", "name": "integer", "v": 2_i32 },
        doc! { "request_id": "t2", "name": "long", "v": 2_i64 },
        doc! { "request_id": "t3", "name": "double", "v": 2.5 },
        doc! { "request_id": "t4", "name": "text", "v": "2" },
        doc! { "request_id": "t5", "name": "array", "v": [1, 2] },
        doc! { "request_id": "t6", "name": "null", "v": Bson::Null },
        doc! { "request_id": "t7", "name": "missing" },
    ];
    collection.insert_many(rows).await?;
    let named = |filter: Document| doc! { "$and": [{ "name": { "$exists": true } }, filter] };
    let cases = [
        (doc! { "v": 2 }, vec!["array", "integer", "long"]),
        (doc! { "v": { "$eq": 2.5 } }, vec!["double"]),
        (
            doc! { "v": { "$gt": 1 } },
            vec!["array", "double", "integer", "long"],
        ),
        (doc! { "v": { "$lte": "3" } }, vec!["text"]),
        (doc! { "v": { "$in": ["2", 2.5] } }, vec!["double", "text"]),
        (
            doc! { "v": { "$ne": 2 } },
            vec!["double", "missing", "null", "text"],
        ),
        (doc! { "v": Bson::Null }, vec!["missing", "null"]),
        (doc! { "v": { "$exists": false } }, vec!["missing"]),
        (
            doc! { "$or": [{ "name": "text" }, { "v": { "$gt": 2, "$lt": 3 } }] },
            vec!["double", "text"],
        ),
    ];
    for (filter, wanted) in cases {
        let found = names(collection, named(filter.clone())).await?;
        ensure!(found == wanted, "{filter} found {found:?}");
    }
    Ok(())
}

async fn large_result_comes_in_batches(collection: &Collection<Document>) -> Result<()> {
    collection
        .insert_many((0..250).map(|n| doc! { "request_id": format!("b{n}"), "kind": "b", "n": n }))
        .await?;
    let cursor = collection
        .find(doc! { "kind": "b" })
        .sort(doc! { "n": 1 })
        .batch_size(40)
        .await?;
    let found: Vec<Document> = cursor.try_collect().await?;
    let numbers: Vec<i32> = found
        .iter()
        .filter_map(|document| document.get_i32("n").ok())
        .collect();
    ensure!(numbers == (0..250).collect::<Vec<_>>());
    let mut left_open = collection.find(doc! { "kind": "b" }).batch_size(10).await?;
    ensure!(left_open.try_next().await?.is_some());
    drop(left_open);
    Ok(())
}

async fn counts_agree(collection: &Collection<Document>) -> Result<()> {
    ensure!(collection.count_documents(doc! { "kind": "b" }).await? == 250);
    ensure!(
        collection
            .count_documents(doc! { "kind": "b" })
            .skip(100)
            .limit(30)
            .await?
            == 30
    );
    ensure!(
        collection
            .count_documents(doc! { "kind": "no such" })
            .await?
            == 0
    );
    ensure!(
        collection.estimated_document_count().await? == collection.count_documents(doc! {}).await?
    );
    Ok(())
}

async fn delete_removes_one_or_many(collection: &Collection<Document>) -> Result<()> {
    ensure!(
        collection
            .delete_one(doc! { "kind": "b" })
            .await?
            .deleted_count
            == 1
    );
    ensure!(
        collection
            .delete_many(doc! { "kind": "b", "n": { "$gte": 200 } })
            .await?
            .deleted_count
            == 50
    );
    ensure!(
        collection
            .delete_many(doc! { "kind": "no such" })
            .await?
            .deleted_count
            == 0
    );
    ensure!(collection.count_documents(doc! { "kind": "b" }).await? == 199);
    Ok(())
}

#[tokio::test]
async fn stand_in_conforms() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    run_suite(&sandbox.client).await?;
    sandbox.store.shutdown().await;
    Ok(())
}

/// Needs `LAKEHOUSE_TEST_MONGODB_URI`.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the address of a real server comes from the environment of the test"
)]
async fn real_server_conforms_when_configured() -> Result<()> {
    let Ok(uri) = std::env::var("LAKEHOUSE_TEST_MONGODB_URI") else {
        println!("not run: LAKEHOUSE_TEST_MONGODB_URI is not set");
        return Ok(());
    };
    run_suite(&Client::with_uri_str(uri).await?).await
}
