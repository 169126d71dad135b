//! How hard `reach` is: a plain controller solves it, chance does not.

use prefbench_envs::{End, find};
use std::ops::ControlFlow::{self, Break, Continue};

/// Share of `episodes` in which the success condition held at any step, and the last reward's mean.
fn success(episodes: u64, mut policy: impl FnMut(&[f32], &mut [f32])) -> (f64, f64) {
    let task = find("reach").expect("reach");
    let mut env = task.make().expect("make");
    let (mut obs, mut action) = (
        vec![0.0; task.spec.obs_dim()],
        vec![0.0; task.spec.action_dim()],
    );
    let (mut successes, mut last) = (0, 0.0);
    for seed in 0..episodes {
        env.reset(seed, &mut obs).expect("reset");
        let mut any = false;
        let mut step = || -> ControlFlow<f32> {
            policy(&obs, &mut action);
            let step = env.step(&action, &mut obs).expect("step");
            any |= step.success;
            if step.end == End::No {
                Continue(())
            } else {
                Break(step.reward)
            }
        };
        let reward = loop {
            if let Break(reward) = step() {
                break reward;
            }
        };
        successes += u32::from(any);
        last += f64::from(reward) / episodes as f64;
    }
    (f64::from(successes) / episodes as f64, last)
}

#[test]
fn a_proportional_controller_succeeds() {
    let (share, last) = success(100, |obs, action| {
        for i in 0..3 {
            action[i] = 5.0 * (obs[7 + i] - obs[i]);
        }
    });
    println!("proportional controller: {share}, last reward {last}");
    assert!(share > 0.95, "success {share}");
    assert!(
        last > 9.9,
        "it stays at the goal, yet the last reward averages {last}"
    );
}

#[test]
fn chance_seldom_succeeds() {
    let mut state = 1_u64;
    let (share, last) = success(200, |_, action| {
        for a in action {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *a = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
        }
    });
    println!("uniform actions: {share}, last reward {last}");
    assert!(share < 0.2, "success {share}");
}
