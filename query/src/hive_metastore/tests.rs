use std::net::SocketAddr;

use hive_metastore as hms;
use hive_metastore::{ThriftHiveMetastoreClient, ThriftHiveMetastoreClientBuilder};
use lake::{StorageConfig, TableName};
use pilota::FastStr;
use volo_thrift::MaybeException;
use volo_thrift::codec::default::DefaultMakeCodec;

use super::*;
use crate::{QueryConfig, QueryEngine};

/// A metastore on an empty lake.
struct House {
    engine: QueryEngine,
    address: SocketAddr,
    shutdown: CancellationToken,
    served: TaskTracker,
}

impl House {
    async fn start() -> Self {
        Self::with_config(HiveMetastoreConfig::default()).await
    }

    async fn with_config(config: HiveMetastoreConfig) -> Self {
        let lake = Lake::open(&StorageConfig::for_url("memory://"))
            .await
            .unwrap();
        let engine = QueryEngine::new(Arc::clone(&lake), QueryConfig::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, served) = (CancellationToken::new(), TaskTracker::new());
        served.spawn(run(listener, lake, config, shutdown.clone()));
        served.close();
        Self {
            engine,
            address,
            shutdown,
            served,
        }
    }

    fn client(&self) -> ThriftHiveMetastoreClient {
        let builder = ThriftHiveMetastoreClientBuilder::new("hms");
        let builder = builder.make_codec(DefaultMakeCodec::buffered());
        builder
            .address(volo::net::Address::from(self.address))
            .build()
    }

    /// Returns a location in the lake, as clients see it.
    fn at(&self, path: &str) -> FastStr {
        let lake = self.engine.lake().storage().root_url().as_str();
        FastStr::from(format!("{lake}{path}"))
    }

    async fn socket(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.served.wait().await;
    }
}

/// Returns what a method answered.
fn ok<T, E: std::fmt::Debug>(answer: Result<MaybeException<T, E>, volo_thrift::ClientError>) -> T {
    match answer.unwrap() {
        MaybeException::Ok(value) => value,
        MaybeException::Exception(exception) => panic!("{exception:?}"),
    }
}

/// Returns the exception that a method threw, as it is printed.
fn thrown<T, E: std::fmt::Debug>(
    answer: Result<MaybeException<T, E>, volo_thrift::ClientError>,
) -> String {
    match answer.unwrap() {
        MaybeException::Ok(_) => panic!("no exception was thrown"),
        MaybeException::Exception(exception) => format!("{exception:?}"),
    }
}

fn s(text: &str) -> FastStr {
    FastStr::new(text)
}

fn column(name: &str, data_type: &str) -> hms::FieldSchema {
    hms::FieldSchema {
        name: Some(s(name)),
        r#type: Some(s(data_type)),
        comment: None,
    }
}

