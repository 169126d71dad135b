//! `steps.parquet`: a row for every observation.

use std::path::Path;

use super::table::{Cells, Kind, Table, TableWriter};
use super::{About, Dataset, DatasetError};
use crate::trajectory::{Columns, Episode, Trajectories, TrajectoryError};

/// Rows in a row group.
const GROUP: usize = 65_536;

/// The columns of numbers of `steps.parquet`, in order.
fn step_columns(about: &About) -> impl Iterator<Item = String> {
    let observation = about
        .observation
        .iter()
        .map(|name| format!("observation.{name}"));
    let action = about.action.iter().map(|name| format!("action.{name}"));
    observation.chain(action).chain(["reward".to_owned()])
}

/// Writes the table.
pub(super) fn write(dataset: &Dataset, path: &Path) -> Result<(), DatasetError> {
    let t = &dataset.trajectories;
    let (obs, act) = (t.obs_dim(), t.act_dim());
    let mut columns = vec![
        ("episode".to_owned(), Kind::U32),
        ("step".to_owned(), Kind::U32),
    ];
    columns.extend(step_columns(&dataset.about).map(|name| (name, Kind::F32)));
    let mut table = TableWriter::create(path, columns)?;
    // (episode, step, transition; the last row of an episode is none) of every row.
    let rows: Vec<(u32, u32, Option<usize>)> = (0u32..)
        .zip(t.episodes())
        .flat_map(|(e, &Episode { start, len, .. })| {
            (0..=len).map(move |s| (e, s as u32, (s < len).then_some(start + s)))
        })
        .collect();
    for (group, rows) in rows.chunks(GROUP).enumerate() {
        let of = |value: &dyn Fn(usize) -> f32| {
            let rows = rows.iter().map(|r| r.2.map_or(f32::NAN, value));
            Cells::F32(rows.collect())
        };
        let first = group * GROUP;
        table.group(|column| match column {
            0 => Cells::U32(rows.iter().map(|r| r.0).collect()),
            1 => Cells::U32(rows.iter().map(|r| r.1).collect()),
            c if c < 2 + obs => {
                let column = t.all_observations()[first * obs..].iter().skip(c - 2);
                Cells::F32(column.step_by(obs).take(rows.len()).copied().collect())
            }
            c if c < 2 + obs + act => of(&|i| t.action(i)[c - 2 - obs]),
            _ => of(&|i| t.reward(i)),
        })?;
    }
    table.finish()
}

/// Reads the table of these episodes.
pub(super) fn read(
    path: &Path,
    about: &About,
    episodes: Vec<Episode>,
) -> Result<Trajectories, DatasetError> {
    let (obs, act) = (about.observation.len(), about.action.len());
    // The columns of numbers are plain.
    let table = Table::open(path, 4 * (obs + act + 1) as u64)?;
    let rows = table.rows();
    let transitions: usize = episodes.last().map_or(0, |e| e.start + e.len);
    if transitions.checked_add(episodes.len()) != Some(rows) {
        let reason = format!(
            "{rows} rows, but {} episodes of {transitions} transitions take one row more each",
            episodes.len()
        );
        return Err(table.error("", reason));
    }
    let mut order = (0u32..)
        .zip(&episodes)
        .flat_map(|(e, ep)| (0..=ep.len as u32).map(move |s| (e, s)));
    table.indices("episode", |_, e| match order.next() {
        Some((expected, _)) if expected == e => Ok(()),
        _ => Err("the episodes are not those of episodes.parquet in their order"),
    })?;
    let mut order = episodes.iter().flat_map(|ep| 0..=ep.len as u32);
    table.indices("step", |_, s| match order.next() {
        Some(expected) if expected == s => Ok(()),
        _ => Err("the steps of an episode are not 0, 1, 2, ... to its length"),
    })?;

    let indices: Vec<usize> = step_columns(about)
        .map(|name| table.index(&name))
        .collect::<Result<_, _>>()?;
    let mut columns = Columns {
        obs_dim: obs,
        act_dim: act,
        observations: vec![0.0; rows * obs],
        actions: vec![0.0; transitions * act],
        rewards: vec![0.0; transitions],
        episodes,
    };
    let mut values = Vec::new();
    let (mut row, mut episode) = (0, 0);
    for group in 0..table.groups() {
        let count = table.group_rows(group);
        // The rows of the group that are transitions: all but the last of each episode.
        let mut kept = Vec::with_capacity(count);
        let first = row - episode;
        for r in row..row + count {
            let e = &columns.episodes[episode];
            if r - episode == e.start + e.len {
                episode += 1;
            } else {
                kept.push((r - row) as u32);
            }
        }
        for (c, &index) in indices.iter().enumerate() {
            table.f32(group, index, &mut values)?;
            let kept = kept.iter().map(|&k| values[k as usize]);
            if c < obs {
                let out = columns.observations[row * obs..]
                    .iter_mut()
                    .skip(c)
                    .step_by(obs);
                out.zip(&values).for_each(|(out, v)| *out = *v);
            } else if c < obs + act {
                let out = columns.actions[first * act..]
                    .iter_mut()
                    .skip(c - obs)
                    .step_by(act);
                out.zip(kept).for_each(|(out, v)| *out = v);
            } else {
                columns.rewards[first..]
                    .iter_mut()
                    .zip(kept)
                    .for_each(|(out, v)| *out = v);
            }
        }
        row += count;
    }
    let names: Vec<String> = step_columns(about).collect();
    Trajectories::try_from(columns).map_err(|e| match e {
        TrajectoryError::NotFinite { column, index } => {
            let (width, base) = match column {
                "observations" => (obs, 0),
                "actions" => (act, obs),
                _ => (1, obs + act),
            };
            let place = format!(
                "{} {} is not finite",
                if base == 0 { "row" } else { "transition" },
                index / width
            );
            table.error(&names[base + index % width], place)
        }
        e => table.error("", e),
    })
}
