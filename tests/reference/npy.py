"""Arrays as NumPy writes them, and what is in them.

Usage: python npy.py > npy.json. Made with numpy's `save`; `ours` says which the program writes with the same bytes.
"""

import io
import json
import sys

import numpy as np

grid = np.array([[1.5, -2.0, 0.25], [3.0, 65504.0, -0.125]])
ARRAYS = {
    "two by three": (grid.astype("<f4"), True),
    "one by one": (np.array([[0.5]], "<f4"), True),
    # A header of another length: more digits of rows and of columns.
    "hundred by twelve": (np.arange(1200, dtype="<f4").reshape(100, 12) / 8, True),
    "64 bits": (grid, False),
    "16 bits": (grid.astype("<f2"), False),
    "big-endian": (grid.astype(">f4"), False),
    "columns first": (np.asfortranarray(grid.astype("<f4")), False),
    "integers": (np.array([[1, -2], [3, 2**31 - 1]], "<i4"), False),
    "bytes": (np.array([[1, 255]], "|u1"), False),
    "big-endian integers": (np.array([[1, -2]], ">i2"), False),
    "one dimension": (np.array([1.5, 2.5], "<f4"), False),
}

cases = []
for name, (array, ours) in ARRAYS.items():
    file = io.BytesIO()
    np.save(file, array)
    rows = array.reshape(len(array), -1).astype(float).tolist()
    cases.append({"name": name, "ours": ours, "bytes": file.getvalue().hex(), "rows": rows})
json.dump(cases, sys.stdout)
