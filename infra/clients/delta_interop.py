"""Delta tables of ours read by others, and tables of others for us to read.

    python delta_interop.py read  <checks.json>     compares versions of our tables with what we say is in them
    python delta_interop.py write <folder>          writes tables, and what is in each version, for us to compare
    python delta_interop.py vectors <folder>        the same by Spark, with rows hidden by deletion vectors
    python delta_interop.py packages                says which of the packages there are, and ends with 1 without deltalake

`checks.json` is a list of {"name", "table", "version", "rows", "readers", "changes_from"}: a table's folder, a version of it,
an Arrow IPC file of its rows, and who can read it (null: everybody); or the rows are changes of that version and those before,
from another one on, which Spark reads. `write` leaves <folder>/<table> and <folder>/<table>.<version>.arrow.

Needs the PyPI packages `deltalake` and `pyarrow`; `polars` and `duckdb` read too where they are installed, and Spark
where there are Java, the package `pyspark` and, in the folder that LAKEHOUSE_TEST_DELTA_JARS names, Delta's jars
(`mvn dependency:copy -Dartifact=io.delta:delta-spark_2.12:3.3.0 -DoutputDirectory=<folder>`, and delta-storage:3.3.0).
Prints one line per check and ends with status 1 at the first that fails.
"""

import datetime
import decimal
import functools
import importlib
import json
import os
import pathlib
import shutil
import sys


@functools.cache
def optional(package):
    try:
        return importlib.import_module(package)
    except ImportError:
        print(f"SKIPPED: the package `{package}` is not installed")
        return None


def canonical(rows, columns):
    """Returns rows in one order and one spelling, so that readers can be compared."""

    def plain(value):
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in sorted(value.items())}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        if isinstance(value, datetime.datetime):
            if value.tzinfo is not None:
                value = value.astimezone(datetime.timezone.utc)
            return value.strftime("%Y-%m-%dT%H:%M:%S.%f") + ("Z" if value.tzinfo else "")
        if isinstance(value, (datetime.date, decimal.Decimal)):
            return str(value)
        if isinstance(value, (bytes, bytearray)):
            return bytes(value).hex()
        return value

    return sorted(json.dumps([plain(row[column]) for column in columns]) for row in rows)


@functools.cache
def spark_session():
    """Returns Spark with Delta's own library; none where a part of it is missing."""
    folder = pathlib.Path(os.environ.get("LAKEHOUSE_TEST_DELTA_JARS") or "-")
    jars = sorted(str(jar) for jar in folder.glob("delta-*.jar"))
    missing = [
        what
        for what, found in [
            ("Delta's jars: LAKEHOUSE_TEST_DELTA_JARS names no folder with them", jars),
            ("a Java runtime", shutil.which("java")),
            ("the package `pyspark`", optional("pyspark")),
        ]
        if not found
    ]
    if missing:
        print(f"SKIPPED: Spark does not read: it needs {' and '.join(missing)}")
        return None
    from pyspark.sql import SparkSession

    options = {
        "spark.jars": ",".join(jars),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
    }
    builder = SparkSession.builder.master("local[2]")
    for key, value in options.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    print(f"spark {session.version} with {', '.join(pathlib.Path(jar).name for jar in jars)}")
    return session


def readers(path, version, changes_from):
    """Returns the ways to read a version, or changes: functions by name."""
    import deltalake
    import pyarrow

    table = deltalake.DeltaTable(path, version=version)

    def by_duckdb(duckdb):
        files = table.to_pyarrow_dataset()  # noqa: F841 - DuckDB finds it by its name
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        return connection.sql("SELECT * FROM files").to_arrow_table().to_pylist()

    def by_sql():
        query = deltalake.QueryBuilder().register("files", table).execute("SELECT * FROM files")
        return pyarrow.table(query.read_all()).to_pylist()

    def by_spark(session):
        reader = session.read.format("delta")
        if changes_from is None:
            frame = reader.option("versionAsOf", version).load(path)
        else:
            reader = reader.option("readChangeFeed", "true").option("startingVersion", changes_from)
            frame = reader.option("endingVersion", version).load(path).drop("_commit_timestamp")
        batches = frame._collect_as_arrow()
        return [row for batch in batches for row in batch.to_pylist()]

    found = {"deltalake": lambda: table.to_pyarrow_table().to_pylist(), "deltalake-sql": by_sql}
    if polars := optional("polars"):
        found["polars"] = lambda: polars.read_delta(path, version=version).to_dicts()
    if duckdb := optional("duckdb"):
        found["duckdb"] = lambda: by_duckdb(duckdb)
    if session := spark_session():
        found["spark"] = lambda: by_spark(session)
    return found


def read(checks):
    import pyarrow

    for check in json.loads(pathlib.Path(checks).read_text()):
        with pyarrow.ipc.open_file(check["rows"]) as file:
            expected = file.read_all()
        columns = expected.column_names
        wanted = canonical(expected.to_pylist(), columns)
        only = check.get("readers")
        for reader, rows_of in readers(check["table"], check["version"], check.get("changes_from")).items():
            if only and reader not in only:
                continue
            rows = rows_of()
            name = f"{check['name']} version {check['version']} by {reader}"
            if rows and sorted(rows[0]) != sorted(columns):
                sys.exit(f"FAILED {name}: columns {sorted(rows[0])}, expected {sorted(columns)}")
            found = canonical(rows, columns)
            if found != wanted:
                extra = [row for row in found if row not in wanted][:3]
                missing = [row for row in wanted if row not in found][:3]
                sys.exit(f"FAILED {name}: {len(found)} rows, expected {len(wanted)}; not expected {extra}, missing {missing}")
            print(f"ok {name}: {len(found)} rows")
    print(f"deltalake {importlib.import_module('deltalake').__version__}")
    if session := spark_session():
        session.stop()


