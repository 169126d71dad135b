//! The work that is timed, shared by the criterion benches and `examples/rate.rs`.
//!
//! Each workload is built once and then does one unit of work per call. Sizes are those of the
//! peer scripts in `benches/peers`.

use std::hint::black_box;

use prefbench_agents::device::Cpu;
use prefbench_agents::explore::StateEntropy;
use prefbench_agents::replay::Replay;
use prefbench_agents::reward_model::{RewardConfig, RewardModel};
use prefbench_agents::transformer::regression::Regression;
use prefbench_agents::transformer::{Act, Call, Shape};
use prefbench_agents::{
    Build, Device, Dims, OfflineData, Setup, State, Ticket, Tier, Transition, algorithm,
};
use prefbench_envs::{self as envs, End, Env, Task};
use prefbench_oracles::{
    Ending, Label, NoScores, Pair, Pool, Preference, Segment, Stream, Trajectories, sampler,
};
use serde_json::json;

/// Observation and action sizes of HalfCheetah and Walker2d, the middle of the field.
const DIMS: Dims = Dims { obs: 17, act: 6 };
/// Numbers in an observation of walker, in the workloads that read observations alone.
const WALKER: usize = 24;
/// Transitions in the synthetic replay.
const TRANSITIONS: usize = 20_000;
/// Steps of a synthetic episode.
const EPISODE: usize = 500;
/// Control steps after which an episode of `env-step` is cut short, on a robot of Gymnasium's.
const RESET_EVERY: u32 = 50;
/// The task of `env-step` and `reset` when the name says none.
const TASK: &str = "hopper";

/// Names of all workloads, with the unit that one call does. The first two take a task after a
/// colon: `env-step:reach`.
pub const WORKLOADS: &[(&str, &str)] = &[
    ("env-step", "control steps of a task (hopper)"),
    ("reset", "resets of a task (hopper)"),
    ("sac-update", "updates, 2x256, batch 256"),
    ("sac-update-wide", "updates, 2x1024, batch 1024"),
    (
        "reward-update",
        "gradient steps, 3 members 3x256, 128 pairs of 50 steps",
    ),
    (
        "transformer-update",
        "gradient steps, 4 layers of 128, 4 heads, 64 sequences of 60 tokens",
    ),
    (
        "pt-update",
        "gradient steps of the reward, 16 pairs of 50 steps, 1 layer of 256",
    ),
    (
        "dtr-update",
        "updates, 64 windows of 20 steps, 4 layers of 128",
    ),
    (
        "cpl-update",
        "updates, 96 pairs of 64 steps, 2x512, a quarter dropped",
    ),
    (
        "ipl-update",
        "updates, 8 pairs of 64 steps and 256 transitions, 2x256",
    ),
    (
        "relabel",
        "relabellings of 20,000 transitions, 3 members 3x256",
    ),
    (
        "k-center",
        "choices of 1,000 from 10,000 pairs of 50 steps of 24 numbers, 1,000 labelled",
    ),
    (
        "k-center-noise",
        "the same where states are white noise, which bounds nothing",
    ),
    (
        "state-entropy",
        "steps with 100,000 states of 24 numbers, 5 neighbours, batch 512",
    ),
];

/// One unit of work per call.
pub type Workload = Box<dyn FnMut()>;

