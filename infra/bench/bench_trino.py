#!/usr/bin/env python3
"""The Trino door of a release build: latency, many clients, downloads.

  infra/bench/bench_trino.py latency     SELECT 1 and a metadata round trip, p50 and p99 in ms (stated: 5 and 20)
  infra/bench/bench_trino.py clients     200 clients at once, errors (stated: none)
  infra/bench/bench_trino.py download    5 million rows x 8 columns with the Python client, in pages and in segments:
                                         rows/s, and the server's share of the CPU time (stated: 30 % at most)
  infra/bench/bench_trino.py cancel      from DELETE until the server is idle, in steps of 30 ms, medians of five (stated: 100 ms)

Needs `cargo build --release` first, and `pip install trino`. LAKEHOUSE_BIN names another binary; --url a running house
(without the server's CPU share).
"""
import argparse
import http.client
import json
import os
import random
import resource
import statistics
import sys
import threading
import time
import urllib.parse

import bench

COLUMNS = ("n, CAST(n % 1000 AS integer) AS i, n / 7e0 AS d, 'text of row ' || CAST(n AS varchar) AS s, n % 2 = 0 AS b, "
           "DATE '2024-01-01' AS day, CAST(n AS decimal(12,2)) AS p, TIMESTAMP '2024-01-01 01:02:03.000004' AS at")
METADATA = ("SELECT table_name FROM lake.information_schema.tables WHERE table_schema = 'bench'",
            "SELECT column_name, data_type FROM lake.information_schema.columns WHERE table_schema = 'bench' AND table_name = 't'",
            "SHOW TABLES FROM lake.bench")


def numbers(digits):
    """A subquery with 10^digits rows `n`."""
    value = " + ".join(f"d{i}.x * {10 ** i}" for i in range(digits))
    ten = "(VALUES 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"
    tables = " CROSS JOIN ".join(f"{ten} d{i}(x)" for i in range(digits))
    return f"(SELECT CAST({value} AS BIGINT) AS n FROM {tables})"