fn storage(house: &House) -> hms::StorageDescriptor {
    hms::StorageDescriptor {
        cols: Some(vec![column("tail", "string"), column("seats", "int")]),
        location: Some(house.at("raw/planes")),
        input_format: Some(s(
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        )),
        serde_info: Some(hms::SerDeInfo {
            serialization_lib: Some(s(
                "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            )),
            ..hms::SerDeInfo::default()
        }),
        ..hms::StorageDescriptor::default()
    }
}

/// An external Parquet table `flights.planes`, partitioned by year and month.
fn planes(house: &House) -> hms::Table {
    hms::Table {
        table_name: Some(s("planes")),
        db_name: Some(s("flights")),
        owner: Some(s("me")),
        sd: Some(storage(house)),
        partition_keys: Some(vec![column("year", "int"), column("month", "string")]),
        parameters: Some([(s("note"), s("x"))].into_iter().collect()),
        table_type: Some(s("EXTERNAL_TABLE")),
        ..hms::Table::default()
    }
}

fn partition(year: &str, month: &str) -> hms::Partition {
    hms::Partition {
        values: Some(vec![s(year), s(month)]),
        db_name: Some(s("flights")),
        table_name: Some(s("planes")),
        ..hms::Partition::default()
    }
}

async fn with_planes() -> (House, ThriftHiveMetastoreClient) {
    let house = House::start().await;
    house
        .engine
        .execute_script("CREATE SCHEMA lake.flights")
        .await
        .unwrap();
    let client = house.client();
    ok(client.create_table(planes(&house)).await);
    (house, client)
}

#[tokio::test]
async fn databases_are_created_altered_found_and_dropped() {
    let house = House::start().await;
    let client = house.client();
    assert_eq!(ok(client.get_all_databases().await), ["default"]);
    let sent = hms::Database {
        name: Some(s("Raw")),
        description: Some(s("what arrived")),
        parameters: Some([(s("a"), s("b"))].into_iter().collect()),
        owner_name: Some(s("me")),
        ..hms::Database::default()
    };
    ok(client.create_database(sent.clone()).await);
    let exists = thrown(client.create_database(sent.clone()).await);
    assert!(exists.contains("AlreadyExistsException"), "{exists}");
    let found = ok(client.get_database(s("RAW")).await);
    assert_eq!(found.name, Some(s("raw")));
    assert_eq!(found.description, Some(s("what arrived")));
    assert_eq!(found.location_uri, Some(house.at("raw")));
    assert_eq!(found.owner_name, Some(s("me")));
    assert_eq!(ok(client.get_databases(s("r*|x")).await), ["raw"]);
    let missing = thrown(client.get_database(s("row")).await);
    assert!(missing.contains("NoSuchObjectException"), "{missing}");
    assert!(missing.contains("did you mean `raw`"), "{missing}");
    ok(client
        .alter_database(
            s("raw"),
            hms::Database {
                description: Some(s("changed")),
                ..sent
            },
        )
        .await);
    assert_eq!(
        ok(client.get_database(s("raw")).await).description,
        Some(s("changed"))
    );
    ok(client.drop_database(s("raw"), true, false).await);
    let refused = thrown(client.drop_database(s("default"), true, false).await);
    assert!(refused.contains("InvalidOperationException"), "{refused}");
    let elsewhere = hms::Database {
        name: Some(s("x")),
        location_uri: Some(s("file:/tmp/warehouse/x.db")),
        ..hms::Database::default()
    };
    let outside = thrown(client.create_database(elsewhere).await);
    assert!(outside.contains("storage.external_locations"), "{outside}");
    house.stop().await;
}

#[tokio::test]
async fn a_table_created_by_a_client_is_the_lakes() {
    let (house, client) = with_planes().await;
    let entry = house.engine.lake().catalog();
    let entry = entry
        .table(&TableName::new("flights", "planes").unwrap())
        .await
        .unwrap();
    assert_eq!(entry.location, "raw/planes");
    assert_eq!(entry.partition_keys.len(), 2);
    assert_eq!(entry.properties["note"], "x");

    let found = ok(client.get_table(s("flights"), s("planes")).await);
    assert_eq!(found.table_type, Some(s("EXTERNAL_TABLE")));
    assert_eq!(found.parameters.as_ref().unwrap()["EXTERNAL"], "TRUE");
    let found_storage = found.sd.as_ref().unwrap();
    assert_eq!(found_storage.location, Some(house.at("raw/planes")));
    assert_eq!(found_storage.cols, storage(&house).cols);
    let request = hms::GetTableRequest {
        db_name: s("flights"),
        tbl_name: s("planes"),
        capabilities: None,
    };
    assert_eq!(ok(client.get_table_req(request).await).table, found);
    let names = vec![s("planes"), s("absent"), s("not a name")];
    let tables = client
        .get_table_objects_by_name(s("flights"), names.clone())
        .await;
    assert_eq!(ok(tables), std::slice::from_ref(&found));
    let request = hms::GetTablesRequest {
        db_name: s("flights"),
        tbl_names: Some(names),
        capabilities: None,
    };
    assert_eq!(
        ok(client.get_table_objects_by_name_req(request).await)
            .tables
            .len(),
        1
    );
    let fields = ok(client.get_fields(s("flights"), s("planes")).await);
    let schema = ok(client.get_schema(s("flights"), s("planes")).await);
    assert_eq!((fields.len(), schema.len()), (2, 4));
    let missing = thrown(client.get_schema(s("flights"), s("plane")).await);
    assert!(missing.contains("UnknownTableException"), "{missing}");
    let missing = thrown(client.get_table(s("flights"), s("plane")).await);
    assert!(missing.contains("NoSuchObjectException"), "{missing}");
    let exists = thrown(client.create_table(planes(&house)).await);
    assert!(exists.contains("AlreadyExistsException"), "{exists}");
    house.stop().await;
}

#[tokio::test]
async fn tables_are_listed_by_name_and_kind() {
    let (house, client) = with_planes().await;
    let script = "CREATE TABLE lake.flights.delays (id integer) COMMENT 'late'";
    house.engine.execute_script(script).await.unwrap();
    let flights = s("flights");
    let all = ok(client.get_all_tables(flights.clone()).await);
    assert_eq!(all, ["delays", "planes"]);
    assert_eq!(
        ok(client.get_tables(flights.clone(), s("pl*")).await),
        ["planes"]
    );
    let managed = client.get_tables_by_type(flights.clone(), s("*"), s("MANAGED_TABLE"));
    assert_eq!(ok(managed.await), ["delays"]);
    let views = client.get_tables_by_type(flights.clone(), s("*"), s("VIRTUAL_VIEW"));
    assert!(ok(views.await).is_empty());
    assert!(ok(client.get_all_tables(s("absent")).await).is_empty());
    let meta = ok(client.get_table_meta(s("*"), s("*"), Vec::new()).await);
    assert_eq!(meta.len(), 2);
    assert_eq!(meta[0].comments, Some(s("late")));
    let filter = s("hive_filter_field_params__spark.sql.sources.provider = \"delta\"");
    let named = client.get_table_names_by_filter(flights.clone(), filter, -1);
    assert_eq!(ok(named.await), ["delays"]);
    let other = client.get_table_names_by_filter(flights, s("owner = \"me\""), -1);
    assert!(thrown(other.await).contains("not supported"));
    house.stop().await;
}

#[tokio::test]
async fn delta_tables_look_as_spark_and_trino_register_them() {
    let (house, client) = with_planes().await;
    let script =
        "CREATE TABLE lake.flights.delays (id integer NOT NULL COMMENT 'key', at timestamp(6),
            tags array<varchar>) COMMENT 'late';
        INSERT INTO lake.flights.delays (id) SELECT 1";
    house.engine.execute_script(script).await.unwrap();
    let table = ok(client.get_table(s("flights"), s("delays")).await);
    let parameters = table.parameters.as_ref().unwrap();
    assert_eq!(parameters["spark.sql.sources.provider"], "delta");
    assert_eq!(parameters["comment"], "late");
    assert_eq!(parameters["numRows"], "1");
    let schema = parameters["spark.sql.sources.schema"].as_str();
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    assert_eq!(schema["fields"][0]["type"], "integer");
    assert_eq!(schema["fields"][0]["nullable"], false);
    assert_eq!(schema["fields"][2]["type"]["elementType"], "string");
    assert_eq!(table.table_type, Some(s("MANAGED_TABLE")));
    let sd = table.sd.clone().unwrap();
    let serde = sd.serde_info.unwrap().parameters.unwrap();
    assert_eq!(Some(&serde["path"]), sd.location.as_ref());
    let types: Vec<_> = sd
        .cols
        .unwrap()
        .into_iter()
        .map(|c| c.r#type.unwrap())
        .collect();
    assert_eq!(types, ["int", "timestamp", "array<string>"]);

    // Its properties are the catalog's, its columns are the log's.
    let mut altered = table.clone();
    let own = altered.parameters.get_or_insert_default();
    own.insert(s("team"), s("ops"));
    ok(client
        .alter_table(s("flights"), s("delays"), altered.clone())
        .await);
    let name = TableName::new("flights", "delays").unwrap();
    let entry = house.engine.lake().catalog().table(&name).await.unwrap();
    assert_eq!(
        entry.properties,
        [("team".to_owned(), "ops".to_owned())].into()
    );
    let columns = altered.sd.as_mut().unwrap().cols.as_mut().unwrap();
    columns.push(column("more", "int"));
    let refused = thrown(client.alter_table(s("flights"), s("delays"), altered).await);
    assert!(refused.contains("InvalidOperationException"), "{refused}");
    assert!(
        ok(client
            .get_partition_names(s("flights"), s("delays"), -1)
            .await)
        .is_empty()
    );

    // An existing one is registered, and one that is not there is refused.
    let mut copy = table.clone();
    copy.table_name = Some(s("copy"));
    copy.table_type = Some(s("EXTERNAL_TABLE"));
    ok(client.create_table(copy.clone()).await);
    let count = house
        .engine
        .collect("SELECT * FROM lake.flights.copy")
        .await
        .unwrap();
    assert_eq!(
        count
            .iter()
            .map(arrow::record_batch::RecordBatch::num_rows)
            .sum::<usize>(),
        1
    );
    copy.table_name = Some(s("nothing"));
    let storage = copy.sd.as_mut().unwrap();
    storage.location = Some(house.at("nothing"));
    storage.serde_info.as_mut().unwrap().parameters = None;
    let missing = thrown(client.create_table(copy).await);
    assert!(missing.contains("no Delta log"), "{missing}");
    house.stop().await;
}

#[tokio::test]
async fn tables_are_altered_renamed_and_dropped() {
    let (house, client) = with_planes().await;
    let flights = s("flights");
    let mut table = ok(client.get_table(flights.clone(), s("planes")).await);
    table.table_name = Some(s("jets"));
    table
        .parameters
        .get_or_insert_default()
        .insert(s("note"), s("y"));
    let columns = table.sd.as_mut().unwrap().cols.as_mut().unwrap();
    columns.push(column("engines", "int"));
    ok(client
        .alter_table(flights.clone(), s("planes"), table)
        .await);
    assert_eq!(ok(client.get_all_tables(flights.clone()).await), ["jets"]);
    let jets = ok(client.get_table(flights.clone(), s("jets")).await);
    assert_eq!(jets.sd.as_ref().unwrap().cols.as_ref().unwrap().len(), 3);
    assert_eq!(jets.parameters.unwrap()["note"], "y");
    ok(client.drop_table(flights.clone(), s("jets"), true).await);
    let missing = thrown(client.drop_table(flights.clone(), s("jets"), true).await);
    assert!(missing.contains("NoSuchObjectException"), "{missing}");
    assert!(ok(client.get_all_tables(flights).await).is_empty());

    let mut own = planes(&house);
    own.db_name = Some(s("default"));
    ok(client.create_table(own).await);
    ok(client.drop_database(s("default"), false, true).await);
    house.stop().await;
}

#[tokio::test]
async fn partitions_are_added_found_altered_and_dropped() {
    let (house, client) = with_planes().await;
    let (flights, table) = (s("flights"), s("planes"));
    let added = ok(client.add_partition(partition("2013", "1")).await);
    let location = added.sd.unwrap().location.unwrap();
    assert_eq!(location, house.at("raw/planes/year=2013/month=1"));
    let more = vec![partition("2013", "2/3"), partition("2014", "1")];
    assert_eq!(ok(client.add_partitions(more).await), 2);
    let exists = thrown(client.add_partition(partition("2013", "1")).await);
    assert!(exists.contains("AlreadyExistsException"), "{exists}");
    let request = hms::AddPartitionsRequest {
        db_name: flights.clone(),
        tbl_name: table.clone(),
        parts: vec![partition("2013", "1"), partition("2015", "12")],
        if_not_exists: true,
        need_result: Some(true),
        cat_name: None,
    };
    ok(client.add_partitions_req(request).await);
    let values = vec![s("2016"), s("1")];
    ok(client
        .append_partition(flights.clone(), table.clone(), values)
        .await);
    let name = s("year=2017/month=1");
    ok(client
        .append_partition_by_name(flights.clone(), table.clone(), name)
        .await);

    let names = ok(client
        .get_partition_names(flights.clone(), table.clone(), -1)
        .await);
    let expected = [
        "year=2013/month=1",
        "year=2013/month=2%2F3",
        "year=2014/month=1",
        "year=2015/month=12",
        "year=2016/month=1",
        "year=2017/month=1",
    ];
    assert_eq!(names, expected);
    let values = |partitions: Vec<hms::Partition>| -> Vec<String> {
        let values = partitions
            .into_iter()
            .map(|partition| partition.values.unwrap());
        values.map(|values| values.join("-")).collect()
    };
    let two = ok(client
        .get_partitions(flights.clone(), table.clone(), 2)
        .await);
    assert_eq!(values(two), ["2013-1", "2013-2/3"]);
    let prefix = vec![s("2013")];
    let ps = client
        .get_partitions_ps(flights.clone(), table.clone(), prefix, -1)
        .await;
    assert_eq!(values(ok(ps)), ["2013-1", "2013-2/3"]);
    let suffix = vec![s(""), s("1")];
    let ps = client
        .get_partition_names_ps(flights.clone(), table.clone(), suffix, -1)
        .await;
    assert_eq!(ok(ps).len(), 4);
    let wanted = vec![s("year=2013/month=2%2F3"), s("year=1999/month=1")];
    let by_names = client
        .get_partitions_by_names(flights.clone(), table.clone(), wanted)
        .await;
    assert_eq!(values(ok(by_names)), ["2013-2/3"]);
    let filter = s("year > 2013 and (month = \"1\" or month = \"12\") and year != 2017");
    let filtered =
        client.get_partitions_by_filter(flights.clone(), table.clone(), filter.clone(), -1);
    assert_eq!(values(ok(filtered.await)), ["2014-1", "2015-12", "2016-1"]);
    let counted = client.get_num_partitions_by_filter(flights.clone(), table.clone(), filter);
    assert_eq!(ok(counted.await), 3);
    let refused =
        client.get_partitions_by_filter(flights.clone(), table.clone(), s("tail = 'x'"), -1);
    assert!(thrown(refused.await).contains("MetaException"));
    let specification = client
        .get_partitions_pspec(flights.clone(), table.clone(), -1)
        .await;
    let list = ok(specification)
        .remove(0)
        .partition_list
        .unwrap()
        .partitions
        .unwrap();
    assert_eq!(list.len(), 6);
    let request = hms::PartitionValuesRequest {
        db_name: flights.clone(),
        tbl_name: table.clone(),
        partition_keys: vec![column("month", "string")],
        ..hms::PartitionValuesRequest::default()
    };
    let rows = ok(client.get_partition_values(request).await).partition_values;
    assert_eq!(rows.len(), 3);

    let one = vec![s("2013"), s("2/3")];
    let mut found = ok(client
        .get_partition(flights.clone(), table.clone(), one.clone())
        .await);
    found
        .parameters
        .get_or_insert_default()
        .insert(s("numRows"), s("7"));
    found.sd.as_mut().unwrap().location = Some(house.at("elsewhere"));
    ok(client
        .alter_partition(flights.clone(), table.clone(), found)
        .await);
    let found = ok(client
        .get_partition(flights.clone(), table.clone(), one.clone())
        .await);
    assert_eq!(found.parameters.unwrap()["numRows"], "7");
    assert_eq!(found.sd.unwrap().location, Some(house.at("elsewhere")));
    ok(client
        .drop_partition(flights.clone(), table.clone(), one.clone(), false)
        .await);
    let missing = client
        .get_partition(flights.clone(), table.clone(), one)
        .await;
    assert!(thrown(missing).contains("NoSuchObjectException"));
    let request = hms::DropPartitionsRequest {
        db_name: flights.clone(),
        tbl_name: table.clone(),
        parts: hms::RequestPartsSpec::Names(vec![s("year=2014/month=1"), s("year=1/month=1")]),
        ..hms::DropPartitionsRequest::default()
    };
    let dropped = ok(client.drop_partitions_req(request).await)
        .partitions
        .unwrap();
    assert_eq!(dropped.len(), 1);
    let left = ok(client.get_partition_names(flights, table, -1).await);
    assert_eq!(left.len(), 4);
    house.stop().await;
}

#[tokio::test]
async fn what_the_lake_has_none_of_is_answered_so() {
    let (house, client) = with_planes().await;
    let (flights, table) = (s("flights"), s("planes"));
    assert_eq!(ok(client.set_ugi(s("me"), Vec::new()).await), ["me"]);
    assert_eq!(ok(client.get_config_value(s("hive.x"), s("y")).await), "y");
    assert!(thrown(client.get_meta_conf(s("hive.x")).await).contains("hive.x"));
    assert!(
        ok(client.get_all_functions().await)
            .functions
            .unwrap()
            .is_empty()
    );
    assert_eq!(ok(client.get_role_names().await), ["public"]);
    let before = client.get_current_notification_event_id().await.unwrap();
    ok(client
        .drop_table(flights.clone(), table.clone(), true)
        .await);
    let after = client.get_current_notification_event_id().await.unwrap();
    assert!(format!("{before:?}") != format!("{after:?}"));
    let name = s("year=2013/month=2%2F3");
    assert_eq!(
        ok(client.partition_name_to_vals(name).await),
        ["2013", "2/3"]
    );
    let statistics = client
        .get_table_column_statistics(flights, table, s("x"))
        .await;
    assert!(thrown(statistics).contains("NoSuchObjectException"));
    let unknown = client.get_open_txns().await.unwrap_err().to_string();
    assert!(unknown.contains("get_open_txns"), "{unknown}");
    assert_eq!(ok(client.get_all_databases().await).len(), 2);
    house.stop().await;
}

mod hostile;
