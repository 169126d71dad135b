"""Control steps per second of Hopper in MuJoCo's C engine on one core, one call per step.

    pip install mujoco==4.0.0 "gymnasium[mujoco]==1.4.0"
    python envs/tests/mujoco/throughput.py

Random torques, a reset whenever Gymnasium's Hopper-v5 would terminate; no observation, no reward.
`native` is hopper.xml as it is (RK4), `euler` the same at MuJoCo's cheapest integrator.
"""

import pathlib
import time

import gymnasium
import mujoco
import numpy as np

XML = pathlib.Path(gymnasium.__file__).parent / "envs/mujoco/assets/hopper.xml"


def rate(integrator, seconds=2.0):
    model = mujoco.MjModel.from_xml_path(str(XML))
    if integrator == "euler":
        model.opt.integrator = mujoco.mjtIntegrator.mjINT_EULER
    data = mujoco.MjData(model)
    actions = np.random.default_rng(0).uniform(-1, 1, (4096, 3))
    qpos, ctrl, steps, episodes = data.qpos, data.ctrl, 0, 0
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        ctrl[:] = actions[steps & 4095]
        mujoco.mj_step(model, data, 4)
        if qpos[1] < 0.7 or abs(qpos[2]) > 0.2:
            mujoco.mj_resetData(model, data)
            episodes += 1
        steps += 1
    return steps / (time.perf_counter() - start), episodes


if __name__ == "__main__":
    for integrator in ("native", "euler"):
        print("hopper", integrator, "%.0f steps/s (%d episodes)" % rate(integrator))
