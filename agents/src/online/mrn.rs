//! MRN: PEBBLE whose reward also learns from what it does to the critics' own preferences.
//!
//! Liu, Bai, Du, Yang, "Meta-Reward-Net: Implicitly Differentiable Reward Learning for Preference-based
//! Reinforcement Learning" (NeurIPS 2022), eq. 6-14; code github.com/RyanLiu112/MRN at ef67eaf. Every `every`
//! steps while queries remain, a batch of B transitions updates the reward's parameters ψ before the critics:
//!
//! 1. θ̂ = θ − a ∇_θ J_Q(θ; r̂_ψ): one step of plain gradient descent on the critics' loss, a their rate;
//! 2. L(θ̂) = w Σ_k CE(P_θ̂k, y) over the last session's labels, where P_θ\[σ⁰ ≻ σ¹\] is Bradley-Terry over
//!    Q_θ of the first state and action of either segment;
//! 3. a step of the reward's Adam on ∇_ψ L; all is relabelled; SAC's update of the batch on the new r̂.
//!
//! J_Q = Σ_k mean_i (Q_k(i) − y_i)² is quadratic in the target y_i = r̂_i + …, so ∂θ̂_k/∂r̂_i = (2a/B) ∇_θ Q_k(i),
//! and no second derivative is needed: with g_k = ∇L(θ̂_k),
//!
//! ∇_ψ L = Σ_i c_i ∇_ψ r̂_i,  c_i = (2a/B) Σ_k ⟨g_k, ∇_θ Q_k(i)⟩,
//!
//! in which the product is the derivative of Q_k(i) in the direction g_k.
//!
//! Deviations: time limits never cut the bootstrap (the code's meta step alone cuts there); an `Equal` label is
//! the target ½ (the code crashes); where there are fewer labels than a session's queries, those count (the code
//! reads rows it never wrote). The first session's own step and updates hold no meta step, as in the code.

use burn::tensor::{Tensor, TensorData};
use prefbench_oracles::{Preference, Segment};
use serde::{Deserialize, Serialize};

use super::method::Method;
use super::pebble::Pebble;
use crate::config::{Checks, Setup, Tier};
use crate::device::Compute;
use crate::learner::LearnError;
use crate::nets::Mlp;
use crate::replay::Replay;
use crate::reward_model::{RewardModel, cross_entropy, transitions};
use crate::sac::{Sac, Share};

/// MRN's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mrn {
    /// w: weight of the outer loss.
    pub weight: f64,
    /// N: environment steps between two meta steps.
    pub every: u64,
}

impl Method for Mrn {
    const ID: &'static str = "mrn";
    type Memory = ();

    fn defaults(setup: &Setup<'_>) -> Self {
        Self {
            weight: 0.1,
            every: match (setup.tier, setup.task) {
                (Tier::Full, "sweep-into") => 10_000,
                (Tier::Full, task) if task.starts_with("walker-") => 1_000,
                (Tier::Full, task) if task.starts_with("quadruped-") => 3_000,
                (Tier::Full, _) => 5_000,
                (Tier::Short, _) => 1_000,
                (Tier::Smoke, _) => 250,
            },
        }
    }

    fn check(&self, c: &mut Checks) {
        c.within("method.weight", self.weight, 0.0, 1e6);
        c.at_least("method.every", self.every as usize, 1);
    }

    fn update<A: Compute>(learner: &mut Pebble<A, Self>) -> Result<(), LearnError> {
        let Pebble {
            backbone,
            reward,
            feedback,
            config,
            ..
        } = learner;
        let (f, now) = (&config.feedback, backbone.steps());
        let latest = feedback.labels.len().saturating_sub(f.per_session);
        let latest = &feedback.labels[latest..];
        let begun = feedback.sessions > 1 || now > feedback.last_session;
        let due = begun && now.is_multiple_of(config.method.every) && feedback.asked < f.budget;
        if !due || latest.is_empty() {
            backbone.update(|_, _| {});
            return Ok(());
        }
        let (sac, replay) = (&mut backbone.sac, &mut backbone.replay);
        let rng = &mut backbone.streams.replay;
        let batch = replay.gather(&replay.sample(config.sac.batch, rng));
        let indices = batch.index.clone();
        let share = Share::new(batch, replay.dims(), rng);
        let (outer, weight) = (Outer::new(replay, latest), config.method.weight);
        let copy = share.clone();
        let c = sac.look(move |sac| derivatives(sac, copy, &outer, weight));
        descend(reward, replay, &indices, c);
        reward.relabel(replay);
        let batch = replay.gather(&indices);
        sac.update_with(Share { batch, ..share });
        Ok(())
    }
}

/// What the outer loss is about.
pub(crate) struct Outer {
    /// First (s, a) of the left and of the right segments, row by row.
    sides: [Vec<f32>; 2],
    targets: Vec<f32>,
}

impl Outer {
    pub(crate) fn new(replay: &Replay, labels: &[Preference]) -> Self {
        let side = |of: fn(&Preference) -> Segment| {
            let first = |p: &Preference| transitions(replay, of(p)).start;
            replay.state_actions(labels.iter().map(first))
        };
        Self {
            sides: [side(|p| p.pair.left), side(|p| p.pair.right)],
            targets: labels.iter().map(|p| p.label.target()).collect(),
        }
    }

    /// CE(P_θ, y), P_θ from Q_θ of the first transitions.
    fn loss<A: Compute>(&self, sac: &Sac<A>, critic: &Mlp<A>) -> Tensor<A, 1> {
        let q = |rows: &Vec<f32>| {
            let rows = Tensor::from_inner(sac.state_actions(rows.clone()));
            critic.forward_stack(rows).squeeze_dim::<2>(0)
        };
        let [left, right] = self.sides.each_ref().map(q);
        let targets = TensorData::new(self.targets.clone(), [self.targets.len(), 1]);
        let targets = Tensor::from_data(targets, &left.device());
        cross_entropy::<A>(right - left, targets).mean()
    }
}

/// ∂L/∂r̂_i = c_i of each transition of a batch; w the weight.
pub(crate) fn derivatives<A: Compute>(
    sac: &Sac<A>,
    share: Share,
    outer: &Outer,
    w: f64,
) -> Vec<f32> {
    let rows = sac.state_actions(share.batch.observation_action.clone());
    let (_, gradients) = sac.critic_gradients(&sac.inputs(vec![share]));
    let rate = sac.config().critic_lr;
    let count = rows.dims()[1];
    let mut c = Tensor::zeros([1, count, 1], &rows.device());
    for (critic, gradient) in sac.critics().iter().zip(gradients) {
        let stepped = Mlp::<A>::tracked(&critic.moved(&gradient, -rate));
        let mut grads = outer.loss(sac, &stepped).backward();
        let g = stepped.take_grads(&mut grads);
        c = c + critic.derivative(rows.clone(), &g);
    }
    (c * (w * 2.0 * rate / count as f64))
        .into_data()
        .iter()
        .collect()
}

/// A step of the reward's Adam on ∇_ψ L = Σ_i c_i ∇_ψ r̂_i, r̂ the members' mean.
pub(crate) fn descend<A: Compute>(
    reward: &mut RewardModel<A>,
    replay: &Replay,
    indices: &[usize],
    c: Vec<f32>,
) {
    let members = reward.config().members as f64;
    reward.step_on(replay, indices, c, |r, c| (r * c).sum() / members);
}
