//! The promises of this crate, over every registered task.

use prefbench_envs::{End, Env, EnvError, Snapshot, Spec, Step, TASKS, Task, find};

fn make(task: &Task) -> Box<dyn Env> {
    task.make().unwrap_or_else(|e| panic!("{e}"))
}

/// Actions that are the same on every machine: a 64-bit linear congruential generator.
struct Actions(u64);

impl Actions {
    fn fill(&mut self, action: &mut [f32]) {
        for a in action {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *a = (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0;
        }
    }
}

/// An environment with its buffers, begun with `seed` and begun again with the next at each end.
struct Driver {
    env: Box<dyn Env>,
    spec: Spec,
    obs: Vec<f32>,
    action: Vec<f32>,
    seed: u64,
}

impl Driver {
    fn new(task: &Task, seed: u64) -> Self {
        let (obs, action) = (
            vec![f32::NAN; task.spec.obs_dim()],
            vec![0.0; task.spec.action_dim()],
        );
        let mut driver = Self {
            env: make(task),
            spec: task.spec,
            obs,
            action,
            seed,
        };
        driver.reset();
        driver
    }

    fn reset(&mut self) {
        self.env.reset(self.seed, &mut self.obs).expect("reset");
    }

    fn step(&mut self, actions: &mut Actions) -> Step {
        actions.fill(&mut self.action);
        self.repeat()
    }

    /// A step with the last action.
    fn repeat(&mut self) -> Step {
        let step = self
            .env
            .step(&self.action, &mut self.obs)
            .unwrap_or_else(|e| panic!("{e}"));
        if step.end != End::No {
            self.seed += 1;
            self.reset();
        }
        step
    }

