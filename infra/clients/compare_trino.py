#!/usr/bin/env python3
"""Runs the same statements on a real Trino and on us, and compares every type, value and error name.

  compare_trino.py OUR_URL TRINO_URL

Statements: the queries of sql/tests/*.slt that need no table of ours, and the calls of query/src/trino/tests/functions.tsv.
Trino needs a catalog `memory`. Prints what differs and ends with 1 if something does that KNOWN does not explain.
"""
import json
import pathlib
import re
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What Trino says of our own tables and catalogs, and what is fixed for each server.
NOT_COMPARED = {"TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND", "MISSING_CATALOG_NAME", "FUNCTION_NOT_FOUND"}
# A part of the statement, and why the answers differ.
KNOWN = [
    ("concat('a', NULL)", "Trino takes the NULL for an array"),
    ("map_concat", "maps have no order"),
    ("SELECT _col1", "names that columns get are names here"),
    ("JOIN UNNEST(xs) AS u(x) ON x > 1", "conditions on what is unnested are refused there"),
    ("AS jt ON x > 1", "conditions on a JSON_TABLE are refused there"),
    ("JSON_TABLE(o.j,", "correlated subqueries with a JSON_TABLE are refused there"),
    ("RIGHT JOIN JSON_TABLE", "refused by name here; there it is an INNER JOIN"),
    ('COLUMNS (a bigint, "a" bigint)', "refused by name here"),
    ("CAST(sequence(1, 1500) AS json)", "a limit of ours"),
    ("MATCH_RECOGNIZE", "refused by name here"),
    ("GEOMETRY '", "refused by name here"),
    ("system.metadata.table_properties", "each has its own"),
    ("TABLESAMPLE", "of a table of ours"),
    ("DATE '2020-01-01' < '2020-01-02'", "moments are compared with text here"),
]


def ask(url, sql):
    """Returns the column types and rows, or the error's name and message."""
    headers = {"X-Trino-User": "test", "X-Trino-Catalog": "memory", "X-Trino-Schema": "default",
               "X-Trino-Time-Zone": "UTC", "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME"}
    request = urllib.request.Request(url + "/v1/statement", sql.encode(), headers)
    types, rows = None, []
    while True:
        with urllib.request.urlopen(request) as response:
            page = json.load(response)
        if "error" in page:
            return page["error"]["errorName"], page["error"]["message"]
        if page.get("columns"):
            types = [plain(column["type"]) for column in page["columns"]]
        rows += page.get("data") or []
        if "nextUri" not in page:
            return types, rows
        request = urllib.request.Request(page["nextUri"], headers=headers)


def plain(name):
    """A varchar of any length is a varchar: ours know their length only where it is declared."""
    return re.sub(r"varchar\(\d+\)", "varchar", name.replace(", ", ",")).lower()


def statements():
    for path in sorted((ROOT / "sql" / "tests").glob("*.slt")):
        for record in re.split(r"\n\s*\n", path.read_text()):
            lines = [line for line in record.split("\n") if not line.startswith("#")]
            head = lines[0].split() if lines else []
            if head[:1] != ["query"] and head[:2] != ["statement", "error"]:
                continue
            sql = "\n".join(lines[1:]).split("\n----")[0].strip()
            if re.match(r"(select|values|with|table|\()", sql, re.I):
                yield path.name, sql
    for line in (ROOT / "query" / "src" / "trino" / "tests" / "functions.tsv").read_text().splitlines():
        yield "functions.tsv", "SELECT " + line.split("\t")[0]


def value(cell):
    """Numbers to nine digits: both find inverse distributions by trying."""
    if isinstance(cell, float):
        return float(f"{cell:.9g}")
    if isinstance(cell, list):
        return [value(item) for item in cell]
    if isinstance(cell, dict):
        return {key: value(item) for key, item in cell.items()}
    return cell


def same(ours, theirs):
    if isinstance(ours[0], str) or isinstance(theirs[0], str):
        return ours[0] == theirs[0]
    rows = [sorted(json.dumps(value(row)) for row in answer[1]) for answer in (ours, theirs)]
    return ours[0] == theirs[0] and rows[0] == rows[1]


def main(our_url, trino_url):
    compared, skipped, differing, started = 0, 0, 0, time.time()
    for source, sql in statements():
        theirs = ask(trino_url, sql)
        if str(theirs[0]) in NOT_COMPARED or re.search(r"\b(now|random|uuid|current_\w+|localtime\w*|version)\b", sql, re.I):
            skipped += 1
            continue
        ours = ask(our_url, sql)
        compared += 1
        if same(ours, theirs) or any(part in sql for part, _ in KNOWN):
            continue
        differing += 1
        print(f"{source}: {sql}\n  Trino: {theirs}\n  ours:  {ours}")
    print(f"{compared} compared, {skipped} need what only one of the two has, {differing} differ ({time.time() - started:.0f} s)")
    return 1 if differing or not compared else 0


if __name__ == "__main__":
    sys.exit(main(*[url.rstrip("/") for url in sys.argv[1:3]]))
