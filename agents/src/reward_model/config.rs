//! The ensemble's settings.

use serde::{Deserialize, Serialize};

use crate::config::Checks;

/// Settings of the reward ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardConfig {
    /// Widths of the hidden layers of each member.
    pub hidden: Vec<usize>,
    /// Members of the ensemble.
    pub members: usize,
    /// Adam's learning rate.
    pub lr: f64,
    /// Labelled pairs per gradient step.
    pub batch: usize,
    /// Most passes over all labels in one session.
    pub epochs: usize,
    /// Training accuracy (mean over members) at which a session's training stops.
    pub target_accuracy: f64,
}

impl RewardConfig {
    pub(crate) fn check(&self, c: &mut Checks) {
        c.at_least("reward.hidden (number of layers)", self.hidden.len(), 1);
        for &width in &self.hidden {
            c.at_least("reward.hidden", width, 1);
        }
        c.at_least("reward.members", self.members, 1);
        c.positive("reward.lr", self.lr);
        c.at_least("reward.batch", self.batch, 1);
        c.at_least("reward.epochs", self.epochs, 1);
        c.within("reward.target_accuracy", self.target_accuracy, 0.0, 1.0);
    }
}
