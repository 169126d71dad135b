//! The learners' equations against an independent implementation in PyTorch
//! (`tests/fixtures/generate.py`, double precision), on every CPU backend.
//!
//! Errors are relative to the largest magnitude of the tensor compared; of trained parameters the
//! change since the start is compared, not the value. Magnitudes below 1e-6 count as 1e-6.

#![allow(clippy::unwrap_used)]

use std::any::TypeId;

use burn::backend::Autodiff;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use prefbench_oracles::{Ending, Label, Pair, PairScore, Preference, Segment, Stream};
use serde_json::Value;

use crate::dense::Dense;
use crate::device::Compute;
use crate::explore::StateEntropy;
use crate::mish::Mish;
use crate::nets::{Activation, Init, Inner, Linear, Mlp};
use crate::optim::{Adam, polyak};
use crate::replay::{Batch, Dims, Replay, Transition};
use crate::reward_model::{Example, RewardConfig, RewardModel};
use crate::sac::{Sac, SacConfig, Share, sample};
use crate::state::State;
use crate::transformer::Transform;

const TOLERANCE: f64 = 1e-4;
const DIMS: Dims = Dims { obs: 5, act: 2 };

/// A backend whose tensors are said not to be in host memory: the code path of a GPU.
type Far = NdArray<f32, i32>;
type Remote = Autodiff<Far>;

impl Dense for Far {
    const HOST: bool = false;
}

impl Transform for Far {
    const FUSED: bool = false;
}

impl Mish for Far {}

