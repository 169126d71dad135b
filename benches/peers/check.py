"""Checks that the peers do the work they claim; run it after changing one.

The JAX and PyTorch updates get the same weights, batches and noise and must report the same
losses. The reward ensemble must learn its labels, relabelling must not depend on the chunk, and
the bare MuJoCo loop must step the same physics as Gymnasium's environments and end like them.
"""

import common  # first: it sets thread counts

import gymnasium
import jax
import mujoco
import numpy as np
import torch

import env_step
import reward_torch
import sac_jax
import sac_torch
from bodies import BODIES


def sac_losses_agree(updates=100):
    weights = common.init_sac()
    state, step = sac_jax.initial(*weights), jax.jit(sac_jax.update)
    eager, optimised = (sac_torch.Sac(*weights, flag) for flag in (False, True))
    replay = common.Replay()
    for i in range(updates):
        batch = replay.sample()
        noise = replay.rng.standard_normal((2, common.BATCH, common.ACT), dtype=np.float32)
        state, losses = step(state, batch, *noise)
        tensors = [torch.from_numpy(column) for column in batch]
        rows = [losses] + [sac.update(tensors, *torch.from_numpy(noise)) for sac in (eager, optimised)]
        q, pi = np.array(rows, float).T
        if i in (0, 9, updates - 1):
            print(f"update {i + 1:>3}: critics' loss {q.round(5)}, actor's {pi.round(5)}")
        np.testing.assert_allclose(q, q[0], rtol=2e-3)
        np.testing.assert_allclose(pi, pi[0], rtol=2e-3, atol=2e-3)
    alphas = [float(np.exp(state["log_alpha"])), *(s.log_alpha.exp().item() for s in (eager, optimised))]
    np.testing.assert_allclose(alphas, alphas[0], rtol=1e-3)


def reward_model_learns(updates=30):
    update = reward_torch.gradient_step(False)
    fits = [update() for _ in range(updates)]
    (first, _), (last, correct) = fits[0], fits[-1]
    total = common.MEMBERS * common.PAIRS
    print(f"reward loss {first:.3f} -> {last:.3f}, {correct} of {total} labels right")
    assert last < first and correct > total / 2
    rewards = [reward_torch.relabelling(*how)() for how in ((200, True), (20_000, False))]
    np.testing.assert_allclose(*rewards, atol=1e-5)
    assert rewards[0].shape == (common.TRANSITIONS, 1) and np.ptp(rewards[0]) > 0


def physics_is_gymnasiums(task, body, steps=15, episodes=20):
    work, _, model, data = env_step.engine(task)
    native = getattr(mujoco.mjtIntegrator, f"mjINT_{body.integrator.upper()}")
    assert model.opt.integrator == native, f"{task}: another integrator"
    env = gymnasium.make(body.env).unwrapped
    env.reset(seed=0)
    env.set_state(data.qpos.copy(), data.qvel.copy())
    lengths, age = [], 0
    for action in env_step.actions(env.action_space):
        terminated = env.step(action)[2]
        age += 1
        assert bool(terminated) != bool(body.healthy(env.data.qpos)), f"{task}: another idea of health"
        if not lengths and age <= steps and not terminated:
            work()
            np.testing.assert_allclose(data.qpos, env.data.qpos, atol=1e-9)
        if terminated or age == env_step.RESET_EVERY:
            lengths.append(age)
            env.reset()
            age = 0
        if len(lengths) == episodes:
            break
    print(f"MuJoCo alone and {body.env} agree; episodes last {np.mean(lengths)} steps")


if __name__ == "__main__":
    sac_losses_agree()
    reward_model_learns()
    for task, body in BODIES.items():
        physics_is_gymnasiums(task, body)
    print("all checks pass")
