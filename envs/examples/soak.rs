//! Steps tasks for long under the roughest actions, every element -1 or 1, and looks for physics
//! that breaks: `cargo run --release -p prefbench-envs --example soak -- [task ...] [--steps 1000000]`.
//!
//! Every other episode draws new actions at each step; in between they are held for 1 to 50 steps.
//! Prints one row per task; exits with code 1 if a task misses a bar below, and says which. Of
//! penetration, the percentile is over the steps with a contact.

use prefbench_envs::{End, Health, TASKS, Task, find};
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

// The bars; lengths in mm, speed in m/s. Those of penetration are a solid floor's: MuJoCo's own
// Hopper-v5, soft by design, sinks in by 32 mm (99th percentile) and 38 mm under these actions.
const PENETRATION_P99: f32 = 5.0;
const PENETRATION: f32 = 40.0;
const DRIFT: f32 = 0.1;
const SPEED: f32 = 200.0;

const LONGEST_HOLD: u64 = 50;

/// Numbers that are the same on every machine: a 64-bit linear congruential generator.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

struct Soak {
    episodes: u64,
    failures: u64,
    /// Spent in the environment.
    time: Duration,
    /// The largest of each.
    worst: Health,
    /// Of every step with a contact, m.
    penetrations: Vec<f32>,
}

impl Soak {
    fn run(task: &Task, steps: u64) -> Result<Self, Box<dyn Error>> {
        let mut soak = Self {
            episodes: 0,
            failures: 0,
            time: Duration::ZERO,
            worst: Health {
                max_speed: 0.0,
                penetration: 0.0,
                anchor_drift: 0.0,
            },
            penetrations: vec![],
        };
        let mut env = task.make()?;
        let mut obs = vec![0.0; task.spec.obs_dim()];
        let mut action = vec![0.0; task.spec.action_dim()];
        let (mut random, mut hold, mut over) = (Random(1), 0, true);
        for step in 0..steps {
            if over {
                soak.episodes += 1;
                (hold, over) = (0, false);
                env.reset(soak.episodes, &mut obs)?;
            }
            if hold == 0 {
                action.fill_with(|| if random.below(2) == 0 { -1.0 } else { 1.0 });
                let held = soak.episodes.is_multiple_of(2);
                hold = if held {
                    1 + random.below(LONGEST_HOLD)
                } else {
                    1
                };
            }
            hold -= 1;
            let start = Instant::now();
            let outcome = env.step(&action, &mut obs);
            soak.time += start.elapsed();
            let failure = match outcome {
                Err(error) => Some(error.to_string()),
                Ok(result) => {
                    over = result.end != End::No;
                    soak.note(env.health())
                }
            };
            if let Some(failure) = failure {
                eprintln!(
                    "{failure} (step {step} of the soak, seed {})",
                    soak.episodes
                );
                soak.failures += 1;
                over = true;
            }
        }
        soak.penetrations.sort_by(f32::total_cmp);
        Ok(soak)
    }

    /// What is wrong with this health, if anything is not finite.
    fn note(&mut self, now: Health) -> Option<String> {
        let Health {
            max_speed,
            penetration,
            anchor_drift,
        } = now;
        if ![max_speed, penetration, anchor_drift]
            .iter()
            .all(|v| v.is_finite())
        {
            return Some(format!("not finite: {now:?}"));
        }
        self.worst = Health {
            max_speed: max_speed.max(self.worst.max_speed),
            penetration: penetration.max(self.worst.penetration),
            anchor_drift: anchor_drift.max(self.worst.anchor_drift),
        };
        if penetration > 0.0 {
            self.penetrations.push(penetration);
        }
        None
    }

    /// Prints a row; whether every bar was met.
    fn report(&self, task: &Task, steps: u64) -> bool {
        let p99 = self.penetrations.get(self.penetrations.len() * 99 / 100);
        let p99 = 1e3 * p99.copied().unwrap_or(0.0);
        let penetration = 1e3 * self.worst.penetration;
        let drift = 1e3 * self.worst.anchor_drift;
        let speed = self.worst.max_speed;
        let missed: Vec<_> = [
            ("failures", self.failures as f32, 0.0),
            ("speed", speed, SPEED),
            ("penetration p99", p99, PENETRATION_P99),
            ("penetration", penetration, PENETRATION),
            ("drift", drift, DRIFT),
        ]
        .iter()
        .filter(|(_, value, bar)| value > bar)
        .map(|(name, ..)| *name)
        .collect();
        println!(
            "| {} | {steps} | {} | {:.0} | {} | {speed:.1} | {p99:.2} | {penetration:.2} | {drift:.4} | {} |",
            task.id,
            self.episodes,
            steps as f64 / self.time.as_secs_f64(),
            self.failures,
            missed.join(", "),
        );
        missed.is_empty()
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut steps, mut tasks) = (1_000_000, vec![]);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--steps" {
            let n = arguments.next().ok_or("--steps needs a number")?;
            steps = n.parse()?;
        } else {
            tasks.push(*find(&argument)?);
        }
    }
    println!(
        "| task | steps | episodes | steps/s | failures | speed (m/s) | penetration p99 (mm) \
         | penetration (mm) | drift (mm) | bars missed |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut sound = true;
    for task in if tasks.is_empty() { TASKS } else { &tasks } {
        sound &= Soak::run(task, steps)?.report(task, steps);
    }
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        eprintln!("a task missed a bar: see the last column");
        ExitCode::FAILURE
    })
}
