"""Spark as a client of the Hive metastore of a running lakehouse.

    python spark_hive.py read   thrift://127.0.0.1:9083 work.json
    python spark_hive.py create thrift://127.0.0.1:9083 work.json
    python spark_hive.py drop   thrift://127.0.0.1:9083 work.json

Needs the PyPI package `pyspark` (3.5; its Hive client is inside) and a Java runtime (11 or 17). `work.json` says what
is expected: see `serve/tests/it/spark_hive.rs`. Prints one line per check and ends with status 1 at the first that fails.
"""

import json
import sys

from pyspark.sql import SparkSession


def session(metastore, warehouse):
    builder = SparkSession.builder.appName("check").master("local[1]")
    settings = {
        "spark.sql.catalogImplementation": "hive",
        "spark.hadoop.hive.metastore.uris": metastore,
        "spark.sql.warehouse.dir": warehouse,
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
    }
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def check(name, found, expected):
    if found != expected:
        sys.exit(f"FAILED {name}: found {found!r}, expected {expected!r}")
    print(f"ok {name}")


def fails(spark, name, sql, words):
    try:
        spark.sql(sql)
    except Exception as error:  # Spark wraps what the metastore throws in several ways.
        check(name, words in str(error), True)
        return
    sys.exit(f"FAILED {name}: no error")


def rows(spark, sql):
    return [list(row) for row in spark.sql(sql).collect()]


def names(spark, sql, column):
    return [row[column] for row in spark.sql(sql).collect()]


def described(spark, table):
    """Returns names and types of the columns, without what DESCRIBE says of partitions after them."""
    found = []
    for row in spark.sql(f"DESCRIBE {table}").collect():
        if not row["col_name"] or row["col_name"].startswith("#"):
            break
        found.append([row["col_name"], row["data_type"]])
    return found


def read(spark, work):
    databases = names(spark, "SHOW DATABASES", "namespace")
    check("databases", sorted(databases), sorted(work["databases"]))
    for database, tables in work["tables"].items():
        check(f"tables of {database}", names(spark, f"SHOW TABLES IN {database}", "tableName"), tables)
    for table, columns in work["columns"].items():
        check(f"columns of {table}", described(spark, table), columns)
    for sql, expected in work["queries"].items():
        check(sql, rows(spark, sql), expected)
    for table, partitions in work["partitions"].items():
        check(f"partitions of {table}", names(spark, f"SHOW PARTITIONS {table}", "partition"), partitions)
    # Only what the filter accepts is fetched from the metastore, and only its folder is read.
    for sql, files in work["pruned"].items():
        check(f"files of {sql}", len(spark.sql(sql).inputFiles()), files)
    fails(spark, "a table that does not exist", "SELECT * FROM raw.absent", "TABLE_OR_VIEW_NOT_FOUND")
    fails(spark, "a view", "CREATE VIEW raw.seen AS SELECT 1 AS one", "VIRTUAL_VIEW")
    fails(spark, "an ORC table", "CREATE TABLE raw.orc (a INT) STORED AS ORC", "not supported")
    print(spark.sql("DESCRIBE EXTENDED raw.weather")._jdf.showString(40, 80, False))


def create(spark, work):
    location = work["lake"] + "/spark"
    spark.sql("CREATE DATABASE made COMMENT 'by Spark'")
    spark.sql(
        "CREATE EXTERNAL TABLE made.visits (who STRING COMMENT 'name', n BIGINT, seen TIMESTAMP)"
        f" PARTITIONED BY (day STRING) STORED AS PARQUET LOCATION '{location}/visits'"
        " TBLPROPERTIES ('team' = 'web')"
    )
    spark.sql(
        "INSERT INTO made.visits PARTITION (day = '2026-01-01') VALUES"
        " ('ann', 1, TIMESTAMP '2026-01-01 10:00:00'), ('bob', 2, NULL)"
    )
    spark.sql("SET hive.exec.dynamic.partition.mode=nonstrict")
    spark.sql("INSERT INTO made.visits PARTITION (day) SELECT 'cy', 3, NULL, '2026-01-02'")
    check("rows come back", rows(spark, "SELECT who, n, day FROM made.visits ORDER BY n"),
          [["ann", 1, "2026-01-01"], ["bob", 2, "2026-01-01"], ["cy", 3, "2026-01-02"]])
    spark.sql("ALTER TABLE made.visits SET TBLPROPERTIES ('team' = 'data')")
    spark.sql("ALTER TABLE made.visits ADD COLUMNS (extra INT)")
    spark.sql("ALTER TABLE made.visits ADD PARTITION (day = '2026-01-03')")
    spark.sql("ALTER TABLE made.visits DROP PARTITION (day = '2026-01-03')")
    check("partitions", names(spark, "SHOW PARTITIONS made.visits", "partition"), ["day=2026-01-01", "day=2026-01-02"])
    # Read by Spark's own readers, registered with Spark's own properties.
    for kind in ["parquet", "csv", "json"]:
        table = f"made.own_{kind}"
        options = "OPTIONS (header 'true')" if kind == "csv" else ""
        spark.sql(f"CREATE TABLE {table} (a INT, b STRING, p INT) USING {kind} {options} PARTITIONED BY (p) LOCATION '{location}/{kind}'")
        spark.sql(f"INSERT INTO {table} VALUES (1, 'x', 7), (2, 'y', 8)")
        check(f"{kind} comes back", rows(spark, f"SELECT * FROM {table} WHERE p = 8"), [[2, "y", 8]])
    spark.sql("CREATE TABLE made.managed USING parquet AS SELECT 1 AS one, 'a' AS two")
    check("a managed table", rows(spark, "SELECT * FROM made.managed"), [[1, "a"]])
    spark.sql("ALTER TABLE made.managed RENAME TO made.renamed")
    check("renamed", names(spark, "SHOW TABLES IN made", "tableName"), ["own_csv", "own_json", "own_parquet", "renamed", "visits"])


def drop(spark, work):
    spark.sql("DROP TABLE made.visits")
    fails(spark, "dropped", "SELECT * FROM made.visits", "TABLE_OR_VIEW_NOT_FOUND")
    spark.sql("DROP DATABASE made CASCADE")
    check("databases", "made" in names(spark, "SHOW DATABASES", "namespace"), False)


def main():
    step, metastore, path = sys.argv[1:]
    with open(path) as file:
        work = json.load(file)
    spark = session(metastore, work["lake"] + "/warehouse")
    {"read": read, "create": create, "drop": drop}[step](spark, work)
    spark.stop()


main()
