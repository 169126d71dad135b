//! What a teacher may know about the training so far, and the count of what it was asked.

use serde::{Deserialize, Serialize};

use crate::trajectory::Trajectories;

/// What a teacher may know about the training so far; set anew before every feedback session.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// R̄: mean true return of the most recent training episodes.
    pub average_return: f64,
    /// Standard deviation of the true returns of all segments in the most recent episodes that hold
    /// one: the unit of noise that depends on a difference of returns. 0 where it is unknown.
    pub return_spread: f64,
    /// Mean length of those episodes in control steps, shorter than T_ep where some end early. 0 where there is none.
    pub average_length: f64,
    /// T_ep: length of a full episode, in control steps; positive.
    pub episode_length: f64,
    /// Number of this session, from 0.
    pub index: usize,
    /// Who is asked, for teachers that speak for several people; 0 where there is one.
    pub user: u32,
}

impl Session {
    /// A session, with user 0, after the last `window` complete episodes (B-Pref: 10): R̄ is the
    /// mean of their returns. The spread is that of all windows of `segment_len` steps (divisor n, so
    /// that each possible segment counts alike) in the last `window` of those that are as long: where
    /// the robot falls sooner now, what is asked about is older. These are 0 where there is none.
    ///
    /// `episode_length` is the task's horizon, as in B-Pref, not the mean length observed. B-Pref's
    /// PEBBLE loop also counts a return of 0 from before the first episode; we do not.
    pub fn recent(
        trajectories: &Trajectories,
        window: usize,
        episode_length: f64,
        index: usize,
        segment_len: usize,
    ) -> Self {
        let complete = trajectories.complete();
        let recent = complete.saturating_sub(window)..complete;
        let returns: Vec<f64> = recent
            .clone()
            .map(|e| trajectories.episode_return(e))
            .collect();
        let lengths: Vec<f64> = trajectories.episodes()[recent.clone()]
            .iter()
            .map(|e| e.len as f64)
            .collect();
        let long = |&e: &usize| trajectories.episodes()[e].len >= segment_len;
        let mut asked: Vec<usize> = (0..complete).rev().filter(long).take(window).collect();
        asked.reverse();
        let windows: Vec<f64> = asked
            .into_iter()
            .flat_map(|e| window_returns(trajectories, e, segment_len))
            .collect();
        Session {
            average_return: mean(&returns),
            return_spread: spread(&windows),
            average_length: mean(&lengths),
            episode_length,
            index,
            user: 0,
        }
    }
}

/// The true return of every window of `len` steps in episode `e`, by prefix sums.
fn window_returns(trajectories: &Trajectories, e: usize, len: usize) -> Vec<f64> {
    let episode = trajectories.episodes()[e];
    if len == 0 {
        return Vec::new();
    }
    let rewards = &trajectories.all_rewards()[episode.start..episode.start + episode.len];
    let mut sums = vec![0.0];
    let mut sum = 0.0;
    sums.extend(rewards.iter().map(|&reward| {
        sum += f64::from(reward);
        sum
    }));
    sums[len..]
        .iter()
        .zip(&sums)
        .map(|(to, from)| to - from)
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn spread(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares: Vec<f64> = values.iter().map(|v| (v - centre).powi(2)).collect();
    mean(&squares).sqrt()
}

/// Queries asked and answered. Budgets count those asked: a skipped query is spent.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Queries shown to the teacher.
    pub asked: u64,
    /// Those among them that it did not skip.
    pub answered: u64,
}

impl Ledger {
    /// Counts answers to queries, or ratings.
    pub fn record<T>(&mut self, answers: &[Option<T>]) {
        self.asked += answers.len() as u64;
        self.answered += answers.iter().flatten().count() as u64;
    }

    /// Queries that were asked and skipped.
    pub fn skipped(&self) -> u64 {
        self.asked.saturating_sub(self.answered)
    }
}
