//! D4RL's flat HDF5 files (Fu et al. 2020, arXiv:2004.07219): `observations` (N, obs), `actions`
//! (N, act), `rewards` (N), `terminals` (N), and often `timeouts` (N) and `next_observations`
//! (N, obs). `metadata` is left aside, and of `infos` all but the `goal` (N, ...) of mazes.
//!
//! **Rows.** Row i of the file is transition i of the [`Dataset`], always: no row is dropped or
//! moved, whatever ends where.
//!
//! **Episodes** end after a row
//!
//! - whose `terminals` is true: [`Ending::Terminated`], also where `timeouts` is true too;
//! - whose `timeouts` is true;
//! - in a file without `timeouts` but with `next_observations`: whose next observation differs by
//!   more than 10⁻⁵ (Euclidean) from the observation of the row after it, as implementations of
//!   IQL split such files;
//! - that is the file's last.
//!
//! In a file with `timeouts` and `infos/goal`, which is a maze's, they end where `timeouts` is true or before the goal
//! changes, as Preference Transformer and Clean-Offline-RLHF split them, and at no `terminals` else: D4RL sets those
//! wherever the robot is at the goal of the evaluation, while it goes on to its own. Such a flag inside an episode is
//! dropped, with the mask that IQL takes from it: values bootstrap through the goal. (Their code only sees a change that
//! raises the sum of the goal's numbers; ours sees all.)
//!
//! Without `timeouts` and `next_observations` nothing else tells episodes apart, and a segment may
//! span a reset; D4RL's own code then counts steps up to the environment's limit, which the file
//! does not say.
//!
//! **The last observation** of an episode is `next_observations` of its last row. Its ending is
//! then [`Ending::Truncated`] unless it is terminated, also for the episode that the file's end
//! interrupts: what followed is known. Without `next_observations` the last row's observation is
//! repeated and the episode is [`Ending::Cut`]. A terminated one stays terminated: learners of
//! values do not look at what follows it.
//!
//! **Against `d4rl.qlearning_dataset`**, whose indices published labels use: that array leaves out
//! every row whose `timeouts` is true, `terminals` or not, and always the file's last row; rows
//! keep their order, and the next observation is the observation of the row after. So with
//! `timeouts`, what it leaves out is the last step of every episode that is not terminated, the
//! last step of the last episode, and the rows that are both, and it keeps the row before a maze's goal
//! changes without a timeout; [`Counting::D4rl`] lists these two. Without
//! `timeouts` it leaves out every row that is the last which the environment's limit allows since
//! the last end, whatever jumps; the file does not say that limit, and [`Counting`] is `None`.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::hdf5::{self, Array, Hdf5};
use crate::dataset::{About, Counting, Dataset, DatasetError, Origin};
use crate::trajectory::{Columns, Ending, Episode, Trajectories};

/// An observation farther than this from the next observation of the row before begins an episode.
const JUMP: f64 = 1e-5;

/// Bytes of an episode's entries.
const EPISODE: u64 = (size_of::<Episode>() + size_of::<Origin>() + size_of::<usize>()) as u64;

/// Reads a D4RL file.
///
/// # Errors
/// [`DatasetError`] naming the array, if one is missing, has not the rows of the others, holds
/// anything but finite numbers, or is not all there.
pub fn read(path: &Path) -> Result<Dataset, DatasetError> {
    hdf5::open(path, |file| take(path, file))
}

