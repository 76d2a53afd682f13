"""The unmodified Trino Python client against a running lakehouse.

    python trino_python.py http://127.0.0.1:8080 [folder of report .sql files]

Needs the PyPI package `trino`. Prints one line per check and ends with status 1 at the first that fails.
"""

import datetime
import decimal
import pathlib
import sys
from urllib.parse import urlparse

import trino


def connect(url, **options):
    parts = urlparse(url)
    return trino.dbapi.connect(host=parts.hostname, port=parts.port, http_scheme=parts.scheme, user="check", catalog="lake", **options)


def rows(connection, sql, params=None):
    cursor = connection.cursor()
    cursor.execute(sql, params) if params is not None else cursor.execute(sql)
    return cursor.fetchall()


def check(name, found, expected):
    if found != expected:
        sys.exit(f"FAILED {name}: found {found!r}, expected {expected!r}")
    print(f"ok {name}")


def fails(connection, name, sql, error_name):
    try:
        rows(connection, sql)
    except trino.exceptions.TrinoQueryError as error:
        check(name, error.error_name, error_name)
        return
    sys.exit(f"FAILED {name}: no error")


def main():
    url = sys.argv[1]
    connection = connect(url)
    check("catalogs", ["lake"] in rows(connection, "SHOW CATALOGS"), True)
    check("schemas", ["information_schema"] in rows(connection, "SHOW SCHEMAS FROM lake"), True)
    rows(connection, "CREATE SCHEMA IF NOT EXISTS lake.client_check")
    rows(connection, "DROP TABLE IF EXISTS lake.client_check.types")
    rows(connection, "CREATE TABLE lake.client_check.types (b boolean, i integer, l bigint, d double, p decimal(10,2), s varchar, v varbinary, at timestamp(6), day date)")
    cursor = connection.cursor()
    cursor.execute(
        "INSERT INTO lake.client_check.types VALUES (true, 1, 9007199254740993, 1e10, DECIMAL '1.50', 'it''s \"é\"', X'00ff', "
        "TIMESTAMP '2026-01-02 03:04:05.123456', DATE '2026-01-02')"
    )
    cursor.fetchall()
    check("insert count", cursor.rowcount, 1)
    check("tables", rows(connection, "SHOW TABLES FROM lake.client_check"), [["types"]])
    expected = [
        True, 1, 9007199254740993, 1e10, decimal.Decimal("1.50"), "it's \"é\"", b"\x00\xff",
        datetime.datetime(2026, 1, 2, 3, 4, 5, 123456), datetime.date(2026, 1, 2),
    ]
    check("types", rows(connection, "SELECT * FROM lake.client_check.types"), [expected])
    check("time travel", rows(connection, "SELECT count(*) FROM lake.client_check.types FOR VERSION AS OF 0"), [[0]])
    check("special doubles", str(rows(connection, "SELECT nan(), infinity()")), "[[nan, inf]]")
    check("array", rows(connection, "SELECT ARRAY[1, 2, NULL]"), [[[1, 2, None]]])
    found = rows(connection, "SELECT s FROM lake.client_check.types WHERE i = ? AND day = ? AND p = ?", (1, datetime.date(2026, 1, 2), decimal.Decimal("1.50")))
    check("parameters", found, [["it's \"é\""]])
    cursor = connection.cursor()
    cursor.execute("SELECT i, s FROM lake.client_check.types")
    check("description", [(column.name, column.type_code) for column in cursor.description], [("i", "integer"), ("s", "varchar")])
    fails(connection, "unknown column", "SELECT nope FROM lake.client_check.types", "COLUMN_NOT_FOUND")
    fails(connection, "unknown table", "SELECT * FROM lake.client_check.nope", "TABLE_NOT_FOUND")
    fails(connection, "syntax", "SELEKT 1", "SYNTAX_ERROR")
    fails(connection, "not supported", "GRANT SELECT ON lake.client_check.types TO ann", "NOT_SUPPORTED")
    cursor = connection.cursor()
    cursor.execute("SELECT a.flight FROM lake.flights.flights a CROSS JOIN lake.flights.flights b")
    cursor.fetchone()
    cursor.cancel()
    print("ok cancel")
    session = connect(url)
    rows(session, "USE lake.client_check")
    check("use", rows(session, "SELECT count(*) FROM types"), [[1]])
    rows(connection, "DROP TABLE lake.client_check.types")
    rows(connection, "DROP SCHEMA lake.client_check")
    if len(sys.argv) > 2:
        for path in sorted(pathlib.Path(sys.argv[2]).glob("*.sql")):
            found = rows(connection, path.read_text().rstrip().rstrip(";"))
            check(f"report {path.stem}: {len(found)} rows", bool(found), True)


main()
