//! Transformers and the methods on them, against `tests/fixtures/sequence.py`.

use std::sync::Arc;

use super::*;
use crate::offline::dppo::{contrast, distance};
use crate::offline::dtr::{Dtr, DtrBatch, DtrConfig};
use crate::offline::oppo::{Oppo, OppoConfig};
use crate::offline::preference::{Head, PreferenceConfig, PreferenceModel};
use crate::offline::reward_stage::normalised;
use crate::offline::sequence::{Frame, Windows};
use crate::parameters::Parameters;
use crate::transformer::regression::Regression;
use crate::transformer::{Act, Call, Shape, Transform, TransformerConfig, plain};
use crate::{Setup, Tier};

on_every_backend! {
    transformers
    preference_models
    dppo_policy
    oppo_update
    dtr_update
}

pub fn fixture() -> Value {
    serde_json::from_str(include_str!("../../tests/fixtures/sequence.json")).unwrap()
}

/// Every array of numbers below `value`, by its path.
fn arrays(value: &Value, path: &str, found: &mut Vec<(String, Vec<f64>)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                arrays(value, &format!("{path}.{key}"), found);
            }
        }
        _ => {
            let all = value.as_array().unwrap().iter();
            let numbers = all.map(|v| v.as_f64().unwrap_or(f64::NAN));
            found.push((path[1..].to_owned(), numbers.collect()));
        }
    }
}

/// A snapshot's parameters by name.
pub fn named(snapshot: &Value) -> Vec<(String, Vec<f64>)> {
    let mut found = Vec::new();
    arrays(snapshot, "", &mut found);
    found
}

/// Puts a snapshot's values into parameters.
pub fn set<A: Compute>(parameters: &mut Parameters<Inner<A>>, snapshot: &Value) {
    let mut state = State::default();
    parameters.save("p", &mut state);
    for (name, values) in named(snapshot) {
        let name = format!("p.{name}");
        let shape = state.shape(&name).unwrap();
        state.put_column(
            &name,
            &shape,
            &values.iter().map(|&v| v as f32).collect::<Vec<_>>(),
        );
    }
    parameters.load("p", &state).unwrap();
}

/// Compares the changes of parameters since `initial`; gives the largest error.
#[track_caller]
pub fn changed<A: Compute>(
    parameters: &Parameters<Inner<A>>,
    initial: &Value,
    after: &Value,
) -> f64 {
    let mut state = State::default();
    parameters.save("p", &mut state);
    let mut worst = 0.0f64;
    for ((name, from), (_, to)) in named(initial).into_iter().zip(named(after)) {
        let ours = wide(&state.get_flat(&format!("p.{name}")).unwrap());
        // NaN stands for what cannot be compared.
        let change = |values: &[f64]| -> Vec<f64> {
            let all = values.iter().zip(&from).zip(&to);
            let known = all.filter(|(_, to)| !to.is_nan());
            known.map(|((v, from), _)| v - from).collect()
        };
        worst = worst.max(close_on::<A>(&name, &change(&ours), &change(&to)));
    }
    worst
}

fn read<B: burn::tensor::backend::Backend, const D: usize>(t: Tensor<B, D>) -> Vec<f64> {
    t.into_data().iter::<f64>().collect()
}

