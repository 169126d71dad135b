//! A domain held to MuJoCo: the fixtures `tests/mujoco/<body>.json`, written by `bodies.py`,
//! against the same states and actions here.
//!
//! Each domain's tests name their bars. `PREFBENCH_BLESS=1 cargo test --release -p prefbench-envs`
//! writes what was measured to `fidelity/<body>.md`.

use crate::episode::{Domain, Episode};
use crate::robot::Robot;
use crate::world::World;
use crate::{End, Task};
use std::fmt::Write;

mod fixture;
mod judged;

use fixture::*;

/// What a domain promises. Angles in rad, lengths in m, of slides too.
pub(crate) struct Bars {
    /// Largest hinge error in flight under random torques, at the domain's own timestep.
    pub flight: f32,
    /// The same without torques, falling and swinging.
    pub swing: f32,
    /// Largest hinge error 0.2 s after starts at joint limits.
    pub limits: f32,
    /// Root mean square errors over landings: hinges, root's speed (m/s), hinges' rates (rad/s).
    pub landings: [f32; 3],
    /// Error of the root's height after 4 s without torques.
    pub rest: f32,
}

/// A domain beside its fixture.
pub(crate) struct Twin<D: Domain> {
    tasks: &'static [Task],
    body: &'static str,
    fixture: Fixture,
    robot: fn(&D) -> &Robot,
    /// Rows of the record.
    rows: String,
}

impl<D: Domain> Twin<D> {
    /// `tasks` share the body and its physics.
    pub fn new(
        tasks: &'static [Task],
        body: &'static str,
        json: &str,
        robot: fn(&D) -> &Robot,
    ) -> Self {
        let fixture = serde_json::from_str(json).unwrap_or_else(|e| panic!("{body}: {e}"));
        Self {
            tasks,
            body,
            fixture,
            robot,
            rows: String::new(),
        }
    }