/// Builds a workload by name; `None` if there is none, or not of that task.
pub fn build(name: &str) -> Option<Workload> {
    match name.split_once(':').unwrap_or((name, "")) {
        ("env-step", task) => Some(env_step(named(task)?)),
        ("reset", task) => Some(reset(named(task)?)),
        ("sac-update", "") => Some(sac_update(256, 256, Device::Flex, None)),
        ("sac-update-wide", "") => Some(sac_update(1024, 1024, Device::Flex, None)),
        ("reward-update", "") => Some(reward_update()),
        ("transformer-update", "") => Some(transformer_update()),
        ("pt-update", "") => Some(on_dataset(
            "pt",
            &json!({
                "/preference/transformer": { "width": 256, "layers": 1, "heads": 4, "dropout": 0.1 },
                "/preference/batch": 16,
                "/preference/epochs": 1_000_000,
            }),
            (16, 50),
            0,
        )),
        ("dtr-update", "") => Some(on_dataset(
            "dtr",
            &json!({
                "/reward/hidden": [8], "/reward/epochs": 1, "/reward/batch": 16,
                "/transformer": { "width": 128, "layers": 4, "heads": 4, "dropout": 0.1 },
                "/critic_hidden": [128, 128, 128], "/context": 20, "/batch": 64,
            }),
            (16, 50),
            1,
        )),
        ("cpl-update", "") => Some(on_dataset(
            "cpl",
            &json!({
                "/actor/hidden": [512, 512], "/actor/dropout": 0.25, "/actor/lr": 1e-4,
                "/batch": 96, "/bc_steps": 1, "/warmup": 1,
            }),
            (192, 64),
            1,
        )),
        ("ipl-update", "") => Some(on_dataset(
            "ipl",
            &json!({
                "/actor/hidden": [256, 256], "/critic/hidden": [256, 256],
                "/actor/lr": 3e-4, "/critic/lr": 3e-4, "/scale_observations": false,
            }),
            (192, 100),
            0,
        )),
        ("relabel", "") => Some(relabel()),
        ("k-center", "") => Some(k_center(1.0)),
        ("k-center-noise", "") => Some(k_center(0.0)),
        ("state-entropy", "") => Some(state_entropy()),
        _ => None,
    }
}

fn named(task: &str) -> Option<&'static Task> {
    envs::find(if task.is_empty() { TASK } else { task }).ok()
}

/// One control step under uniformly random actions, with a reset where an episode ends.
fn env_step(task: &Task) -> Workload {
    let mut env = task.make().expect("the task builds");
    let mut obs = vec![0.0; task.spec.obs_dim()];
    let mut actions = Stream::new(0, "actions");
    let mut action = vec![0.0; task.spec.action_dim()];
    let limit = match task.family {
        "gymnasium" => RESET_EVERY,
        _ => task.spec.horizon,
    };
    let (mut age, mut episode) = (0, 0);
    let mut reset = move |env: &mut Box<dyn Env>, obs: &mut [f32]| {
        episode += 1;
        env.reset(episode, obs).expect("reset works");
    };
    reset(&mut env, &mut obs);
    Box::new(move || {
        actions.fill_uniform(&mut action, -1.0, 1.0);
        let step = env.step(&action, &mut obs).expect("the step is sound");
        age += 1;
        if step.end != End::No || age == limit {
            reset(&mut env, &mut obs);
            age = 0;
        }
    })
}

/// One reset, each of another seed.
fn reset(task: &Task) -> Workload {
    let mut env = task.make().expect("the task builds");
    let mut obs = vec![0.0; task.spec.obs_dim()];
    let mut episode = 0;
    Box::new(move || {
        episode += 1;
        env.reset(episode, &mut obs).expect("reset works");
    })
}

/// One update of the registered `sac`: gather, critics, actor, temperature and targets.
pub fn sac_update(width: usize, batch: usize, device: Device, ticket: Option<Ticket>) -> Workload {
    let settings = json!({
        "seed_steps": 1,
        "sac": {
            "hidden": [width, width], "init": "uniform", "batch": batch,
            "actor_lr": 3e-4, "critic_lr": 3e-4, "alpha_lr": 3e-4, "init_temperature": 1.0,
            "discount": 0.99, "tau": 0.005, "target_update_every": 1,
        },
    });
    let build = Build {
        dims: DIMS,
        total_steps: 2,
        seed: 0,
        device,
        ticket,
    };
    let sac = algorithm::find("sac").expect("registered");
    let mut learner = sac.build(&settings, build).expect("the settings are valid");
    synthetic(|event| match event {
        Event::Begin(observation) => learner.begin(observation).expect("an episode begins"),
        Event::Step(transition) => learner.observe(transition).expect("a step is stored"),
    });
    Box::new(move || learner.update().expect("an update"))
}

