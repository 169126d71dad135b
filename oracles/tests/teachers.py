"""Writes teachers.txt: what B-Pref's teachers answer to 10,000 pairs, computed with NumPy.

    python3 teachers.py > teachers.txt

An independent second implementation of Lee et al. 2021, Algorithm 1, in whole-batch masks as the
paper presents it. teachers.rs derives the same rewards from the same generator, so that only the
answers are stored: L left, R right, E equal, S skipped. `noisy` holds P[right] instead, as four
hexadecimal digits of p * 65535.
"""

import numpy as np

PAIRS, H = 10_000, 20
AVERAGE_RETURN, EPISODE_LENGTH = 1000.0, 1000.0


def rewards():
    """[pair, side, step]; multiples of 1/32, so that sums are exact and ties are common.

    Knuth's 64-bit linear congruential generator from state 1; its top byte is the draw. A segment
    draws its level (0 to 3), then its steps.
    """
    state = 1

    def draw():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return state >> 56

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


main()