    fn build(&self, task: &Task) -> (World, D) {
        D::build(task).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Our action for MuJoCo's controls.
    pub fn action(&self, controls: &[f32]) -> Vec<f32> {
        let ranges = self.fixture.action_range.iter().zip(controls);
        ranges
            .map(|([low, high], c)| (2.0 * c - low - high) / (high - low))
            .collect()
    }

    pub fn set(&self, world: &mut World, domain: &D, state: &State) {
        (self.robot)(domain).set_state(world, &state.0, &state.1);
    }

    pub fn get(&self, world: &World, domain: &D) -> State {
        let robot = (self.robot)(domain);
        let mut state = (
            vec![0.0; robot.position_count()],
            vec![0.0; robot.velocity_count()],
        );
        robot.positions(world, &mut state.0);
        robot.velocities(world, &mut state.1);
        state
    }

    /// Indices in `qpos` of what counts as hinges; the slides of a robot that has none.
    fn hinges(&self) -> Vec<usize> {
        let of = |kind| {
            let all = self.fixture.coordinates.iter();
            all.filter(|c| c.kind == kind).map(|c| c.qpos).collect()
        };
        let hinges: Vec<usize> = of("hinge");
        if hinges.is_empty() {
            of("slide")
        } else {
            hinges
        }
    }

    fn apart(&self, a: &State, b: &State) -> f32 {
        let hinges = self.hinges().into_iter();
        hinges.fold(0.0, |worst, i| worst.max((a.0[i] - b.0[i]).abs()))
    }

    /// One control step in steps `finer` times shorter than the domain's own.
    fn step(&self, world: &mut World, domain: &mut D, controls: &[f32], finer: usize) -> f32 {
        domain.act(world, &self.action(controls));
        let mut deepest = 0.0_f32;
        for _ in 0..D::SUBSTEPS * finer {
            domain.substep(world);
            world.step().unwrap_or_else(|e| panic!("{e}"));
            deepest = deepest.max(world.health().penetration);
        }
        deepest
    }

    fn note(&mut self, what: &str, ours: impl std::fmt::Display, theirs: impl std::fmt::Display) {
        println!("{}: {what}: {ours} | {theirs}", self.body);
        writeln!(self.rows, "| {what} | {ours} | {theirs} |").expect("a string");
    }

    /// Masses, inertias, joints and motors are the model's.
    fn is_the_same_robot(&mut self) {
        let (world, domain) = self.build(&self.tasks[0]);
        let robot = (self.robot)(&domain);
        let (mut mass_error, mut inertia_error, mut total) = (0.0_f32, 0.0_f32, 0.0);
        for (i, body) in self.fixture.bodies.iter().enumerate() {
            let ours = robot.body(&world, i);
            let local = ours.mass_properties().local_mprops;
            let mut inertia: [f32; 3] = local.principal_inertia().into();
            inertia.sort_by(f32::total_cmp);
            let error = (ours.mass() / body.mass - 1.0).abs();
            assert!(
                error < 1e-4,
                "{} weighs {} kg, MuJoCo {}",
                body.name,
                ours.mass(),
                body.mass
            );
            mass_error = mass_error.max(error);
            for (ours, theirs) in inertia.iter().zip(body.inertia) {
                let error = (ours / theirs - 1.0).abs();
                assert!(
                    error < 1e-3,
                    "{}: inertia {inertia:?}, MuJoCo {:?}",
                    body.name,
                    body.inertia
                );
                inertia_error = inertia_error.max(error);
            }
            total += ours.mass();
        }
        let joints = self.fixture.coordinates.iter().filter(|c| c.kind != "free");
        for (i, theirs) in joints.enumerate() {
            let (armature, damping, stiffness, range) = robot.passive(&world, i);
            let near = |a: f32, b: f32| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
            let same = near(armature, theirs.armature)
                && near(damping, theirs.damping)
                && near(stiffness, theirs.stiffness)
                && match (range, theirs.range) {
                    (None, None) => true,
                    (Some(a), Some(b)) => near(a[0], b[0]) && near(a[1], b[1]),
                    _ => false,
                };
            let ours = (armature, damping, stiffness, range);
            let range = theirs.range;
            let theirs_all = (theirs.armature, theirs.damping, theirs.stiffness, range);
            assert!(same, "{}: {ours:?}, MuJoCo {theirs_all:?}", theirs.name);
        }
        let joint = |a: &Actuator| {
            let name = a.joint.as_ref()?;
            let joints = self.fixture.coordinates.iter().filter(|c| c.kind != "free");
            joints.map(|c| &c.name).position(|n| n == name)
        };
        for (i, theirs) in self.fixture.actuators.iter().enumerate() {
            let (Some(joint), Some((ours, gear))) = (joint(theirs), robot.motor(i)) else {
                continue; // A tendon's force is the domain's own affair.
            };
            // Our action is MuJoCo's control over the end of its range.
            let expected = theirs.gear * self.fixture.action_range[i][1];
            assert_eq!(ours, joint, "motor {i}");
            assert!(
                (gear / expected - 1.0).abs() < 1e-5,
                "motor {i}: {gear}, MuJoCo {expected}"
            );
        }
        self.note(
            "total mass (kg)",
            format!("{total:.4}"),
            format!("{:.4}", self.fixture.total_mass),
        );
        self.note(
            "largest relative error of a mass, of a principal inertia",
            format!("{mass_error:.0e}, {inertia_error:.0e}"),
            "",
        );
    }

    /// No contacts, no limits: the largest hinge error against MuJoCo's RK4 at 0.25 ms.
    fn flight_error(&self, flight: &Flight, finer: usize) -> f32 {
        let (mut world, mut domain) = self.build(&self.tasks[0]);
        world.unbind();
        world.0.integration_parameters.dt /= finer as f32;
        self.set(&mut world, &domain, &flight.start);
        let idle: Vec<f32> = self.fixture.action_range.iter().map(|_| 0.0).collect();
        let steps = flight.states.len() * flight.every;
        let mut worst = 0.0_f32;
        for k in 0..steps {
            let controls = flight.actions.get(k).unwrap_or(&idle);
            self.step(&mut world, &mut domain, controls, finer);
            if (k + 1) % flight.every == 0 {
                let state = self.get(&world, &domain);
                worst = worst.max(self.apart(&state, &flight.states[k / flight.every]));
            }
        }
        worst
    }

    fn flies(&mut self, bars: &Bars) {
        let own = self.flight_error(&self.fixture.flight, 1);
        let finer = self.flight_error(&self.fixture.flight, 4);
        let swing = self.flight_error(&self.fixture.swing, 1);
        let finer_swing = self.flight_error(&self.fixture.swing, 4);
        let (euler, euler_swing) = (
            self.fixture.flight.euler_error,
            self.fixture.swing.euler_error,
        );
        self.note(
            "flight under random torques: largest hinge error (rad); MuJoCo's: its Euler",
            format!("{own:.4}; {finer:.4} at a quarter of the timestep"),
            format!("{euler:.4}"),
        );
        self.note(
            "free fall and passive swing: the same",
            format!("{swing:.4}; {finer_swing:.4}"),
            format!("{euler_swing:.4}"),
        );
        assert!(own <= bars.flight, "flight: {own} rad");
        assert!(swing <= bars.swing, "swing: {swing} rad");
        // First order: a quarter of the step, a quarter of the error, down to the noise of f32.
        assert!(
            finer <= (own / 3.0).max(5e-4),
            "flight: {own} rad, {finer} at dt/4"
        );
        assert!(
            finer_swing <= (swing / 3.0).max(5e-4),
            "swing: {swing}, {finer_swing} at dt/4"
        );
    }

    /// The largest hinge error while the robot meets its joint limits, contacts or none.
    fn limits_error(&self) -> f32 {
        let mut worst = 0.0_f32;
        for track in &self.fixture.limits {
            let (mut world, mut domain) = self.build(&self.tasks[0]);
            self.set(&mut world, &domain, &track.start);
            for (controls, state) in track.actions.iter().zip(&track.states) {
                self.step(&mut world, &mut domain, controls, 1);
                worst = worst.max(self.apart(&self.get(&world, &domain), state));
            }
        }
        worst
    }

    fn stops_at_limits(&mut self, bars: &Bars) {
        let worst = self.limits_error();
        self.note(
            "limits, 0.2 s from the reset pose under full torques: largest hinge error (rad)",
            format!("{worst:.4}"),
            "",
        );
        assert!(worst <= bars.limits, "limits: {worst} rad");
    }

    /// Root mean square errors as in [`Bars::landings`], and the deepest penetrations, ours and
    /// MuJoCo's.
    fn landing_error(&self) -> ([f32; 3], f32, f32) {
        let hinges = self.hinges();
        let free = self.fixture.coordinates[0].kind == "free";
        let (root, rates) = if free { (0..3, 6) } else { (0..2, 2) };
        let (mut angle, mut speed, mut rate) = (Rms::default(), Rms::default(), Rms::default());
        let (mut deepest, mut theirs) = (0.0_f32, 0.0_f32);
        for track in self.fixture.landings.iter().flatten() {
            let (mut world, mut domain) = self.build(&self.tasks[0]);
            self.set(&mut world, &domain, &track.start);
            for (controls, state) in track.actions.iter().zip(&track.states) {
                deepest = deepest.max(self.step(&mut world, &mut domain, controls, 1));
                let ours = self.get(&world, &domain);
                hinges
                    .iter()
                    .for_each(|&i| angle.add(ours.0[i] - state.0[i]));
                root.clone().for_each(|i| speed.add(ours.1[i] - state.1[i]));
                (rates..ours.1.len()).for_each(|i| rate.add(ours.1[i] - state.1[i]));
            }
            theirs = theirs.max(track.penetration);
        }
        ([angle, speed, rate].map(|r| r.value()), deepest, theirs)
    }

    fn lands(&mut self, bars: &Bars) {
        let Some(falls) = self.fixture.landings.as_ref().map(Vec::len) else {
            return;
        };
        let (got, deepest, theirs) = self.landing_error();
        self.note(
            &format!("{falls} landings: root mean square error of hinges (rad), root (m/s), rates (rad/s)"),
            format!("{:.3}, {:.3}, {:.3}", got[0], got[1], got[2]),
            "",
        );
        self.note(
            "the same: deepest penetration (mm)",
            format!("{:.1}", 1e3 * deepest),
            format!("{:.1}", 1e3 * theirs),
        );
        let met = got.iter().zip(bars.landings).all(|(got, bar)| *got <= bar);
        assert!(met, "landings: {got:?} against {:?}", bars.landings);
    }

    /// Height of the root and penetration after 4 s without torques: ours, MuJoCo's, ours, MuJoCo's.
    fn resting(&self) -> (f32, f32, f32, f32) {
        let Some(rest) = &self.fixture.rest else {
            return (0.0, 0.0, 0.0, 0.0);
        };
        let (mut world, mut domain) = self.build(&self.tasks[0]);
        let velocities = vec![0.0; (self.robot)(&domain).velocity_count()];
        self.set(&mut world, &domain, &(rest.start.clone(), velocities));
        let idle = vec![0.0; self.fixture.action_range.len()];
        let period = self.fixture.timestep * self.fixture.frame_skip as f32;
        for _ in 0..(4.0 / period) as usize {
            self.step(&mut world, &mut domain, &idle, 1);
        }
        let slide = |c: &Coordinate| c.name == "rootz";
        let z = self.fixture.coordinates.iter().position(slide).unwrap_or(2); // 2: of a free root
        let ours = self.get(&world, &domain).0[z];
        let depth = world.health().penetration;
        (ours, rest.qpos[z], depth, rest.penetration)
    }

    fn rests(&mut self, bars: &Bars) {
        if self.fixture.rest.is_none() {
            return;
        }
        let (ours, theirs, depth, theirs_depth) = self.resting();
        self.note(
            "at rest after 4 s: height of the root (m), penetration (mm)",
            format!("{ours:.4}, {:.1}", 1e3 * depth),
            format!("{theirs:.4}, {:.1}", 1e3 * theirs_depth),
        );
        assert!(
            (ours - theirs).abs() <= bars.rest,
            "rests at {ours} m, MuJoCo {theirs}"
        );
    }

    /// Episodes of uniform random actions, side by side: only for the record.
    fn random(&mut self) {
        let tasks = match self.fixture.random.episodes {
            0 => &[],
            _ => self.tasks,
        };
        for task in tasks {
            let mut env = Episode::<D>::make(*task).unwrap_or_else(|e| panic!("{e}"));
            let (mut lengths, mut returns) = (vec![], vec![]);
            let (mut obs, mut action) = (
                vec![0.0; task.spec.obs_dim()],
                vec![0.0; task.spec.action_dim()],
            );
            let mut state = 1_u64;
            for seed in 0..self.fixture.random.episodes {
                env.reset(seed.into(), &mut obs)
                    .unwrap_or_else(|e| panic!("{e}"));
                let (mut length, mut total) = (0.0_f32, 0.0_f32);
                loop {
                    for a in &mut action {
                        state = state
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        *a = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
                    }
                    let step = env
                        .step(&action, &mut obs)
                        .unwrap_or_else(|e| panic!("{e}"));
                    (length, total) = (length + 1.0, total + step.reward);
                    if step.end != End::No {
                        break;
                    }
                }
                lengths.push(length);
                returns.push(total);
            }
            let theirs = self.fixture.random.returns.of(task);
            let show =
                |s: &Spread| format!("{:.1} ({:.1}, {:.1}, {:.1})", s.mean, s.p10, s.p50, s.p90);
            let id = task.id;
            self.note(
                &format!("`{id}`, random actions: return, mean (10th, 50th, 90th percentile)"),
                show(&Spread::of(returns)),
                show(&theirs),
            );
            let length = self.fixture.random.length.of(task);
            self.note(
                &format!("`{id}`, random actions: episode length"),
                show(&Spread::of(lengths)),
                show(&length),
            );
        }
    }

    /// Everything that does not depend on the task's observation and reward.
    pub fn moves_as_in_mujoco(mut self, bars: &Bars) {
        self.is_the_same_robot();
        self.flies(bars);
        self.stops_at_limits(bars);
        self.lands(bars);
        self.rests(bars);
        if std::env::var_os("PREFBENCH_BLESS").is_some() {
            self.random();
            let Fixture {
                model,
                timestep,
                frame_skip,
                integrator,
                ..
            } = &self.fixture;
            let (world, _) = self.build(&self.tasks[0]);
            let dt = 1e3 * world.0.integration_parameters.dt;
            let path = format!("{}/fidelity/{}.md", env!("CARGO_MANIFEST_DIR"), self.body);
            let record = format!(
                "# {model}\n\n| | prefbench: rapier, {dt} ms x {} | MuJoCo: {integrator}, {} ms x {frame_skip} |\n|---|---|---|\n{}",
                D::SUBSTEPS,
                1e3 * timestep,
                self.rows,
            );
            std::fs::write(&path, record).unwrap_or_else(|e| panic!("{path}: {e}"));
        }
    }
}
