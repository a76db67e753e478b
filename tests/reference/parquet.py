"""Makes the Parquet files beside it: `python tests/reference/parquet.py`, with pyarrow 26.0.1 and numpy.

`types.parquet` has a column of every type that tables of other programs have. `constant.parquet` is 19 million rows of 60
columns that are all zero: a few kilobytes that would be 9 GB as a table.
"""

import datetime as dt
import decimal
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

D = decimal.Decimal
folder = pathlib.Path(__file__).parent
moment = dt.datetime(2024, 1, 31, 12, 30)
pq.write_table(
    pa.table(
        {
            "text": pa.array(["a", "b", "a", "c"]).dictionary_encode(),
            "label": pa.array([0, 1, 0, 1], pa.int8()),
            "price": pa.array([D("1.25"), D("-0.10"), None, D("3.00")], pa.decimal128(9, 2)),
            "big": pa.array([D("12345678901234567.89"), D("0.01"), None, D("-1.00")], pa.decimal128(20, 2)),
            "day": pa.array([dt.date(2024, 1, 31), dt.date(1969, 12, 31), None, dt.date(1, 1, 1)]),
            "when": pa.array([moment, None, dt.datetime(1970, 1, 1), dt.datetime(1970, 1, 1, 0, 0, 0, 5)], pa.timestamp("us")),
            "utc": pa.array([moment] * 4, pa.timestamp("us", tz="UTC")),
            "berlin": pa.array([moment] * 4, pa.timestamp("us", tz="Europe/Berlin")),
            "time": pa.array([dt.time(1, 2, 3)] * 4),
            "half": pa.array(np.array([0.5, 1.5, -2, 65504], np.float16)),
            "hash": pa.array([0, 1, 2**63, 2**64 - 1], pa.uint64()),
            "count": pa.array([0, 1, 2, 3], pa.uint64()),
            "nothing": pa.nulls(4),
            "point": pa.array([{"x": 1, "y": "q"}, None, {"x": 2, "y": None}, {"x": 3, "y": "r"}]),
            "items": pa.array([[1, 2], [], None, [3]]),
            "raw": pa.array([b"\x00\xff", None, b"", b"a"]),
            "map": pa.array([[("k", 1)], [], None, [("l", 2)]], pa.map_(pa.string(), pa.int64())),
            "pair": pa.array([[1.0, 2.0]] * 4, pa.list_(pa.float32(), 2)),
        }
    ),
    folder / "types.parquet",
)
n_rows = 19_000_000
zeros = pa.array(np.zeros(n_rows, np.int64))
pq.write_table(
    pa.table({f"c{idx}": zeros for idx in range(60)}),
    folder / "constant.parquet",
    row_group_size=n_rows,
    data_page_size=1 << 30,
    write_batch_size=n_rows,
    max_rows_per_page=n_rows,
)
