//! How the learners behave: they learn, and they ask when, what and as much as documented.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Always, DIMS, Point, Run, build, evaluate, find, pebble, recent_return, small, with};
use prefbench_agents::replay::Replay;
use prefbench_agents::{Device, Online, State, Transition};
use prefbench_oracles::{Ending, Label, NoScores, Pair, Pool, QuerySampler, Stream, Uniform};
use serde_json::{Value, json};

fn stream(state: &State, name: &str) -> Stream {
    let streams: Value = state.get_json("streams").unwrap();
    serde_json::from_value(streams[name].clone()).unwrap()
}

fn rewards(run: &Run) -> Vec<f32> {
    run.learner.save().get_flat("replay.rewards").unwrap()
}

/// Settings that learn the point task in seconds.
fn quick() -> Value {
    json!({
        "/seed_steps": 200,
        "/unsupervised_steps": 200,
        "/reset_updates": 50,
        "/sac/hidden": [32, 32],
        "/sac/batch": 64,
        "/sac/actor_lr": 1e-3,
        "/sac/critic_lr": 1e-3,
        "/sac/alpha_lr": 1e-3,
        "/sac/tau": 0.02,
        "/sac/target_update_every": 1,
        "/sac/discount": 0.9,
        "/reward/hidden": [32, 32],
        "/reward/members": 3,
        "/reward/lr": 2e-3,
        "/reward/batch": 32,
        "/reward/epochs": 30,
        "/feedback/budget": 120,
        "/feedback/per_session": 40,
        "/feedback/every": 200,
    })
}

/// Random actions give about −30, and the best policy about −4.5.
#[test]
fn sac_and_pebble_learn() {
    for (id, steps) in [("sac", 900), ("pebble", 1500)] {
        let algorithm = find(id);
        let settings = with(small(algorithm), &quick());
        let mut run = Run::new(build(algorithm, &settings, 1, Device::Flex));
        run.run_to(180);
        let random = recent_return(run.learner.trajectories(), 5);
        run.run_to(steps);
        let learnt = evaluate(run.learner.as_mut(), 10);
        println!("{id}: random {random:.1}, learnt {learnt:.1}");
        for (name, least) in [
            ("reward.accuracy_held_out", 0.8),
            ("reward.rank_correlation_held_out", 0.7),
        ] {
            let metrics = run.learner.metrics();
            if let Some((_, value)) = metrics.iter().find(|m| m.0 == name) {
                println!("{name}: {value:.2}");
                assert!(*value > least, "{name} is {value}");
            }
        }
        assert!(random < -20.0, "{id}: random actions give {random}");
        assert!(
            learnt > -9.0,
            "{id}: {learnt} where random actions give {random}"
        );
    }
}

/// A preference-based learner must not see the true reward: only the labels may carry it.
#[test]
fn pebble_does_not_read_the_true_reward() {
    let run = |scale: f32| {
        let env = Point::new(3, &[30]).scaled(scale);
        let mut run = Run::on(env, pebble(&json!({})));
        run.run_to(200);
        let state = run.learner.save();
        ["actor.1.weight", "critic.0.1.weight", "replay.rewards"]
            .map(|t| state.get_flat(t).unwrap())
    };
    // A power of two keeps the order of returns, so the labels, to the bit.
    assert_eq!(run(1.0), run(4.0));
}

