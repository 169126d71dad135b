"""Records Meta-World: episodes of its tasks, and how its hand moves.

    python envs/tests/metaworld/record.py button-press door-open hand

With metaworld 3.0.0, mujoco 3.3.2 (later ones break it), gymnasium 1.2, numpy, scipy. Writes <task>.json
beside this file: per episode the draw, the goal, the objects at the start, and steps of
[hand 3, tip 3, opening, right and left pad's y, objects 14, action 4, reward, success].
"""

import json
import pathlib
import sys

import metaworld
import metaworld.policies as policies
import mujoco
import numpy as np

HERE = pathlib.Path(__file__).parent
STEPS = 500
KEPT = 30


def make(task):
    name = f"{task}-v3"
    env = metaworld.MT1(name).train_classes[name]()
    env._partially_observable = False
    env._freeze_rand_vec = False
    env.seeded_rand_vec = True
    env._set_task_called = True
    # Else observations are clipped to a space in which the goal is hidden.
    del env.sawyer_observation_space
    return env


def policy(task):
    wanted = f"sawyer{task}v3policy".replace("-", "").lower()
    return next(getattr(policies, n) for n in dir(policies) if n.lower() == wanted)()


def begin(env, seed):
    env.seed(seed)
    env.reset()
    # Once more with the same draw: objects are moved after they are looked at, so that an episode
    # would begin with what was seen of the one before.
    env._freeze_rand_vec = True
    env.reset()
    env._freeze_rand_vec = False
    mujoco.mj_forward(env.model, env.data)
    obs = env._get_obs()
    # Its hand sags by 5 mm at the start; the margins of rewards here begin at the nominal place.
    env.init_tcp = np.array(env.hand_init_pos) - [0, 0, 0.045]
    return obs


def numbers(values):
    return [round(float(v), 9) for v in np.ravel(values)]


def episode(env, expert, seed, noise, lift=0.0):
    rng = np.random.default_rng(seed)
    obs = begin(env, seed)
    out = {
        "draw": numbers(env._last_rand_vec),
        "goal": numbers(obs[36:]),
        "objects": numbers(obs[4:18]),
        "steps": [],
    }
    steps = []
    for _ in range(STEPS):
        shown = obs - lift * np.eye(39)[2]
        action = rng.uniform(-1, 1, 4) if expert is None else expert.get_action(shown)
        action = np.clip(action + rng.normal(0, noise, 4), -1, 1).astype(np.float32)
        obs, reward, _, _, info = env.step(action)
        pads = [env.get_body_com(b)[1] for b in ("rightpad", "leftpad")]
        row = [obs[:3], env.tcp_center, obs[3], pads, obs[4:18], action, reward, info["success"]]
        steps.append(numbers(np.concatenate([np.ravel(r) for r in row])))
    # Most of what happens happens before the first success and some time after it.
    first = next((i for i, s in enumerate(steps) if s[-1] > 0), STEPS - 50)
    at = np.unique(np.linspace(0, min(first + 49, STEPS - 1), KEPT).astype(int))
    out["steps"] = [steps[i] for i in at]
    return out


def record(task):
    env, expert = make(task), policy(task)
    episodes = [
        episode(env, expert, 1, 0.0),
        episode(env, expert, 2, 0.3),
        episode(env, None, 3, 0.0),
        # Its policies bring the hand where rewards want the tip.
        episode(env, expert, 4, 0.0, lift=0.045),
    ]
    write(task, {"episodes": episodes})


def hand():
    """Where the hand is, from its start, after each step, along the axis of the action."""
    env = make("reach")
    out = {}
    for name, axis, sign in [("x", 0, 1), ("y", 1, 1), ("z", 2, -1)]:
        begin(env, 0)
        start, trace = env.get_endeff_pos().copy(), []
        for i in range(40):
            action = np.zeros(4, np.float32)
            action[3] = -1
            if i < 15:
                action[axis] = sign
            env.step(action)
            trace.append(sign * (env.get_endeff_pos() - start)[axis])
        out[name] = numbers(trace)
    begin(env, 0)
    out["opening"] = []
    for grip in [1] * 30 + [-1] * 20:
        obs, *_ = env.step(np.array([0, 0, 0, grip], np.float32))
        out["opening"].append(numbers(obs[3])[0])
    write("hand", out)


def write(name, value):
    text = json.dumps(value).replace('{"draw"', '\n{"draw"').replace("[[", "[\n[").replace("], [", "],\n[")
    (HERE / f"{name}.json").write_text(text + "\n")


for name in sys.argv[1:]:
    hand() if name == "hand" else record(name)
