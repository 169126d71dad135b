//! Reference scores: what a uniformly random policy and an expert, SAC on the true reward, reach on
//! a task, and returns normalised by them so that tasks can be set side by side.
//!
//! The formula is D4RL's (Fu et al. 2020, arXiv 2004.07219): 0 is the random policy, 100 the
//! expert. The expert is no upper bound, and it is only as good as its budget: tier, steps and
//! seeds are part of every reference, and tables print them.
//!
//! The scores are data, `results/reference/scores.csv`, compiled in. The expert's is the mean over
//! seeds of the last evaluation's mean return, as in the tables. The best evaluation would be
//! higher, but it is a maximum over noise and no policy that a run ends with. The random policy
//! never changes, so all its evaluations count: one alone can be off by several points of a
//! hundred. A table's row of `random`, which takes the last, is therefore near 0 and not at it.
//!
//! A reference holds for one version of its task, with its own horizon and its goal shown: scores of
//! another version, or under another `horizon` or `hide_goal`, are not normalised.
//! Intervals of normalised scores are those of the scores: they take the reference as exact.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use crate::files::{read_if_there, write_atomic};
use crate::group::{Group, group};
use crate::stats::{self, Bootstrap, Interval, Statistic};
use crate::{Error, FinishedRun, RunInfo};

/// The algorithm whose runs are the random reference.
pub const RANDOM: &str = "random";
/// The algorithm whose runs are the expert reference.
pub const EXPERT: &str = "sac";

/// The reference scores of one version of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Task.
    pub task: String,
    /// The task's version.
    pub version: u64,
    /// Budget tier of all the runs.
    pub tier: String,
    /// The score of a random policy.
    pub random: Score,
    /// The score of the expert.
    pub expert: Score,
}

/// The returns of one algorithm's runs on a task, summarised, and where they come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Algorithm.
    pub algorithm: String,
    /// Steps at the last evaluation.
    pub steps: u64,
    /// Number of runs, which differ in nothing but their seed.
    pub seeds: usize,
    /// Evaluation episodes that the mean is of, over all seeds.
    pub episodes: usize,
    /// Mean over seeds of the mean return per episode, in the task's reward units.
    pub mean: f64,
    /// 95 % bootstrap interval of the mean: over seeds, or over the episodes if there is one seed
    /// only, which leaves out how much training varies. `None` for a single episode.
    pub interval: Option<Interval>,
    /// The commits that the runs were made by, each once.
    pub commits: Vec<String>,
    /// The runs' keys in short form, as in the names of their folders.
    pub runs: Vec<String>,
}

impl Reference {
    /// `100 (score - random) / (expert - random)`, not clipped; `None` unless the expert scores
    /// higher than the random policy.
    #[must_use]
    pub fn normalised(&self, score: f64) -> Option<f64> {
        let (random, span) = (self.random.mean, self.expert.mean - self.random.mean);
        (span > 0.0).then(|| 100.0 * (score - random) / span)
    }
}

/// The committed references, ordered by task and version.
#[must_use]
pub fn committed() -> &'static [Reference] {
    // A test holds that the file parses; if it did not, there would be no normalised scores.
    static COMMITTED: LazyLock<Vec<Reference>> = LazyLock::new(|| {
        parse(
            Path::new("results/reference/scores.csv"),
            include_str!("../reference/scores.csv"),
        )
        .unwrap_or_default()
    });
    &COMMITTED
}

/// The committed reference of this version of a task.
#[must_use]
pub fn find(task: &str, version: u64) -> Option<&'static Reference> {
    among(committed(), task, version)
}

/// The one of `references` that holds for a run; `None` too if its config has no `task_version`.
#[must_use]
pub fn of_run<'a>(references: &'a [Reference], run: &RunInfo) -> Option<&'a Reference> {
    if changed(run).is_some() {
        return None;
    }
    among(references, &run.task, version(run)?)
}

/// The setting by which a run's task is not the task as it is. Runs tell such settings only then.
fn changed(run: &RunInfo) -> Option<&'static str> {
    let set = |key: &&str| run.config.get(*key).is_some();
    ["horizon", "hide_goal"].into_iter().find(set)
}

fn among<'a>(references: &'a [Reference], task: &str, version: u64) -> Option<&'a Reference> {
    references
        .iter()
        .find(|r| r.task == task && r.version == version)
}

fn version(run: &RunInfo) -> Option<u64> {
    run.config.get("task_version")?.as_u64()
}

