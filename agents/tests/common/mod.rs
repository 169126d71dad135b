//! A tiny task, and a run loop that calls a learner as [`Online`] documents.

#![allow(dead_code, clippy::unwrap_used)] // each test file uses its own part

use prefbench_agents::{ALGORITHMS, Algorithm, Build, Device, Dims, Learner, Mode, OfflineData};
use prefbench_agents::{Online, Setup, State, Ticket, Tier, Transition, algorithm};
use prefbench_oracles::{Ending, Label, Pair, Pool, Preference, SegmentView, Session, Stream};
use prefbench_oracles::{Teacher, Trajectories, ask, teacher};
use serde_json::{Value, json};

pub const DIMS: Dims = Dims { obs: 3, act: 2 };
/// Every device that can be used here.
pub fn devices() -> impl Iterator<Item = Device> {
    let usable = |device: &Device| device.check().is_ok();
    prefbench_agents::DEVICES.iter().copied().filter(usable)
}

/// A point on a line, to be held at 0: the first action moves it, the second does nothing.
/// The reward is −|x| (times a scale). Episodes end by the clock, every third one as if terminated.
#[derive(Clone)]
pub struct Point {
    x: f32,
    moved: f32,
    left: usize,
    episode: usize,
    lengths: &'static [usize],
    scale: f32,
    start: Stream,
}

impl Point {
    pub fn new(seed: u64, lengths: &'static [usize]) -> Self {
        Self {
            x: 0.0,
            moved: 0.0,
            left: 0,
            episode: 0,
            lengths,
            scale: 1.0,
            start: Stream::new(seed, "env"),
        }
    }

    /// The same task with its rewards multiplied.
    pub fn scaled(self, scale: f32) -> Self {
        Self { scale, ..self }
    }

    pub fn observation(&self) -> [f32; 3] {
        [self.x, self.moved, 1.0]
    }

    /// Starts an episode on either side of 0.
    pub fn reset(&mut self) {
        let side = if self.start.chance(0.5) { 1.0 } else { -1.0 };
        self.x = side * (0.5 + self.start.unit() as f32);
        self.moved = 0.0;
        self.left = self.lengths[self.episode % self.lengths.len()];
        self.episode += 1;
    }

    pub fn step(&mut self, action: &[f32]) -> (f32, Option<Ending>) {
        self.moved = 0.2 * action[0];
        self.x = (self.x + self.moved).clamp(-2.0, 2.0);
        self.left -= 1;
        let ending = match self.episode % 3 {
            0 => Ending::Terminated,
            _ => Ending::Truncated,
        };
        (
            -self.scale * self.x.abs(),
            (self.left == 0).then_some(ending),
        )
    }
}

/// A teacher that gives every query the same answer.
#[derive(Debug)]
pub struct Always(pub Option<Label>);

impl Teacher for Always {
    fn label(
        &self,
        _: &SegmentView,
        _: &SegmentView,
        _: &Session,
        _: &mut Stream,
    ) -> Option<Label> {
        self.0
    }
}

/// One feedback session as the run loop saw it.
pub struct Asked {
    pub step: u64,
    pub answers: Vec<(Pair, Option<Label>)>,
}

/// A learner at work.
pub struct Run {
    pub learner: Box<dyn Online>,
    pub env: Point,
    pub steps: u64,
    pub sessions: Vec<Asked>,
    pub teacher: Box<dyn Teacher>,
    pub finite: bool,
}

impl Run {
    pub fn new(learner: Box<dyn Online>) -> Self {
        Self::on(Point::new(3, &[30]), learner)
    }

    /// Starts the first episode.
    pub fn on(mut env: Point, mut learner: Box<dyn Online>) -> Self {
        env.reset();
        learner.begin(&env.observation()).unwrap();
        Self {
            learner,
            env,
            steps: 0,
            sessions: Vec::new(),
            teacher: (teacher::find("oracle").unwrap().make)(&serde_json::Value::Null, None)
                .unwrap(),
            finite: true,
        }
    }

    pub fn asked(&self) -> u64 {
        self.sessions.iter().map(|s| s.answers.len() as u64).sum()
    }

    /// A feedback session, if one is due.
    pub fn feedback(&mut self) {
        let pairs = self.learner.queries().unwrap();
        if pairs.is_empty() {
            return;
        }
        let trajectories = self.learner.trajectories();
        let session = Session::recent(trajectories, 10, 30.0, self.sessions.len(), 5);
        let (stream, asked) = (Stream::new(3, "teacher"), self.asked());
        let labels = ask(
            self.teacher.as_ref(),
            trajectories,
            &pairs,
            &session,
            &stream,
            asked,
        );
        let answers: Vec<_> = pairs.into_iter().zip(labels.unwrap()).collect();
        self.learner.teach(&answers).unwrap();
        let step = self.steps;
        self.sessions.push(Asked { step, answers });
    }

