//! Permutation tests over several tasks: the null hypothesis makes all arrangements equally likely.

use rand_chacha::ChaCha8Rng;

use super::kendall::{concordance, scale};
use super::{all_usable, average, generator, index, sorted};

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
    /// Tests whether two tables rank their methods alike: Kendall's tau-b averaged over tasks, against
    /// methods that change places at random in one of the tables, in all tasks alike, since a method's
    /// places in several tasks are no independent findings. A row of `tasks` holds each method's pair of
    /// values, or `None` where there is none: those that a task has then change places by their order
    /// among all. `None` unless tau-b exists for every task, of which there must be one.
    #[must_use]
    pub fn kendall(&self, tasks: &[Vec<Option<[f64; 2]>>]) -> Option<PermutationTest> {
        let rankings: Option<Vec<Ranking>> = tasks.iter().map(|row| Ranking::of(row)).collect();
        let rankings = rankings.filter(|rankings| !rankings.is_empty())?;
        let mut methods: Vec<usize> = rankings.iter().flat_map(|r| r.methods.clone()).collect();
        methods.sort_unstable();
        methods.dedup();
        let mut places = vec![0; methods.iter().max()? + 1];
        let mut of_order = |order: &[usize]| {
            for (place, &method) in order.iter().enumerate() {
                places[method] = place;
            }
            rankings.iter().map(|r| r.after(&places)).sum::<f64>()
        };
        let value = of_order(&methods);
        let exact = self.all_of((1..=methods.len()).map(|n| n as f64).product());
        let mut null = Vec::new();
        if exact {
            orders(&mut methods, 0, &mut |order| null.push(of_order(order)));
        } else {
            let mut rng = generator(self.seed);
            let n = methods.len();
            null.extend((0..self.limit).map(|_| {
                shuffle(&mut methods, n, &mut rng);
                of_order(&methods)
            }));
        }
        Some(outcome(value, &null, exact, rankings.len()))
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

    /// Tests whether runs of `x` score higher than runs of `y` more often, or less often, than every
    /// other time: [`improvement`](super::improvement), against runs that change sides at random
    /// within their task. Of one task it is the test of Wilcoxon, and of Mann and Whitney. `None`
    /// where [`difference`](Self::difference) is.
    #[must_use]
    pub fn improvement(&self, x: &[Vec<f64>], y: &[Vec<f64>]) -> Option<PermutationTest> {
        // The mean ranks of two sides differ by their number of runs times the probability, less ½.
        let ranked = |(x, y): (&Vec<f64>, &Vec<f64>)| {
            let both = sorted(&[&x[..], y].concat());
            let share = |run: &f64| {
                let below = both.partition_point(|other| other < run);
                let up_to = both.partition_point(|other| other <= run);
                (below + up_to) as f64 / (2 * both.len()) as f64
            };
            let of = |runs: &[f64]| runs.iter().map(share).collect::<Vec<f64>>();
            (of(x), of(y))
        };
        let (x, y): (Vec<_>, Vec<_>) = match all_usable(x, 1) && all_usable(y, 1) {
            true if x.len() == y.len() => x.iter().zip(y).map(ranked).unzip(),
            _ => return None,
        };
        let test = self.difference(&x, &y)?;
        Some(PermutationTest {
            value: test.value + 0.5,
            ..test
        })
    }

    fn test(&self, mut tasks: Vec<Split>) -> PermutationTest {
        let value: f64 = tasks.iter().map(Split::value).sum();
        let exact = self.all_of(tasks.iter().map(Split::count).product());
        let null = self.null(&mut tasks, exact);
        outcome(value, &null, exact, tasks.len())
    }

    /// Whether so many permutations are all counted.
    fn all_of(&self, count: f64) -> bool {
        count <= self.limit as f64
    }

    /// The sums over tasks of all permutations, or of as many as the limit.
    fn null(&self, tasks: &mut [Split], exact: bool) -> Vec<f64> {
        // One number draws from a table; to rearrange a task takes one per value.
        let table = |task: &Split| self.all_of(task.count()).then(|| task.all());
        let tables: Vec<Option<Vec<f64>>> = tasks.iter().map(table).collect();
        if exact {
            return tables.into_iter().flatten().fold(vec![0.0], sums);
        }
        let mut rng = generator(self.seed);
        let mut draw = || {
            let of = |(task, table): (&mut Split, &Option<Vec<f64>>)| match table {
                Some(values) => values[index(&mut rng, values.len())],
                None => task.draw(&mut rng),
            };
            tasks.iter_mut().zip(&tables).map(of).sum()
        };
        (0..self.limit).map(|_| draw()).collect()
    }
}