class Client:
    """The protocol and nothing else, on one connection."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=60)

    def run(self, sql):
        self.connection.request("POST", "/v1/statement", sql, {"X-Trino-User": "bench"})
        rows = []
        while True:
            response = self.connection.getresponse()
            text = response.read()
            if response.status != 200:
                raise RuntimeError(f"{response.status} {text[:200]}")
            page = json.loads(text)
            if page.get("error"):
                raise RuntimeError(page["error"]["message"])
            rows.extend(page.get("data") or [])
            if "nextUri" not in page:
                return rows
            self.connection.request("GET", urllib.parse.urlparse(page["nextUri"]).path)


def percentiles(times):
    times = sorted(times)
    return f"p50 {statistics.median(times) * 1e3:.2f} ms, p99 {times[int(len(times) * 0.99)] * 1e3:.2f} ms"


def timed(client, sql):
    started = time.monotonic()
    client.run(sql)
    return time.monotonic() - started


def prepare(address):
    client = Client(address)
    client.run("CREATE SCHEMA IF NOT EXISTS lake.bench")
    if ["t"] not in client.run("SHOW TABLES FROM lake.bench"):
        client.run("CREATE TABLE lake.bench.t AS SELECT 1 AS a, 'x' AS b")


def latency(address, _):
    prepare(address)
    client = Client(address)
    for name, statements in [("SELECT 1", ["SELECT 1"]), ("metadata", METADATA)]:
        for sql in statements:
            times = [timed(client, sql) for _ in range(1100)][100:]
            print(f"{name}: {percentiles(times)}   {sql[:60]}")


def clients(address, _):
    prepare(address)
    count, rounds, times, errors = 200, 20, [], []

    def work():
        client = Client(address)
        for turn in range(rounds):
            try:
                times.append(timed(client, METADATA[0] if turn % 2 else "SELECT 1"))
            except Exception as error:  # Each kind is shown below.
                errors.append(repr(error)[:200])

    started = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - started
    print(f"{count} clients: {len(times) / seconds:.0f} statements/s, {percentiles(times)}, {len(errors)} errors {set(errors) or ''}")
    if errors:
        sys.exit(1)


def cpu_of(process):
    """Seconds of CPU time a process has used."""
    if process is None:
        return 0.0
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def download(address, process):
    import trino

    host, port = address.split(":")
    rows = 5_000_000
    client = Client(address)
    client.run("CREATE SCHEMA IF NOT EXISTS lake.bench")
    if ["wide"] not in client.run("SHOW TABLES FROM lake.bench"):
        client.run(f"CREATE TABLE lake.bench.wide AS SELECT {COLUMNS} FROM {numbers(7)} WHERE n < {rows}")
    for encoding in [[], "json", "json+lz4", "json+zstd"]:
        connection = trino.dbapi.connect(host=host, port=int(port), user="bench", encoding=encoding)
        server, own = cpu_of(process), sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        started = time.monotonic()
        cursor = connection.cursor()
        cursor.execute("SELECT * FROM lake.bench.wide")
        found = sum(1 for _ in cursor)
        seconds = time.monotonic() - started
        server, own = cpu_of(process) - server, sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - own
        share = f", server {100 * server / max(server + own, 1e-9):.0f} % of the CPU time" if process else ""
        print(f"{encoding or 'pages'}: {found} rows, {found / seconds:.0f} rows/s{share}")
        if found != rows:
            sys.exit("rows are missing")


def cancel(address, process):
    if process is None:
        sys.exit("`cancel` watches the CPU time of the server: not with --url")
    big, bigger = numbers(5), numbers(7)
    works = {
        "nested loop without a match": f"SELECT count(*) FROM {big} l JOIN {big} r ON l.n * r.n % 1000003 = 1000004",
        "aggregation of a cross join": f"SELECT sum(l.n * r.n % 7) FROM {big} l CROSS JOIN {big} r",
        "hash join with many matches": f"SELECT count(*) FROM {big} l JOIN {big} r ON l.n % 10 = r.n % 10 AND l.n + r.n < 0",
        "sort": f"SELECT n FROM {bigger} ORDER BY n * 7919 % 1000003, n",
        "many groups": f"SELECT n * 7919 % 10000019 AS k, count(*) FROM {bigger} GROUP BY 1",
        "window": f"SELECT max(r) FROM (SELECT sum(n) OVER (PARTITION BY n % 10 ORDER BY n) AS r FROM {bigger})",
    }
    for name, sql in works.items():
        times = sorted(stopped_after(Client(address).connection, sql, process) for _ in range(5))
        print(f"{name}: median {times[2] * 1e3:.0f} ms, longest {times[4] * 1e3:.0f} ms")


def stopped_after(connection, sql, process):
    """Starts a query, cancels it at work, and returns the seconds until the server is idle."""
    def request(method, uri, body=None):
        connection.request(method, urllib.parse.urlparse(uri).path, body, {"X-Trino-User": "bench"})
        text = connection.getresponse().read()
        return json.loads(text) if text else None

    page = request("POST", "/v1/statement", sql)
    while "/queued/" in page["nextUri"]:
        page = request("GET", page["nextUri"])
    # Somewhere in it, not always at the same place.
    time.sleep(0.15 + 0.1 * random.random())
    before = cpu_of(process)
    time.sleep(0.1)
    if cpu_of(process) - before < 0.05:
        sys.exit(f"not at work when it is cancelled: {sql}")
    started = time.monotonic()
    request("DELETE", page["nextUri"])
    # The house itself uses a little all the time: it is idle when it uses less than half a core.
    idle, used = time.monotonic(), cpu_of(process)
    while True:
        time.sleep(0.03)
        now, using = time.monotonic(), cpu_of(process)
        if using - used < 0.5 * (now - idle):
            return idle - started
        idle, used = now, using


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["latency", "clients", "download", "cancel"])
    parser.add_argument("--url", help="a running house")
    arguments = parser.parse_args()
    work = {"latency": latency, "clients": clients, "download": download, "cancel": cancel}[arguments.what]
    if arguments.url:
        return work(urllib.parse.urlparse(arguments.url).netloc, None)
    # Without the stream of flights and the model's training, which take CPU time of their own.
    house = bench.House("--no-replay")
    house.wait_for_full_model()
    try:
        work(house.address, house.process)
    finally:
        house.stop()


main()
