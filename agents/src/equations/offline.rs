//! The offline learners against `tests/fixtures/generate_offline.py`.

use prefbench_oracles::{Ending, Label, Pair, Preference, Segment, Trajectories};
use serde_json::json;

use super::*;
use crate::algorithm::{Build, OfflineConfig};
use crate::learner::Learner;
use crate::offline::OfflineData;
use crate::offline::actor::{Actor, ActorConfig};
use crate::offline::bc::{Bc, BcConfig};
use crate::offline::cpl::CplConfig;
use crate::offline::critics::CriticConfig;
use crate::offline::ipl::{Ipl, IplConfig, Transitions};
use crate::offline::iql::{Iql, IqlConfig};
use crate::offline::sft::SftConfig;
use crate::offline::shared::{Memory, rows};
use crate::replay::Batch;
use crate::{Device, Setup, Tier};

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../tests/fixtures/offline.json")).unwrap()
}

const SETUP: Setup = Setup {
    task: "any",
    family: "gymnasium",
    horizon: 1000,
    tier: Tier::Full,
};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn actor_config(f: &Value) -> ActorConfig {
    ActorConfig {
        hidden: indices(&f["hidden"]),
        init: Init::Uniform,
        dropout: 0.0,
        lr: number(&f["actor_lr"]),
    }
}

fn critic_config(f: &Value) -> CriticConfig {
    CriticConfig {
        hidden: indices(&f["hidden"]),
        init: Init::Uniform,
        lr: number(&f["critic_lr"]),
        target_rate: number(&f["target_rate"]),
    }
}

/// Puts a snapshot's tensors over those of a state.
fn put(state: &mut State, snapshot: &Value) {
    for (name, tensor) in snapshot.as_object().unwrap() {
        state.put_column(name, &indices(&tensor["shape"]), &f32s(&tensor["values"]));
    }
}

/// Compares the changes of a snapshot's tensors since the initial one.
#[track_caller]
fn same(what: &str, state: &State, initial: &Value, after: &Value) {
    for (name, tensor) in after.as_object().unwrap() {
        let change = |values: &[f64]| -> Vec<f64> {
            let from = f64s(&initial[name]["values"]);
            values.iter().zip(from).map(|(v, f)| v - f).collect()
        };
        let ours = wide(&state.get_column(name, &indices(&tensor["shape"])).unwrap());
        let theirs = f64s(&tensor["values"]);
        // What Adam moves by less than a step of single precision cannot be told from no change.
        close(&format!("{what}: {name}"), &change(&ours), &change(&theirs));
    }
}

#[track_caller]
fn same_losses(what: &str, metrics: &[(&str, f64)], theirs: &Value) {
    for ((name, ours), theirs) in metrics.iter().zip(f64s(theirs)) {
        close(&format!("{what}: {name}"), &[*ours], &[theirs]);
    }
}

fn build(dims: Dims) -> Build {
    Build {
        dims,
        total_steps: 100,
        seed: 1,
        device: Device::Flex,
        ticket: None,
    }
}

/// Episodes whose transitions are given; what follows an episode's last is not known.
fn episodes(lengths: &[usize], states: &[f32], actions: &[f32], rewards: &[f32]) -> Trajectories {
    let (total, lengths) = (lengths.iter().sum::<usize>(), lengths.to_vec());
    let (obs, act) = (states.len() / total, actions.len() / total);
    let mut t = Trajectories::new(obs, act);
    let mut i = 0;
    for len in lengths {
        t.begin(&states[i * obs..(i + 1) * obs]).unwrap();
        for step in 0..len {
            let next = if step + 1 < len { i + 1 } else { i };
            let next = &states[next * obs..(next + 1) * obs];
            let action = &actions[i * act..(i + 1) * act];
            t.push(action, rewards[i], next).unwrap();
            i += 1;
        }
        t.finish(Ending::Cut).unwrap();
    }
    t
}

/// The segments and answers of a fixture of CPL's.
fn answered(f: &Value) -> OfflineData {
    let (count, len) = (f["segments"].as_u64().unwrap() as usize, &f["len"]);
    let len = len.as_u64().unwrap() as usize;
    let rewards = vec![0.0; count * len];
    let t = episodes(
        &vec![len; count],
        &f32s(&f["state"]),
        &f32s(&f["action"]),
        &rewards,
    );
    let side = |k: &Value| Segment {
        trajectory: k.as_u64().unwrap() as u32,
        start: 0,
        len: len as u32,
    };
    let answer = |a: &Value| Preference {
        pair: Pair {
            left: side(&a[0]),
            right: side(&a[1]),
        },
        label: match number(&a[2]) {
            0.0 => Label::Left,
            1.0 => Label::Right,
            _ => Label::Equal,
        },
    };
    let answers = f["answers"].as_array().unwrap().iter().map(answer);
    OfflineData::new(t, answers.collect()).unwrap()
}

