//! A share of the copies and the thread that works on it.

use super::{EpisodeId, VecError};
use crate::{End, Env, EnvError, Step, Task};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::yield_now;
use std::time::{Duration, Instant};

/// How long to look for the other side's turn to end before sleeping: about as long as the system
/// takes to wake a thread, which small steps would otherwise spend twice each.
const PATIENCE: Duration = Duration::from_micros(100);

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
    /// Whether the chunk has a job, without asking for the lock: a hint, the job decides.
    busy: AtomicBool,
}

impl Slot {
    pub fn new(chunk: Chunk) -> Self {
        Self {
            chunk: Mutex::new(chunk),
            turn: Condvar::new(),
            busy: AtomicBool::new(false),
        }
    }

    /// No panic happens under the lock (see `guarded`), so a poisoned one is sound.
    pub fn lock(&self) -> MutexGuard<'_, Chunk> {
        self.chunk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the thread to finish its job.
    pub fn join(&self) -> MutexGuard<'_, Chunk> {
        self.wait(false)
    }

    /// Ends a turn: the other side goes on.
    pub fn pass(&self, chunk: MutexGuard<'_, Chunk>) {
        self.busy.store(chunk.job != Job::Idle, Relaxed);
        drop(chunk);
        self.turn.notify_all();
    }

    fn wait(&self, busy: bool) -> MutexGuard<'_, Chunk> {
        let start = Instant::now();
        while self.busy.load(Relaxed) != busy && start.elapsed() < PATIENCE {
            yield_now();
        }
        self.turn
            .wait_while(self.lock(), |chunk| (chunk.job != Job::Idle) != busy)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's life.
    pub fn serve(&self) {
        loop {
            let mut chunk = self.wait(true);
            if chunk.job == Job::Quit {
                return;
            }
            chunk.work();
            self.pass(chunk);
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
