"""Control steps per second of MuJoCo's C engine on one core, one call per control step.

    pip install mujoco==4.0.0 "gymnasium[mujoco]==1.4.0"   # dm_control==1.0.50 with mujoco<4 for dm_
    python envs/tests/mujoco/throughput.py [--seconds 2] [--what native] [body ...]

Prints one JSON line per figure. Random actions; a reset to the initial state every 50 control steps
and whenever Gymnasium's environment would terminate. No observation and no reward, but for
`gymnasium`, which is the environment's own step. `cpu_share` below 1 tells that others ran on the
core meanwhile.

native     the model as it is
euler      the same with MuJoCo's cheapest integrator
gymnasium  env.step of Gymnasium's environment from Python, reset by the same rule
"""

import argparse
import json
import time

import mujoco
import numpy as np
from bodies import DM_CONTROL, GYMNASIUM, available

EPISODE = 50
UNHEALTHY = {
    "gym_hopper": lambda q: q[1] < 0.7 or abs(q[2]) > 0.2,
    "gym_walker2d": lambda q: not (0.8 < q[1] < 2.0 and abs(q[2]) < 1.0),
    "gym_ant": lambda q: not 0.2 <= q[2] <= 1.0,
    "gym_humanoid": lambda q: not 1.0 < q[2] < 2.0,
}


def original(body):
    """Environment, model, substeps in a control step."""
    if body in GYMNASIUM:
        import gymnasium

        env = gymnasium.make(GYMNASIUM[body]).unwrapped
        return env, env.model, env.frame_skip
    from dm_control import suite

    domain, tasks = DM_CONTROL[body]
    env = suite.load(domain, tasks[0])
    return env, env.physics.model.ptr, round(env.control_timestep() / env.physics.timestep())


def rate(advance, reset, model, seconds):
    """`advance` takes an action and says whether the episode is over."""
    low, high = model.actuator_ctrlrange.T
    actions = np.random.default_rng(0).uniform(low, high, (4096, model.nu))
    steps, resets, age = 0, 0, 0
    reset()
    cpu, start = time.process_time(), time.perf_counter()
    now = start
    while now - start < seconds:
        for action in actions[steps % 4096 :][:32]:
            age += 1
            if advance(action) or age == EPISODE:
                reset()
                resets, age = resets + 1, 0
        steps += 32
        now = time.perf_counter()
    return steps / (now - start), (time.process_time() - cpu) / (now - start), resets


def measure(body, what, seconds):
    env, model, skip = original(body)
    data, unhealthy = mujoco.MjData(model), UNHEALTHY.get(body, lambda qpos: False)
    if what == "euler":
        model.opt.integrator = mujoco.mjtIntegrator.mjINT_EULER

    def advance(action):
        data.ctrl[:] = action
        mujoco.mj_step(model, data, skip)
        return unhealthy(data.qpos)

    reset = lambda: mujoco.mj_resetData(model, data)
    if what == "gymnasium":
        advance, reset = lambda action: env.step(action)[2], env.reset
    speed, share, resets = rate(advance, reset, model, seconds)
    figure = {"body": body, "what": what, "steps_per_s": round(speed)}
    figure |= {"cpu_share": round(share, 3), "resets": resets}
    figure |= {"integrator": mujoco.mjtIntegrator(model.opt.integrator).name[6:].lower()}
    figure |= {"timestep": model.opt.timestep, "frame_skip": skip, "mujoco": mujoco.__version__}
    print(json.dumps(figure), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bodies", nargs="*")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--what", nargs="+", choices=("native", "euler", "gymnasium"))
    args = parser.parse_args()
    bodies = list(GYMNASIUM) if available("gymnasium") else []
    if available("dm_control") and int(mujoco.__version__.split(".")[0]) < 4:
        bodies += DM_CONTROL
    for body in args.bodies or bodies:
        whats = ("native", "euler", "gymnasium") if body in GYMNASIUM else ("native",)
        for what in args.what or whats:
            measure(body, what, args.seconds)


if __name__ == "__main__":
    main()
