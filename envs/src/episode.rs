//! The one [`Env`] of this crate: it runs a [`Domain`] and keeps every promise that does not
//! depend on the robot (lengths, finiteness, horizon, snapshots, divergence).

use crate::world::World;
use crate::{End, Env, EnvError, Geom, Health, Snapshot, Spec, Step, Task};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::f32::consts::TAU;

/// What a domain's file writes: one robot, its observation and its rewards, for one task or
/// several. The value holds handles into its world and what it remembers of the episode, and is
/// stored in snapshots.
pub(crate) trait Domain: Clone + Send + Serialize + DeserializeOwned + 'static {
    /// rapier steps in one control period.
    const SUBSTEPS: usize;

    /// Builds the robot in its nominal pose, for this task of the domain.
    fn build(task: &Task) -> Result<(World, Self), EnvError>;
    /// Varies the nominal pose and draws the goal: the only place where chance enters.
    fn begin(&mut self, world: &mut World, random: &mut Random);
    /// Sets motors for one control period; the action is within [-1, 1].
    fn act(&mut self, world: &mut World, action: &[f32]);
    /// Updates forces that change faster than the action, before each of the period's steps.
    fn substep(&mut self, _world: &mut World) {}
    /// Writes the observation.
    fn observe(&self, world: &World, obs: &mut [f32]);
    /// Judges the step that `act` began.
    fn judge(&self, world: &World, action: &[f32]) -> Judgement;
    /// Of a task with a curriculum: how hard the next episode is, from 0 to 1.
    fn difficulty(&self) -> Option<f32> {
        None
    }
    /// Sets it, where there is one, without a change to the episode that runs.
    fn set_difficulty(&mut self, _difficulty: f32) {}
    /// Adds marks without substance, such as the goal, to a drawing.
    fn mark(&self, _scene: &mut Vec<Geom>) {}
}

/// A domain's verdict on one step.
pub(crate) struct Judgement {
    pub reward: f32,
    pub success: bool,
    pub terminated: bool,
}

/// One episode's randomness: ChaCha8, and our own mapping to floats, so that no release of a
/// sampling library changes an episode.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub fn seeded(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in `[low, high)` on a grid of 2^24 values.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        let unit = (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32;
        low + (high - low) * unit
    }

    /// Normal with mean 0 and deviation 1, by the method of Box and Muller.
    pub fn normal(&mut self) -> f32 {
        let radius = libm::sqrtf(-2.0 * libm::logf(1.0 - self.uniform(0.0, 1.0)));
        radius * libm::cosf(self.uniform(0.0, std::f32::consts::TAU))
    }

    /// A quaternion (w, x, y, z), uniform over all orientations (Shoemake 1992, "Uniform random
    /// rotations").
    pub fn rotation(&mut self) -> [f32; 4] {
        let [split, a, b] = [1.0, TAU, TAU].map(|high| self.uniform(0.0, high));
        let (r, s) = ((1.0 - split).sqrt(), split.sqrt());
        [
            s * libm::cosf(b),
            r * libm::sinf(a),
            r * libm::cosf(a),
            s * libm::sinf(b),
        ]
    }
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Phase {
    Idle,
    Running,
    Over,
}

/// Owned for reading; writing borrows the same fields as a tuple of the same shape.
#[derive(Deserialize)]
struct State<D> {
    phase: Phase,
    step: u32,
    domain: D,
    world: World,
}

pub(crate) struct Episode<D> {
    /// As built; every episode starts from a copy, which is faster than building and as exact.
    pristine: (World, D),
    world: World,
    domain: D,
    phase: Phase,
    step: u32,
    action: Vec<f32>,
    task: Task,
}

impl<D: Domain> Episode<D> {
    /// The function a [`Task`] names as `make`.
    pub fn make(task: Task) -> Result<Box<dyn Env>, EnvError> {
        Ok(Box::new(Self::new(task)?))
    }

    fn new(task: Task) -> Result<Self, EnvError> {
        let pristine = D::build(&task)?;
        let (world, domain) = D::build(&task)?;
        Ok(Self {
            pristine,
            world,
            domain,
            phase: Phase::Idle,
            step: 0,
            action: Vec::with_capacity(task.spec.action_dim()),
            task,
        })
    }

