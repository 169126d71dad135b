"""Writes rankings.txt: the ranked lists of LiRE and SeqRank, computed with NumPy.

    python3 rankings.py > rankings.txt

A second way to the same lists. For LiRE no search is run: where a value belongs in a list is known
from sorting, and the number of comparisons is the depth of that place in the tree of middles. For
SeqRank the sequence is cut where its direction changes. Segments are named by their number in the
sequence; `|` parts groups, worst first.
"""

from functools import cache

import numpy as np

BUDGET, PER_LIST = 300, 40


def values(count):
    """Small integers, so that exact ties are common: Knuth's generator, as in teachers.py."""
    state, out = 3, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state >> 56) % 24)
    return np.array(out)


@cache
def depths(n):
    """For n sorted groups: comparisons until each gap (0 to n), and until each group is hit."""
    if n == 0:
        return (0,), ()
    below, above = depths(n // 2), depths(n - n // 2 - 1)
    gaps, hits = ([tuple(1 + d for d in half[k]) for half in (below, above)] for k in (0, 1))
    return gaps[0] + gaps[1], hits[0] + (1,) + hits[1]


def groups(members, v):
    ranks = np.unique(v[members], return_inverse=True)[1]
    return [[m for m, r in zip(members, ranks) if r == rank] for rank in range(max(ranks) + 1)]


def lire(v):
    lists, members, spent, total = [], [], 0, 0
    for i in range(len(v)):
        if members and spent >= PER_LIST:
            lists.append(members)
            members, spent = [], 0
        held = np.unique(v[members])
        place = int(np.searchsorted(held, v[i]))
        hit = place < len(held) and held[place] == v[i]
        cost = depths(len(held))[1 if hit else 0][place]
        if total + cost > BUDGET:
            total = BUDGET
            break
        total, spent = total + cost, spent + cost
        members = members + [i]
        if total == BUDGET:
            break
    return [groups(m, v) for m in lists + [members] if len(m) > 1]


def seqrank(v):
    v = v[: BUDGET + 1]
    steps = np.sign(np.diff(v))
    moving = np.flatnonzero(steps)
    turns = moving[1:][steps[moving[1:]] != steps[moving[:-1]]]
    starts, ends = np.r_[0, turns], np.r_[turns, BUDGET]
    return [groups(list(range(a, b + 1)), v) for a, b in zip(starts, ends)]


def main():
    v = values(2 * BUDGET)
    for name, lists in (("lire", lire(v)), ("seqrank", seqrank(v))):
        for ranking in lists:
            print(name, "|".join(" ".join(map(str, group)) for group in ranking))


if __name__ == "__main__":
    main()