fn transformers<A: Compute>() {
    for case in fixture()["regression"].as_array().unwrap() {
        let flag = |name: &str| case[name].as_bool().unwrap();
        let shape = Shape {
            width: 8,
            layers: 2,
            heads: 2,
            inner: 12,
            activation: if flag("gelu") { Act::Gelu } else { Act::Relu },
            causal: flag("causal"),
            norm_first: flag("norm_first"),
            dropout: 0.0,
        };
        let (device, init) = (A::Device::default(), &mut Stream::new(0, "init"));
        let mut model = Regression::<A>::new(shape.clone(), (5, 2), (1e-2, 0.1), init, &device);
        set::<A>(&mut model.parameters, &case["initial"]);
        let valid = case["valid"].as_array();
        let call = Call {
            valid: valid.map(|v| v.iter().map(|ok| ok.as_bool().unwrap()).collect()),
            dropout: None,
        };
        let (x, y) = (f32s(&case["x"]), f32s(&case["y"]));
        let batch = case["batch"].as_u64().unwrap() as usize;

        let tracked = Parameters::<A>::tracked(&model.parameters);
        let (out, loss) = model.loss(&tracked, (batch, &x, &y), &call);
        let forward = close_on::<A>("output", &read(out), &f64s(&case["output"]));
        let mut grads = loss.backward();
        let grads = tracked.take_grads(&mut grads);
        // In the order they were added, which is not that of names.
        let theirs = &case["grads"];
        let names = [
            ("in", "weight"),
            ("in", "bias"),
            ("transformer", ""),
            ("out", "weight"),
            ("out", "bias"),
        ];
        let mut backward = 0.0f64;
        for ((module, part), ours) in names.iter().zip(grads) {
            let theirs = &theirs[module];
            let theirs = if part.is_empty() {
                theirs
            } else {
                &theirs[part]
            };
            backward = backward.max(close_on::<A>(module, &read(ours), &f64s(theirs)));
        }
        let loss = model.step(batch, &x, &y, &call);
        close_on::<A>("loss", &[loss], &[case["loss"].as_f64().unwrap()]);
        let step = changed::<A>(&model.parameters, &case["initial"], &case["after"]);
        println!("transformer: output {forward:.1e}, gradients {backward:.1e}, step {step:.1e}");
    }
}

/// The operation made of burn's, as GPUs compute it, against the one on host memory, with dropout.
#[test]
fn both_paths_of_a_transformer_agree() {
    type A = Autodiff<Flex>;
    for (causal, norm_first, activation) in [(true, true, Act::Gelu), (false, false, Act::Relu)] {
        let shape = Arc::new(Shape {
            width: 8,
            layers: 2,
            heads: 2,
            inner: 12,
            activation,
            causal,
            norm_first,
            dropout: 0.3,
        });
        let rng = &mut Stream::new(4, "init");
        let device = Default::default();
        let (mut w, mut x) = (vec![0.0; shape.numbers()], vec![0.0; 2 * 9 * 8]);
        rng.fill_normal(&mut w);
        rng.fill_normal(&mut x);
        let mut valid = vec![true; 18];
        valid[7..9].fill(false);
        let call = Call {
            valid: Some(valid.into()),
            dropout: Some(17),
        };
        let run = |fused: bool| {
            let w = Tensor::<A, 1>::from_data(TensorData::new(w.clone(), [w.len()]), &device);
            let x = Tensor::<A, 3>::from_data(TensorData::new(x.clone(), [2, 9, 8]), &device);
            let (w, x) = (w.require_grad(), x.require_grad());
            let y = match fused {
                true => A::transform(&shape, x.clone(), w.clone(), &call),
                false => plain(&shape, x.clone(), w.clone(), &call),
            };
            let grads = y.clone().tanh().sum().backward();
            let (dx, dw) = (x.grad(&grads).unwrap(), w.grad(&grads).unwrap());
            [read(y.inner()), read(dx), read(dw)]
        };
        let (fused, plain) = (run(true), run(false));
        assert!(fused[0].iter().any(|y| y.abs() > 0.1));
        for (what, (ours, theirs)) in ["output", "dx", "dw"].iter().zip(fused.iter().zip(&plain)) {
            let error = close(what, ours, theirs);
            println!("{what}: {error:.1e}");
        }
    }
}

const TINY: TransformerConfig = TransformerConfig {
    width: 8,
    layers: 1,
    heads: 2,
    dropout: 0.0,
};

const FULL: Setup = Setup {
    task: "any",
    family: "gymnasium",
    horizon: 30,
    tier: Tier::Full,
};

fn windows<A: Compute>(written: &Value) -> Windows<Inner<A>> {
    let size = |name: &str| written[name].as_u64().unwrap() as usize;
    let (batch, steps) = (size("batch"), size("steps"));
    let lengths = indices(&written["lengths"]);
    let valid: Vec<bool> = lengths
        .iter()
        .flat_map(|&len| (0..steps).map(move |i| i >= steps - len))
        .collect();
    let tensor = |name: &str, width: usize| {
        let values = TensorData::new(f32s(&written[name]), [batch, steps, width]);
        Tensor::from_data(values, &A::Device::default())
    };
    Windows {
        frame: Frame {
            batch,
            steps,
            time: indices(&written["time"]),
            valid: valid.contains(&false).then_some(valid),
        },
        state: tensor("state", DIMS.obs),
        action: tensor("action", DIMS.act),
    }
}

