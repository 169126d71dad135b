//! The update of [`super`]: its losses, networks and optimisers.

use burn::tensor::{Tensor, TensorData};
use prefbench_oracles::Stream;

use super::DtrConfig;
use crate::device::Compute;
use crate::mish::Mish;
use crate::nets::Inner;
use crate::offline::sequence::{Frame, History, Style, Trunk, Windows, tokens};
use crate::offline::shared::{Figures, cosine};
use crate::parameters::{AdamW, Decay, Parameters, average, clip};
use crate::replay::Dims;
use crate::state::{State, StateError};

/// What one update learns from.
pub(crate) struct DtrBatch<A: Compute> {
    pub windows: Windows<Inner<A>>,
    /// Returns to go, divided by their scale `[batch, steps, 1]`.
    pub to_go: Tensor<Inner<A>, 3>,
    /// Learned rewards `[batch · steps]`.
    pub reward: Vec<f32>,
    /// Whether a window's last transition terminates.
    pub terminated: Vec<bool>,
}

/// The update, with networks and optimisers.
pub(crate) struct Dtr<A: Compute> {
    pub config: DtrConfig,
    dims: Dims,
    pub device: A::Device,
    trunk: Trunk,
    pub policy: Parameters<Inner<A>>,
    pub averaged: Parameters<Inner<A>>,
    policy_adam: AdamW<Inner<A>>,
    pub critics: Parameters<Inner<A>>,
    pub targets: Parameters<Inner<A>>,
    critic_adam: AdamW<Inner<A>>,
    pub updates: u64,
    pub figures: Figures<A>,
}

impl<A: Compute> Dtr<A> {
    pub fn new(config: DtrConfig, dims: Dims, rng: &mut Stream, device: A::Device) -> Self {
        let mut policy = Parameters::new(&device);
        let trunk = Trunk::new(
            "policy",
            config.transformer.shape(true, true),
            (&["return", "state", "action"], &[1, dims.obs, dims.act]),
            config.horizon,
            Style::Torch,
            (&mut policy, rng),
        );
        let width = config.transformer.width;
        policy.add_linear("predict_state", (width, dims.obs), None, rng);
        policy.add_linear("predict_action", (width, dims.act), None, rng);
        let mut critics = Parameters::new(&device);
        for k in 0..2 {
            let mut inputs = dims.obs + dims.act;
            for (i, &width) in config.critic_hidden.iter().chain(&[1]).enumerate() {
                critics.add_linear(&format!("{k}.{i}"), (inputs, width), None, rng);
                inputs = width;
            }
        }
        Self {
            policy_adam: AdamW::new(config.weight_decay, Decay::Gradient, &policy),
            critic_adam: AdamW::new(0.0, Decay::Gradient, &critics),
            averaged: policy.clone(),
            targets: critics.clone(),
            config,
            dims,
            device,
            trunk,
            policy,
            critics,
            updates: 0,
            figures: Figures::new(&["dtr.critic_loss", "dtr.loss", "dtr.q_loss", "dtr.target"]),
        }
    }

    /// Q_k(s, a) `[rows, 1]`.
    fn q<B: Mish>(
        &self,
        k: usize,
        p: &Parameters<B>,
        s: Tensor<B, 2>,
        a: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let mut x = Tensor::cat(vec![s, a], 1);
        let last = self.config.critic_hidden.len();
        for i in 0..=last {
            x = p.linear(&format!("{k}.{i}"), x);
            if i < last {
                x = B::mish(x);
            }
        }
        x
    }

    /// min_k Q̄_k(s, a) `[rows, 1]`.
    fn lower(&self, s: Tensor<Inner<A>, 2>, a: Tensor<Inner<A>, 2>) -> Tensor<Inner<A>, 2> {
        let [one, two] = [0, 1].map(|k| self.q(k, &self.targets, s.clone(), a.clone()));
        one.min_pair(two)
    }

    /// ŝ and â `[batch · steps, ·]`.
    fn predict<B: Mish>(
        &self,
        p: &Parameters<B>,
        [to_go, state, action]: [Tensor<B, 3>; 3],
        frame: &Frame,
        dropout: Option<u64>,
    ) -> [Tensor<B, 2>; 2] {
        let y = self
            .trunk
            .forward(p, vec![to_go, state, action], frame, dropout);
        let state = p.linear("predict_state", tokens(&y, 2));
        [state, p.linear("predict_action", tokens(&y, 1)).tanh()]
    }

