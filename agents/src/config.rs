//! What every algorithm's typed settings share: tiers, the task's dimensions, range checks.

use prefbench_oracles::UnknownName;
use serde::{Deserialize, Serialize};

/// How much a run may cost. Every table prints its tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Under a minute or two on one core: continuous integration, first contact.
    Smoke,
    /// About ten minutes on one core: a table overnight on a workstation.
    Short,
    /// The published protocol.
    Full,
}

/// Every tier, cheapest first, with its name on the command line.
pub const TIERS: &[(&str, Tier)] = &[
    ("smoke", Tier::Smoke),
    ("short", Tier::Short),
    ("full", Tier::Full),
];

impl Tier {
    /// The tier of this name.
    ///
    /// # Errors
    /// [`UnknownName`] with the nearest valid name.
    pub fn find(name: &str) -> Result<Self, UnknownName> {
        let tier = TIERS.iter().find(|(known, _)| *known == name);
        tier.map(|(_, tier)| *tier)
            .ok_or_else(|| UnknownName::new("tier", name, TIERS.iter().map(|(known, _)| *known)))
    }

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Smoke => "smoke",
            Tier::Short => "short",
            Tier::Full => "full",
        }
    }
}

/// What an algorithm may know of a task when it chooses its defaults.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The task's id.
    pub task: &'a str,
    /// The task's family, e.g. `gymnasium` or `metaworld`.
    pub family: &'a str,
    /// Control steps in a full episode.
    pub horizon: usize,
    /// The budget's tier.
    pub tier: Tier,
}

/// A setting outside its range.
#[derive(Debug, thiserror::Error)]
#[error("`{key}` is {value}, but must be {must}")]
pub struct ConfigError {
    /// The setting's path below `agent`.
    pub key: String,
    /// The value given.
    pub value: String,
    /// The condition it breaks.
    pub must: String,
}

/// Bound of settings that have none by their nature: what is larger is a slip, and soon infinite.
pub(crate) const LARGEST: f64 = 1e6;

/// Collects the first broken range.
#[derive(Default)]
pub struct Checks(Option<ConfigError>);

impl Checks {
    pub(crate) fn run(checks: impl FnOnce(&mut Checks)) -> Result<(), ConfigError> {
        let mut c = Checks::default();
        checks(&mut c);
        c.0.map_or(Ok(()), Err)
    }

    pub(crate) fn that(&mut self, key: &str, value: impl ToString, ok: bool, must: &str) {
        if !ok && self.0.is_none() {
            self.0 = Some(ConfigError {
                key: format!("agent.{key}"),
                value: value.to_string(),
                must: must.to_owned(),
            });
        }
    }

    pub(crate) fn positive(&mut self, key: &str, value: f64) {
        let ok = value.is_finite() && value > 0.0;
        self.that(key, value, ok, "a positive number");
    }

    pub(crate) fn within(&mut self, key: &str, value: f64, low: f64, high: f64) {
        let must = format!("between {low} and {high}");
        self.that(key, value, (low..=high).contains(&value), &must);
    }

    pub(crate) fn at_least(&mut self, key: &str, value: usize, low: usize) {
        self.that(key, value, value >= low, &format!("at least {low}"));
    }
}
