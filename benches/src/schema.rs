//! `prefbench schema`: what may stand in a config file, as JSON Schema (draft 2020-12), for editors
//! that complete and check TOML.
//!
//! It is derived from the tree of defaults that a config is laid over and from the registries, so it
//! knows what [`RunConfig::resolve`] knows, but for ranges and for what one value asks of another.
//! Every branch of settings is listed under its key and then narrowed to the algorithm or teacher
//! that the file names: editors complete from the list, and few look into conditions.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use prefbench_agents::{ALGORITHMS, Algorithm, DEVICES, TIERS, Tier};
use prefbench_envs::TASKS;
use prefbench_oracles::{SAMPLERS, TEACHERS, TeacherEntry};
use serde_json::{Map, Value, json};

use crate::config::{Labels, RunConfig, Source};

/// Prints the schema of a run's config file.
pub fn schema() -> Result<ExitCode> {
    writeln!(std::io::stdout(), "{:#}", config()?)?;
    Ok(ExitCode::SUCCESS)
}

/// The schema of a run's config file. No key is required: flags can give it too.
pub fn config() -> Result<Value> {
    // Tasks and tiers choose values, not keys.
    let defaults = |algorithm| RunConfig::defaults(&TASKS[0], algorithm, None, Tier::Smoke);
    let mut schema = shape("", &serde_json::to_value(defaults(&ALGORITHMS[0]))?);
    let case = |key: &str, value: Value, then: Value| {
        json!({
            "if": {"properties": {key: value}, "required": [key]},
            "then": {"properties": then},
        })
    };

    let ids = |wanted: &dyn Fn(&Algorithm) -> bool| {
        let wanted = ALGORITHMS.iter().filter(|a| wanted(a)).map(|a| a.id);
        json!({"enum": wanted.collect::<Vec<_>>()})
    };
    let no_teacher = json!({"teacher": false, "teacher_settings": false, "labels": false});
    let no_dataset = json!({"dataset": false, "labels": false});
    let mut cases = vec![
        case("algorithm", ids(&|a| !a.taught), no_teacher),
        case("algorithm", ids(&|a| a.offline().is_none()), no_dataset),
    ];
    let agents = ALGORITHMS
        .iter()
        .map(|a| ("algorithm", a.id, "agent", defaults(a).agent));
    let answers = teachers().map(|t| ("teacher", t.id, "teacher_settings", (t.defaults)()));
    let mut branches = Map::new();
    let mut listed: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (key, id, group, settings) in agents.chain(answers) {
        let name = format!("{group}-{id}");
        let branch = json!({"$ref": format!("#/$defs/{name}")});
        branches.insert(name, shape(group, &settings));
        cases.push(case(key, json!({"const": id}), json!({group: &branch})));
        listed.entry(group).or_default().push(branch);
    }

    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Configuration of a prefbench run");
    for (group, list) in listed {
        schema["properties"][group] = json!({"anyOf": list});
    }
    let source = shape("", &serde_json::to_value(Source::default())?);
    schema["properties"]["dataset"] = json!({"anyOf": [{"type": "string"}, source]});
    let labels = Labels::defaults(&TASKS[0], Tier::Smoke);
    schema["properties"]["labels"] = shape("", &serde_json::to_value(labels)?);
    schema["allOf"] = json!(cases);
    schema["$defs"] = json!(branches);
    Ok(schema)
}

/// The schema of what may replace the default `value` under `key`.
fn shape(key: &str, value: &Value) -> Value {
    if let Some(names) = names(key) {
        return json!({"enum": names});
    }
    match value {
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(n) if n.is_u64() => json!({"type": "integer", "minimum": 0}),
        Value::Number(_) => json!({"type": "number"}),
        Value::String(_) => json!({"type": "string"}),
        Value::Array(items) => match items.first() {
            Some(first) => json!({"type": "array", "items": shape("", first)}),
            None => json!({"type": "array"}),
        },
        Value::Object(map) => {
            let keys = map.iter().map(|(k, v)| (k.clone(), shape(k, v)));
            // What is empty by default cannot be set.
            let keys: Map<_, _> = keys.filter(|(_, v)| *v != json!(false)).collect();
            json!({"type": "object", "properties": keys, "additionalProperties": false})
        }
        Value::Null => json!(false),
    }
}

/// The teachers that answer in runs.
fn teachers() -> impl Iterator<Item = &'static TeacherEntry> {
    TEACHERS.iter().filter(|teacher| !teacher.needs_expert)
}

