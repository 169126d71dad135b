//! The registry of algorithms. To add one: a file with its config and learner, and a line here.

use prefbench_oracles::UnknownName;
use serde::{Serialize, de::DeserializeOwned};

use crate::config::{ConfigError, Setup};
use crate::device::{Compute, Device, DeviceError, on_device};
use crate::learner::Online;
use crate::online::method::{Method, Plain};
use crate::online::{cautious, mrn, pebble, qpa, random, rime, rune, sac, surf};
use crate::replay::Dims;
use crate::stack::Ticket;

/// Where an algorithm's experience comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// It acts in the environment while it learns.
    Online,
}

/// What a learner is built for.
#[derive(Debug)]
pub struct Build {
    /// Sizes of observations and actions.
    pub dims: Dims,
    /// Environment steps of the whole run.
    pub total_steps: u64,
    /// The run's seed.
    pub seed: u64,
    /// Where to compute.
    pub device: Device,
    /// A place in a stack of learners of this configuration, each with its own seed, if they share one.
    pub ticket: Option<Ticket>,
}

/// A learner, or why there is none.
pub type Built = Result<Box<dyn Online>, BuildError>;

/// An algorithm in the registry.
pub struct Algorithm {
    /// The name used in configs and tables.
    pub id: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Where its experience comes from.
    pub setting: Setting,
    /// Whether it learns from a teacher's preferences (else from the true reward, or not at all).
    pub taught: bool,
    /// Raised whenever a change alters results; part of a run's identity.
    pub version: u32,
    /// The complete default settings for a task's family and a tier.
    pub defaults: fn(&Setup<'_>) -> serde_json::Value,
    /// Refuses settings of the wrong type, out of range, or impossible in a run of this many steps.
    pub check: fn(&serde_json::Value, &Setup<'_>, u64) -> Result<(), BuildError>,
    /// A fresh learner with these settings.
    pub build: fn(&serde_json::Value, Build) -> Built,
}

/// Every algorithm.
pub const ALGORITHMS: &[Algorithm] = &[
    Algorithm {
        id: "random",
        summary: "uniformly random actions: the floor",
        setting: Setting::Online,
        taught: false,
        version: 1,
        defaults: |_| json(&random::RandomConfig {}),
        check: |v, _, _| parse::<random::RandomConfig>(v).map(|_| ()),
        build: |_, b| Ok(Box::new(random::Random::new(b.dims, b.seed))),
    },
    Algorithm {
        id: "sac",
        summary: "SAC on the true reward: the oracle that PbRL is measured against",
        setting: Setting::Online,
        taught: false,
        version: 2,
        defaults: |s| json(&sac::SacOnlineConfig::defaults(s)),
        check: |v, _, _| Ok(parse::<sac::SacOnlineConfig>(v)?.validate("sac")?),
        build: |v, b| on_device!(b.device, build_sac("sac", parse(v)?, b)),
    },
    Algorithm {
        id: "sac-unsupervised",
        summary: "SAC on the true reward, after exploration as PEBBLE's",
        setting: Setting::Online,
        taught: false,
        version: 1,
        defaults: |s| json(&sac::SacOnlineConfig::unsupervised(s)),
        check: |v, _, _| Ok(parse::<sac::SacOnlineConfig>(v)?.validate("sac-unsupervised")?),
        build: |v, b| on_device!(b.device, build_sac("sac-unsupervised", parse(v)?, b)),
    },
    Algorithm {
        version: 2,
        ..on_pebble::<Plain>(
            "PEBBLE: SAC on a reward learned from preferences, relabelled as it improves",
        )
    },
    on_pebble::<surf::Surf>(
        "SURF: PEBBLE that learns from unlabelled pairs and windows of segments too",
    ),
    on_pebble::<rune::Rune>("RUNE: PEBBLE that explores where its reward ensemble disagrees"),
    on_pebble::<mrn::Mrn>(
        "MRN: PEBBLE whose reward also learns from what it does to the critics' preferences",
    ),
    on_pebble::<qpa::Qpa>("QPA: PEBBLE that asks about, and replays, what the policy does now"),
    on_pebble::<rime::Rime>("RIME: PEBBLE that learns only from labels it can believe"),
    on_pebble::<cautious::Cautious>("PEBBLE on the ensemble's mean reward less its deviation"),
];

/// A method on PEBBLE's backbone, at version 1.
const fn on_pebble<M: Method>(summary: &'static str) -> Algorithm {
    Algorithm {
        id: M::ID,
        summary,
        setting: Setting::Online,
        taught: true,
        version: 1,
        defaults: |s| json(&pebble::PebbleConfig::<M>::defaults(s)),
        check: |v, setup, steps| {
            Ok(parse::<pebble::PebbleConfig<M>>(v)?.validate_for(setup, steps)?)
        },
        build: |v, b| {
            on_device!(
                b.device,
                build_pebble(parse::<pebble::PebbleConfig<M>>(v)?, b)
            )
        },
    }
}

/// The algorithm with this id.
///
/// # Errors
/// [`UnknownName`] with the nearest valid id.
pub fn find(id: &str) -> Result<&'static Algorithm, UnknownName> {
    ALGORITHMS
        .iter()
        .find(|a| a.id == id)
        .ok_or_else(|| UnknownName::new("algorithm", id, ALGORITHMS.iter().map(|a| a.id)))
}

/// Why a learner cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A setting is unknown or of the wrong type.
    #[error("`agent.{key}`: {why}")]
    Settings {
        /// The setting's path below `agent`.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}

fn build_sac<A: Compute>(id: &str, config: sac::SacOnlineConfig, b: Build) -> Built {
    config.validate(id)?;
    Ok(Box::new(sac::SacOnline::<A>::new(config, b)))
}

fn build_pebble<A: Compute>(config: pebble::PebbleConfig<impl Method>, b: Build) -> Built {
    Ok(Box::new(pebble::Pebble::<A, _>::new(config, b)?))
}

fn json<T: Serialize>(config: &T) -> serde_json::Value {
    serde_json::to_value(config).expect("settings are plain data")
}

fn parse<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T, BuildError> {
    serde_path_to_error::deserialize(value).map_err(|e| BuildError::Settings {
        key: e.path().to_string(),
        why: e.inner().to_string(),
    })
}
