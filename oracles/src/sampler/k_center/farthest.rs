//! Greedy farthest-first traversal, exact but lazy.
//!
//! The distance to the nearest of the centres seen so far bounds from above the distance to the
//! nearest of all. So only candidates whose bound is among the largest need to see more centres,
//! which they do until their bound falls below the others' or they have seen all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pulp::{Arch, Simd, WithSimd};

use super::distance::{Point, squared};
use super::sketch::Sketches;

/// Candidates that see more centres together, and centres that they see together: what they read
/// stays in the cache.
const BATCH: usize = 32;
const TILE: usize = 16;

struct Candidate {
    /// Squared distance to the nearest centre seen.
    nearest: f32,
    /// Centres seen.
    seen: usize,
    /// See [`Sketches::limit`].
    limit: f32,
}

impl Candidate {
    fn key(&self, j: usize) -> Key {
        (self.nearest.to_bits(), Reverse(j))
    }
}

/// What orders the heap: distances ≥ 0 are ordered as their bits; of equals the first wins.
type Key = (u32, Reverse<usize>);

/// Indices of `n` of the points, each in turn the one farthest from its nearest centre: the
/// `centres` and those taken before. Ties go to the lower index.
pub fn first<'a>(
    points: &[Point<'a>],
    mut centres: Vec<Point<'a>>,
    obs_dim: usize,
    n: usize,
) -> Vec<usize> {
    // Sketches of the centres given, then of the points; a point keeps its sketch when it is taken.
    let mut sketches = Sketches::new(obs_dim);
    centres.iter().chain(points).for_each(|p| sketches.push(p));
    let given = centres.len();
    let mut sketch_of: Vec<usize> = (0..given).collect();

    let mut candidates: Vec<Candidate> = points
        .iter()
        .map(|_| Candidate {
            nearest: f32::INFINITY,
            seen: 0,
            limit: f32::INFINITY,
        })
        .collect();
    let mut heap: BinaryHeap<Key> = (0..points.len()).map(|j| candidates[j].key(j)).collect();
    let mut batch: Vec<usize> = Vec::with_capacity(BATCH);
    let mut taken = Vec::with_capacity(n);
    let arch = Arch::new();
    while taken.len() < n {
        let Some((_, Reverse(top))) = heap.pop() else {
            break;
        };
        if candidates[top].seen == centres.len() {
            taken.push(top);
            centres.push(points[top]);
            sketch_of.push(given + top);
            continue;
        }
        batch.clear();
        batch.push(top);
        while batch.len() < BATCH
            && let Some((_, Reverse(j))) = heap.peek()
            && candidates[*j].seen < centres.len()
        {
            batch.push(*j);
            heap.pop();
        }
        let see = See {
            points,
            centres: &centres,
            sketches: &sketches,
            sketch_of: &sketch_of,
            given,
            rival: heap.peek().copied(),
            batch: &batch,
            candidates: &mut candidates,
        };
        arch.dispatch(see);
        heap.extend(batch.iter().map(|&j| candidates[j].key(j)));
    }
    taken
}

/// One batch of candidates sees centres.
struct See<'a, 'b> {
    points: &'b [Point<'a>],
    centres: &'b [Point<'a>],
    /// Of the centres given, then of the points.
    sketches: &'b Sketches,
    /// Which of them is a centre's.
    sketch_of: &'b [usize],
    /// How many centres were given.
    given: usize,
    /// The largest key outside the batch.
    rival: Option<Key>,
    batch: &'b [usize],
    candidates: &'b mut [Candidate],
}

impl WithSimd for See<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let seen = self.batch.iter().map(|&j| self.candidates[j].seen);
        let first = seen.min().unwrap_or(0) / TILE;
        for tile in first..self.centres.len().div_ceil(TILE) {
            let end = ((tile + 1) * TILE).min(self.centres.len());
            for &j in self.batch {
                self.advance(simd, j, end);
            }
        }
    }
}

impl See<'_, '_> {
    /// Candidate `j` sees the centres before `end`, or stops when it falls behind the rival.
    #[inline(always)]
    fn advance<S: Simd>(&mut self, simd: S, j: usize, end: usize) {
        let (candidate, point) = (&mut self.candidates[j], &self.points[j]);
        while candidate.seen < end && Some(candidate.key(j)) > self.rival {
            let i = candidate.seen;
            candidate.seen += 1;
            let (own, its) = (self.given + j, self.sketch_of[i]);
            if self.sketches.apart(simd, own, its, candidate.limit) {
                continue;
            }
            let distance = squared(simd, point, &self.centres[i], candidate.nearest);
            if distance < candidate.nearest {
                candidate.nearest = distance;
                candidate.limit = self.sketches.limit(distance);
            }
        }
    }
}