fn take(path: &Path, file: &Hdf5<'_>) -> Result<Dataset, DatasetError> {
    let root = file.root()?;
    let observations = root.array("observations")?;
    let rows = observations.rows();
    let actions = root.array("actions")?;
    let rewards = root.array("rewards")?;
    let terminals = root.array("terminals")?;
    let timeouts = root.find("timeouts")?;
    let next = root.find("next_observations")?;
    for table in [&observations, &actions].into_iter().chain(&next) {
        table.expect_table()?;
        table.expect_rows(rows, &observations.name)?;
    }
    for column in [&rewards, &terminals].into_iter().chain(&timeouts) {
        column.expect_column()?;
        column.expect_rows(rows, &observations.name)?;
    }
    let goals = match (&timeouts, root.folder("infos")?) {
        (Some(_), Some(infos)) => infos.find("goal")?,
        _ => None,
    };
    if let Some(goals) = &goals {
        goals.expect_rows(rows, &observations.name)?;
    }
    if let Some(next) = &next
        && next.width != observations.width
    {
        return Err(next.wrong(format!(
            "{} numbers a row, where observations have {}",
            next.width, observations.width
        )));
    }
    if rows == 0 {
        return Err(observations.wrong("no rows: there is nothing to learn from"));
    }

    // What is small first: it tells how large the rest is.
    let mut ends = terminals.flags()?;
    let terminals = ends.clone();
    let (mut both, mut kept) = (Vec::new(), Vec::new());
    match (&timeouts, &next) {
        (Some(timeouts), _) => {
            if let Some(goals) = &goals {
                ends.fill(false);
                mark_changes(goals, &mut ends)?;
            }
            for (row, timeout) in timeouts.flags()?.into_iter().enumerate() {
                match (timeout, terminals[row]) {
                    (true, true) => both.push(row as u64),
                    (false, false) if ends[row] => kept.push(row as u64),
                    _ => {}
                }
                ends[row] |= timeout;
            }
        }
        (None, Some(next)) => mark_jumps(&observations, next, &mut ends)?,
        (None, None) => {}
    }
    if let Some(last) = ends.last_mut() {
        *last = true;
    }
    let count = ends.iter().filter(|&&end| end).count();

    let (width, act_dim) = (observations.width, actions.width);
    // The last rows are there twice for a while.
    let numbers = rows
        .saturating_add(2 * count as u64)
        .saturating_mul(width as u64);
    let numbers = numbers.saturating_add(rows.saturating_mul(act_dim as u64 + 1));
    let entries = count as u64 * EPISODE + rows;
    file.keep("", numbers.saturating_mul(4).saturating_add(entries))?;
    let names = file.names("observation", width)?;
    let action_names = file.names("action", act_dim)?;
    let mut columns = Columns {
        obs_dim: width,
        act_dim,
        observations: Vec::with_capacity((ends.len() + count) * width),
        actions: Vec::with_capacity(ends.len() * act_dim),
        rewards: Vec::with_capacity(ends.len()),
        episodes: Vec::with_capacity(count),
    };
    let mut start = 0;
    for (row, _) in ends.iter().enumerate().filter(|(_, end)| **end) {
        let ending = match (&next, terminals[row]) {
            (_, true) => Ending::Terminated,
            (Some(_), false) => Ending::Truncated,
            (None, false) => Ending::Cut,
        };
        columns.episodes.push(Episode {
            start,
            len: row + 1 - start,
            ending: Some(ending),
        });
        start = row + 1;
    }
    let stops: Vec<usize> = columns.episodes.iter().map(|e| e.start + e.len).collect();
    let mut fill = || {
        actions.append(0, rows, &mut columns.actions)?;
        rewards.append(0, rows, &mut columns.rewards)?;
        fill_observations(&observations, &stops, &mut columns)
    };
    let last = match &next {
        None => fill().map(|()| None)?,
        Some(next) if next.in_one_piece() => {
            fill().and_then(|()| last_rows(next, &stops).map(Some))?
        }
        // Inflating is what takes the time, here of as much as the observations: on a thread of
        // its own.
        Some(_) => thread::scope(|scope| {
            let room = file.halve();
            let stops = &stops;
            let other = scope.spawn(move || {
                hdf5::open_within(room, path, |file| {
                    let next = file.root()?.array("next_observations")?;
                    last_rows(&next, stops)
                })
            });
            let filled = fill();
            let last = other
                .join()
                .map_err(|_| file.wrong("next_observations", "a thread failed"))?;
            filled.and(last.map(Some))
        })?,
    };
    let last = last.iter().flat_map(|last| last.chunks_exact(width));
    for ((e, stop), row) in stops.iter().enumerate().zip(last) {
        // Each earlier episode holds one row more than it has transitions.
        let at = (stop + e) * width;
        columns.observations[at..at + width].copy_from_slice(row);
    }

    let mut source = format!("D4RL file {}", hdf5::file_name(path));
    let counting = match timeouts {
        Some(_) => Counting::D4rl {
            dropped: both,
            kept,
        },
        None => {
            source += "; it has no timeouts";
            Counting::None
        }
    };
    let policy: Arc<str> = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into();
    let origin = Origin {
        policy,
        ..Origin::default()
    };
    Ok(Dataset {
        about: About {
            observation: names,
            action: action_names,
            true_rewards: true,
            source,
            counting,
            ..About::default()
        },
        origins: vec![origin; columns.episodes.len()],
        trajectories: Trajectories::try_from(columns).map_err(|e| file.wrong("", e))?,
        answers: Vec::new(),
    })
}

