//! A run as an event file that [TensorBoard](https://www.tensorflow.org/tensorboard) reads.
//!
//! An event file is a sequence of records, each a length, the length's checksum, an `Event` message
//! (protocol buffers) and its checksum. Messages are those of `tensorboard/compat/proto/*.proto`,
//! with the few fields that scalars and texts need; checksums are TensorFlow's masked CRC-32C
//! (`tensorflow/tsl/lib/hash/crc32c.h`).
//!
//! | tag | value |
//! |---|---|
//! | `eval/return`, `eval/episode_length` | means over the evaluation's episodes |
//! | `eval/success` | fraction of successful episodes |
//! | `feedback/asked`, `feedback/labelled` | queries so far |
//! | `metrics/*` | the evaluation's diagnostics |
//! | `progress/steps_per_second` | from the notes; of two notes at one step, the later |
//! | `config` | text: the resolved configuration |
//!
//! The bytes depend on the run's files alone: an event's time is not the clock's but the seconds
//! since 1970 began that its step takes at the noted speed (0 without a note), and it never falls.
//! TensorBoard's *Relative* axis thus shows a run's duration; its *Wall* axis means nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;
use serde_json::Value;

use crate::eval::{parse_evals, parse_log};
use crate::files::{read_if_there, write_atomic};
use crate::run::{EVALS, NOTES, read_config};
use crate::{Error, Eval};

/// The name of the files written. TensorBoard takes every file with `tfevents` in its name.
pub const FILE: &str = "events.out.tfevents.prefbench";

/// Writes the run in the folder `run`, finished or not, to [`FILE`] in the folder `out`, which is
/// created if need be. Returns the file's path, and whether it had to be written: a file that has
/// these bytes already is left alone. Takes no lock, so the run may go on meanwhile.
///
/// # Errors
/// [`Error::NothingSaved`] if `run` is no run, [`Error::ForeignFile`] if `out` is a run's folder or
/// the file there is not of this run, [`Error::Corrupt`] and [`Error::EditedConfig`] for damaged
/// runs, and [`Error::Io`].
pub fn export(run: &Path, out: &Path) -> Result<(PathBuf, bool), Error> {
    let config = read_config(run)?.ok_or_else(|| Error::NothingSaved {
        dir: run.to_path_buf(),
        what: "config.json",
    })?;
    let file = run.join(EVALS);
    let evals = parse_evals(&file, &read_if_there(&file)?.unwrap_or_default())?;
    let file = run.join(NOTES);
    let notes = parse_log(&file, &read_if_there(&file)?.unwrap_or_default())?;

    let mut bytes = head(&config);
    let path = out.join(FILE);
    let old = read_if_there(&path)?;
    let foreign = |file| Error::ForeignFile { file };
    if read_if_there(&out.join("config.json"))?.is_some() {
        return Err(foreign(out.join("config.json")));
    }
    if old.as_ref().is_some_and(|old| !old.starts_with(&bytes)) {
        return Err(foreign(path));
    }
    for event in scalars(&evals, &notes) {
        record(&event, &mut bytes);
    }
    if old.is_some_and(|old| old == bytes) {
        return Ok((path, false));
    }
    fs::create_dir_all(out).map_err(Error::io("create folder", out))?;
    write_atomic(out, FILE, &bytes)?;
    Ok((path, true))
}

/// The records that every file begins with: the format's version, and the configuration. They
/// tell one run's file from another's.
fn head(config: &Value) -> Vec<u8> {
    let version = Event {
        file_version: Some("brain.Event:2".into()),
        ..Event::default()
    };
    // TensorBoard reads Markdown.
    let mut sorted = config.clone();
    sorted.sort_all_objects();
    let text = format!("```json\n{sorted:#}\n```");
    let config = Event::of(0.0, 0, vec![Entry::text("config", text)]);
    let mut bytes = Vec::new();
    record(&version, &mut bytes);
    record(&config, &mut bytes);
    bytes
}

