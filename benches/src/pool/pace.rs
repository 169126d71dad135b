//! How long runs take, from those that went before.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::RunConfig;

/// Runs that take alike long: of one task and algorithm.
pub type Kind = (String, String);

/// The kind of a run.
pub fn kind(run: &RunConfig) -> Kind {
    (run.task.clone(), run.algorithm.clone())
}

/// What is left to do of a run.
#[derive(Clone, Debug)]
pub struct Rest {
    kind: Kind,
    steps: u64,
    /// Whether it made its first step: until then it reads its dataset, or trains a reward model.
    begun: bool,
}

impl Rest {
    /// All of a run.
    pub fn all(run: &RunConfig) -> Self {
        Self {
            kind: kind(run),
            steps: run.steps,
            begun: false,
        }
    }

    /// What is left of a run at step `at`.
    pub fn after(run: &RunConfig, at: u64) -> Self {
        Self {
            steps: run.steps.saturating_sub(at),
            begun: true,
            ..Self::all(run)
        }
    }
}

/// The pace of the runs of one command.
#[derive(Debug, Default)]
pub struct Paces(BTreeMap<Kind, Sums>);

/// Sums over runs of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    /// Runs that made their first step, and the seconds until then.
    starts: (u32, f64),
    /// Steps after the first, and the seconds that they took.
    steps: (u64, f64),
}

impl Paces {
    /// Notes that a run made its first step after `took`.
    pub fn began(&mut self, kind: Kind, took: Duration) {
        let starts = &mut self.0.entry(kind).or_default().starts;
        *starts = (starts.0 + 1, starts.1 + took.as_secs_f64());
    }

    /// Notes that a run made `steps` more in `took`.
    pub fn made(&mut self, kind: Kind, steps: u64, took: Duration) {
        let sums = &mut self.0.entry(kind).or_default().steps;
        *sums = (sums.0 + steps, sums.1 + took.as_secs_f64());
    }

    /// Seconds until `rest` is done, by runs of the same task and algorithm, or else of the
    /// algorithm, or else by all. `None` while there is none to go by.
    pub fn seconds(&self, rest: &Rest) -> Option<f64> {
        let likes: [&dyn Fn(&Kind) -> bool; 3] = [
            &|kind| *kind == rest.kind,
            &|kind| kind.1 == rest.kind.1,
            &|_| true,
        ];
        likes.iter().find_map(|like| {
            let alike = self.0.iter().filter(|(kind, _)| like(kind));
            let sums = alike.fold(Sums::default(), |a, (_, b)| Sums {
                starts: (a.starts.0 + b.starts.0, a.starts.1 + b.starts.1),
                steps: (a.steps.0 + b.steps.0, a.steps.1 + b.steps.1),
            });
            let start = match sums.starts {
                (runs, seconds) if runs > 0 && !rest.begun => seconds / f64::from(runs),
                _ => 0.0,
            };
            let (steps, seconds) = sums.steps;
            (steps > 0).then(|| start + rest.steps as f64 * seconds / steps as f64)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(task: &str, algorithm: &str) -> Rest {
        Rest {
            kind: (task.into(), algorithm.into()),
            steps: 1000,
            begun: false,
        }
    }

    /// A reward model that trains before the first step is not taken for slow steps.
    #[test]
    fn the_time_before_the_first_step_is_not_the_pace() {
        let (pt, bc) = (rest("hopper", "pt"), rest("hopper", "bc"));
        let mut paces = Paces::default();
        assert_eq!(paces.seconds(&pt), None);
        paces.began(pt.kind.clone(), Duration::from_secs(300));
        paces.made(pt.kind.clone(), 100, Duration::from_secs(1));
        let begun = Rest {
            begun: true,
            ..pt.clone()
        };
        assert_eq!(paces.seconds(&begun), Some(10.0));
        // The same kind, another task's runs of the algorithm, any run's.
        for rest in [&pt, &rest("ant", "pt"), &bc] {
            assert_eq!(paces.seconds(rest), Some(310.0));
        }
        paces.began(bc.kind.clone(), Duration::from_secs(2));
        paces.made(bc.kind.clone(), 1000, Duration::from_secs(1));
        assert_eq!(paces.seconds(&bc), Some(3.0));
    }
}
