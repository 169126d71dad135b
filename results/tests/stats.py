"""Writes stats.json, the figures that tests/stats.rs compares ours with.

    pip install rliable==1.2.0 scipy==1.17.1 "pandas<3"
    python results/tests/stats.py > results/tests/stats.json

rliable draws its resamples from numpy's global generator, hence the np.random.seed.
"""

import json

import numpy as np
from rliable import library, metrics
from scipy import stats

rng = np.random.default_rng(20240917)

lists = [rng.normal(scale=10.0 ** (n % 5), size=n).tolist() for n in range(1, 24)]
lists += [[0.1] * 7, [0.0, 1.0, 0.0, 1.0, 1.0], [-3.0, 2.5, 1e9, 2.5, -1e-9]]
samples = [
    {
        "values": x,
        "mean": float(np.mean(x)),
        "std": float(np.std(x, ddof=1)) if len(x) > 1 else None,
        "median": float(np.median(x)),
        "iqm": float(stats.trim_mean(x, 0.25)),
    }
    for x in lists
]


def tasks(scores):
    """rliable's matrices are runs by tasks, ours lists of runs by task."""
    return scores.T.tolist()


REPS = 50_000
matrices = []
for runs, columns in [(5, 1), (10, 1), (3, 4), (10, 7)]:
    scores = rng.gamma(2.0, size=(runs, columns)) + np.arange(columns)
    aggregate = {"mean": metrics.aggregate_mean, "iqm": metrics.aggregate_iqm}
    if columns > 1:  # for one task rliable's median is that task's mean
        aggregate["median"] = metrics.aggregate_median
    points, intervals = library.get_interval_estimates(
        {"ours": scores},
        lambda x: np.array([f(x) for f in aggregate.values()]),
        reps=(np.random.seed(1), REPS)[1],
    )
    matrices.append(
        {
            "tasks": tasks(scores),
            "statistics": {
                name: {"value": float(points["ours"][i]), "interval": intervals["ours"][:, i].tolist()}
                for i, name in enumerate(aggregate)
            },
        }
    )

pairs = []
for runs_x, runs_y, columns in [(5, 5, 1), (4, 9, 3), (10, 10, 5)]:
    x = np.round(rng.normal(0.5, 1.0, size=(runs_x, columns)), 1)  # rounded: ties occur
    y = np.round(rng.normal(0.0, 1.0, size=(runs_y, columns)), 1)
    points, intervals = library.get_interval_estimates(
        {"pair": (x, y)}, metrics.probability_of_improvement, reps=(np.random.seed(2), 5_000)[1]
    )
    pairs.append(
        {
            "x": tasks(x),
            "y": tasks(y),
            "value": float(points["pair"]),
            "interval": np.ravel(intervals["pair"]).tolist(),
        }
    )

print(json.dumps({"samples": samples, "matrices": matrices, "pairs": pairs}, indent=1))