fn scalars(evals: &[Eval], notes: &[Value]) -> Vec<Event> {
    let mut steps: BTreeMap<u64, (Option<&Eval>, Option<f64>)> = BTreeMap::new();
    for eval in evals {
        steps.entry(eval.step).or_default().0 = Some(eval);
    }
    for note in notes {
        let (step, speed) = (&note["step"], &note["steps_per_second"]);
        if let (Some(step), Some(speed)) = (step.as_u64(), speed.as_f64())
            && speed > 0.0
        {
            steps.entry(step).or_default().1 = Some(speed);
        }
    }
    let mut time = 0.0;
    let event = |(step, (eval, speed)): (u64, (Option<&Eval>, Option<f64>))| {
        let mut entries = eval.map(entries).unwrap_or_default();
        if let Some(speed) = speed {
            time = f64::max(time, step as f64 / speed);
            entries.push(Entry::scalar("progress/steps_per_second", speed));
        }
        Event::of(time, step, entries)
    };
    steps.into_iter().map(event).collect()
}

fn entries(eval: &Eval) -> Vec<Entry> {
    let length = eval.mean_of(|episode| episode.length as f64);
    let of_episodes = [
        ("eval/return", eval.mean_return()),
        ("eval/success", eval.success_rate()),
        ("eval/episode_length", length),
    ];
    let feedback = [
        ("feedback/asked", eval.feedback_asked),
        ("feedback/labelled", eval.feedback_labelled),
    ];
    let metrics = eval.metrics.iter();
    (of_episodes.into_iter())
        .filter_map(|(tag, value)| Some(Entry::scalar(tag, value?)))
        .chain(feedback.map(|(tag, n)| Entry::scalar(tag, n as f64)))
        .chain(metrics.map(|(name, &value)| Entry::scalar(&format!("metrics/{name}"), value)))
        .collect()
}

/// Appends `event` as a record.
fn record(event: &Event, out: &mut Vec<u8>) {
    let masked = |bytes: &[u8]| {
        let checksum = crc32c::crc32c(bytes).rotate_right(15);
        checksum.wrapping_add(0xa282_ead8).to_le_bytes()
    };
    let message = event.encode_to_vec();
    let length = (message.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(masked(&length));
    out.extend(&message);
    out.extend(masked(&message));
}

/// `event.proto`.
#[derive(Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

/// `summary.proto`.
#[derive(Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Entry>,
}

/// `Summary.Value`.
#[derive(Message)]
struct Entry {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = "8")]
    tensor: Option<Tensor>,
    #[prost(message, optional, tag = "9")]
    metadata: Option<Metadata>,
}

/// `SummaryMetadata`.
#[derive(Message)]
struct Metadata {
    #[prost(message, optional, tag = "1")]
    plugin_data: Option<PluginData>,
}

#[derive(Message)]
struct PluginData {
    #[prost(string, tag = "1")]
    plugin_name: String,
}

/// `tensor.proto`, of one string: without a shape it is no array.
#[derive(Message)]
struct Tensor {
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(string, repeated, tag = "8")]
    string_val: Vec<String>,
}

/// `DT_STRING` of `types.proto`.
const STRING: i32 = 7;

impl Event {
    fn of(wall_time: f64, step: u64, value: Vec<Entry>) -> Self {
        Self {
            wall_time,
            step: i64::try_from(step).unwrap_or(i64::MAX),
            file_version: None,
            summary: Some(Summary { value }),
        }
    }
}

impl Entry {
    /// TensorBoard keeps single precision, as everywhere in it.
    fn scalar(tag: &str, value: f64) -> Self {
        Self {
            tag: tag.into(),
            simple_value: Some(value as f32),
            ..Self::default()
        }
    }

    fn text(tag: &str, text: String) -> Self {
        let plugin_data = Some(PluginData {
            plugin_name: "text".into(),
        });
        Self {
            tag: tag.into(),
            simple_value: None,
            tensor: Some(Tensor {
                dtype: STRING,
                string_val: vec![text],
            }),
            metadata: Some(Metadata { plugin_data }),
        }
    }
}
