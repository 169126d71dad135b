//! The promises of `VecEnv`, over every registered task.

use prefbench_envs::{End, Env, EnvError, TASKS, VecEnv, VecError, find};

const COPIES: usize = 3;
/// Steps of an episode here: what a vector does at its end does not hang on when that is.
const HORIZON: u32 = 60;

/// Actions that are the same on every machine: a 64-bit linear congruential generator.
fn fill(state: &mut u64, actions: &mut [f32]) {
    for a in actions {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *a = (*state >> 40) as f32 / (1 << 23) as f32 - 1.0;
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// One, two and three threads, and single environments stepped by hand, agree on every buffer in
/// every step, across the ends of episodes.
#[test]
fn every_bit_is_a_single_environments() {
    for task in TASKS.iter().map(|task| task.with_horizon(HORIZON)) {
        let dim = (task.spec.obs_dim(), task.spec.action_dim());
        let mut vecs = [1, 2, 3].map(|threads| {
            VecEnv::new(&task, COPIES, threads, 7).unwrap_or_else(|e| panic!("{e}"))
        });
        let mut singles: Vec<Box<dyn Env>> =
            (0..COPIES).map(|_| task.make().expect("make")).collect();
        let (mut obs, mut next_obs) = (vec![0.0; COPIES * dim.0], vec![0.0; COPIES * dim.0]);
        let rows = obs.chunks_exact_mut(dim.0);
        for ((copy, env), obs) in singles.iter_mut().enumerate().zip(rows) {
            let id = vecs[0].episode(copy).expect("id");
            assert_eq!((id.seed, id.copy, id.episode), (7, copy as u64, 0));
            env.reset(id.env_seed(), obs).expect("reset");
        }
        let mut id = [0, 1, 2].map(|copy| vecs[0].episode(copy).expect("id"));
        let (mut state, mut actions) = (3, vec![0.0; COPIES * dim.1]);
        for t in 0..task.spec.horizon + 20 {
            assert_eq!(bits(vecs[0].obs()), bits(&obs), "{} step {t}", task.id);
            fill(&mut state, &mut actions);
            let mut steps = vec![];
            for (copy, env) in singles.iter_mut().enumerate() {
                let row = copy * dim.0..(copy + 1) * dim.0;
                let action = &actions[copy * dim.1..(copy + 1) * dim.1];
                let step = env
                    .step(action, &mut next_obs[row.clone()])
                    .unwrap_or_else(|e| panic!("{e}"));
                obs[row.clone()].copy_from_slice(&next_obs[row.clone()]);
                if step.end != End::No {
                    id[copy].episode += 1;
                    env.reset(id[copy].env_seed(), &mut obs[row])
                        .expect("reset");
                }
                steps.push(step);
            }
            for (vec, threads) in vecs.iter_mut().zip(1..) {
                vec.actions_mut().copy_from_slice(&actions);
                vec.step().unwrap_or_else(|e| panic!("{e}"));
                let at = format!("{} step {t}, {threads} threads", task.id);
                assert_eq!(bits(vec.obs()), bits(&obs), "{at}");
                assert_eq!(bits(vec.next_obs()), bits(&next_obs), "{at}");
                for (copy, step) in steps.iter().enumerate() {
                    assert_eq!(vec.reward()[copy].to_bits(), step.reward.to_bits(), "{at}");
                    assert_eq!(vec.success()[copy], step.success, "{at}");
                    assert_eq!(vec.end()[copy], step.end, "{at}");
                    assert_eq!(vec.episode(copy), Ok(id[copy]), "{at}");
                }
            }
        }
        assert!(id.iter().all(|id| id.episode > 0), "{}", task.id);
    }
}

#[test]
fn a_bad_action_is_refused_before_any_copy_steps() {
    for task in TASKS {
        let mut envs = VecEnv::new(task, COPIES, 2, 1).expect("make");
        let before: Vec<_> = (0..COPIES).map(|c| envs.snapshot(c)).collect();
        for bad in [f32::NAN, f32::INFINITY] {
            let last = envs.actions_mut().len() - 1;
            envs.actions_mut()[last] = bad;
            let error = envs.step().expect_err("refused");
            assert_eq!(envs.failures().len(), 1);
            let VecError::Env { copy, error } = error else {
                panic!("{error}")
            };
            assert_eq!(copy, COPIES - 1);
            assert!(
                matches!(error, EnvError::ActionNotFinite { index, .. }
                    if index == task.spec.action_dim() - 1),
                "{error}"
            );
        }
        let after: Vec<_> = (0..COPIES).map(|c| envs.snapshot(c)).collect();
        assert_eq!(before, after, "{}", task.id);
        envs.actions_mut().fill(0.0);
        envs.step().expect("still usable");
        assert_eq!(envs.failures(), []);
    }
}

#[test]
fn seeds_copies_and_episodes_differ_and_repeat() {
    for task in TASKS {
        let mut envs = VecEnv::new(task, COPIES, 2, 1).expect("make");
        let first = envs.obs().to_vec();
        let rows: Vec<_> = first.chunks(task.spec.obs_dim()).collect();
        assert!(rows[0] != rows[1] && rows[1] != rows[2] && rows[0] != rows[2]);
        envs.step().expect("step");
        envs.reset(2).expect("reset");
        assert_ne!(envs.obs(), first, "{}", task.id);
        envs.reset(1).expect("reset");
        assert_eq!(bits(envs.obs()), bits(&first), "{}", task.id);
    }
    // Published: results depend on it.
    let id = prefbench_envs::EpisodeId {
        seed: 1,
        copy: 2,
        episode: 3,
    };
    assert_eq!(id.env_seed(), 4_163_513_704_854_067_712);
}

/// A copy's episode continues in another place of another vector, and so do those after it.
#[test]
fn a_copy_can_move() {
    for task in TASKS.iter().map(|task| task.with_horizon(HORIZON)) {
        let (dim, mut state) = (task.spec.obs_dim(), 5);
        let mut from = VecEnv::new(&task, COPIES, 2, 1).expect("make");
        for _ in 0..20 {
            fill(&mut state, from.actions_mut());
            from.step().expect("step");
        }
        let (id, snapshot) = (
            from.episode(2).expect("id"),
            from.snapshot(2).expect("snapshot"),
        );
        let mut to = VecEnv::new(&task, 1, 1, 99).expect("make");
        to.restore(0, id, &snapshot).expect("restore");
        assert_eq!(bits(to.obs()), bits(&from.obs()[2 * dim..]), "{}", task.id);
        for _ in 0..task.spec.horizon {
            fill(&mut state, from.actions_mut());
            let action = from.actions_mut()[2 * task.spec.action_dim()..].to_vec();
            to.actions_mut().copy_from_slice(&action);
            from.step().expect("step");
            to.step().expect("step");
            assert_eq!(bits(to.obs()), bits(&from.obs()[2 * dim..]), "{}", task.id);
        }
        assert_eq!(to.episode(0), from.episode(2));
        assert!(to.episode(0).expect("id").episode > id.episode);
    }
}

#[test]
fn misuse_is_refused() {
    let task = find("reach").expect("reach");
    for (copies, threads, what) in [(0, 1, "copies"), (1, 0, "threads")] {
        let error = VecEnv::new(task, copies, threads, 0).err();
        assert_eq!(error, Some(VecError::Zero { what }));
    }
    let mut envs = VecEnv::new(task, 2, 9, 0).expect("more threads than copies");
    let missing = VecError::NoCopy { copy: 2, last: 1 };
    assert_eq!(envs.snapshot(2), Err(missing.clone()));
    let (id, snapshot) = (
        envs.episode(1).expect("id"),
        envs.snapshot(1).expect("snapshot"),
    );
    assert_eq!(envs.restore(2, id, &snapshot), Err(missing));
    let damaged = prefbench_envs::Snapshot::from_bytes(snapshot.as_bytes()[1..].to_vec());
    let error = envs.restore(1, id, &damaged).expect_err("refused");
    assert!(matches!(error, VecError::Env { copy: 1, .. }), "{error}");
    assert_eq!(envs.snapshot(1), Ok(snapshot));
    envs.step().expect("step");
}

#[test]
fn it_moves_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<VecEnv>();
}
