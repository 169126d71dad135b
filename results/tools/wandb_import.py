"""Imports the finished runs of a folder into Weights & Biases, offline.

    pip install wandb
    python results/tools/wandb_import.py RUNS [--project prefbench] [--dir .]
    wandb sync DIR/wandb/offline-run-*        # when you want them on the server

A W&B run's id is the first 16 digits of the run's hash, as in the name of its folder. A run that has an
offline file in DIR already is left alone, and the server knows one run by one id: nothing is there twice.
Unfinished runs are named and left for the next time. No network is used.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["WANDB_MODE"] = "offline"
os.environ.setdefault("WANDB_SILENT", "true")
try:
    import wandb
except ImportError:
    sys.exit("wandb_import.py: the package wandb is not installed; run `pip install wandb`")


def read(path):
    """The JSON in a file."""
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        sys.exit(f"wandb_import.py: {path} is damaged: {error}; restore it from a copy")


def read_log(path):
    """The complete lines of a log: a crash may have cut off the last one."""
    if not path.exists():
        return []
    records = []
    for number, line in enumerate(path.read_text().split("\n")[:-1], start=1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            sys.exit(f"wandb_import.py: {path}, line {number}, is damaged: {error}; restore it from a copy")
    return records


def mean(values):
    return sum(values) / len(values)


def scalars(evaluation):
    """What `prefbench export tensorboard` shows of an evaluation, under the same names."""
    values = {
        "feedback/asked": evaluation["feedback_asked"],
        "feedback/labelled": evaluation["feedback_labelled"],
    }
    if episodes := evaluation["episodes"]:
        values["eval/return"] = mean([e["return"] for e in episodes])
        values["eval/success"] = mean([float(e["success"]) for e in episodes])
        values["eval/episode_length"] = mean([e["length"] for e in episodes])
    values |= {f"metrics/{name}": value for name, value in evaluation["metrics"].items()}
    return values


def import_run(folder, args):
    """Writes a finished run's offline file; False if it is there."""
    config = read(folder / "config.json")
    key = config["key"][:16]
    target = args.dir / "wandb"
    if any(target.glob(f"offline-run-*-{key}")):
        return False
    config = config["config"]
    steps = {}
    for evaluation in read_log(folder / "eval.jsonl"):
        steps[evaluation["step"]] = scalars(evaluation)
    for note in read_log(folder / "progress.jsonl"):
        if "steps_per_second" in note:
            values = steps.setdefault(note["step"], {})
            values["progress/steps_per_second"] = note["steps_per_second"]
    done = read(folder / "done.json")

    dataset, labels = config.get("dataset") or {}, config.get("labels") or {}
    teacher = config["teacher"] or labels.get("answers") or "none"
    group = [config["task"], dataset.get("name"), config["algorithm"], teacher, config["tier"]]
    # Written aside and moved when complete: an import that is cut off leaves nothing behind.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="import-") as aside:
        with wandb.init(
            id=key,
            name=folder.name,
            project=args.project,
            group="-".join(filter(None, group)),
            config=config,
            dir=aside,
            settings=wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off", disable_git=True),
        ) as run:
            for step, values in sorted(steps.items()):
                run.log(values, step=step)
            run.summary.update({f"done/{name}": value for name, value in done["summary"].items()})
        (written,) = (Path(aside) / "wandb").glob(f"offline-run-*-{key}")
        target.mkdir(exist_ok=True)
        written.rename(target / written.name)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, help="folder of runs, as `prefbench run --out` writes it")
    parser.add_argument("--project", default="prefbench", help="project in W&B [default: prefbench]")
    parser.add_argument("--dir", type=Path, default=Path(), help="where the folder `wandb` is made [default: here]")
    args = parser.parse_args()

    folders = sorted(path.parent for path in args.runs.glob("*/config.json"))
    if not folders:
        sys.exit(f"wandb_import.py: {args.runs} holds no runs; give the folder that holds them")
    args.dir.mkdir(parents=True, exist_ok=True)
    finished = [folder for folder in folders if (folder / "done.json").exists()]
    for folder in folders:
        if folder not in finished:
            print(f"{folder} is not finished and left out; import again when it is", file=sys.stderr)
    new = sum(import_run(folder, args) for folder in finished)
    print(f"{new} runs written to {args.dir / 'wandb'}, {len(finished) - new} were there")


if __name__ == "__main__":
    main()
