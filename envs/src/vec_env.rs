//! Many copies of one task, stepped together.
//!
//! Each thread keeps its share of the copies, whose memory so stays in one core's cache; rows are
//! copied in and out. A lock passes a share between its thread and the caller, once each way a step.

mod chunk;

#[cfg(doc)]
use crate::Env;
use crate::{End, EnvError, Snapshot, Spec, Task};
use chunk::{Chunk, Job, Member, Slot};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use thiserror::Error;

/// What can go wrong with one of many copies.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum VecError {
    /// What a copy's environment reported.
    #[error("copy {copy}: {error}")]
    Env {
        /// Index of the copy.
        copy: usize,
        /// Its error.
        error: EnvError,
    },
    /// A defect of the task or of the physics engine. The copy's environment was made anew.
    #[error("copy {copy}: {task} panicked ({message}); this is a bug, please report it")]
    Panicked {
        /// Index of the copy.
        copy: usize,
        /// Task id.
        task: &'static str,
        /// What the panic said.
        message: String,
    },
    /// There is no copy of this index.
    #[error("there is no copy {copy}; copies are numbered from 0 to {last}")]
    NoCopy {
        /// The index asked for.
        copy: usize,
        /// The highest index there is.
        last: usize,
    },
    /// No copies, or no threads.
    #[error("`{what}` is 0; it must be at least 1")]
    Zero {
        /// `copies` or `threads`.
        what: &'static str,
    },
    /// The system starts no further thread.
    #[error("a thread cannot be started ({0}); ask for fewer threads")]
    Thread(String),
}

/// Names an episode of one copy, and with it the episodes that will follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EpisodeId {
    /// The seed of all copies.
    pub seed: u64,
    /// The copy that began this series of episodes.
    pub copy: u64,
    /// Counted from 0 since the copies were reset.
    pub episode: u64,
}

impl EpisodeId {
    /// The seed that the episode's [`Env::reset`] gets: the first 8 bytes of the BLAKE3 hash of
    /// seed, copy and episode, all numbers little-endian.
    pub fn env_seed(&self) -> u64 {
        let (mut hash, mut seed) = (blake3::Hasher::new(), [0; 8]);
        for number in [self.seed, self.copy, self.episode] {
            hash.update(&number.to_le_bytes());
        }
        hash.finalize_xof().fill(&mut seed);
        u64::from_le_bytes(seed)
    }
}

/// Copies of one task that step together and begin their next episodes by themselves.
///
/// Every buffer holds one row per copy. A copy whose episode ends begins the next in the same step:
/// [`next_obs`](Self::next_obs) then holds the last observation of the one, [`obs`](Self::obs) the
/// first of the other. The number of threads changes no bit. A step allocates what rapier does and
/// nothing else, unless something fails.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let task = prefbench_envs::find("hopper")?;
/// let mut envs = prefbench_envs::VecEnv::new(task, 8, 2, 7)?; // 8 copies, 2 threads, seed 7
/// for _ in 0..100 {
///     let (obs, actions) = envs.policy_io();
///     assert_eq!((obs.len(), actions.len()), (8 * 11, 8 * 3));
///     actions.fill(0.1);
///     envs.step()?;
///     assert!(envs.reward().iter().all(|r| r.is_finite()));
/// }
/// # Ok(()) }
/// ```
pub struct VecEnv {
    task: Task,
    obs: Vec<f32>,
    actions: Vec<f32>,
    next_obs: Vec<f32>,
    reward: Vec<f32>,
    success: Vec<bool>,
    end: Vec<End>,
    /// The caller works on the first, a thread of its own on each other.
    slots: Vec<Arc<Slot>>,
    threads: Vec<JoinHandle<()>>,
    failures: Vec<VecError>,
}

impl VecEnv {
    /// `copies` environments, shared among `threads` threads of which the caller is one (more than
    /// one per copy are not started), each at the beginning of its episode 0 of `seed`.
    ///
    /// # Errors
    /// [`VecError::Zero`], [`VecError::Thread`]; a defect of the task.
    pub fn new(task: &Task, copies: usize, threads: usize, seed: u64) -> Result<Self, VecError> {
        for (what, n) in [("copies", copies), ("threads", threads)] {
            if n == 0 {
                return Err(VecError::Zero { what });
            }
        }
        let mut envs = Self {
            task: *task,
            obs: vec![0.0; copies * task.spec.obs_dim()],
            actions: vec![0.0; copies * task.spec.action_dim()],
            next_obs: vec![0.0; copies * task.spec.obs_dim()],
            reward: vec![0.0; copies],
            success: vec![false; copies],
            end: vec![End::No; copies],
            slots: vec![],
            threads: vec![],
            failures: vec![],
        };
        let shares = threads.min(copies);
        for share in 0..shares {
            let (first, end) = (share * copies / shares, (share + 1) * copies / shares);
            let slot = Arc::new(Slot::new(Chunk::new(task, first, end)?));
            envs.slots.push(Arc::clone(&slot));
            if share > 0 {
                let thread = Builder::new().spawn(move || slot.serve());
                envs.threads
                    .push(thread.map_err(|e| VecError::Thread(e.to_string()))?);
            }
        }
        envs.reset(seed)?;
        Ok(envs)
    }

    /// The task's promises, which hold for every row.
    pub fn spec(&self) -> &Spec {
        &self.task.spec
    }

    /// Number of copies.
    pub fn copies(&self) -> usize {
        self.end.len()
    }

    /// Begins episode 0 of `seed` in every copy.
    ///
    /// # Errors
    /// A defect of the task.
    pub fn reset(&mut self, seed: u64) -> Result<(), VecError> {
        self.run(Job::Reset(seed))
    }

