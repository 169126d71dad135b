//! D4RL's q-learning view of a dataset, which published labels count in.
//!
//! `d4rl.qlearning_dataset` goes through the rows of a file but the last, since it needs the row after
//! each, and drops the rows that are marked as timeouts, since the row after such a row belongs to
//! another episode. Preference Transformer and Uni-RLHF give a segment as an index into what is left.
//!
//! In a [`Dataset`] read from a D4RL file, a transition is a row, in the file's order. Dropped are
//! then the last transition of every episode that did not end [`Ending::Terminated`], the rows that
//! are marked both as a timeout and as a terminal, and the file's last row, however its episode ended.
//! Not dropped are rows after which a maze's goal changes without a timeout. [`Counting::D4rl`] lists
//! these and those that are both. Where a file marks no timeouts D4RL cuts at the environment's limit,
//! which the file does not say: labels of such a dataset are refused.
//!
//! For robosuite, Preference Transformer goes through the demonstrations of a robomimic file in the
//! order of h5py, which is the alphabetical one (`demo_0`, `demo_1`, `demo_10`, ...), and drops the
//! last row of each.

use std::path::Path;
use std::sync::Arc;

use crate::dataset::{Answer, Counting, Dataset, DatasetError};
use crate::preference::{Label, Pair};
use crate::segment::Segment;
use crate::trajectory::{Ending, Trajectories};

/// Which transitions the view has, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QLearning {
    blocks: Vec<Block>,
    len: usize,
}

/// The kept beginning of an episode.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Block {
    /// Index of its first transition in the view.
    view: usize,
    episode: u32,
    /// Global index of its first transition.
    start: usize,
    kept: usize,
}

impl QLearning {
    /// D4RL's view of these trajectories; `dropped` and `kept` as in [`Counting::D4rl`].
    pub fn new(trajectories: &Trajectories, dropped: &[u64], kept: &[u64]) -> Self {
        let episodes = trajectories.episodes();
        QLearning::of(trajectories, 0..episodes.len(), |e, ending| {
            let last = (episodes[e].start + episodes[e].len).saturating_sub(1) as u64;
            let drops = match ending {
                Some(Ending::Terminated) => dropped.binary_search(&last).is_ok(),
                _ => kept.binary_search(&last).is_err(),
            };
            drops || e + 1 == episodes.len()
        })
    }

    /// Preference Transformer's view of robomimic's demonstrations 0, 1, 2 and so on.
    pub fn robomimic(trajectories: &Trajectories) -> Self {
        let mut order: Vec<usize> = (0..trajectories.episodes().len()).collect();
        order.sort_by_cached_key(usize::to_string);
        QLearning::of(trajectories, order, |_, _| true)
    }

    fn of(
        trajectories: &Trajectories,
        order: impl IntoIterator<Item = usize>,
        drops_last: impl Fn(usize, Option<Ending>) -> bool,
    ) -> Self {
        let mut view = 0;
        let block = |e: usize| {
            let episode = trajectories.episodes()[e];
            let drop = usize::from(drops_last(e, episode.ending));
            let block = Block {
                view,
                episode: e as u32,
                start: episode.start,
                kept: episode.len.saturating_sub(drop),
            };
            view += block.kept;
            block
        };
        let blocks = order.into_iter().map(block).collect();
        QLearning { blocks, len: view }
    }

    /// Number of transitions in the view.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the view has no transition.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Global index of the view's transition `i`, by binary search.
    pub fn transition(&self, i: usize) -> Option<usize> {
        let block = self.block(i)?;
        Some(block.start + (i - block.view))
    }

    /// The segment of `len` transitions of the view from `start` on; `None` if it does not lie within
    /// one episode.
    pub fn segment(&self, start: usize, len: u32) -> Option<Segment> {
        let block = self.block(start)?;
        let first = start - block.view;
        let fits = len > 0 && first.checked_add(len as usize)? <= block.kept;
        fits.then_some(Segment {
            trajectory: block.episode,
            start: u32::try_from(first).ok()?,
            len,
        })
    }

    fn block(&self, i: usize) -> Option<&Block> {
        let after = self.blocks.partition_point(|block| block.view <= i);
        let block = self.blocks.get(after.checked_sub(1)?)?;
        (i < self.len).then_some(block)
    }
}

