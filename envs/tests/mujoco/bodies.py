"""Writes <body>.json: what MuJoCo does with the robots of Gymnasium and of dm_control's suite.

    pip install mujoco==4.0.0 "gymnasium[mujoco]==1.4.0"     # for the gym_ bodies
    pip install dm_control==1.0.50                           # for the dm_ bodies; needs mujoco<4
    python envs/tests/mujoco/bodies.py [body ...]            # default: every body it can import

Positions and velocities are MuJoCo's own: a free joint is position and quaternion (w first), linear
velocity in the world's and angular velocity in the body's frame. Actions are controls in the
original's units, between the two columns of `action_range`. Activations (dm_quadruped) start at 0.
Numbers have 9 significant digits, and at most 7 decimals where they belong to a trajectory.

bodies, coordinates, actuators   of the model; jointless bodies are welded into their parent
flight, swing    no contact, no joint limit: RK4 at 0.25 ms, which stands for the exact solution.
                 `every`: control steps between states. `*_error`: of MuJoCo's Euler and of the
                 model's own integrator at the model's timestep, over the hinges; `truth_error`: of
                 RK4 at 0.25 ms against 0.125 ms
limits           no contact; the model's integrator at a quarter of its timestep
landings, rest   the model as it is; `penetration` of the floor in m, negative where the robot rests
                 within the margin above it. At rest: over the last second, and `deepest` over all
random           episodes of uniform random actions
judged           observation and reward as functions of the state
"""

import importlib.metadata
import sys

import mujoco
import numpy as np
from mechanics import Robot, spread, write

GYMNASIUM = {
    "gym_hopper": "Hopper-v5",
    "gym_walker2d": "Walker2d-v5",
    "gym_half_cheetah": "HalfCheetah-v5",
    "gym_ant": "Ant-v5",
    "gym_humanoid": "Humanoid-v5",
}
DM_CONTROL = {
    "dm_walker": ("walker", ("stand", "walk", "run")),
    "dm_cheetah": ("cheetah", ("run",)),
    "dm_hopper": ("hopper", ("hop",)),
    "dm_cartpole": ("cartpole", ("swingup",)),
    "dm_reacher": ("reacher", ("easy",)),
    "dm_point_mass": ("point_mass", ("easy",)),
    "dm_quadruped": ("quadruped", ("walk", "run")),
    "dm_humanoid": ("humanoid", ("stand", "walk")),
}
HORIZON = 1000
# What keeps a file below 150 kB or so: landings, judged states.
COUNTS = {"gym_walker2d": (10, 40), "gym_humanoid": (4, 6), "gym_ant": (12, 40)}
COUNTS |= {"dm_quadruped": (6, 20), "dm_humanoid": (7, 28), "dm_cheetah": (16, 40)}


def gymnasium_body(name):
    import gymnasium

    env = gymnasium.make(GYMNASIUM[name]).unwrapped
    robot = Robot(name, env.model, env.frame_skip, env.init_qpos)
    landings, judged = COUNTS.get(name, (16, 40))
    original = {"random": gymnasium_random(env), "obs_parts": gymnasium_parts(env)}
    original["obs_dynamic"] = [k for k in original["obs_parts"] if k in ("cfrc_ext",)]
    original |= gymnasium_judged(robot, env, judged)
    model = f"{GYMNASIUM[name]}, {env.fullpath.rsplit('/')[-1]}"
    write(robot, {"gymnasium": gymnasium.__version__}, model, original, landings)


def gymnasium_parts(env):
    parts, at = {}, 0
    for part, size in env.observation_structure.items():
        if size and not part.startswith("skipped"):
            parts[part], at = [at, at + int(size)], at + int(size)
    return parts


def gymnasium_random(env, episodes=100):
    lengths, returns = [], []
    for seed in range(episodes):
        rng = np.random.default_rng(seed)
        env.reset(seed=seed)
        total = 0.0
        for step in range(HORIZON):
            action = rng.uniform(env.action_space.low, env.action_space.high)
            _, reward, terminated, _, _ = env.step(action)
            total += reward
            if terminated:
                break
        lengths.append(step + 1)
        returns.append(total)
    return {"episodes": episodes, "length": spread(lengths), "return": spread(returns)}


