//! One update of each method on PEBBLE's backbone.

use super::reward::{begin, end};
use super::*;
use crate::explore::RunningMoments;
use crate::online::mrn;
use crate::online::qpa::cropped;
use crate::online::rime::{self, Rime, Seen};
use crate::online::rune::Rune;
use crate::online::surf::Surf;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn labelled(fixture: &Value, rows: &str) -> Vec<Preference> {
    let len = fixture["length"].as_u64().unwrap() as u32;
    let rows = fixture[rows].as_array().unwrap().iter();
    rows.map(|row| super::reward::preference(row, len))
        .collect()
}

pub fn surf<A: Compute>() {
    let fixture = &fixture()["surf"];
    let (mut model, replay) = begin::<A>(fixture);
    let surf = Surf {
        threshold: number(&fixture["threshold"]),
        weight: number(&fixture["weight"]),
        ratio: 1,
        unlabelled: 1,
        per_label: 1,
        crop: 0,
        margin: 0,
    };
    let known = labelled(fixture, "labelled");
    let unknown: Vec<Pair> = labelled(fixture, "unlabelled")
        .iter()
        .map(|p| p.pair)
        .collect();
    let rng = &mut Stream::new(0, "query");
    let one = |member| {
        let sure = model.prefers(&replay, &unknown, member..member + 1);
        surf.examples(&replay, &known, &unknown, &sure, rng)
    };
    let batches: Vec<Vec<Example>> = (0..3).map(one).collect();
    let weighty = batches.iter().flatten().filter(|e| e.weight > 0.0).count();
    let sure = fixture["sure"].as_u64().unwrap() as usize;
    assert_eq!(weighty, 3 * known.len() + sure);
    let (loss, _) = model.step_weighted(&replay, &batches);
    close("SURF's loss", &[loss], &[number(&fixture["loss"])]);
    end(&model, &fixture["initial"], &fixture["after"]);
}

pub fn qpa<A: Compute>() {
    let fixture = &fixture()["qpa"];
    let (mut model, replay) = begin::<A>(fixture);
    let crops = number(&fixture["crops"]) as usize;
    let known = labelled(fixture, "labelled");
    let rng = &mut Stream::new(0, "query");
    let batches: Vec<Vec<Example>> = (0..3).map(|_| cropped(&known, crops, rng)).collect();
    let (loss, _) = model.step_weighted(&replay, &batches);
    close("QPA's loss", &[loss], &[number(&fixture["loss"])]);
    end(&model, &fixture["initial"], &fixture["after"]);
}

pub fn rune_and_caution<A: Compute>() {
    let fixture = &fixture()["rune"];
    let (model, mut replay) = begin::<A>(fixture);
    let rune = Rune {
        bonus: number(&fixture["bonus"]),
        decay: number(&fixture["decay"]),
    };
    let all: Vec<usize> = (0..replay.len()).collect();
    model.relabel(&mut replay);
    let mut rewards = replay.rewards_mut().to_vec();
    let (_, deviations) = model.opinions(&replay, &all);
    let step = fixture["step"].as_u64().unwrap();
    rune.add_bonus(step, &mut rewards, &deviations);
    close("RUNE's reward", &wide(&rewards), &f64s(&fixture["reward"]));

    let cautious = model.penalised(number(&fixture["deviations"]) as f32);
    cautious.relabel(&mut replay);
    let ours = wide(replay.rewards_mut());
    close("the cautious reward", &ours, &f64s(&fixture["cautious"]));
}

pub fn meta_step<A: Compute>() {
    let fixture = &fixture()["mrn"];
    let (mut model, mut replay) = begin::<A>(fixture);
    let mut sac = small_sac::<A>();
    let mut state = State::default();
    sac.save(&mut state);
    inject(&mut state, &fixture["sac"]);
    sac.load(&state).unwrap();
    let known = labelled(fixture, "labelled");
    // An ordinary step first, so that Adam's next one shows how large its gradient is.
    model.step(&replay, &[known.clone(), known.clone(), known.clone()]);

    model.relabel(&mut replay);
    let batch = replay.gather(&indices(&fixture["indices"]));
    close("r̂", &wide(&batch.reward), &f64s(&fixture["reward"]));
    let noise = f32s(&fixture["next_noise"]);
    let share = Share {
        batch: batch.clone(),
        noise: noise.clone(),
        next_noise: noise,
    };
    let outer = mrn::Outer::new(&replay, &known);
    let c = mrn::derivatives(&sac, share, &outer, number(&fixture["weight"]));
    let first = close("∂L/∂r̂", &wide(&c), &f64s(&fixture["by_reward"]));
    mrn::descend(&mut model, &replay, &batch.index, c);
    model.relabel(&mut replay);
    let renewed = wide(&replay.gather(&batch.index).reward);
    close("r̂ after the step", &renewed, &f64s(&fixture["renewed"]));
    let changes = end(&model, &fixture["initial"], &fixture["after"]);
    println!("MRN: ∂L/∂r̂ {first:.1e}, parameter changes {changes:.1e}");
}

pub fn discriminator_and_warm_start<A: Compute>() {
    let fixture = &fixture()["rime"];
    let (mut model, replay) = begin::<A>(fixture);
    let labels = labelled(fixture, "labelled");
    let surprise = rime::surprise(&model, &replay, &labels);
    close("ℓ", &surprise, &f64s(&fixture["surprise"]));

    let rime = Rime {
        alpha: number(&fixture["alpha"]),
        beta_init: number(&fixture["beta_init"]),
        beta_min: number(&fixture["beta_min"]),
        passes: number(&fixture["decay"]) as usize,
        flip_below: number(&fixture["flip_below"]),
        least_epochs: 1,
        warm_steps: 1,
    };
    let mut seen = Seen::default();
    for pass in fixture["passes"].as_array().unwrap() {
        close("τ_lower", &[seen.lower(&rime)], &[number(&pass["lower"])]);
        let chosen = seen.judge(&rime, &labels, &f64s(&pass["surprise"]));
        let pairs: Vec<Pair> = chosen.iter().map(|p| p.pair).collect();
        let theirs = indices(&pass["chosen"]);
        let theirs: Vec<Pair> = theirs.iter().map(|&i| labels[i].pair).collect();
        assert_eq!(pairs, theirs);
        let targets: Vec<f32> = chosen.iter().map(|p| p.label.target()).collect();
        assert_eq!(targets, f32s(&pass["target"]));
    }

    let warm = &fixture["warm"];
    let mut moments = RunningMoments::default();
    for batch in warm["batches"].as_array().unwrap() {
        moments.update(&f32s(batch));
        seen.meet(&f32s(batch));
    }
    let clipped = rime::clipped(&f32s(&warm["batches"][1]), moments);
    close(
        "clipped distances",
        &wide(&clipped),
        &f64s(&warm["clipped"]),
    );
    let targets = seen.normalised(&f32s(&warm["fresh"]), moments.mean());
    close(
        "normalised distances",
        &wide(&targets),
        &f64s(&warm["target"]),
    );
    let loss = rime::warm(&mut model, &replay, &indices(&warm["indices"]), targets);
    close("the warm start's loss", &[loss], &[number(&warm["loss"])]);
    end(&model, &fixture["initial"], &warm["after"]);
}
