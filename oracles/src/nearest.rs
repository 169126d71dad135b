//! Turning a misspelt name into a helpful message.

use thiserror::Error;

/// A name that no registry entry has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no {kind} is called \"{name}\"{}; known: {}", suggestion(.nearest), .known.join(", "))]
pub struct UnknownName {
    /// What was looked for, such as `teacher`.
    pub kind: &'static str,
    /// The name given.
    pub name: String,
    /// The known name most like it, unless none is alike.
    pub nearest: Option<&'static str>,
    /// All known names.
    pub known: Vec<&'static str>,
}

impl UnknownName {
    /// The error for `name`, with the nearest of the `known` names.
    pub fn new(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let known: Vec<_> = known.into_iter().collect();
        UnknownName {
            kind,
            name: name.to_owned(),
            nearest: nearest(name, known.iter().copied()),
            known,
        }
    }
}

/// The candidate most like `name`, ignoring case; the first of equals. `None` if every candidate
/// would need more than a third of the longer name's letters (at least one) changed.
///
/// "Changed" counts insertions, deletions, substitutions and exchanges of neighbours.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let edits = strsim::osa_distance(&name, &candidate.to_lowercase());
            (edits, candidate)
        })
        .filter(|(edits, candidate)| {
            let longer = name.chars().count().max(candidate.chars().count());
            *edits <= (longer / 3).max(1)
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

fn suggestion(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean \"{name}\"?)"))
}
