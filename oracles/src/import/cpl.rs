//! CPL's `.npz` of scored segments (Hejna et al. 2024, Contrastive Preference Learning).
//!
//! Arrays: `obs` (N, S, d), `action` (N, S, a), `reward` (N, S) and, for each segment, scores under
//! several keys, of which `rl_sum` (N,) is the paper's negated regret; files without it may have
//! `label`. The official reader's mode "comparison" compares segment i with segment i + ⌊N/2⌋: the
//! greater score is preferred, and equal scores are equally preferable. So do we; of an odd number
//! the last segment stays unlabelled. Where a configuration has a `capacity`, the official reader takes the
//! first 2·`capacity` segments before it halves, and in its mode "rank" partners are drawn anew for each batch.
//!
//! Every segment becomes an episode of its own that ends [`Ending::Cut`]: what followed its last
//! action is not in the file. The rewards are kept as they are in the file, where CPL's scripts
//! store the task's divided by 10. Older files of pairs, with `obs_1` and `obs_2`, are the format
//! [`super::ipl`].
//!
//! CPL's Meta-World observations are 35 of the task's 39 numbers: its `trim_mw_obs` leaves out 18 to 21, the
//! hand of the step before. Where there are 35, with 4 actions, these four are put back from the step before in
//! the segment, and at its first step, which has none, from that step itself.

