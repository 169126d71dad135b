"""Rewrites tables of a dataset with pandas, as a user would who adds labels of people.

    PREFBENCH_WRITE=/tmp/written cargo test -p prefbench-oracles --test dataset   # writes FOLDER
    python3 rewrite.py /tmp/written

FOLDER holds a dataset that prefbench wrote; `rewritten/` beside this script gets what pandas makes of it:
every table read and written, and two answers appended. `dataset.rs` reads the result.
"""

import shutil
import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent / "rewritten"


def main():
    source = Path(sys.argv[1])
    HERE.mkdir(exist_ok=True)
    shutil.copy(source / "dataset.json", HERE)
    plain = {"compression": None, "use_dictionary": False, "index": False}
    for name in ["steps", "episodes"]:
        # By default pandas makes doubles of whole numbers with gaps: seeds would lose their last bits.
        table = pd.read_parquet(source / f"{name}.parquet", dtype_backend="pyarrow")
        table.to_parquet(HERE / f"{name}.parquet", **plain)
    table = pd.read_parquet(source / "preferences.parquet")
    people = table.iloc[:2].copy()
    people["teacher"] = ["Ada", "Grace"]
    people["label"] = ["equal", None]
    people["left_return"] = people["right_return"] = None
    table = pd.concat([table, people]).assign(seconds=1.5)
    # Data frames widen integers.
    table["left_start"] = table["left_start"].astype("int64")
    table.to_parquet(HERE / "preferences.parquet", **plain)


main()
