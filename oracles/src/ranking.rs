//! Ranked lists of segments, made by asking a teacher about pairs.
//!
//! [`lire`] makes the ranked lists of trajectories of LiRE (Choi et al., "Listwise Reward Estimation for
//! Offline Preference-based Reinforcement Learning", ICML 2024), [`seqrank`] the chains of SeqRank
//! (Hwang et al., "Sequential Preference Ranking for Efficient Reinforcement Learning from Human
//! Feedback", NeurIPS 2023) as LiRE's code has them. A list of n segments gives n(n − 1)/2
//! preferences for far fewer queries.
//!
//! A skipped query is paid for, and the segment that was to be added is dropped. Every preference has the
//! number of the query by which it became known, so that what n queries gave can be told.
//!
//! Deviations: LiRE's code finishes an insertion beyond the total budget and then throws the
//! segment away; we stop asking at the budget, with the same lists. Its lists begin with a query
//! about two new segments; ours with one segment, into which the second is inserted: the same query,
//! with its sides exchanged. Lists of one segment say nothing and are left out.

use std::mem::take;

use serde::{Deserialize, Serialize};

use crate::preference::{Label, Pair, Preference};
use crate::segment::Segment;
use crate::session::{Ledger, Session};
use crate::stream::Stream;
use crate::teacher::Teacher;
use crate::trajectory::{Trajectories, TrajectoryError};

/// A segment in a list.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// The segment.
    pub segment: Segment,
    /// The query that placed it, numbered from 0 as they were asked. Of a list's first, which takes none:
    /// the query before it.
    pub query: u64,
}

/// Segments in order of preference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranking {
    /// Groups of equally preferable segments, the worst group first. None is empty.
    pub groups: Vec<Vec<Placed>>,
}

impl Ranking {
    /// Number of segments.
    pub fn len(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    /// Whether there is no segment.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Number of pairs in the list.
    pub fn pairs(&self) -> u64 {
        let n = self.len() as u64;
        n * n.saturating_sub(1) / 2
    }

    /// Every pair in the list, the lower group's segment on the left: so the label is
    /// [`Label::Right`], or [`Label::Equal`] within a group. Each with the query by which it became
    /// known: the one that placed the later of its sides.
    pub fn preferences(&self) -> impl Iterator<Item = (u64, Preference)> {
        let ranked: Vec<(usize, Placed)> = (self.groups.iter().enumerate())
            .flat_map(|(rank, group)| group.iter().map(move |&placed| (rank, placed)))
            .collect();
        (0..ranked.len()).flat_map(move |i| {
            let (low, left) = ranked[i];
            let pair = |&(high, right): &(usize, Placed)| {
                let preference = Preference {
                    pair: Pair {
                        left: left.segment,
                        right: right.segment,
                    },
                    label: match low < high {
                        true => Label::Right,
                        false => Label::Equal,
                    },
                };
                (left.query.max(right.query), preference)
            };
            ranked[i + 1..].iter().map(pair).collect::<Vec<_>>()
        })
    }
}

/// Ranked lists, and what they cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rankings {
    /// The lists, in the order in which they were made.
    pub lists: Vec<Ranking>,
    /// The last query about each segment that was dropped, with its number.
    pub dropped: Vec<(u64, Pair)>,
    /// Comparisons asked and answered.
    pub ledger: Ledger,
}

impl Rankings {
    /// What was learnt, each with the query by which it became known, in their order: every pair inside each
    /// list (see [`Ranking::preferences`]), and without a label the last query about each segment that was
    /// dropped. So the first n queries gave those whose number is below n, and the last of all is among them.
    pub fn answers(&self) -> Vec<(u64, Pair, Option<Label>)> {
        let pairs = self.lists.iter().flat_map(Ranking::preferences);
        let pairs = pairs.map(|(query, p)| (query, p.pair, Some(p.label)));
        let dropped = self
            .dropped
            .iter()
            .map(|&(query, pair)| (query, pair, None));
        let mut all: Vec<_> = pairs.chain(dropped).collect();
        all.sort_by_key(|answer| answer.0);
        all
    }

    /// A segment as the query asked last places it.
    fn placed(&self, segment: Segment) -> Placed {
        let query = self.ledger.asked.saturating_sub(1);
        Placed { segment, query }
    }

    /// Drops a segment after the query asked last.
    fn drop(&mut self, pair: Pair) {
        self.dropped
            .push((self.ledger.asked.saturating_sub(1), pair));
    }

    /// Asks one comparison and counts it.
    fn compare<E>(
        &mut self,
        compare: &mut impl FnMut(Pair) -> Result<Option<Label>, E>,
        left: Segment,
        right: Segment,
    ) -> Result<Option<Label>, E> {
        let answer = compare(Pair { left, right })?;
        self.ledger.record(&[answer]);
        Ok(answer)
    }

    fn close(&mut self, list: Ranking) {
        if list.len() > 1 {
            self.lists.push(list);
        }
    }
}

