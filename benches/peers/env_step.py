"""env-step and reset: control steps and resets of Gymnasium's robots under MuJoCo.

`mujoco` and `mujoco-euler` call the C engine through its Python bindings, once per control step,
with the integrator of Gymnasium's model or with semi-implicit Euler. `gymnasium` is the environment
as `gymnasium.make` gives it. The task follows after a colon: `mujoco:walker2d`.

Actions are uniform; an episode ends when the robot is unhealthy, and after 50 steps.
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


IMPLEMENTATIONS = {
    "mujoco": lambda task: Work(engine(task)[0]),
    "mujoco-euler": lambda task: Work(engine(task, "mjINT_EULER")[0]),
    "gymnasium": gymnasium_step,
    "mujoco-reset": engine_reset,
    "gymnasium-reset": lambda task: Work(make(task).reset),
}

if __name__ == "__main__":
    common.main(IMPLEMENTATIONS)
