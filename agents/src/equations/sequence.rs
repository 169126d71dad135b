//! Transformers and the methods on them, against `tests/fixtures/sequence.py`.

use std::sync::Arc;

use super::*;
use crate::parameters::Parameters;
use crate::transformer::regression::Regression;
use crate::transformer::{Act, Call, Shape, Transform, plain};

on_every_backend! {
    transformers
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
        _ => found.push((path[1..].to_owned(), f64s(value))),
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
        state.put_column(&name, &shape, &values.iter().map(|&v| v as f32).collect::<Vec<_>>());
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
        let change =
            |values: &[f64]| -> Vec<f64> { values.iter().zip(&from).map(|(v, f)| v - f).collect() };
        worst = worst.max(close(&name, &change(&ours), &change(&to)));
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
        let forward = close("output", &read(out), &f64s(&case["output"]));
        let mut grads = loss.backward();
        let grads = tracked.take_grads(&mut grads);
        // In the order they were added, which is not that of names.
        let theirs = &case["grads"];
        let names = [("in", "weight"), ("in", "bias"), ("transformer", ""), ("out", "weight"), ("out", "bias")];
        let mut backward = 0.0f64;
        for ((module, part), ours) in names.iter().zip(grads) {
            let theirs = &theirs[module];
            let theirs = if part.is_empty() { theirs } else { &theirs[part] };
            backward = backward.max(close(module, &read(ours), &f64s(theirs)));
        }
        let loss = model.step(batch, &x, &y, &call);
        close("loss", &[loss], &[case["loss"].as_f64().unwrap()]);
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
        let (mut w, mut x) = (vec![0.0; shape.len()], vec![0.0; 2 * 9 * 8]);
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