#[track_caller]
fn agree<A: Compute>(metrics: &[(&'static str, f64)], case: &Value, names: &[(&str, &str)]) {
    for (ours, theirs) in names {
        let ours = metrics.iter().find(|m| m.0 == *ours).unwrap();
        close_on::<A>(ours.0, &[ours.1], &[case[theirs].as_f64().unwrap()]);
    }
}

fn preference_models<A: Compute>() {
    for case in fixture()["preference"].as_array().unwrap() {
        let config = PreferenceConfig {
            transformer: TINY,
            epochs: 10,
            batch: 3,
            lr: 1e-2,
            weight_decay: 0.1,
        };
        let causal = case["causal"].as_bool().unwrap();
        let head = match case["attention"].as_bool().unwrap() {
            true => Head::Attention,
            false => Head::Perceptron,
        };
        let (device, init) = (A::Device::default(), &mut Stream::new(0, "init"));
        let mut model = PreferenceModel::<A>::new(config, (head, causal), (DIMS, 6), init, &device);
        model.total = 10;
        set::<A>(&mut model.parameters, &case["initial"]);
        let side = |name: &str| windows::<A>(&case[name]);
        let two = side("two");
        let mask = two.frame.mask::<Inner<A>>(&device).0.reshape([4, 6]);
        let [r, _] = model.judge(&model.parameters, two, None);
        close_on::<A>("r̂", &read(r * mask), &f64s(&case["r"]));
        let scores = model.scores(&model.parameters, side("two"), None);
        close_on::<A>("scores", &read(scores), &f64s(&case["scores"]));
        let nu = case["nu"].as_f64().unwrap();
        let smooth = (nu > 0.0).then(|| ([side("one"), side("two")], nu));
        let y = TensorData::new(f32s(&case["y"]), [3, 1]);
        let sides = [side("left"), side("right")];
        model.step(sides, Tensor::from_data(y, &device), smooth, init);
        let mut names = vec![("preference.loss", "loss")];
        if nu > 0.0 {
            names.push(("preference.smooth", "smooth"));
        }
        agree::<A>(&model.metrics(), case, &names);
        let step = changed::<A>(&model.parameters, &case["initial"], &case["after"]);
        println!("preference model: step {step:.1e}");
    }
}

fn dppo_policy<A: Compute>() {
    let fixture = fixture();
    let case = &fixture["contrast"];
    let w = windows::<A>(&case["windows"]);
    let (device, n) = (A::Device::default(), w.frame.batch);
    let rows = n * w.frame.steps;
    let mu = TensorData::new(f32s(&case["mu"]), [rows, DIMS.act]);
    let mu = Tensor::<A, 2>::from_data(mu, &device).require_grad();
    let action = Tensor::from_inner(w.action.reshape([rows, DIMS.act]));
    let log_prob = (action - mu.clone()).square().sum_dim(1).neg();
    let d = distance(log_prob, w.frame.mask::<A>(&device).0, n);
    close_on::<A>("distance", &read(d.clone()), &f64s(&case["distance"]));
    let number = |name: &str| case[name].as_f64().unwrap();
    let loss = contrast(d, number("lambda"), number("temperature"));
    let grads = loss.backward();
    close_on::<A>("loss", &read(loss), &[number("loss")]);
    let error = close_on::<A>(
        "gradient",
        &read(mu.grad(&grads).unwrap()),
        &f64s(&case["grad"]),
    );
    println!("dppo: gradient {error:.1e}");
}

fn oppo_update<A: Compute>() {
    let fixture = fixture();
    let case = &fixture["oppo"];
    let config = OppoConfig {
        encoder: TINY,
        transformer: TINY,
        z: 3,
        pooled: 5.0,
        lr: 1e-2,
        warmup: 4,
        z_lr: 5e-2,
        weight_decay: 0.1,
        clip: 0.25,
        preference: 2.0,
        norm: 0.5,
        ..OppoConfig::defaults(&FULL)
    };
    let rng = &mut Stream::new(0, "init");
    let mut models = Oppo::<A>::new(config, DIMS, rng, A::Device::default());
    let initial = &case["initial"];
    set::<A>(&mut models.encoder, &initial["encoder"]);
    set::<A>(&mut models.policy, &initial["policy"]);
    set::<A>(&mut models.context, &initial["context"]);
    models.imitate(windows::<A>(&case["windows"]), f32s(&case["noise"]), rng);
    let (from, to) = (&initial["encoder"], &case["imitated"]["encoder"]);
    let encoder = changed::<A>(&models.encoder, from, to);
    let policy = changed::<A>(
        &models.policy,
        &initial["policy"],
        &case["imitated"]["policy"],
    );
    let label = |y: f64| match y {
        0.0 => Label::Left,
        1.0 => Label::Right,
        _ => Label::Equal,
    };
    let labels: Vec<Label> = f64s(&case["labels"]).into_iter().map(label).collect();
    let [left, right] = ["left", "right"].map(|name| windows::<A>(&case[name]));
    let both = Windows {
        frame: Frame {
            batch: 8,
            time: [left.frame.time, right.frame.time].concat(),
            ..left.frame
        },
        state: Tensor::cat(vec![left.state, right.state], 0),
        action: Tensor::cat(vec![left.action, right.action], 0),
    };
    models.prefer(both, &labels, rng);
    let names = [
        ("oppo.him_loss", "him"),
        ("oppo.preference_loss", "pm"),
        ("oppo.norm", "norm"),
    ];
    agree::<A>(&models.metrics(), case, &names);
    let again = changed::<A>(&models.encoder, from, &case["after"]["encoder"]);
    let context = changed::<A>(
        &models.context,
        &initial["context"],
        &case["after"]["context"],
    );
    println!("oppo: encoder {encoder:.1e}, {again:.1e}, policy {policy:.1e}, z* {context:.1e}");
}

fn dtr_update<A: Compute>() {
    for case in fixture()["dtr"].as_array().unwrap() {
        let config = DtrConfig {
            transformer: TINY,
            lr: 1e-2,
            weight_decay: 0.1,
            clip: 0.5,
            critic_hidden: vec![6, 7],
            discount: 0.9,
            target_rate: 0.05,
            average: 0.9,
            average_every: 1,
            average_from: 0,
            eta: 3.0,
            ..DtrConfig::defaults(&FULL)
        };
        let device = A::Device::default();
        let mut dtr = Dtr::<A>::new(config, DIMS, &mut Stream::new(0, "init"), device.clone());
        let mut nets = [
            &mut dtr.policy,
            &mut dtr.averaged,
            &mut dtr.critics,
            &mut dtr.targets,
        ];
        let names = ["policy", "averaged", "critic", "target"];
        for (net, name) in nets.iter_mut().zip(names) {
            set::<A>(net, &case["initial"][name]);
        }
        dtr.updates = 5;
        let windows = windows::<A>(&case["windows"]);
        let to_go = TensorData::new(f32s(&case["to_go"]), [4, 5, 1]);
        let flags = case["terminated"].as_array().unwrap().iter();
        let batch = DtrBatch {
            windows,
            to_go: Tensor::from_data(to_go, &device),
            reward: f32s(&case["reward"]),
            terminated: flags.map(|t| t.as_bool().unwrap()).collect(),
        };
        // The stream whose first chance picks the critic of this case.
        let first = case["picked"].as_u64().unwrap() == 0;
        let picks = |seed: &u64| Stream::new(*seed, "batch").chance(0.5) == first;
        let seed = (0..).find(picks).unwrap();
        dtr.update(&batch, 10, &mut Stream::new(seed, "batch"));
        let figures = dtr.figures.metrics();
        let losses = [
            ("dtr.critic_loss", "critic_loss"),
            ("dtr.loss", "loss"),
            ("dtr.q_loss", "q_loss"),
        ];
        agree::<A>(&figures, case, &losses);
        let nets = [&dtr.policy, &dtr.averaged, &dtr.critics, &dtr.targets];
        for (net, name) in nets.into_iter().zip(names) {
            let error = changed::<A>(net, &case["initial"][name], &case["after"][name]);
            println!("dtr {name}: {error:.1e}");
        }
    }
}

#[test]
fn rewards_are_normalised_member_by_member() {
    let fixture = fixture();
    let case = &fixture["normalisation"];
    let members = case["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(f32s)
        .collect();
    close("mean", &wide(&normalised(members)), &f64s(&case["mean"]));
}