    /// A hash of the bits of `steps` observations and rewards.
    fn hash(&mut self, actions: &mut Actions, steps: usize) -> String {
        let mut hash = blake3::Hasher::new();
        for _ in 0..steps {
            let step = self.step(actions);
            hash.update(&step.reward.to_bits().to_le_bytes());
            self.obs.iter().for_each(|o| {
                hash.update(&o.to_bits().to_le_bytes());
            });
        }
        hash.finalize().to_hex()[..32].to_owned()
    }
}

#[test]
fn registry_is_well_formed() {
    for task in TASKS {
        assert_eq!(
            TASKS.iter().filter(|t| t.id == task.id).count(),
            1,
            "{} is registered twice",
            task.id
        );
        assert!(
            task.id
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        );
        assert!(!task.reward.is_empty() && !task.success.is_empty() && task.version > 0);
        assert_eq!(find(task.id).expect(task.id).id, task.id);
        assert_eq!(make(task).spec(), &task.spec);
        let Spec {
            fields,
            actions,
            control_period,
            horizon,
            ..
        } = task.spec;
        assert!(!actions.is_empty() && control_period > 0.0 && horizon > 0);
        for (i, f) in fields.iter().enumerate() {
            assert!(f.low <= f.high, "{}: bounds of {}", task.id, f.name);
            assert_eq!(
                task.spec.index_of(f.name),
                Some(i),
                "{}: {} is named twice",
                task.id,
                f.name
            );
        }
    }
}

#[test]
fn unknown_names_meet_the_nearest() {
    let error = find("Hoper").expect_err("no such task");
    assert!(
        matches!(
            &error,
            EnvError::UnknownTask {
                nearest: "hopper",
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("the nearest known name is `hopper`"),
        "{error}"
    );
}

#[test]
fn specifications_are_obeyed_and_nothing_is_constant() {
    for task in TASKS {
        let mut driver = Driver::new(task, 0);
        let mut actions = Actions(1);
        let first = driver.obs.clone();
        let mut varied = vec![false; first.len()];
        // 1,000 steps, or more where a field, such as a rare contact's, is still waited for: then
        // extremes are held, which gets farther, and at last the expert acts.
        for step in 0..20_000 {
            let mut fields = driver.spec.fields.iter().zip(&varied);
            if step >= 1000 && fields.all(|(f, &varied)| varied || f.low == f.high) {
                break;
            }
            let Step { reward, .. } = if step < 1000 {
                driver.step(&mut actions)
            } else {
                match task.expert.filter(|_| step >= 10_000) {
                    Some(expert) => expert(&driver.obs, &mut driver.action),
                    None if step % 25 == 0 => {
                        actions.fill(&mut driver.action);
                        driver.action.iter_mut().for_each(|a| *a = a.signum());
                    }
                    None => {}
                }
                driver.repeat()
            };
            assert!(reward.is_finite());
            if let Some((low, high)) = task.spec.reward_bounds {
                assert!(
                    (low..=high).contains(&reward),
                    "{} step {step}: reward {reward}",
                    task.id
                );
            }
            for (i, (field, &o)) in driver.spec.fields.iter().zip(&driver.obs).enumerate() {
                assert!(
                    o.is_finite() && (field.low..=field.high).contains(&o),
                    "{} step {step}: {} is {o}",
                    task.id,
                    field.name
                );
                varied[i] |= o != first[i];
            }
        }
        for (field, varied) in driver.spec.fields.iter().zip(varied) {
            let constant = field.low == field.high;
            assert!(
                varied != constant,
                "{}: {} is constant",
                task.id,
                field.name
            );
        }
    }
}

/// Extremes find what random actions do not: corners of the action box, held for an episode.
#[test]
fn bounds_hold_under_held_extremes() {
    for task in TASKS {
        let mut driver = Driver::new(task, 3);
        let corners = 1_u32 << task.spec.action_dim();
        for corner in (0..corners).step_by((corners as usize / 8 + 1) | 1) {
            let action: Vec<f32> = (0..task.spec.action_dim())
                .map(|i| if corner >> i & 1 == 1 { 1.0 } else { -1.0 })
                .collect();
            driver.reset();
            loop {
                let step = driver
                    .env
                    .step(&action, &mut driver.obs)
                    .unwrap_or_else(|e| panic!("{e}"));
                for (field, &o) in driver.spec.fields.iter().zip(&driver.obs) {
                    assert!(
                        (field.low..=field.high).contains(&o),
                        "{} {action:?}: {} is {o}",
                        task.id,
                        field.name
                    );
                }
                if step.end != End::No {
                    break;
                }
            }
        }
    }
}

#[test]
fn seeds_determine_episodes() {
    for task in TASKS {
        let hash = |seed| Driver::new(task, seed).hash(&mut Actions(5), 300);
        assert_eq!(hash(11), hash(11), "{}: one seed, two episodes", task.id);
        assert_ne!(hash(11), hash(12), "{}: two seeds, one episode", task.id);
        let starts = [11, 12].map(|seed| Driver::new(task, seed).obs);
        assert_ne!(starts[0], starts[1], "{}: two seeds, one start", task.id);
    }
}

#[test]
fn a_reset_forgets_the_past() {
    for task in TASKS {
        let mut used = Driver::new(task, 90);
        used.hash(&mut Actions(2), 137);
        used.seed = 11;
        used.reset();
        let fresh = Driver::new(task, 11).hash(&mut Actions(5), 300);
        assert_eq!(used.hash(&mut Actions(5), 300), fresh, "{}", task.id);
    }
}

#[test]
fn actions_are_clipped_and_matter() {
    for task in TASKS {
        let run = |scale: f32| {
            let mut driver = Driver::new(task, 4);
            let action = vec![scale; task.spec.action_dim()];
            let step = driver.env.step(&action, &mut driver.obs).expect("step");
            (
                step.reward.to_bits(),
                driver.obs.iter().map(|o| o.to_bits()).collect::<Vec<_>>(),
            )
        };
        assert_eq!(run(1.0), run(1e30), "{}", task.id);
        assert_ne!(run(1.0), run(0.5), "{}", task.id);
    }
}

#[test]
fn snapshots_continue_bit_for_bit() {
    // Also as an episode begins, where a run's checkpoint often falls.
    let both = |task| [(task, 0, 40), (task, 77, 400)];
    for (task, before, after) in TASKS.iter().flat_map(both) {
        let mut driver = Driver::new(task, 21);
        driver.hash(&mut Actions(8), before);
        let snapshot = driver.env.snapshot().expect("snapshot");
        let (obs, seed) = (driver.obs.clone(), driver.seed);
        let expected = driver.hash(&mut Actions(9), after);

        let bytes = Snapshot::from_bytes(snapshot.as_bytes().to_vec());
        let mut fresh = Driver::new(task, 0);
        fresh.env = make(task);
        for driver in [&mut driver, &mut fresh] {
            driver.env.restore(&bytes).expect("restore");
            driver.seed = seed;
            driver.env.observe(&mut driver.obs).expect("observe");
            assert_eq!(driver.obs, obs, "{}", task.id);
            assert_eq!(
                driver.env.snapshot().expect("snapshot"),
                snapshot,
                "{}",
                task.id
            );
            assert_eq!(driver.hash(&mut Actions(9), after), expected, "{}", task.id);
        }
    }
}

#[test]
fn untrustworthy_snapshots_are_refused() {
    for (i, task) in TASKS.iter().enumerate() {
        let mut driver = Driver::new(task, 1);
        let good = driver.env.snapshot().expect("snapshot");
        let foreign = Driver::new(&TASKS[(i + 1) % TASKS.len()], 1)
            .env
            .snapshot()
            .expect("snapshot");
        let mut bad = vec![
            vec![],
            vec![0; 31],
            vec![0; 32],
            vec![7; 4000],
            foreign.as_bytes().to_vec(),
        ];
        bad.push(good.as_bytes()[..good.as_bytes().len() - 1].to_vec());
        for at in (0..good.as_bytes().len()).step_by(997) {
            let mut flipped = good.as_bytes().to_vec();
            flipped[at] ^= 1;
            bad.push(flipped);
        }
        for bytes in bad {
            let error = driver
                .env
                .restore(&Snapshot::from_bytes(bytes))
                .expect_err("refused");
            assert!(matches!(error, EnvError::Snapshot { .. }), "{error}");
            assert!(error.to_string().contains(task.id), "{error}");
        }
        assert_eq!(
            driver.env.snapshot().expect("snapshot"),
            good,
            "{}: a refusal leaves no trace",
            task.id
        );
        driver.step(&mut Actions(1));
    }
}

#[test]
fn misuse_is_refused_and_leaves_no_trace() {
    for task in TASKS {
        let (n, m) = (task.spec.action_dim(), task.spec.obs_dim());
        let (mut env, mut obs) = (make(task), vec![0.0; m]);
        let zeros = vec![0.0; n];
        assert_eq!(
            env.step(&zeros, &mut obs),
            Err(EnvError::NotReset { task: task.id })
        );
        assert_eq!(
            env.observe(&mut obs),
            Err(EnvError::NotReset { task: task.id })
        );
        assert!(matches!(
            env.reset(0, &mut vec![0.0; m + 1]),
            Err(EnvError::ObsLength { .. })
        ));
        env.reset(0, &mut obs).expect("reset");
        let before = env.snapshot().expect("snapshot");

        assert!(matches!(
            env.step(&vec![0.0; n + 1], &mut obs),
            Err(EnvError::ActionLength { .. })
        ));
        assert!(matches!(
            env.step(&[], &mut obs),
            Err(EnvError::ActionLength { got: 0, .. })
        ));
        assert!(matches!(
            env.step(&zeros, &mut []),
            Err(EnvError::ObsLength { got: 0, .. })
        ));
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut action = zeros.clone();
            action[n - 1] = value;
            let error = env.step(&action, &mut obs).expect_err("refused");
            assert!(
                matches!(error, EnvError::ActionNotFinite { index, .. } if index == n - 1),
                "{error}"
            );
        }
        assert_eq!(env.snapshot().expect("snapshot"), before, "{}", task.id);
        env.step(&zeros, &mut obs).expect("still usable");
    }
}

#[test]
fn episodes_end_once() {
    for task in TASKS {
        let mut driver = Driver::new(task, 2);
        let mut actions = Actions(3);
        for step in 1.. {
            actions.fill(&mut driver.action);
            let end = driver
                .env
                .step(&driver.action, &mut driver.obs)
                .expect("step")
                .end;
            assert_eq!(
                end == End::Truncated,
                step == task.spec.horizon && end != End::Terminated,
                "{} at {step}",
                task.id
            );
            if end != End::No {
                let again = driver.env.step(&driver.action, &mut driver.obs);
                assert_eq!(
                    again,
                    Err(EnvError::EpisodeOver {
                        task: task.id,
                        step
                    })
                );
                driver
                    .env
                    .observe(&mut driver.obs)
                    .expect("the last observation stays readable");
                break;
            }
        }
    }
}

#[test]
fn curricula_keep_their_contract() {
    for task in TASKS {
        let mut driver = Driver::new(task, 6);
        let full = driver.obs.clone();
        let tagged = task.tags.contains(&"curriculum");
        assert_eq!(
            driver.env.difficulty(),
            tagged.then_some(1.0),
            "{}",
            task.id
        );
        if !tagged {
            let error = driver.env.set_difficulty(0.5).expect_err("refused");
            assert_eq!(error, EnvError::NoCurriculum { task: task.id });
            assert!(error.to_string().contains(task.id), "{error}");
            continue;
        }
        for bad in [-0.01, 1.01, f32::NAN, f32::INFINITY] {
            let error = driver.env.set_difficulty(bad).expect_err("refused");
            assert!(matches!(error, EnvError::Difficulty { .. }), "{error}");
            assert!(error.to_string().contains(task.id), "{error}");
            assert_eq!(driver.env.difficulty(), Some(1.0));
        }
        // Not before the next reset, which keeps it.
        let expected = Driver::new(task, 6).hash(&mut Actions(5), 50);
        driver.env.set_difficulty(0.0).expect("in range");
        assert_eq!(driver.hash(&mut Actions(5), 50), expected, "{}", task.id);
        driver.reset();
        let easy = driver.obs.clone();
        assert_ne!(easy, full, "{}", task.id);
        driver.reset();
        assert_eq!((&driver.obs, driver.env.difficulty()), (&easy, Some(0.0)));

        driver.env.set_difficulty(0.25).expect("in range");
        let snapshot = driver.env.snapshot().expect("snapshot");
        let mut other = Driver::new(task, 7);
        other.env.restore(&snapshot).expect("restore");
        assert_eq!(other.env.difficulty(), Some(0.25), "{}", task.id);
        for driver in [&mut driver, &mut other] {
            driver.seed = 6;
            driver.reset();
        }
        assert_eq!(driver.obs, other.obs, "{}", task.id);
        driver.env.set_difficulty(1.0).expect("in range");
        driver.reset();
        assert_eq!(driver.obs, full, "{}", task.id);
    }
}

/// The bits of a fixed episode stream, per task and version: `tests/golden.txt`. A mismatch means
/// that published results no longer reproduce. If that is intended, raise the task's version and
/// write the table anew: `PREFBENCH_BLESS=1 cargo test -p prefbench-envs --test conformance golden`
#[test]
fn golden_hashes_hold() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden.txt");
    let row = |t: &'static Task| {
        let hash = Driver::new(t, 2026).hash(&mut Actions(42), 1000);
        format!("{} v{} {hash}\n", t.id, t.version)
    };
    let now: String = TASKS.iter().map(row).collect();
    if std::env::var_os("PREFBENCH_BLESS").is_some() {
        std::fs::write(path, now).expect("write the table");
        return;
    }
    let golden = std::fs::read_to_string(path).expect("tests/golden.txt");
    assert_eq!(now, golden, "bits changed: see the comment on this test");
}
