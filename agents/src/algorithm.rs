//! The registry of algorithms. To add one: a file with its config and learner, and a line here.

use prefbench_oracles::UnknownName;
use serde::{Serialize, de::DeserializeOwned};

use crate::config::{ConfigError, Setup};
use crate::device::{Compute, Device, DeviceError, on_device};
use crate::learner::{Learner, Online};
use crate::offline::{OfflineData, bc, cpl, dppo, dtr, ipl, iql, mr, oppo, pt, sft};
use crate::online::method::{Method, Plain};
use crate::online::{cautious, mrn, pebble, qpa, random, rime, rune, sac, surf};
use crate::replay::Dims;
use crate::stack::Ticket;

/// Where an algorithm's experience comes from, and what makes a fresh learner with these settings.
pub enum Start {
    /// It acts in the environment while it learns.
    Online(fn(&serde_json::Value, Build) -> Built),
    /// It learns from a dataset.
    Offline(Offline),
}

/// An algorithm that learns from a dataset.
pub struct Offline {
    /// Whether it may read the dataset's true rewards; all others are given zeros.
    pub privileged: bool,
    /// Gradient steps of a run by default, of all its stages together.
    pub steps: fn(&Setup<'_>) -> u64,
    /// A fresh learner of the algorithm with this id.
    pub build: fn(&'static str, &serde_json::Value, Build, OfflineData) -> BuiltOffline,
}

/// What an offline algorithm reads besides observations and actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Nothing.
    Nothing,
    /// The dataset's true rewards, which are privileged.
    TrueReward,
    /// Answered queries.
    Preferences,
}

/// The settings of an offline algorithm, and of its namesakes with other defaults.
pub trait OfflineConfig: Serialize + DeserializeOwned {
    /// Refuses values outside their range, or impossible in a run of this many steps.
    fn validate(&self, steps: u64) -> Result<(), ConfigError>;

