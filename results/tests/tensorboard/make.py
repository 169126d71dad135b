"""Writes run.tfevents, the event file that tests/tensorboard.rs expects of the run beside it.

    pip install tensorboard==2.21.0 "setuptools<81"
    python results/tests/tensorboard/make.py

The messages and the framing are those of tensorboard's own classes. The run was stopped and resumed: its
log ends in the middle of a line, and step 6000 was noted twice.
"""

import json
from pathlib import Path

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

here = Path(__file__).parent
run = here / "run"


def lines(name):
    complete = (run / name).read_text().split("\n")[:-1]
    return [json.loads(line) for line in complete]


def mean(values):
    return sum(values) / len(values)


config = json.loads((run / "config.json").read_text())["config"]
text = "```json\n" + json.dumps(config, indent=2, sort_keys=True) + "\n```"
Value = summary_pb2.Summary.Value
table = Value(
    tag="config",
    metadata=summary_pb2.SummaryMetadata(
        plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="text")
    ),
    tensor=tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[text.encode()]),
)
events = [
    event_pb2.Event(file_version="brain.Event:2"),
    event_pb2.Event(summary=summary_pb2.Summary(value=[table])),
]

evals = {e["step"]: e for e in lines("eval.jsonl")}
speeds = {n["step"]: n["steps_per_second"] for n in lines("progress.jsonl") if "step" in n}
time = 0.0
for step in sorted(evals | speeds):
    scalars = []
    if e := evals.get(step):
        episodes = e["episodes"]
        scalars += [
            ("eval/return", mean([x["return"] for x in episodes])),
            ("eval/success", mean([float(x["success"]) for x in episodes])),
            ("eval/episode_length", mean([x["length"] for x in episodes])),
            ("feedback/asked", e["feedback_asked"]),
            ("feedback/labelled", e["feedback_labelled"]),
        ]
        scalars += [(f"metrics/{k}", v) for k, v in sorted(e["metrics"].items())]
    if speed := speeds.get(step):
        scalars.append(("progress/steps_per_second", speed))
        time = max(time, step / speed)
    values = [Value(tag=tag, simple_value=value) for tag, value in scalars]
    events.append(
        event_pb2.Event(wall_time=time, step=step, summary=summary_pb2.Summary(value=values))
    )

with open(here / "run.tfevents", "wb") as file:
    writer = RecordWriter(file)
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
