use prefbench_oracles::{
    About, Answer, Dataset, Ending, Label, Origin, Pair, Segment, Trajectories,
};

use super::*;

fn resolve(file: &str, set: &[&str]) -> Result<RunConfig> {
    let flags = Flags {
        task: Some("reach".into()),
        algorithm: Some("pebble".into()),
        set: set.iter().map(|&s| s.to_owned()).collect(),
        ..Flags::default()
    };
    RunConfig::resolve(&file.parse()?, &flags)
}

fn message(file: &str, set: &[&str]) -> String {
    format!("{:#}", resolve(file, set).unwrap_err())
}

#[test]
fn file_then_set_override_defaults() {
    let file = "steps = 7777\n[agent.sac]\nbatch = 8\ntau = 1";
    let c = resolve(
        file,
        &["agent.sac.batch=16", "agent.feedback.sampler=uniform"],
    )
    .unwrap();
    assert_eq!(c.steps, 7777);
    assert_eq!(c.agent["sac"]["batch"], 16);
    assert_eq!(c.agent["sac"]["tau"], 1.0);
    assert_eq!(c.agent["feedback"]["sampler"], "uniform");
}

/// Online there are sessions enough for it.
#[test]
fn a_run_that_acts_takes_compat() {
    let c = resolve("teacher = \"skip\"", &["teacher_settings.compat=true"]).unwrap();
    assert_eq!(c.teacher_settings["compat"], true);
}

#[test]
fn unknown_keys_get_the_nearest_valid_name() {
    assert!(message("stesp = 1", &[]).contains("`steps`"));
    assert!(message("", &["agent.sac.bacth=1"]).contains("`agent.sac.batch`"));
    assert!(message("", &["batch=1"]).contains("`agent.sac.batch`"));
    assert!(message("[agent.sca]\nbatch = 1", &[]).contains("agent.sca"));
}

#[test]
fn wrong_types_and_ranges_are_refused_by_name() {
    for (set, part) in [
        ("agent.sac.batch=1.5", "whole number"),
        ("agent.sac.batch=-3", "whole number"),
        ("agent.sac.batch=many", "a number"),
        ("agent.sac.tau=nan", "finite"),
        ("agent.sac.tau=2.0", "between 0 and 1"),
        ("agent.sac.hidden=[64, \"x\"]", "a number"),
        ("agent.sac=3", "group of settings"),
        ("agent.feedback.sampler=disagreemnt", "disagreement"),
        ("agent.feedback.schedule=linear", "schedule"),
        ("steps=0", "at least 1"),
        ("steps", "key=value"),
    ] {
        let m = message("", &[set]);
        assert!(m.contains(part), "{set}: {m}");
    }
    for (file, part) in [
        ("teacher = \"oracel\"", "oracle"),
        ("teacher = \"regret\"", "--expert"),
        (
            "[teacher_settings]\nmistaken = 0.1",
            "`teacher_settings.mistake`",
        ),
        (
            "[teacher_settings]\nmistake = 0.3",
            "the oracle does not err",
        ),
        ("[teacher_settings]\nmistake = 2.0", "in [0, 1]"),
    ] {
        let m = message(file, &[]);
        assert!(m.contains(part), "{file}: {m}");
    }
}

#[test]
fn a_teacher_brings_its_own_settings() {
    let c = resolve("teacher = \"mistake\"", &["teacher_settings.skip=0.2"]).unwrap();
    assert_eq!(c.teacher_settings["mistake"], 0.1);
    assert_eq!(c.teacher_settings["skip"], 0.2);
}

#[test]
fn a_curriculum_is_refused_where_there_is_none() {
    let m = message("", &["curriculum=true"]);
    assert!(
        m.contains("`reach` has no curriculum") && m.contains("jump"),
        "{m}"
    );
    let flags = Flags {
        task: Some("jump".into()),
        algorithm: Some("pebble".into()),
        ..Flags::default()
    };
    let with = |text: &str| {
        let config = RunConfig::resolve(&text.parse().unwrap(), &flags).unwrap();
        (config.curriculum, config.to_json().unwrap())
    };
    assert_ne!(with("curriculum = true"), with(""));
}

