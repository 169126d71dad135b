"""Writes hopper_d4rl.hdf5 and reach_cpl.npz: made-up numbers in the layouts of D4RL's and CPL's files, as large
as the observations and actions of hopper and reach there (CPL leaves out four of Meta-World's 39 numbers). Needs h5py and NumPy: `python layouts.py`.
"""

from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).parent
rng = np.random.default_rng(3)


def d4rl(path, steps, obs, act):
    observations = rng.normal(size=(steps + 1, obs)).astype(np.float32)
    flags = {name: np.zeros(steps, bool) for name in ["terminals", "timeouts"]}
    flags["terminals"][49::100] = True
    flags["timeouts"][99::100] = True
    with h5py.File(path, "w") as file:
        columns = {
            "observations": observations[:-1],
            "next_observations": observations[1:],
            "actions": rng.uniform(-1, 1, (steps, act)).astype(np.float32),
            "rewards": rng.normal(size=steps).astype(np.float32),
            **flags,
        }
        for name, column in columns.items():
            file.create_dataset(name, data=column, compression="gzip")


def cpl(path, segments, steps, obs, act):
    np.savez_compressed(
        path,
        obs=rng.normal(size=(segments, steps, obs)).astype(np.float32),
        action=rng.uniform(-1, 1, (segments, steps, act)).astype(np.float32),
        reward=rng.normal(size=(segments, steps)).astype(np.float32),
        rl_sum=rng.normal(size=segments),
    )


d4rl(HERE / "hopper_d4rl.hdf5", 300, 11, 3)
cpl(HERE / "reach_cpl.npz", 16, 20, 35, 4)
