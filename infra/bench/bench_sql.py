#!/usr/bin/env python3
"""TPC-H through the engine, against plain DataFusion and DuckDB on plain Parquet files; medians of five, in one run.

  infra/bench/bench_sql.py tpch [--scale 1] [--runs 5] [--keep FOLDER]
  infra/bench/bench_sql.py memory [--scale 1] [--keep FOLDER]

Our tables are Delta tables filled by CREATE TABLE AS SELECT, lineitem and orders in the order of their dates. A second
set of ours is the peers' own Parquet files, converted in place: what scanning through the Delta log costs.
`memory` sorts and joins rows four times larger than the memory limit, and prints the peak of the resident memory.
Needs `cargo build --release` and `pip install tpchgen-cli 'datafusion==55.*' duckdb pyarrow`; tpchgen-cli on the PATH.
LAKEHOUSE_BIN names another binary.
"""
import argparse
import csv
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
BINARY = os.environ.get("LAKEHOUSE_BIN", os.path.join(TARGET, "release", "lakehouse"))
TABLES = ["nation", "region", "part", "supplier", "partsupp", "customer", "orders", "lineitem"]
ORDER = {"lineitem": "l_shipdate", "orders": "o_orderdate"}


def queries():
    text = open(os.path.join(ROOT, "infra", "bench", "tpch.sql")).read()
    text = re.sub(r"--.*", "", text)
    return [query.strip() for query in text.split(";") if query.strip()]


