"""sac-update in JAX: one jitted function with donated state.

One update is a batch, both critics, the actor, the temperature and the targets. `jax-jit` makes one
update a call, as an agent that acts between updates must; its batch is drawn by NumPy, its noise
inside. `jax-scan` makes ten a call and draws batches inside, too: less of it is overhead, but it
suits only learners that update many times in a row.
"""

import common  # first: it sets thread counts
from common import ACT, BATCH, DISCOUNT, LOG_STD_MAX, LOG_STD_MIN, LR, TAU, TRANSITIONS, Work

import jax
import jax.numpy as jnp
import numpy as np
import optax

ADAM = optax.adam(LR)


def mlp(layers, x):
    *hidden, (weight, bias) = layers
    for w, b in hidden:
        x = jax.nn.relu(x @ w + b)
    return x @ weight + bias


def critic(layers, obs, action):
    return mlp(layers, jnp.concatenate([obs, action], axis=1))


def smaller(critics, obs, action):
    return jnp.minimum(critic(critics[0], obs, action), critic(critics[1], obs, action))


def policy(actor, obs, noise):
    """A sample of the squashed Gaussian and its log-probability."""
    mean, raw = jnp.split(mlp(actor, obs), 2, axis=1)
    log_std = LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (jnp.tanh(raw) + 1)
    pre = mean + jnp.exp(log_std) * noise
    gauss = -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi)
    volume = 2 * (np.log(2) - pre - jax.nn.softplus(-2 * pre))
    return jnp.tanh(pre), (gauss - volume).sum(axis=1, keepdims=True)


def initial(actor, critics):
    """The learner's state from initial weights."""
    actor, critics = jax.tree.map(jnp.asarray, (actor, critics))
    return {
        "actor": actor,
        "critics": critics,
        "targets": jax.tree.map(jnp.copy, critics),
        "log_alpha": jnp.zeros(()),
        "actor_adam": ADAM.init(actor),
        "critic_adam": ADAM.init(critics),
        "alpha_adam": ADAM.init(jnp.zeros(())),
    }


def update(s, batch, next_noise, noise):
    """The next state, and the losses of critics and actor."""
    obs, action, reward, next_obs, bootstrap = batch
    alpha = jnp.exp(s["log_alpha"])

    next_action, next_log_prob = policy(s["actor"], next_obs, next_noise)
    value = smaller(s["targets"], next_obs, next_action) - alpha * next_log_prob
    y = reward + DISCOUNT * bootstrap * value

    def critic_loss(critics):
        return sum(jnp.mean((critic(c, obs, action) - y) ** 2) for c in critics)

    q_loss, grads = jax.value_and_grad(critic_loss)(s["critics"])
    step, critic_adam = ADAM.update(grads, s["critic_adam"])
    critics = optax.apply_updates(s["critics"], step)

    def actor_loss(actor):
        new_action, log_prob = policy(actor, obs, noise)
        return jnp.mean(alpha * log_prob - smaller(critics, obs, new_action)), log_prob

    (pi_loss, log_prob), grads = jax.value_and_grad(actor_loss, has_aux=True)(s["actor"])
    step, actor_adam = ADAM.update(grads, s["actor_adam"])
    actor = optax.apply_updates(s["actor"], step)

    alpha_grad = -alpha * jnp.mean(log_prob - ACT)
    step, alpha_adam = ADAM.update(alpha_grad, s["alpha_adam"])

    state = {
        "actor": actor,
        "critics": critics,
        "targets": optax.incremental_update(critics, s["targets"], TAU),
        "log_alpha": optax.apply_updates(s["log_alpha"], step),
        "actor_adam": actor_adam,
        "critic_adam": critic_adam,
        "alpha_adam": alpha_adam,
    }
    return state, (q_loss, pi_loss)


def with_noise(carry, batch):
    state, key = carry
    key, draw = jax.random.split(key)
    noise = jax.random.normal(draw, (2, BATCH, ACT))
    state, losses = update(state, batch, noise[0], noise[1])
    return (state, key), losses


def fresh():
    return initial(*common.init_sac()), jax.random.key(0)


def jitted():
    step = jax.jit(with_noise, donate_argnums=0)
    replay, carry = common.Replay(), fresh()

    def work():
        nonlocal carry
        carry, _ = step(carry, replay.sample())

    return Work(work, lambda: jax.block_until_ready(carry))


def scanned(updates=10):
    def one(carry, columns):
        state, key = carry
        key, draw = jax.random.split(key)
        rows = jax.random.randint(draw, (BATCH,), 0, TRANSITIONS)
        return with_noise((state, key), [c[rows] for c in columns])

    def several(carry, columns):
        return jax.lax.scan(lambda carry, _: one(carry, columns), carry, length=updates)

    step = jax.jit(several, donate_argnums=0)
    replay, carry = common.Replay(), fresh()
    columns = jax.tree.map(jnp.asarray, replay.columns())

    def work():
        nonlocal carry
        carry, _ = step(carry, columns)

    return Work(work, lambda: jax.block_until_ready(carry), updates)


IMPLEMENTATIONS = {"jax-jit": jitted, "jax-scan": scanned}

if __name__ == "__main__":
    common.main(IMPLEMENTATIONS)
