"""sac-update in PyTorch: eager, the way CleanRL and B-Pref write it, and an optimised variant.

One update is a batch, both critics, the actor, the temperature and the targets; NumPy replay.
The optimised variant adds what PyTorch offers without changing the algorithm: fused Adam, critics
frozen during the actor's step, and one multi-tensor operation for the targets.
"""

import common  # first: it sets thread counts
from common import ACT, DISCOUNT, LOG_STD_MAX, LOG_STD_MIN, LR, TAU, Work

import math

import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


def mlp(layers):
    """A ReLU network with the given initial weights."""
    modules = []
    for weight, bias in layers:
        linear = nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T))
            linear.bias.copy_(torch.from_numpy(bias))
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


class Sac:
    def __init__(self, actor, critics, optimised, device="cpu"):
        self.optimised = optimised
        self.actor = mlp(actor).to(device)
        self.critics = nn.ModuleList(mlp(c) for c in critics).to(device)
        self.targets = nn.ModuleList(mlp(c) for c in critics).requires_grad_(False).to(device)
        self.log_alpha = torch.zeros(1, requires_grad=True, device=device)
        adam = lambda parameters: torch.optim.Adam(parameters, lr=LR, fused=optimised or None)
        self.critic_adam = adam(self.critics.parameters())
        self.actor_adam = adam(self.actor.parameters())
        self.alpha_adam = adam([self.log_alpha])

    def policy(self, obs, noise):
        """A sample of the squashed Gaussian and its log-probability."""
        mean, raw = self.actor(obs).chunk(2, dim=1)
        log_std = LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (torch.tanh(raw) + 1)
        pre = mean + log_std.exp() * noise
        gauss = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
        volume = 2 * (math.log(2) - pre - F.softplus(-2 * pre))
        return torch.tanh(pre), (gauss - volume).sum(dim=1, keepdim=True)

    @staticmethod
    def smaller(critics, obs, action):
        x = torch.cat([obs, action], dim=1)
        return torch.min(critics[0](x), critics[1](x))

    def update(self, batch, next_noise, noise):
        """The losses of critics and actor."""
        obs, action, reward, next_obs, bootstrap = batch
        alpha = self.log_alpha.detach().exp()

        with torch.no_grad():
            next_action, next_log_prob = self.policy(next_obs, next_noise)
            value = self.smaller(self.targets, next_obs, next_action) - alpha * next_log_prob
            y = reward + DISCOUNT * bootstrap * value
        x = torch.cat([obs, action], dim=1)
        critic_loss = F.mse_loss(self.critics[0](x), y) + F.mse_loss(self.critics[1](x), y)
        self.step(self.critic_adam, critic_loss)

        if self.optimised:
            self.critics.requires_grad_(False)
        new_action, log_prob = self.policy(obs, noise)
        actor_loss = (alpha * log_prob - self.smaller(self.critics, obs, new_action)).mean()
        self.step(self.actor_adam, actor_loss)
        if self.optimised:
            self.critics.requires_grad_(True)

        alpha_loss = (self.log_alpha.exp() * (ACT - log_prob.detach())).mean()
        self.step(self.alpha_adam, alpha_loss)

        with torch.no_grad():
            if self.optimised:
                targets, critics = list(self.targets.parameters()), list(self.critics.parameters())
                torch._foreach_lerp_(targets, critics, TAU)
            else:
                for t, c in zip(self.targets.parameters(), self.critics.parameters()):
                    t.copy_(TAU * c + (1 - TAU) * t)
        return critic_loss.detach(), actor_loss.detach()

    @staticmethod
    def step(adam, loss):
        adam.zero_grad()
        loss.backward()
        adam.step()


def updates(optimised, width=common.WIDTH, rows=common.BATCH):
    sac = Sac(*common.init_sac(width=width), optimised)
    replay = common.Replay()

    def work():
        batch = [torch.from_numpy(column) for column in replay.sample(rows)]
        sac.update(batch, torch.randn(rows, ACT), torch.randn(rows, ACT))

    return Work(work)


IMPLEMENTATIONS = {
    "torch-eager": lambda: updates(False),
    "torch-optimised": lambda: updates(True),
    "torch-eager-wide": lambda: updates(False, common.WIDE, common.WIDE),
    "torch-optimised-wide": lambda: updates(True, common.WIDE, common.WIDE),
}

if __name__ == "__main__":
    common.main(IMPLEMENTATIONS)
