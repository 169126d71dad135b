//! `prefbench play`: an episode to look at, as a film (GIF) and as a page with a 3-D view.

mod film;
mod grid;
mod page;
mod paint;
mod palette;
mod recording;
mod render;
mod solid;
mod view;

use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use prefbench_envs::TASKS;

use crate::rollout::{Source, summary};
use recording::Recording;
use render::Renderer;
use view::View;

/// Random steps before a still, so that limbs are in motion.
const STILL_AT: &str = "20";
/// Browsers show shorter delays as a tenth of a second. Hundredths of a second.
const SHORTEST_DELAY: f32 = 2.0;

/// Arguments of `prefbench play`.
#[derive(Args)]
pub struct PlayArgs {
    /// A task, e.g. hopper (random actions, or its expert's), or a run's folder (its latest policy)
    #[arg(required_unless_present = "all")]
    pub what: Option<String>,
    /// Of a task: the scripted expert acts
    #[arg(long, conflicts_with = "all")]
    pub expert: bool,
    /// The episode: a seed of the task, or the number of one of the run's evaluation episodes
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Folder for the files
    #[arg(long, default_value = "plays")]
    pub out: PathBuf,
    /// Stop after this many steps [default: the end of the episode]
    #[arg(long)]
    pub steps: Option<NonZeroUsize>,
    /// Pictures per second of the film, in real time
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=50))]
    pub fps: u16,
    /// Steps from one picture of the film to the next [default: as --fps asks]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub every: Option<u16>,
    /// Pictures of the film at most (the page has every step)
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u16).range(1..))]
    pub frames: u16,
    /// Size in pixels [default: 480x360; of a still 800x600]
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = parse_size)]
    pub size: Option<(u16, u16)>,
    /// Only one picture (PNG), of the moment after STEP steps
    #[arg(
        long,
        value_name = "STEP",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = STILL_AT,
        conflicts_with_all = ["steps", "fps", "every", "frames"]
    )]
    pub still: Option<usize>,
    /// A still of every task
    #[arg(long, requires = "still", conflicts_with = "what")]
    pub all: bool,
}

/// Plays one episode and writes it; prints the paths of the files.
pub fn play(args: &PlayArgs) -> Result<ExitCode> {
    match &args.what {
        Some(what) => one(what, args)?,
        None => TASKS.iter().try_for_each(|task| one(task.id, args))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn one(what: &str, args: &PlayArgs) -> Result<()> {
    let source = Source::open(what, args.expert)?;
    let mut name = match &source {
        Source::Random(task) => task.id.to_owned(),
        Source::Expert(task, _) => format!("{}-expert", task.id),
        Source::Policy { dir, .. } => folder_name(dir)?,
    };
    if args.seed != 0 {
        name += &format!("-{}", args.seed);
    }
    let subtitle = match &source {
        Source::Random(_) => format!("random actions, seed {}", args.seed),
        Source::Expert(..) => format!("scripted expert, seed {}", args.seed),
        Source::Policy { checkpoint, .. } => {
            let step = checkpoint.step;
            format!(
                "policy after {step} steps, evaluation episode {}",
                args.seed
            )
        }
    };
    let episodes = source.episodes(std::iter::once(args.seed))?;
    let limit = args
        .still
        .or(args.steps.map(NonZeroUsize::get))
        .unwrap_or(usize::MAX);
    for episode in &episodes {
        let recording = Recording::of(episode, limit)?;
        let view = View::of(&recording);
        if let Some(asked) = args.still {
            let steps = recording.steps.len();
            if steps < asked {
                eprintln!(
                    "{name}: the episode ends after {steps} steps, so the picture is of its end"
                );
            }
            let file = film::png(&renderer(&recording, &view, args), recording.steps.len())?;
            write(&args.out, &format!("{name}.png"), &file)?;
        } else {
            eprintln!("{name}: {}", summary(&recording.result));
            let page = page::html(&recording, &view, &name, &subtitle)?;
            write(&args.out, &format!("{name}.html"), page.as_bytes())?;
            let film = film(&recording, &view, args)?;
            write(&args.out, &format!("{name}.gif"), &film)?;
        }
    }
    Ok(())
}

fn renderer<'a>(recording: &'a Recording, view: &'a View, args: &PlayArgs) -> Renderer<'a> {
    // A still is looked at for longer.
    let (size, samples) = if args.still.is_some() {
        ((800, 600), 4)
    } else {
        ((480, 360), 2)
    };
    let (width, height) = args.size.unwrap_or(size);
    Renderer {
        recording,
        view,
        width: width.into(),
        height: height.into(),
        samples,
    }
}

fn film(recording: &Recording, view: &View, args: &PlayArgs) -> Result<Vec<u8>> {
    let real_time = (1.0 / (f32::from(args.fps) * recording.period)).round() as usize;
    let every = args.every.map_or(real_time.max(1), usize::from);
    let delay = (100.0 * recording.period * every as f32).round();
    let frames: Vec<usize> = (0..recording.frames.len())
        .step_by(every)
        .take(args.frames.into())
        .collect();
    let style = "rendering {bar:24.cyan/blue} {pos:>4}/{len} ETA {eta}";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(frames.len() as u64).with_style(style);
    let renderer = renderer(recording, view, args);
    let film = film::gif(&renderer, &frames, delay.max(SHORTEST_DELAY) as u16, || {
        bar.inc(1)
    });
    bar.finish_and_clear();
    film
}

/// Writes a file into a folder, made if need be, and prints its path. It is written beside its
/// place and renamed, so that nobody ever sees half of it.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let path = folder.join(name);
    let beside = folder.join(format!(".{name}.part"));
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, &path))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(writeln!(std::io::stdout(), "{}", path.display())?)
}

/// Also of `.` and of `runs/..`.
fn folder_name(dir: &Path) -> Result<String> {
    let whole = fs::canonicalize(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let name = whole.file_name().unwrap_or_default();
    Ok(name.to_string_lossy().into_owned())
}

/// 480x360
fn parse_size(text: &str) -> Result<(u16, u16), String> {
    let side = |s: &str| s.parse().ok().filter(|n| (16..=4096).contains(n));
    let sides = text
        .split_once('x')
        .and_then(|(w, h)| Some((side(w)?, side(h)?)));
    sides.ok_or_else(|| "expected WIDTHxHEIGHT of 16 to 4096 pixels, e.g. 480x360".into())
}