use std::io::{Cursor, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use super::npz::Npz;
use crate::dataset::{About, Answer, Dataset, DatasetError, Origin};
use crate::preference::{Label, Pair};
use crate::segment::Segment;
use crate::trajectory::{Columns, Ending, Episode, Trajectories};

/// Reads the file at `path`.
///
/// # Errors
/// If it is not such a file; names the array.
pub fn read(path: &Path) -> Result<Dataset, DatasetError> {
    read_from(Npz::open(path)?)
}

/// Reads the bytes of a file; `file` is its name in errors.
///
/// # Errors
/// If it is not such a file; names the array.
pub fn parse(bytes: &[u8], file: &Path) -> Result<Dataset, DatasetError> {
    read_from(Npz::new(Cursor::new(bytes), file)?)
}

fn read_from<R: Read + Seek>(mut npz: Npz<R>) -> Result<Dataset, DatasetError> {
    if npz.has("obs_1") {
        let reason = "the file holds pairs of segments: read it as the format ipl";
        return Err(npz.error("obs_1", reason));
    }
    let keys = ["rl_sum", "label"];
    let Some(key) = keys.into_iter().find(|key| npz.has(key)) else {
        let reason = "there is no such array, nor label: without scores there are no preferences";
        return Err(npz.error("rl_sum", reason));
    };
    let read = segments(&mut npz, &[""])?;
    let scores = one_each(&mut npz, key, read.count)?;
    let source = format!("CPL, {}{}", npz.file().display(), read.note());
    let half = read.count / 2;
    let labels = (0..half).map(|i| match (scores[i], scores[i + half]) {
        (left, right) if left < right => Label::Right,
        (left, right) if left > right => Label::Left,
        _ => Label::Equal,
    });
    let labels = labels.collect();
    Ok(read.into_dataset(source, labels, key))
}

/// Numbers of a Meta-World observation: of all of it, and without the hand of the step before.
const META_WORLD: usize = 39;
const TRIMMED: usize = META_WORLD - HAND;
/// Numbers of a hand: where it is and how open.
const HAND: usize = 4;
/// Where the hand of the step before stands.
const PREVIOUS_HAND: usize = 18;
/// Numbers of a Meta-World action.
const META_WORLD_ACTION: usize = 4;

/// Segments of equal length, an episode each.
pub(super) struct Segments {
    trajectories: Trajectories,
    trimmed: bool,
    true_rewards: bool,
    /// How many.
    pub count: usize,
    len: usize,
}

/// Reads `obs`, `action` and, where it is there, `reward` with each of the suffixes in turn.
pub(super) fn segments<R: Read + Seek>(
    npz: &mut Npz<R>,
    suffixes: &[&str],
) -> Result<Segments, DatasetError> {
    let name = |array: &str, suffix: &str| format!("{array}{suffix}");
    let first = name("obs", suffixes[0]);
    let shape = npz.header(&first)?.shape;
    let &[count, len, obs_dim] = shape.as_slice() else {
        let reason = match shape.len() {
            4.. => "are image observations, which are not read: only vectors are",
            _ => "is not an array of segments (N, steps, numbers)",
        };
        return Err(npz.error(&first, format!("of shape {shape:?} {reason}")));
    };
    let action = name("action", suffixes[0]);
    let shape = npz.header(&action)?.shape;
    let &[_, _, act_dim] = shape.as_slice() else {
        let reason = format!("of shape {shape:?} is not an array of segments (N, steps, numbers)");
        return Err(npz.error(&action, reason));
    };
    for (name, empty) in [
        (&first, [count, len, obs_dim].contains(&0)),
        (&action, act_dim == 0),
    ] {
        if empty {
            return Err(npz.error(name, "there is nothing in it"));
        }
    }

    let episodes = count.saturating_mul(suffixes.len());
    let transitions = episodes.saturating_mul(len);
    let per_episode = size_of::<Episode>() + size_of::<Origin>() + size_of::<Answer>();
    let numbers = transitions as u128 * (obs_dim as u128 + act_dim as u128 + 1);
    let last = episodes as u128 * obs_dim as u128;
    let trimmed = (obs_dim, act_dim) == (TRIMMED, META_WORLD_ACTION);
    let untrimmed = if trimmed {
        (transitions as u128 + episodes as u128) * META_WORLD as u128
    } else {
        0
    };
    let kept = 4 * (numbers + last + untrimmed) + episodes as u128 * per_episode as u128;
    let names = 64 * (obs_dim as u128 + act_dim as u128);
    // An array in Fortran order is read as a whole before it is put in order.
    let whole = if any_fortran(npz, suffixes)? {
        12 * numbers
    } else {
        0
    };
    npz.afford(&first, kept + names + 16 * episodes as u128 + whole)?;

    let mut columns = Columns {
        obs_dim,
        act_dim,
        observations: Vec::with_capacity((transitions + episodes) * obs_dim),
        actions: Vec::with_capacity(transitions * act_dim),
        rewards: Vec::with_capacity(transitions),
        episodes: Vec::with_capacity(episodes),
    };
    let mut true_rewards = true;
    for suffix in suffixes {
        let shape = [count, len, obs_dim];
        extend(
            npz,
            &name("obs", suffix),
            &shape,
            true,
            &mut columns.observations,
        )?;
        let shape = [count, len, act_dim];
        extend(
            npz,
            &name("action", suffix),
            &shape,
            false,
            &mut columns.actions,
        )?;
        let reward = name("reward", suffix);
        true_rewards &= npz.has(&reward);
        if npz.has(&reward) {
            let flat = npz.header(&reward)?.shape.len() == 2;
            let shape = [count, len, 1];
            let shape = if flat { &shape[..2] } else { &shape };
            extend(npz, &reward, shape, false, &mut columns.rewards)?;
        }
    }
    if trimmed {
        columns.observations = untrim(&columns.observations, len + 1);
        columns.obs_dim = META_WORLD;
    }
    if !true_rewards {
        columns.rewards.clear();
        columns.rewards.resize(transitions, 0.0);
    }
    columns.episodes.extend((0..episodes).map(|e| Episode {
        start: e * len,
        len,
        ending: Some(Ending::Cut),
    }));
    let file = npz.file();
    let trajectories =
        Trajectories::try_from(columns).map_err(|error| DatasetError::new(file, "", error))?;
    Ok(Segments {
        trajectories,
        trimmed,
        true_rewards,
        count: episodes,
        len,
    })
}

/// Meta-World's observations from those that CPL trims; `rows` of them are an episode.
fn untrim(trimmed: &[f32], rows: usize) -> Vec<f32> {
    let mut whole = Vec::with_capacity(trimmed.len() / TRIMMED * META_WORLD);
    for episode in trimmed.chunks_exact(rows * TRIMMED) {
        let mut before = &episode[..HAND];
        for row in episode.chunks_exact(TRIMMED) {
            let (now, rest) = row.split_at(PREVIOUS_HAND);
            for part in [now, before, rest] {
                whole.extend_from_slice(part);
            }
            before = &row[..HAND];
        }
    }
    whole
}

fn any_fortran<R: Read + Seek>(npz: &mut Npz<R>, suffixes: &[&str]) -> Result<bool, DatasetError> {
    let arrays = ["obs", "action", "reward"].into_iter();
    for name in arrays.flat_map(|a| suffixes.iter().map(move |s| format!("{a}{s}"))) {
        if npz.has(&name) && npz.header(&name)?.fortran {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Appends array `name`, of finite numbers, to a column; with `repeat`, the last row of each segment twice.
fn extend<R: Read + Seek>(
    npz: &mut Npz<R>,
    name: &str,
    shape: &[usize],
    repeat: bool,
    column: &mut Vec<f32>,
) -> Result<(), DatasetError> {
    let file = npz.file().to_owned();
    let mut stream = expect(npz, name, shape)?;
    let width: usize = shape[2..].iter().product();
    let numbers = shape[1] * width;
    for segment in 0..shape[0] {
        let start = column.len();
        stream.next(numbers, column)?;
        if let Some(i) = column[start..].iter().position(|v| !v.is_finite()) {
            let reason = format!("segment {segment}, step {}: not finite", i / width);
            return Err(DatasetError::new(&file, name, reason));
        }
        if repeat {
            column.extend_from_within(column.len() - width..);
        }
    }
    Ok(())
}

fn expect<'a, R: Read + Seek>(
    npz: &'a mut Npz<R>,
    name: &str,
    shape: &[usize],
) -> Result<super::npz::Stream<'a, R>, DatasetError> {
    let found = npz.header(name)?.shape;
    if found != shape {
        let reason = format!("has the shape {found:?} where {shape:?} fits the other arrays");
        return Err(npz.error(name, reason));
    }
    npz.array(name)
}

/// Array `name` with one finite number for each of `count`.
pub(super) fn one_each<R: Read + Seek>(
    npz: &mut Npz<R>,
    name: &str,
    count: usize,
) -> Result<Vec<f64>, DatasetError> {
    let shape = npz.header(name)?.shape;
    let wanted: &[usize] = if shape.len() == 2 {
        &[count, 1]
    } else {
        &[count]
    };
    let values: Vec<f64> = expect(npz, name, wanted)?.all()?;
    match values.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(npz.error(name, format!("value {i} is not finite"))),
        None => Ok(values),
    }
}

impl Segments {
    /// What a dataset's source says of them, if anything.
    pub fn note(&self) -> &'static str {
        match self.trimmed {
            true => "; the hand of the step before, which the file leaves out, put back",
            false => "",
        }
    }

    /// The dataset with these labels: label i is of segment i and the one half of all later.
    pub fn into_dataset(self, source: String, labels: Vec<Label>, teacher: &str) -> Dataset {
        let half = self.count / 2;
        let side = |episode: usize| Segment {
            trajectory: episode as u32,
            start: 0,
            len: self.len as u32,
        };
        let teacher: Arc<str> = teacher.into();
        let policy: Arc<str> = "unknown".into();
        let trajectories = self.trajectories;
        let answer = |(i, label)| {
            let returns = [i, i + half].map(|e| trajectories.episode_return(e));
            Answer {
                pair: Pair {
                    left: side(i),
                    right: side(i + half),
                },
                label: Some(label),
                teacher: Arc::clone(&teacher),
                returns: self.true_rewards.then_some(returns),
                query: None,
            }
        };
        let answers = labels.into_iter().enumerate().map(answer).collect();
        let origin = |_| Origin {
            policy: Arc::clone(&policy),
            ..Origin::default()
        };
        let numbered = |what: &str, n: usize| (0..n).map(|i| format!("{what}{i}")).collect();
        Dataset {
            about: About {
                observation: numbered("observation", trajectories.obs_dim()),
                action: numbered("action", trajectories.act_dim()),
                true_rewards: self.true_rewards,
                source,
                ..About::default()
            },
            origins: (0..self.count).map(origin).collect(),
            answers,
            trajectories,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hand_of_the_step_before_is_put_back() {
        // Two episodes of two rows, each number 100 times its row plus its place in the whole observation.
        let place = |i: usize| if i < PREVIOUS_HAND { i } else { i + HAND };
        let rows = 0..4usize;
        let trimmed: Vec<f32> = rows
            .flat_map(|row| (0..TRIMMED).map(move |i| (100 * row + place(i)) as f32))
            .collect();
        let whole = untrim(&trimmed, 2);
        assert_eq!(whole.len(), 4 * META_WORLD);
        for (row, numbers) in whole.chunks(META_WORLD).enumerate() {
            let before = if row % 2 == 0 { row } else { row - 1 };
            for (i, &number) in numbers.iter().enumerate() {
                let expected = match i {
                    PREVIOUS_HAND..22 => 100 * before + i - PREVIOUS_HAND,
                    _ => 100 * row + i,
                };
                assert_eq!(number, expected as f32, "row {row}, number {i}");
            }
        }
    }
}
