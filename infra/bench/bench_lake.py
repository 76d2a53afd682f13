#!/usr/bin/env python3
"""Benchmarks of the table store against Python `deltalake` and `pyarrow`, as ratios of one run.

  infra/bench/bench_lake.py append      6 million flights into a table partitioned by year
  infra/bench/bench_lake.py commits     1,000-row appends, one commit each
  infra/bench/bench_lake.py open        a table of 10,000 commits and a checkpoint
  infra/bench/bench_lake.py memory      peak memory of an append, a compaction and merges, each with a limit

Needs `cargo build --release` first, and `pip install deltalake pyarrow`. LAKEHOUSE_BIN names another binary.
CPU seconds are those of whole processes on both sides: ours start, open the lake, read the Arrow file and write;
theirs read the same file and write.
"""
import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from bench import BINARY, DATA

YEARS = 18
COLUMNS = """year integer, month integer, day integer, dep_time integer, sched_dep_time integer, dep_delay integer,
    arr_time integer, sched_arr_time integer, arr_delay integer, carrier varchar, flight integer, tailnum varchar,
    origin varchar, dest varchar, air_time integer, distance integer, hour integer, minute integer,
    time_hour timestamp(6), flight_date date"""


def flights(years=YEARS):
    """Returns the shipped year repeated with shifted dates, as a table of one chunk."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    year = pq.read_table(os.path.join(DATA, "flights.parquet"))
    day = 24 * 3600 * 1_000_000
    parts = []
    for shift in range(years):
        part = year
        hours = pc.add(part["time_hour"].cast(pa.timestamp("us")).cast(pa.int64()), shift * 365 * day)
        dates = pc.add(part["flight_date"].cast(pa.int32()), pa.scalar(shift * 365, pa.int32()))
        for name, values in [("year", pa.array([2013 + shift] * len(part), part.schema.field("year").type)),
                             ("time_hour", hours.cast(pa.timestamp("us"))), ("flight_date", dates.cast(pa.date32()))]:
            part = part.set_column(part.schema.get_field_index(name), name, values)
        parts.append(part)
    return pa.concat_tables(parts).combine_chunks()


def write_arrow(table, path):
    import pyarrow.ipc
    with pyarrow.ipc.new_file(path, table.schema) as file:
        file.write_table(table, max_chunksize=65_536)


def make_source(path, years=YEARS):
    """Writes the flights in a process of its own: what this one has ever held counts as its children's peak."""
    code = "import sys, bench_lake as b; t = b.flights(int(sys.argv[2])); b.write_arrow(t, sys.argv[1]); print(t.num_rows)"
    return int(subprocess.run([sys.executable, "-c", code, path, str(years)],
                              cwd=os.path.dirname(os.path.abspath(__file__)),
                              check=True, capture_output=True, text=True).stdout)


def cpu_of(arguments, **environment):
    """Runs a program and returns its wall and CPU seconds and its peak memory in MB."""
    begin = time.monotonic()
    process = subprocess.Popen(arguments, env={**os.environ, **environment}, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    output = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(arguments)}\n{output}")
    return time.monotonic() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def lakehouse(folder, *arguments, **environment):
    return cpu_of([BINARY, *arguments, "--data-dir", folder],
                  LAKEHOUSE__STORAGE__URL=os.path.join(folder, "lake"), **environment)


def create(folder, options=""):
    lakehouse(folder, "sql", "-e", "CREATE SCHEMA lake.bench")
    create_table(folder, options)


def create_table(folder, options=""):
    lakehouse(folder, "sql", "-e", f"CREATE TABLE lake.bench.flights ({COLUMNS}) {options}")


def size_of(folder):
    return sum(os.path.getsize(os.path.join(root, name))
               for root, _, names in os.walk(folder) for name in names if name.endswith(".parquet"))


def python(code, *arguments):
    return cpu_of([sys.executable, "-c", code, *arguments])


READ = "import sys, pyarrow as pa; table = pa.ipc.open_file(pa.memory_map(sys.argv[1])).read_all();"


