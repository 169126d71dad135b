"""Writes the fixtures that hold our tasks to their originals.

    pip install mujoco==4.0.0 "gymnasium[mujoco]==1.4.0" dm_control
    python envs/tests/mujoco/fixtures.py

hopper.json     what MuJoCo and Gymnasium's Hopper-v5 do: link masses, a flight, landings, transitions
tolerance.json  what dm_control's reward shaping yields
"""

import json
import pathlib

import gymnasium
import mujoco
import numpy as np
from dm_control.utils import rewards

HERE = pathlib.Path(__file__).parent


def flight(env):
    """0.8 s in the air under random torques: the same input to both engines, no contact, no limit.

    MuJoCo's RK4 at 0.25 ms stands for the exact solution. The start and the torques are such that
    every hinge stays well inside its range, so that limits may stay on in the engine under test.
    """
    model = env.unwrapped.model
    model.opt.timestep, skip = 0.00025, 32
    for seed in range(1_000):
        rng = np.random.default_rng(seed)
        data = mujoco.MjData(model)
        data.qpos[:] = [0.0, 8.0, 0.1, -1.3, -1.3, 0.0]
        data.qvel[:] = rng.uniform(-0.5, 0.5, 6)
        start = data.qpos.tolist(), data.qvel.tolist()
        states, actions = [], rng.uniform(-0.3, 0.3, (10, 3)).round(3).repeat(10, axis=0)  # held 80 ms
        ok = True
        for action in actions:
            data.ctrl[:] = action
            mujoco.mj_step(model, data, skip)
            hinges = data.qpos[3:]
            inside = (hinges > model.jnt_range[3:, 0] + 0.1) & (hinges < model.jnt_range[3:, 1] - 0.1)
            ok = ok and inside.all() and data.ncon == 0
            states.append([data.qpos.tolist(), data.qvel.tolist()])
        if ok:
            return {"start": start, "actions": actions.tolist(), "states": states}
    raise RuntimeError("no seed keeps the hinges inside their range")


def landings(env, count=24):
    """0.2 s from just above the floor, falling and moving forward, under torques held for 8 ms."""
    model = env.unwrapped.model
    data = mujoco.MjData(model)
    foot = model.geom("foot_geom").id
    rng = np.random.default_rng(0)
    out = []
    while len(out) < count:
        qpos = [0, 1.25, *rng.uniform([-0.15, -0.8, -1.0, -0.5], [0.15, 0.0, 0.0, 0.7])]
        qvel = rng.uniform([-0.5, -2.2, -1, -3, -3, -3], [3, -0.3, 1, 3, 3, 3])
        mujoco.mj_resetData(model, data)
        data.qpos[:] = qpos
        mujoco.mj_forward(model, data)
        radius, half = model.geom_size[foot][:2]
        lowest = data.geom_xpos[foot][2] - abs(data.geom_xmat[foot][8]) * half - radius
        data.qpos[1] += rng.uniform(0.005, 0.03) - lowest
        data.qvel[:] = qvel
        start = data.qpos.tolist(), data.qvel.tolist()
        actions = np.clip(rng.uniform(-1, 1, 3) + 0.6 * rng.normal(size=(25, 3)), -1, 1)
        states, touched = [], False
        for action in actions:
            data.ctrl[:] = action
            for _ in range(4):
                mujoco.mj_step(model, data)
                touched = touched or data.ncon > 0
            states.append([data.qpos.tolist(), data.qvel.tolist()])
        if touched and all(abs(q[2]) < 0.6 and q[1] > 0.5 for q, _ in states):
            out.append({"start": start, "actions": actions.tolist(), "states": states})
    return out


def transitions(env):
    """State before, action, state after, observation, reward, terminated: healthy and not."""
    out = []
    rng = np.random.default_rng(0)
    for episode in range(3):
        env.reset(seed=episode)
        for _ in range(200):
            data = env.unwrapped.data
            before = data.qpos.tolist(), data.qvel.tolist()
            action = rng.uniform(-1, 1, 3)
            obs, reward, terminated, _, _ = env.step(action)
            after = data.qpos.tolist(), data.qvel.tolist()
            out.append([before, action.tolist(), after, obs.tolist(), reward, bool(terminated)])
            if terminated:
                break
    return out


def main():
    env = gymnasium.make("Hopper-v5").unwrapped
    model = env.model
    hopper = {
        "versions": {"mujoco": mujoco.__version__, "gymnasium": gymnasium.__version__},
        "mass": model.body_mass[1:].tolist(),
        "pitch_inertia": [  # about the centre of mass; principal axis 1 is y on every link
            model.body_inertia[i][1] for i in range(1, model.nbody)
        ],
        "transitions": transitions(env),
        "landings": landings(env),
    }
    hopper["flight"] = flight(env)
    text = json.dumps(hopper, default=float)
    # Nine digits outlive the f32 that reads them.
    text = json.dumps(json.loads(text, parse_float=lambda x: float(f"{float(x):.9g}")))
    (HERE / "hopper.json").write_text(text + "\n")

    names = "gaussian hyperbolic long_tail reciprocal cosine linear quadratic tanh_squared".split()
    xs = [-9.0, -5.0, -4.0, -1.5, -1.0, 0.0, 2.0, 2.25, 3.0, 5.5, 6.0, 7.0, 40.0]
    tolerance = {
        name: [[x, rewards.tolerance(x, bounds=(-1, 2), margin=4, sigmoid=name)] for x in xs]
        for name in names
    }
    (HERE / "tolerance.json").write_text(json.dumps(tolerance) + "\n")


if __name__ == "__main__":
    main()