def ours(folder, script, *flags):
    """Runs a script in one process and returns the seconds of each statement."""
    path = os.path.join(folder, "script.sql")
    with open(path, "w") as file:
        file.write(script)
    done = subprocess.run([BINARY, "sql", "--data-dir", folder, "-f", path, *flags], text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(done.stderr[-2000:])
    return [float(seconds) for seconds in re.findall(r"\(([0-9.]+) s\)$", done.stderr, re.M)], done.stdout


def same(ours, theirs):
    """Whether rows agree. Trino's averages and quotients of decimals have the digits of their type, which DuckDB's, being
    doubles, exceed: a number of ours equals theirs rounded so."""
    def equal(our, their):
        try:
            exact, number = Decimal(str(their)), Decimal(our)
        except (ArithmeticError, TypeError, ValueError):
            return our.strip() == ("" if their is None else str(their).strip())
        return abs(number - exact) <= max(Decimal(1).scaleb(number.as_tuple().exponent) / 2, abs(exact) * Decimal("1e-9"))

    def key(row):
        """Rows with equal sort keys come in any order."""
        def rough(cell):
            try:
                return f"{float(cell):.2g}"
            except (TypeError, ValueError):
                return "" if cell is None else str(cell).strip()
        return [rough(cell) for cell in row]
    pairs = zip(sorted(ours, key=key), sorted(theirs, key=key))
    return len(ours) == len(theirs) and all(len(a) == len(b) and all(map(equal, a, b)) for a, b in pairs)


def tables(folder, scale):
    raw = os.path.join(folder, "lake", "raw")
    if not os.path.exists(os.path.join(raw, "lineitem")):
        flat = os.path.join(folder, "flat")
        subprocess.run(["tpchgen-cli", "parquet", "-s", str(scale), f"--output-dir={flat}"], check=True)
        for table in TABLES:
            os.makedirs(os.path.join(raw, table))
            os.rename(os.path.join(flat, f"{table}.parquet"), os.path.join(raw, table, f"{table}.parquet"))
        subprocess.run([BINARY, "sql", "--data-dir", folder, "-e",
                        "CREATE SCHEMA plain"], check=True, capture_output=True)
        for table in TABLES:
            subprocess.run([BINARY, "table", "convert", f"plain.{table}", f"raw/{table}", "--data-dir", folder],
                           check=True, capture_output=True)
        fill = "CREATE SCHEMA tpch;" + "".join(
            f"CREATE TABLE tpch.{table} AS SELECT * FROM plain.{table}"
            + (f" ORDER BY {ORDER[table]};" if table in ORDER else ";") for table in TABLES)
        ours(folder, fill)
    return raw


def memory(scale, _, keep):
    import pyarrow.parquet
    folder = keep or tempfile.mkdtemp(prefix="lakehouse-tpch-")
    raw = tables(folder, scale)
    # Batch by batch: the peak of a child process counts that of its parent before it.
    file = pyarrow.parquet.ParquetFile(os.path.join(raw, "lineitem", "lineitem.parquet"))
    rows = sum(batch.nbytes for batch in file.iter_batches())
    limit = rows // 4
    works = {"sort": "SELECT * FROM lineitem ORDER BY l_comment, l_orderkey, l_linenumber",
             "join": "SELECT * FROM lineitem l JOIN lineitem r ON l.l_orderkey = r.l_orderkey "
                     "AND l.l_linenumber = r.l_linenumber"}
    print("| what | rows MB | limit MB | peak MB | peak / limit | seconds |\n|---|---|---|---|---|---|")
    for name, query in works.items():
        environment = {**os.environ, "LAKEHOUSE__QUERY__MEMORY_LIMIT_BYTES": str(limit)}
        started = time.perf_counter()
        process = subprocess.Popen([BINARY, "sql", "--data-dir", folder, "--schema", "tpch", "--format", "csv",
                                    "-e", query], stdout=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        took, peak = time.perf_counter() - started, usage.ru_maxrss * 1024
        if status != 0:
            sys.exit(f"{name}: failed")
        print(f"| {name} | {rows / 1e6:.0f} | {limit / 1e6:.0f} | {peak / 1e6:.0f} | {peak / limit:.2f} | {took:.0f} |")
    if not keep:
        shutil.rmtree(folder)


def tpch(scale, runs, keep):
    import datafusion
    import duckdb
    folder = keep or tempfile.mkdtemp(prefix="lakehouse-tpch-")
    raw = tables(folder, scale)
    texts = queries()
    duck = duckdb.connect()
    duck.execute("SET threads TO 2")
    config = datafusion.SessionConfig().with_target_partitions(2)
    plain = datafusion.SessionContext(config)
    for table in TABLES:
        path = os.path.join(raw, table, f"{table}.parquet")
        duck.execute(f"CREATE VIEW {table} AS SELECT * FROM '{path}'")
        plain.register_parquet(table, path)

    def timed(run):
        started = time.perf_counter()
        rows = run()
        return time.perf_counter() - started, rows

    def plain_rows(query):
        return [row for batch in plain.sql(query).collect() for row in zip(*[c.to_pylist() for c in batch.columns])]

    names = ("lake", "converted", "datafusion", "duckdb")
    seconds = {name: [[] for _ in texts] for name in names}
    for number, query in enumerate(texts):
        for name, schema in (("lake", "tpch"), ("converted", "plain")):
            took, out = ours(folder, query, "--schema", schema, "--format", "csv")
            answer = list(csv.reader(out.splitlines()))[1:]
            if not same(answer, duck.execute(query).fetchall()):
                sys.exit(f"Q{number + 1}: {name} differs from duckdb: {answer[:2]}")
    for _ in range(runs):
        # One process per run and engine; the first round of each warms it.
        for name, schema in (("lake", "tpch"), ("converted", "plain")):
            script = ";\n".join(text for text in texts for _ in range(2))
            took, _ = ours(folder, script, "--schema", schema, "--format", "csv")
            for number in range(len(texts)):
                seconds[name][number].append(took[2 * number + 1])
        for number, query in enumerate(texts):
            plain.sql(query).collect()
            seconds["datafusion"][number].append(timed(lambda: plain.sql(query).collect())[0])
            duck.execute(query).fetchall()
            seconds["duckdb"][number].append(timed(lambda: duck.execute(query).fetchall())[0])
    median = {name: [statistics.median(values) for values in rows] for name, rows in seconds.items()}
    print("| query | " + " | ".join(f"{name} ms" for name in names) + " | lake / datafusion | lake / duckdb |")
    print("|---|" + "---|" * (len(names) + 2))
    for number in range(len(texts)):
        values = [median[name][number] for name in names]
        print(f"| Q{number + 1} | " + " | ".join(f"{value * 1000:.0f}" for value in values)
              + f" | {values[0] / values[2]:.2f} | {values[0] / values[3]:.2f} |")

    def ratio(one, other):
        return math.exp(statistics.mean(math.log(a / b) for a, b in zip(median[one], median[other])))
    print(f"geometric means: lake / datafusion {ratio('lake', 'datafusion'):.2f}, lake / duckdb "
          f"{ratio('lake', 'duckdb'):.2f}, converted / datafusion {ratio('converted', 'datafusion'):.2f}, "
          f"datafusion / duckdb {ratio('datafusion', 'duckdb'):.2f}")
    if not keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=["tpch", "memory"])
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", help="a folder that stays, so that a second run need not make the tables again")
    arguments = parser.parse_args()
    run = {"tpch": tpch, "memory": memory}[arguments.benchmark]
    run(arguments.scale, arguments.runs, arguments.keep)
