//! Stratified bootstrap intervals.

use std::mem::replace;

use super::improvement::Pairs;
use super::statistic::{Sample, above};
use super::{Statistic, all_usable, generator, index, quantile, sorted};

/// A percentile interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A figure and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Its bootstrap interval; `None` where there is none, as where a task has a single run.
    pub interval: Option<Interval>,
}

impl Estimate {
    /// The figure and its interval in brackets, or nothing; rounded, with a typographic minus.
    pub(crate) fn spelled(&self, decimals: usize) -> [String; 2] {
        let number = |x: f64| {
            let text = format!("{x:.decimals$}");
            // A minus sign before nothing but zeros says nothing.
            match text.strip_prefix('-') {
                Some(digits) if digits.chars().all(|c| "0.".contains(c)) => digits.to_owned(),
                Some(digits) => format!("−{digits}"),
                None => text,
            }
        };
        let interval = self.interval.map_or_else(String::new, |i| {
            format!("[{}, {}]", number(i.low), number(i.high))
        });
        [number(self.value), interval]
    }

    /// The same as one text.
    pub(crate) fn text(&self, decimals: usize) -> String {
        self.spelled(decimals).join(" ").trim_end().to_owned()
    }
}

/// A stratified bootstrap: runs are resampled with replacement within each task, never across.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// Number of resamples. rliable's default, 50 000, is ours.
    pub resamples: usize,
    /// Coverage of the percentile interval, in (0, 1).
    pub level: f64,
    /// Seed of the generator. Part of the definition of published numbers: leave it as it is.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 50_000,
            level: 0.95,
            seed: 0,
        }
    }
}

impl Bootstrap {
    /// Percentile interval of `statistic` over `tasks`, each task a list of its runs' scores.
    /// `None` if there is no task, one has fewer than two runs (resampling a single run would
    /// feign certainty), or a score is not finite.
    #[must_use]
    pub fn interval(&self, statistic: Statistic, tasks: &[Vec<f64>]) -> Option<Interval> {
        self.intervals(&[statistic], tasks)?.pop()
    }

    /// [`Bootstrap::interval`] of several statistics, from one set of resamples: the same bits as
    /// one by one, but for the price of about one.
    #[must_use]
    pub fn intervals(&self, statistics: &[Statistic], tasks: &[Vec<f64>]) -> Option<Vec<Interval>> {
        let usable = statistics.iter().all(|statistic| statistic.usable());
        let of = |sample: &Sample, k: usize| statistics[k].of_sample(sample);
        self.resampled(tasks, statistics.len(), of)
            .filter(|_| usable)
    }

    /// Pointwise percentile band around [`super::profile`], an interval for each of `taus`. `None`
    /// as for an interval, or if one of `taus` is not finite. All resampled profiles are kept until
    /// the end, 8 bytes times resamples times taus: 40 MB for 100 taus.
    #[must_use]
    pub fn profile_band(&self, tasks: &[Vec<f64>], taus: &[f64]) -> Option<Vec<Interval>> {
        let usable = taus.iter().all(|tau| tau.is_finite());
        let of = |sample: &Sample, k: usize| above(&sample.sorted, taus[k]);
        self.resampled(tasks, taus.len(), of).filter(|_| usable)
    }

    /// Pointwise percentile band around the mean or other statistic of `curves`, each curve one
    /// run's values at the same points. Whole runs are resampled: all points see the same draws.
    /// `None` for fewer than two curves, curves of unequal length, or a value that is not finite.
    #[must_use]
    pub fn band(&self, statistic: Statistic, curves: &[Vec<f64>]) -> Option<Vec<Interval>> {
        let points = curves.first()?.len();
        if curves.iter().any(|curve| curve.len() != points) {
            return None;
        }
        let at = |point: usize| {
            let scores = curves.iter().map(|curve| curve[point]).collect();
            self.interval(statistic, &[scores])
        };
        (0..points).map(at).collect()
    }

    /// Percentile interval of [`super::improvement`]; `x` and `y` are resampled independently.
    /// `None` unless both have the same, positive number of tasks, all with two runs at least and
    /// finite scores.
    #[must_use]
    pub fn improvement_interval(&self, x: &[Vec<f64>], y: &[Vec<f64>]) -> Option<Interval> {
        if x.len() != y.len() || !all_usable(x, 2) || !all_usable(y, 2) {
            return None;
        }
        let mut pairs = Pairs::new(x, y);
        let mut rng = generator(self.seed);
        let draws = (0..self.resamples).map(|_| pairs.draw(|n| index(&mut rng, n)));
        self.percentiles(&draws.collect::<Vec<_>>())
    }

