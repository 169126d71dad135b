//! Settings of teachers: typed structs that arrive as JSON.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use thiserror::Error;

use crate::teacher::Teacher;

/// A parameter of a teacher outside its range.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("teacher.{key} = {value} is invalid: it must be {range}")]
pub struct BadParameter {
    /// The setting.
    pub key: &'static str,
    /// Its value.
    pub value: f64,
    /// The valid values.
    pub range: &'static str,
}

/// Why a teacher cannot be made.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TeacherError {
    /// A setting is unknown or of the wrong type.
    #[error("teacher{}: {why}", path(.key))]
    Settings {
        /// The setting; empty if the settings as a whole are wrong.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// A setting is out of range.
    #[error(transparent)]
    Range(#[from] BadParameter),
    /// It judges by an expert's values, and none was given.
    #[error(
        "the teacher \"{id}\" needs an expert's value function, and there is none; train or name \
         an expert, or use a teacher that needs none, such as \"oracle\""
    )]
    NeedsExpert {
        /// The teacher's id.
        id: &'static str,
    },
}

fn path(key: &str) -> String {
    if key.is_empty() || key == "." {
        String::new()
    } else {
        format!(".{key}")
    }
}

/// A value that must lie in `low..=high`, described in words by `range`.
pub(crate) type Bound = (&'static str, f64, f64, f64, &'static str);

/// In [0, 1].
pub(crate) fn unit(key: &'static str, value: f64) -> Bound {
    (key, value, 0.0, 1.0, "in [0, 1]")
}

/// At least 0 and finite.
pub(crate) fn nonnegative(key: &'static str, value: f64) -> Bound {
    (key, value, 0.0, f64::MAX, "at least 0")
}

/// Above 0 and finite.
pub(crate) fn positive(key: &'static str, value: f64) -> Bound {
    (key, value, f64::MIN_POSITIVE, f64::MAX, "above 0")
}

/// The first value outside its bounds, or not a number.
pub(crate) fn check(bounds: &[Bound]) -> Result<(), BadParameter> {
    let outside = |&&(_, value, low, high, _): &&Bound| !(low..=high).contains(&value);
    match bounds.iter().find(outside) {
        Some(&(key, value, _, _, range)) => Err(BadParameter { key, value, range }),
        None => Ok(()),
    }
}

/// Settings with ranges.
pub(crate) trait Settings: Serialize + DeserializeOwned {
    /// Refuses values out of range.
    fn check(&self) -> Result<(), BadParameter>;
}

/// `base` with the given `changes`: an object of settings, or null for none.
pub(crate) fn changed<T: Settings>(base: &T, changes: &Value) -> Result<T, TeacherError> {
    let mut settings = json(base);
    match (&mut settings, changes) {
        (_, Value::Null) => {}
        (Value::Object(all), Value::Object(new)) => all.extend(new.clone()),
        _ => {
            return Err(TeacherError::Settings {
                key: String::new(),
                why: format!("expected an object of settings, found {changes}"),
            });
        }
    }
    let settings: T =
        serde_path_to_error::deserialize(&settings).map_err(|e| TeacherError::Settings {
            key: e.path().to_string(),
            why: e.inner().to_string(),
        })?;
    settings.check()?;
    Ok(settings)
}

/// A teacher that is its own settings, changed from `base`.
pub(crate) fn made<T: Settings + Teacher + 'static>(
    base: &T,
    changes: &Value,
) -> Result<Box<dyn Teacher>, TeacherError> {
    Ok(Box::new(changed(base, changes)?))
}

/// Settings as JSON.
pub(crate) fn json<T: Serialize>(settings: &T) -> Value {
    // Plain structs of numbers, words and truth values always serialize.
    serde_json::to_value(settings).unwrap_or_default()
}