#[test]
fn only_termination_cuts_the_bootstrap() {
    let mut replay = Replay::new(DIMS);
    for ending in [Ending::Truncated, Ending::Terminated] {
        replay.begin(&[0.0; 3]).unwrap();
        for i in 0..3 {
            let transition = Transition {
                action: &[0.0; 2],
                reward: 0.0,
                next_observation: &[i as f32; 3],
                end: (i == 2).then_some(ending),
            };
            replay.push(transition, i as f32).unwrap();
        }
    }
    replay.begin(&[9.0; 3]).unwrap();
    let batch = replay.gather(&[0, 1, 2, 3, 4, 5]);
    assert_eq!(batch.bootstrap, [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    assert_eq!(batch.reward, [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
    // An episode's last transition leads to its own last observation, not to the next episode's.
    assert_eq!(batch.next_observation[2 * 3..3 * 3], [2.0; 3]);
    assert_eq!(batch.observation[3 * 3..4 * 3], [0.0; 3]);
}

#[test]
fn sessions_come_when_due_and_never_exceed_the_budget() {
    for budget in [1, 12, 30, 40, 1000] {
        let mut run = Run::new(pebble(&json!({ "/feedback/budget": budget })));
        run.run_to(300);
        let sizes: Vec<(u64, usize)> = run
            .sessions
            .iter()
            .map(|s| (s.step, s.answers.len()))
            .collect();
        let mut left = budget;
        let mut expected = Vec::new();
        for step in (60..300).step_by(40) {
            if left > 0 {
                expected.push((step, left.min(12)));
            }
            left -= left.min(12);
        }
        assert_eq!(sizes, expected, "budget {budget}");
        assert_eq!(run.learner.feedback_budget(), budget as u64);
    }
}

#[test]
fn schedules_change_the_sizes_of_sessions() {
    // T = 300, sessions at t = 60, 100, .. 260: ⌊20 (T−t)/T⌋ and ⌊20 T/(T−t+1)⌋.
    for (schedule, sizes) in [
        ("uniform", [20, 20, 20, 20, 20, 20]),
        ("decay", [16, 13, 10, 8, 5, 2]),
        ("increase", [24, 29, 37, 49, 74, 146]),
    ] {
        let changes = json!({
            "/feedback/budget": 1000,
            "/feedback/per_session": 20,
            "/feedback/schedule": schedule,
        });
        let mut run = Run::new(pebble(&changes));
        run.run_to(300);
        let asked: Vec<usize> = run.sessions.iter().map(|s| s.answers.len()).collect();
        assert_eq!(asked, sizes, "{schedule}");
    }
}

#[test]
fn the_first_session_is_uniform_and_later_ones_use_the_sampler() {
    for sampler in ["uniform", "disagreement"] {
        let mut run = Run::new(pebble(&json!({ "/feedback/sampler": sampler })));
        for (session, step) in [(0, 60), (1, 100)] {
            run.run_to(step);
            let mut rng = stream(&run.learner.save(), "query");
            let trajectories = run.learner.trajectories();
            let pool = Pool::recent(trajectories, 20, &[]);
            let drawn = Uniform
                .select(&pool, 5, 12, &mut NoScores, &mut rng)
                .unwrap();
            run.feedback();
            let asked: Vec<Pair> = run.sessions[session].answers.iter().map(|a| a.0).collect();
            let uniform = session == 0 || sampler == "uniform";
            assert_eq!(asked == drawn, uniform, "{sampler}, session {session}");
        }
    }
}

#[test]
fn the_first_session_alone_resets_the_critics_and_keeps_the_actor() {
    let mut run = Run::new(pebble(&json!({ "/reset_updates": 0 })));
    for (step, resets) in [(60, true), (100, false)] {
        run.run_to(step);
        let before = run.learner.save();
        run.feedback();
        assert!(!run.sessions.is_empty());
        let after = run.learner.save();
        let kept = |name: &str| before.get_flat(name).unwrap() == after.get_flat(name).unwrap();
        for (i, name) in ["0.weight", "0.bias", "1.weight"].iter().enumerate() {
            assert!(kept(&format!("actor.{name}")), "actor at {step}");
            assert!(kept(&format!("actor.adam.{i}.m")), "actor's Adam at {step}");
        }
        assert!(
            kept("log_alpha") && kept("alpha.adam.0.m"),
            "temperature at {step}"
        );
        for twin in 0..2 {
            for layer in 0..3 {
                let name = format!("{twin}.{layer}.weight");
                let critic = format!("critic.{name}");
                assert_eq!(!kept(&critic), resets, "{critic} at {step}");
                let [online, target] =
                    ["critic", "target"].map(|n| after.get_flat(&format!("{n}.{name}")).unwrap());
                assert_eq!(online == target, resets, "target of {critic} at {step}");
            }
        }
        let steps: u32 = after.get_json("critic.adam.steps").unwrap();
        assert_eq!(steps == 0, resets, "critics' Adam at {step}");
    }
}

/// The fresh critics are trained at once.
#[test]
fn the_reset_is_followed_by_its_updates() {
    let mut run = Run::new(pebble(&json!({ "/reset_updates": 7 })));
    run.run_to(60);
    assert_eq!(count(&run, "sac.updates"), 40);
    run.feedback();
    assert_eq!(count(&run, "sac.updates"), 47);
    assert_eq!(count(&run, "critic.adam.steps"), 7);
    assert_eq!(count(&run, "actor.adam.steps"), 47);
}

#[test]
fn relabelling_rewrites_every_reward() {
    let mut run = Run::new(pebble(&json!({})));
    for step in [60, 100, 140] {
        run.run_to(step);
        let before = rewards(&run);
        run.feedback();
        let after = rewards(&run);
        assert_eq!(after.len(), step as usize);
        let rewritten = before.iter().zip(&after).all(|(b, a)| b != a);
        assert!(rewritten, "at {step}");
        assert!(after.iter().all(|r| r.abs() < 1.0), "at {step}");
    }
    // A new transition gets the reward that relabelling would give it.
    run.run_to(170);
    let stored = rewards(&run);
    let mut relabelled = pebble(&json!({ "/reward/epochs": 1, "/reward/lr": 1e-30 }));
    relabelled.load(&run.learner.save()).unwrap();
    relabelled.teach(&[]).unwrap();
    let relabelled = relabelled.save().get_flat("replay.rewards").unwrap();
    for (stored, relabelled) in stored.iter().zip(relabelled) {
        assert!((stored - relabelled).abs() < 1e-5, "{stored} {relabelled}");
    }
}

#[test]
fn a_teacher_that_skips_everything_leaves_the_reward_untrained() {
    let mut run = Run::new(pebble(&json!({})));
    run.teacher = Box::new(Always(None));
    let fresh = run.learner.save();
    run.run_to(300);
    assert_eq!(run.asked(), 40, "skipped queries are spent");
    let state = run.learner.save();
    for member in 0..2 {
        for layer in 0..3 {
            let name = format!("reward.{member}.{layer}.weight");
            assert_eq!(
                fresh.get_flat(&name).unwrap(),
                state.get_flat(&name).unwrap()
            );
        }
    }
    assert_eq!(state.get_json::<u32>("reward.adam.steps").unwrap(), 0);
    // One reward function for the whole memory, even if an untrained one.
    let stored = rewards(&run);
    assert!(stored.iter().all(|&r| r != 0.0), "{stored:?}");
}

#[test]
fn a_session_waits_for_an_episode_long_enough() {
    // Never: the learner goes on exploring.
    let mut run = Run::new(pebble(&json!({ "/feedback/segment": 31 })));
    run.run_to(200);
    assert!(run.sessions.is_empty());
    assert!(run.finite);

    // Episodes of 10 steps until the eighth, of 30, is complete at step 100.
    let lengths = &[10, 10, 10, 10, 10, 10, 10, 30];
    let learner = pebble(&json!({ "/feedback/segment": 25 }));
    let mut run = Run::on(Point::new(3, lengths), learner);
    run.run_to(150);
    let steps: Vec<u64> = run.sessions.iter().map(|s| s.step).collect();
    assert_eq!(steps, [100, 140]);
    for session in &run.sessions {
        for (pair, _) in &session.answers {
            assert_eq!((pair.left.trajectory, pair.right.trajectory), (7, 7));
            assert_eq!((pair.left.len, pair.right.len), (25, 25));
        }
    }
}

/// During unsupervised exploration the critics learn from the novelty of states alone.
#[test]
fn exploration_ignores_rewards_until_the_first_session() {
    let mut run = Run::new(pebble(&json!({})));
    run.run_to(20);
    let seeded = run.learner.save();
    run.run_to(59);
    let state = run.learner.save();
    assert!(rewards(&run).iter().all(|&r| r == 0.0));
    let count = |s: &State| {
        let scale: Value = s.get_json("entropy.scale").unwrap();
        f64::from_bits(scale["count"].as_u64().unwrap())
    };
    assert_eq!(count(&seeded), 1e-4);
    // 39 updates of 16 rows each.
    let seen = count(&state);
    assert!((seen - 39.0 * 16.0).abs() < 0.01, "{seen}");
}

/// With no strict label there is no accuracy, and a checkpoint must bear that.
#[test]
fn a_teacher_that_calls_everything_equal_can_be_resumed() {
    let mut run = Run::new(pebble(&json!({})));
    run.teacher = Box::new(Always(Some(Label::Equal)));
    run.run_to(90);
    let metrics = run.learner.metrics();
    assert!(metrics.iter().any(|m| m.0 == "reward.loss"));
    assert!(metrics.iter().all(|m| m.0 != "reward.accuracy"));
    let before = run.bytes();
    run.resume(pebble(&json!({})));
    assert_eq!(run.bytes(), before);
}

fn method(id: &str, changes: &Value) -> Box<dyn Online> {
    let algorithm = find(id);
    let settings = with(small(algorithm), changes);
    build(algorithm, &settings, 1, Device::Flex)
}

fn count(run: &Run, name: &str) -> u32 {
    run.learner.save().get_json(name).unwrap()
}

#[test]
fn sac_unsupervised_sees_no_reward_until_it_has_explored() {
    let critic = |scale: f32, steps| {
        let env = Point::new(3, &[30]).scaled(scale);
        let mut run = Run::on(env, method("sac-unsupervised", &json!({})));
        run.run_to(steps);
        // 40 steps of exploration after 20 random ones, then 5 updates of fresh critics.
        let due = if steps > 60 {
            steps - 60 + 5
        } else {
            steps - 20
        };
        assert_eq!(count(&run, "critic.adam.steps"), due as u32);
        run.learner.save().get_flat("critic.0.1.weight").unwrap()
    };
    assert_eq!(critic(1.0, 60), critic(4.0, 60));
    assert_ne!(critic(1.0, 62), critic(4.0, 62));
}

#[test]
fn mrn_takes_its_meta_steps_between_sessions_while_queries_remain() {
    let mut run = Run::new(method("mrn", &json!({})));
    run.run_to(60);
    run.feedback();
    let (steps, before) = (count(&run, "reward.adam.steps"), rewards(&run));
    run.run_to(100);
    // At steps 65, 70, .. 95; each relabels everything.
    assert_eq!(count(&run, "reward.adam.steps"), steps + 7);
    let after = rewards(&run);
    assert!(before.iter().zip(&after).all(|(b, a)| b != a));
    // The last session is at step 180.
    run.run_to(181);
    assert_eq!(run.asked(), 40);
    let steps = count(&run, "reward.adam.steps");
    run.run_to(250);
    assert_eq!(count(&run, "reward.adam.steps"), steps);
}

#[test]
fn rime_warms_its_reward_up_and_keeps_its_critics() {
    let changes = json!({ "/reset_updates": 0, "/reward/epochs": 1 });
    let mut run = Run::new(method("rime", &changes));
    run.run_to(60);
    // Five steps for each update of exploration.
    assert_eq!(count(&run, "reward.adam.steps"), 5 * 40);
    let before = run.learner.save();
    run.feedback();
    let after = run.learner.save();
    for name in [
        "critic.0.1.weight",
        "target.1.0.bias",
        "critic.adam.0.m",
        // The learning rate rises from 0: the first pass over the labels moves nothing.
        "reward.0.1.weight",
    ] {
        assert_eq!(
            before.get_flat(name).unwrap(),
            after.get_flat(name).unwrap()
        );
    }
    let share = |name| run.learner.metrics().into_iter().find(|m| m.0 == name);
    assert_eq!(share("rime.trusted"), Some(("rime.trusted", 1.0)));
    assert_eq!(share("rime.flipped"), Some(("rime.flipped", 0.0)));
}
