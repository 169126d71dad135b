"""A transformer's training step in PyTorch, eager: 4 layers of 128, 4 heads, 512 hidden, 64 sequences of 60
tokens, causal, norms first, GELU, nothing dropped, Adam.

    python transformer_torch.py torch-eager SECONDS
"""

from common import Work, main

import torch
from torch import nn

BATCH, TOKENS, WIDTH = 64, 60, 128


def eager():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(
        WIDTH, 4, 4 * WIDTH, dropout=0.0, activation="gelu", norm_first=True, batch_first=True
    )
    blocks = nn.TransformerEncoder(layer, 4, norm=nn.LayerNorm(WIDTH), enable_nested_tensor=False)
    model = nn.ModuleList([nn.Linear(32, WIDTH), nn.LayerNorm(WIDTH), blocks, nn.Linear(WIDTH, 6)])
    embed, norm, blocks, head = model
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    x = torch.randn(BATCH, TOKENS, 32)
    y = torch.tanh(x[..., :6])
    mask = nn.Transformer.generate_square_subsequent_mask(TOKENS)

    def step():
        out = head(blocks(norm(embed(x)), mask=mask, is_causal=True))
        loss = ((out - y) ** 2).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        loss.item()

    return Work(step)


if __name__ == "__main__":
    main({"torch-eager": eager})