    /// Steps every copy by its row of [`actions_mut`](Self::actions_mut).
    ///
    /// # Errors
    /// [`EnvError::ActionNotFinite`], before any copy steps. Any other error is its copy's alone:
    /// all others have stepped as if nothing had happened, the failed one begins its next episode,
    /// and its row says that the episode was truncated before the step, with reward 0 (a learner
    /// should skip it). [`failures`](Self::failures) lists all, the first is returned.
    pub fn step(&mut self) -> Result<(), VecError> {
        let actions = &self.actions;
        let Some(at) = actions.iter().position(|a| !a.is_finite()) else {
            return self.run(Job::Step);
        };
        let dim = self.task.spec.action_dim();
        let (task, index, value) = (self.task.id, at % dim, actions[at]);
        let refused = VecError::Env {
            copy: at / dim,
            error: EnvError::ActionNotFinite { task, index, value },
        };
        self.failures = vec![refused.clone()];
        Err(refused)
    }

    /// What went wrong in the last `step` or `reset`, in order of the copies.
    pub fn failures(&self) -> &[VecError] {
        &self.failures
    }

    /// The observations to act on: rows of `obs_dim` elements.
    pub fn obs(&self) -> &[f32] {
        &self.obs
    }

    /// The actions to take next: rows of `action_dim` elements, which keep what was written last.
    pub fn actions_mut(&mut self) -> &mut [f32] {
        &mut self.actions
    }

    /// [`obs`](Self::obs) and [`actions_mut`](Self::actions_mut) at once.
    pub fn policy_io(&mut self) -> (&[f32], &mut [f32]) {
        (&self.obs, &mut self.actions)
    }

    /// The observations that the last step led to, before any new episode: rows as of `obs`.
    pub fn next_obs(&self) -> &[f32] {
        &self.next_obs
    }

    /// The last step's rewards.
    pub fn reward(&self) -> &[f32] {
        &self.reward
    }

    /// Whether the success condition held after the last step.
    pub fn success(&self) -> &[bool] {
        &self.success
    }

    /// Whether the last step ended the episode.
    pub fn end(&self) -> &[End] {
        &self.end
    }

    /// The episode that a copy is in.
    ///
    /// # Errors
    /// [`VecError::NoCopy`].
    pub fn episode(&self, copy: usize) -> Result<EpisodeId, VecError> {
        self.with(copy, |c| Ok(c.id))
    }

    /// The complete state of a copy, to be kept together with its [`episode`](Self::episode).
    ///
    /// # Errors
    /// [`VecError::NoCopy`]; those of [`Env::snapshot`].
    pub fn snapshot(&self, copy: usize) -> Result<Snapshot, VecError> {
        self.with(copy, |c| c.env.snapshot())
    }

    /// Continues the episode of a snapshot in this copy, and then the episodes that follow it.
    ///
    /// # Errors
    /// [`VecError::NoCopy`]; those of [`Env::restore`], which leave the copy as it was; and
    /// [`EnvError::NotReset`] if the snapshot is of no episode, which fails the copy's next step.
    pub fn restore(&mut self, copy: usize, id: EpisodeId, from: &Snapshot) -> Result<(), VecError> {
        let mut obs = vec![0.0; self.task.spec.obs_dim()];
        self.with(copy, |c| {
            c.env.restore(from)?;
            c.id = id;
            c.env.observe(&mut obs)
        })?;
        let at = copy * obs.len();
        self.obs[at..at + obs.len()].copy_from_slice(&obs);
        Ok(())
    }

    fn with<T>(
        &self,
        copy: usize,
        call: impl FnOnce(&mut Member) -> Result<T, EnvError>,
    ) -> Result<T, VecError> {
        for slot in &self.slots {
            if let Some(c) = slot.lock().copies.iter_mut().find(|c| c.index == copy) {
                return call(c).map_err(|error| VecError::Env { copy, error });
            }
        }
        let last = self.copies() - 1;
        Err(VecError::NoCopy { copy, last })
    }

    fn run(&mut self, job: Job) -> Result<(), VecError> {
        let (obs_dim, action_dim) = (self.task.spec.obs_dim(), self.task.spec.action_dim());
        self.failures.clear();
        for slot in &self.slots {
            let mut chunk = slot.lock();
            for copy in &mut chunk.copies {
                let (obs, action) = (copy.index * obs_dim, copy.index * action_dim);
                copy.obs.copy_from_slice(&self.obs[obs..][..obs_dim]);
                copy.action
                    .copy_from_slice(&self.actions[action..][..action_dim]);
            }
            chunk.job = job;
            slot.pass(chunk);
        }
        let mut own = self.slots[0].lock();
        own.work();
        self.slots[0].pass(own);
        for slot in &self.slots {
            let mut chunk = slot.join();
            for copy in &chunk.copies {
                let (i, obs) = (copy.index, copy.index * obs_dim);
                self.obs[obs..][..obs_dim].copy_from_slice(&copy.obs);
                self.next_obs[obs..][..obs_dim].copy_from_slice(&copy.next_obs);
                self.reward[i] = copy.last.reward;
                self.success[i] = copy.last.success;
                self.end[i] = copy.last.end;
            }
            self.failures.append(&mut chunk.failures);
        }
        self.failures.first().map_or(Ok(()), |f| Err(f.clone()))
    }
}

impl Drop for VecEnv {
    fn drop(&mut self) {
        for slot in &self.slots {
            let mut chunk = slot.lock();
            chunk.job = Job::Quit;
            slot.pass(chunk);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // no panic leaves a thread, and none may leave a drop
        }
    }
}

#[cfg(test)]
mod tests;