#[test]
fn horizon_and_goal_can_be_chosen_and_name_other_runs() {
    let tree = |set: &[&str]| resolve("", set).unwrap().to_json().unwrap();
    let own = format!("horizon={}", envs::find("reach").unwrap().spec.horizon);
    let other = tree(&["hide_goal=false", &own]);
    assert!(other.get("horizon").is_none() && other.get("hide_goal").is_none());
    assert_eq!(tree(&[]), tree(&["horizon=100"])); // of the smoke tier
    assert_ne!(tree(&[]), tree(&["horizon=250"]));
    assert_ne!(tree(&[]), tree(&["hide_goal=true"]));
    let short = resolve("", &["horizon=250"]).unwrap();
    assert_eq!(short.task().unwrap().spec.horizon, 250);
    // What is stored reads back as what it was.
    let read: RunConfig = serde_json::from_value(tree(&["horizon=250"])).unwrap();
    assert_eq!(read, short);

    assert!(message("", &["horizon=0"]).contains("at least 1 step"));
    let flags = Flags {
        task: Some("hopper".into()),
        algorithm: Some("sac".into()),
        ..Flags::default()
    };
    let e = RunConfig::resolve(&"hide_goal = true".parse().unwrap(), &flags).unwrap_err();
    assert!(
        e.to_string().contains("`hopper` does not show a goal"),
        "{e}"
    );
}

#[test]
fn a_teacher_is_refused_where_none_is_needed() {
    let flags = Flags {
        task: Some("reach".into()),
        algorithm: Some("sac".into()),
        teacher: Some("oracle".into()),
        ..Flags::default()
    };
    let e = RunConfig::resolve(&toml::Table::new(), &flags).unwrap_err();
    assert!(e.to_string().contains("--teacher"), "{e}");
}

/// A thousand rows that five queries told of are five queries, whatever their number.
#[test]
fn named_answers_are_counted_by_queries() {
    let mut t = Trajectories::new(1, 1);
    t.begin(&[0.0]).unwrap();
    t.push(&[0.0], 1.0, &[0.0]).unwrap();
    t.finish(Ending::Truncated).unwrap();
    let side = Segment {
        trajectory: 0,
        start: 0,
        len: 1,
    };
    let answer = |query, label| Answer {
        pair: Pair {
            left: side,
            right: side,
        },
        label,
        teacher: "lists".into(),
        returns: None,
        query,
    };
    let mut rows: Vec<_> = [0, 1, 1, 1, 4]
        .map(|query| answer(Some(query), Some(Label::Right)))
        .into();
    rows[1].label = None;
    let mut dataset = Dataset {
        about: About::default(),
        trajectories: t,
        origins: vec![Origin::default()],
        answers: rows,
    };
    let labels = |queries| Labels {
        answers: "lists".to_owned(),
        queries,
        segment: 0,
    };
    let named = |dataset: &Dataset, queries| {
        let (preferences, queries) = labels(queries).named(dataset);
        (preferences.len(), queries)
    };
    let counts = [1, 2, 4, 5, 1000].map(|queries| named(&dataset, queries));
    assert_eq!(counts, [(1, 1), (3, 2), (3, 4), (4, 5), (4, 5)]);

    // Where rows are queries it is as it was, the hash too.
    let hash = |dataset: &Dataset| Facts::of(dataset).hash(Some(&labels(1)));
    let ranked = hash(&dataset);
    dataset.answers.iter_mut().for_each(|a| a.query = None);
    assert_eq!([2, 1000].map(|n| named(&dataset, n)), [(1, 2), (4, 5)]);
    let mut hasher = blake3::Hasher::new();
    for label in [2, 0, 2, 2, 2u8] {
        for n in [0u32, 0, 1, 0, 0, 1] {
            hasher.update(&n.to_le_bytes());
        }
        hasher.update(&[label]);
    }
    let plain = format!("{}{}", dataset.episodes_hash(), hasher.finalize().to_hex());
    assert_eq!(
        hash(&dataset),
        blake3::hash(plain.as_bytes()).to_hex().to_string()
    );
    assert_ne!(hash(&dataset), ranked);
}
