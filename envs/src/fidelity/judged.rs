//! Observation and reward as functions of the state, against the originals'.

use super::{State, Twin};
use crate::Task;
use crate::episode::Domain;
use crate::world::World;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A step of Gymnasium's environment.
#[derive(Deserialize)]
struct Transition {
    before: State,
    action: Vec<f32>,
    after: State,
    obs: Vec<f32>,
    reward: f32,
    terminated: bool,
    x_velocity: f32,
    x_velocity_exact: f32,
    /// Cost of contact forces, which a state that was set does not have.
    #[serde(default)]
    reward_contact: f32,
    /// Parts of the observation as they are in `after`: Gymnasium's are of RK4's last stage.
    #[serde(default)]
    exact: BTreeMap<String, Vec<f32>>,
}

/// A state of dm_control's.
#[derive(Deserialize)]
struct Posed {
    qpos: Vec<f32>,
    qvel: Vec<f32>,
    ctrl: Vec<f32>,
    obs: Vec<f32>,
    rewards: BTreeMap<String, f32>,
}

impl<D: Domain> Twin<D> {
    /// The largest error of each part of the observation that the state determines.
    fn compare(&self, got: &[f32], obs: &[f32], exact: &BTreeMap<String, Vec<f32>>, case: usize) {
        let parts = self.fixture.obs_parts.iter();
        for (part, &[from, to]) in parts.filter(|(p, _)| !self.fixture.obs_dynamic.contains(p)) {
            let expected = exact.get(part).map_or(&obs[from..to], |e| &e[..]);
            for (i, (got, expected)) in got[from..to].iter().zip(expected).enumerate() {
                let error = (got - expected).abs();
                let bar = 2e-4 * expected.abs().max(1.0);
                assert!(
                    error < bar,
                    "case {case}: {part}[{i}] {got}, original {expected}"
                );
            }
        }
    }

    /// Given Gymnasium's states, observation, reward and termination are Gymnasium's, but for the
    /// cost of contacts. A metre per second is worth `forward_weight`.
    pub fn judges_as_gymnasium(&self, forward_weight: f32) {
        let task = &self.tasks[0];
        let (mut ends, mut goes_on) = (0, 0);
        for (i, case) in self.fixture.judged.iter().enumerate() {
            let case: Transition = serde_json::from_value(case.clone()).expect("a transition");
            let (mut world, mut domain) = self.build(task);
            self.set(&mut world, &domain, &case.before);
            domain.act(&mut world, &self.action(&case.action));
            self.set(&mut world, &domain, &case.after);
            let mut got = vec![0.0; task.spec.obs_dim()];
            domain.observe(&world, &mut got);
            assert_eq!(got.len(), case.obs.len());
            self.compare(&got, &case.obs, &case.exact, i);
            let verdict = domain.judge(&world, &self.action(&case.action));
            let stale = forward_weight * (case.x_velocity - case.x_velocity_exact);
            let expected = case.reward - case.reward_contact - stale;
            // Positions are f32 here: some 1e-6 m over a control period of some 10 ms.
            let error = (verdict.reward - expected).abs();
            let reward = verdict.reward;
            assert!(
                error < 2e-3 * expected.abs().max(1.0),
                "case {i}: {reward}, Gymnasium {expected}"
            );
            assert_eq!(verdict.terminated, case.terminated, "case {i}");
            *(if case.terminated {
                &mut ends
            } else {
                &mut goes_on
            }) += 1;
        }
        assert!(goes_on > 0);
        println!("{ends} ends, {goes_on} others");
    }

    /// Given dm_control's states, observation and reward are dm_control's. `place` sets what is
    /// beside the robot's state: a target.
    pub fn judges_as_dm_control(&self, place: impl Fn(&mut World, &mut D, &Value)) {
        let key = |task: &Task| task.id.rsplit('-').next().unwrap_or_default().to_owned();
        let mut paid = 0;
        for (i, item) in self.fixture.judged.iter().enumerate() {
            let case: Posed = serde_json::from_value(item.clone()).expect("a state");
            for task in self.tasks {
                let (mut world, mut domain) = self.build(task);
                self.set(&mut world, &domain, &(case.qpos.clone(), case.qvel.clone()));
                place(&mut world, &mut domain, item);
                let action = self.action(&case.ctrl);
                domain.act(&mut world, &action);
                let mut got = vec![0.0; task.spec.obs_dim()];
                domain.observe(&world, &mut got);
                assert_eq!(got.len(), case.obs.len(), "length of the observation");
                self.compare(&got, &case.obs, &BTreeMap::new(), i);
                let (reward, expected) = (
                    domain.judge(&world, &action).reward,
                    case.rewards[&key(task)],
                );
                let error = (reward - expected).abs();
                assert!(
                    error < 1e-3,
                    "case {i}, {}: {reward}, dm_control {expected}",
                    task.id
                );
                paid += usize::from(expected > 0.1);
            }
        }
        assert!(paid > 0, "no state is worth anything");
    }
}
