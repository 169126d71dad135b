//! Copies that fail, which no registered task's do.

use super::*;
use crate::{Env, Field, Geom, Health, Step};

/// Counts its steps; the action makes it fail.
struct Faulty(u32);
const DIVERGE: f32 = 0.5;
const PANIC: f32 = 0.7;

const TASK: Task = Task {
    id: "faulty",
    family: "test",
    tags: &[],
    version: 1,
    reward: "its number of steps",
    success: "never",
    spec: Spec {
        fields: &[Field::unbounded("steps", "1")],
        actions: &["fault"],
        control_period: 1.0,
        horizon: 5,
        reward_bounds: None,
    },
    expert: None,
    make: |_| Ok(Box::new(Faulty(u32::MAX))),
};

impl Env for Faulty {
    fn spec(&self) -> &Spec {
        &TASK.spec
    }

    fn set_difficulty(&mut self, _difficulty: f32) -> Result<(), EnvError> {
        Err(EnvError::NoCurriculum { task: TASK.id })
    }

    fn reset(&mut self, _seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        assert_ne!(self.0, 1000, "what panicked is used again");
        self.0 = 0;
        obs.fill(0.0);
        Ok(())
    }

    fn step(&mut self, action: &[f32], obs: &mut [f32]) -> Result<Step, EnvError> {
        self.0 += 1;
        obs.fill(self.0 as f32);
        if action[0] == DIVERGE {
            obs.fill(f32::NAN);
            return Err(EnvError::Diverged {
                task: TASK.id,
                step: self.0,
                what: "asked to",
            });
        }
        if action[0] == PANIC {
            self.0 = 1000;
            panic!("asked to");
        }
        let end = if self.0 == TASK.spec.horizon {
            End::Truncated
        } else {
            End::No
        };
        Ok(Step {
            reward: self.0 as f32,
            success: false,
            end,
        })
    }

    fn observe(&self, _: &mut [f32]) -> Result<(), EnvError> {
        Err(EnvError::NotReset { task: TASK.id })
    }

    fn draw(&self, _: &mut Vec<Geom>) {}

    fn health(&self) -> Health {
        Health {
            max_speed: 0.0,
            penetration: 0.0,
            anchor_drift: 0.0,
        }
    }

    fn snapshot(&self) -> Result<Snapshot, EnvError> {
        Ok(Snapshot::from_bytes(vec![]))
    }

    fn restore(&mut self, _: &Snapshot) -> Result<(), EnvError> {
        Ok(())
    }
}

/// Two failures among five copies: both are reported, by index, and the others do not notice.
#[test]
fn failures_are_reported_by_copy_and_forgotten() {
    for threads in 1..=3 {
        let mut envs = VecEnv::new(&TASK, 5, threads, 1).expect("make");
        envs.step().expect("step");
        envs.actions_mut()
            .copy_from_slice(&[0.0, PANIC, 0.0, 0.0, DIVERGE]);
        let first = envs.step().expect_err("copy 1 panics");
        let panicked = VecError::Panicked {
            copy: 1,
            task: "faulty",
            message: "asked to".into(),
        };
        assert_eq!(first, panicked);
        assert!(first.to_string().contains("copy 1"), "{first}");
        let error = EnvError::Diverged {
            task: "faulty",
            step: 2,
            what: "asked to",
        };
        assert_eq!(
            envs.failures(),
            [panicked, VecError::Env { copy: 4, error }]
        );
        let truncated = [1, 4].map(|copy| envs.end()[copy]);
        assert_eq!(truncated, [End::Truncated; 2]);
        assert_eq!(envs.reward(), [2.0, 0.0, 2.0, 2.0, 0.0]);
        assert_eq!(envs.next_obs(), [2.0, 1.0, 2.0, 2.0, 1.0]);
        assert_eq!(envs.obs(), [2.0, 0.0, 2.0, 2.0, 0.0]);
        let episodes: Vec<_> = (0..5)
            .map(|c| envs.episode(c).expect("id").episode)
            .collect();
        assert_eq!(episodes, [0, 1, 0, 0, 1]);

        envs.actions_mut().fill(0.0);
        envs.step().expect("all step again");
        assert_eq!(envs.failures(), []);
        assert_eq!(envs.next_obs(), [3.0, 1.0, 3.0, 3.0, 1.0]);
    }
}

/// Threads end with their copies, however these fared.
#[test]
fn dropping_does_not_hang() {
    for action in [0.0, PANIC, DIVERGE] {
        for _ in 0..50 {
            let mut envs = VecEnv::new(&TASK, 4, 4, 0).expect("make");
            envs.actions_mut().fill(action);
            assert_eq!(envs.step().is_ok(), action == 0.0);
        }
    }
}
