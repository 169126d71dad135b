//! The defaults of the full tier are the papers' (`fixtures/paper_defaults.toml`).

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use prefbench_agents::{Setup, Tier, algorithm};
use serde_json::Value;

/// Every setting by its path.
fn flat(settings: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    for (key, value) in settings.as_object().unwrap() {
        let path = format!("{path}{key}");
        if value.is_object() {
            flat(value, &format!("{path}."), found);
        } else {
            found.insert(path, value.clone());
        }
    }
}

#[test]
fn full_tier_defaults_are_the_papers() {
    let table = include_str!("fixtures/paper_defaults.toml");
    let table: Value = toml::from_str(table).unwrap();
    let entries = table["defaults"].as_array().unwrap();
    for entry in entries {
        let [id, family] = ["algorithm", "family"].map(|key| entry[key].as_str().unwrap());
        let setup = Setup {
            task: entry.get("task").and_then(Value::as_str).unwrap_or("any"),
            family,
            horizon: 1000,
            tier: Tier::Full,
        };
        let algorithm = algorithm::find(id).unwrap();
        let steps = algorithm.offline().map(|o| (o.steps)(&setup));
        assert_eq!(steps, entry.get("steps").and_then(Value::as_u64), "{id}");
        let (mut ours, mut published) = (BTreeMap::new(), BTreeMap::new());
        flat(&(algorithm.defaults)(&setup), "", &mut ours);
        let like = entry.get("like").and_then(Value::as_str);
        let basis = |e: &&Value| e["algorithm"].as_str() == like && e["family"] == family;
        for entry in entries.iter().find(basis).into_iter().chain([entry]) {
            for part in ["paper", "ours"] {
                if let Some(part) = entry.get(part) {
                    flat(part, "", &mut published);
                }
            }
        }
        assert_eq!(
            ours, published,
            "{id} on {}; {}",
            setup.task, entry["source"]
        );
    }
}
