"""Writes maze_point.json: what MuJoCo does with the ball of D4RL's maze2d, and maze_ant.json: with
the ant of its antmaze.

    pip install mujoco==4.0.0 "gymnasium[mujoco]==1.4.0"
    python envs/tests/mujoco/maze.py [maze_point] [maze_ant]

D4RL (Fu et al. 2020, arXiv:2004.07219) itself needs a MuJoCo that is no longer to be had, so its
models are made here from its figures: d4rl/pointmaze/maze_model.py, d4rl/locomotion/assets/ant.xml.
Of two geoms' margins D4RL's MuJoCo took the larger and today's takes the sum: floor and walls have
none here. Sections are those of `bodies.py`; of the ball, `landings` are runs against walls of the U
maze, among them ones into corners and along walls, and `judged` are states of all mazes.
"""

import sys

import gymnasium
import mujoco
import numpy as np
from bodies import gymnasium_parts
from mechanics import Robot, contacts, spread, write

MAZES = {
    "umaze": ("##### #GOO# ###O# #OOO# #####", 300),
    "medium": ("######## #OO##OO# #OO#OOO# ##OOO### #OO#OOO# #O#OO#O# #OOO#OG# ########", 600),
    "large": (
        "############ #OOOO#OOOOO# #O##O#O#O#O# #OOOOOO#OOO# #O####O###O# #OO#O#OOOOO# "
        "##O#O#O#O### #OO#OOO#OGO# ############",
        800,
    ),
}
# The ball's coordinates are 0 here in the world, where the centre of cell (0, 0) is at (1, 1).
ORIGIN, RADIUS, MAX_SPEED = 1.2, 0.1, 5.0


def cells(name, kinds):
    rows = MAZES[name][0].split()
    return [(i, j) for i, row in enumerate(rows) for j, c in enumerate(row) if c in kinds]


def point(name):
    spec = mujoco.MjSpec()
    spec.option.timestep, spec.option.gravity, spec.option.iterations = 0.01, [0, 0, 0], 20
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    ball = spec.worldbody.add_body(name="particle", pos=[ORIGIN, ORIGIN, 0])
    geom = ball.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[RADIUS, 0, 0])
    geom.density, geom.margin, geom.condim = 1000, 0.002, 1
    for axis, joint in enumerate(("ball_x", "ball_y")):
        along = np.eye(3)[axis]
        slide = ball.add_joint(name=joint, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=along)
        slide.damping = [1, 0, 0] if np.ndim(slide.damping) else 1
        motor = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.gear, motor.ctrlrange, motor.ctrllimited = [100, 0, 0, 0, 0, 0], [-1, 1], True
    for i, j in cells(name, "#"):
        wall = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, pos=[i + 1, j + 1, 0])
        wall.size, wall.condim = [0.5, 0.5, 0.2], 1
    return spec.compile()


def clip(data):
    data.qvel[:] = data.qvel.clip(-MAX_SPEED, MAX_SPEED)


def walls(model, rng, count=24):
    """0.4 s from the middle of a cell, at speed and under a force that is held for 0.2 s."""
    out, free = [], cells("umaze", "OG")
    while len(out) < count:
        data = mujoco.MjData(model)
        data.qpos[:] = free[rng.integers(len(free))] + rng.uniform(-0.1, 0.1, 2)
        data.qvel[:] = rng.uniform(-5, 5, 2)
        start = [data.qpos.copy(), data.qvel.copy()]
        controls = rng.uniform(-1, 1, (2, 2)).repeat(20, axis=0).round(4)
        states, deepest = [], -np.inf
        for ctrl in controls:
            clip(data)
            data.ctrl[:] = ctrl
            mujoco.mj_step(model, data)
            deepest = max(deepest, *contacts(model, data))
            states.append([data.qpos.copy(), data.qvel.copy()])
        if deepest > 0:
            out.append({"start": start, "actions": controls, "states": states, "penetration": deepest})
    return out


def judged(rng, count=30):
    """States near the goal of one of the mazes, and others."""
    out = []
    goals = {name: np.array(cells(name, "G")[0]) for name in MAZES}
    for i in range(count):
        near = list(goals.values())[i % 3]
        qpos = near + rng.uniform(-0.5, 0.5, 2) if i % 4 else rng.uniform(0.5, 3, 2)
        qvel = rng.uniform(-5, 5, 2)
        reward = {name: float(np.linalg.norm(qpos - goal) <= 0.5) for name, goal in goals.items()}
        ctrl = rng.uniform(-1, 1, 2).round(4)
        obs = np.concatenate([qpos, qvel])
        out.append({"qpos": qpos, "qvel": qvel, "ctrl": ctrl, "obs": obs, "rewards": reward})
    return {"obs_parts": {"position": [0, 2], "velocity": [2, 4]}, "judged": out}


def point_random(episodes=100):
    lengths, returns = {}, {}
    for name, (_, horizon) in MAZES.items():
        model, free, got = point(name), cells(name, "OG"), []
        goal = np.array(cells(name, "G")[0])
        for seed in range(episodes):
            rng, data, total = np.random.default_rng(seed), mujoco.MjData(model), 0.0
            data.qpos[:] = free[rng.integers(len(free))] + rng.uniform(-0.1, 0.1, 2)
            data.qvel[:] = 0.1 * rng.normal(size=2)
            for _ in range(horizon):
                clip(data)
                data.ctrl[:] = rng.uniform(-1, 1, 2)
                mujoco.mj_step(model, data)
                total += np.linalg.norm(data.qpos - goal) <= 0.5
            got.append(total)
        lengths[name], returns[name] = spread([horizon]), spread(got)
    return {"episodes": episodes, "length": lengths, "return": returns}


def maze_point():
    model = point("umaze")
    robot = Robot("maze_point", model, 1, np.array([1.0, 1.0]))
    original = {"random": point_random()} | judged(robot.rng("judged"))
    original["limits"] = []
    original["landings"] = walls(model, robot.rng("walls"))
    write(robot, {}, "D4RL's maze2d, rebuilt from its figures", original, 0)


def maze_ant():
    """Gymnasium's ant with what D4RL's differs in: time, torques, impedance of contacts."""
    env = gymnasium.make("Ant-v5").unwrapped
    model = env.model
    model.opt.timestep = 0.02
    model.actuator_gear[:, 0] = 30
    model.geom_solimp[:, :3] = [0.8, 0.8, 0.01]
    model.geom_solimp[model.geom("floor").id, :3] = [0.8, 0.8, 0.01]
    model.geom_margin[model.geom("floor").id] = 0
    robot = Robot("maze_ant", model, 5, env.init_qpos)
    random = {"episodes": 0, "length": spread([0]), "return": spread([0])}
    parts = {k: v for k, v in gymnasium_parts(env).items() if k != "cfrc_ext"}
    original = {"random": random, "obs_parts": parts, "judged": []}
    write(robot, {"gymnasium": gymnasium.__version__}, "D4RL's antmaze, rebuilt from its figures", original, 12)


if __name__ == "__main__":
    for which in sys.argv[1:] or ("maze_point", "maze_ant"):
        {"maze_point": maze_point, "maze_ant": maze_ant}[which]()