/// What a sum over `tasks` tasks is among those of the permutations.
fn outcome(value: f64, null: &[f64], exact: bool, tasks: usize) -> PermutationTest {
    let largest = null.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    // Arrangements that tie with the data up to rounding do tie.
    let slack = 1e-12 * largest;
    let data = usize::from(!exact);
    let share = |extreme: &dyn Fn(f64) -> bool| {
        let count = null.iter().filter(|&&x| extreme(x)).count();
        (count + data) as f64 / (null.len() + data) as f64
    };
    PermutationTest {
        value: value / tasks as f64,
        greater: share(&|x| x >= value - slack),
        two_sided: share(&|x| x.abs() >= value.abs() - slack),
        exact,
    }
}

/// All sums of one of `a` and one of `b`.
fn sums(a: Vec<f64>, b: Vec<f64>) -> Vec<f64> {
    let with = |a: f64| b.iter().map(move |b| a + b);
    a.into_iter().flat_map(with).collect()
}

/// Brings `n` of the values, each as likely, to the front in random order (Fisher-Yates).
fn shuffle<T>(values: &mut [T], n: usize, rng: &mut ChaCha8Rng) {
    for i in 0..n {
        values.swap(i, i + index(rng, values.len() - i));
    }
}

/// One task of two tables.
struct Ranking {
    /// The methods that it has, in order.
    methods: Vec<usize>,
    x: Vec<f64>,
    y: Vec<f64>,
    scale: f64,
}

impl Ranking {
    fn of(row: &[Option<[f64; 2]>]) -> Option<Self> {
        let known = row.iter().enumerate();
        let known: Vec<(usize, [f64; 2])> =
            known.filter_map(|(i, pair)| Some((i, (*pair)?))).collect();
        let (x, y): (Vec<f64>, Vec<f64>) = known.iter().map(|(_, [x, y])| (x, y)).unzip();
        Some(Self {
            methods: known.iter().map(|(method, _)| *method).collect(),
            scale: scale(&x, &y)?,
            x,
            y,
        })
    }

    /// Tau-b if each method's `y` is that of the one whose place it takes.
    fn after(&self, places: &[usize]) -> f64 {
        let mut order = Vec::from_iter(0..self.y.len());
        order.sort_unstable_by_key(|&i| places[self.methods[i]]);
        let y: Vec<f64> = order.iter().map(|&i| self.y[i]).collect();
        concordance(&self.x, &y) as f64 / self.scale
    }
}

/// Visits all orders of `values` that keep the first `fixed` in place.
fn orders<T>(values: &mut [T], fixed: usize, visit: &mut impl FnMut(&[T])) {
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

    /// The figure of the present arrangement.
    fn value(&self) -> f64 {
        self.difference(self.runs[..self.front].iter().sum())
    }

    /// Number of arrangements.
    fn count(&self) -> f64 {
        let (n, k) = (self.runs.len(), self.front);
        (1..=k).fold(1.0, |count, i| count * (n - k + i) as f64 / i as f64)
    }

    /// The figures of all arrangements.
    fn all(&self) -> Vec<f64> {
        let mut values = Vec::new();
        subsets(&self.runs, self.front, 0.0, &mut |front| {
            values.push(self.difference(front))
        });
        values
    }

    /// Rearranges at random; the figure then.
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