/// Marks the rows that are followed by another goal.
fn mark_changes(goals: &Array<'_>, ends: &mut [bool]) -> Result<(), DatasetError> {
    let mut before: Vec<f32> = Vec::new();
    goals.read(0, goals.rows(), &mut |row, block| {
        for (i, goal) in block.chunks_exact(goals.width.max(1)).enumerate() {
            if before != goal {
                if let Some(last) = (row as usize + i).checked_sub(1) {
                    ends[last] = true;
                }
                before = goal.to_vec();
            }
        }
    })
}

/// Marks the rows after which the observations do not continue.
fn mark_jumps(
    observations: &Array<'_>,
    next: &Array<'_>,
    ends: &mut [bool],
) -> Result<(), DatasetError> {
    let width = observations.width;
    let rows = observations.rows();
    // Both arrays are stored alike, as a rule, so a block of one is about a block of the other.
    let mut after = Vec::new();
    let mut failed = None;
    next.read(0, rows.saturating_sub(1), &mut |row, block| {
        let n = (block.len() / width) as u64;
        after.clear();
        if let Err(e) = observations.append(row + 1, n, &mut after) {
            failed.get_or_insert(e);
            return;
        }
        let pairs = block.chunks_exact(width).zip(after.chunks_exact(width));
        for (end, (a, b)) in ends[row as usize..].iter_mut().zip(pairs) {
            let square = |(&x, &y): (&f32, &f32)| (f64::from(x) - f64::from(y)).powi(2);
            *end |= a.iter().zip(b).map(square).sum::<f64>().sqrt() > JUMP;
        }
    })?;
    failed.map_or(Ok(()), Err)
}

/// Copies the observations in order, the last one of each episode, which is before a stop, twice.
fn fill_observations(
    observations: &Array<'_>,
    stops: &[usize],
    columns: &mut Columns,
) -> Result<(), DatasetError> {
    let width = columns.obs_dim;
    let mut stops = stops.iter().copied().peekable();
    let out = &mut columns.observations;
    observations.read(0, observations.rows(), &mut |row, block| {
        let first = row as usize;
        let mut done = first;
        let end = first + block.len() / width;
        while let Some(stop) = stops.next_if(|&stop| stop <= end) {
            out.extend_from_slice(&block[(done - first) * width..(stop - first) * width]);
            out.extend_from_within(out.len() - width..);
            done = stop;
        }
        out.extend_from_slice(&block[(done - first) * width..]);
    })
}

/// The rows before the stops.
fn last_rows(next: &Array<'_>, stops: &[usize]) -> Result<Vec<f32>, DatasetError> {
    let width = next.width;
    let mut out = Vec::with_capacity(stops.len() * width);
    if next.in_one_piece() {
        // The other rows need not be read, where episodes are long.
        for &stop in stops {
            next.append(stop as u64 - 1, 1, &mut out)?;
        }
        return Ok(out);
    }
    let mut stops = stops.iter().copied().peekable();
    next.read(0, next.rows(), &mut |row, block| {
        let first = row as usize;
        let end = first + block.len() / width;
        while let Some(stop) = stops.next_if(|&stop| stop <= end) {
            out.extend_from_slice(&block[(stop - 1 - first) * width..(stop - first) * width]);
        }
    })?;
    Ok(out)
}
