"""Writes teachers.txt: what B-Pref's teachers answer to 10,000 pairs, computed with NumPy.

    python3 teachers.py > teachers.txt

An independent second implementation of Lee et al. 2021, Algorithm 1, in whole-batch masks as the
paper presents it. teachers.rs derives the same rewards from the same generator, so that only the
answers are stored: L left, R right, E equal, S skipped. `noisy` holds P[right] instead, as four
hexadecimal digits of p * 65535.

The `world` lines are the teachers beyond B-Pref's, about pairs of segments from common episodes with
observations and actions; teachers_world.rs derives the same world. Random teachers print the band of
P[right] of each pair, a to p, and under `<name>.bands` the sums of p and of p(1 - p) in each band.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

PAIRS, H = 10_000, 20
AVERAGE_RETURN, EPISODE_LENGTH = 1000.0, 1000.0
EPISODES, T = 200, 40


def generator(state):
    """Knuth's 64-bit linear congruential generator; its top byte is the draw."""

    def draw():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return state >> 56

    return draw


def rewards():
    """[pair, side, step]; multiples of 1/32, so that sums are exact and ties are common.

    A segment draws its level (0 to 3), then its steps.
    """
    draw = generator(1)
    out = np.zeros((PAIRS, 2, H))
    for pair in range(PAIRS):
        for side in range(2):
            level = draw() % 4
            for step in range(H):
                out[pair, side, step] = level * (draw() % 16 - 3) / 32
    return out


def answers(r, gamma=1.0, flip=False, skip=0.0, equal=0.0):
    """One letter per pair; `skip` and `equal` are thresholds, not rates."""
    total = r.sum(axis=2)
    g = (r * gamma ** np.arange(H - 1, -1, -1)).sum(axis=2)
    margin = np.abs(g[:, 0] - g[:, 1])
    # No pair so close that the order of summation could decide it.
    assert np.all((r[:, 0] == r[:, 1]).all(axis=1) | (margin > 1e-9) | (gamma == 1.0))
    out = np.where((g[:, 0] < g[:, 1]) ^ flip, "R", "L")
    out[np.abs(total[:, 0] - total[:, 1]) < equal] = "E"
    if skip > 0:
        out[total.max(axis=1) <= skip] = "S"
    return "".join(out)


def world():
    """Episodes [episode, step] and pairs [pair, side]; all numbers are multiples of 1/64."""
    draw = generator(2)
    obs = np.full((EPISODES, T + 1, 3), 0.5)  # the third number never varies
    act, rew = np.zeros((EPISODES, T, 2)), np.zeros((EPISODES, T))
    for e in range(EPISODES):
        level, pace = draw() % 4, draw() % 4
        obs[e, 0, :2] = [(draw() % 64 - 32) / 32 for _ in range(2)]
        for t in range(T):
            act[e, t] = [level * (draw() % 33 - 16) / 64 for _ in range(2)]
            rew[e, t] = level * (draw() % 16 - 3) / 32
            obs[e, t + 1, :2] = obs[e, t, :2] + [pace * (draw() % 9 - 4) / 32 for _ in range(2)]
    episode, start, short = (np.zeros((PAIRS, 2), int) for _ in range(3))
    for pair in range(PAIRS):
        for side in range(2):
            episode[pair, side] = (draw() * 256 + draw()) % EPISODES
            start[pair, side] = draw() % (T - H + 1)
            short[pair, side] = 8 + draw() % 13
    return obs, act, rew, episode, start, short


def letters(left, right, equal=False, skip=False, flip=False):
    apart = np.abs(left - right)
    assert np.all((apart == 0) | (apart > 1e-9))  # the order of summation decides nothing
    return "".join(np.select([skip, equal, (left < right) ^ flip], ["S", "E", "R"], "L"))


def print_bands(name, p):
    band = np.minimum((p * 16).astype(int), 15)
    print(name, "".join(chr(97 + b) for b in band))
    sums = [np.bincount(band, w, minlength=16) for w in (p, p * (1 - p))]
    print(name + ".bands", " ".join(f"{x:.9g}" for x in np.concatenate(sums)))


