//! What every offline algorithm promises, on every CPU device.

#![allow(clippy::unwrap_used)]

mod common;

use common::{DIMS, assert_same_state, build_on, data, devices, evaluate, offline, small};
use prefbench_agents::{Algorithm, Build, BuildError, Device, Dims, Learner, OfflineData, State};
use prefbench_oracles::Trajectories;
use serde_json::Value;

/// Runs a check for every offline algorithm and device.
fn everywhere(check: impl Fn(&'static Algorithm, &Value, Device)) {
    for algorithm in offline() {
        for device in devices() {
            check(algorithm, &small(algorithm), device);
        }
    }
}

fn update(learner: &mut dyn Learner, steps: usize) {
    for _ in 0..steps {
        learner.update().unwrap();
    }
}

#[test]
fn the_state_depends_on_the_seed_alone() {
    everywhere(|algorithm, settings, device| {
        let state = |seed| {
            let mut learner = build_on(algorithm, settings, seed, device, data(10, 20));
            update(learner.as_mut(), 30);
            for (name, value) in learner.metrics() {
                assert!(value.is_finite(), "{}: {name} is {value}", algorithm.id);
            }
            learner.save().to_bytes()
        };
        let what = format!("{} on {device:?}", algorithm.id);
        assert_same_state(&state(1), &state(1), &what);
        assert_ne!(state(1), state(2), "{what}");
    });
}

/// In each of its stages, which `small` puts within the first 60 steps.
#[test]
fn a_resumed_run_ends_in_the_same_bytes() {
    everywhere(|algorithm, settings, device| {
        let data = data(10, 20);
        let fresh = |seed| build_on(algorithm, settings, seed, device, data.clone());
        let mut whole = fresh(1);
        update(whole.as_mut(), 80);
        for interruption in [0, 1, 7, 19, 20, 21, 40, 60, 79] {
            let mut before = fresh(1);
            update(before.as_mut(), interruption);
            let bytes = before.save().to_bytes();
            // Nothing may come from what a learner is built with: another seed.
            let mut after = fresh(99);
            after.load(&State::from_bytes(&bytes).unwrap()).unwrap();
            assert_eq!(before.metrics(), after.metrics(), "{}", algorithm.id);
            update(after.as_mut(), 80 - interruption);
            let what = format!(
                "{} on {device:?}, interrupted at {interruption}",
                algorithm.id
            );
            assert_same_state(&after.save().to_bytes(), &whole.save().to_bytes(), &what);
        }
    });
}

#[test]
fn a_policy_acts_alike_without_the_data_and_evaluation_teaches_nothing() {
    everywhere(|algorithm, settings, device| {
        let mut learner = build_on(algorithm, settings, 1, device, data(10, 20));
        update(learner.as_mut(), 70);
        let before = learner.save();
        let with = evaluate(learner.as_mut(), 2);
        assert!(before == learner.save(), "{}", algorithm.id);
        let mut player = build_on(algorithm, settings, 9, device, OfflineData::none(DIMS));
        player.load(&before).unwrap();
        assert_eq!(evaluate(player.as_mut(), 2), with, "{}", algorithm.id);
        for (observation, n) in [([0.3, -0.1, 1.0], 1), ([100.0, -100.0, 0.0], 2)] {
            let mut action = [f32::NAN; 2];
            player.begin_episode();
            for _ in 0..n {
                player.act(&observation, prefbench_agents::Mode::Evaluate, &mut action);
                assert!(
                    action.iter().all(|a| a.abs() <= 1.0),
                    "{}: {action:?}",
                    algorithm.id
                );
            }
        }
    });
}

/// True rewards are privileged: whoever may not read them learns the same from others.
#[test]
fn true_rewards_teach_only_those_who_may_read_them() {
    let with_rewards = |scale: f32| {
        let data = data(10, 20);
        let mut columns = data.trajectories().columns().clone();
        for (i, r) in columns.rewards.iter_mut().enumerate() {
            *r = scale * (i % 7) as f32;
        }
        let trajectories = Trajectories::try_from(columns).unwrap();
        OfflineData::new(trajectories, data.preferences().to_vec()).unwrap()
    };
    for algorithm in offline() {
        let state = |scale| {
            let settings = small(algorithm);
            let data = with_rewards(scale);
            let mut learner = build_on(algorithm, &settings, 1, Device::Flex, data);
            update(learner.as_mut(), 30);
            learner.save().to_bytes()
        };
        let privileged = algorithm.offline().unwrap().privileged;
        assert_eq!(state(1.0) != state(-1.0), privileged, "{}", algorithm.id);
        assert!(!(privileged && algorithm.taught), "{}", algorithm.id);
    }
}

#[test]
fn what_cannot_be_learnt_from_is_refused() {
    for algorithm in offline() {
        let on = |data| build_on(algorithm, &small(algorithm), 1, Device::Flex, data);
        let why = |data| on(data).update().unwrap_err().to_string();
        let nothing = why(OfflineData::none(DIMS));
        assert!(
            nothing.contains("to learn from"),
            "{}: {nothing}",
            algorithm.id
        );
        if algorithm.taught {
            let unlabelled = why(data(4, 0));
            assert!(
                unlabelled.contains("answered query"),
                "{}: {unlabelled}",
                algorithm.id
            );
        } else {
            on(data(4, 0)).update().unwrap();
        }
        let build = || Build {
            dims: Dims { obs: 4, act: 2 },
            total_steps: 300,
            seed: 1,
            device: Device::Flex,
            ticket: None,
        };
        let refused = algorithm
            .build_on(&small(algorithm), build(), data(4, 4))
            .err();
        assert!(
            matches!(refused, Some(BuildError::Sizes { .. })),
            "{}",
            algorithm.id
        );
        let refused = algorithm.build(&small(algorithm), build()).err();
        assert!(
            matches!(refused, Some(BuildError::Offline(_))),
            "{}",
            algorithm.id
        );
        let foreign = on(data(4, 4)).load(&{
            let mut state = on(data(4, 4)).save();
            state.put_algorithm("another");
            state
        });
        assert!(
            foreign.unwrap_err().to_string().contains("`another`"),
            "{}",
            algorithm.id
        );
    }
}
