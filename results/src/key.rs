//! The identity of a run: the hash of its resolved configuration, and the few facts in it that
//! tables and figures need.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde_json::Value;

use crate::Error;

/// BLAKE3 hash of a run's resolved configuration in canonical JSON: object keys sorted by code
/// point, no white space, integers in decimal, floats as Rust's `{:?}` prints them (the shortest form
/// that reads back as the same `f64`).
///
/// The order of keys never matters; any change of a value does, `1` against `1.0` included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunKey(blake3::Hash);

impl RunKey {
    /// The key of `config`.
    #[must_use]
    pub fn of(config: &Value) -> Self {
        Self(blake3::hash(canonical_json(config).as_bytes()))
    }

    /// All 64 hexadecimal digits, as recorded inside the run's folder.
    #[must_use]
    pub fn full(&self) -> String {
        self.0.to_hex().to_string()
    }

    /// The first 16 hexadecimal digits (64 bits), as used in the folder's name.
    #[must_use]
    pub fn short(&self) -> String {
        self.full()[..16].to_owned()
    }
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// `value` as JSON without white space and with sorted keys. Sorting is done here and not left to
/// `serde_json::Map`, whose order depends on a cargo feature that any crate may switch on.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                // Writing to a String cannot fail; Value's Display is compact JSON.
                let _ = write!(out, "{}:", Value::from(key.as_str()));
                write_canonical(&map[key], out);
            }
            out.push('}');
        }
        // Not left to serde_json, which changed how it writes exponents in a minor version.
        Value::Number(number) if number.is_f64() => {
            let _ = write!(out, "{:?}", number.as_f64().unwrap_or_default());
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

/// The facts of a run that tables and figures name.
#[derive(Clone, Debug, PartialEq)]
pub struct RunInfo {
    /// Task, from the top-level key `task`.
    pub task: String,
    /// Algorithm, from `algorithm`.
    pub algorithm: String,
    /// Teacher, from `teacher`; `None` (JSON null) for algorithms trained on the true reward.
    pub teacher: Option<String>,
    /// Budget tier (`smoke`, `short`, `full`), from `tier`.
    pub tier: String,
    /// Seed, from `seed`.
    pub seed: u64,
    /// The whole resolved configuration.
    pub config: Value,
}

impl RunInfo {
    /// What methods are compared on: the task, and where runs learn from a dataset its name too, as
    /// `hopper medium-expert`.
    #[must_use]
    pub fn problem(&self) -> Cow<'_, str> {
        match self.config.pointer("/dataset/name").and_then(Value::as_str) {
            Some(name) if !name.is_empty() => format!("{} {name}", self.task).into(),
            _ => (&*self.task).into(),
        }
    }

    /// The hash of the episodes that are learned from. `None` without a dataset, and where answers of the
    /// dataset's own are learned from too, so that its hash is of both.
    #[must_use]
    pub fn episodes(&self) -> Option<&str> {
        let at = |path| self.config.pointer(path).and_then(Value::as_str);
        let of_both = at("/labels/answers").is_some_and(|name| !name.is_empty());
        at("/dataset/hash").filter(|_| !of_both)
    }

    /// Reads the facts from a resolved configuration.
    ///
    /// # Errors
    /// [`Error::BadConfig`] if one of the five keys is missing or has another type.
    pub fn of(config: &Value) -> Result<Self, Error> {
        let bad = |key, expected| {
            let found = config
                .get(key)
                .map_or_else(|| "nothing".to_owned(), Value::to_string);
            Error::BadConfig {
                key,
                expected,
                found,
            }
        };
        let text = |key: &'static str| {
            config
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(|| bad(key, "a string"))
        };
        Ok(Self {
            task: text("task")?,
            algorithm: text("algorithm")?,
            teacher: match config.get("teacher") {
                // Answers that the dataset brings stand where a teacher would.
                Some(Value::Null) => config
                    .pointer("/labels/answers")
                    .and_then(Value::as_str)
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned),
                Some(Value::String(name)) => Some(name.clone()),
                _ => return Err(bad("teacher", "a string, or null when there is none")),
            },
            tier: text("tier")?,
            seed: config
                .get("seed")
                .and_then(Value::as_u64)
                .ok_or_else(|| bad("seed", "an integer from 0 to 2^64 - 1"))?,
            config: config.clone(),
        })
    }
}
