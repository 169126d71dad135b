//! One evaluation of a policy: a line of `eval.jsonl`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The result of one evaluation episode, under the task's true reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpisodeResult {
    /// Seed that the evaluation environment was reset with.
    pub seed: u64,
    /// Undiscounted sum of the true rewards.
    #[serde(rename = "return")]
    pub return_: f64,
    /// Number of control steps.
    pub length: u64,
    /// Whether the task's success condition held at any step (the maximum over the episode, as in
    /// B-Pref's code); `false` on tasks without one.
    pub success: bool,
}

/// One evaluation. Its JSON form is one line, with the fields in this order, the metrics sorted by
/// name, and floats in the shortest form that reads back as the same `f64`; identical runs
/// therefore write identical bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eval {
    /// Environment steps taken (online) or gradient updates made (offline) so far.
    pub step: u64,
    /// The evaluation episodes, in the order of their seeds' list.
    pub episodes: Vec<EpisodeResult>,
    /// Preference queries shown to the teacher so far.
    pub feedback_asked: u64,
    /// Queries that the teacher answered, so far; the rest were skipped.
    pub feedback_labelled: u64,
    /// Diagnostics by name, such as losses. Wall-clock figures do not belong here but in notes.
    pub metrics: BTreeMap<String, f64>,
}

impl Eval {
    /// Mean return over the episodes; `None` if there are none.
    #[must_use]
    pub fn mean_return(&self) -> Option<f64> {
        self.mean_of(|episode| episode.return_)
    }

    /// Fraction of successful episodes, in [0, 1]; `None` if there are none.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        self.mean_of(|episode| if episode.success { 1.0 } else { 0.0 })
    }

    pub(crate) fn mean_of(&self, f: impl Fn(&EpisodeResult) -> f64) -> Option<f64> {
        let n = self.episodes.len();
        (n > 0).then(|| self.episodes.iter().map(f).sum::<f64>() / n as f64)
    }

    /// The evaluation as one line of JSON, newline included.
    pub(crate) fn to_line(&self) -> Result<String, Error> {
        let returns = self
            .episodes
            .iter()
            .enumerate()
            .map(|(i, e)| (format!("the return of episode {i}"), e.return_));
        let metrics = self
            .metrics
            .iter()
            .map(|(name, &value)| (format!("metric `{name}`"), value));
        for (field, value) in returns.chain(metrics) {
            if !value.is_finite() {
                return Err(Error::NotFinite {
                    field,
                    value,
                    step: self.step,
                });
            }
        }
        let mut line = serde_json::to_string(self)
            .map_err(|e| Error::corrupt(Path::new("eval.jsonl"), None, e.to_string()))?;
        line.push('\n');
        Ok(line)
    }
}

/// The complete lines of a log: what follows the last newline was cut off by a crash and is left out.
pub(crate) fn complete_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    &bytes[..end]
}

/// Parses a log. A last line without its newline is ignored; any other flaw is an error.
pub(crate) fn parse_log<T: serde::de::DeserializeOwned>(
    file: &Path,
    bytes: &[u8],
) -> Result<Vec<T>, Error> {
    let complete = complete_lines(bytes);
    let lines = complete
        .strip_suffix(b"\n")
        .map(|body| body.split(|&b| b == b'\n'));
    lines
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(i, line)| {
            serde_json::from_slice(line)
                .map_err(|e| Error::corrupt(file, Some(i + 1), e.to_string()))
        })
        .collect()
}

/// Parses an evaluation log and checks that its steps increase.
pub(crate) fn parse_evals(file: &Path, bytes: &[u8]) -> Result<Vec<Eval>, Error> {
    let evals: Vec<Eval> = parse_log(file, bytes)?;
    for (i, pair) in evals.windows(2).enumerate() {
        if pair[1].step <= pair[0].step {
            let reason = format!("step {} follows step {}", pair[1].step, pair[0].step);
            return Err(Error::corrupt(file, Some(i + 2), reason));
        }
    }
    Ok(evals)
}
