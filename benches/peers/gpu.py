"""SAC on a GPU: stacks of seeds (`--stack-seeds`) beside as many separate PyTorch agents.

    cargo build --release --workspace --features prefbench/cuda --example rate
    python benches/peers/gpu.py [--seeds 1 8 32 128] [--seconds 5]

Updates per second of all seeds together; 2x256 networks, batches of 256, batches gathered on the host
on both sides. PyTorch updates its agents one after another in one process, the way a loop over seeds
does. Every row runs ours, then each of theirs, one process after another.
"""

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")

import argparse
import subprocess
import sys
from pathlib import Path

import common
from common import Work

RATE = Path(__file__).resolve().parents[2] / "target" / "release" / "examples" / "rate"
THEIRS = {"PyTorch, eager": "eager", "PyTorch, optimised": "optimised"}


def separate(optimised, seeds):
    """One update of each of `seeds` agents on the GPU."""
    import torch

    from sac_torch import Sac

    agents = [(Sac(*common.init_sac(seed), optimised, "cuda"), common.Replay(seed)) for seed in range(seeds)]
    noise = lambda: torch.randn(common.BATCH, common.ACT, device="cuda")

    def work():
        for sac, replay in agents:
            batch = [torch.from_numpy(column).to("cuda") for column in replay.sample()]
            sac.update(batch, noise(), noise())

    return Work(work, torch.cuda.synchronize, seeds)


def last_number(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command} failed:\n{done.stderr}")
    return float(done.stdout.split()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--binary", type=Path, default=RATE, help="the example `rate`")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(common.rate(separate(args.one == "optimised", args.seeds[0]), args.seconds))
        return
    print("| seeds | prefbench |" + "".join(f" {name} |" for name in THEIRS))
    print("|---|---|" + "---|" * len(THEIRS), flush=True)
    for seeds in args.seeds:
        ours = last_number([args.binary, "stack:cuda", args.seconds, seeds])
        row = f"| {seeds} | {ours:.0f} |"
        for name in THEIRS.values():
            own = [sys.executable, __file__, "--one", name, "--seeds", seeds, "--seconds", args.seconds]
            theirs = last_number(own)
            row += f" {theirs:.0f} ({ours / theirs:.2f}) |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
