"""env-step and reset: control steps and resets of Gymnasium's robots under MuJoCo.

`mujoco` and `mujoco-euler` call the C engine through its Python bindings, once per control step,
with the integrator of Gymnasium's model or with semi-implicit Euler. `gymnasium` is the environment
as `gymnasium.make` gives it. The task follows after a colon: `mujoco:walker2d`.

Actions are uniform; an episode ends when the robot is unhealthy, and after 50 steps.

`metaworld` is the task as Meta-World gives it, in episodes of 500 steps, and `metaworld-engine` the C
engine alone on its model: the target moves, the fingers are driven, no observation and no reward.
"""

import common  # first: it sets thread counts
from common import Work

import numpy as np

from bodies import BODIES

RESET_EVERY = 50


def actions(space):
    """An endless supply of actions, drawn by the thousand to spare the peer Python's cost."""
    rng = np.random.default_rng(0)
    while True:
        yield from rng.uniform(space.low, space.high, (1000, *space.shape)).astype(np.float32)


def make(task):
    import gymnasium

    return gymnasium.make(BODIES[task].env)


def engine(task, integrator=None):
    """MuJoCo alone: no observation and no reward, only the step, the reset and the health test.

    Gives the two and MuJoCo's model and data.
    """
    import mujoco

    env, healthy = make(task).unwrapped, BODIES[task].healthy
    model, data = env.model, mujoco.MjData(env.model)
    if integrator is not None:
        model.opt.integrator = getattr(mujoco.mjtIntegrator, integrator)
    qpos, qvel, ctrl = data.qpos, data.qvel, data.ctrl
    skip, noise, supply = env.frame_skip, env._reset_noise_scale, actions(env.action_space)
    rng, age = np.random.default_rng(1), 0

    def reset():
        nonlocal age
        mujoco.mj_resetData(model, data)
        qpos[:] += rng.uniform(-noise, noise, model.nq)
        qvel[:] += rng.uniform(-noise, noise, model.nv)
        age = 0

    def step():
        nonlocal age
        ctrl[:] = next(supply)
        mujoco.mj_step(model, data, nstep=skip)
        age += 1
        if age == RESET_EVERY or not healthy(qpos):
            reset()

    reset()
    return step, reset, model, data


def engine_reset(task):
    """Leaves poses and contacts as an observation would find them."""
    import mujoco

    _, reset, model, data = engine(task)

    def work():
        reset()
        mujoco.mj_forward(model, data)

    return Work(work)


def gymnasium_step(task):
    """`step` and `reset`: observation, reward and Gymnasium's default wrappers."""
    env = make(task)
    env.reset(seed=0)
    supply, age = actions(env.action_space), 0

    def work():
        nonlocal age
        _, _, terminated, truncated, _ = env.step(next(supply))
        age += 1
        if terminated or truncated or age == RESET_EVERY:
            env.reset()
            age = 0

    return Work(work)


def metaworld_env(task):
    import metaworld

    env = metaworld.MT1(f"{task}-v3").train_classes[f"{task}-v3"]()
    env._partially_observable, env._freeze_rand_vec, env.seeded_rand_vec = False, False, True
    env._set_task_called = True
    del env.sawyer_observation_space
    env.seed(0)
    env.reset()
    return env


def metaworld_step(task):
    env, age = metaworld_env(task), 0
    supply = actions(env.action_space)

    def work():
        nonlocal age
        env.step(next(supply))
        age += 1
        if age == env.max_path_length:
            env.reset()
            age = 0

    return Work(work)


def metaworld_engine(task):
    import mujoco

    env = metaworld_env(task)
    model, data, skip, supply = env.model, env.data, env.frame_skip, actions(env.action_space)

    def work():
        action = next(supply)
        data.mocap_pos[0] = np.clip(data.mocap_pos[0] + 0.01 * action[:3], env.mocap_low, env.mocap_high)
        data.ctrl[:] = action[3], -action[3]
        mujoco.mj_step(model, data, nstep=skip)

    return Work(work)


IMPLEMENTATIONS = {
    "metaworld": metaworld_step,
    "metaworld-engine": metaworld_engine,
    "mujoco": lambda task: Work(engine(task)[0]),
    "mujoco-euler": lambda task: Work(engine(task, "mjINT_EULER")[0]),
    "gymnasium": gymnasium_step,
    "mujoco-reset": engine_reset,
    "gymnasium-reset": lambda task: Work(make(task).reset),
}

if __name__ == "__main__":
    common.main(IMPLEMENTATIONS)
