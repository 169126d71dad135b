//! Spaces as Minari writes them into its metadata: JSON in a string.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::hdf5::Array;
use crate::dataset::DatasetError;

/// A space, without its bounds.
#[derive(serde::Deserialize)]
pub(super) struct Space {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    shape: Vec<u64>,
    #[serde(default)]
    dtype: String,
    #[serde(default)]
    subspaces: Subspaces,
}

/// The members of a Dict by name; those of a Tuple are passed over.
#[derive(Default)]
struct Subspaces(BTreeMap<String, Space>);

impl Space {
    /// A Dict's member.
    pub(super) fn of(&self, name: &str) -> Option<&Space> {
        self.subspaces.0.get(name)
    }

    /// Checks that an array holds rows of this space.
    pub(super) fn fits(&self, array: &Array<'_>) -> Result<(), DatasetError> {
        if self.kind != "Box" || self.dtype == "uint8" && self.shape.len() == 3 {
            let what = if self.kind == "Box" {
                "images"
            } else {
                &self.kind
            };
            return Err(array.wrong(format!(
                "its space is {what}; only Boxes of numbers and Dicts of them are supported"
            )));
        }
        if array.shape.get(1..) == Some(&self.shape) {
            return Ok(());
        }
        Err(array.wrong(format!(
            "its shape is {:?}, but its space's is {:?}",
            array.shape, self.shape
        )))
    }

    fn check(&self) -> Result<(), String> {
        match self.kind.as_str() {
            "Box" => Ok(()),
            "Dict" => self.subspaces.0.values().try_for_each(Space::check),
            other => Err(format!(
                "a space of type {other}; only Box and Dict are supported"
            )),
        }
    }
}

/// Parses a space, and refuses one that cannot be imported.
pub(super) fn parse(text: &str) -> Result<Space, String> {
    let space: Space =
        serde_json::from_str(&without_infinities(text)).map_err(|e| e.to_string())?;
    space.check()?;
    Ok(space)
}

/// The text with 0 for the words that Python writes for infinities and NaN outside of strings.
pub(super) fn without_infinities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut quoted = false;
    while let Some(c) = rest.chars().next() {
        let word = ["-Infinity", "Infinity", "NaN"];
        let word = word.iter().find(|word| !quoted && rest.starts_with(**word));
        let mut len = c.len_utf8();
        match (word, c) {
            (Some(word), _) => {
                out.push('0');
                rest = &rest[word.len()..];
                continue;
            }
            (None, '\\') if quoted => len += rest[1..].chars().next().map_or(0, char::len_utf8),
            (None, '"') => quoted = !quoted,
            _ => {}
        }
        out.push_str(&rest[..len]);
        rest = &rest[len..];
    }
    out
}

impl<'de> Deserialize<'de> for Subspaces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Subspaces;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("spaces by name, or a list of spaces")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Subspaces, A::Error> {
                let mut spaces = BTreeMap::new();
                while let Some((name, space)) = map.next_entry()? {
                    spaces.insert(name, space);
                }
                Ok(Subspaces(spaces))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Subspaces, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Subspaces::default())
            }
        }
        deserializer.deserialize_any(Either)
    }
}
