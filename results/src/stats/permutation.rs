//! Permutation tests over several tasks: within each, the null hypothesis makes all arrangements
//! equally likely; tasks are independent.

use rand_chacha::ChaCha8Rng;

use super::kendall::{concordance, scale};
use super::{all_usable, average, generator, index};

/// How permutation tests go through the permutations.
#[derive(Clone, Debug, PartialEq)]
pub struct Permutations {
    /// If there are no more than so many, all are counted; else so many are drawn, and a p-value
    /// has a standard error of `sqrt(p (1 - p) / limit)`.
    pub limit: usize,
    /// Seed of the generator. Part of the definition of published numbers: leave it as it is.
    pub seed: u64,
}

impl Default for Permutations {
    fn default() -> Self {
        Self {
            limit: 1_000_000,
            seed: 0,
        }
    }
}

/// Outcome of a permutation test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PermutationTest {
    /// The tested figure, of the data as they are.
    pub value: f64,
    /// One-sided p-value: the probability of that much or more by chance.
    pub greater: f64,
    /// Two-sided p-value: the probability of a value as far from zero or farther.
    pub two_sided: f64,
    /// Whether all permutations were counted. If not, the data count as one more draw, so that no
    /// p-value is zero.
    pub exact: bool,
}

impl Permutations {
    /// Tests whether `x` and `y` rank alike over several tasks: Kendall's tau-b averaged over
    /// tasks, against orders drawn at random, independently for each task. `x` and `y` each are
    /// lists of values by task, such as two tables' scores of the same methods. `None` unless both
    /// have the same, positive number of tasks and tau-b of each exists.
    #[must_use]
    pub fn kendall(&self, x: &[Vec<f64>], y: &[Vec<f64>]) -> Option<PermutationTest> {
        if x.is_empty() || x.len() != y.len() {
            return None;
        }
        let ranking = |(x, y): (&Vec<f64>, &Vec<f64>)| {
            Some(Ranking {
                scale: scale(x, y)?,
                x: x.clone(),
                y: y.clone(),
            })
        };
        let rankings = x.iter().zip(y).map(ranking);
        Some(self.test(rankings.collect::<Option<Vec<_>>>()?))
    }

    /// Tests whether `x` scores higher than `y`: the difference of their means over runs, averaged
    /// over tasks, against runs that change sides at random within their task. `x` and `y` each
    /// are lists of runs by task. `None` unless both have the same, positive number of tasks, each
    /// with a run and finite scores.
    #[must_use]
    pub fn difference(&self, x: &[Vec<f64>], y: &[Vec<f64>]) -> Option<PermutationTest> {
        if x.len() != y.len() || !all_usable(x, 1) || !all_usable(y, 1) {
            return None;
        }
        let split = |(x, y): (&Vec<f64>, &Vec<f64>)| Split::new(x, y);
        Some(self.test(x.iter().zip(y).map(split).collect()))
    }

    fn test(&self, mut tasks: Vec<impl Stratum>) -> PermutationTest {
        let value: f64 = tasks.iter().map(Stratum::value).sum();
        let exact = self.all_of(tasks.iter().map(Stratum::count).product());
        let null = self.null(&mut tasks, exact);
        let largest = null.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        // Arrangements that tie with the data up to rounding do tie.
        let slack = 1e-12 * largest;
        let data = usize::from(!exact);
        let share = |extreme: &dyn Fn(f64) -> bool| {
            let count = null.iter().filter(|&&x| extreme(x)).count();
            (count + data) as f64 / (null.len() + data) as f64
        };
        PermutationTest {
            value: value / tasks.len() as f64,
            greater: share(&|x| x >= value - slack),
            two_sided: share(&|x| x.abs() >= value.abs() - slack),
            exact,
        }
    }

    /// Whether so many permutations are all counted.
    fn all_of(&self, count: f64) -> bool {
        count <= self.limit as f64
    }

    /// The sums over tasks of all permutations, or of as many as the limit.
    fn null<T: Stratum>(&self, tasks: &mut [T], exact: bool) -> Vec<f64> {
        // One number draws from a table; to rearrange a task takes one per value.
        let table = |task: &T| self.all_of(task.count()).then(|| task.all());
        let tables: Vec<Option<Vec<f64>>> = tasks.iter().map(table).collect();
        if exact {
            return tables.into_iter().flatten().fold(vec![0.0], sums);
        }
        let mut rng = generator(self.seed);
        let mut draw = || {
            let of = |(task, table): (&mut T, &Option<Vec<f64>>)| match table {
                Some(values) => values[index(&mut rng, values.len())],
                None => task.draw(&mut rng),
            };
            tasks.iter_mut().zip(&tables).map(of).sum()
        };
        (0..self.limit).map(|_| draw()).collect()
    }
}