/// Makes references of the runs of [`RANDOM`] and [`EXPERT`] among `finished`, ordered by task,
/// and says which tasks were left out: those that lack either, or whose expert is no better than chance. Other algorithms
/// are passed over.
///
/// # Errors
/// [`Error::NoReference`] if the runs of a task are of several versions or tiers, or those of one algorithm differ in
/// more than their seeds, or a run lacks its task's version or episodes in its last evaluation.
pub fn of_runs(finished: &[FinishedRun]) -> Result<(Vec<Reference>, Vec<String>), Error> {
    let groups = group(finished);
    let mut tasks = BTreeMap::<&str, Vec<&Group<'_>>>::new();
    for group in &groups {
        if [RANDOM, EXPERT].contains(&group.algorithm) {
            tasks.entry(&*group.task).or_default().push(group);
        }
    }
    let (mut references, mut left_out) = (Vec::new(), Vec::new());
    for (task, groups) in tasks {
        let lacks = |algorithm: &&str| groups.iter().all(|g| g.algorithm != *algorithm);
        match [RANDOM, EXPERT].into_iter().find(lacks) {
            Some(algorithm) => left_out.push(format!(
                "{task} is left as it was: there is no finished run of `{algorithm}`"
            )),
            None => {
                let reference = of_task(task, &groups)?;
                match reference.normalised(0.0) {
                    Some(_) => references.push(reference),
                    None => left_out.push(format!(
                        "{task} is left as it was: the expert ({:.1}) is no better than chance ({:.1})",
                        reference.expert.mean, reference.random.mean
                    )),
                }
            }
        }
    }
    Ok((references, left_out))
}

/// `groups` hold a run of each role at least.
fn of_task(task: &str, groups: &[&Group<'_>]) -> Result<Reference, Error> {
    let refuse = |reason| Error::NoReference {
        task: task.into(),
        reason,
    };
    let tiers: BTreeSet<&str> = groups.iter().map(|group| group.tier).collect();
    let tier = match Vec::from_iter(tiers)[..] {
        [tier] => tier,
        ref several => {
            let several = several.join(" and ");
            return Err(refuse(format!("its runs are of tiers {several}")));
        }
    };
    let mut versions = BTreeSet::new();
    for run in groups.iter().flat_map(|group| &group.runs) {
        if let Some(key) = changed(&run.info) {
            let dir = run.dir.display();
            return Err(refuse(format!("{dir} has a `{key}` of its own")));
        }
        match version(&run.info) {
            Some(version) => versions.insert(version),
            None => {
                let dir = run.dir.display();
                return Err(refuse(format!("{dir} has no task_version")));
            }
        };
    }
    let version = match Vec::from_iter(versions)[..] {
        [version] => version,
        ref several => {
            let several: Vec<String> = several.iter().map(u64::to_string).collect();
            let several = several.join(" and ");
            return Err(refuse(format!(
                "its runs are of the task's versions {several}"
            )));
        }
    };
    let one = |algorithm: &str| {
        let same: Vec<_> = groups.iter().filter(|g| g.algorithm == algorithm).collect();
        match same[..] {
            [group] => score(group),
            _ => {
                let variants: Vec<&str> = same.iter().map(|group| &*group.variant).collect();
                let variants = variants.join("; ");
                Err(refuse(format!(
                    "its runs of `{algorithm}` differ in their settings ({variants})"
                )))
            }
        }
    };
    Ok(Reference {
        task: task.into(),
        version,
        tier: tier.into(),
        random: one(RANDOM)?,
        expert: one(EXPERT)?,
    })
}

fn score(group: &Group<'_>) -> Result<Score, Error> {
    let (mut by_seed, mut steps) = (Vec::new(), 0);
    for run in &group.runs {
        let last = run.evals.last().filter(|eval| !eval.episodes.is_empty());
        let last = last.ok_or_else(|| Error::NoReference {
            task: group.task.clone().into_owned(),
            reason: format!(
                "the last evaluation in {} has no episodes",
                run.dir.display()
            ),
        })?;
        steps = steps.max(last.step);
        // Those of a policy that learns nothing are all of the same policy.
        let counted = match group.algorithm {
            RANDOM => &run.evals[..],
            _ => std::slice::from_ref(last),
        };
        let episodes = counted.iter().flat_map(|eval| &eval.episodes);
        by_seed.push(Vec::from_iter(episodes.map(|e| e.return_)));
    }
    let means: Vec<f64> = by_seed.iter().filter_map(|r| stats::mean(r)).collect();
    let sample = match &by_seed[..] {
        [only] => only,
        _ => &means,
    };
    let commits: BTreeSet<&str> = group.runs.iter().map(|run| commit(run)).collect();
    Ok(Score {
        algorithm: group.algorithm.into(),
        steps,
        seeds: means.len(),
        episodes: by_seed.iter().map(Vec::len).sum(),
        mean: stats::mean(&means).unwrap_or_default(),
        interval: Bootstrap::default().interval(Statistic::Mean, std::slice::from_ref(sample)),
        commits: commits.into_iter().map(Into::into).collect(),
        runs: group.runs.iter().map(|run| run.key.short()).collect(),
    })
}

fn commit(run: &FinishedRun) -> &str {
    let commit = run.summary.get("commit").and_then(|c| c.as_str());
    commit.unwrap_or("unknown")
}

const HEADER: &str =
    "task,version,role,algorithm,tier,steps,seeds,episodes,mean,low,high,commits,runs";

/// The file's text: two lines per reference, random before expert, ordered by task and version.
/// Numbers are in the shortest form that reads back as the same.
#[must_use]
pub fn to_csv(references: &[Reference]) -> String {
    let mut sorted: Vec<&Reference> = references.iter().collect();
    sorted.sort_by_key(|r| (&r.task, r.version));
    let mut out = format!("{HEADER}\n");
    for r in sorted {
        for (role, s) in [("random", &r.random), ("expert", &r.expert)] {
            let interval = s.interval.map_or_else(
                || ",".to_owned(),
                |Interval { low, high }| format!("{low},{high}"),
            );
            let _ = writeln!(
                out,
                "{},{},{role},{},{},{},{},{},{},{interval},{},{}",
                r.task,
                r.version,
                s.algorithm,
                r.tier,
                s.steps,
                s.seeds,
                s.episodes,
                s.mean,
                s.commits.join(" "),
                s.runs.join(" ")
            );
        }
    }
    out
}

/// Reads what [`to_csv`] wrote.
///
/// # Errors
/// [`Error::BadReference`] naming `file` and the line that is not as [`to_csv`] writes it.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Reference>, Error> {
    let bad = |line, reason: &str| Error::BadReference {
        file: file.to_path_buf(),
        line,
        reason: reason.into(),
    };
    let mut lines = (1..).zip(text.lines());
    if lines.next().is_none_or(|(_, header)| header != HEADER) {
        return Err(bad(1, &format!("the header is not `{HEADER}`")));
    }
    let mut references = Vec::<Reference>::new();
    while let Some((at, first)) = lines.next() {
        let (names, random) = row(first, "random").map_err(|reason| bad(at, &reason))?;
        let second = lines.next().map_or("", |(_, line)| line);
        let (same, expert) = row(second, "expert").map_err(|reason| bad(at + 1, &reason))?;
        let (task, version, tier) = names;
        if same != names {
            let reason = format!("the expert of {task} v{version} ({tier}) should stand here");
            return Err(bad(at + 1, &reason));
        }
        if let Some(last) = references.last()
            && (&*last.task, last.version) >= (task, version)
        {
            return Err(bad(at, "tasks must be in order, each version once"));
        }
        references.push(Reference {
            task: task.into(),
            version,
            tier: tier.into(),
            random,
            expert,
        });
    }
    Ok(references)
}