/// Runs a learner from a fixture's initial state, and compares it after each step.
fn follow(
    what: &str,
    learner: &mut dyn Learner,
    f: &Value,
    mut step: impl FnMut(&mut dyn Learner),
) {
    let mut state = learner.save();
    put(&mut state, &f["initial"]);
    learner.load(&state).unwrap();
    for (i, expected) in f["steps"].as_array().unwrap().iter().enumerate() {
        step(learner);
        let what = format!("{what}, step {i}");
        same_losses(&what, &learner.metrics(), &expected["losses"]);
        same(&what, &learner.save(), &f["initial"], &expected["after"]);
    }
}

pub(super) fn contrastive<A: Compute>() {
    let f = fixture();
    for name in ["cpl", "cpl-bc", "cpl-kl", "cpl by score"] {
        let (of, data) = (&f[name], answered(&f[name]));
        let c = &of["config"];
        let mut settings = serde_json::to_value(CplConfig::defaults(&SETUP)).unwrap();
        for (ours, theirs) in [
            ("alpha", "alpha"),
            ("lambda", "bias"),
            ("bc", "bc"),
            ("rate", "rate"),
            ("bc_steps", "bc_steps"),
            ("warmup", "warmup"),
            ("reference", "reference"),
        ] {
            settings[ours] = c[theirs].clone();
        }
        settings["batch"] = json!(100);
        settings["pairing"] = json!(if name == "cpl by score" {
            "score"
        } else {
            "comparison"
        });
        settings["actor"] = serde_json::to_value(actor_config(&f)).unwrap();
        let config: CplConfig = serde_json::from_value(settings).unwrap();
        let dims = data.dims();
        let learner = config.learner::<A>("cpl", build(dims), data, A::Device::default());
        follow(name, learner.unwrap().as_mut(), of, |l| l.update().unwrap());
    }
}

pub(super) fn preferred_segments<A: Compute>() {
    let f = fixture();
    let data = answered(&f["sft"]);
    let config = SftConfig {
        actor: actor_config(&f),
        batch: 100,
        bc_steps: f["sft"]["config"]["bc_steps"].as_u64().unwrap(),
        scale_observations: false,
    };
    let b = build(data.dims());
    let learner = config.learner::<A>("sft", b, data, A::Device::default());
    follow("sft", learner.unwrap().as_mut(), &f["sft"], |l| {
        l.update().unwrap()
    });
}

pub(super) fn cloning<A: Compute>() {
    let f = fixture();
    let of = &f["bc"];
    let (states, actions) = (f32s(&of["batch"]["state"]), f32s(&of["batch"]["action"]));
    let count = states.len() / DIMS.obs;
    let t = episodes(&[count], &states, &actions, &vec![0.0; count]);
    let data = OfflineData::new(t, Vec::new()).unwrap();
    let config = BcConfig {
        actor: actor_config(&f),
        ..BcConfig::defaults(&SETUP)
    };
    let mut bc = Bc::<A>::new("bc", config, 1, data, A::Device::default());
    for (part, width) in [("mean", DIMS.obs), ("std", DIMS.obs)] {
        let ours = bc
            .save()
            .get_column(&format!("scale.{part}"), &[width])
            .unwrap();
        close(part, &wide(&ours), &f64s(&of[part]));
    }
    let mut state = bc.save();
    put(&mut state, &of["initial"]);
    bc.load(&state).unwrap();
    for (i, expected) in of["steps"].as_array().unwrap().iter().enumerate() {
        bc.learn(&(0..count).collect::<Vec<_>>());
        same_losses(&format!("bc, step {i}"), &bc.metrics(), &expected["losses"]);
        same(
            &format!("bc, step {i}"),
            &bc.save(),
            &of["initial"],
            &expected["after"],
        );
    }
}

pub(super) fn implicit_q<A: Compute>() {
    let f = fixture();
    let of = &f["iql"];
    let config = IqlConfig {
        discount: number(&f["discount"]),
        expectile: number(&of["config"]["expectile"]),
        beta: number(&of["config"]["beta"]),
        ..IqlConfig::defaults(&SETUP)
    };
    let networks = (&actor_config(&f), &critic_config(&f));
    let rng = &mut Stream::new(1, "init");
    let total = of["config"]["total"].as_u64().unwrap();
    let mut iql = Iql::<A>::new(config, networks, DIMS, total, rng, A::Device::default());
    let saved = |iql: &Iql<A>| {
        let mut state = State::default();
        iql.save(&mut state);
        state
    };
    let mut state = saved(&iql);
    put(&mut state, &of["initial"]);
    iql.load(&state).unwrap();
    for (i, step) in of["steps"].as_array().unwrap().iter().enumerate() {
        let b = &step["batch"];
        let (state, action) = (f32s(&b["state"]), f32s(&b["action"]));
        let both = state.chunks(DIMS.obs).zip(action.chunks(DIMS.act));
        let batch = Batch {
            index: Vec::new(),
            observation_action: both.flat_map(|(s, a)| [s, a].concat()).collect(),
            observation: state.clone(),
            next_observation: f32s(&b["next_state"]),
            reward: f32s(&b["reward"]),
            bootstrap: f32s(&b["bootstrap"]),
        };
        iql.update(batch, rng);
        let what = format!("iql, step {i}");
        same_losses(&what, &iql.metrics(), &step["losses"]);
        same(&what, &saved(&iql), &of["initial"], &step["after"]);
    }
}

