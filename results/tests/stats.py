"""Writes stats.json, the figures that tests/stats.rs compares ours with.

    pip install rliable==1.2.0 scipy==1.17.1 "pandas<3" statsmodels==0.15.0
    python results/tests/stats.py > results/tests/stats.json

rliable draws its resamples from numpy's global generator, hence the np.random.seed. Its matrices are
runs by tasks, ours lists of runs by task. It takes some minutes.
"""

import itertools
import json

import numpy as np
from rliable import library, metrics
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests

rng = np.random.default_rng(20240917)
choice = np.random.default_rng(20240918)
REPS = 10_000
GAMMA = 100.0


def number(x):
    """NaN is what has no value."""
    return None if np.isnan(x) else float(x)


def scores(kind, shape):
    """Short decimals, so that the file is small."""
    if kind == "spread":
        return np.round(rng.gamma(2.0, 20.0, shape) + 5 * np.arange(shape[1]), 2)
    if kind == "signed":
        return np.round(rng.standard_t(2, shape) * 1000, 1)
    if kind == "ties":  # few distinct values, exactly representable or not
        return rng.integers(-1, 4, shape) * rng.choice([0.1, 25.0])
    if kind == "ends":  # success or failure
        return 100.0 * rng.integers(0, 2, shape)
    return np.full(shape, 37.5)


def sample(x):
    return {
        "values": x,
        "mean": float(np.mean(x)),
        "std": float(np.std(x, ddof=1)) if len(x) > 1 else None,
        "median": float(np.median(x)),
        "iqm": float(stats.trim_mean(x, 0.25)),
    }


def median(x):
    """For one task rliable's is that task's mean, ours the median of its runs."""
    return np.median(x) if x.shape[1] == 1 else metrics.aggregate_median(x)