def append(runs):
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "flights.arrow")
        rows = make_source(source)
        start = statistics.median(python(READ, source)[1] for _ in range(3))
        found = {}
        for run in range(runs):
            for name, code in [
                ("deltalake", "from deltalake import write_deltalake;"
                              "write_deltalake(sys.argv[2], table, partition_by=['year'])"),
                ("pyarrow", "import pyarrow.parquet as pq, os; os.makedirs(sys.argv[2]);"
                            "pq.write_table(table, sys.argv[2] + '/t.parquet')"),
                ("pyarrow zstd", "import pyarrow.parquet as pq, os; os.makedirs(sys.argv[2]);"
                                 "pq.write_table(table, sys.argv[2] + '/t.parquet', compression='zstd')"),
            ]:
                target = os.path.join(folder, f"{name}{run}")
                wall, cpu, memory = python(READ + code, source, target)
                found.setdefault(name, []).append((wall, cpu, memory, size_of(target)))
            ours = os.path.join(folder, f"ours{run}")
            os.makedirs(ours)
            create(ours, "WITH (partitioned_by = ARRAY['year'])")
            wall, cpu, memory = lakehouse(ours, "ingest", "history", source, "--table", "bench.flights",
                                          "--commit-rows", "10000000")
            found.setdefault("ours", []).append((wall, cpu, memory, size_of(ours)))
    print(f"{rows} flights; reading them alone costs Python {start:.2f} CPU s")
    medians = {name: [statistics.median(column) for column in zip(*values)] for name, values in found.items()}
    for name, (wall, cpu, memory, size) in medians.items():
        print(f"  {name:13} wall {wall:5.2f} s  CPU {cpu:5.2f} s  {rows / cpu / 1e6:5.2f} M rows/CPU s  "
              f"{size / 1e6:6.1f} MB  peak {memory:5.0f} MB")
    for peer, limit in [("deltalake", 1.4), ("pyarrow", 0.95), ("pyarrow zstd", 0.95)]:
        print(f"  rows per CPU second: {medians[peer][1] / medians['ours'][1]:.2f} x {peer} (limit {limit})")


def commits(runs):
    count, size = 100, 1000
    ours, theirs = [], []
    code = READ + f"""
from deltalake import write_deltalake
import time
begin = time.monotonic()
for n in range({count}):
    write_deltalake(sys.argv[2], table.slice(n * {size}, {size}), mode='append')
print(time.monotonic() - begin)
"""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "flights.arrow")
        write_arrow(flights(1).slice(0, count * size), source)
        empty = os.path.join(folder, "empty.arrow")
        write_arrow(flights(1).slice(0, 1), empty)
        for run in range(runs):
            lake = os.path.join(folder, f"ours{run}")
            os.makedirs(lake)
            create(lake)
            start, _, _ = lakehouse(lake, "ingest", "history", empty, "--table", "bench.flights")
            wall, _, _ = lakehouse(lake, "ingest", "history", source, "--table", "bench.flights",
                                   "--commit-rows", str(size))
            ours.append(count / (wall - start))
            out = subprocess.run([sys.executable, "-c", code, source, os.path.join(folder, f"theirs{run}")],
                                 check=True, capture_output=True, text=True).stdout
            theirs.append(count / float(out))
        syncs = fsync_rate(folder)
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    print(f"{size}-row commits: ours {ours:.0f}/s, deltalake {theirs:.0f}/s: {ours / theirs:.1f} x (limit 8); "
          f"this disk does {syncs:.0f} fsync/s, ours is {ours / syncs:.2f} of that")


def fsync_rate(folder):
    begin = time.monotonic()
    for n in range(200):
        with open(os.path.join(folder, f"sync{n}"), "wb") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    return 200 / (time.monotonic() - begin)


def open_table(runs):
    commits = 10_000
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "flights.arrow")
        write_arrow(flights(1).slice(0, commits), source)
        create(folder)
        lakehouse(folder, "ingest", "history", source, "--table", "bench.flights", "--commit-rows", "1")
        log = os.path.join(folder, "lake", "bench")
        log = os.path.join(log, os.listdir(log)[0], "_delta_log")
        files = os.listdir(log)
        print(f"{sum(name.endswith('.json') for name in files)} commits, "
              f"{sum('checkpoint' in name and name.endswith('.parquet') for name in files)} checkpoints in the log")
        ours = [lakehouse(folder, "table", "history", "bench.flights", "--limit", "1")[0] for _ in range(runs)]
        alone = [lakehouse(folder, "config", "show")[0] for _ in range(runs)]
        code = "import sys, time; from deltalake import DeltaTable; b = time.monotonic(); DeltaTable(sys.argv[1]); " \
               "print(time.monotonic() - b)"
        theirs = [float(subprocess.run([sys.executable, "-c", code, os.path.dirname(log)], check=True,
                                       capture_output=True, text=True).stdout) for _ in range(runs)]
    print(f"opening a table of {commits} commits: {statistics.median(ours) * 1000:.0f} ms with the start of a process "
          f"({statistics.median(alone) * 1000:.0f} ms by itself; limit 100 ms), "
          f"Python deltalake {statistics.median(theirs) * 1000:.0f} ms without")


