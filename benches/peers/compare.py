"""Sets prefbench's speed beside other implementations of the same work, on one core.

    cargo build --release --workspace --example rate --example throughput
    python benches/peers/compare.py

Every round runs ours and then each peer, one process after another, so that a machine that slows
down slows both; ratios are taken within a round. A peer whose package is missing is skipped.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from bodies import BODIES, META_WORLD

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGES = ("numpy", "mujoco", "gymnasium", "metaworld", "jax", "jaxlib", "optax", "torch")
BUILD = "cargo build --release --workspace --example rate --example throughput"
CRATES = ("rapier3d", "burn", "burn-flex", "gemm")


@dataclass(frozen=True)
class Peer:
    """One implementation of a workload: a script here, and the packages it needs."""

    name: str
    script: str
    implementation: str
    needs: tuple


def torch(name, script, implementation):
    return Peer(name, script, implementation, ("numpy", "torch"))


JAX = ("numpy", "jax", "optax")


def gym(name, implementation, task):
    # Gymnasium's robots need imageio, which its bare package does not bring.
    return Peer(name, "env_step.py", f"{implementation}:{task}", ("numpy", "mujoco", "gymnasium", "imageio"))


def meta(name, implementation, task):
    return Peer(name, "env_step.py", f"{implementation}:{task}", ("metaworld",))


def env_step(task):
    """MuJoCo as Gymnasium ships the robot, with Euler where that is another, and Gymnasium."""
    if task in META_WORLD:
        yield meta("Meta-World", "metaworld", task)
        yield meta("its MuJoCo model alone", "metaworld-engine", task)
        return
    body = BODIES[task]
    yield gym(f"MuJoCo {body.integrator} (as shipped)", "mujoco", task)
    if body.integrator != "Euler":
        yield gym("MuJoCo Euler", "mujoco-euler", task)
    yield gym(f"Gymnasium {body.env}", "gymnasium", task)


def reset(task):
    yield gym("MuJoCo", "mujoco-reset", task)
    yield gym(f"Gymnasium {BODIES[task].env}", "gymnasium-reset", task)


OF_A_TASK = {"env-step": env_step, "reset": reset}
"""Peers by task; on the command line the task follows a colon."""
WORKLOADS = {
    "sac-update": (
        Peer("JAX jit", "sac_jax.py", "jax-jit", JAX),
        Peer("JAX jit, scan of 10", "sac_jax.py", "jax-scan", JAX),
        torch("PyTorch eager", "sac_torch.py", "torch-eager"),
        torch("PyTorch optimised", "sac_torch.py", "torch-optimised"),
    ),
    "sac-update-wide": (
        torch("PyTorch eager", "sac_torch.py", "torch-eager-wide"),
        torch("PyTorch optimised", "sac_torch.py", "torch-optimised-wide"),
    ),
    "reward-update": (
        torch("PyTorch eager", "reward_torch.py", "update-torch-eager"),
        torch("PyTorch optimised", "reward_torch.py", "update-torch-optimised"),
    ),
    "transformer-update": (torch("PyTorch eager", "sequence_torch.py", "transformer-torch-eager"),),
    "pt-update": (torch("PyTorch eager", "sequence_torch.py", "pt-torch-eager"),),
    "dtr-update": (torch("PyTorch eager", "sequence_torch.py", "dtr-torch-eager"),),
    "cpl-update": (torch("PyTorch eager", "offline_torch.py", "cpl-torch-eager"),),
    "ipl-update": (torch("PyTorch eager", "offline_torch.py", "ipl-torch-eager"),),
    "relabel": (
        torch("PyTorch, B-Pref's loop", "reward_torch.py", "relabel-torch-bpref"),
        torch("PyTorch, one chunk", "reward_torch.py", "relabel-torch-one-chunk"),
    ),
}
TWO_OVER_ONE = {
    "vec-env": ("throughput", lambda threads, seconds: ["hopper", "--threads", threads, "--seconds", seconds]),
    "threads": ("rate", lambda threads, seconds: ["sac-update", seconds, threads]),
}
"""Two threads on two cores over one on one: the example and its arguments. `vec-env` steps 16
copies of hopper a thread in one `VecEnv`; `threads` is sac-update of independent learners."""


class Machine:
    """Runs commands on given cores and notes when they did not get them."""

    def __init__(self):
        self.cores = sorted(os.sched_getaffinity(0))
        self.least_share = 1.0

    def rate(self, command, cores=1, seconds=5.0):
        """The number that `command` prints last, run on the last `cores` cores."""
        used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        cpu, begin = used(), time.perf_counter()
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=20 * seconds + 300,
            preexec_fn=lambda: os.sched_setaffinity(0, self.cores[-cores:]),
        )
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
        share = (used() - cpu) / (time.perf_counter() - begin) / cores
        self.least_share = min(self.least_share, share)
        return float(done.stdout.split()[-1])


def spread(values):
    """Median, least and greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def show(label, rates, ratios=None):
    text = "{median:>10.{d}f} ({min:.{d}f}-{max:.{d}f})"
    median = statistics.median(rates)
    rate = text.format(**spread(rates), d=0 if median > 1000 else 2)
    ratio = "" if ratios is None else "{median:6.2f} ({min:.2f}-{max:.2f})".format(**spread(ratios))
    print(f"  {label:<26}{rate:<32}{1e6 / median:>11.4g} µs  {ratio}", flush=True)


