"""Unmodified Python clients of Trino and Presto against a running lakehouse.

    python trino_clients.py {spooling|dbapi|sqlalchemy|prestodb|pyhive} http://127.0.0.1:8080

Needs the PyPI packages `trino[sqlalchemy]`, `presto-python-client` and `PyHive`, each for its own part. Prints one line per
check and ends with status 1 at the first that fails; without the package a part says SKIPPED.
"""

import datetime
import decimal
import math
import sys
import time
from urllib.parse import urlparse

ROWS = 200_000
DIGITS = "(VALUES 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"


def numbers(digits):
    """A subquery with 10^digits rows `n`."""
    value = " + ".join(f"d{i}.x * {10 ** i}" for i in range(digits))
    tables = " CROSS JOIN ".join(f"{DIGITS} d{i}(x)" for i in range(digits))
    return f"(SELECT CAST({value} AS BIGINT) AS n FROM {tables})"


def check(name, found, expected):
    if found != expected:
        sys.exit(f"FAILED {name}: found {found!r}, expected {expected!r}")
    print(f"ok {name}")


def module(name):
    try:
        return __import__(name, fromlist=["x"])
    except ImportError as error:
        print(f"SKIPPED: {error}")
        sys.exit(0)


def place(url):
    parts = urlparse(url)
    return {"host": parts.hostname, "port": parts.port}


def rows(connection, sql, params=None):
    cursor = connection.cursor()
    cursor.execute(sql, params) if params is not None else cursor.execute(sql)
    return cursor.fetchall()


