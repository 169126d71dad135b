"""Training steps of sequence models in PyTorch, eager, from PyTorch's own layers.

    python sequence_torch.py transformer-torch-eager [SECONDS]
    python sequence_torch.py pt-torch-eager [SECONDS]
    python sequence_torch.py dtr-torch-eager [SECONDS]
"""

import copy

from common import ACT, OBS, Work, main

import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

torch.set_num_threads(1)
torch.manual_seed(0)


def blocks(width, layers, activation, dropout):
    layer = nn.TransformerEncoderLayer(
        width, 4, 4 * width, dropout=dropout, activation=activation, norm_first=True, batch_first=True
    )
    return nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)


def causal(tokens):
    return nn.Transformer.generate_square_subsequent_mask(tokens)


def transformer():
    """4 layers of 128, 64 sequences of 60 tokens, causal, GELU, nothing dropped, Adam."""
    embed, norm, body, head = nn.Linear(32, 128), nn.LayerNorm(128), blocks(128, 4, "gelu", 0.0), nn.Linear(128, 6)
    model = nn.ModuleList([embed, norm, body, head])
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    x = torch.randn(64, 60, 32)
    y = torch.tanh(x[..., :6])
    mask = causal(60)

    def step():
        out = head(body(norm(embed(x)), mask=mask, is_causal=True))
        loss = ((out - y) ** 2).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        loss.item()

    return Work(step)


class Trunk(nn.Module):
    """Tokens of several kinds a step, each with the step's time."""

    def __init__(self, width, layers, kinds, times):
        super().__init__()
        self.embed = nn.ModuleList(nn.Linear(n, width) for n in kinds)
        self.time = nn.Embedding(times, width)
        self.norm, self.drop = nn.LayerNorm(width), nn.Dropout(0.1)
        self.body = blocks(width, layers, "relu", 0.1)

    def forward(self, inputs, time):
        x = torch.stack([e(i) + self.time(time) for e, i in zip(self.embed, inputs)], 2)
        batch, steps, kinds, width = x.shape
        x = self.drop(self.norm(x.reshape(batch, steps * kinds, width)))
        x = self.body(x, mask=causal(steps * kinds), is_causal=True)
        return x.reshape(batch, steps, kinds, width)


def preference_transformer():
    """A step of its reward: 16 pairs of 50 steps, one layer of 256, the preference attention layer."""
    pairs, steps, width = 16, 50, 256
    trunk, head = Trunk(width, 1, (ACT, OBS), 101), nn.Linear(width, 2 * width + 1)
    model = nn.ModuleList([trunk, head])
    adam = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=1e-4)
    state, action = torch.randn(2, pairs, steps, OBS), torch.rand(2, pairs, steps, ACT)
    time = torch.arange(1, steps + 1).expand(pairs, steps)
    label = (torch.arange(pairs) % 2).long()

    def score(side):
        x = head(trunk((action[side], state[side]), time)[:, :, 1])
        q, k, r = x.split([width, width, 1], 2)
        return ((q @ k.mT).softmax(2) @ r).mean((1, 2))

    def step():
        loss = cross_entropy(torch.stack([score(0), score(1)], 1), label)
        adam.zero_grad()
        loss.backward()
        adam.step()
        loss.item()

    return Work(step)


def dtr():
    """An update: 64 windows of 20 steps, 4 layers of 128, two critics of 3x128 Mish."""
    batch, steps, width, gamma = 64, 20, 128, 0.99
    kinds = (1, OBS, ACT)
    trunk = Trunk(width, 4, kinds, 500)
    model = nn.ModuleList([trunk, nn.Linear(width, OBS), nn.Linear(width, ACT)])
    averaged = copy.deepcopy(model)

    def critic():
        sizes = [OBS + ACT, width, width, width]
        layers = [m for i, o in zip(sizes, sizes[1:]) for m in (nn.Linear(i, o), nn.Mish())]
        return nn.Sequential(*layers, nn.Linear(width, 1))

    critics = nn.ModuleList([critic(), critic()])
    targets = copy.deepcopy(critics)
    policy_opt = torch.optim.Adam(model.parameters(), 3e-4, weight_decay=1e-4)
    critic_opt = torch.optim.Adam(critics.parameters(), 3e-4)
    state, action = torch.randn(batch, steps, OBS), torch.rand(batch, steps, ACT)
    to_go, reward = torch.randn(batch, steps, 1), torch.randn(batch, steps)
    time = torch.arange(steps).expand(batch, steps)

    def predict(m):
        y = m[0]((to_go, state, action), time)
        return m[1](y[:, :, 2]), torch.tanh(m[2](y[:, :, 1]))

    def step():
        with torch.no_grad():
            last = torch.cat([state[:, -1], predict(averaged)[1][:, -1]], 1)
            ahead = torch.min(targets[0](last), targets[1](last))[:, 0]
            y = torch.zeros(batch, steps)
            for j in reversed(range(steps - 1)):
                ahead = reward[:, j] + gamma * ahead
                y[:, j] = ahead
        sa = torch.cat([state, action], 2)
        loss = sum(mse_loss(c(sa)[:, :-1, 0], y[:, :-1]) for c in critics)
        critic_opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(critics.parameters(), 9.0)
        critic_opt.step()
        s_hat, a_hat = predict(model)
        imitation = mse_loss(a_hat, action) + mse_loss(s_hat[:, :-1], state[:, 1:])
        sa = torch.cat([state, a_hat], 2)
        q = [c(sa) for c in critics]
        loss = imitation - 0.1 * q[0].mean() / q[1].abs().mean().detach()
        policy_opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 9.0)
        policy_opt.step()
        with torch.no_grad():
            for p, t in zip(critics.parameters(), targets.parameters()):
                t.lerp_(p, 0.005)
        loss.item()

    return Work(step)


if __name__ == "__main__":
    main(
        {
            "transformer-torch-eager": transformer,
            "pt-torch-eager": preference_transformer,
            "dtr-torch-eager": dtr,
        }
    )