    /// One update of a run of `total`; `rng` drops activations and picks a critic.
    pub fn update(&mut self, batch: &DtrBatch<A>, total: u64, rng: &mut Stream) {
        let lr = self.config.lr * cosine(self.updates, total);
        let (critic_loss, target) = self.update_critics(batch, lr, rng);
        let share = self.updates as f64 / total.max(1) as f64;
        let losses = self.update_policy(batch, lr, share, rng);
        self.updates += 1;
        let c = &self.config;
        if self.updates > c.average_from && self.updates.is_multiple_of(c.average_every) {
            average(&mut self.averaged, &self.policy, c.average);
        }
        average(&mut self.targets, &self.critics, 1.0 - c.target_rate);
        let [dt, q] = losses;
        self.figures.set(vec![critic_loss, dt, q, target]);
    }

    /// Q̂_j of all steps, 0 for padding and for the last; `last` is min_k Q̄_k(s_t, â_t).
    fn targets_of(&self, batch: &DtrBatch<A>, last: &[f32]) -> Vec<f32> {
        let steps = batch.windows.frame.steps;
        let gamma = self.config.discount as f32;
        let mut all = vec![0.0; batch.reward.len()];
        for (b, &q) in last.iter().enumerate() {
            let reward = &batch.reward[b * steps..][..steps];
            let mut ahead = if batch.terminated[b] {
                reward[steps - 1]
            } else {
                q
            };
            for j in (0..steps - 1).rev() {
                ahead = reward[j] + gamma * ahead;
                all[b * steps + j] = ahead;
            }
        }
        all
    }

    fn update_critics(
        &mut self,
        batch: &DtrBatch<A>,
        lr: f64,
        rng: &mut Stream,
    ) -> (Tensor<Inner<A>, 1>, Tensor<Inner<A>, 1>) {
        let (w, d) = (&batch.windows, self.dims);
        let (rows, steps) = (w.frame.batch * w.frame.steps, w.frame.steps);
        let inputs = [batch.to_go.clone(), w.state.clone(), w.action.clone()];
        let [_, a] = self.predict(&self.averaged, inputs, &w.frame, self.dropout(rng));
        let at_end = |x: Tensor<Inner<A>, 3>, width: usize| {
            x.narrow(1, steps - 1, 1).reshape([w.frame.batch, width])
        };
        let a = at_end(a.reshape([w.frame.batch, steps, d.act]), d.act);
        let last = self.lower(at_end(w.state.clone(), d.obs), a);
        let last: Vec<f32> = last.into_data().iter().collect();
        let y = TensorData::new(self.targets_of(batch, &last), [rows, 1]);
        let y = Tensor::<Inner<A>, 2>::from_data(y, &self.device);
        // Every step of a window but its padding and its last.
        let mut counts = vec![1.0; rows];
        for (i, count) in counts.iter_mut().enumerate() {
            let padding = w.frame.valid.as_ref().is_some_and(|v| !v[i]);
            *count = f32::from(u8::from(!padding && i % steps != steps - 1));
        }
        let count = counts.iter().sum::<f32>().max(1.0);
        let counts = Tensor::from_data(TensorData::new(counts, [rows, 1]), &self.device);
        let (s, a) = (
            w.state.clone().reshape([rows, d.obs]),
            w.action.clone().reshape([rows, d.act]),
        );
        let critics = Parameters::<A>::tracked(&self.critics);
        let [one, two] = [0, 1].map(|k| {
            let (s, a) = (Tensor::from_inner(s.clone()), Tensor::from_inner(a.clone()));
            let error = self.q(k, &critics, s, a) - Tensor::from_inner(y.clone());
            (error.square() * Tensor::from_inner(counts.clone())).sum() / count
        });
        let loss = one + two;
        let mut grads = loss.backward();
        let mut grads = critics.take_grads(&mut grads);
        clip(&mut grads, self.config.clip);
        self.critic_adam.step::<A>(&mut self.critics, grads, lr);
        (loss.inner(), (y * counts).sum() / count)
    }