/// The names of the registry that `key` chooses from.
fn names(key: &str) -> Option<Vec<&'static str>> {
    Some(match key {
        "task" => TASKS.iter().map(|t| t.id).collect(),
        "algorithm" => ALGORITHMS.iter().map(|a| a.id).collect(),
        "teacher" => teachers().map(|t| t.id).collect(),
        "tier" => TIERS.iter().map(|(name, _)| *name).collect(),
        "device" => DEVICES.iter().map(|d| d.name()).collect(),
        "sampler" => SAMPLERS.iter().map(|s| s.id).collect(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use anyhow::Context;

    use super::*;
    use crate::config::Flags;

    /// Of an independent validator.
    const VALIDATE: &str = r#"
import json, sys
try:
    from jsonschema import Draft202012Validator
except ImportError:
    sys.exit(77)
cases = json.load(sys.stdin)
Draft202012Validator.check_schema(cases["schema"])
validator = Draft202012Validator(cases["schema"])
for valid in cases["valid"]:
    validator.validate(valid)
for invalid in cases["invalid"]:
    assert not validator.is_valid(invalid), invalid
"#;

    fn validate(valid: &[Value], invalid: &[Value]) {
        let cases = json!({"schema": config().unwrap(), "valid": valid, "invalid": invalid});
        let python = Command::new("python3")
            .args(["-c", VALIDATE])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut python) = python else {
            eprintln!("skipped: there is no python3 here");
            return;
        };
        let written = write!(python.stdin.take().unwrap(), "{cases}");
        let out = python.wait_with_output().unwrap();
        if out.status.code() == Some(77) {
            eprintln!("skipped: python3 has no jsonschema here");
            return;
        }
        written.unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }

    /// As a TOML file would hold it: without what is empty.
    fn as_file(value: &Value) -> Value {
        match value {
            Value::Object(map) => map
                .iter()
                .filter(|(_, v)| !v.is_null())
                .map(|(k, v)| (k.clone(), as_file(v)))
                .collect(),
            other => other.clone(),
        }
    }

    fn resolve(file: &Value) -> Result<RunConfig> {
        let text = toml::to_string(file).context("no TOML")?;
        RunConfig::resolve(&text.parse()?, &Flags::default())
    }

    fn every_default() -> Vec<RunConfig> {
        let mut all = Vec::new();
        for task in TASKS {
            for algorithm in ALGORITHMS {
                for &(_, tier) in TIERS {
                    let with = |teacher| RunConfig::defaults(task, algorithm, teacher, tier);
                    match algorithm.taught {
                        true => all.extend(teachers().map(|t| with(Some(t)))),
                        false => all.push(with(None)),
                    }
                }
            }
        }
        all
    }

    #[test]
    fn every_resolved_config_is_valid() {
        let mut valid = vec![
            json!({}),
            json!({"agent": {"sac": {"batch": 8, "tau": 1}}}),
            json!({"teacher_settings": {"mistake": 0.2}}),
            json!({"algorithm": "bc", "dataset": "data/{task}"}),
        ];
        for config in every_default() {
            let file = as_file(&serde_json::to_value(&config).unwrap());
            // A dataset's content is part of a resolved config.
            if config.dataset.is_none() {
                assert_eq!(resolve(&file).unwrap(), config);
            }
            // Tasks choose values, not keys: one of each family is enough for the slow validator.
            let task = TASKS.iter().find(|t| t.id == config.task).unwrap();
            if TASKS.iter().find(|t| t.family == task.family).unwrap().id == task.id {
                valid.push(file);
            }
        }
        validate(&valid, &[]);
    }

    /// Every place of `tree` changed by `change`, one at a time.
    fn changed(tree: &Value, change: &dyn Fn(&mut Map<String, Value>, &str)) -> Vec<Value> {
        let Value::Object(map) = tree else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for (key, value) in map {
            let mut here = map.clone();
            change(&mut here, key);
            all.push(Value::Object(here));
            for inner in changed(value, change) {
                let mut here = map.clone();
                here[key] = inner;
                all.push(Value::Object(here));
            }
        }
        all
    }

    #[test]
    fn what_the_resolver_refuses_is_refused() {
        let mut invalid = vec![
            json!({"task": "raech", "algorithm": "sac"}),
            json!({"task": "reach", "algorithm": "sac", "teacher": "oracle"}),
            json!({"task": "reach", "algorithm": "sac", "agent": {"feedback": {"budget": 1}}}),
            json!({"task": "reach", "algorithm": "pebble", "teacher": "regret"}),
            json!({"task": "reach", "algorithm": "pebble", "dataset": "data"}),
            json!({"task": "reach", "algorithm": "bc", "dataset": "data", "labels": {"queries": 1}}),
            json!({"task": "reach", "algorithm": "pebble", "agent": {"feedback": {"sampler": "unifrom"}}}),
            json!({"task": "reach", "algorithm": "pebble", "teacher": "indistinct", "teacher_settings": {"skip": 0.5}}),
        ];
        for (algorithm, teacher) in [("pebble", "mistake"), ("sac", ""), ("random", "")] {
            let mut file = json!({"task": "reach", "algorithm": algorithm});
            if !teacher.is_empty() {
                file["teacher"] = json!(teacher);
            }
            let file = as_file(&serde_json::to_value(resolve(&file).unwrap()).unwrap());
            let misspelt = changed(&file, &|map, key| {
                let value = map.remove(key).unwrap();
                map.insert(format!("{key}_"), value);
            });
            let mistyped = changed(&file, &|map, key| {
                map[key] = match &map[key] {
                    Value::Array(_) => json!([[1]]),
                    Value::Bool(_) => json!(1),
                    Value::Number(n) if n.is_u64() => json!(-1.5),
                    _ => json!(true),
                }
            });
            assert!(misspelt.len() >= 15 && misspelt.len() == mistyped.len());
            invalid.extend(misspelt.into_iter().chain(mistyped));
        }
        for bad in &invalid {
            assert!(resolve(bad).is_err(), "{bad:#}");
        }
        validate(&[], &invalid);
    }
}