/// A comparison by a teacher, to pass to [`lire`] or [`seqrank`]. Like [`crate::ask`], the n-th call
/// uses the substream `stream.at(asked + n)`, n from 0.
pub fn by_teacher<'a>(
    teacher: &'a dyn Teacher,
    trajectories: &'a Trajectories,
    session: &'a Session,
    stream: &'a Stream,
    asked: u64,
) -> impl FnMut(Pair) -> Result<Option<Label>, TrajectoryError> + 'a {
    let mut number = asked;
    move |pair| {
        let left = trajectories.view(pair.left)?;
        let right = trajectories.view(pair.right)?;
        let label = teacher.label(&left, &right, session, &mut stream.at(number));
        number += 1;
        Ok(label)
    }
}

/// LiRE's ranked lists, from at most `budget` queries.
///
/// Each next segment is inserted into the list by binary search: it is compared (on the left) with a
/// random member of the middle group, goes on in the half below or above, or joins the group if they
/// are equal. After `per_list` queries or more (LiRE: 100), no further segment is begun and a new list is.
/// The segment that the budget interrupts is dropped. With `per_list` 1, all pairs are independent.
///
/// `segments` are taken as needed, at most 2·`budget`; if they end, so does the ranking. `rng` chooses
/// the members.
///
/// # Errors
/// Those of `compare`.
pub fn lire<E>(
    segments: impl IntoIterator<Item = Segment>,
    budget: u64,
    per_list: u64,
    rng: &mut Stream,
    mut compare: impl FnMut(Pair) -> Result<Option<Label>, E>,
) -> Result<Rankings, E> {
    let mut rankings = Rankings::default();
    let mut list = Ranking::default();
    let mut begun = 0; // queries asked before this list
    let mut segments = segments.into_iter();
    while rankings.ledger.asked < budget {
        if !list.is_empty() && rankings.ledger.asked - begun >= per_list.max(1) {
            rankings.close(take(&mut list));
            begun = rankings.ledger.asked;
        }
        let Some(segment) = segments.next() else {
            break;
        };
        let (mut low, mut high) = (0, list.groups.len());
        let mut beside = segment; // what it was compared with last
        let place = loop {
            if low == high {
                break Some(Place::Between(low));
            }
            if rankings.ledger.asked == budget {
                break None;
            }
            let middle = (low + high) / 2;
            let group = &list.groups[middle];
            beside = group[rng.below(group.len())].segment;
            match rankings.compare(&mut compare, segment, beside)? {
                Some(Label::Left) => low = middle + 1,
                Some(Label::Right) => high = middle,
                Some(Label::Equal) => break Some(Place::In(middle)),
                None => break None,
            }
        };
        let placed = rankings.placed(segment);
        match place {
            Some(Place::Between(at)) => list.groups.insert(at, vec![placed]),
            Some(Place::In(group)) => list.groups[group].push(placed),
            None => rankings.drop(Pair {
                left: segment,
                right: beside,
            }),
        }
    }
    rankings.close(list);
    Ok(rankings)
}

/// Where a segment goes in a list.
enum Place {
    /// As a group of its own, at this index.
    Between(usize),
    /// Into this group.
    In(usize),
}

/// SeqRank's chains, from at most `budget` queries.
///
/// Each next segment is compared (on the right) with the one before. While the answers keep their
/// direction, the list grows at that end; equals join the group of the one before. An answer against
/// the direction begins a new list with these two.
///
/// `segments` are taken as needed, at most `budget` + 1; if they end, so does the ranking.
///
/// # Errors
/// Those of `compare`.
pub fn seqrank<E>(
    segments: impl IntoIterator<Item = Segment>,
    budget: u64,
    mut compare: impl FnMut(Pair) -> Result<Option<Label>, E>,
) -> Result<Rankings, E> {
    let mut rankings = Rankings::default();
    let mut segments = segments.into_iter();
    let Some(mut last) = segments.next().map(|first| rankings.placed(first)) else {
        return Ok(rankings);
    };
    // The list from `last`'s group to the other end, so that it always grows at its back, and the
    // answer that makes it grow: none yet while there is one group.
    let mut chain = vec![vec![last]];
    let mut direction = None;
    while rankings.ledger.asked < budget {
        let Some(segment) = segments.next() else {
            break;
        };
        let answer = rankings.compare(&mut compare, last.segment, segment)?;
        let placed = rankings.placed(segment);
        match answer {
            None => {
                rankings.drop(Pair {
                    left: last.segment,
                    right: segment,
                });
                continue;
            }
            Some(Label::Equal) => {
                if let Some(group) = chain.last_mut() {
                    group.push(placed);
                }
            }
            answer if direction.is_none() || direction == answer => {
                chain.push(vec![placed]);
                direction = answer;
            }
            answer => {
                let next = vec![vec![last], vec![placed]];
                rankings.close(ordered(std::mem::replace(&mut chain, next), direction));
                direction = answer;
            }
        }
        last = placed;
    }
    rankings.close(ordered(chain, direction));
    Ok(rankings)
}

/// A chain as a list, worst first: one that fell is turned round.
fn ordered(mut chain: Vec<Vec<Placed>>, direction: Option<Label>) -> Ranking {
    if direction == Some(Label::Left) {
        chain.reverse();
    }
    Ranking { groups: chain }
}
