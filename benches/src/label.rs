//! `prefbench label`: a teacher's answers about a dataset's segments.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use prefbench_oracles::ranking::{by_teacher, lire, seqrank};
use prefbench_oracles::{
    Answer, Dataset, Ledger, MOST_PAIRS, Pair, Pool, Ranking, Session, Stream, Teacher,
    ValueFunction, ask, teacher,
};
use serde_json::Value;

use crate::config::{check_compat, merge, parse_set};
use crate::training::Learnt;
use crate::{dataset, rollout};

/// Actions per state value of an expert (CPL: 64).
const EXPERT_ACTIONS: usize = 64;

/// Queries after which LiRE begins a new list, as in its code.
const PER_LIST: u64 = 100;

/// Arguments of `prefbench label`.
#[derive(Args)]
pub struct LabelArgs {
    /// The dataset's folder
    pub dataset: PathBuf,
    /// Who answers, see `prefbench list teachers`
    #[arg(long, default_value = "oracle")]
    pub teacher: String,
    /// Queries to ask; a skipped one counts
    #[arg(long, default_value_t = 500)]
    pub queries: usize,
    /// Steps of a segment
    #[arg(long, default_value_t = 50)]
    pub segment: usize,
    /// How queries are put
    #[arg(long, value_enum, default_value = "pairs")]
    pub scheme: Scheme,
    /// With --scheme lire: queries after which it begins a new list [default: 100]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub per_list: Option<u64>,
    /// A run's folder, for a teacher that needs an expert: its critics judge
    #[arg(long)]
    pub expert: Option<PathBuf>,
    /// Change one of the teacher's settings, e.g. mistake=0.3 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Name of the answers in the dataset [default: the teacher's, with what was set and the scheme]
    #[arg(long, value_parser = dataset::parse_name)]
    pub name: Option<String>,
    /// Seed of queries and answers
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Replace the answers that already have this name
    #[arg(long)]
    pub fresh: bool,
}

/// How queries are put, and what comes of the answers.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Scheme {
    /// Independent random pairs
    Pairs,
    /// Ranked lists by binary insertion (LiRE): all pairs of a list become answers
    Lire,
    /// Chains of segments (SeqRank): all pairs of a chain become answers
    Seqrank,
}