def print_world():
    obs, act, rew, episode, start, short = world()
    steps = start[..., None] + np.arange(H)
    at = episode[..., None], steps
    r = rew[at]
    total = r.sum(axis=2)
    gap = np.abs(total[:, 0] - total[:, 1])
    average = rew[-10:].sum(axis=1).mean()
    spread = sliding_window_view(rew[-10:], H, axis=1).sum(axis=2).std()
    print("world.session", repr(float(average)), repr(float(spread)))
    reach = average * H / T

    def strict(rate):  # no gap so close to the threshold that rounding could decide
        assert np.all(np.abs(gap - rate * reach) > 1e-9)
        return rate * reach

    print("world.tie", letters(*total.T, equal=gap <= 1.0))
    print("world.unsure", letters(*total.T, skip=gap <= strict(0.5)))
    print("world.discounted", letters(*(r @ 0.99 ** np.arange(H)).T))
    weights = 0.9 ** np.arange(H - 1, -1, -1) * 0.95 ** np.arange(H)
    poor = total.max(axis=1) <= 0.1 * reach
    skip = poor | (gap <= strict(0.01))
    print("world.all", letters(*(r @ weights).T, equal=gap <= 0.5, skip=skip, flip=True))

    part = np.where(np.arange(H) < short[..., None], r, 0).sum(axis=2) / short
    print("world.mean", letters(*part.T))
    close = np.abs(part[:, 0] - part[:, 1]) < 0.5 * average / T
    print("world.mean-equal", letters(*part.T, equal=close))

    value = obs @ [2.0, -0.25, 0.0]
    first, last = value[episode, start], value[episode, start + H - 1]
    print("world.regret", letters(*(r[..., :-1].sum(axis=2) + last - first).T))
    discounts = 0.9 ** np.arange(H)
    score = (r * discounts)[..., :-1].sum(axis=2) + discounts[-1] * last - first
    print("world.regret-discounted", letters(*score.T))

    right = total[:, 0] < total[:, 1]

    def print_flips(name, n):
        print_bands(name, np.where(right, 1 - n, n))

    delta = (total[:, 1] - total[:, 0]) / spread
    print_bands("world.boltzmann", 1 / (1 + np.exp(-delta / 0.25)))
    weights = 0.95 ** np.arange(H - 1, -1, -1) * 0.7 ** np.arange(H)
    judged = r @ weights
    print_bands("world.noisy", 1 / (1 + np.exp((judged[:, 0] - judged[:, 1]) / 0.1)))
    print_flips("world.margin", 0.5 * np.exp(-2.5 * np.abs(delta)))
    whole = rew.sum(axis=1)[episode]
    print_flips("world.indistinct", 0.5 * (np.abs(whole[:, 0] - whole[:, 1]) < 0.2 * average))

    both = obs[:, :-1][episode].reshape(PAIRS, 2 * T, 3)  # both whole episodes
    sigma = both.std(axis=1)[:, :2]
    means = obs[at].mean(axis=2)[..., :2]
    live = sigma > 0
    sigma[~live] = 1

    def rms(squares):
        return np.sqrt(np.where(live, squares, 0).sum(axis=1) / np.maximum(live.sum(axis=1), 1))

    distance = rms(((means[:, 0] - means[:, 1]) / sigma) ** 2)
    print_flips("world.similar", 0.5 * np.exp(-distance / 0.5))
    size = np.sqrt((act[at] ** 2).mean(axis=(1, 2, 3)))
    print_flips("world.actions", 0.3 * (1 - np.exp(-size / 0.5)))
    moves = np.diff(obs, axis=1)[at][..., :2]
    speed = rms((moves**2).mean(axis=(1, 2)) / sigma**2)
    print_flips("world.speed", 0.6 * (1 - np.exp(-speed / 0.25)))


def main():
    r = rewards()
    m = AVERAGE_RETURN * H / EPISODE_LENGTH
    print("oracle", answers(r))
    print("skip", answers(r, skip=0.1 * m))
    print("equal", answers(r, equal=0.1 * m))
    print("myopic", answers(r, gamma=0.9))
    # The reference code's thresholds from the second session on.
    print("skip-compat", answers(r, skip=0.1 * 0.1 * m))
    print("equal-compat", answers(r, equal=0.1 * 0.1 * m))
    # Everything at once, wrong always: shows the order of the steps.
    print("all", answers(r, gamma=0.9, flip=True, skip=0.1 * m, equal=0.1 * m))
    total = r.sum(axis=2)
    p = np.exp(total[:, 1]) / np.exp(total).sum(axis=1)
    print("noisy", "".join(f"{round(x * 65535):04x}" for x in p))

    print_world()


main()
