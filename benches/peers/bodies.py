"""Gymnasium's robots, by the ids of our tasks with the same body; Meta-World's tasks. Imports nothing."""

from typing import Callable, NamedTuple


class Body(NamedTuple):
    """A robot as Gymnasium ships it."""

    env: str
    """Gymnasium's id."""
    integrator: str
    """That of its MJCF file."""
    healthy: Callable = lambda qpos: True
    """Whether an episode goes on; MuJoCo alone does not know."""


BODIES = {
    "hopper": Body("Hopper-v5", "RK4", lambda q: q[1] > 0.7 and -0.2 < q[2] < 0.2),
    "walker2d": Body("Walker2d-v5", "RK4", lambda q: 0.8 < q[1] < 2.0 and -1.0 < q[2] < 1.0),
    "halfcheetah": Body("HalfCheetah-v5", "Euler"),
    "ant": Body("Ant-v5", "RK4", lambda q: 0.2 <= q[2] <= 1.0),
    "humanoid": Body("Humanoid-v5", "RK4", lambda q: 1.0 < q[2] < 2.0),
}

META_WORLD = (
    "reach push pick-place button-press door-open door-close door-unlock drawer-open drawer-close"
    " window-open window-close sweep-into hammer plate-slide faucet-close bin-picking assembly"
).split()
"""Ids of ours that are Meta-World's with `-v3` added."""
