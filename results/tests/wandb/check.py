"""Imports two finished runs and an unfinished one into W&B, twice, and reads back what was written.

    pip install wandb==0.25.1        # newer ones bring no reader of offline files
    python results/tests/wandb/check.py

Exits with 77 where wandb, or its reader, is missing.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal.datastore import DataStore
except ImportError:
    sys.exit(77)

results = Path(__file__).parents[2]
NAMES = ["reach-pebble-oracle-s0-98b69db8ed62315d", "reach-random-none-s0-af9aef94066189f6"]


def values(items):
    return {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items}


def read(file):
    """A run's id, name and settings, its rows by step, and its final summary."""
    store, run, rows, summary = DataStore(), None, {}, {}
    store.open_for_scan(str(file))
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record.FromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
        elif kind == "history":
            rows[record.history.step.num] = values(record.history.item)
        elif kind == "summary":
            summary |= values(record.summary.update)
    return run, rows, summary


with tempfile.TemporaryDirectory() as place:
    place = Path(place)
    for name in NAMES:
        shutil.copytree(results / "runs/2026-11-26-reach-smoke" / name, place / "runs" / name)
    shutil.copytree(results / "tests/tensorboard/run", place / "runs/unfinished")

    def run_import(runs):
        script = [sys.executable, results / "tools/wandb_import.py", place / runs, "--dir", place / "out"]
        return subprocess.run(script, capture_output=True, text=True)

    for message in ["2 runs written", "0 runs written"]:
        done = run_import("runs")
        assert done.returncode == 0 and message in done.stdout, done
        assert "unfinished is not finished" in done.stderr, done
    nothing = run_import("nowhere")
    assert nothing.returncode == 1 and "nowhere holds no runs" in nothing.stderr, nothing

    files = {file.stem: file for file in (place / "out/wandb").glob("*/*.wandb")}
    assert len(files) == 2, files
    for name in NAMES:
        folder = place / "runs" / name
        run, rows, summary = read(files["run-" + name[-16:]])
        config = json.loads((folder / "config.json").read_text())["config"]
        logged = {u.key: json.loads(u.value_json) for u in run.config.update if u.key != "_wandb"}
        assert (run.run_id, run.display_name, logged) == (name[-16:], name, config)

        for line in (folder / "eval.jsonl").read_text().splitlines():
            e = json.loads(line)
            row = rows.pop(e["step"])
            returns = [x["return"] for x in e["episodes"]]
            assert abs(row["eval/return"] - sum(returns) / len(returns)) < 1e-9
            assert row["eval/success"] == sum(x["success"] for x in e["episodes"]) / len(returns)
            assert row["feedback/labelled"] == e["feedback_labelled"]
            assert all(row[f"metrics/{k}"] == v for k, v in e["metrics"].items())
            assert ("progress/steps_per_second" in row) == (e["step"] > 0)
        assert not rows
        done = json.loads((folder / "done.json").read_text())["summary"]
        assert summary["done/commit"] == done["commit"]
