"""Writes the samples of import_arrays.rs and hostile_arrays.rs beside itself.

    python3 arrays.py

NumPy and pickle write the files; what is in them goes to arrays.json as plain lists, and D4RL's
q-learning view is computed here a second time, in whole arrays.
"""

import io
import json
import os
import pickle
import shutil

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
RNG = np.random.default_rng(7)


def path(*names):
    full = os.path.join(HERE, *names)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    return full


def npy(array, version=None):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version, allow_pickle=True)
    return buffer.getvalue()


def sample(data, array):
    return {"hex": data.hex(), "shape": list(array.shape), "values": array.ravel("C").tolist()}


def npy_samples():
    out = {}
    for dtype in ["f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]:
        for order in "<>" if dtype[1] != "1" else "|":
            low = -100 if dtype[0] != "u" else 0
            array = RNG.integers(low, 100, (3, 2, 2)).astype(order + dtype)
            if dtype[0] == "f":
                array = array / array.dtype.type(8)
                array = array.astype(order + dtype)
            out[f"{order}{dtype}"] = sample(npy(array), array)
    flags = np.array([True, False, True])
    out["b1"] = sample(npy(flags), flags)
    fortran = np.asfortranarray(np.arange(24, dtype="<f4").reshape(2, 3, 4))
    assert b"'fortran_order': True" in npy(fortran)
    out["fortran"] = sample(npy(fortran), fortran)
    for version in [(1, 0), (2, 0), (3, 0)]:
        array = np.arange(5, dtype="<i4")
        out[f"version{version[0]}"] = sample(npy(array, version), array)
    out["scalar"] = sample(npy(np.array(2.5)), np.array(2.5))
    out["empty"] = sample(npy(np.zeros((0, 3), "<f4")), np.zeros((0, 3)))
    return out


def npy_refused():
    arrays = {
        "object": np.array([1, "a"], dtype=object),
        "string": np.array(["ab", "c"]),
        "bytes": np.array([b"ab", b"c"]),
        "structured": np.zeros(2, dtype=[("x", "<f4"), ("y", "<i4")]),
        "complex": np.zeros(2, dtype="<c8"),
        "half": np.zeros(2, dtype="<f2"),
        "date": np.zeros(2, dtype="<M8[s]"),
    }
    return {name: npy(array).hex() for name, array in arrays.items()}


def plain(value):
    """What is expected of a pickle, as JSON: arrays and scalars as lists and numbers."""
    if isinstance(value, dict):
        return {"dict": [[plain(k), plain(v)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [plain(v) for v in value]}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": list(value)}
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "values": value.ravel("C").astype(float).tolist()}
    if isinstance(value, np.generic):
        return value.item()
    return value


def numpy1(data):
    """The same pickle as NumPy 1 writes it."""
    old = data.replace(b"numpy._core.", b"numpy.core.")
    if data[:1] == b"\x80" and data[1] >= 4:
        # The names' lengths, and the frame's.
        for name in [b"numpy.core.multiarray", b"numpy.core.numeric"]:
            old = old.replace(bytes([0x8C, len(name) + 1]) + name, bytes([0x8C, len(name)]) + name)
        shorter = len(data) - len(old)
        frame = int.from_bytes(old[3:11], "little") - shorter
        old = old[:3] + frame.to_bytes(8, "little") + old[11:]
    assert len(old) < len(data)
    return old


def pickle_samples():
    nested = {
        "a": [1, -2, 3.5, None, True, (), (1,), (1, 2, 3, 4), "", "äß€\n\\", 2**40, -(2**62)],
        "b": {"c": b"\x00\xff\n", "d": bytearray(b"xyz"), "e": b"", "f": [[[]]]},
        3: "three",
    }
    shared = [1, 2]
    values = {
        "plain": nested,
        "shared": [shared, shared, (shared,)],
        "long list": [i % 7 for i in range(1005)],
        "labels": [1, 0, -1, 1],
        "i4": np.arange(-3, 4, dtype="<i4"),
        "i8": np.arange(6).reshape(2, 3),
        "f8": np.linspace(0, 1, 7),
        "big-endian": np.arange(6, dtype=">f4"),
        "fortran": np.asfortranarray(np.arange(12, dtype="<f4").reshape(3, 4)),
        "bool": np.array([True, False]),
        "scalars": [np.float64(1.5), np.int64(-3), np.bool_(True), np.float32(0.25)],
        "empty": np.zeros((0, 2), "<f4"),
        "zero-dimensional": np.array(3.0),
        "trajectories": [
            {"observations": np.ones((2, 3), "<f4"), "rewards": np.arange(2.0)},
            {"observations": np.zeros((1, 3), "<f4"), "rewards": np.arange(1.0)},
        ],
    }
    out = {}
    for name, value in values.items():
        for protocol in range(6):
            data = pickle.dumps(value, protocol)
            out[f"{name}, protocol {protocol}"] = {"hex": data.hex(), "value": plain(value)}
            if b"numpy._core" in data:
                key = f"{name}, protocol {protocol}, NumPy 1"
                out[key] = {"hex": numpy1(data).hex(), "value": plain(value)}
    return out


def segments():
    n, s, d, a = 7, 4, 3, 2
    return dict(
        obs=RNG.normal(size=(n, s, d)).astype(np.float32),
        action=RNG.uniform(-1, 1, (n, s, a)).astype(np.float64),
        reward=RNG.integers(0, 9, (n, s)) / np.float32(10),
        rl_sum=np.array([0.5, 2.0, -1.0, 0.25, 2.0, -1.5, 9.0]),
        timestep=np.tile(np.arange(s), (n, 1)),
    )


def npz_samples():
    new = segments()
    # 0 with 3, 1 with 4, 2 with 5: the greater rl_sum is preferred.
    expect = {"labels": ["left", "equal", "left"], "pairs": [[0, 3], [1, 4], [2, 5]]}
    expect["new"] = {k: new[k].astype(np.float32).tolist() for k in ["obs", "action", "reward"]}
    np.savez(path("arrays_cpl.npz"), **new)
    np.savez_compressed(path("arrays_cpl_compressed.npz"), **new)
    fortran = {k: np.asfortranarray(v) for k, v in new.items()}
    np.savez(path("arrays_cpl_fortran.npz"), **fortran)

    first, second = segments(), segments()
    sides = {f"{k}_{i}": s[k] for i, s in [(1, first), (2, second)] for k in ["obs", "action"]}
    label = np.array([0, 1, 0.5, 1, 1, 0, 0.5])
    np.savez(path("arrays_ipl_human.npz"), label=label, **sides)
    rewards = {f"reward_{i}": s["reward"] for i, s in [(1, first), (2, second)]}
    np.savez(path("arrays_cpl_old.npz"), label=label, **sides, **rewards)
    expect["pairs_labels"] = ["left", "right", "equal", "right", "right", "left", "equal"]
    for k in ["obs", "action", "reward"]:
        both = np.concatenate([first[k], second[k]]).astype(np.float32)
        expect.setdefault("old", {})[k] = both.tolist()
    return expect


def trajectories():
    """Three episodes of 5, 1 and 4 steps, flat and as a list."""
    ends, n = [5, 6, 10], 10
    obs = RNG.normal(size=(n, 3)).astype(np.float32)
    after = np.concatenate([obs[1:], obs[:1] + 1]).astype(np.float32)
    for end in ends:
        after[end - 1] = RNG.normal(size=3)
    terminals = np.arange(n) == 5
    flat = dict(
        observations=obs,
        actions=RNG.normal(size=(n, 2)),
        next_observations=after,
        rewards=RNG.integers(0, 9, (n, 1)).astype(np.float64),
        dones=np.zeros((n, 1), bool),
    )
    with open(path("arrays_lire.pkl"), "wb") as file:
        pickle.dump(flat, file, protocol=4)
    split = [
        {
            "observations": obs[a:b],
            "next_observations": after[a:b],
            "actions": flat["actions"][a:b],
            "rewards": flat["rewards"][a:b, 0],
            "terminals": terminals[a:b],
        }
        for a, b in zip([0, *ends], ends)
    ]
    with open(path("arrays_oppo.pkl"), "wb") as file:
        pickle.dump(split, file, protocol=3)
    rows = [[*obs[a:b], after[b - 1]] for a, b in zip([0, *ends], ends)]
    return {
        "rows": np.concatenate(rows).tolist(),
        "actions": flat["actions"].tolist(),
        "rewards": flat["rewards"].tolist(),
        "lengths": np.diff([0, *ends]).tolist(),
    }


def q_learning(terminals, timeouts):
    """Rows of the view: d4rl.qlearning_dataset, as a mask."""
    keep = ~timeouts
    keep[-1] = False
    return np.flatnonzero(keep)


def labels():
    n, length, pairs = 400, 8, 60
    terminals, timeouts = np.zeros(n, bool), np.zeros(n, bool)
    at = 0
    while at < n:
        at += int(RNG.integers(5, 40))
        if at < n:
            kind = RNG.integers(3)
            terminals[at] = kind != 0
            timeouts[at] = kind != 1  # 2 is both
    rows = q_learning(terminals, timeouts)
    rewards = (RNG.integers(-8, 8, n) / 4).astype(np.float32)
    # One index more pair than labels: the rest was never asked.
    first = RNG.integers(0, len(rows) - length, pairs + 5).astype(np.int32)
    second = RNG.integers(0, len(rows) - length, pairs + 5).astype(np.int64)
    codes = RNG.integers(-1, 2, pairs)
    word = {0: "left", 1: "right", -1: "equal"}

    done = terminals | timeouts

    def inside(start):
        taken = rows[start : start + length]
        return (np.diff(taken) == 1).all() and not done[taken[:-1]].any()

    answers = []
    for i in range(pairs):
        if inside(first[i]) and inside(second[i]):
            sides = [int(rows[start[i]]) for start in (first, second)]
            returns = [float(rewards[row : row + length].astype(float).sum()) for row in sides]
            answers.append([*sides, word[int(codes[i])], *returns])
    assert 10 < len(answers) < pairs - 5

    def dump(value, *names, protocol=None):
        with open(path(*names), "wb") as file:
            pickle.dump(value, file, protocol)

    folder = "labels_pt"
    dump(first, folder, f"indices_num{pairs + 5}_q{length}", protocol=2)
    dump(second, folder, f"indices_2_num{pairs + 5}_q{length}", protocol=5)
    dump(codes.tolist(), folder, "label_human", protocol=4)

    one_hot = np.array([{0: [1, 0], 1: [0, 1], -1: [0.5, 0.5]}[int(c)] for c in codes], float)
    for folder, kind, value in [
        ("labels_uni_human", "human_label", codes),
        ("labels_uni_fake", "fake_label", one_hot),
    ]:
        name = f"domain_mujoco_env_hopper-medium-v2_num_{pairs}_len_{length}_0123456789abcdef.pkl"
        dump(value, folder, f"{kind}_{name}")
        dump(first[:pairs], folder, f"indices_1_{name}")
        dump(second[:pairs], folder, f"indices_2_{name}")
    return {
        "terminals": terminals.astype(int).tolist(),
        "timeouts": timeouts.astype(int).tolist(),
        "rewards": rewards.tolist(),
        "rows": rows.tolist(),
        "length": length,
        "pairs": pairs,
        "answers": answers,
    }


def main():
    for folder in ["labels_pt", "labels_uni_human", "labels_uni_fake"]:
        shutil.rmtree(path(folder), ignore_errors=True)
    samples = {
        "npy": npy_samples(),
        "npy_refused": npy_refused(),
        "pickle": pickle_samples(),
        "npz": npz_samples(),
        "labels": labels(),
        "trajectories": trajectories(),
    }
    with open(path("arrays.json"), "w") as file:
        json.dump(samples, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
