"""Records robosuite's Panda: where its hand is, and how its controller moves it.

    python envs/tests/robosuite/record.py

With robosuite 1.5.2 and mujoco 3.3.2. Writes arm.json beside this file: `poses`, rows of
[7 joint positions, position of the grip site 3, quaternion (x, y, z, w) of the hand 4], relative to the
base; and `moves`, episodes of `Lift` in which nothing is touched: joints at the start, and per control
step [action 7, joints 7, position 3, fingers 2], positions in the world.
"""

import json
import pathlib

import mujoco
import numpy as np
import robosuite

HERE = pathlib.Path(__file__).parent
POSES = 20
STEPS = 40


def numbers(values):
    return [round(float(v), 7) for v in np.ravel(values)]


def make():
    return robosuite.make(
        "Lift",
        robots="Panda",
        has_renderer=False,
        has_offscreen_renderer=False,
        use_camera_obs=False,
        control_freq=20,
        horizon=1000,
    )


def poses(env, random):
    model, data = env.sim.model._model, mujoco.MjData(env.sim.model._model)
    site = model.site("gripper0_right_grip_site").id
    hand = model.body("robot0_right_hand").id
    base = model.body("robot0_base").pos
    low, high = model.jnt_range[:7].T
    for _ in range(POSES):
        joints = random.uniform(low, high)
        data.qpos[:7] = joints
        mujoco.mj_kinematics(model, data)
        w, *xyz = data.xquat[hand]
        yield numbers([*joints, *(data.site_xpos[site] - base), *xyz, w])


def move(env, actions):
    env.reset()
    start = env.sim.data.qpos[:7].copy()
    rows = []
    for action in actions:
        obs = env.step(action)[0]
        rows.append(
            numbers(
                [
                    *action,
                    *env.sim.data.qpos[:7],
                    *obs["robot0_eef_pos"],
                    *obs["robot0_gripper_qpos"],
                ]
            )
        )
    return {"start": numbers(start), "rows": rows}


def main():
    random = np.random.default_rng(0)
    env = make()
    env.reset()
    record = {"poses": list(poses(env, random)), "moves": []}
    for kind in ["still", "forward", "turn", "random", "random"]:
        actions = np.zeros((STEPS, 7))
        half = STEPS // 2
        if kind == "forward":
            actions[:half, :3] = [0.5, 0.6, 0.3]
            actions[:, 6] = 1
        elif kind == "turn":
            actions[:half, 5] = 1.0
            actions[:half, 2] = 0.4
            actions[:, 6] = -1
        elif kind == "random":
            actions = random.uniform(-1, 1, (STEPS, 7))
            actions[:, 2] = abs(actions[:, 2])
        record["moves"].append(move(env, actions))
    (HERE / "arm.json").write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