/// One gradient step of the reward ensemble.
fn reward_update() -> Workload {
    let (mut model, replay) = reward_model();
    let mut stream = Stream::new(1, "pairs");
    let mut segment = || Segment {
        trajectory: stream.below(TRANSITIONS / EPISODE) as u32,
        start: stream.below(EPISODE - 50) as u32,
        len: 50,
    };
    let preferences: Vec<Preference> = (0..128)
        .map(|i| Preference {
            pair: Pair {
                left: segment(),
                right: segment(),
            },
            label: if i % 2 == 0 {
                Label::Left
            } else {
                Label::Right
            },
        })
        .collect();
    let mut shuffle = Stream::new(2, "order");
    Box::new(move || {
        model
            .fit(&replay, &preferences, &mut shuffle)
            .expect("there are labels");
    })
}

/// One step of Adam on a regression of a causal transformer's outputs, GELU, nothing dropped.
fn transformer_update() -> Workload {
    const BATCH: usize = 64;
    const TOKENS: usize = 60;
    let shape = Shape {
        width: 128,
        layers: 4,
        heads: 4,
        inner: 512,
        activation: Act::Gelu,
        causal: true,
        norm_first: true,
        dropout: 0.0,
    };
    let init = &mut Stream::new(0, "init");
    let mut model = Regression::<Cpu>::new(shape, (32, 6), (1e-3, 0.0), init, &Default::default());
    let mut x = vec![0.0; BATCH * TOKENS * 32];
    Stream::new(0, "data").fill_normal(&mut x);
    let first = x.chunks(32).flat_map(|x| x[..6].iter());
    let y: Vec<f32> = first.map(|x| x.tanh()).collect();
    Box::new(move || {
        black_box(model.step(BATCH, &x, &y, &Call::default()));
    })
}

/// One step of an offline algorithm on the synthetic episodes and so many answers about segments of so many steps,
/// with these settings, after the `first` steps.
fn on_dataset(
    id: &str,
    settings: &serde_json::Value,
    (answers, len): (u32, u32),
    first: usize,
) -> Workload {
    let mut t = Trajectories::new(DIMS.obs, DIMS.act);
    synthetic(|event| match event {
        Event::Begin(observation) => t.begin(observation).expect("an episode begins"),
        Event::Step(s) => {
            t.push(s.action, s.reward, s.next_observation)
                .expect("a step is stored");
            if let Some(end) = s.end {
                t.finish(end).expect("an episode ends");
            }
        }
    });
    let segment = |i: u32| Segment {
        trajectory: i % (TRANSITIONS / EPISODE) as u32,
        start: i,
        len,
    };
    let answer = |i: u32| Preference {
        pair: Pair {
            left: segment(i),
            right: segment(i + 1),
        },
        label: if i.is_multiple_of(2) {
            Label::Left
        } else {
            Label::Right
        },
    };
    let data = OfflineData::new(t, (0..answers).map(answer).collect()).expect("segments lie in it");
    let algorithm = algorithm::find(id).expect("registered");
    let setup = Setup {
        task: "any",
        family: "gymnasium",
        horizon: EPISODE,
        tier: Tier::Short,
    };
    let mut all = (algorithm.defaults)(&setup);
    for (path, value) in settings.as_object().expect("a map") {
        *all.pointer_mut(path).expect("a setting") = value.clone();
    }
    let build = Build {
        dims: DIMS,
        total_steps: 2_000_000,
        seed: 0,
        device: Device::Flex,
        ticket: None,
    };
    let mut learner = algorithm
        .build_on(&all, build, data)
        .expect("the settings are valid");
    let mut step = move || learner.update().expect("a step");
    (0..first).for_each(|_| step());
    Box::new(step)
}

/// One relabelling of the whole replay.
fn relabel() -> Workload {
    let (model, mut replay) = reward_model();
    Box::new(move || model.relabel(&mut replay))
}