def versions():
    """Versions of what is compared, ours first; packages that are missing are left out."""
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())
    found = {"prefbench": cargo["workspace"]["package"]["version"]}
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    found |= {p["name"]: p["version"] for p in lock if p["name"] in CRATES}
    found["python"] = platform.python_version()
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def present(peer):
    missing = [p for p in peer.needs if importlib.util.find_spec(p) is None]
    if missing:
        how = f"pip install -r {os.path.relpath(HERE / 'requirements.txt')}"
        print(f"  {peer.name}: skipped, needs {', '.join(missing)}; install with: {how}")
    return not missing


def peers_of(workload):
    """None of a task that only we have."""
    name, _, task = workload.partition(":")
    if name in OF_A_TASK:
        known = task in BODIES or (name == "env-step" and task in META_WORLD)
        return OF_A_TASK[name](task) if known else ()
    return WORKLOADS[name]


def compare(machine, binary, rounds, seconds, workload):
    """Ours and every peer of one workload, alternately."""
    print(f"{workload}: units/s, time of a unit, ours over theirs; median (min-max) of {rounds} rounds")
    peers = [p for p in peers_of(workload) if present(p)]
    ours, theirs = [], {p.name: [] for p in peers}
    for _ in range(rounds):
        ours.append(machine.rate([binary, workload, str(seconds)], seconds=seconds))
        for p in peers:
            command = [sys.executable, str(HERE / p.script), p.implementation, str(seconds)]
            theirs[p.name].append(machine.rate(command, seconds=seconds))
    show("prefbench", ours)
    result = {"prefbench": {"rates": ours, **spread(ours)}}
    for name, rates in theirs.items():
        ratios = [a / b for a, b in zip(ours, rates)]
        show(name, rates, ratios)
        result[name] = {"rates": rates, **spread(rates), "ours_over_theirs": spread(ratios)}
    return result


def two_over_one(machine, binary, arguments, rounds, seconds, workload):
    """The same on two threads and cores, over one."""
    print(f"{workload}: units/s, time of a unit, two threads over one; of {rounds} rounds")
    if len(machine.cores) < 2:
        print("  skipped, needs two cores")
        return None
    rate = lambda n: machine.rate([binary, *arguments(str(n), str(seconds))], cores=n, seconds=seconds)
    one, two = [], []
    for _ in range(rounds):
        one.append(rate(1))
        two.append(rate(2))
    ratios = [b / a for a, b in zip(one, two)]
    show("one thread, one core", one)
    show("two threads, two cores", two, ratios)
    return {
        "one": {"rates": one, **spread(one)},
        "two": {"rates": two, **spread(two)},
        "two_over_one": spread(ratios),
    }


def find_example(name):
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    binary = target / "release/examples" / name
    if not binary.is_file():
        raise SystemExit(f"{binary} is missing; build it: {BUILD}")
    return str(binary.resolve())


def choose(parser, wanted, tasks):
    """Full names of the workloads that the command line names, with all of our `tasks`."""
    every = {name: [f"{name}:{task}" for task in BODIES if task in tasks] for name in OF_A_TASK}
    every |= {name: [name] for name in (*WORKLOADS, *TWO_OVER_ONE)}
    chosen = []
    for name in wanted or every:
        kind, _, task = name.partition(":")
        if kind not in every or (task and kind not in OF_A_TASK):
            parser.error(f"no workload {name}; there are {', '.join(every)}")
        if task and task not in tasks:
            parser.error(f"no task {task}; there are {', '.join(tasks)}")
        chosen += [name] if task else every[name]
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ", ".join((*(f"{name}[:TASK]" for name in OF_A_TASK), *WORKLOADS, *TWO_OVER_ONE))
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {names}; all by default, of all of Gymnasium's robots")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of timing in each run, after a warm-up of a fifth")
    parser.add_argument("--json", metavar="FILE", help="also write every rate, the versions and the machine here")
    args = parser.parse_args()

    rate, machine = find_example("rate"), Machine()
    tasks = subprocess.run([rate, "tasks"], capture_output=True, text=True, check=True).stdout.split()
    workloads = choose(parser, args.workloads, tasks)
    report = {
        "machine": {"cpu": cpu_model(), "cores": os.cpu_count()},
        "versions": versions(),
        "rounds": args.rounds,
        "seconds": args.seconds,
        "workloads": {},
    }
    print("{cpu}, {cores} cores".format(**report["machine"]))
    print(", ".join(f"{k} {v}" for k, v in report["versions"].items()))
    for name in workloads:
        how = (args.rounds, args.seconds, name)
        if name in TWO_OVER_ONE:
            example, arguments = TWO_OVER_ONE[name]
            result = two_over_one(machine, find_example(example), arguments, *how)
        else:
            result = compare(machine, rate, *how)
        report["workloads"][name] = result
    report["least_cpu_share"] = round(machine.least_share, 3)
    if machine.least_share < 0.9:
        print(f"the machine was busy: a run got {machine.least_share:.0%} of its cores; repeat on a quiet one")
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