    /// The rest of a step.
    pub fn act(&mut self) {
        self.learner.update().unwrap();
        let mut action = [f32::NAN; 2];
        self.learner
            .act(&self.env.observation(), Mode::Explore, &mut action);
        self.finite &= action.iter().all(|a| (-1.0..=1.0).contains(a));
        let (reward, end) = self.env.step(&action);
        let next_observation = &self.env.observation();
        let transition = Transition {
            action: &action,
            reward,
            next_observation,
            end,
        };
        self.learner.observe(transition).unwrap();
        self.steps += 1;
        if end.is_some() {
            self.env.reset();
            self.learner.begin(&self.env.observation()).unwrap();
        }
    }

    pub fn run_to(&mut self, steps: u64) {
        while self.steps < steps {
            self.feedback();
            self.act();
        }
    }

    /// Exchanges the learner for a freshly built one that loads its saved bytes.
    pub fn resume(&mut self, fresh: Box<dyn Online>) {
        let bytes = self.learner.save().to_bytes();
        self.learner = fresh;
        let state = State::from_bytes(&bytes).unwrap();
        self.learner.load(&state).unwrap();
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.learner.save().to_bytes()
    }
}

/// The mean true return of deterministic episodes.
pub fn evaluate(learner: &mut dyn Learner, episodes: usize) -> f64 {
    let mut env = Point::new(77, &[30]);
    let mut total = 0.0;
    for _ in 0..episodes {
        env.reset();
        learner.begin_episode();
        loop {
            let mut action = [0.0; 2];
            learner.act(&env.observation(), Mode::Evaluate, &mut action);
            let (reward, end) = env.step(&action);
            total += f64::from(reward);
            if end.is_some() {
                break;
            }
        }
    }
    total / episodes as f64
}

/// The mean true return of the last complete episodes.
pub fn recent_return(trajectories: &Trajectories, episodes: usize) -> f64 {
    let complete = trajectories.complete();
    let last = complete - episodes..complete;
    last.map(|e| trajectories.episode_return(e)).sum::<f64>() / episodes as f64
}

/// Sets each setting that the algorithm has, named by its path.
pub fn with(mut settings: Value, changes: &Value) -> Value {
    for (path, value) in changes.as_object().unwrap() {
        if let Some(slot) = settings.pointer_mut(path) {
            *slot = value.clone();
        }
    }
    settings
}

/// An algorithm's settings, shrunk to run in milliseconds: 20 random steps, 40 unsupervised ones,
/// a first session at step 60 and one every 40 steps.
pub fn small(algorithm: &Algorithm) -> Value {
    let setup = Setup {
        task: "any",
        family: "metaworld",
        horizon: 30,
        tier: Tier::Smoke,
    };
    let tiny = json!({ "width": 8, "layers": 1, "heads": 2, "dropout": 0.1 });
    let schedule = json!({
        "/seed_steps": 20,
        "/unsupervised_steps": 40,
        "/neighbours": 3,
        "/unsupervised/steps": 40,
        "/unsupervised/neighbours": 3,
        "/unsupervised/reset_updates": 5,
        "/reset_updates": 5,
        "/actor/hidden": [8, 8],
        "/batch": 16,
        "/bc_steps": 20,
        "/warmup": 30,
        "/critic/hidden": [8, 8],
        "/critic_hidden": [8, 8],
        "/transformer": tiny,
        "/encoder": tiny,
        "/preference/transformer": tiny,
        "/preference/epochs": 3,
        "/preference/batch": 8,
        "/context": 4,
        "/average_from": 5,
        "/replay_batch": 9,
        "/iql/batch": 16,
    });
    let rest = json!({
        "/sac/hidden": [8, 8],
        "/sac/batch": 16,
        "/reward/hidden": [6, 6],
        "/reward/members": 2,
        "/reward/batch": 8,
        "/reward/epochs": 3,
        "/feedback/budget": 40,
        "/feedback/per_session": 12,
        "/feedback/every": 40,
        "/feedback/segment": 5,
        "/feedback/pool": 20,
        "/method/crops": 2,
        "/method/per_label": 4,
        "/method/unlabelled": 3,
        "/method/threshold": 0.5,
        "/method/crop": 2,
        "/method/margin": 2,
        "/method/every": 5,
        "/method/least_epochs": 1,
        "/method/passes": 4,
    });
    with(with((algorithm.defaults)(&setup), &schedule), &rest)
}

pub fn build(
    algorithm: &Algorithm,
    settings: &Value,
    seed: u64,
    device: Device,
) -> Box<dyn Online> {
    seated(algorithm, settings, seed, device, None)
}

/// The same, as one of a stack.
pub fn seated(
    algorithm: &Algorithm,
    settings: &Value,
    seed: u64,
    device: Device,
    ticket: Option<Ticket>,
) -> Box<dyn Online> {
    let build = Build {
        dims: DIMS,
        total_steps: 300,
        seed,
        device,
        ticket,
    };
    algorithm.build(settings, build).unwrap()
}