    /// A fresh learner, whose states bear this id; refuses data on which the run cannot be made.
    fn learner<A: Compute>(
        self,
        id: &'static str,
        b: Build,
        data: OfflineData,
        device: A::Device,
    ) -> Result<Box<dyn Learner>, ConfigError>;
}

/// What a learner is built for.
#[derive(Debug)]
pub struct Build {
    /// Sizes of observations and actions.
    pub dims: Dims,
    /// Environment steps of the whole run; gradient steps of an offline one.
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
/// An offline learner, or why there is none.
pub type BuiltOffline = Result<Box<dyn Learner>, BuildError>;

/// An algorithm in the registry.
pub struct Algorithm {
    /// The name used in configs and tables.
    pub id: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Whether it learns from a teacher's preferences (else from the true reward, or not at all).
    pub taught: bool,
    /// Raised whenever a change alters results; part of a run's identity.
    pub version: u32,
    /// The complete default settings for a task's family and a tier.
    pub defaults: fn(&Setup<'_>) -> serde_json::Value,
    /// Refuses settings of the wrong type, out of range, or impossible in a run of this many steps.
    pub check: fn(&serde_json::Value, &Setup<'_>, u64) -> Result<(), BuildError>,
    /// Where its experience comes from, and what makes a learner.
    pub start: Start,
}

impl Algorithm {
    /// How it starts on a dataset, if it is an offline algorithm.
    pub fn offline(&self) -> Option<&Offline> {
        match &self.start {
            Start::Online(_) => None,
            Start::Offline(offline) => Some(offline),
        }
    }

    /// A fresh online learner with these settings.
    ///
    /// # Errors
    /// Of settings and devices, and [`BuildError::Offline`].
    pub fn build(&self, settings: &serde_json::Value, b: Build) -> Built {
        match &self.start {
            Start::Online(build) => build(settings, b),
            Start::Offline(_) => Err(BuildError::Offline(self.id)),
        }
    }

    /// A fresh offline learner with these settings and this data, whose true rewards it sees only if it
    /// may.
    ///
    /// # Errors
    /// Of settings and devices, [`BuildError::Online`] and [`BuildError::Sizes`].
    pub fn build_on(
        &self,
        settings: &serde_json::Value,
        b: Build,
        data: OfflineData,
    ) -> BuiltOffline {
        let Start::Offline(offline) = &self.start else {
            return Err(BuildError::Online(self.id));
        };
        if data.dims() != b.dims {
            return Err(BuildError::Sizes {
                data: data.dims(),
                needed: b.dims,
            });
        }
        let data = if offline.privileged {
            data
        } else {
            data.blind()
        };
        (offline.build)(self.id, settings, b, data)
    }
}

/// Every algorithm.
pub static ALGORITHMS: &[Algorithm] = &[
    Algorithm {
        id: "random",
        summary: "uniformly random actions: the floor",
        taught: false,
        version: 1,
        defaults: |_| json(&random::RandomConfig {}),
        check: |v, _, _| parse::<random::RandomConfig>(v).map(|_| ()),
        start: Start::Online(|_, b| Ok(Box::new(random::Random::new(b.dims, b.seed)))),
    },
    Algorithm {
        id: "sac",
        summary: "SAC on the true reward: the oracle that PbRL is measured against",
        taught: false,
        version: 2,
        defaults: |s| json(&sac::SacOnlineConfig::defaults(s)),
        check: |v, _, steps| Ok(parse::<sac::SacOnlineConfig>(v)?.validate("sac", steps)?),
        start: Start::Online(|v, b| on_device!(b.device, build_sac("sac", parse(v)?, b))),
    },
    Algorithm {
        id: "sac-unsupervised",
        summary: "SAC on the true reward, after exploration as PEBBLE's",
        taught: false,
        version: 1,
        defaults: |s| json(&sac::SacOnlineConfig::unsupervised(s)),
        check: |v, _, steps| {
            Ok(parse::<sac::SacOnlineConfig>(v)?.validate("sac-unsupervised", steps)?)
        },
        start: Start::Online(|v, b| {
            on_device!(b.device, build_sac("sac-unsupervised", parse(v)?, b))
        }),
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
    offline::<bc::BcConfig>(
        "bc",
        "behaviour cloning of the whole dataset",
        Reads::Nothing,
        |s| json(&bc::BcConfig::defaults(s)),
        bc::steps,
    ),
    offline::<bc::BcConfig>(
        "percent-bc",
        "behaviour cloning of the episodes of the highest true return",
        Reads::TrueReward,
        |s| json(&bc::BcConfig::best(s)),
        bc::steps,
    ),
    offline::<iql::IqlOfflineConfig>(
        "iql",
        "implicit Q-learning on the true reward: what offline PbRL is measured against",
        Reads::TrueReward,
        |s| json(&iql::IqlOfflineConfig::defaults(s)),
        iql::steps,
    ),
    offline::<mr::MrConfig>(
        "mr",
        "implicit Q-learning on a Markovian reward learned from preferences",
        Reads::Preferences,
        |s| json(&mr::MrConfig::defaults(s)),
        iql::steps,
    ),
    version_2(offline::<ipl::IplConfig>(
        "ipl",
        "inverse preference learning: implicit Q-learning on the reward that its Q implies",
        Reads::Preferences,
        |s| json(&ipl::IplConfig::defaults(s)),
        ipl::steps,
    )),
    version_2(offline::<ipl::IplConfig>(
        "ipl-awac",
        "inverse preference learning without a value function",
        Reads::Preferences,
        |s| json(&ipl::IplConfig::awac(s)),
        ipl::steps,
    )),
    offline::<sft::SftConfig>(
        "sft",
        "behaviour cloning of the preferred segments",
        Reads::Preferences,
        |s| json(&sft::SftConfig::defaults(s)),
        cpl::steps,
    ),
    offline::<cpl::CplConfig>(
        "cpl",
        "contrastive preference learning, biased towards the data",
        Reads::Preferences,
        |s| json(&cpl::CplConfig::defaults(s)),
        cpl::steps,
    ),
    offline::<cpl::CplConfig>(
        "cpl-bc",
        "contrastive preference learning with behaviour cloning beside it",
        Reads::Preferences,
        |s| json(&cpl::CplConfig::bc(s)),
        cpl::steps,
    ),
    offline::<cpl::CplConfig>(
        "cpl-kl",
        "contrastive preference learning against the behaviour policy, as DPO",
        Reads::Preferences,
        |s| json(&cpl::CplConfig::kl(s)),
        cpl::steps,
    ),
    version_2(offline::<pt::PtConfig>(
        "pt",
        "implicit Q-learning on the reward of a Preference Transformer",
        Reads::Preferences,
        |s| json(&pt::PtConfig::defaults(s)),
        iql::steps,
    )),
    version_2(offline::<dppo::DppoConfig>(
        "dppo",
        "direct preference-based policy optimisation: nearer to what a predictor ranks higher",
        Reads::Preferences,
        |s| json(&dppo::DppoConfig::defaults(s)),
        dppo::steps,
    )),
    version_2(offline::<oppo::OppoConfig>(
        "oppo",
        "a policy conditioned on hindsight, and a search for the preferred context",
        Reads::Preferences,
        |s| json(&oppo::OppoConfig::defaults(s)),
        oppo::steps,
    )),
    version_2(offline::<dtr::DtrConfig>(
        "dtr",
        "a Decision Transformer regularised by a Q-function of a learned reward",
        Reads::Preferences,
        |s| json(&dtr::DtrConfig::defaults(s)),
        dtr::steps,
    )),
];

/// A method on PEBBLE's backbone, at version 1.
const fn on_pebble<M: Method>(summary: &'static str) -> Algorithm {
    Algorithm {
        id: M::ID,
        summary,
        taught: true,
        version: 1,
        defaults: |s| json(&pebble::PebbleConfig::<M>::defaults(s)),
        check: |v, setup, steps| {
            Ok(parse::<pebble::PebbleConfig<M>>(v)?.validate_for(setup, steps)?)
        },
        start: Start::Online(|v, b| {
            on_device!(
                b.device,
                build_pebble(parse::<pebble::PebbleConfig<M>>(v)?, b)
            )
        }),
    }
}

/// The same algorithm at version 2.
const fn version_2(algorithm: Algorithm) -> Algorithm {
    Algorithm {
        version: 2,
        ..algorithm
    }
}

/// An offline algorithm, at version 1.
const fn offline<C: OfflineConfig>(
    id: &'static str,
    summary: &'static str,
    reads: Reads,
    defaults: fn(&Setup<'_>) -> serde_json::Value,
    steps: fn(&Setup<'_>) -> u64,
) -> Algorithm {
    Algorithm {
        id,
        summary,
        taught: matches!(reads, Reads::Preferences),
        version: 1,
        defaults,
        check: |v, _, steps| Ok(parse::<C>(v)?.validate(steps)?),
        start: Start::Offline(Offline {
            privileged: matches!(reads, Reads::TrueReward),
            steps,
            build: |id, v, b, data| {
                on_device!(b.device, build_offline(id, parse::<C>(v)?, b, data))
            },
        }),
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
    /// An offline algorithm was to act.
    #[error("`{0}` learns from a dataset, not by acting")]
    Offline(&'static str),
    /// An online algorithm was given a dataset.
    #[error("`{0}` learns by acting, not from a dataset")]
    Online(&'static str),
    /// The data is of another task.
    #[error(
        "the dataset has observations of {} and actions of {} numbers, but the task has {} and {}",
        data.obs, data.act, needed.obs, needed.act
    )]
    Sizes {
        /// Of the data.
        data: Dims,
        /// Of the task.
        needed: Dims,
    },
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
    config.validate(id, b.total_steps)?;
    Ok(Box::new(sac::SacOnline::<A>::new(config, b)))
}

fn build_pebble<A: Compute>(config: pebble::PebbleConfig<impl Method>, b: Build) -> Built {
    Ok(Box::new(pebble::Pebble::<A, _>::new(config, b)?))
}

fn build_offline<A: Compute>(
    id: &'static str,
    config: impl OfflineConfig,
    b: Build,
    data: OfflineData,
) -> BuiltOffline {
    config.validate(b.total_steps)?;
    Ok(config.learner::<A>(id, b, data, A::Device::default())?)
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
