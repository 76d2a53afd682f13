#!/usr/bin/env python3
"""Benchmarks of the whole binary, as ratios or against a stated limit; medians of five runs.

  infra/bench/bench.py first-prediction   empty folder -> first answered prediction, peak memory
  infra/bench/bench.py latency            request -> stored prediction, 1,000 requests one after another
  infra/bench/bench.py history            rows/s of a history load against Python deltalake + pyarrow
  infra/bench/bench.py compaction         10,000 files of 1,000 rows into few, against Python deltalake's optimize.compact()

Needs `cargo build --release` first; `history` and `compaction` need `pip install deltalake pyarrow`.
LAKEHOUSE_BIN names another binary.
"""
import argparse
import functools
import glob
import http.client
import json
import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
BINARY = os.environ.get("LAKEHOUSE_BIN", os.path.join(TARGET, "release", "lakehouse"))
DATA = os.path.join(ROOT, "ingest", "data", "nycflights13")
FORM = {"DepDelay": "25", "Carrier": "DL", "FlightDate": "2013-12-24",
        "Origin": "JFK", "Dest": "ATL", "FlightNum": "1519"}
SUBMIT = "/flights/delays/predict/classify_realtime"


class House:
    """A running `lakehouse up` on a folder of its own."""

    def __init__(self, *flags):
        self.folder = tempfile.mkdtemp(prefix="lakehouse-bench-")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [BINARY, "up", "--http-port", "0", "--log", "warn", "--data-dir", self.folder, *flags],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        endpoints = os.path.join(self.folder, "endpoints.json")
        while not os.path.exists(endpoints):
            if self.process.poll() is not None:
                sys.exit(f"`lakehouse up` ended with {self.process.returncode}")
            time.sleep(0.01)
        with open(endpoints) as file:
            self.address = urllib.parse.urlparse(json.load(file)["http"]).netloc
        self.connection = http.client.HTTPConnection(self.address, timeout=60)
        self.model = 0

    def call(self, method, path, body=None):
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return response.status, response.read()

    def predict(self):
        """Returns the seconds from the request to the stored answer, or None if none came in 30 s."""
        begin = time.monotonic()
        status, body = self.call("POST", SUBMIT, urllib.parse.urlencode(FORM))
        if status != 200:
            return None
        path = f"{SUBMIT}/response/{json.loads(body)['id']}"
        while time.monotonic() - begin < 30:
            _, body = self.call("GET", path)
            answer = json.loads(body)
            if answer["status"] == "OK":
                self.model = answer["prediction"]["ModelVersion"]
                return time.monotonic() - begin
            time.sleep(0.0005)
        return None

    def wait_for_full_model(self):
        """Returns once the fast first model was replaced, so that training disturbs nothing."""
        while self.predict() is None or self.model < 2:
            time.sleep(1)

    def peak_mb(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)


def first_prediction(runs):
    seconds, memory = [], []
    for _ in range(runs):
        house = House()
        while house.predict() is None:
            time.sleep(0.1)
        seconds.append(time.monotonic() - house.started)
        house.wait_for_full_model()
        memory.append(house.peak_mb())
        house.stop()
    print(f"first prediction: median {statistics.median(seconds):.1f} s of {sorted(round(s, 1) for s in seconds)}; limit 20 s")
    print(f"peak memory: median {statistics.median(memory):.0f} MB of {sorted(round(m) for m in memory)}; limit 1500 MB")


def latency(runs):
    medians, tails = [], []
    for _ in range(runs):
        house = House("--no-replay")
        house.wait_for_full_model()
        times = sorted(house.predict() for _ in range(1000))
        medians.append(times[500] * 1000)
        tails.append(times[990] * 1000)
        house.stop()
    print(f"request to stored prediction: p50 median {statistics.median(medians):.1f} ms (limit 10), "
          f"p99 median {statistics.median(tails):.1f} ms (limit 50), of {runs} runs of 1,000")


