//! HalfCheetah against MuJoCo: its own moves, and how fast open-loop gaits run.

use super::*;
use crate::fidelity::{Bars, Twin};
use serde::Deserialize;

fn twin() -> Twin<HalfCheetah> {
    let json = include_str!("../../../tests/mujoco/gym_half_cheetah.json");
    Twin::new(&[TASK], "gym_half_cheetah", json, |d| &d.robot)
}

#[test]
fn moves_as_in_mujoco() {
    let twin = twin();
    twin.judges_as_gymnasium(1.0);
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.06,
        swing: 0.06,
        limits: 0.1,
        landings: [0.1, 0.5, 2.0],
        rest: 0.03,
    });
}

/// What MuJoCo's robot does in the same search; `tests/mujoco/gait.py` describes it to the last draw.
#[derive(Deserialize)]
struct Gaits {
    uniforms: [f64; 4],
    normals: [f64; 4],
    mean_gait_speed: f64,
    speeds: Vec<f64>,
}

const JOINTS: usize = 6;
const PARAMETERS: usize = 3 * JOINTS + 1;
type Gait = [f64; PARAMETERS];

struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Mean speed over 5 s of a sinusoid in every joint, from rest in the nominal pose.
fn speed(pristine: &(World, HalfCheetah), gait: &Gait) -> f64 {
    const STEPS: usize = 100;
    let (mut world, mut cheetah) = (World::new(SUBSTEP), pristine.1.clone());
    world.copy_from(&pristine.0);
    for step in 0..STEPS {
        let time = step as f64 * f64::from(PERIOD);
        let wave = |j: usize| (std::f64::consts::TAU * gait[18] * time + gait[JOINTS + j]).sin();
        let action: [f32; JOINTS] = std::array::from_fn(|j| {
            (gait[2 * JOINTS + j] + gait[j] * wave(j)).clamp(-1.0, 1.0) as f32
        });
        cheetah.act(&mut world, &action);
        for _ in 0..FRAME_SKIP {
            world.step().expect("sound");
        }
    }
    f64::from(cheetah.robot.coordinate(&world, 0)) / (STEPS as f64 * f64::from(PERIOD))
}

fn start() -> (Gait, Gait) {
    let each = |amplitude, phase, offset, frequency| {
        std::array::from_fn(|i| [amplitude, phase, offset, frequency][i / JOINTS])
    };
    (each(0.5, 0.0, 0.0, 2.0), each(0.5, 1.5, 0.3, 0.75))
}

/// The fastest of 25 generations of 32.
fn search(pristine: &(World, HalfCheetah), seed: u64) -> f64 {
    let (mut draws, (mut mean, first)) = (Draws(seed), start());
    let (mut deviation, mut best) = (first, f64::MIN);
    for _ in 0..25 {
        let mut scored: Vec<(f64, Gait)> = (0..32)
            .map(|_| {
                let mut gait: Gait =
                    std::array::from_fn(|i| mean[i] + deviation[i] * draws.normal());
                gait[PARAMETERS - 1] = gait[PARAMETERS - 1].clamp(0.5, 4.0);
                (speed(pristine, &gait), gait)
            })
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        best = best.max(scored[0].0);
        let elite = &scored[..6];
        for i in 0..PARAMETERS {
            let of = |f: &dyn Fn(f64) -> f64| elite.iter().map(|(_, g)| f(g[i])).sum::<f64>() / 6.0;
            mean[i] = of(&|x| x);
            let centre = mean[i];
            deviation[i] = of(&|x| (x - centre) * (x - centre))
                .sqrt()
                .max(0.1 * first[i]);
        }
    }
    best
}

/// Open-loop gaits found by the same search run at least three quarters as fast as MuJoCo's.
#[test]
fn runs_as_fast_as_in_mujoco() {
    let json = include_str!("../../../tests/mujoco/gait.json");
    let theirs: Gaits = serde_json::from_str(json).expect("fixture");
    let (mut uniforms, mut normals) = (Draws(1), Draws(1));
    for (u, n) in theirs.uniforms.iter().zip(theirs.normals) {
        assert!((uniforms.uniform() - u).abs() < 1e-8 && (normals.normal() - n).abs() < 1e-8);
    }
    let pristine = HalfCheetah::build(&TASK).expect("builds");
    println!(
        "mean gait: {} m/s, MuJoCo {}",
        speed(&pristine, &start().0),
        theirs.mean_gait_speed
    );
    let seeds = if std::env::var_os("PREFBENCH_BLESS").is_some() {
        5
    } else {
        2
    };
    let ours: Vec<f64> = (1..=seeds).map(|seed| search(&pristine, seed)).collect();
    println!("fastest gaits: {ours:?} m/s, MuJoCo {:?}", theirs.speeds);
    let mean = |speeds: &[f64]| speeds.iter().sum::<f64>() / speeds.len() as f64;
    let ratio = mean(&ours) / mean(&theirs.speeds);
    assert!(ratio > 0.75, "{ratio} of MuJoCo's speed");
}