    fn check_obs(&self, obs: &[f32]) -> Result<(), EnvError> {
        let (expected, got) = (self.task.spec.obs_dim(), obs.len());
        if got == expected {
            Ok(())
        } else {
            Err(EnvError::ObsLength {
                task: self.task.id,
                expected,
                got,
            })
        }
    }

    fn check_action(&self, action: &[f32]) -> Result<(), EnvError> {
        let (expected, got) = (self.task.spec.action_dim(), action.len());
        if got != expected {
            return Err(EnvError::ActionLength {
                task: self.task.id,
                expected,
                got,
            });
        }
        match action.iter().enumerate().find(|(_, a)| !a.is_finite()) {
            Some((index, &value)) => Err(EnvError::ActionNotFinite {
                task: self.task.id,
                index,
                value,
            }),
            None => Ok(()),
        }
    }

    fn diverged(&mut self, what: &'static str) -> EnvError {
        self.phase = Phase::Over;
        EnvError::Diverged {
            task: self.task.id,
            step: self.step,
            what,
        }
    }

    fn bad_snapshot(&self, why: impl Into<String>) -> EnvError {
        EnvError::Snapshot {
            task: self.task.id,
            version: self.task.version,
            why: why.into(),
        }
    }
}

impl<D: Domain> Env for Episode<D> {
    fn spec(&self) -> &Spec {
        &self.task.spec
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.check_obs(obs)?;
        let difficulty = self.domain.difficulty();
        self.world.copy_from(&self.pristine.0);
        self.domain.clone_from(&self.pristine.1);
        difficulty.inspect(|&d| self.domain.set_difficulty(d));
        self.domain
            .begin(&mut self.world, &mut Random::seeded(seed));
        (self.phase, self.step) = (Phase::Running, 0);
        self.domain.observe(&self.world, obs);
        Ok(())
    }

    fn step(&mut self, action: &[f32], obs: &mut [f32]) -> Result<Step, EnvError> {
        self.check_obs(obs)?;
        self.check_action(action)?;
        match self.phase {
            Phase::Idle => return Err(EnvError::NotReset { task: self.task.id }),
            Phase::Over => {
                return Err(EnvError::EpisodeOver {
                    task: self.task.id,
                    step: self.step,
                });
            }
            Phase::Running => {}
        }
        self.action.clear();
        self.action
            .extend(action.iter().map(|a| a.clamp(-1.0, 1.0)));
        self.step += 1;
        self.domain.act(&mut self.world, &self.action);
        for _ in 0..D::SUBSTEPS {
            self.domain.substep(&mut self.world);
            if let Err(what) = self.world.step() {
                return Err(self.diverged(what));
            }
        }
        self.domain.observe(&self.world, obs);
        let Judgement {
            reward,
            success,
            terminated,
        } = self.domain.judge(&self.world, &self.action);
        if !reward.is_finite() || obs.iter().any(|o| !o.is_finite()) {
            return Err(self.diverged("the observation or the reward is not finite"));
        }
        let end = match (terminated, self.step >= self.task.spec.horizon) {
            (true, _) => End::Terminated,
            (false, true) => End::Truncated,
            (false, false) => End::No,
        };
        if end != End::No {
            self.phase = Phase::Over;
        }
        Ok(Step {
            reward,
            success,
            end,
        })
    }

    fn observe(&self, obs: &mut [f32]) -> Result<(), EnvError> {
        self.check_obs(obs)?;
        if self.phase == Phase::Idle {
            return Err(EnvError::NotReset { task: self.task.id });
        }
        self.domain.observe(&self.world, obs);
        Ok(())
    }

    fn difficulty(&self) -> Option<f32> {
        self.domain.difficulty()
    }

    fn set_difficulty(&mut self, difficulty: f32) -> Result<(), EnvError> {
        let task = self.task.id;
        if self.domain.difficulty().is_none() {
            return Err(EnvError::NoCurriculum { task });
        }
        if !(0.0..=1.0).contains(&difficulty) {
            return Err(EnvError::Difficulty { task, difficulty });
        }
        self.domain.set_difficulty(difficulty);
        Ok(())
    }

    fn draw(&self, scene: &mut Vec<Geom>) {
        scene.clear();
        self.world.draw(scene);
        self.domain.mark(scene);
    }

    fn health(&self) -> Health {
        self.world.health()
    }

