"""What the peer scripts share: sizes, synthetic data, one thread, and the clock.

Sizes and the way of timing are those of `benches/benches/workloads/mod.rs` and
`benches/examples/rate.rs`. Import this module before any numerical library: it sets the
environment variables that hold them to one thread.
"""

import os

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "CUDA_VISIBLE_DEVICES": "",
}
for _name, _value in ONE_THREAD.items():
    os.environ.setdefault(_name, _value)

import sys
import time
from typing import Callable, NamedTuple

import numpy as np

OBS, ACT = 17, 6
TRANSITIONS = 20_000
EPISODE = 500

# SAC
WIDTH, BATCH = 256, 256
WIDE = 1024
"""Width and batch of `sac-update-wide`."""
LR = 3e-4
DISCOUNT = 0.99
TAU = 0.005
LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0

# PEBBLE's reward ensemble
MEMBERS = 3
PAIRS = 128
SEGMENT = 50


class Replay:
    """20,000 transitions in NumPy arrays: normal observations and rewards, uniform actions.

    Episodes of 500 steps all end by the time limit, so every transition bootstraps.
    """

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        normal = lambda *shape: self.rng.standard_normal(shape, dtype=np.float32)
        self.obs = normal(TRANSITIONS, OBS)
        self.act = self.rng.uniform(-1, 1, (TRANSITIONS, ACT)).astype(np.float32)
        self.reward = normal(TRANSITIONS, 1)
        self.next_obs = np.roll(self.obs, -1, axis=0)
        self.next_obs[EPISODE - 1 :: EPISODE] = normal(TRANSITIONS // EPISODE, OBS)
        self.bootstrap = np.ones((TRANSITIONS, 1), np.float32)

    def columns(self):
        """s, a, r, s' and the bootstrap factor: what a batch holds, in this order."""
        return self.obs, self.act, self.reward, self.next_obs, self.bootstrap

    def sample(self, batch=BATCH):
        """A batch drawn uniformly with replacement."""
        rows = self.rng.integers(0, TRANSITIONS, batch)
        return [column[rows] for column in self.columns()]


def init_mlp(rng, sizes):
    """Layers (weight [in, out], bias), uniform in +-1/sqrt(in)."""
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        bound = 1 / np.sqrt(inputs)
        draw = lambda *shape: rng.uniform(-bound, bound, shape).astype(np.float32)
        layers.append((draw(inputs, outputs), draw(outputs)))
    return layers


def init_sac(seed=0, width=WIDTH):
    """Initial weights: the actor, and two critics."""
    rng = np.random.default_rng(seed)
    actor = init_mlp(rng, [OBS, width, width, 2 * ACT])
    critics = [init_mlp(rng, [OBS + ACT, width, width, 1]) for _ in range(2)]
    return actor, critics


class Work(NamedTuple):
    """What is timed: `call` does `units` of work, and `sync` waits for what was only queued."""

    call: Callable
    sync: Callable = lambda: None
    units: int = 1


def rate(work, seconds):
    """Units per second, over `seconds` after a warm-up of a fifth of that."""
    begin = time.perf_counter()
    work.call()
    while time.perf_counter() - begin < seconds / 5:
        work.call()
    work.sync()
    calls, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        work.call()
        calls += 1
    work.sync()
    return calls * work.units / (time.perf_counter() - begin)


def main(implementations):
    """Command line of a peer: `SCRIPT IMPLEMENTATION[:TASK] [SECONDS]` prints units per second.

    `implementations` maps a name to a function that builds the `Work`, of the task if one is given.
    """
    name, _, task = (sys.argv[1] if len(sys.argv) > 1 else "").partition(":")
    if name not in implementations:
        sys.exit(f"usage: {sys.argv[0]} {{{','.join(implementations)}}}[:TASK] [SECONDS]")
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    work = implementations[name](*[task] if task else [])
    print(f"{rate(work, seconds):.3f}")
