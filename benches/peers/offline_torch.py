"""Updates of offline algorithms that are perceptrons alone, in PyTorch, eager, as their official code has them.

    python offline_torch.py cpl-torch-eager [SECONDS]
    python offline_torch.py ipl-torch-eager [SECONDS]

Answers are about segments of the synthetic replay, kept whole beside it as both codes do.
"""

import copy

from common import ACT, DISCOUNT, EPISODE, OBS, TAU, TRANSITIONS, Replay, Work, main

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

torch.set_num_threads(1)
torch.manual_seed(0)


def perceptron(*sizes, dropout=0.0):
    layers = []
    for i, o in zip(sizes[:-2], sizes[1:-1]):
        layers += [nn.Linear(i, o), nn.ReLU()] + ([nn.Dropout(dropout)] if dropout else [])
    return nn.Sequential(*layers, nn.Linear(*sizes[-2:]))


class Answers:
    """So many answers about segments of so many steps."""

    def __init__(self, replay, count, steps):
        number = np.arange(count + 1)
        start = number % (TRANSITIONS // EPISODE) * EPISODE + number
        rows = start[:, None] + np.arange(steps)
        self.obs, self.act = replay.obs[rows], replay.act[rows]
        self.count, self.rng, self.order = count, replay.rng, []

    def batch(self, size):
        """Both sides' observations and actions, and which is preferred; every answer once a pass."""
        if len(self.order) < size:
            self.order = list(self.rng.permutation(self.count))
        chosen = np.array([self.order.pop() for _ in range(size)])
        sides = [(self.obs[chosen + k], self.act[chosen + k]) for k in (0, 1)]
        return sides, torch.from_numpy((chosen % 2).astype(np.float32))


def cpl():
    """The contrastive stage on 96 answers about 64 steps, 2x512, a quarter dropped (`configs/mw_state_sparse/cpl.yaml`)."""
    batch, steps, alpha, bias = 96, 64, 0.1, 0.5
    answers = Answers(Replay(), 192, steps)
    actor = perceptron(OBS, 512, 512, ACT, dropout=0.25)
    adam = torch.optim.Adam(actor.parameters(), 1e-4)

    def step():
        sides, label = answers.batch(batch)
        obs, act = (torch.from_numpy(np.concatenate(column)) for column in zip(*sides))
        log_prob = -((torch.tanh(actor(obs)) - act) ** 2).sum(2)
        first, second = (alpha * log_prob.sum(1)).chunk(2)
        right, left = logsigmoid(second - bias * first), logsigmoid(first - bias * second)
        loss = -(label * right + (1 - label) * left).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        loss.item()

    return Work(step)


def ipl():
    """8 answers about 64 of 100 steps and 256 transitions, 2x256 (`configs/gym_locomotion/ipl_iql.yaml`)."""
    pairs, whole, part, chi, tau, beta = 8, 100, 64, 0.5, 0.7, 1 / 3
    replay = Replay()
    answers = Answers(replay, 192, whole)
    actor, value = perceptron(OBS, 256, 256, ACT), perceptron(OBS, 256, 256, 1)
    log_std = nn.Parameter(torch.zeros(ACT))
    critics = nn.ModuleList(perceptron(OBS + ACT, 256, 256, 1) for _ in range(2))
    targets = copy.deepcopy(critics).requires_grad_(False)
    critic_adam = torch.optim.Adam(critics.parameters(), 3e-4)
    value_adam = torch.optim.Adam(value.parameters(), 3e-4)
    actor_adam = torch.optim.Adam([*actor.parameters(), log_std], 3e-4)
    rows = pairs * (part - 1)

    def values(networks, obs, act):
        both = torch.cat([obs, act], 1)
        return torch.stack([network(both).squeeze(1) for network in networks])

    def mean(x):
        first, second, rest = x.split([rows, rows, x.shape[-1] - 2 * rows], -1)
        return 0.25 * (first.mean() + second.mean()) + 0.5 * rest.mean()

    def descend(adam, loss):
        adam.zero_grad()
        loss.backward()
        adam.step()

    def step():
        sides, label = answers.batch(pairs)
        s, a, _, s_next, bootstrap = replay.sample()
        begin = replay.rng.integers(0, whole - part)
        within = [(o[:, begin : begin + part], u[:, begin : begin + part]) for o, u in sides]
        flat = lambda x: x.reshape(rows, -1)
        obs = np.concatenate([flat(o[:, :-1]) for o, _ in within] + [s])
        act = np.concatenate([flat(u[:, :-1]) for _, u in within] + [a])
        ahead = np.concatenate([flat(o[:, 1:]) for o, _ in within] + [s_next])
        discount = DISCOUNT * np.concatenate([np.ones(2 * rows, np.float32), bootstrap[:, 0]])
        obs, act, ahead, discount = map(torch.from_numpy, (obs, act, ahead, discount.astype(np.float32)))
        with torch.no_grad():
            q = values(targets, obs, act).min(0).values
        gap = q - value(obs).squeeze(1)
        descend(value_adam, mean(torch.abs(tau - (gap < 0).float()) * gap**2))
        with torch.no_grad():
            limit = 1 / (chi * (1 - discount))
            v = torch.minimum(torch.maximum(value(ahead).squeeze(1), -limit), limit)
        reward = values(critics, obs, act) - discount * v
        sums = reward[:, : 2 * rows].reshape(2, 2, pairs, part - 1).sum(3)
        logits = sums[:, 1] - sums[:, 0]
        preference = binary_cross_entropy_with_logits(logits, label.expand_as(logits))
        descend(critic_adam, preference + chi * mean(reward**2))
        with torch.no_grad():
            weight = torch.exp((q - value(obs).squeeze(1)) / beta).clamp(max=100.0)
        policy = torch.distributions.Normal(torch.tanh(actor(obs)), log_std.clamp(-5.0, 2.0).exp())
        descend(actor_adam, mean(-weight * policy.log_prob(act).sum(1)))
        with torch.no_grad():
            for p, t in zip(critics.parameters(), targets.parameters()):
                t.lerp_(p, TAU)
        preference.item()

    return Work(step)


if __name__ == "__main__":
    main({"cpl-torch-eager": cpl, "ipl-torch-eager": ipl})