def spooling(url):
    """The same rows in pages and in segments of each encoding."""
    trino = module("trino")
    sql = (
        "SELECT n, CAST(n AS integer) AS i, n / 3e0 AS d, CAST(n AS varchar) || ' text \"é\"' AS s, n % 2 = 0 AS b, "
        f"DATE '2024-01-01' AS day, CAST(n AS decimal(12,2)) AS p, CASE WHEN n % 5 = 0 THEN n END AS o FROM {numbers(6)} WHERE n < {ROWS}"
    )
    for encoding in ["plain", "json", "json+lz4", "json+zstd", None]:
        options = {} if encoding is None else {"encoding": None if encoding == "plain" else encoding}
        if encoding == "plain":
            options = {"encoding": []}
        connection = trino.dbapi.connect(**place(url), user="check", catalog="lake", **options)
        started = time.monotonic()
        cursor = connection.cursor()
        cursor.execute(sql)
        count = total = 0
        for row in cursor:
            count += 1
            total += row[0]
            n = row[0]
            expected = [n, n, n / 3, f'{n} text "é"', n % 2 == 0, datetime.date(2024, 1, 1), decimal.Decimal(n), n if n % 5 == 0 else None]
            if row != expected:
                sys.exit(f"FAILED {encoding}: found {row!r}, expected {expected!r}")
        seconds = time.monotonic() - started
        check(f"{encoding or 'the default encoding'}: {count / seconds:.0f} rows/s", (count, total), (ROWS, ROWS * (ROWS - 1) // 2))
    connection = trino.dbapi.connect(**place(url), user="check", catalog="lake")
    cursor = connection.cursor()
    cursor.execute(f"SELECT l.n FROM {numbers(5)} l CROSS JOIN {numbers(5)} r")
    cursor.fetchone()
    cursor.cancel()
    print("ok cancel")


def dbapi(url):
    """Values of every type, parameters, errors, sessions."""
    trino = module("trino")
    connection = trino.dbapi.connect(**place(url), user="check", catalog="lake")
    check("nested", rows(connection, "SELECT ARRAY[1, NULL], ARRAY[ARRAY['a']]"), [[[1, None], [["a"]]]])
    found = rows(connection, "SELECT nan(), infinity(), -infinity(), 1e300, 0e0")[0]
    check("doubles", (math.isnan(found[0]), found[1:]), (True, [math.inf, -math.inf, 1e300, 0.0]))
    check("null", rows(connection, "SELECT NULL, CAST(NULL AS bigint)"), [[None, None]])
    found = rows(connection, "SELECT TIMESTAMP '2024-02-29 01:02:03.000004', DATE '1969-12-31', X'00ff'")
    check("times", found, [[datetime.datetime(2024, 2, 29, 1, 2, 3, 4), datetime.date(1969, 12, 31), b"\x00\xff"]])
    values = (1, 1.5, "it's", None, True, decimal.Decimal("1.50"), datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2, 3, 4, 5, 6))
    check("parameters", rows(connection, "SELECT ?, ?, ?, ?, ?, ?, ?, ?", values), [list(values)])
    try:
        rows(connection, "SELECT nope")
        sys.exit("FAILED unknown column: no error")
    except trino.exceptions.TrinoUserError as error:
        check("unknown column", error.error_name, "COLUMN_NOT_FOUND")
    rows(connection, "CREATE SCHEMA IF NOT EXISTS lake.dbapi")
    rows(connection, "CREATE TABLE lake.dbapi.t AS SELECT 1 AS x")
    cursor = connection.cursor()
    cursor.execute("INSERT INTO lake.dbapi.t SELECT 2")
    cursor.fetchall()
    check("rowcount", cursor.rowcount, 1)
    session = trino.dbapi.connect(**place(url), user="check", catalog="lake")
    rows(session, "USE lake.dbapi")
    rows(session, "SET SESSION query_max_run_time = '1h'")
    check("session", rows(session, "SELECT sum(x) FROM t"), [[3]])
    with trino.dbapi.connect(**place(url), user="check", isolation_level=trino.transaction.IsolationLevel.SERIALIZABLE) as transaction:
        check("transaction", rows(transaction, "SELECT 1"), [[1]])
    secret = trino.auth.BasicAuthentication("check", "secret")
    try:
        rows(trino.dbapi.connect(**place(url), user="check", auth=secret, http_scheme="http"), "SELECT 1")
        sys.exit("FAILED password: no error")
    except Exception as error:  # The client itself refuses to send it.
        print(f"ok password refused: {type(error).__name__}")


def sqlalchemy(url):
    """What Superset asks: schemas, tables, columns, and statements of its own making."""
    sa = module("sqlalchemy")
    module("trino.sqlalchemy")
    at = place(url)
    engine = sa.create_engine(f"trino://check@{at['host']}:{at['port']}/lake")
    with engine.connect() as connection:
        for sql in [
            "CREATE SCHEMA IF NOT EXISTS lake.alchemy",
            "CREATE TABLE lake.alchemy.t (id integer, name varchar, at timestamp(6), p decimal(10,2))",
            "INSERT INTO lake.alchemy.t VALUES (1, 'one', TIMESTAMP '2026-01-01 00:00:00', DECIMAL '1.50'), (2, 'two', NULL, NULL)",
        ]:
            connection.execute(sa.text(sql))
        inspector = sa.inspect(engine)
        check("schemas", "alchemy" in inspector.get_schema_names(), True)
        check("tables", inspector.get_table_names("alchemy"), ["t"])
        check("has table", (inspector.has_table("t", "alchemy"), inspector.has_table("u", "alchemy")), (True, False))
        columns = inspector.get_columns("t", "alchemy")
        check("columns", [(c["name"], str(c["type"]).upper()) for c in columns], [("id", "INTEGER"), ("name", "VARCHAR"), ("at", "TIMESTAMP"), ("p", "DECIMAL(10, 2)")])
        table = sa.Table("t", sa.MetaData(schema="alchemy"), autoload_with=engine)
        found = connection.execute(sa.select(table.c.name).where(table.c.id > 0).order_by(table.c.id).limit(1).offset(1)).fetchall()
        check("select", [tuple(row) for row in found], [("two",)])
        connection.execute(table.insert(), [{"id": 3, "name": "three"}])
        check("insert", connection.execute(sa.select(sa.func.count()).select_from(table)).scalar(), 3)


def prestodb(url):
    """Presto's own client: X-Presto headers, no parametric times."""
    prestodb = module("prestodb")
    connection = prestodb.dbapi.connect(**place(url), user="check", catalog="lake", schema="default")
    cursor = connection.cursor()
    cursor.execute(f"SELECT n, CAST(n AS varchar) AS s, TIMESTAMP '2026-01-01 00:00:00.123456' AS at FROM {numbers(4)} ORDER BY n")
    found = cursor.fetchall()
    check("rows", (len(found), found[9999][:2]), (10_000, [9999, "9999"]))
    check("legacy times", (found[0][2], cursor.description[2][1]), ("2026-01-01 00:00:00.123", "timestamp"))
    cursor = connection.cursor()
    try:
        cursor.execute("SELECT nope")
        cursor.fetchall()
        sys.exit("FAILED unknown column: no error")
    except prestodb.exceptions.PrestoUserError as error:
        check("unknown column", error.error_name, "COLUMN_NOT_FOUND")
    check("schemas", ["information_schema"] in rows(connection, "SHOW SCHEMAS FROM lake"), True)


def pyhive(url):
    """What old Superset uses."""
    presto = module("pyhive.presto")
    connection = presto.connect(**place(url), username="check", catalog="lake", schema="default")
    check("rows", rows(connection, f"SELECT count(*), sum(n) FROM {numbers(3)}"), [(1000, 499_500)])
    check("parameters", rows(connection, "SELECT %s, %s", (5, "it's")), [(5, "it's")])
    cursor = connection.cursor()
    cursor.execute("SELECT 1 AS a, 'x' AS b")
    check("description", [column[:2] for column in cursor.description], [("a", "integer"), ("b", "varchar(1)")] if cursor.description[1][1] != "varchar" else [("a", "integer"), ("b", "varchar")])
    try:
        rows(connection, "SELECT nope")
        sys.exit("FAILED unknown column: no error")
    except presto.DatabaseError as error:
        check("unknown column", error.args[0]["errorName"], "COLUMN_NOT_FOUND")
    check("catalogs", ("lake",) in rows(connection, "SHOW CATALOGS"), True)


if __name__ == "__main__":
    parts = {part.__name__: part for part in (spooling, dbapi, sqlalchemy, prestodb, pyhive)}
    parts[sys.argv[1]](sys.argv[2])
