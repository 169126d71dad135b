//! What every algorithm promises, on every CPU device.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Run, assert_same_state, attempt, build, devices, differences, evaluate, online};
use common::{seated, small};
use prefbench_agents::{ALGORITHMS, Algorithm, Device, Setup, State, TIERS, Ticket, Tier};
use serde_json::{Value, json};

/// Runs a check for every online algorithm and device.
fn everywhere(check: impl Fn(&'static Algorithm, &Value, Device)) {
    for algorithm in online() {
        for device in devices() {
            check(algorithm, &small(algorithm), device);
        }
    }
}

#[test]
fn actions_are_valid_and_the_budget_is_spent() {
    everywhere(|algorithm, settings, device| {
        let mut run = Run::new(build(algorithm, settings, 1, device));
        run.run_to(300);
        assert!(run.finite, "{} acted outside [-1, 1]", algorithm.id);
        assert_eq!(run.learner.trajectories().len(), 300, "{}", algorithm.id);
        let budget = run.learner.feedback_budget();
        assert_eq!(run.asked(), budget, "{}", algorithm.id);
        assert_eq!(algorithm.taught, budget > 0, "{}", algorithm.id);
        let metrics = run.learner.metrics();
        for (name, value) in &metrics {
            assert!(value.is_finite(), "{}: {name} is {value}", algorithm.id);
        }
        let measured = metrics.iter().filter(|(n, _)| n.ends_with("_held_out"));
        let due = if algorithm.taught { 2 } else { 0 };
        assert_eq!(measured.count(), due, "{}", algorithm.id);
    });
}

#[test]
fn the_state_depends_on_the_seed_alone() {
    everywhere(|algorithm, settings, device| {
        let state = |seed| {
            let mut run = Run::new(build(algorithm, settings, seed, device));
            run.run_to(150);
            run.bytes()
        };
        let what = format!("{} on {device:?}", algorithm.id);
        assert_same_state(&state(1), &state(1), &what);
        assert_ne!(state(1), state(2), "{} on {device:?}", algorithm.id);
    });
}

/// Three seeds in a stack that end at different steps, and a ticket that nobody uses: each ends as it does
/// alone. On CPU devices to the bit, since a batched product is the products of its parts there; on a GPU
/// every parameter of the policy within 1e-3 after 50 to 90 updates.
#[test]
fn a_stack_of_seeds_equals_its_seeds_alone() {
    everywhere(|algorithm, settings, device| {
        let end = |seed, ticket| {
            let learner = seated(algorithm, settings, seed, device, ticket);
            let mut run = Run::new(learner);
            run.run_to(70 + 20 * seed);
            run.bytes()
        };
        let mut tickets = Ticket::book(4);
        tickets.pop();
        let stacked: Vec<_> = std::thread::scope(|scope| {
            let run = |(seed, ticket)| scope.spawn(move || end(seed, Some(ticket)));
            let runs: Vec<_> = (0..).zip(tickets).map(run).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        for (seed, stacked) in (0..).zip(stacked) {
            let what = format!("{} on {device:?}, seed {seed}", algorithm.id);
            let alone = end(seed, None);
            if device != Device::Cuda {
                assert_same_state(&alone, &stacked, &what);
                continue;
            }
            for (name, far) in differences(&alone, &stacked) {
                let policy = name.starts_with("actor.") && !name.contains("adam");
                assert!(!policy || far < 1e-3, "{what}: {name} differs by {far:.1e}");
            }
        }
    });
}

/// Saved and loaded during warm-up, unsupervised exploration, right after either session (between
/// `teach` and `update`), and in mid-episode.
#[test]
fn a_resumed_run_ends_in_the_same_bytes() {
    everywhere(|algorithm, settings, device| {
        let mut whole = Run::new(build(algorithm, settings, 1, device));
        whole.run_to(170);
        let whole = whole.bytes();
        for interruption in [0, 7, 33, 60, 100, 128, 150] {
            let mut run = Run::new(build(algorithm, settings, 1, device));
            run.run_to(interruption);
            run.feedback();
            // Nothing may come from what a learner is built with: another seed.
            run.resume(build(algorithm, settings, 99, device));
            run.act();
            run.run_to(170);
            let id = algorithm.id;
            let what = format!("{id} on {device:?}, interrupted at step {interruption}");
            assert_same_state(&run.bytes(), &whole, &what);
        }
    });
}

#[test]
fn evaluation_teaches_nothing() {
    everywhere(|algorithm, settings, device| {
        let mut run = Run::new(build(algorithm, settings, 1, device));
        run.run_to(110);
        let before = run.learner.save();
        let first = evaluate(run.learner.as_mut(), 2);
        let after = run.learner.save();
        if algorithm.id == "random" {
            // Its evaluation draws from a stream of its own, the second.
            let streams = |s: &State| s.get_json::<Vec<Value>>("streams").unwrap();
            assert_eq!(streams(&before)[0], streams(&after)[0]);
            assert_ne!(streams(&before)[1], streams(&after)[1]);
        } else {
            assert!(before == after, "{}", algorithm.id);
            let second = evaluate(run.learner.as_mut(), 2);
            assert_eq!(first, second, "{} is not deterministic", algorithm.id);
        }
    });
}

#[test]
fn foreign_states_are_refused() {
    let state = |algorithm: &Algorithm| {
        let mut run = Run::new(build(algorithm, &small(algorithm), 1, Device::Flex));
        run.run_to(80);
        run.learner.save()
    };
    for algorithm in online() {
        let fresh = |settings: &Value| build(algorithm, settings, 1, Device::Flex);
        for other in online().filter(|o| o.id != algorithm.id) {
            let refused = fresh(&small(algorithm)).load(&state(other));
            let message = refused.unwrap_err().to_string();
            let named = [algorithm.id, other.id].map(|id| format!("`{id}`"));
            let names_both = named.iter().all(|id| message.contains(id));
            assert!(names_both, "{} in {}: {message}", other.id, algorithm.id);
        }
        let own = state(algorithm);
        for (path, tensor) in [
            ("/sac/hidden", "`actor.0.weight`"),
            ("/reward/hidden", "`reward.0.0.weight`"),
        ] {
            let mut settings = small(algorithm);
            let Some(hidden) = settings.pointer_mut(path) else {
                continue;
            };
            *hidden = json!([9, 8]);
            let message = fresh(&settings).load(&own).unwrap_err().to_string();
            assert!(message.contains(tensor), "{}: {message}", algorithm.id);
        }
        let empty = fresh(&small(algorithm)).load(&State::default());
        assert!(empty.is_err(), "{} loads an empty state", algorithm.id);
    }
}

/// Where the family and the tier do not matter.
const ANY: Setup = Setup {
    task: "any",
    family: "any",
    horizon: 1000,
    tier: Tier::Smoke,
};

#[test]
fn defaults_are_valid_for_every_family_and_tier() {
    for algorithm in ALGORITHMS {
        for family in ["gymnasium", "metaworld", "dm_control", "no such family"] {
            for &(_, tier) in TIERS {
                let setup = Setup {
                    task: "any",
                    family,
                    horizon: 1000,
                    tier,
                };
                let settings = (algorithm.defaults)(&setup);
                let what = format!("{} for {family} {tier:?}", algorithm.id);
                let steps = algorithm.offline().map_or(200_000, |o| (o.steps)(&setup));
                (algorithm.check)(&settings, &setup, steps)
                    .unwrap_or_else(|e| panic!("{what}: {e}"));
                // The full tier's networks take seconds to draw, and differ little from family to family.
                if tier != Tier::Full || family == "metaworld" {
                    attempt(algorithm, &settings, steps).unwrap_or_else(|e| panic!("{what}: {e}"));
                }
            }
        }
    }
}

/// Every number of the settings, by its path.
fn numbers(settings: &Value, path: &str, found: &mut Vec<String>) {
    match settings {
        Value::Object(map) => {
            for (key, value) in map {
                numbers(value, &format!("{path}/{key}"), found);
            }
        }
        Value::Number(_) => found.push(path.to_owned()),
        _ => {}
    }
}

#[test]
fn unknown_keys_are_refused_by_name() {
    for algorithm in ALGORITHMS {
        for path in [
            "",
            "/sac",
            "/reward",
            "/feedback",
            "/actor",
            "/critic",
            "/iql",
        ] {
            let mut settings = small(algorithm);
            let Some(map) = settings.pointer_mut(path).and_then(Value::as_object_mut) else {
                continue;
            };
            map.insert("colour".to_owned(), json!(1));
            let message = (algorithm.check)(&settings, &ANY, 300)
                .unwrap_err()
                .to_string();
            assert!(message.contains("`colour`"), "{}: {message}", algorithm.id);
        }
    }
}

#[test]
fn numbers_out_of_range_are_refused_by_name() {
    // These may be 0.
    let zero = [
        "/unsupervised_steps",
        "/reset_updates",
        "/unsupervised/steps",
        "/unsupervised/reset_updates",
        "/method/crops",
        "/method/crop",
        "/method/margin",
        "/method/least_epochs",
        "/method/warm_steps",
        "/bc_steps",
        "/warmup",
        "/average_from",
        "/replay_batch",
        "/trajectory",
    ];
    for algorithm in ALGORITHMS {
        let (settings, mut paths) = (small(algorithm), Vec::new());
        numbers(&settings, "", &mut paths);
        let refusal = |path: &str, value: Value| {
            let changed = common::with(settings.clone(), &json!({ path: value }));
            let refused = (algorithm.check)(&changed, &ANY, 300);
            let built = attempt(algorithm, &changed, 300).err();
            let Err(refused) = refused else {
                panic!("{} accepts {path}: {value}", algorithm.id);
            };
            assert_eq!(built.as_deref(), Some(refused.to_string().as_str()));
            refused.to_string()
        };
        for path in &paths {
            let key = format!("`agent.{}`", path[1..].replace('/', "."));
            if settings.pointer(path).unwrap().is_f64() {
                let below = match path.as_str() {
                    "/reward_offset" => -1e7,
                    _ => -1.0,
                };
                let message = refusal(path, json!(below));
                assert!(message.contains(&key), "{path}: {message}");
            } else {
                refusal(path, json!(-1)); // serde's message, which names no key
                if !zero.contains(&path.as_str()) {
                    let message = refusal(path, json!(0));
                    assert!(message.contains(&key), "{path}: {message}");
                }
            }
        }
        // Nothing would be learned from the reward.
        if algorithm.id.starts_with("sac") {
            let message = refusal("/seed_steps", json!(300));
            assert!(message.contains("steps`"), "{message}");
        }
        // A reference that is never learned would be a random network.
        if settings["reference"] == json!(true) {
            let message = refusal("/bc_steps", json!(0));
            assert!(message.contains("`agent.bc_steps`"), "{message}");
        }
        for (path, value, key) in [
            ("/trajectory", json!(1), "`agent.trajectory`"),
            ("/sac/hidden", json!([]), "`agent.sac.hidden"),
            ("/sac/hidden", json!([8, 0]), "`agent.sac.hidden`"),
            ("/sac/discount", json!(1.5), "`agent.sac.discount`"),
            ("/sac/tau", json!(1.5), "`agent.sac.tau`"),
            ("/reward/hidden", json!([]), "`agent.reward.hidden"),
            ("/reward/members", json!(1), "`agent.reward.members`"),
            (
                "/reward/target_accuracy",
                json!(1.5),
                "`agent.reward.target_accuracy`",
            ),
            ("/feedback/sampler", json!("unifrom"), "\"uniform\""),
        ] {
            // Only samplers that ask for disagreement need several members.
            let sampler = settings.pointer("/feedback/sampler");
            if path == "/reward/members" && sampler.is_none_or(|s| s == "uniform") {
                continue;
            }
            if settings.pointer(path).is_some() {
                let message = refusal(path, value);
                assert!(message.contains(key), "{path}: {message}");
            }
        }
    }
}