/// Runs a generic test on every backend.
macro_rules! on_every_backend {
    ($($name:ident)*) => {
        mod flex { $(#[test] fn $name() { super::$name::<super::Autodiff<super::Flex>>(); })* }
        mod ndarray { $(#[test] fn $name() { super::$name::<super::Autodiff<super::NdArray>>(); })* }
        mod remote { $(#[test] fn $name() { super::$name::<super::Remote>(); })* }
        #[cfg(feature = "cuda")]
        mod cuda { $(#[test] fn $name() {
            // Passes on a machine without a GPU, where there is nothing to see.
            if crate::Device::Cuda.check().is_ok() {
                super::$name::<super::Autodiff<burn_cuda::Cuda>>();
            }
        })* }
    };
}

on_every_backend! {
    sac_updates
    log_prob_is_exact_far_from_zero
    reward_training
    weighted_windows
    surf
    qpa
    rune_and_caution
    meta_step
    discriminator_and_warm_start
    contrastive
    preferred_segments
    cloning
    implicit_q
    inverse_preferences
}

mod methods;
mod offline;
mod reward;
mod sequence;
use methods::{discriminator_and_warm_start, meta_step, qpa, rune_and_caution, surf};
use offline::{cloning, contrastive, implicit_q, inverse_preferences, preferred_segments};
use reward::{reward_training, weighted_windows};

fn fixture() -> Value {
    serde_json::from_str(include_str!("../tests/fixtures/equations.json")).unwrap()
}

fn f64s(value: &Value) -> Vec<f64> {
    let all = value.as_array().unwrap().iter();
    all.map(|v| v.as_f64().unwrap()).collect()
}

fn f32s(value: &Value) -> Vec<f32> {
    f64s(value).into_iter().map(|v| v as f32).collect()
}

fn indices(value: &Value) -> Vec<usize> {
    f64s(value).into_iter().map(|v| v as usize).collect()
}

/// Asserts agreement and gives the error.
#[track_caller]
fn close(what: &str, ours: &[f64], theirs: &[f64]) -> f64 {
    within(TOLERANCE, what, ours, theirs)
}

/// The same for equations that take reciprocals, which burn-ndarray's own operations approximate to 12 bits, and
/// not to the same bits on every make of CPU: its stand-in for a GPU may be further off.
#[track_caller]
fn close_on<A: Compute>(what: &str, ours: &[f64], theirs: &[f64]) -> f64 {
    let rough = TypeId::of::<A>() == TypeId::of::<Remote>();
    within(if rough { 5e-3 } else { TOLERANCE }, what, ours, theirs)
}

#[track_caller]
fn within(tolerance: f64, what: &str, ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len(), "{what}: lengths");
    let size = theirs.iter().fold(1e-6, |m: f64, v| m.max(v.abs()));
    let differences = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    // NaN must not pass for agreement, so no `f64::max`.
    let worst = differences.fold(0.0, |m: f64, d| if d <= m { m } else { d });
    let error = worst / size;
    assert!(
        error <= tolerance,
        "{what}: relative error {error:.2e}\n ours {ours:?}\n torch {theirs:?}"
    );
    error
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// The networks of a snapshot as (name in the state, layers).
fn networks(snapshot: &Value) -> Vec<(String, &Value)> {
    let mut all = Vec::new();
    if let Some(members) = snapshot.as_array() {
        let named = members.iter().enumerate();
        all.extend(named.map(|(i, m)| (format!("reward.{i}"), m)));
        return all;
    }
    all.push(("actor".to_owned(), &snapshot["actor"]));
    for kind in ["critic", "target"] {
        let twins = snapshot[kind].as_array().unwrap().iter().enumerate();
        all.extend(twins.map(|(i, c)| (format!("{kind}.{i}"), c)));
    }
    all
}

/// Every parameter of a snapshot, named as in the state, with its shape.
fn parameters(snapshot: &Value) -> Vec<(String, Vec<usize>, Vec<f64>)> {
    let mut all = Vec::new();
    for (name, layers) in networks(snapshot) {
        for (i, layer) in layers.as_array().unwrap().iter().enumerate() {
            let (weight, bias) = (f64s(&layer["weight"]), f64s(&layer["bias"]));
            let shape = vec![weight.len() / bias.len(), bias.len()];
            all.push((format!("{name}.{i}.weight"), shape, weight));
            all.push((format!("{name}.{i}.bias"), vec![bias.len()], bias));
        }
    }
    if let Some(log_alpha) = snapshot.get("log_alpha") {
        all.push(("log_alpha".to_owned(), vec![1], f64s(log_alpha)));
    }
    all
}

/// Puts a snapshot's parameters into a state.
fn inject(state: &mut State, snapshot: &Value) {
    for (name, shape, values) in parameters(snapshot) {
        let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
        state.put_column(&name, &shape, &values);
    }
}

/// Compares the changes of all parameters since `initial`; gives the largest error.
#[track_caller]
fn compare(step: usize, state: &State, initial: &Value, after: &Value) -> f64 {
    let mut worst = 0.0f64;
    for ((name, shape, from), (_, _, to)) in parameters(initial).into_iter().zip(parameters(after))
    {
        let ours = wide(&state.get_column(&name, &shape).unwrap());
        let change =
            |values: &[f64]| -> Vec<f64> { values.iter().zip(&from).map(|(v, f)| v - f).collect() };
        let what = format!("{name} after step {step}");
        worst = worst.max(close(&what, &change(&ours), &change(&to)));
    }
    worst
}

/// A SAC with the settings of the fixtures.
fn small_sac<A: Compute>() -> Sac<A> {
    let config = SacConfig {
        hidden: vec![7, 6],
        init: Init::Uniform,
        batch: 16,
        actor_lr: 3e-3,
        critic_lr: 5e-3,
        alpha_lr: 1e-2,
        init_temperature: 0.1,
        discount: 0.97,
        tau: 0.05,
        target_update_every: 2,
    };
    let device = A::Device::default();
    Sac::new(config, DIMS, &mut Stream::new(0, "init"), device)
}

fn sac_updates<A: Compute>() {
    let fixture = fixture();
    let fixture = &fixture["sac"];
    let mut sac = small_sac::<A>();
    let mut state = State::default();
    sac.save(&mut state);
    inject(&mut state, &fixture["initial"]);
    sac.load(&state).unwrap();

    let (mut losses, mut changes) = (0.0f64, 0.0f64);
    for (i, update) in fixture["updates"].as_array().unwrap().iter().enumerate() {
        let get = |name: &str| f32s(&update[name]);
        let (observation, action) = (get("observation"), get("action"));
        let rows = observation.chunks(DIMS.obs).zip(action.chunks(DIMS.act));
        let batch = Batch {
            index: Vec::new(),
            observation_action: rows.flat_map(|(s, a)| [s, a].concat()).collect(),
            observation,
            next_observation: get("next_observation"),
            reward: get("reward"),
            bootstrap: get("bootstrap"),
        };
        sac.update_all(vec![Share {
            batch,
            next_noise: get("next_noise"),
            noise: get("noise"),
        }]);

        let metrics = sac.metrics();
        for name in ["critic_loss", "actor_loss", "alpha_loss"] {
            let ours = metrics
                .iter()
                .find(|m| m.0 == format!("sac.{name}"))
                .unwrap();
            let theirs = update[name].as_f64().unwrap();
            let what = format!("{name} of update {}", i + 1);
            losses = losses.max(close(&what, &[ours.1], &[theirs]));
        }
        if let Some(after) = update.get("after") {
            let mut state = State::default();
            sac.save(&mut state);
            changes = changes.max(compare(i + 1, &state, &fixture["initial"], after));
        }
    }
    println!("sac: losses {losses:.1e}, parameter changes {changes:.1e}");
}

/// A network of one affine layer with these weights `[inputs, outputs]` and no bias.
fn affine<A: Compute>(inputs: usize, outputs: usize, weight: &[f32]) -> Mlp<Inner<A>> {
    let rng = &mut Stream::new(0, "init");
    let device = A::Device::default();
    let mut net = Mlp::new(
        &[inputs, outputs],
        Activation::Relu,
        Init::Uniform,
        rng,
        &device,
    );
    let mut state = State::default();
    state.put_column("net.0.weight", &[inputs, outputs], weight);
    state.put_column("net.0.bias", &[outputs], &vec![0.0; outputs]);
    net.load("net", &state).unwrap();
    net
}

fn log_prob_is_exact_far_from_zero<A: Compute>() {
    let fixture = fixture();
    let fixture = &fixture["log_prob"];
    let [mean, raw_std, noise] = ["mean", "raw_std", "noise"].map(|n| f32s(&fixture[n]));
    let rows = mean.len();
    let pairs: Vec<f32> = mean
        .iter()
        .zip(&raw_std)
        .flat_map(|(&m, &s)| [m, s])
        .collect();
    let device = A::Device::default();
    let tensor = |values: Vec<f32>, columns: usize| {
        Tensor::<Inner<A>, 3>::from_data(TensorData::new(values, [1, rows, columns]), &device)
    };
    // The identity as the actor: the observation is (μ, the raw log σ).
    let actor = affine::<A>(2, 2, &[1.0, 0.0, 0.0, 1.0]);
    let (action, log_prob) = sample(&actor, tensor(pairs, 2), tensor(noise, 1));
    let read = |t: Tensor<Inner<A>, 3>| -> Vec<f64> { t.into_data().iter::<f64>().collect() };
    close("action", &read(action), &f64s(&fixture["action"]));
    let (ours, theirs) = (read(log_prob), f64s(&fixture["log_prob"]));
    let mut worst = 0.0f64;
    // One by one, since the densities span two orders of magnitude; those near 0 at unit scale.
    for ((ours, theirs), u) in ours
        .into_iter()
        .zip(theirs)
        .zip(f64s(&fixture["pre_activation"]))
    {
        let error = (ours - theirs).abs() / theirs.abs().max(1.0);
        assert!(
            error <= TOLERANCE,
            "log π at u = {u}: {ours}, but torch has {theirs}"
        );
        worst = worst.max(error);
    }
    println!("log π: {worst:.1e}");
}

#[test]
fn state_entropy() {
    let fixture = fixture();
    let fixture = &fixture["entropy"];
    let [k, dim] = ["k", "dim"].map(|n| fixture[n].as_u64().unwrap() as usize);
    let memory = f32s(&fixture["memory"]);
    let mut entropy = StateEntropy::new(dim, k);
    for batch in fixture["batches"].as_array().unwrap() {
        let rows = indices(&batch["rows"]);
        let known = &memory[..batch["memory_rows"].as_u64().unwrap() as usize * dim];
        let ours = wide(&entropy.reward(&rows, known));
        let error = close("state entropy", &ours, &f64s(&batch["reward"]));
        println!("state entropy: {error:.1e}");
    }
}

/// Fifty steps of Adam, each followed by Polyak averaging, on the host-memory path and on the
/// tensor path. Copies taken on the way must keep their values: the host path works in place.
#[test]
fn both_optimiser_paths_agree_and_leave_copies_alone() {
    let (host, remote) = (fifty_steps::<Flex>(), fifty_steps::<Far>());
    for (what, i) in [("Adam", 0), ("Polyak", 1)] {
        let error = close(what, &host[i], &remote[i]);
        println!("{what}: {error:.1e}");
        assert!(error <= 1e-6, "{what}: {error:.1e}");
    }
}

/// The parameters, and their average.
fn fifty_steps<B: Dense>() -> [Vec<f64>; 2] {
    let device = B::Device::default();
    let mut rng = Stream::new(5, "init");
    let sizes = [5, 7, 3];
    let start = Mlp::<B>::new(&sizes, Activation::Relu, Init::Uniform, &mut rng, &device);
    let values = |net: &Mlp<B>| -> Vec<f64> {
        let numbers = net
            .parameters()
            .map(|p| p.to_data().iter::<f64>().collect());
        numbers.flat_map(|v: Vec<f64>| v).collect()
    };
    let (mut net, mut target) = (start.clone(), start.clone());
    let mut adam = Adam::new(1e-2, [&start]);
    let (mut copies, before) = (Vec::new(), values(&start));
    for _ in 0..50 {
        let mut draw = |shape: [usize; 3]| {
            let mut numbers = vec![0.0; shape.iter().product()];
            rng.fill_normal(&mut numbers);
            Tensor::from_data(TensorData::new(numbers, shape), &device)
        };
        let grads = sizes.windows(2).map(|w| Linear {
            weight: draw([1, w[0], w[1]]),
            bias: draw([1, 1, w[1]]),
        });
        adam.step([&mut net], grads);
        polyak(&mut target, &net, 0.05);
        copies.push((net.clone(), values(&net)));
    }
    let ours = [values(&net), values(&target)];
    for ours in &ours {
        assert!(
            ours.iter().zip(&before).all(|(a, b)| a != b),
            "nothing moved"
        );
    }
    assert_eq!(values(&start), before, "the original was overwritten");
    for (copy, at_the_time) in copies {
        assert_eq!(values(&copy), at_the_time, "a copy was overwritten");
    }
    ours
}

/// The first step of Adam moves every parameter by the learning rate against its gradient.
#[test]
fn adam_starts_with_a_step_of_the_learning_rate() {
    let device = Default::default();
    let mut x = Tensor::<Flex, 3>::from_floats([[[1.0, 1.0, 1.0]]], &device);
    let mut adam = Adam::of(0.1, [&x]);
    let grad = Tensor::from_floats([[[3.0, -0.02, 0.0]]], &device);
    adam.step_on([&mut x], [grad]);
    let x: Vec<f64> = x.into_data().iter::<f64>().collect();
    close("one step", &x, &[0.9, 1.1, 1.0]);
}
