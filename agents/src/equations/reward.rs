//! The reward ensemble.

use super::*;

/// The replay of the fixture's episodes. True rewards and ends do not enter.
pub fn replay(episodes: &Value) -> Replay {
    let mut replay = Replay::new(DIMS);
    for episode in episodes.as_array().unwrap() {
        let (obs, act) = (f32s(&episode["obs"]), f32s(&episode["act"]));
        let (observations, actions) = (obs.chunks(DIMS.obs), act.chunks(DIMS.act));
        let steps = actions.len();
        for (i, (next_observation, action)) in observations.clone().skip(1).zip(actions).enumerate()
        {
            if i == 0 {
                replay.begin(&obs[..DIMS.obs]).unwrap();
            }
            let end = (i + 1 == steps).then_some(Ending::Truncated);
            let transition = Transition {
                action,
                reward: 9.0,
                next_observation,
                end,
            };
            replay.push(transition, 0.0).unwrap();
        }
    }
    replay
}

/// ((episode, start) left, the same of right, P[right preferred]), of segments of `len` steps.
pub fn preference(row: &Value, len: u32) -> Preference {
    let row = f64s(row);
    let segment = |at: usize| Segment {
        trajectory: row[at] as u32,
        start: row[at + 1] as u32,
        len,
    };
    Preference {
        pair: Pair {
            left: segment(0),
            right: segment(2),
        },
        label: match row[4] {
            0.0 => Label::Left,
            1.0 => Label::Right,
            _ => Label::Equal,
        },
    }
}

/// The ensemble that a fixture starts from, and the memory it is about.
pub(super) fn begin<A: Compute>(fixture: &Value) -> (RewardModel<A>, Replay) {
    let config = RewardConfig {
        hidden: vec![6; 3],
        members: 3,
        lr: 2e-3,
        batch: 8,
        epochs: 1,
        target_accuracy: 1.0,
    };
    let device = A::Device::default();
    let mut model = RewardModel::<A>::new(config, DIMS, &mut Stream::new(0, "init"), device);
    let mut state = State::default();
    model.save(&mut state);
    inject(&mut state, &fixture["initial"]);
    model.load(&state).unwrap();
    (model, replay(&fixture["episodes"]))
}

/// Compares what a fixture's ensemble became.
#[track_caller]
pub(super) fn end<A: Compute>(model: &RewardModel<A>, initial: &Value, after: &Value) -> f64 {
    let mut state = State::default();
    model.save(&mut state);
    compare(1, &state, initial, after)
}

pub fn reward_training<A: Compute>() {
    let fixture = fixture();
    let fixture = &fixture["reward"];
    let (mut model, mut replay) = begin::<A>(fixture);
    let rows = fixture["pairs"].as_array().unwrap();
    let preferences: Vec<Preference> = rows.iter().map(|row| preference(row, 4)).collect();
    let pairs: Vec<Pair> = preferences.iter().map(|p| p.pair).collect();
    let mut judge = |model: &RewardModel<A>, probabilities: &Value, rewards: &Value| {
        let members = probabilities.as_array().unwrap();
        let theirs: Vec<f64> = members.iter().flat_map(f64s).collect();
        let ours = wide(&model.scores(&replay).probabilities(&pairs));
        let p = close("P[right]", &ours, &theirs);
        model.relabel(&mut replay);
        let r = close("r̂", &wide(replay.rewards_mut()), &f64s(rewards));
        // One transition at a time gives the same.
        for (i, &theirs) in f64s(rewards).iter().enumerate() {
            let t = replay.trajectories();
            let ours = model.predict(t.observation(i), t.action(i));
            close("r̂ of one transition", &[f64::from(ours)], &[theirs]);
        }
        p.max(r)
    };

    let mut judged = judge(&model, &fixture["probabilities"], &fixture["rewards"]);
    let (mut losses, mut changes) = (0.0f64, 0.0f64);
    let steps = fixture["steps"].as_array().unwrap();
    for (i, step) in steps.iter().enumerate() {
        let batches: Vec<Vec<Preference>> = step["batches"]
            .as_array()
            .unwrap()
            .iter()
            .map(|member| indices(member).iter().map(|&j| preferences[j]).collect())
            .collect();
        let replay = self::replay(&fixture["episodes"]);
        let (loss, margins) = model.step(&replay, &batches);
        losses = losses.max(close("loss", &[loss], &[step["loss"].as_f64().unwrap()]));
        for (ours, theirs) in margins.iter().zip(step["margins"].as_array().unwrap()) {
            losses = losses.max(close("margins", &wide(ours), &f64s(theirs)));
        }
        if let Some(after) = step.get("after") {
            let mut state = State::default();
            model.save(&mut state);
            changes = changes.max(compare(i + 1, &state, &fixture["initial"], after));
        }
    }
    judged = judged.max(judge(
        &model,
        &fixture["final_probabilities"],
        &fixture["final_rewards"],
    ));
    println!(
        "reward: losses and margins {losses:.1e}, parameter changes {changes:.1e}, \
         probabilities and relabelled rewards {judged:.1e}"
    );
}

pub fn weighted_windows<A: Compute>() {
    let fixture = fixture();
    let fixture = &fixture["weighted"];
    let (mut model, replay) = begin::<A>(fixture);

    let all: Vec<usize> = (0..replay.len()).collect();
    let (mean, deviation) = model.opinions(&replay, &all);
    close("mean r̂", &wide(&mean), &f64s(&fixture["mean"]));
    close(
        "deviation of r̂",
        &wide(&deviation),
        &f64s(&fixture["deviation"]),
    );

    let example = |row: &Value| {
        let row = f64s(row);
        let segment = |at: usize| Segment {
            trajectory: row[at] as u32,
            start: row[at + 1] as u32,
            len: row[at + 2] as u32,
        };
        Example {
            pair: Pair {
                left: segment(0),
                right: segment(3),
            },
            target: row[6] as f32,
            weight: row[7] as f32,
        }
    };
    let batches = fixture["batches"].as_array().unwrap().iter();
    let batches: Vec<Vec<Example>> = batches
        .map(|b| b.as_array().unwrap().iter().map(example).collect())
        .collect();
    let (loss, _) = model.step_weighted(&replay, &batches);
    close(
        "weighted loss",
        &[loss],
        &[fixture["loss"].as_f64().unwrap()],
    );
    end(&model, &fixture["initial"], &fixture["after"]);
}