def gymnasium_judged(robot, env, count):
    """Transitions of episodes that start as the environment's do, or tilted, raised and fast.

    Ant and Humanoid read body positions for their reward, and Humanoid inertias and velocities for
    its observation, which mj_step leaves as they were in RK4's last stage. `x_velocity` is the
    environment's, `x_velocity_exact` and `exact` are of the states before and after; `stale` is the
    largest difference that this makes to a part of the observation.
    """
    rng, pool, stale = robot.rng("judged"), [], {}
    fresh, parts = mujoco.MjData(env.model), gymnasium_parts(env)
    masses = env.model.body_mass / env.model.body_mass.sum()

    def where(qpos):
        fresh.qpos[:] = qpos
        mujoco.mj_kinematics(env.model, fresh)
        mujoco.mj_comPos(env.model, fresh)
        return masses @ fresh.xipos[:, 0] if robot.name == "gym_humanoid" else qpos[robot.x]

    for episode in range(24):
        env.reset(seed=1000 + episode)
        if episode % 2:
            qpos, qvel = robot.pose(rng, 0.4, 0.4, inside=True), robot.velocity(rng, 2.0, 6.0)
            qpos[robot.z] += rng.uniform(-0.1, 0.3)
            qvel[robot.x] = rng.uniform(-2.0, 8.0)
            env.set_state(qpos, qvel)
        for _ in range(50):
            before = [env.data.qpos.copy(), env.data.qvel.copy()]
            action = rng.uniform(env.action_space.low, env.action_space.high).round(4)
            obs, reward, terminated, _, info = env.step(action)
            after = [env.data.qpos.copy(), env.data.qvel.copy()]
            exact = (where(after[0]) - where(before[0])) / env.dt
            item = {"before": before, "action": action, "after": after, "obs": obs}
            item |= {"reward": reward, "terminated": bool(terminated)}
            item |= {"x_velocity": info["x_velocity"], "x_velocity_exact": exact}
            item |= {k: info[k] for k in ("reward_contact",) if k in info}
            pool.append(item)
            if "cinert" in parts:
                fresh.qpos[:], fresh.qvel[:] = after
                fresh.ctrl[:] = action
                mujoco.mj_forward(env.model, fresh)
                item["exact"] = {k: getattr(fresh, k)[1:].flatten() for k in ("cinert", "cvel")}
                for part, now in item["exact"].items():
                    change = abs(now - obs[slice(*parts[part])]).max()
                    stale[part] = max(stale.get(part, 0.0), change)
            if terminated:
                break
    ends = [i for i, t in enumerate(pool) if t["terminated"]][: count // 4]
    others = [i for i, t in enumerate(pool) if not t["terminated"]]
    picked = rng.choice(others, count - len(ends), replace=False).tolist() + ends
    judged = {"judged": [pool[i] for i in sorted(picked)]}
    return judged | {"stale": stale} if stale else judged


def dm_control_body(name):
    from dm_control import suite

    domain, tasks = DM_CONTROL[name]
    env = suite.load(domain, tasks[0])
    model = env.physics.model.ptr
    home = np.array(model.qpos0)
    robot = Robot(name, model, round(env.control_timestep() / model.opt.timestep), home)
    landings, judged = COUNTS.get(name, (16, 40))
    load = lambda task, seed=0: suite.load(domain, task, task_kwargs={"random": seed})
    original = {"tasks": tasks, "random": dm_control_random(load, tasks)}
    original |= dm_control_judged(robot, load, tasks, judged)
    versions = {"dm_control": importlib.metadata.version("dm_control")}
    write(robot, versions, f"suite {domain}, {domain}.xml", original, landings)


def dm_control_random(load, tasks, episodes=100):
    """The episodes of one domain are those of all its tasks: only their rewards differ."""
    lengths, returns = [], {task: [] for task in tasks}
    judges = {task: load(task).task for task in tasks}
    for seed in range(episodes):
        env, rng = load(tasks[0], seed), np.random.default_rng(seed)
        low, high = env.action_spec().minimum, env.action_spec().maximum
        step, totals, length = env.reset(), dict.fromkeys(tasks, 0.0), 0
        while not step.last():
            step = env.step(rng.uniform(low, high))
            length += 1
            for task in tasks:
                totals[task] += judges[task].get_reward(env.physics)
        lengths.append(length)
        for task in tasks:
            returns[task].append(totals[task])
    returns = {task: spread(r) for task, r in returns.items()}
    return {"episodes": episodes, "length": spread(lengths), "return": returns}


# Target speeds of the tasks, so that some judged states are worth something.
SPEEDS = {"dm_walker": 8, "dm_cheetah": 10, "dm_hopper": 2, "dm_quadruped": 5, "dm_humanoid": 1}
DYNAMIC = {"dm_hopper": ["touch"], "dm_quadruped": ["imu", "force_torque"]}


def dm_control_judged(robot, load, tasks, count):
    """Three states of four near the home pose, half of these at speed; the fourth anyhow."""
    rng, out = robot.rng("judged"), []
    envs = {task: load(task) for task in tasks}
    for env in envs.values():
        env.reset()
    for i in range(count):
        near = i % 4 < 3
        reach, tilt = ((0.05, 0.05), (0.1, 0.1), (0.3, 0.3), (np.pi, np.pi))[i % 4]
        qpos = robot.pose(rng, reach, tilt, inside=True)
        qvel = robot.velocity(rng, 0.5, 0.5 if near else 5.0)
        if robot.rooted:
            qpos[robot.x] += rng.uniform(-1, 1)
            qpos[robot.z] += rng.uniform(*((-0.02, 0.02), (-0.1, 0.1), (-0.5, 0.2), (-0.8, 0.3))[i % 4])
            qvel[robot.x] = rng.uniform(0, 1.5) * SPEEDS[robot.name] if i % 2 else rng.uniform(-1, 1)
        if robot.name == "dm_point_mass" and near:
            qpos *= 0.1
        target = rng.uniform(0.05, 0.2), rng.uniform(0, 2 * np.pi)
        ctrl = robot.controls(rng.uniform(-1, 1, robot.model.nu) * (1.0, 0.3)[i % 2]).round(4)
        act = rng.uniform(-0.5, 0.5, robot.model.na).round(4)
        item = {"qpos": qpos, "qvel": qvel} | ({"act": act} if len(act) else {}) | {"ctrl": ctrl}
        rewards = {}
        for task, env in envs.items():
            physics = env.physics
            if robot.name == "dm_reacher":
                place = target[0] * np.array([np.sin(target[1]), np.cos(target[1])])
                physics.data.qpos[:] = qpos
                physics.forward()
                finger = physics.named.data.geom_xpos["finger", :2].copy()
                item["target"] = finger + rng.uniform(-0.05, 0.05, 2) if near else place
                physics.named.model.geom_pos["target", :2] = item["target"]
            physics.data.qpos[:], physics.data.qvel[:], physics.data.act[:] = qpos, qvel, act
            physics.data.ctrl[:] = ctrl
            physics.forward()
            obs = env.task.get_observation(physics)
            rewards[task] = env.task.get_reward(physics)
        parts, at = {}, 0
        for part, value in obs.items():
            parts[part], at = [at, at + np.size(value)], at + np.size(value)
        item |= {"obs": np.concatenate([np.ravel(v) for v in obs.values()]), "rewards": rewards}
        out.append(item)
    dynamic = DYNAMIC.get(robot.name, [])
    return {"obs_parts": parts, "obs_dynamic": dynamic, "judged": out}


def available(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def main():
    known = GYMNASIUM if available("gymnasium") else {}
    if available("dm_control") and int(mujoco.__version__.split(".")[0]) < 4:
        known = known | DM_CONTROL
    for body in sys.argv[1:] or known:
        (gymnasium_body if body in GYMNASIUM else dm_control_body)(body)


if __name__ == "__main__":
    main()