def write(folder):
    import deltalake
    import pyarrow

    folder = pathlib.Path(folder)
    day = datetime.date(2013, 1, 1)
    at = datetime.datetime(2013, 1, 1, 5, 30, tzinfo=datetime.timezone.utc)

    def rows(ids):
        ids = list(ids)
        return pyarrow.table(
            {
                "id": pyarrow.array(ids, pyarrow.int64()),
                "carrier": pyarrow.array(["UA" if i % 2 else "A A/%" for i in ids], pyarrow.string()),
                "delay": pyarrow.array([None if i % 5 == 0 else i / 4 for i in ids], pyarrow.float64()),
                "day": pyarrow.array([day + datetime.timedelta(days=i % 3) for i in ids], pyarrow.date32()),
                "at": pyarrow.array([at + datetime.timedelta(minutes=i) for i in ids], pyarrow.timestamp("us", "UTC")),
                "price": pyarrow.array([decimal.Decimal(i) / 4 for i in ids], pyarrow.decimal128(10, 2)),
                "tags": pyarrow.array([[f"t{i}", None] for i in ids], pyarrow.list_(pyarrow.string())),
            }
        )

    for name, partition_by in [("plain", None), ("parted", ["carrier", "day"])]:
        path = str(folder / name)
        expected = {}

        def note():
            table = deltalake.DeltaTable(path)
            data = table.to_pyarrow_table()
            expected[table.version()] = data
            with pyarrow.ipc.new_file(str(folder / f"{name}.{table.version()}.arrow"), data.schema) as file:
                file.write_table(data)
            return table

        deltalake.write_deltalake(path, rows(range(0, 20)), partition_by=partition_by, configuration={"delta.enableChangeDataFeed": "true"})
        note()
        deltalake.write_deltalake(path, rows(range(20, 30)), mode="append")
        table = note()
        table.delete("id % 7 = 0")
        table = note()
        table.update(predicate="id > 25", updates={"delay": "delay * 2"})
        table = note()
        merge = table.merge(rows([1, 2, 100, 101]), "s.id = t.id", source_alias="s", target_alias="t")
        merge.when_matched_delete("s.id = 1").when_matched_update_all().when_not_matched_insert_all().execute()
        table = note()
        table.create_checkpoint()
        table.optimize.compact()
        table = note()
        deltalake.write_deltalake(path, rows([3, 5]), mode="overwrite", predicate="id < 10 AND carrier = 'UA' AND id > 2 AND id <> 9 AND id <> 7")
        table = note()
        table.alter.add_constraint({"positive": "id >= 0"})
        table = note()
        deltalake.write_deltalake(path, rows(range(200, 205)), mode="append")
        table = note()
        table.create_checkpoint()
        deltalake.write_deltalake(path, rows(range(300, 303)), mode="overwrite")
        note()
        print(f"ok {name}: versions {sorted(expected)}")


def vectors(folder):
    import pyarrow

    session = spark_session()
    if not session:
        return
    folder = pathlib.Path(folder)
    for name, partitions in [("hidden", ""), ("hidden_parted", "PARTITIONED BY (carrier)")]:
        path = str(folder / name)
        table = f"delta.`{path}`"
        properties = "'delta.enableDeletionVectors' = 'true', 'delta.checkpointInterval' = '3'"
        session.sql(f"CREATE TABLE {table} (id BIGINT, carrier STRING, delay DOUBLE) USING delta {partitions} TBLPROPERTIES ({properties})")
        rows = "SELECT /*+ COALESCE(1) */ id, IF(id % 3 = 0, 'UA', 'A A/%') AS carrier, id / 4 AS delay"
        for version, statement in enumerate(
            [
                f"INSERT INTO {table} {rows} FROM range(0, 1000, 1, 1)",
                f"DELETE FROM {table} WHERE id % 7 = 3",
                f"DELETE FROM {table} WHERE id IN (0, 500, 999)",
                f"UPDATE {table} SET delay = -1 WHERE id % 11 = 5",
                f"INSERT INTO {table} {rows} FROM range(2000, 2010, 1, 1)",
                f"MERGE INTO {table} t USING (SELECT explode(array(1, 2, 2001, 5000)) AS id) s ON t.id = s.id "
                "WHEN MATCHED AND t.id = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET delay = 7 "
                "WHEN NOT MATCHED THEN INSERT (id, carrier, delay) VALUES (s.id, 'ZZ', 0)",
            ],
            start=1,
        ):
            session.sql(statement)
            frame = session.read.format("delta").option("versionAsOf", version).load(path)
            data = pyarrow.Table.from_batches(frame._collect_as_arrow())
            with pyarrow.ipc.new_file(str(folder / f"{name}.{version}.arrow"), data.schema) as file:
                file.write_table(data)
        print(f"ok {name}: {len(list(pathlib.Path(path).glob('**/deletion_vector_*.bin')))} files of deletion vectors")
    session.stop()


def packages():
    for package in ["deltalake", "pyarrow", "polars", "duckdb"]:
        found = optional(package)
        print(f"{package} {found.__version__}" if found else f"{package} is missing")
        if not found and package in ("deltalake", "pyarrow"):
            sys.exit(1)


if __name__ == "__main__":
    {"read": read, "write": write, "vectors": vectors, "packages": packages}[sys.argv[1]](*sys.argv[2:])
    # Some of the packages abort now and then when the interpreter stops their threads; all is said and done.
    sys.stdout.flush()
    os._exit(0)