def matrix(x):
    of = {
        "mean": metrics.aggregate_mean,
        "median": median,
        "IQM": metrics.aggregate_iqm,
        "optimality gap": lambda x: metrics.aggregate_optimality_gap(x, GAMMA),
    }
    # Some taus are scores: "more than" must be strict. Not in order of size.
    taus = np.concatenate([rng.choice(x.ravel(), 3), rng.uniform(x.min() - 1, x.max() + 1, 4).round(2)])
    np.random.seed(1)
    points, intervals = library.get_interval_estimates(
        {"": x}, lambda x: np.array([f(x) for f in of.values()]), reps=REPS
    )
    profile, band = library.create_performance_profile({"": x}, taus, reps=REPS // 5)
    several = len(x) > 1
    return {
        "tasks": x.T.tolist(),
        **dict(zip(of, points[""].tolist())),
        "intervals": intervals[""].T.tolist() if several else None,
        "taus": taus.tolist(),
        "profile": profile[""].tolist(),
        "band": band[""].T.tolist() if several else None,
    }


def pair(x, y):
    np.random.seed(2)
    points, intervals = library.get_interval_estimates(
        {"": (x, y)}, metrics.probability_of_improvement, reps=REPS // 5
    )
    several = min(len(x), len(y)) > 1
    return {
        "x": x.T.tolist(),
        "y": y.T.tolist(),
        "value": float(points[""]),
        "interval": [np.ravel(intervals[""]).tolist()] if several else None,
    }


def tau(x, y):
    return float(stats.kendalltau(x, y).statistic)


def exact(value, distributions):
    """p-values of a sum of independent figures, one drawn from each list."""
    sums, weights = np.zeros(1), np.ones(1)
    for each in distributions:
        sums = np.round(np.add.outer(sums, each).ravel(), 9)
        sums, inverse = np.unique(sums, return_inverse=True)
        weights = np.bincount(inverse, np.repeat(weights, len(each)) / len(each))
    return {
        "greater": float(weights[sums >= value - 1e-8].sum()),
        "two_sided": float(weights[np.abs(sums) >= abs(value) - 1e-8].sum()),
    }


def agreement(sizes, ties):
    """Two rankings that somewhat agree, on several tasks, each of some of the methods."""
    methods = max(sizes) + (len(sizes) > 2 and ties)
    labels = [np.sort(choice.permutation(methods)[:n]) for n in sizes]
    x = [rng.integers(0, 4, n) if ties else rng.permutation(n) for n in sizes]
    y = [a + rng.integers(-2, 3, len(a)) if ties else rng.permutation(len(a)) for a in x]
    taus = [tau(*both) for both in zip(x, y)]

    def after(places):
        """Sum of taus if all methods take other places, in all tasks the same way."""
        moved = [b[np.argsort([places[m] for m in some])] for b, some in zip(y, labels)]
        return sum(tau(a, b) for a, b in zip(x, moved))

    known = sorted({int(m) for some in labels for m in some})
    orders = [dict(zip(known, order)) for order in itertools.permutations(range(len(known)))]
    p = exact(sum(taus), [[after(places) for places in orders]])
    if len(sizes) == 1 and not ties:
        theirs = stats.kendalltau(x[0], y[0], method="exact").pvalue
        assert abs(theirs - p["two_sided"]) < 1e-9
    tasks = [[None] * methods for _ in sizes]
    for task, some, a, b in zip(tasks, labels, x, y):
        for m, *pair in zip(some, a.tolist(), b.tolist()):
            task[m] = pair
    return {"tasks": tasks, "value": np.mean(taus), **p}


def difference(sizes, digits):
    x = [np.round(rng.normal(1, 2, n), digits) for n, _ in sizes]
    y = [np.round(rng.normal(0, 2, n), digits) for _, n in sizes]

    def splits(a, b):
        both, front = np.concatenate([a, b]), len(a)
        for chosen in itertools.combinations(range(len(both)), front):
            rest = np.delete(both, chosen)
            yield both[list(chosen)].mean() - rest.mean()

    value = sum(a.mean() - b.mean() for a, b in zip(x, y))
    p = exact(value, [list(splits(a, b)) for a, b in zip(x, y)])
    if len(sizes) == 1 and min(sizes[0]) > 1:
        mean = lambda a, b: np.mean(a) - np.mean(b)
        theirs = stats.permutation_test((x[0], y[0]), mean, n_resamples=np.inf, alternative="greater")
        assert abs(theirs.pvalue - p["greater"]) < 1e-9
    return {
        "x": [a.tolist() for a in x],
        "y": [b.tolist() for b in y],
        "value": value / len(sizes),
        **p,
    }


def power(x, y, difference):
    """Of a one-sided t test at 0.05 of the mean over tasks; x and y are lists of runs by task."""
    parts = [(np.var(runs, ddof=1) / len(runs), len(runs) - 1) for runs in x + y]
    squares = sum(part for part, _ in parts)
    freedom = squares**2 / sum(part**2 / n for part, n in parts)
    error = np.sqrt(squares) / len(x)
    critical = stats.t.isf(0.05, freedom)

    def found(difference):
        return stats.nct.sf(critical, freedom, difference / error)

    needed = optimize.brentq(lambda d: found(d) - 0.8, 0, 50 * error, xtol=1e-12)
    return {"x": x, "y": y, "difference": difference, "power": float(found(difference)), "detectable": float(needed)}


shapes = [(1, 1), (1, 2), (1, 5), (2, 1), (2, 2), (3, 1), (3, 4), (4, 3), (5, 1), (5, 6), (6, 2), (7, 3)]
shapes += [(8, 1), (10, 7), (9, 2), (50, 2), (2, 30), (200, 1)]
lists = [rng.normal(scale=10.0 ** (n % 5), size=n).tolist() for n in range(1, 24)]
lists += [[0.1] * 7, [0.0, 1.0, 0.0, 1.0, 1.0], [-3.0, 2.5, 1e9, 2.5, -1e-9]]
matrices = [scores(kind, shape) for shape in shapes for kind in ("spread", "signed", "ties")]
matrices += [scores("ends", shape) for shape in [(5, 1), (4, 4), (20, 3)]]
matrices += [scores("same", shape) for shape in [(1, 1), (4, 3)]]

pairs = [(1, 1, 1), (1, 4, 2), (2, 2, 1), (5, 5, 1), (4, 9, 3), (10, 10, 5), (3, 40, 2), (100, 7, 1)]
pairs = [
    pair(scores(kind, (n, tasks)), scores(kind, (m, tasks)))
    for n, m, tasks in pairs
    for kind in ("signed", "ties", "ends")
]
same = scores("ties", (6, 2))
pairs.append(pair(same, same))

taus = [(rng.integers(0, top, n), rng.integers(0, top, n)) for n in (1, 2, 3, 5, 8, 30, 200) for top in (2, 5, 10_000)]
taus += [(np.arange(9), np.arange(9)), (np.arange(4), -np.arange(4)), (np.ones(5), np.arange(5))]
taus = [{"x": x.tolist(), "y": y.tolist(), "tau": number(tau(x, y))} for x, y in taus]

rankings = [((2,), 0), ((6,), 0), ((7,), 1), ((4, 4), 0), ((5, 3, 4), 1), ((5, 5, 5), 0), ((6, 5, 6, 4), 1)]
differences = [[(1, 1)], [(5, 5)], [(7, 7)], [(3, 8)], [(9, 2)], [(4, 4), (3, 5)], [(5, 5)] * 4, [(6, 6), (3, 9), (10, 2)]]
p_values = [[0.03], [0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 0.9], [0.02, 0.02, 1.0, 0.0], rng.uniform(0, 0.2, 20).tolist()]

goldens = {
    "samples": [sample(x) for x in lists],
    "matrices": [matrix(x) for x in matrices],
    "pairs": pairs,
    "taus": taus,
    "rankings": [agreement(*each) for each in rankings],
    "differences": [difference(each, digits) for each in differences for digits in (0, 3)],
    "holm": [{"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()} for p in p_values],
    "powers": [
        power([[70.0, 90.0, 80.0]], [[60.0, 50.0, 75.0]], 20.0),
        power([[70.0, 90.0, 80.0], [10.0, 0.0]], [[60.0, 50.0, 75.0, 1.5], [20.0, 20.0, 30.0]], 7.5),
        power([[1.0, 2.0]] * 4, [[1.0, 1.0]] * 4, 0.25),
        power([[40.0, 45.0, 30.0, 41.0, 43.0]], [[60.0, 50.0, 75.0, 80.0, 66.0]], -25.0),
    ],
}

print("{")
for i, (name, cases) in enumerate(goldens.items()):  # one line per case
    print(",\n" * (i > 0) + f'"{name}": [')
    print(*map(json.dumps, cases), sep=",\n", end="\n]")
print("\n}")
