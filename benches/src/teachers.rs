//! `prefbench teachers`: the report on what teachers answer, as a table and as plots.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use prefbench_oracles::report::Share;
use prefbench_oracles::{Dataset, Judged, Pool, Report, Stream, TEACHERS, ask};
use prefbench_results::plot::{Chart, Line};
use prefbench_results::stats::Interval;
use prefbench_results::table::Grid;

use crate::label::{check_pairs, check_queries, judge, session};
use crate::show::TableFormat;
use crate::{dataset, show};

/// Points of a curve of agreement.
const BINS: usize = 10;
/// Lines of a figure that can be told apart.
const LINES: usize = 7;

/// Arguments of `prefbench teachers`.
#[derive(Args)]
pub struct TeachersArgs {
    /// The dataset's folder
    pub dataset: PathBuf,
    /// Which teachers [default: all that need no more than is given]
    #[arg(long = "teacher", value_name = "TEACHER", value_delimiter = ',')]
    pub teachers: Vec<String>,
    /// Report on the answers that are stored in the dataset instead of asking anew
    #[arg(long, conflicts_with_all = ["teachers", "queries", "segment", "expert", "seed"])]
    pub stored: bool,
    /// Queries to ask each of them, all the same
    #[arg(long, default_value_t = 10_000)]
    pub queries: usize,
    /// Steps of a segment
    #[arg(long, default_value_t = 50)]
    pub segment: usize,
    /// A run's folder, for teachers that need an expert
    #[arg(long)]
    pub expert: Option<PathBuf>,
    /// Seed of queries and answers
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How to print the table
    #[arg(long, value_enum, default_value = "terminal")]
    pub format: TableFormat,
    /// Folder for the figures [default: none are drawn]
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Prints the table and draws the figures.
pub fn teachers(args: &TeachersArgs) -> Result<ExitCode> {
    let dataset = dataset::read(&args.dataset)?;
    let reports = if args.stored {
        stored(&dataset)?
    } else {
        asked(args, &dataset)?
    };
    // Stored rows may follow from fewer queries.
    let table = table(&reports, if args.stored { "rows" } else { "asked" });
    let text = match args.format {
        TableFormat::Terminal => table.terminal(),
        TableFormat::Markdown => table.markdown(),
        TableFormat::Csv => table.csv(),
        TableFormat::Seeds => bail!("--format seeds is for runs; take csv"),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    if let Some(out) = &args.out {
        fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
        let title = dataset.about.task.as_deref().unwrap_or("dataset");
        let erring = |(_, r): &&(String, Report)| r.errors.is_some_and(|s| s.count > 0);
        let erring: Vec<_> = reports.iter().filter(erring).cloned().collect();
        for (number, reports) in erring.chunks(LINES).enumerate() {
            let figure = chart(title, reports).draw(&format!("{title}-teachers-{}", number + 1))?;
            show::write(&figure, out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reports on every teacher asked about the same pairs.
fn asked(args: &TeachersArgs, dataset: &Dataset) -> Result<Vec<(String, Report)>> {
    check_queries(args.queries)?;
    let t = &dataset.trajectories;
    let given = |needs_expert: bool| !needs_expert || args.expert.is_some();
    let names: Vec<String> = match args.teachers.is_empty() {
        false => args.teachers.clone(),
        true => TEACHERS
            .iter()
            .filter(|e| given(e.needs_expert))
            .map(|e| e.id.to_owned())
            .collect(),
    };
    if args.expert.is_some() {
        let mut asks = names
            .iter()
            .map(|name| prefbench_oracles::teacher::find(name));
        if !asks.any(|teacher| teacher.is_ok_and(|t| t.needs_expert)) {
            bail!(
                "none of {} asks an expert; leave out --expert",
                names.join(", ")
            );
        }
    }
    let session = session(dataset, args.segment)?;
    let mut query = Stream::new(args.seed, "query");
    let pairs = Pool::recent(t, usize::MAX, &[]).pairs(args.segment, args.queries, &mut query)?;
    check_pairs(&pairs, args.segment)?;
    let mut margins = Vec::with_capacity(pairs.len());
    for pair in &pairs {
        margins.push(t.view(pair.right)?.true_return() - t.view(pair.left)?.true_return());
    }
    let stream = Stream::new(args.seed, "teacher");
    names
        .into_iter()
        .map(|name| {
            let expert = prefbench_oracles::teacher::find(&name)?.needs_expert;
            let expert = args.expert.as_ref().filter(|_| expert);
            let judge = judge(&name, &[], expert, dataset)?;
            let labels = ask(judge.as_ref(), t, &pairs, &session, &stream, 0)?;
            let judged = labels.into_iter().zip(&margins);
            let judged: Vec<Judged> = judged
                .map(|(label, &margin)| Judged { label, margin })
                .collect();
            Ok((name, Report::new(&judged, session.return_spread, BINS)))
        })
        .collect()
}

/// Reports on the answers in the dataset, by teacher.
fn stored(dataset: &Dataset) -> Result<Vec<(String, Report)>> {
    // With the steps of a segment: a teacher's segments are alike, but for those that somebody else's files hold.
    let mut teachers: BTreeMap<&str, (u32, Vec<Judged>)> = BTreeMap::new();
    for answer in &dataset.answers {
        if let Some(judged) = Judged::from_answer(answer) {
            let (longest, all) = teachers.entry(&answer.teacher).or_default();
            *longest = answer.pair.left.len.max(*longest);
            all.push(judged);
        }
    }
    if teachers.is_empty() {
        bail!(
            "the dataset has no answers about segments of known return: `prefbench label` adds some"
        );
    }
    let report = |(name, (segment, judged)): (&str, (u32, Vec<Judged>))| {
        let spread = session(dataset, segment as usize)?.return_spread;
        Ok((name.to_owned(), Report::new(&judged, spread, BINS)))
    };
    teachers.into_iter().map(report).collect()
}

fn table(reports: &[(String, Report)], count: &str) -> Grid {
    let figures = [
        count,
        "skipped %",
        "equal %",
        "wrong %",
        "95 % interval",
        "wrong % of the closest tenth",
    ];
    let mut grid = Grid::new(&["teacher"], &figures);
    let per_cent = |share: Option<Share>, f: &dyn Fn(Share) -> f64| {
        share.map_or("–".to_owned(), |s| format!("{:.1}", 100.0 * f(s)))
    };
    for (name, report) in reports {
        let errors = report.errors;
        let closest = report.bins.first().map(|bin| bin.agreement);
        grid.row([
            name.clone(),
            report.asked.to_string(),
            per_cent(report.skipped, &|s| s.share),
            per_cent(report.ties, &|s| s.share),
            per_cent(errors, &|s| s.share),
            errors.map_or("–".to_owned(), |s| {
                format!("[{:.1}, {:.1}]", 100.0 * s.low, 100.0 * s.high)
            }),
            per_cent(closest, &|s| 1.0 - s.share),
        ]);
    }
    grid
}

fn chart(title: &str, reports: &[(String, Report)]) -> Chart {
    let lines = reports.iter().enumerate().map(|(style, (name, report))| {
        let per_cent = |f: &dyn Fn(&Share) -> f64| -> Vec<f64> {
            report
                .bins
                .iter()
                .map(|bin| 100.0 * f(&bin.agreement))
                .collect()
        };
        let (low, high) = (per_cent(&|s| s.low), per_cent(&|s| s.high));
        let band = low
            .into_iter()
            .zip(high)
            .map(|(low, high)| Interval { low, high });
        Line {
            label: name.clone(),
            note: format!(" (n = {})", report.errors.map_or(0, |s| s.of)),
            style,
            x: report
                .bins
                .iter()
                .map(|bin| bin.relative.unwrap_or(bin.mean))
                .collect(),
            centre: per_cent(&|s| s.share),
            band: Some(band.collect()),
            ..Line::default()
        }
    });
    let relative = reports
        .iter()
        .flat_map(|(_, r)| &r.bins)
        .all(|bin| bin.relative.is_some());
    Chart {
        title: title.to_owned(),
        tag: "teachers".to_owned(),
        how: "strict answers in groups of equal size, with Wilson 95 % interval; teachers that are never wrong are left out"
            .to_owned(),
        alt: format!("{title}: agreement of teachers with the true returns, by margin"),
        x: match relative {
            true => "difference of true returns (standard deviations of segment returns)",
            false => "difference of true returns",
        }
        .to_owned(),
        y: "agreement with the true returns (%)".to_owned(),
        y_range: Some([0.0, 100.0]),
        lines: lines.collect(),
    }
}
