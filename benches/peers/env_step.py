"""env-step: one control step (four of 2 ms) of Gymnasium's hopper under MuJoCo.

`mujoco-rk4` and `mujoco-euler` call the C engine through its Python bindings, once per control
step, on Gymnasium's own hopper.xml, with the integrator of that file or with semi-implicit Euler.
`gymnasium` is `Hopper-v5` as `gymnasium.make` gives it.

Actions are uniform; an episode ends when the robot is unhealthy, and every 50 steps.
"""

import common  # first: it sets thread counts
from common import Work

from pathlib import Path

import numpy as np

RESET_EVERY = 50
FRAME_SKIP = 4
RESET_NOISE = 5e-3
MIN_HEIGHT, MAX_PITCH = 0.7, 0.2


def actions():
    """An endless supply of actions, drawn by the thousand to spare the peer Python's cost."""
    rng = np.random.default_rng(0)
    while True:
        yield from rng.uniform(-1, 1, (1000, 3)).astype(np.float32)


def engine(integrator=None):
    """MuJoCo alone: no observation and no reward, only the step, the reset and the health test.

    Gives the work and MuJoCo's data.
    """
    import gymnasium
    import mujoco

    xml = Path(gymnasium.__file__).parent / "envs/mujoco/assets/hopper.xml"
    model = mujoco.MjModel.from_xml_path(str(xml))
    if integrator is not None:
        model.opt.integrator = getattr(mujoco.mjtIntegrator, integrator)
    data = mujoco.MjData(model)
    qpos, qvel, ctrl = data.qpos, data.qvel, data.ctrl
    rng, supply, steps = np.random.default_rng(1), actions(), 0

    def reset():
        mujoco.mj_resetData(model, data)
        qpos[:] += rng.uniform(-RESET_NOISE, RESET_NOISE, model.nq)
        qvel[:] += rng.uniform(-RESET_NOISE, RESET_NOISE, model.nv)

    def work():
        nonlocal steps
        ctrl[:] = next(supply)
        mujoco.mj_step(model, data, nstep=FRAME_SKIP)
        steps += 1
        healthy = qpos[1] > MIN_HEIGHT and -MAX_PITCH < qpos[2] < MAX_PITCH
        if not healthy or steps % RESET_EVERY == 0:
            reset()

    reset()
    return work, data


def gymnasium_step():
    """`step` and `reset` of Hopper-v5: observation, reward and Gymnasium's default wrappers."""
    import gymnasium

    env = gymnasium.make("Hopper-v5")
    env.reset(seed=0)
    supply, steps = actions(), 0

    def work():
        nonlocal steps
        _, _, terminated, truncated, _ = env.step(next(supply))
        steps += 1
        if terminated or truncated or steps % RESET_EVERY == 0:
            env.reset()

    return Work(work)


IMPLEMENTATIONS = {
    "mujoco-rk4": lambda: Work(engine()[0]),
    "mujoco-euler": lambda: Work(engine("mjINT_EULER")[0]),
    "gymnasium": gymnasium_step,
}

if __name__ == "__main__":
    common.main(IMPLEMENTATIONS)
