//! A config as a tree of settings: what is given is laid over the defaults, leaf by leaf.

use anyhow::{Result, anyhow, bail};
use prefbench_oracles::nearest::nearest;
use serde_json::{Map, Value, json};

/// Writes the leaves of `from` over those of `into`, adding what is not there.
pub fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// `a.b=1` as `{"a": {"b": 1}}`; the value is TOML, or else a plain string.
pub fn parse_set(pair: &str) -> Result<Value> {
    let (key, text) = pair.split_once('=').ok_or_else(|| {
        anyhow!("--set {pair}: expected key=value, e.g. --set agent.sac.batch=256")
    })?;
    let value = match format!("v = {text}").parse::<toml::Table>() {
        Ok(mut table) => to_json(
            &table.remove("v").unwrap_or(toml::Value::Boolean(false)),
            key,
        )?,
        Err(_) => Value::String(text.to_owned()),
    };
    Ok(key.trim().rsplit('.').fold(value, |inner, k| {
        Value::Object(Map::from_iter([(k.to_owned(), inner)]))
    }))
}

/// TOML as JSON; a number that is none is refused.
pub(super) fn to_json(value: &toml::Value, place: &str) -> Result<Value> {
    Ok(match value {
        toml::Value::Float(x) if !x.is_finite() => {
            bail!("{place}: {x} is not a usable number; give a finite one")
        }
        toml::Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|v| to_json(v, place))
                .collect::<Result<_>>()?,
        ),
        toml::Value::Table(table) => Value::Object(
            table
                .iter()
                .map(|(k, v)| Ok((k.clone(), to_json(v, k)?)))
                .collect::<Result<_>>()?,
        ),
        other => serde_json::to_value(other)?,
    })
}

/// Writes the leaves of `given` over those of `tree`; both path and type must exist there.
pub(super) fn overlay(tree: &mut Value, given: &Value, path: &str) -> Result<()> {
    let Value::Object(given) = given else {
        bail!("`{path}` is a group of settings, not a value");
    };
    let leaves: Vec<String> = leaves(tree, path)
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    for (key, value) in given {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let slot = tree
            .get_mut(key)
            .ok_or_else(|| unknown_key(&first_leaf(&path, value), &leaves))?;
        if slot.is_object() {
            overlay(slot, value, &path)?;
        } else {
            *slot = coerce(slot, value, &path)?;
        }
    }
    Ok(())
}

/// `given` as the type of `old`; integers are welcome where numbers are expected.
fn coerce(old: &Value, given: &Value, path: &str) -> Result<Value> {
    let whole = |v: &Value| v.as_u64().is_some();
    Ok(match (old, given) {
        (Value::Number(_), Value::Number(_)) if whole(old) && !whole(given) => {
            bail!("`{path}` is {given}, but must be a whole number of at least 0 (now {old})")
        }
        (Value::Number(_), Value::Number(n)) if !whole(old) => json!(n.as_f64()),
        (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_))
        | (Value::Bool(_), Value::Bool(_)) => given.clone(),
        (Value::Array(old_items), Value::Array(items)) => Value::Array(match old_items.first() {
            Some(first) => items
                .iter()
                .map(|item| coerce(first, item, path))
                .collect::<Result<_>>()?,
            None => items.clone(),
        }),
        _ => bail!("`{path}` is {given}, but must be {} (now {old})", kind(old)),
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a group of settings",
    }
}

/// The path of the first value in a group that was given.
fn first_leaf(path: &str, given: &Value) -> String {
    match given.as_object().and_then(|group| group.iter().next()) {
        Some((key, value)) => first_leaf(&format!("{path}.{key}"), value),
        None => path.to_owned(),
    }
}

fn leaves<'a>(tree: &'a Value, path: &str) -> Vec<(String, &'a Value)> {
    match tree {
        Value::Object(map) => map
            .iter()
            .flat_map(|(k, v)| {
                let path = if path.is_empty() {
                    k.clone()
                } else {
                    format!("{path}.{k}")
                };
                leaves(v, &path)
            })
            .collect(),
        _ => vec![(path.to_owned(), tree)],
    }
}

/// Of each tree what others have otherwise or not at all, as `a.b=1`.
pub fn differing(trees: &[Value]) -> Vec<Vec<String>> {
    let all: Vec<_> = trees.iter().map(|tree| leaves(tree, "")).collect();
    let common = |leaf: &&(String, &Value)| all.iter().all(|leaves| leaves.contains(leaf));
    let own = |leaves: &Vec<(String, &Value)>| {
        let own = leaves.iter().filter(|leaf| !common(leaf));
        own.map(|(key, value)| format!("{key}={value}")).collect()
    };
    all.iter().map(own).collect()
}

fn unknown_key(path: &str, leaves: &[String]) -> anyhow::Error {
    let last = |p: &str| p.rsplit('.').next().unwrap_or_default().to_owned();
    // A key given without its groups is found by its last part.
    let same_last: Vec<&str> = leaves
        .iter()
        .filter(|l| last(l) == last(path))
        .map(String::as_str)
        .collect();
    let near = match same_last.as_slice() {
        [] => nearest(path, leaves.iter().map(String::as_str)).map(str::to_owned),
        known => Some(known.join("` or `")),
    };
    match near {
        Some(near) => anyhow!("unknown key `{path}`, did you mean `{near}`?"),
        None if leaves.is_empty() => anyhow!("unknown key `{path}`; there are no keys here"),
        None => anyhow!("unknown key `{path}`; keys here: {}", leaves.join(", ")),
    }
}
