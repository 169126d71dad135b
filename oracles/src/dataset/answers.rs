//! `preferences.parquet`: a row for every query asked, or for every pair that the queries told of.

use std::path::Path;
use std::sync::Arc;

use super::table::{Cells, Kind, Table, TableWriter};
use super::words::Words;
use super::{Answer, DatasetError};
use crate::preference::{Label, Pair};
use crate::segment::Segment;
use crate::trajectory::Trajectories;

/// Rows in a row group.
const GROUP: usize = 65_536;
/// What a row takes in the file at least: the six numbers of its sides.
const ROW_BYTES: u64 = 24;
/// The column of [`Answer::query`], which is only there where an answer has one.
const QUERY: &str = "query";

fn label_word(label: Label) -> &'static str {
    match label {
        Label::Left => "left",
        Label::Right => "right",
        Label::Equal => "equal",
    }
}

/// Where a number of a pair belongs.
type Place = fn(&mut Pair) -> &mut u32;

/// The columns of a side of a pair.
fn side_columns(side: &str) -> [String; 3] {
    ["episode", "start", "length"].map(|field| format!("{side}_{field}"))
}

/// Writes the table.
pub(super) fn write(path: &Path, answers: &[Answer]) -> Result<(), DatasetError> {
    let sides = ["left", "right"].into_iter().flat_map(side_columns);
    let mut columns: Vec<_> = sides.map(|name| (name, Kind::U32)).collect();
    for (name, kind) in [
        ("label", Kind::Text),
        ("teacher", Kind::Text),
        ("left_return", Kind::F64),
        ("right_return", Kind::F64),
    ] {
        columns.push((name.to_owned(), kind));
    }
    if answers.iter().any(|a| a.query.is_some()) {
        columns.push((QUERY.to_owned(), Kind::U64));
    }
    let mut table = TableWriter::create(path, columns)?;
    for answers in answers.chunks(GROUP) {
        let sides =
            |get: &dyn Fn(&Pair) -> u32| Cells::U32(answers.iter().map(|a| get(&a.pair)).collect());
        let returns =
            |side: usize| Cells::F64(answers.iter().map(|a| a.returns.map(|r| r[side])).collect());
        table.group(|column| match column {
            0 => sides(&|p| p.left.trajectory),
            1 => sides(&|p| p.left.start),
            2 => sides(&|p| p.left.len),
            3 => sides(&|p| p.right.trajectory),
            4 => sides(&|p| p.right.start),
            5 => sides(&|p| p.right.len),
            6 => Cells::Text(
                answers
                    .iter()
                    .map(|a| a.label.map(|l| label_word(l).into()))
                    .collect(),
            ),
            7 => Cells::Text(
                answers
                    .iter()
                    .map(|a| Some(Arc::clone(&a.teacher)))
                    .collect(),
            ),
            8 => returns(0),
            9 => returns(1),
            _ => Cells::U64(answers.iter().map(|a| a.query).collect()),
        })?;
    }
    table.finish()
}

/// Reads the table; every segment must lie within the trajectories.
pub(super) fn read(path: &Path, trajectories: &Trajectories) -> Result<Vec<Answer>, DatasetError> {
    let table = Table::open(path, ROW_BYTES)?;
    let mut answers = Vec::with_capacity(table.rows());
    let nowhere = Segment {
        trajectory: 0,
        start: 0,
        len: 0,
    };
    let blank = Answer {
        pair: Pair {
            left: nowhere,
            right: nowhere,
        },
        label: None,
        teacher: "".into(),
        returns: None,
        query: None,
    };
    table.indices("left_episode", |_, e| {
        answers.push(blank.clone());
        answers.last_mut().ok_or("")?.pair.left.trajectory = e;
        Ok(())
    })?;
    let rest: [(&str, Place); 5] = [
        ("left_start", |p| &mut p.left.start),
        ("left_length", |p| &mut p.left.len),
        ("right_episode", |p| &mut p.right.trajectory),
        ("right_start", |p| &mut p.right.start),
        ("right_length", |p| &mut p.right.len),
    ];
    for (name, place) in rest {
        table.indices(name, |row, value| {
            *place(&mut answers[row].pair) = value;
            Ok(())
        })?;
    }
    table.words("label", |row, word| {
        let known = [Label::Left, Label::Right, Label::Equal];
        answers[row].label = match word {
            None => None,
            Some(word) => {
                let label = known.into_iter().find(|&l| label_word(l) == word);
                Some(label.ok_or("a label is not left, right, equal or missing (skipped)")?)
            }
        };
        Ok(())
    })?;
    let mut words = Words::default();
    table.words("teacher", |row, word| {
        answers[row].teacher = words.share(word.ok_or("a teacher is missing")?);
        Ok(())
    })?;
    table.numbers("left_return", |row, value| {
        answers[row].returns = value.map(|v| [v, f64::NAN]);
        Ok(())
    })?;
    table.numbers("right_return", |row, value| {
        match (&mut answers[row].returns, value) {
            (None, None) => Ok(()),
            (Some(returns), Some(v)) if returns[0].is_finite() && v.is_finite() => {
                returns[1] = v;
                Ok(())
            }
            _ => Err("a row has the return of one side only, or one that is not finite"),
        }
    })?;
    if table.has(QUERY) {
        table.whole(QUERY, |row, value| {
            answers[row].query = value;
            Ok(())
        })?;
    }
    for (row, answer) in answers.iter().enumerate() {
        for (side, segment) in [("left", answer.pair.left), ("right", answer.pair.right)] {
            let fits = trajectories.view(segment);
            fits.map_err(|e| table.error(side, format!("row {row}: {e}")))?;
        }
    }
    Ok(answers)
}