/// The algorithms that act while they learn.
pub fn online() -> impl Iterator<Item = &'static Algorithm> {
    ALGORITHMS.iter().filter(|a| a.offline().is_none())
}

/// The algorithms that learn from a dataset.
pub fn offline() -> impl Iterator<Item = &'static Algorithm> {
    ALGORITHMS.iter().filter(|a| a.offline().is_some())
}

/// Episodes on [`Point`], every other one by a good policy with noise and the rest at random, with the
/// oracle's answers about `queries` pairs of segments of 5 steps.
pub fn data(episodes: usize, queries: usize) -> OfflineData {
    let mut env = Point::new(5, &[30]);
    let mut stream = Stream::new(5, "data");
    let mut t = Trajectories::new(DIMS.obs, DIMS.act);
    for episode in 0..episodes {
        env.reset();
        t.begin(&env.observation()).unwrap();
        loop {
            let mut action = [0.0; 2];
            stream.fill_uniform(&mut action, -1.0, 1.0);
            if episode % 2 == 0 {
                action[0] = (0.3 * action[0] - 3.0 * env.observation()[0]).clamp(-1.0, 1.0);
            }
            let (reward, end) = env.step(&action);
            t.push(&action, reward, &env.observation()).unwrap();
            if let Some(end) = end {
                t.finish(end).unwrap();
                break;
            }
        }
    }
    let pairs = match queries {
        0 => Vec::new(),
        n => Pool::recent(&t, 1000, &[])
            .pairs(5, n, &mut stream)
            .unwrap(),
    };
    let oracle = (teacher::find("oracle").unwrap().make)(&Value::Null, None).unwrap();
    let session = Session::recent(&t, 1000, 30.0, 0, 5);
    let labels = ask(oracle.as_ref(), &t, &pairs, &session, &stream, 0).unwrap();
    let preference =
        |(pair, label): (Pair, Option<Label>)| label.map(|label| Preference { pair, label });
    let preferences = pairs.into_iter().zip(labels).filter_map(preference);
    OfflineData::new(t, preferences.collect()).unwrap()
}

/// An offline learner for a run of 300 gradient steps.
pub fn build_on(
    algorithm: &Algorithm,
    settings: &Value,
    seed: u64,
    device: Device,
    data: OfflineData,
) -> Box<dyn Learner> {
    let build = Build {
        dims: DIMS,
        total_steps: 300,
        seed,
        device,
        ticket: None,
    };
    algorithm.build_on(settings, build, data).unwrap()
}

/// Builds a learner of either kind, or tells why not.
pub fn attempt(algorithm: &Algorithm, settings: &Value, total_steps: u64) -> Result<(), String> {
    let build = Build {
        dims: DIMS,
        total_steps,
        seed: 1,
        device: Device::Flex,
        ticket: None,
    };
    match algorithm.offline() {
        None => algorithm.build(settings, build).map(|_| ()),
        Some(_) => algorithm.build_on(settings, build, data(4, 4)).map(|_| ()),
    }
    .map_err(|e| e.to_string())
}

pub fn find(id: &str) -> &'static Algorithm {
    algorithm::find(id).unwrap()
}

/// Builds PEBBLE with small settings and these changes.
pub fn pebble(changes: &Value) -> Box<dyn Online> {
    let algorithm = find("pebble");
    let settings = with(small(algorithm), changes);
    build(algorithm, &settings, 1, Device::Flex)
}

/// Asserts that two states are the same bytes, or names the tensors that differ and how far.
#[track_caller]
pub fn assert_same_state(ours: &[u8], theirs: &[u8], what: &str) {
    if ours == theirs {
        return;
    }
    let differ = differences(ours, theirs).into_iter();
    let differ: Vec<String> = differ
        .map(|(name, far)| format!("{name} by {far:.1e}"))
        .collect();
    panic!("{what}: {}", differ.join(", "));
}

/// The tensors in which two states differ, and how far at most.
pub fn differences(ours: &[u8], theirs: &[u8]) -> Vec<(String, f32)> {
    let tensors = |bytes: &[u8]| -> Vec<(String, Vec<f32>)> {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let (header, data) = bytes[8..].split_at(length);
        let header: Value = serde_json::from_slice(header).unwrap();
        let read = |(name, entry): (&String, &Value)| {
            let offset = |i: usize| entry["data_offsets"][i].as_u64().unwrap() as usize;
            let words = data[offset(0)..offset(1)].as_chunks::<4>().0;
            let values = words.iter().map(|w| f32::from_le_bytes(*w)).collect();
            (name.clone(), values)
        };
        header.as_object().unwrap().iter().map(read).collect()
    };
    let far = |a: &[f32], b: &[f32]| {
        let each = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        each.fold(0.0, f32::max)
    };
    let both = tensors(ours).into_iter().zip(tensors(theirs));
    both.filter(|(a, b)| a != b)
        .map(|((name, a), (_, b))| (name, far(&a, &b)))
        .collect()
}