LIMIT = 64 << 20
QUERY_LIMIT = 128 << 20
KEY = "t.time_hour = s.time_hour AND t.carrier = s.carrier AND t.flight = s.flight"


def memory(runs, years):
    """Peaks are those of whole processes; what opening the table takes is not under the limit."""
    last = 2013 + years - 1
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "flights.arrow")
        rows = make_source(source, years)
        print(f"{rows} flights, {os.path.getsize(source) / 1e6:.0f} MB of rows")
        found = {}
        for run in range(runs):
            lake = os.path.join(folder, f"lake{run}")
            os.makedirs(lake)
            create(lake)

            def measure(what, limit, *arguments, **environment):
                start = lakehouse(lake, "table", "history", "bench.flights", "--limit", "1")[2]
                wall, _, peak = lakehouse(lake, *arguments, **environment)
                found.setdefault(what, (limit, []))[1].append((wall, peak, start))

            measure("append of one commit", LIMIT, "ingest", "history", source, "--table", "bench.flights",
                    "--commit-rows", "10000000", LAKEHOUSE__LAKE__WRITE_BUFFER_BYTES=str(LIMIT))
            lakehouse(lake, "sql", "-e", "DROP TABLE lake.bench.flights")
            create_table(lake)
            lakehouse(lake, "ingest", "history", source, "--table", "bench.flights", "--commit-rows", "100000")
            # Commits that no checkpoint has are read side by side, each by a reader of a megabyte.
            lakehouse(lake, "table", "checkpoint", "bench.flights")
            for name, rows_of in [("few", f"flight = 1 AND month = 1 AND day = 1 AND year IN (2013, {last})"),
                                  ("many", "flight % 20 = 1")]:
                lakehouse(lake, "sql", "-e", f"CREATE TABLE lake.bench.{name} AS SELECT DISTINCT time_hour, carrier, "
                          f"flight, 1 AS delay FROM lake.bench.flights WHERE {rows_of}")
            sql = {"LAKEHOUSE__QUERY__MEMORY_LIMIT_BYTES": str(QUERY_LIMIT)}
            measure("merge into two files of all", QUERY_LIMIT, "sql", "-e", merge_from("few"), **sql)
            measure("compaction", LIMIT, "table", "optimize", "bench.flights",
                    LAKEHOUSE__MAINTENANCE__MEMORY_LIMIT_BYTES=str(LIMIT))
            measure("merge of a twentieth of the rows", QUERY_LIMIT, "sql", "-e", merge_from("many"), **sql)
    for what, (limit, values) in found.items():
        wall, peak, start = (statistics.median(column) for column in zip(*values))
        print(f"  {what:33} wall {wall:6.2f} s  peak {peak:5.0f} MB of which {start:.0f} MB to open the table; the rest is "
              f"{(peak - start) * 1024 * 1024 / limit:.2f} x the limit of {limit >> 20} MiB")


def merge_from(source):
    return (f"MERGE INTO lake.bench.flights t USING lake.bench.{source} s ON {KEY} "
            "WHEN MATCHED THEN UPDATE SET arr_delay = s.delay "
            "WHEN NOT MATCHED THEN INSERT (time_hour, carrier, flight) VALUES (s.time_hour, s.carrier, s.flight)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["append", "commits", "open", "memory"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--years", type=int, default=YEARS, help="how often `memory` repeats the year")
    arguments = parser.parse_args()
    if arguments.what == "memory":
        return memory(arguments.runs, arguments.years)
    {"append": append, "commits": commits, "open": open_table}[arguments.what](arguments.runs)


if __name__ == "__main__":
    main()