    /// Percentile interval of the difference of the means of `x` and `y` over runs, averaged over
    /// tasks; resampled and `None` as [`Bootstrap::improvement_interval`].
    #[must_use]
    pub fn difference_interval(&self, x: &[Vec<f64>], y: &[Vec<f64>]) -> Option<Interval> {
        if x.len() != y.len() || !all_usable(x, 2) || !all_usable(y, 2) {
            return None;
        }
        let mut rng = generator(self.seed);
        let mut mean = |runs: &Vec<f64>| {
            let drawn = (0..runs.len()).map(|_| runs[index(&mut rng, runs.len())]);
            drawn.sum::<f64>() / runs.len() as f64
        };
        let mut draw = || {
            let tasks = x.iter().zip(y);
            tasks.map(|(x, y)| mean(x) - mean(y)).sum::<f64>() / x.len() as f64
        };
        let draws: Vec<f64> = (0..self.resamples).map(|_| draw()).collect();
        self.percentiles(&draws)
    }

    /// Intervals of as many figures, `of(sample, 0)` and so on, of the same resamples of `tasks`.
    fn resampled(
        &self,
        tasks: &[Vec<f64>],
        figures: usize,
        of: impl Fn(&Sample, usize) -> f64,
    ) -> Option<Vec<Interval>> {
        if !all_usable(tasks, 2) {
            return None;
        }
        let mut rng = generator(self.seed);
        let mut resampler = Resampler::new(tasks);
        let mut values = vec![Vec::with_capacity(self.resamples); figures];
        for _ in 0..self.resamples {
            let sample = resampler.draw(|n| index(&mut rng, n));
            for (k, values) in values.iter_mut().enumerate() {
                values.push(of(sample, k));
            }
        }
        values
            .iter()
            .map(|values| self.percentiles(values))
            .collect()
    }

    fn percentiles(&self, values: &[f64]) -> Option<Interval> {
        let sorted = sorted(values);
        let tail = (1.0 - self.level) / 2.0;
        (!sorted.is_empty()).then(|| Interval {
            low: quantile(&sorted, tail),
            high: quantile(&sorted, 1.0 - tail),
        })
    }
}

/// Draws resamples of `tasks`. Scores are sorted once; a resample is then put in order by counting
/// how often each was drawn, for it is sorting that would take the time.
struct Resampler<'a> {
    tasks: &'a [Vec<f64>],
    /// Where each run stands among all, task by task.
    ranks: Vec<usize>,
    /// All scores by rank.
    scores: Vec<f64>,
    /// By rank: how often it was drawn, zeros between draws.
    counts: Vec<usize>,
    /// The ranks drawn.
    drawn: Vec<usize>,
    sample: Sample,
}

impl<'a> Resampler<'a> {
    fn new(tasks: &'a [Vec<f64>]) -> Self {
        let pooled = tasks.concat();
        let mut order: Vec<usize> = (0..pooled.len()).collect();
        order.sort_unstable_by(|&a, &b| pooled[a].total_cmp(&pooled[b]));
        let mut ranks = vec![0; pooled.len()];
        for (rank, &run) in order.iter().enumerate() {
            ranks[run] = rank;
        }
        let sample = Sample::of(tasks);
        Self {
            tasks,
            ranks,
            scores: sample.sorted.clone(),
            counts: vec![0; pooled.len()],
            drawn: Vec::with_capacity(pooled.len()),
            sample,
        }
    }

    /// The next resample; `index(n)` draws a run out of n.
    fn draw(&mut self, mut index: impl FnMut(usize) -> usize) -> &Sample {
        self.drawn.clear();
        let mut ranks = &self.ranks[..];
        for (mean, runs) in self.sample.means.iter_mut().zip(self.tasks) {
            let (of_task, rest) = ranks.split_at(runs.len());
            ranks = rest;
            let drawn = runs.iter().map(|_| {
                let run = index(runs.len());
                self.counts[of_task[run]] += 1;
                self.drawn.push(of_task[run]);
                runs[run]
            });
            *mean = drawn.sum::<f64>() / runs.len() as f64;
        }
        self.sample.sorted_means.copy_from_slice(&self.sample.means);
        self.sample.sorted_means.sort_unstable_by(f64::total_cmp);
        // From how often a rank was drawn to where its next copy goes.
        let mut start = 0;
        for count in &mut self.counts {
            start += replace(count, start);
        }
        for &rank in &self.drawn {
            self.sample.sorted[self.counts[rank]] = self.scores[rank];
            self.counts[rank] += 1;
        }
        self.counts.fill(0);
        &self.sample
    }
}