    /// L_DT and the regularising term, of which `share` of its largest weight counts.
    fn update_policy(
        &mut self,
        batch: &DtrBatch<A>,
        lr: f64,
        share: f64,
        rng: &mut Stream,
    ) -> [Tensor<Inner<A>, 1>; 2] {
        let (w, d) = (&batch.windows, self.dims);
        let (n, steps) = (w.frame.batch, w.frame.steps);
        let rows = n * steps;
        let policy = Parameters::<A>::tracked(&self.policy);
        let inputs = [batch.to_go.clone(), w.state.clone(), w.action.clone()];
        let inputs = inputs.map(Tensor::from_inner);
        let [s_hat, a_hat] = self.predict(&policy, inputs, &w.frame, self.dropout(rng));
        let (mask, count) = w.frame.mask::<A>(&self.device);
        let mean = |error: Tensor<A, 2>, mask: Tensor<A, 2>, count: f64| {
            let width = error.dims()[1];
            (error.square() * mask).sum() / (count * width as f64).max(1.0)
        };
        let s = Tensor::<A, 3>::from_inner(w.state.clone());
        let a = Tensor::<A, 3>::from_inner(w.action.clone()).reshape([rows, d.act]);
        let action_loss = mean(a_hat.clone() - a, mask.clone(), count);
        // ŝ at each step but the last, for the state after it.
        let before = (steps - 1) * n;
        let s_hat = s_hat.reshape([n, steps, d.obs]).narrow(1, 0, steps - 1);
        let error = (s_hat - s.clone().narrow(1, 1, steps - 1)).reshape([before, d.obs]);
        let early = mask.clone().reshape([n, steps, 1]).narrow(1, 0, steps - 1);
        let state_loss = mean(error, early.reshape([before, 1]), count - n as f64);
        let dt = action_loss + state_loss;

        let critics = Parameters::<A>::frozen(&self.critics);
        let s = s.reshape([rows, d.obs]);
        let [one, two] =
            [0, 1].map(|k| self.q(k, &critics, s.clone(), a_hat.clone()) * mask.clone());
        let (q, other) = if rng.chance(0.5) {
            (one, two)
        } else {
            (two, one)
        };
        let q_loss = q.sum().neg() / other.detach().abs().sum();
        let loss = dt.clone() + q_loss.clone() * (self.config.eta * share);
        let mut grads = loss.backward();
        let mut grads = policy.take_grads(&mut grads);
        clip(&mut grads, self.config.clip);
        self.policy_adam.step::<A>(&mut self.policy, grads, lr);
        [dt.inner(), q_loss.inner()]
    }

    fn dropout(&self, rng: &mut Stream) -> Option<u64> {
        (self.config.transformer.dropout > 0.0).then(|| rng.key())
    }

    /// The action of the highest min_k Q̄_k among those for these returns to go `[wanted][steps]`.
    pub fn act(&self, history: &History, returns: &[Vec<f32>], action: &mut [f32]) {
        let w = history.windows::<Inner<A>>(returns.len(), self.dims.act, &self.device);
        let (n, steps) = (returns.len(), w.frame.steps);
        let to_go = TensorData::new(returns.concat(), [n, steps, 1]);
        let to_go = Tensor::from_data(to_go, &self.device);
        let now = w
            .state
            .clone()
            .narrow(1, steps - 1, 1)
            .reshape([n, self.dims.obs]);
        let [_, a] = self.predict(&self.policy, [to_go, w.state, w.action], &w.frame, None);
        let a = a.reshape([n, steps, self.dims.act]).narrow(1, steps - 1, 1);
        let a = a.reshape([n, self.dims.act]);
        let q: Vec<f32> = self.lower(now, a.clone()).into_data().iter().collect();
        let better = |best: usize, i: usize| if q[i] > q[best] { i } else { best };
        let best = (0..n).fold(0, better);
        let a: Vec<f32> = a.into_data().iter().collect();
        action.copy_from_slice(&a[best * action.len()..][..action.len()]);
    }

    pub fn save(&self, state: &mut State) {
        self.policy.save("policy", state);
        self.averaged.save("averaged", state);
        self.policy_adam.save("policy.adam", state);
        self.critics.save("critic", state);
        self.targets.save("target", state);
        self.critic_adam.save("critic.adam", state);
        state.put_json("dtr.updates", &self.updates);
        self.figures.save("dtr.figures", state);
    }

    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        self.policy.load("policy", state)?;
        self.averaged.load("averaged", state)?;
        self.policy_adam.load("policy.adam", state)?;
        self.critics.load("critic", state)?;
        self.targets.load("target", state)?;
        self.critic_adam.load("critic.adam", state)?;
        self.updates = state.get_json("dtr.updates")?;
        self.figures.load("dtr.figures", state, &self.device)
    }
}