/// Asks, and stores the answers.
pub fn label(args: &LabelArgs) -> Result<ExitCode> {
    check_queries(args.queries)?;
    ensure!(
        args.per_list.is_none() || args.scheme == Scheme::Lire,
        "--per-list is for --scheme lire, and has no effect on others; leave it out"
    );
    let _alone = Dataset::lock(&args.dataset)?;
    let mut dataset = dataset::read(&args.dataset)?;
    let judge = judge(&args.teacher, &args.set, args.expert.as_ref(), &dataset)?;
    let name = args.name.clone().unwrap_or_else(|| name(args));
    if !args.fresh {
        let instead = "--fresh replaces them, --name gives these another name";
        dataset::check_name(&dataset, &args.dataset, &name, instead)?;
    }
    dataset.answers.retain(|a| *a.teacher != *name);

    let (answers, ledger) = answers(args, judge.as_ref(), &dataset)?;
    let name: Arc<str> = name.into();
    let added: Vec<Answer> = answers
        .into_iter()
        .map(|(query, pair, label)| Answer {
            pair,
            label,
            teacher: Arc::clone(&name),
            returns: dataset.returns(pair),
            query,
        })
        .collect();
    let count = added.len();
    dataset.answers.extend(added);
    dataset.write_answers(&args.dataset)?;
    println!(
        "{name}: {} queries asked, {} answered; {count} rows in {}",
        ledger.asked,
        ledger.answered,
        args.dataset.join("preferences.parquet").display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Refuses a number of queries that is none, or more than memory holds.
pub fn check_queries(queries: usize) -> Result<()> {
    ensure!(
        (1..=MOST_PAIRS).contains(&queries),
        "--queries is {queries}, but must be from 1 to {MOST_PAIRS}"
    );
    Ok(())
}

/// Refuses queries all of which set a segment beside itself.
pub fn check_pairs(pairs: &[Pair], segment: usize) -> Result<()> {
    ensure!(
        pairs.iter().any(|pair| pair.left != pair.right),
        "one episode alone holds a segment of {segment} steps, so that it would be compared with itself; choose a \
         shorter one"
    );
    Ok(())
}

/// A query's number where it is not the row's, a pair and its label.
type Row = (Option<u64>, Pair, Option<prefbench_oracles::Label>);

/// A teacher's answers about uniformly drawn pairs of segments.
pub fn pairs(
    judge: &dyn Teacher,
    dataset: &Dataset,
    segment: usize,
    queries: usize,
    seed: u64,
) -> Result<Vec<(Pair, Option<prefbench_oracles::Label>)>> {
    let t = &dataset.trajectories;
    let pool = Pool::recent(t, usize::MAX, &[]);
    let pairs = pool.pairs(segment, queries, &mut Stream::new(seed, "query"))?;
    check_pairs(&pairs, segment)?;
    let session = session(dataset, segment)?;
    let labels = ask(judge, t, &pairs, &session, &Stream::new(seed, "teacher"), 0)?;
    Ok(pairs.into_iter().zip(labels).collect())
}

/// The rows of the answers, and what they cost.
fn answers(args: &LabelArgs, judge: &dyn Teacher, dataset: &Dataset) -> Result<(Vec<Row>, Ledger)> {
    if args.scheme == Scheme::Pairs {
        let answers = pairs(judge, dataset, args.segment, args.queries, args.seed)?;
        let mut ledger = Ledger::default();
        ledger.record(&answers.iter().map(|(_, label)| *label).collect::<Vec<_>>());
        let rows = answers.into_iter().map(|(pair, label)| (None, pair, label));
        return Ok((rows.collect(), ledger));
    }
    let t = &dataset.trajectories;
    let session = &session(dataset, args.segment)?;
    let pool = Pool::recent(t, usize::MAX, &[]);
    let mut query = Stream::new(args.seed, "query");
    let stream = Stream::new(args.seed, "teacher");
    let pairs = pool.pairs(args.segment, args.queries, &mut query)?;
    check_pairs(&pairs, args.segment)?;
    // Twice as many segments as queries: more than either scheme can take.
    let segments = pairs.iter().flat_map(|p| [p.left, p.right]);
    let (budget, compare) = (
        args.queries as u64,
        by_teacher(judge, t, session, &stream, 0),
    );
    let rankings = match args.scheme {
        Scheme::Lire => {
            let per_list = args.per_list.unwrap_or(PER_LIST);
            lire(segments, budget, per_list, &mut query, compare)?
        }
        _ => seqrank(segments, budget, compare)?,
    };
    let told: u64 = rankings.lists.iter().map(Ranking::pairs).sum();
    ensure!(
        told <= MOST_PAIRS as u64,
        "the ranked lists tell of {told} pairs, but at most {MOST_PAIRS} are kept: ask fewer --queries, or make \
         shorter lists (--per-list)"
    );
    let rows = rankings.answers().into_iter();
    let rows = rows.map(|(query, pair, label)| (Some(query), pair, label));
    Ok((rows.collect(), rankings.ledger))
}

/// The teacher's id, with what was set and the scheme.
fn name(args: &LabelArgs) -> String {
    let scheme = match args.scheme {
        Scheme::Pairs => None,
        Scheme::Lire => Some("lire".to_owned()),
        Scheme::Seqrank => Some("seqrank".to_owned()),
    };
    let parts = [args.teacher.clone()]
        .into_iter()
        .chain(args.set.iter().cloned());
    parts.chain(scheme).collect::<Vec<_>>().join(" ")
}

/// The teacher of this id with these settings, for a dataset.
pub fn judge(
    id: &str,
    set: &[String],
    expert: Option<&PathBuf>,
    dataset: &Dataset,
) -> Result<Box<dyn Teacher>> {
    let entry = teacher::find(id)?;
    if !dataset.about.true_rewards {
        bail!(
            "the dataset has no true rewards ({}), so no scripted teacher can judge it",
            dataset.about.source
        );
    }
    let mut settings = Value::Object(serde_json::Map::new());
    for pair in set {
        merge(&mut settings, parse_set(pair)?);
    }
    let expert = match expert {
        Some(dir) if entry.needs_expert => Some(critics(dir, dataset)?),
        Some(_) => bail!("the teacher \"{id}\" asks no expert; leave out --expert"),
        None if entry.needs_expert => {
            bail!(
                "the teacher \"{id}\" judges by an expert's values: give --expert and the folder of a finished run of sac"
            )
        }
        None => None,
    };
    let teacher = (entry.make)(&settings, expert)?;
    check_compat("compat", &settings)?;
    Ok(teacher)
}

/// What a teacher knows of a dataset: all of its episodes are the recent ones.
///
/// # Errors
/// If it is of a task that this prefbench does not have, or not of this version: what the teacher holds for
/// similar or poor depends on the length of its episodes.
pub fn session(dataset: &Dataset, segment: usize) -> Result<Session> {
    let t = &dataset.trajectories;
    let horizon = match dataset.about.task {
        Some(_) => f64::from(dataset::task_of(dataset)?.spec.horizon),
        // Not one of ours: the mean length stands for it.
        None => t.len() as f64 / t.complete().max(1) as f64,
    };
    Ok(Session::recent(t, usize::MAX, horizon, 0, segment))
}

/// The critics of a run of the dataset's task.
fn critics(dir: &Path, dataset: &Dataset) -> Result<Arc<dyn ValueFunction>> {
    let task = dataset::task_of(dataset)?;
    let flag = format!("--expert {}", dir.display());
    let (config, checkpoint) = rollout::open_run(dir, Some(&task)).context(flag.clone())?;
    let learnt = Learnt::new(&config, &checkpoint, dir)?;
    let probe = vec![0.0; task.spec.obs_dim()];
    if learnt.values(&probe, 1).is_none() {
        bail!(
            "{flag}: {} has no critics; take a run of sac",
            config.algorithm
        );
    }
    Ok(Arc::new(Critics(learnt)))
}

struct Critics(Learnt);

impl std::fmt::Debug for Critics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Critics")
    }
}

impl ValueFunction for Critics {
    fn values(&self, observations: &[f32], _: usize) -> Vec<f64> {
        self.0
            .values(observations, EXPERT_ACTIONS)
            .unwrap_or_default()
    }
}
