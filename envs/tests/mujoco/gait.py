"""Writes gait.json: how fast open-loop sinusoids run in MuJoCo's HalfCheetah.

    pip install mujoco==4.0.0 "gymnasium[mujoco]==1.4.0"
    python envs/tests/mujoco/gait.py

A gait is a frequency f and an amplitude a, phase p and offset o for each of six joints, in the order
of the actuators: action = clip(o + a sin(2 pi f t + p), -1, 1), with t the time at the start of the
control step of 0.05 s. A rollout starts at rest in the model's initial pose, unperturbed, and lasts
5 s (100 control steps); its score is the distance of rootx over 5 s, and -1e9 if that is not finite.

The search is the cross-entropy method, written to be repeated elsewhere to the last draw:

- Parameters in the order a0..a5, p0..p5, o0..o5, f. Initial mean 0.5, 0, 0 and 2 Hz; initial
  standard deviation 0.5, 1.5, 0.3 and 0.75 Hz. f is clipped to [0.5, 4] as it is drawn; the clipped
  value is what runs and what the mean and deviation are taken from. Nothing else is clipped.
- 25 generations of 32 rollouts. x = mean + deviation * z, the 19 z of a candidate drawn in the order
  of the parameters, candidates one after another.
- Elites: the 6 best of the generation, by score, ties to the earlier. New mean: theirs. New
  deviation: theirs (over 6, not 5), but no less than 0.1 times the initial one.
- Random numbers: a 64-bit generator, state <- state * 6364136223846793005 + 1442695040888963407
  modulo 2^64, that starts at `seed` and is stepped before each use; u = ((state >> 11) + 0.5) / 2^53.
  A normal takes two: z = sqrt(-2 ln u1) cos(2 pi u2). Seeds 1 to 5.
- The result is the best rollout of all 800.
"""

import math
import sys

import gymnasium
import mujoco
import numpy as np
from mechanics import HERE, plain

GENERATIONS, ROLLOUTS, ELITES, STEPS = 25, 32, 6, 100
JOINTS, PERIOD, SKIP = 6, 0.05, 5
MEAN = np.repeat([0.5, 0.0, 0.0, 2.0], [JOINTS, JOINTS, JOINTS, 1])
DEVIATION = np.repeat([0.5, 1.5, 0.3, 0.75], [JOINTS, JOINTS, JOINTS, 1])
FLOOR, FREQUENCY = 0.1, (0.5, 4.0)


class Random:
    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return ((self.state >> 11) + 0.5) / 2**53

    def normal(self):
        radius = math.sqrt(-2.0 * math.log(self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())


def speed(model, gait):
    amplitude, phase, offset = gait[:-1].reshape(3, JOINTS)
    data = mujoco.MjData(model)
    for step in range(STEPS):
        wave = np.sin(2.0 * np.pi * gait[-1] * step * PERIOD + phase)
        data.ctrl[:] = np.clip(offset + amplitude * wave, -1.0, 1.0)
        mujoco.mj_step(model, data, SKIP)
    return data.qpos[0] / (STEPS * PERIOD) if np.isfinite(data.qpos).all() else -1e9


def search(model, seed):
    random, mean, deviation = Random(seed), MEAN.copy(), DEVIATION.copy()
    best, means = (-np.inf, None), []
    for _ in range(GENERATIONS):
        draws = np.array([[random.normal() for _ in MEAN] for _ in range(ROLLOUTS)])
        gaits = mean + deviation * draws
        gaits[:, -1] = gaits[:, -1].clip(*FREQUENCY)
        scores = np.array([speed(model, gait) for gait in gaits])
        order = np.argsort(-scores, kind="stable")
        if scores[order[0]] > best[0]:
            best = scores[order[0]], gaits[order[0]]
        elite = gaits[order[:ELITES]]
        mean, deviation = elite.mean(axis=0), np.maximum(elite.std(axis=0), FLOOR * DEVIATION)
        means.append(scores.mean())
    return {"seed": seed, "speed": best[0], "gait": best[1], "mean_per_generation": means}


def main():
    env = gymnasium.make("HalfCheetah-v5").unwrapped
    assert env.frame_skip == SKIP and math.isclose(env.dt, PERIOD)
    random, other = Random(1), Random(1)
    record = {
        "versions": {"mujoco": mujoco.__version__, "gymnasium": gymnasium.__version__},
        "parameters": "amplitude of six joints, phase of six, offset of six, frequency",
        # The first numbers of seed 1, for whoever repeats this.
        "uniforms": [random.uniform() for _ in range(4)],
        "normals": [other.normal() for _ in range(4)],
        "mean_gait_speed": speed(env.model, MEAN),
    }
    found = []
    for seed in range(1, 6):
        found.append(search(env.model, seed))
        print(f"seed {seed}: {found[-1]['speed']:.3f} m/s", file=sys.stderr, flush=True)
    record["speeds"] = [f["speed"] for f in found]
    record["seeds"] = found
    lines = [f'"{k}": {plain(v)}' for k, v in record.items()]
    (HERE / "gait.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