/// One selection among pairs of random walks (`keep` 1), or of white noise (0).
fn k_center(keep: f32) -> Workload {
    let mut stream = Stream::new(0, "data");
    let mut walks = Trajectories::new(WALKER, 1);
    let mut state = [0.0; WALKER];
    for _ in 0..100 {
        stream.fill_normal(&mut state);
        walks.begin(&state).expect("an episode begins");
        for _ in 0..1_000 {
            let step = |x: &mut f32| *x = keep * *x + 0.1 * stream.normal();
            state.iter_mut().for_each(step);
            walks.push(&[0.0], 0.0, &state).expect("a step is stored");
        }
        walks.finish(Ending::Truncated).expect("an episode ends");
    }
    let asked = Pool::recent(&walks, 100, &[]).pairs(50, 1_000, &mut stream);
    let label = Label::Left;
    let asked = asked.expect("episodes are long enough").into_iter();
    let labelled: Vec<Preference> = asked.map(|pair| Preference { pair, label }).collect();
    let sampler = sampler::find("k-center").expect("registered").sampler;
    Box::new(move || {
        let pool = Pool::recent(&walks, 100, &labelled);
        let pairs = sampler.select(&pool, 50, 1_000, &mut NoScores, &mut stream);
        black_box(pairs.expect("pairs are chosen"));
    })
}

/// One more state, and the rewards of a batch. A hundred thousand passes would take too long to
/// set up, so the first states' nearest distances are set to what they are about.
fn state_entropy() -> Workload {
    const STATES: usize = 100_000;
    const NEIGHBOURS: usize = 5;
    let mut stream = Stream::new(0, "data");
    let mut memory = vec![0.0; STATES * WALKER];
    stream.fill_normal(&mut memory);
    let mut entropy = StateEntropy::new(WALKER, NEIGHBOURS);
    let mut saved = State::default();
    entropy.save(&mut saved);
    let nearest = [0.0, 12.0, 13.0, 14.0, 14.5, 15.0].repeat(STATES);
    saved.put_column("entropy.nearest", &[STATES, NEIGHBOURS + 1], &nearest);
    entropy.load(&saved, STATES).expect("the state fits");
    let mut state = [0.0; WALKER];
    Box::new(move || {
        stream.fill_normal(&mut state);
        memory.extend(state);
        let rows = memory.len() / WALKER;
        let batch: Vec<usize> = (0..512).map(|_| stream.below(rows)).collect();
        black_box(entropy.reward(&batch, &memory));
    })
}

/// PEBBLE's ensemble and a filled replay; one epoch of 128 pairs is one gradient step.
fn reward_model() -> (RewardModel<Cpu>, Replay) {
    let config = RewardConfig {
        hidden: vec![256; 3],
        members: 3,
        lr: 3e-4,
        batch: 128,
        epochs: 1,
        target_accuracy: 1.0,
    };
    let device = Default::default();
    let model = RewardModel::new(config, DIMS, &mut Stream::new(0, "init"), device);
    let mut replay = Replay::new(DIMS);
    synthetic(|event| match event {
        Event::Begin(observation) => replay.begin(observation).expect("an episode begins"),
        Event::Step(t) => replay.push(t, t.reward).expect("a step is stored"),
    });
    (model, replay)
}

enum Event<'a> {
    Begin(&'a [f32]),
    Step(Transition<'a>),
}

/// Normal observations and rewards, uniform actions, in episodes of [`EPISODE`] steps.
fn synthetic(mut sink: impl FnMut(Event)) {
    let mut stream = Stream::new(0, "data");
    let (mut obs, mut action) = ([0.0; DIMS.obs], [0.0; DIMS.act]);
    for i in 0..TRANSITIONS {
        if i % EPISODE == 0 {
            stream.fill_normal(&mut obs);
            sink(Event::Begin(&obs));
        }
        stream.fill_normal(&mut obs);
        stream.fill_uniform(&mut action, -1.0, 1.0);
        sink(Event::Step(Transition {
            action: &action,
            reward: stream.normal(),
            next_observation: &obs,
            end: ((i + 1) % EPISODE == 0).then_some(Ending::Truncated),
        }));
    }
}