pub(super) fn inverse_preferences<A: Compute>() {
    let f = fixture();
    for name in ["ipl", "ipl without dataset", "ipl-awac"] {
        let (of, device) = (&f[name], A::Device::default());
        let c = &of["config"];
        let awac = name == "ipl-awac";
        let defaults = match awac {
            true => IplConfig::awac(&SETUP),
            false => IplConfig::defaults(&SETUP),
        };
        let config = IplConfig {
            actor: actor_config(&f),
            critic: critic_config(&f),
            discount: number(&f["discount"]),
            chi: number(&c["chi"]),
            expectile: (!awac).then(|| number(&c["expectile"])),
            beta: number(&c["beta"]),
            clip_value: c["clip"].as_bool().unwrap(),
            ..defaults
        };
        let data = OfflineData::none(DIMS);
        let mut ipl = Ipl::<A>::new("ipl", config, build(DIMS), data, device.clone());
        let mut state = ipl.save();
        put(&mut state, &of["initial"]);
        ipl.load(&state).unwrap();
        for (i, step) in of["steps"].as_array().unwrap().iter().enumerate() {
            let b = &step["batch"];
            let column = |key: &str, width| rows(f32s(&b[key]), width, &device);
            let transitions = Transitions::<A> {
                state: column("state", DIMS.obs),
                action: column("action", DIMS.act),
                next_state: column("next_state", DIMS.obs),
                bootstrap: column("bootstrap", 1),
                y: column("y", 1),
                pairs: c["pairs"].as_u64().unwrap() as usize,
                len: c["len"].as_u64().unwrap() as usize,
            };
            ipl.learn(&transitions, [0, 1].map(|k: usize| f32s(&step["noise"][k])));
            let what = format!("{name}, step {i}");
            same_losses(&what, &ipl.metrics(), &step["losses"]);
            same(&what, &ipl.save(), &of["initial"], &step["after"]);
        }
    }
}

#[test]
fn learned_rewards_are_scaled_by_the_range_of_their_returns() {
    let f = fixture();
    let of = &f["scaled_rewards"];
    let (lengths, rewards) = (indices(&of["lengths"]), f32s(&of["rewards"]));
    let t = episodes(&lengths, &rewards, &rewards, &rewards);
    let data = OfflineData::new(t, Vec::new()).unwrap();
    let mut memory = Memory::new(&data, false);
    memory.scale_rewards();
    memory.shift_rewards(0.5);
    close(
        "scaled",
        &wide(memory.replay.rewards()),
        &f64s(&of["scaled"]),
    );
    // Returns that are all alike have no range.
    let t = episodes(&[1, 1], &[0.0, 0.0], &[0.0, 0.0], &[2.0, 2.0]);
    let mut memory = Memory::new(&OfflineData::new(t, Vec::new()).unwrap(), false);
    memory.scale_rewards();
    memory.shift_rewards(0.5);
    assert_eq!(memory.replay.rewards(), [2.5, 2.5]);
}

/// Dropping activations keeps the mean, and none is dropped when nothing is learnt.
#[test]
fn dropout_keeps_the_mean() {
    type A = Autodiff<Flex>;
    let config = ActorConfig {
        hidden: vec![64],
        dropout: 0.25,
        ..actor_config(&fixture())
    };
    let (rng, device) = (&mut Stream::new(1, "init"), Default::default());
    let density = crate::offline::actor::Density::Squared;
    let mut actor = Actor::<A>::new(&config, density, DIMS, rng, &device);
    let mut mask = vec![0.0; 100_000];
    rng.fill_dropout(&mut mask, 0.25);
    let mean = mask.iter().sum::<f32>() / mask.len() as f32;
    assert!((mean - 1.0).abs() < 0.01, "{mean}");
    let dropped = mask.iter().filter(|m| **m == 0.0).count() as f64 / mask.len() as f64;
    assert!((dropped - 0.25).abs() < 0.01, "{dropped}");
    let (state, action) = (vec![0.5; DIMS.obs], vec![0.1; DIMS.act]);
    let log_prob = |actor: &Actor<A>| {
        let log_prob = actor.log_prob(
            rows(state.clone(), 5, &device),
            rows(action.clone(), 2, &device),
        );
        log_prob.into_scalar()
    };
    let (one, two) = (log_prob(&actor), log_prob(&actor));
    assert_eq!(one, two);
    let mut seen = Vec::new();
    for _ in 0..2 {
        actor.scale_lr(0.0);
        let (state, action) = (
            rows(state.clone(), 5, &device),
            rows(action.clone(), 2, &device),
        );
        let loss = actor.step(state, action, rng, |log_prob| log_prob.mean());
        seen.push(loss.into_scalar());
    }
    assert!(seen[0] != seen[1] && seen[0] != one, "{seen:?} and {one}");
}