/// One line: task, version and tier, and the score.
fn row<'a>(line: &'a str, role: &str) -> Result<((&'a str, u64, &'a str), Score), String> {
    let fields: Vec<&str> = line.split(',').collect();
    let [
        task,
        version,
        found,
        algorithm,
        tier,
        steps,
        seeds,
        episodes,
        mean,
        low,
        high,
        commits,
        runs,
    ] = fields[..]
    else {
        return Err(format!(
            "it has {} of {} fields",
            fields.len(),
            HEADER.split(',').count()
        ));
    };
    if found != role {
        return Err(format!("the role is `{found}` where `{role}` is due"));
    }
    let whole = |name: &str, text: &str| {
        let n = text.parse::<u64>();
        n.map_err(|_| format!("{name} is `{text}`, no whole number"))
    };
    let real = |name: &str, text: &str| match text.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        _ => Err(format!("{name} is `{text}`, no finite number")),
    };
    let words = |text: &str| text.split_whitespace().map(Into::into).collect();
    let score = Score {
        algorithm: algorithm.into(),
        steps: whole("steps", steps)?,
        seeds: whole("seeds", seeds)? as usize,
        episodes: whole("episodes", episodes)? as usize,
        mean: real("mean", mean)?,
        interval: match (low, high) {
            ("", "") => None,
            _ => Some(Interval {
                low: real("low", low)?,
                high: real("high", high)?,
            }),
        },
        commits: words(commits),
        runs: words(runs),
    };
    Ok(((task, whole("version", version)?, tier), score))
}

/// Writes `new` into the file `file`: they replace what it holds of their tasks, in any version,
/// and the references of other tasks stay. A missing file is begun.
///
/// # Errors
/// [`Error::BadReference`] if the file is not as [`to_csv`] writes it, and I/O errors; it is then
/// unchanged.
pub fn update(file: &Path, new: &[Reference]) -> Result<(), Error> {
    let mut all = match read_if_there(file)? {
        Some(bytes) => parse(file, &String::from_utf8_lossy(&bytes))?,
        None => Vec::new(),
    };
    all.retain(|old| new.iter().all(|new| new.task != old.task));
    all.extend_from_slice(new);
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::BadName {
        name: file.display().to_string(),
        reason: "it names no file",
    })?;
    let dir = match file.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    write_atomic(dir, name, to_csv(&all).as_bytes())
}
