"""Writes the HDF5 samples of import_hdf5.rs and hdf5.json, what they must be read as.

    python3 hdf5.py                 # the samples, beside this file
    python3 hdf5.py speed FOLDER    # two files of a million transitions, for examples/read_speed.rs

Needs h5py, NumPy, gymnasium and minari 0.5.4. What is expected is derived from the arrays in memory, not from the
files: episodes by splitting whole arrays at indices, where the reader goes from block to block.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).parent
N, OBS, ACT = 24, 3, 2
TERMINAL, TIMEOUT = [4, 11], [8, 15]  # last rows of episodes; rows 16 to 23 are interrupted
rng = np.random.default_rng(7)


def eighths(*shape):
    """Numbers that are exact in float32 and as JSON."""
    return rng.integers(-800, 800, shape) / 8


def flags(rows):
    out = np.zeros(N, bool)
    out[rows] = True
    return out


def trajectory(ends):
    """Observations and next observations that continue except after `ends`."""
    obs = eighths(N, OBS)
    nxt = np.vstack([obs[1:], eighths(1, OBS)])
    nxt[ends] = eighths(len(ends), OBS)
    return obs, nxt


def columns(obs, act, rew, ends, endings, last):
    """As Columns are serialized; `last[e]` is the last observation of episode e."""
    cuts = np.add(ends, 1)
    episodes = np.split(obs, cuts[:-1])
    starts = np.concatenate([[0], cuts[:-1]])
    return {
        "obs_dim": obs.shape[1],
        "act_dim": act.shape[1],
        "observations": np.vstack([np.vstack([o, l]) for o, l in zip(episodes, last)]).ravel().tolist(),
        "actions": np.asarray(act, float).ravel().tolist(),
        "rewards": np.asarray(rew, float).ravel().tolist(),
        "episodes": [
            {"start": int(s), "len": int(c - s), "ending": e} for s, c, e in zip(starts, cuts, endings)
        ],
    }


def d4rl(expected):
    ends = sorted(TERMINAL + TIMEOUT) + [N - 1]
    terminal = [e in TERMINAL for e in ends]

    def endings(other):
        return ["terminated" if t else other for t in terminal]

    def write(name, libver="earliest", next_obs=None, timeouts=None, options={}, **dtypes):
        obs, nxt = trajectory(ends[:-1])
        act, rew = eighths(N, ACT), rng.integers(-5, 5, N)
        with h5py.File(HERE / f"{name}.hdf5", "w", libver=libver) as f:
            arrays = {"observations": obs, "actions": act, "rewards": rew, "terminals": flags(TERMINAL)}
            if timeouts:
                arrays["timeouts"] = flags(TIMEOUT)
            if next_obs:
                arrays["next_observations"] = nxt
            for key, array in arrays.items():
                dtype = dtypes.get(key, "f4" if array.dtype != bool else bool)
                f.create_dataset(key, data=array.astype(dtype), **options)
            f.create_dataset("infos/qpos", data=obs[:, :1])
            f["metadata/algorithm"] = "SAC"
        return obs, nxt, act, rew

    obs, nxt, act, rew = write("d4rl", next_obs=True, timeouts=True)
    expected["d4rl"] = columns(obs, act, rew, ends, endings("truncated"), nxt[ends])

    # Chunks that do not divide the arrays, in both dimensions; other types of numbers.
    gzip = {"compression": "gzip", "shuffle": True, "chunks": True}
    obs, nxt, act, rew = write("d4rl_gzip", ("v110", "v110"), True, True, gzip, rewards="i2", actions=">f8")
    expected["d4rl_gzip"] = columns(obs, act, rew, ends, endings("truncated"), nxt[ends])

    obs, nxt, act, rew = write("d4rl_no_next", timeouts=True, terminals="u1")
    expected["d4rl_no_next"] = columns(obs, act, rew, ends, endings("cut"), obs[ends])

    obs, nxt, act, rew = write("d4rl_no_timeouts", next_obs=True)
    expected["d4rl_no_timeouts"] = columns(obs, act, rew, ends, endings("truncated"), nxt[ends])

    obs, nxt, act, rew = write("d4rl_bare", observations="f8", rewards=">i8")
    few = TERMINAL + [N - 1]
    expected["d4rl_bare"] = columns(obs, act, rew, few, ["terminated", "terminated", "cut"], obs[few])


def robomimic(expected, name="robomimic", count=12, libver="earliest"):
    """More than ten demonstrations, so that the order of names is not that of numbers."""
    keys = [("object", 4), ("robot0_joint_pos", 2), ("robot0_eef_pos", 3), ("robot0_gripper_qpos", 1)]
    lengths = [3 + i % 3 for i in range(count)]
    obs, last, act, rew, endings = [], [], [], [], []
    with h5py.File(HERE / f"{name}.hdf5", "w", libver=libver) as f:
        data = f.create_group("data")
        data.attrs["total"] = sum(lengths)
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "env_type": 1, "env_kwargs": {"robots": ["Panda"]}})
        for i, length in enumerate(lengths):
            demo = data.create_group(f"demo_{i}")
            demo.attrs["num_samples"] = length
            demo.attrs["model_file"] = "<mujoco/>"
            rows = {key: eighths(length + 1, k) for key, k in keys}
            for group, part in [("obs", slice(None, -1)), ("next_obs", slice(1, None))][: 1 if i == count - 1 else 2]:
                for key, array in rows.items():
                    demo.create_dataset(f"{group}/{key}", data=array[part])
                demo.create_dataset(f"{group}/robot0_eef_vel_lin", data=np.ones((length, 3)))
                if group == "obs" and i == 0:
                    image = np.zeros((length, 4, 4, 3), np.uint8)
                    demo.create_dataset("obs/agentview_image", data=image)
            actions, rewards, dones = eighths(length, ACT), np.zeros(length), np.zeros(length, np.int64)
            rewards[-1] = dones[-1] = i % 2 == 0
            for key, array in [("actions", actions), ("rewards", rewards), ("dones", dones)]:
                demo.create_dataset(key, data=array)
            rows = np.hstack([rows[key] for key, _ in keys])
            obs.append(rows[:-1])
            last.append(rows[-1] if i != count - 1 else rows[-2])
            act.append(actions)
            rew.append(rewards)
            endings.append("terminated" if i % 2 == 0 else "cut" if i == count - 1 else "truncated")
        f["mask/train"] = np.array([b"demo_0", b"demo_10"])
    ends = np.cumsum(lengths) - 1
    expected[name] = columns(np.vstack(obs), np.vstack(act), np.hstack(rew), ends, endings, last)


def minari(expected):
    """Written by minari itself; what is expected is flattened by gymnasium."""
    root = tempfile.mkdtemp()
    os.environ["MINARI_DATASETS_PATH"] = root
    import gymnasium
    from gymnasium.spaces import Box, Dict

    import minari as library
    from minari.data_collector import EpisodeBuffer

    goal = Dict({"far": Box(-np.inf, np.inf, (1,)), "aim": Box(-1, 1, (2,), np.float64)})
    space = Dict({"observation": Box(-np.inf, np.inf, (3,), np.float64), "goal": goal})
    buffers, obs, last, act, rew, ends, endings = [], [], [], [], [], [], []
    for e, length in enumerate([4, 1, 6]):
        aim, far, plain = eighths(length + 1, 2), eighths(length + 1, 1), eighths(length + 1, 3)
        actions, rewards = eighths(length, ACT), eighths(length)
        terminated = e == 1
        last_step = [False] * (length - 1)
        buffers.append(
            EpisodeBuffer(
                id=e,
                seed=None if e == 2 else 40 + e,
                observations={"observation": plain, "goal": {"aim": aim, "far": far.astype("f4")}},
                actions=actions.astype("f4"),
                rewards=list(rewards),
                terminations=last_step + [terminated],
                truncations=last_step + [not terminated],
                infos={},
            )
        )
        rows = [
            gymnasium.spaces.flatten(space, {"observation": o, "goal": {"aim": a, "far": f}})
            for o, a, f in zip(plain, aim, far)
        ]
        obs += rows[:-1]
        last.append(rows[-1])
        act.append(actions)
        rew.append(rewards)
        ends.append(len(obs) - 1)
        endings.append("terminated" if terminated else "truncated")
    box = Box(-np.inf, np.inf, (ACT,))
    about = {"algorithm_name": "expert", "description": "a sample"}
    library.create_dataset_from_buffers(
        "sample-v0", buffers, observation_space=space, action_space=box, **about
    )
    shutil.rmtree(HERE / "minari", ignore_errors=True)
    shutil.copytree(Path(root) / "sample-v0", HERE / "minari")
    shutil.rmtree(root)
    expected["minari"] = columns(np.vstack(obs), np.vstack(act), np.hstack(rew), ends, endings, last)


def speed(folder):
    n = 1_000_000
    random = np.random.default_rng(1)
    for name, options in [("plain", {}), ("gzip", {"compression": "gzip"})]:
        with h5py.File(Path(folder) / f"speed_{name}.hdf5", "w") as f:
            obs = random.standard_normal((n, 17), np.float32)
            f.create_dataset("observations", data=obs, **options)
            f.create_dataset("next_observations", data=np.roll(obs, -1, 0), **options)
            f.create_dataset("actions", data=random.standard_normal((n, 6), np.float32), **options)
            f.create_dataset("rewards", data=random.standard_normal(n, np.float32), **options)
            f.create_dataset("terminals", data=np.zeros(n, bool), **options)
            f.create_dataset("timeouts", data=np.arange(n) % 1000 == 999, **options)


def main():
    if sys.argv[1:2] == ["speed"]:
        return speed(sys.argv[2])
    expected = {}
    d4rl(expected)
    robomimic(expected)
    robomimic(expected, "robomimic_small", 2, ("v110", "v110"))
    minari(expected)
    (HERE / "hdf5.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
