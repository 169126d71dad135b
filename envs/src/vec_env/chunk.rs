//! A share of the copies and the thread that works on it.

use super::{EpisodeId, VecError};
use crate::{End, Env, EnvError, Step, Task};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Job {
    Idle,
    Reset(u64),
    Step,
    Quit,
}

/// A share of the copies, passed between the caller and its thread.
pub(super) struct Slot {
    chunk: Mutex<Chunk>,
    turn: Condvar,
}

impl Slot {
    pub fn new(chunk: Chunk) -> Self {
        let (chunk, turn) = (Mutex::new(chunk), Condvar::new());
        Self { chunk, turn }
    }

    /// No panic happens under the lock (see `guarded`), so a poisoned one is sound.
    pub fn lock(&self) -> MutexGuard<'_, Chunk> {
        self.chunk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the thread, unless it is done.
    pub fn join(&self) -> MutexGuard<'_, Chunk> {
        self.wait(|job| job == Job::Idle)
    }

    /// Sets the thread to work on a chunk that has a job.
    pub fn wake(&self, chunk: MutexGuard<'_, Chunk>) {
        drop(chunk);
        self.turn.notify_all();
    }

    fn wait(&self, until: impl Fn(Job) -> bool) -> MutexGuard<'_, Chunk> {
        self.turn
            .wait_while(self.lock(), |chunk| !until(chunk.job))
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's life.
    pub fn serve(&self) {
        loop {
            let mut chunk = self.wait(|job| job != Job::Idle);
            if chunk.job == Job::Quit {
                return;
            }
            chunk.work();
            self.wake(chunk);
        }
    }
}

pub(super) struct Chunk {
    pub job: Job,
    pub copies: Vec<Member>,
    pub failures: Vec<VecError>,
}

impl Chunk {
    /// The copies from `first` to before `end`, without an episode.
    pub fn new(task: &Task, first: usize, end: usize) -> Result<Self, VecError> {
        Ok(Self {
            job: Job::Idle,
            copies: (first..end)
                .map(|index| Member::new(task, index))
                .collect::<Result<_, _>>()?,
            failures: vec![],
        })
    }

    pub fn work(&mut self) {
        for copy in &mut self.copies {
            match self.job {
                Job::Reset(seed) => copy.reset(seed, &mut self.failures),
                _ => copy.step(&mut self.failures),
            }
        }
        self.job = Job::Idle;
    }
}

/// An environment and its row of every buffer.
pub(super) struct Member {
    task: Task,
    pub index: usize,
    pub env: Box<dyn Env>,
    pub id: EpisodeId,
    pub obs: Vec<f32>,
    pub action: Vec<f32>,
    pub next_obs: Vec<f32>,
    pub last: Step,
}

const NOTHING: Step = Step {
    reward: 0.0,
    success: false,
    end: End::No,
};

impl Member {
    fn new(task: &Task, index: usize) -> Result<Self, VecError> {
        Ok(Self {
            task: *task,
            index,
            env: task
                .make()
                .map_err(|error| VecError::Env { copy: index, error })?,
            id: EpisodeId {
                seed: 0,
                copy: index as u64,
                episode: 0,
            },
            obs: vec![0.0; task.spec.obs_dim()],
            action: vec![0.0; task.spec.action_dim()],
            next_obs: vec![0.0; task.spec.obs_dim()],
            last: NOTHING,
        })
    }

    fn reset(&mut self, seed: u64, failures: &mut Vec<VecError>) {
        let (copy, episode) = (self.index as u64, 0);
        self.id = EpisodeId {
            seed,
            copy,
            episode,
        };
        self.last = NOTHING;
        self.begin(failures);
    }

    fn step(&mut self, failures: &mut Vec<VecError>) {
        let step = self.guarded(|copy| copy.env.step(&copy.action, &mut copy.next_obs));
        self.last = step.unwrap_or_else(|failure| {
            failures.push(failure);
            self.next_obs.copy_from_slice(&self.obs);
            Step {
                end: End::Truncated,
                ..NOTHING
            }
        });
        if self.last.end == End::No {
            self.obs.copy_from_slice(&self.next_obs);
        } else {
            self.id.episode += 1;
            self.begin(failures);
        }
    }

    fn begin(&mut self, failures: &mut Vec<VecError>) {
        let seed = self.id.env_seed();
        let begun = self.guarded(|copy| copy.env.reset(seed, &mut copy.obs));
        failures.extend(begun.err());
    }

    /// Calls the environment. One that panics is replaced, since half a step may be left in it.
    fn guarded<T>(
        &mut self,
        call: impl FnOnce(&mut Self) -> Result<T, EnvError>,
    ) -> Result<T, VecError> {
        let (copy, task) = (self.index, self.task);
        let panic = match catch_unwind(AssertUnwindSafe(|| call(self))) {
            Ok(result) => return result.map_err(|error| VecError::Env { copy, error }),
            Err(panic) => panic,
        };
        if let Ok(Ok(fresh)) = catch_unwind(|| task.make()) {
            self.env = fresh;
        }
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or(panic.downcast_ref::<String>().map(String::as_str));
        Err(VecError::Panicked {
            copy,
            task: task.id,
            message: text.unwrap_or("no message").to_owned(),
        })
    }
}
