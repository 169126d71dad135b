"""reward-update and relabel in PyTorch: PEBBLE's reward ensemble as B-Pref trains and applies it.

reward-update is one gradient step: every member reads 128 labelled pairs of 50 steps in its own
order, and one Adam steps all members on the summed cross-entropies. relabel writes the members'
mean into every reward of the replay.
"""

import common  # first: it sets thread counts
from common import ACT, LR, MEMBERS, OBS, PAIRS, SEGMENT, TRANSITIONS, Work

import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)


def ensemble():
    def member():
        sizes = [OBS + ACT, 256, 256, 256]
        hidden = [m for i, o in zip(sizes, sizes[1:]) for m in (nn.Linear(i, o), nn.LeakyReLU())]
        return nn.Sequential(*hidden, nn.Linear(256, 1), nn.Tanh())

    torch.manual_seed(0)
    return nn.ModuleList(member() for _ in range(MEMBERS))


def pairs(replay):
    """128 labelled pairs of segments: two arrays [128, 50, obs + act], and labels in {0, 1}."""
    rows = np.concatenate([replay.obs, replay.act], axis=1)

    def segments():
        episode = replay.rng.integers(0, TRANSITIONS // common.EPISODE, PAIRS)
        start = replay.rng.integers(0, common.EPISODE - SEGMENT, PAIRS)
        steps = (episode * common.EPISODE + start)[:, None] + np.arange(SEGMENT)
        return rows[steps]

    return segments(), segments(), np.arange(PAIRS) % 2


def gradient_step(optimised):
    members = ensemble()
    adam = torch.optim.Adam(members.parameters(), lr=LR, fused=optimised or None)
    replay = common.Replay()
    first, second, labels = pairs(replay)

    def update():
        """The summed cross-entropy before the step."""
        adam.zero_grad()
        loss, correct = 0.0, 0
        for member in members:
            order = replay.rng.permutation(PAIRS)
            label = torch.from_numpy(labels[order])
            returns = [member(torch.from_numpy(side[order])).sum(dim=1) for side in (first, second)]
            logits = torch.cat(returns, dim=1)
            loss = loss + nn.functional.cross_entropy(logits, label)
            correct += (logits.argmax(dim=1) == label).sum().item()
        loss.backward()
        adam.step()
        return loss.item(), correct

    return update


def relabelling(chunk, grad):
    """All rewards, `chunk` rows at a time, with or without autograd's recording."""
    members = ensemble()
    replay = common.Replay()

    def work():
        with torch.set_grad_enabled(grad):
            for i in range(0, TRANSITIONS, chunk):
                part = slice(i, i + chunk)
                rows = torch.from_numpy(np.concatenate([replay.obs[part], replay.act[part]], axis=1))
                opinions = [member(rows).detach().numpy() for member in members]
                replay.reward[part] = np.mean(opinions, axis=0)
        return replay.reward

    return work


IMPLEMENTATIONS = {
    "update-torch-eager": lambda: Work(gradient_step(False)),
    "update-torch-optimised": lambda: Work(gradient_step(True)),
    # B-Pref's loop: 200 rows at a time, without torch.no_grad.
    "relabel-torch-bpref": lambda: Work(relabelling(200, True)),
    "relabel-torch-one-chunk": lambda: Work(relabelling(TRANSITIONS, False)),
}

if __name__ == "__main__":
    common.main(IMPLEMENTATIONS)