    fn snapshot(&self) -> Result<Snapshot, EnvError> {
        // Layout: checksum of the rest (32 bytes), then postcard of (id, version), then of the state.
        let unwritable = |e| self.bad_snapshot(format!("the state cannot be written ({e})"));
        let bytes = vec![0; blake3::OUT_LEN];
        let bytes =
            postcard::to_extend(&(self.task.id, self.task.version), bytes).map_err(unwritable)?;
        let state = (self.phase, self.step, &self.domain, &self.world);
        let mut bytes = postcard::to_extend(&state, bytes).map_err(unwritable)?;
        let seal = blake3::hash(&bytes[blake3::OUT_LEN..]);
        bytes[..blake3::OUT_LEN].copy_from_slice(seal.as_bytes());
        Ok(Snapshot(bytes))
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), EnvError> {
        let Some((seal, body)) = snapshot.0.split_first_chunk::<{ blake3::OUT_LEN }>() else {
            return Err(self.bad_snapshot("it is too short; take a new one"));
        };
        if blake3::hash(body) != blake3::Hash::from_bytes(*seal) {
            return Err(self.bad_snapshot(
                "its checksum does not match, the bytes are damaged; use an older one",
            ));
        }
        let unreadable = |e| self.bad_snapshot(format!("it cannot be read ({e}); take a new one"));
        let ((id, version), body): ((&str, u32), _) =
            postcard::take_from_bytes(body).map_err(unreadable)?;
        if (id, version) != (self.task.id, self.task.version) {
            return Err(self.bad_snapshot(format!(
                "it is of {id} v{version}; use an environment of that task and version"
            )));
        }
        let state: State<D> = postcard::from_bytes(body).map_err(unreadable)?;
        self.world = state.world;
        self.domain = state.domain;
        (self.phase, self.step) = (state.phase, state.step);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gymnasium::hopper::{self, Hopper};
    use crate::metaworld::Tabletop;
    use crate::metaworld::reach::{self, Reach};

    /// One episode's bits.
    fn bits<D: Domain>(env: &mut Episode<D>) -> Vec<u32> {
        let spec = env.task.spec;
        let (mut obs, action) = (vec![0.0; spec.obs_dim()], vec![0.3; spec.action_dim()]);
        env.reset(1, &mut obs).expect("reset");
        let mut bits = vec![];
        for _ in 0..10 {
            let step = env.step(&action, &mut obs).expect("step");
            bits.push(step.reward.to_bits());
            bits.extend(obs.iter().map(|o| o.to_bits()));
        }
        bits
    }

    /// A joint thrown to a speed ends the episode, if it must, and leaves no trace after a reset.
    fn diverges_and_recovers<D: Domain>(task: Task, speed: f32, must_diverge: bool) {
        let mut env = Episode::<D>::new(task).expect("make");
        let spec = env.task.spec;
        let (mut obs, action) = (vec![0.0; spec.obs_dim()], vec![0.0; spec.action_dim()]);
        let expected = bits(&mut env);
        for handle in env
            .world
            .0
            .multibody_joints
            .iter()
            .map(|j| j.0)
            .collect::<Vec<_>>()
        {
            env.reset(1, &mut obs).expect("reset");
            env.step(&action, &mut obs).expect("step");
            env.world
                .edit(handle, |mb, _| mb.generalized_velocity_mut().fill(speed));
            let outcome = env.step(&action, &mut obs);
            if must_diverge {
                let error = outcome.expect_err("it must be noticed");
                assert!(
                    matches!(error, EnvError::Diverged { step: 2, .. }),
                    "{error}"
                );
                assert!(error.to_string().contains(env.task.id), "{error}");
                let again = env.step(&action, &mut obs);
                assert_eq!(
                    again,
                    Err(EnvError::EpisodeOver {
                        task: env.task.id,
                        step: 2
                    })
                );
            }
            assert_eq!(
                bits(&mut env),
                expected,
                "{} is not as new after a reset",
                env.task.id
            );
        }
    }

    #[test]
    fn divergence_is_reported_and_forgotten() {
        for speed in [f32::NAN, f32::INFINITY, f32::MAX, 1e15, 1e5] {
            diverges_and_recovers::<Hopper>(hopper::TASK, speed, true);
            diverges_and_recovers::<Tabletop<Reach>>(reach::TASK, speed, true);
        }
        for speed in [1e2, 1e3, 9e3] {
            diverges_and_recovers::<Hopper>(hopper::TASK, speed, false);
            diverges_and_recovers::<Tabletop<Reach>>(reach::TASK, speed, false);
        }
    }
}