def history(runs):
    import pyarrow.parquet
    from deltalake import write_deltalake
    source = os.path.join(DATA, "flights.parquet")
    with open(os.path.join(ROOT, "sql", "tables", "flights.sql")) as file:
        text = file.read()
        create = text[text.index("CREATE"):].replace("lake.flights", "lake.bench")
    rows = pyarrow.parquet.read_metadata(source).num_rows
    ours, theirs, ours_cpu, theirs_cpu = [], [], [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([BINARY, "sql", "-e", create, "--data-dir", folder],
                           env={**os.environ, "LAKEHOUSE__STORAGE__URL": os.path.join(folder, "lake")},
                           check=True, capture_output=True)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            begin = time.monotonic()
            subprocess.run([BINARY, "ingest", "history", source, "--table", "bench.flights", "--data-dir", folder],
                           env={**os.environ, "LAKEHOUSE__STORAGE__URL": os.path.join(folder, "lake")},
                           check=True, capture_output=True)
            ours.append(time.monotonic() - begin)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            ours_cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        with tempfile.TemporaryDirectory() as folder:
            before = time.process_time()
            begin = time.monotonic()
            write_deltalake(os.path.join(folder, "flights"), pyarrow.parquet.read_table(source))
            theirs.append(time.monotonic() - begin)
            theirs_cpu.append(time.process_time() - before)
    ratio = statistics.median(theirs) / statistics.median(ours)
    cpu = statistics.median(theirs_cpu) / statistics.median(ours_cpu)
    print(f"history load of {rows} flights, rows/s: {ratio:.2f} x Python deltalake + pyarrow (limit 1.0), "
          f"rows per CPU second: {cpu:.2f} x; ours includes the start of a process, theirs does not")


def small_files(folder, files, rows, codec):
    """Writes a Delta table of `files` files with `rows` flights each, in one commit."""
    import pyarrow.parquet
    from deltalake import convert_to_deltalake
    os.makedirs(folder)
    flights = pyarrow.parquet.read_table(os.path.join(DATA, "flights.parquet"))
    for number in range(files):
        begin = number * rows % (flights.num_rows - rows)
        path = os.path.join(folder, f"part-{number:05}.parquet")
        pyarrow.parquet.write_table(flights.slice(begin, rows), path, compression=codec)
    convert_to_deltalake(folder)


def rows_of(folder):
    """Returns the number of rows and the sum of a column, which no rewriting may change."""
    import pyarrow.compute
    from deltalake import DeltaTable
    table = DeltaTable(folder).to_pyarrow_table(columns=["distance"])
    return table.num_rows, pyarrow.compute.sum(table["distance"]).as_py()


def compaction(runs, files=10_000, rows=1_000, codec="snappy"):
    """`codec` is what small files are written with, here and by `write_deltalake`; --codec names another."""
    from deltalake import DeltaTable
    ours, theirs, memory = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        original = os.path.join(folder, "original")
        small_files(original, files, rows, codec)
        expected = rows_of(original)
        lake = os.path.join(folder, "lake")
        environment = {**os.environ, "LAKEHOUSE__STORAGE__URL": lake}
        for run in range(runs):
            shutil.rmtree(lake, ignore_errors=True)
            script = "CREATE SCHEMA lake.bench; CREATE TABLE lake.bench.flights (replaced integer)"
            subprocess.run([BINARY, "sql", "-e", script], env=environment, check=True, capture_output=True)
            table, = glob.glob(os.path.join(lake, "bench", "flights-*"))
            shutil.rmtree(table)
            shutil.copytree(original, table)
            os.sync()
            command = [BINARY, "table", "optimize", "bench.flights"]
            begin = time.monotonic()
            process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
            out, _ = process.communicate()
            ours.append(time.monotonic() - begin)
            memory.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
            if process.returncode or rows_of(table) != expected:
                sys.exit(f"`table optimize` went wrong: {out}")
            left = len(DeltaTable(table).file_uris())
            copy = os.path.join(folder, "copy")
            shutil.copytree(original, copy)
            os.sync()
            begin = time.monotonic()
            DeltaTable(copy).optimize.compact()
            theirs.append(time.monotonic() - begin)
            print(f"run {run + 1}: ours {ours[-1]:.2f} s into {left} files, Python deltalake {theirs[-1]:.2f} s "
                  f"into {len(DeltaTable(copy).file_uris())}", file=sys.stderr)
            shutil.rmtree(copy)
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(f"compaction of {files} {codec} files of {rows} rows: {statistics.median(ours):.2f} s, {ratio:.2f} x the speed of "
          f"Python deltalake's optimize.compact() (limit 1.5); peak memory at most {max(memory):.0f} MB; "
          f"ours includes the start of a process, theirs does not")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["first-prediction", "latency", "history", "compaction"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--codec", default="snappy", help="of the small files of `compaction`")
    arguments = parser.parse_args()
    benchmarks = {"first-prediction": first_prediction, "latency": latency, "history": history,
                  "compaction": functools.partial(compaction, codec=arguments.codec)}
    benchmarks[arguments.what](arguments.runs)


if __name__ == "__main__":
    main()