/// All sums of one of `a` and one of `b`.
fn sums(a: Vec<f64>, b: Vec<f64>) -> Vec<f64> {
    let with = |a: f64| b.iter().map(move |b| a + b);
    a.into_iter().flat_map(with).collect()
}

/// What is rearranged within one task.
trait Stratum {
    /// The figure of the present arrangement.
    fn value(&self) -> f64;
    /// Number of arrangements.
    fn count(&self) -> f64;
    /// The figures of all arrangements.
    fn all(&self) -> Vec<f64>;
    /// Rearranges at random; the figure then.
    fn draw(&mut self, rng: &mut ChaCha8Rng) -> f64;
}

/// Brings `n` of the values, each as likely, to the front in random order (Fisher-Yates).
fn shuffle(values: &mut [f64], n: usize, rng: &mut ChaCha8Rng) {
    for i in 0..n {
        values.swap(i, i + index(rng, values.len() - i));
    }
}

struct Ranking {
    x: Vec<f64>,
    y: Vec<f64>,
    scale: f64,
}

impl Stratum for Ranking {
    fn value(&self) -> f64 {
        concordance(&self.x, &self.y) as f64 / self.scale
    }

    fn count(&self) -> f64 {
        (1..=self.y.len()).map(|n| n as f64).product()
    }

    fn all(&self) -> Vec<f64> {
        let (mut y, mut values) = (self.y.clone(), Vec::new());
        orders(&mut y, 0, &mut |y| {
            values.push(concordance(&self.x, y) as f64 / self.scale);
        });
        values
    }

    fn draw(&mut self, rng: &mut ChaCha8Rng) -> f64 {
        shuffle(&mut self.y, self.x.len(), rng);
        self.value()
    }
}

/// Visits all orders of `values` that keep the first `fixed` in place.
fn orders(values: &mut [f64], fixed: usize, visit: &mut impl FnMut(&[f64])) {
    if fixed == values.len() {
        visit(values);
    }
    for i in fixed..values.len() {
        values.swap(fixed, i);
        orders(values, fixed + 1, visit);
        values.swap(fixed, i);
    }
}

/// Runs of two methods on one task.
struct Split {
    /// The smaller side's runs first, then the other's. Without what all scores have in common,
    /// which drops out of a difference but would cost digits.
    runs: Vec<f64>,
    /// Size of the smaller side.
    front: usize,
    /// 1 if that is `x`, -1 if it is `y`.
    sign: f64,
    sum: f64,
}

impl Split {
    fn new(x: &[f64], y: &[f64]) -> Self {
        let (front, back, sign) = if x.len() <= y.len() {
            (x, y, 1.0)
        } else {
            (y, x, -1.0)
        };
        let both = [front, back].concat();
        let centre = average(&both);
        let runs: Vec<f64> = both.iter().map(|score| score - centre).collect();
        Self {
            sum: runs.iter().sum(),
            runs,
            front: front.len(),
            sign,
        }
    }

    /// Difference of means if the runs in front sum up to `front`.
    fn difference(&self, front: f64) -> f64 {
        let back = (self.runs.len() - self.front) as f64;
        self.sign * (front / self.front as f64 - (self.sum - front) / back)
    }
}

impl Stratum for Split {
    fn value(&self) -> f64 {
        self.difference(self.runs[..self.front].iter().sum())
    }

    fn count(&self) -> f64 {
        let (n, k) = (self.runs.len(), self.front);
        (1..=k).fold(1.0, |count, i| count * (n - k + i) as f64 / i as f64)
    }

    fn all(&self) -> Vec<f64> {
        let mut values = Vec::new();
        subsets(&self.runs, self.front, 0.0, &mut |front| {
            values.push(self.difference(front))
        });
        values
    }

    fn draw(&mut self, rng: &mut ChaCha8Rng) -> f64 {
        shuffle(&mut self.runs, self.front, rng);
        self.value()
    }
}

/// Visits the sums, on top of `sum`, of all subsets of that size.
fn subsets(values: &[f64], size: usize, sum: f64, visit: &mut impl FnMut(f64)) {
    if size == 0 {
        visit(sum);
        return;
    }
    for first in 0..=values.len() - size {
        subsets(&values[first + 1..], size - 1, sum + values[first], visit);
    }
}