/// Refuses labels that are, by their name, of another of D4RL's locomotion datasets than the file that was
/// read, where both names say: indices alone fit any larger dataset. `env` is like `hopper-medium-v2`.
pub(super) fn same_env(env: &str, labels: &Path, dataset: &Dataset) -> Result<(), DatasetError> {
    let source = dataset.about.source.strip_prefix("D4RL file ");
    let file = source.and_then(|file| file.split(".hdf5").next());
    let file = file.unwrap_or_default().to_lowercase().replace('_', "-");
    let body = |name: &str| {
        ["hopper", "walker2d", "halfcheetah"].contains(&name.split('-').next().unwrap_or_default())
    };
    if body(env) && body(&file) && env != file {
        let reason = format!(
            "these are labels of {env}, but the dataset is from {}; if it holds the same, rename the file that is imported, or the labels",
            dataset.about.source
        );
        return Err(DatasetError::new(labels, "", reason));
    }
    Ok(())
}

/// Labels of pairs of segments, each given by its first transition in the view.
pub(super) struct Labels<'a> {
    /// The file with the left segments, and theirs.
    pub left: (&'a Path, Vec<i64>),
    /// The file with the right segments, and theirs.
    pub right: (&'a Path, Vec<i64>),
    /// The answers.
    pub labels: Vec<Label>,
    /// Who gave them.
    pub teacher: &'static str,
    /// Whether they count as Preference Transformer's of robosuite do.
    pub robomimic: bool,
}

impl Labels<'_> {
    /// Appends them to the dataset's answers. Returns how many were left out because a segment
    /// crosses the end of an episode.
    ///
    /// # Errors
    /// If the dataset does not tell what the indices mean, or one lies outside of its view: then the
    /// labels are another dataset's. The dataset is unchanged.
    pub fn append(self, dataset: &mut Dataset, len: u32) -> Result<usize, DatasetError> {
        let trajectories = &dataset.trajectories;
        let view = match (&dataset.about.counting, self.robomimic) {
            (Counting::D4rl { dropped, kept }, false) => {
                Ok(QLearning::new(trajectories, dropped, kept))
            }
            (Counting::Robomimic, true) => Ok(QLearning::robomimic(trajectories)),
            (_, true) => Err(
                "labels in a folder whose name ends in _ph or _mh count the transitions of a robomimic file, \
                 which it is not",
            ),
            (_, false) => {
                Err("these count the transitions of a D4RL file with timeouts, which it is not")
            }
        };
        let view = view.map_err(|why| {
            let source = &dataset.about.source;
            DatasetError::new(
                self.left.0,
                "",
                format!("{why}: the dataset is from {source}"),
            )
        })?;
        let mut answers = Vec::with_capacity(self.labels.len());
        let teacher: Arc<str> = self.teacher.into();
        for (i, &label) in self.labels.iter().enumerate() {
            let index = |(file, starts): &(&Path, Vec<i64>)| {
                starts.get(i).copied().ok_or_else(|| {
                    DatasetError::new(file, "", format!("there is no index for label {i}"))
                })
            };
            let (left, right) = (index(&self.left)?, index(&self.right)?);
            let side = |file: &Path, start: i64| {
                let inside = usize::try_from(start)
                    .ok()
                    .filter(|s| s.checked_add(len as usize).is_some_and(|e| e <= view.len()));
                let start = inside.ok_or_else(|| {
                    let reason = format!(
                        "segment {i} begins at {start} and has {len} steps, but the dataset has {} \
                         transitions in the q-learning view: these are the labels of another \
                         dataset, or of segments of another length",
                        view.len()
                    );
                    DatasetError::new(file, "", reason)
                })?;
                Ok(view.segment(start, len))
            };
            let sides = (side(self.left.0, left)?, side(self.right.0, right)?);
            if let (Some(left), Some(right)) = sides {
                let pair = Pair { left, right };
                answers.push(Answer {
                    pair,
                    label: Some(label),
                    teacher: Arc::clone(&teacher),
                    returns: dataset.returns(pair),
                    query: None,
                });
            }
        }
        let left_out = self.labels.len() - answers.len();
        dataset.answers.append(&mut answers);
        Ok(left_out)
    }
}
