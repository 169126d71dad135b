//! `prefbench dataset check`: does a dataset hold what it says?

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use prefbench_envs::{End, Env};
use prefbench_oracles::{Dataset, Ending, Trajectories};

/// Returns in the table of preferences are sums of f32 rewards in f64, in order.
const RETURN_TOLERANCE: f64 = 1e-9;

/// Arguments of `prefbench dataset check`.
#[derive(Args)]
pub struct CheckArgs {
    /// The dataset's folder
    pub dataset: PathBuf,
    /// Episodes to replay, evenly spread; 0 replays none
    #[arg(long, default_value_t = 10)]
    pub episodes: usize,
}

/// Reads all tables, recomputes the returns, and replays a sample of the episodes.
pub fn check(args: &CheckArgs) -> Result<ExitCode> {
    let dataset = super::read(&args.dataset)?;
    let t = &dataset.trajectories;
    println!(
        "ok: {} episodes, {} transitions, {} answers are well-formed",
        t.complete(),
        t.len(),
        dataset.answers.len()
    );
    returns(&dataset)?;
    if dataset.about.task.is_none() {
        println!("not replayed: the dataset is of no task of prefbench");
        return Ok(ExitCode::SUCCESS);
    }
    let task = super::task_of(&dataset)?;
    let seeded: Vec<usize> = (0..t.complete())
        .filter(|&e| dataset.origins[e].seed.is_some())
        .collect();
    let count = args.episodes.min(seeded.len());
    if count == 0 {
        let why = match args.episodes {
            0 => "0 episodes were asked for",
            _ => "no episode has a seed",
        };
        println!("not replayed: {why}");
        return Ok(ExitCode::SUCCESS);
    }
    let mut env = task.make()?;
    for i in 0..count {
        replay(&dataset, seeded[i * seeded.len() / count], env.as_mut())?;
    }
    println!(
        "ok: {count} episodes replayed in {}, equal to the bit",
        task.id
    );
    Ok(ExitCode::SUCCESS)
}

/// Compares the returns in the table of preferences with the rewards.
fn returns(dataset: &Dataset) -> Result<()> {
    let mut compared = 0;
    for (row, answer) in dataset.answers.iter().enumerate() {
        let Some(told) = answer.returns else { continue };
        for (side, segment, told) in [
            ("left", answer.pair.left, told[0]),
            ("right", answer.pair.right, told[1]),
        ] {
            let sum = dataset.trajectories.view(segment)?.true_return();
            if (sum - told).abs() > RETURN_TOLERANCE * (1.0 + sum.abs()) {
                bail!(
                    "preferences, row {row}: the {side} return is {told}, but the rewards sum to {sum}"
                );
            }
        }
        compared += 1;
    }
    if compared > 0 {
        println!("ok: the returns of {compared} answers are those of their segments");
    }
    Ok(())
}

/// Plays an episode again and compares every number.
fn replay(dataset: &Dataset, episode: usize, env: &mut dyn Env) -> Result<()> {
    let t = &dataset.trajectories;
    let (e, origin) = (t.episodes()[episode], &dataset.origins[episode]);
    let seed = origin.seed.unwrap_or_default();
    let actions: Vec<Vec<f32>> = (e.start..e.start + e.len)
        .map(|i| t.action(i).to_vec())
        .collect();
    let mut again = Trajectories::new(t.obs_dim(), t.act_dim());
    let success = record(env, seed, &actions, &mut again)?;
    let a = again.episodes()[0];
    let word = |ending: Option<Ending>| match ending {
        Some(Ending::Terminated) => "terminated",
        Some(Ending::Truncated) => "truncated",
        Some(Ending::Cut) => "cut",
        None => "running",
    };
    if (a.len, a.ending) != (e.len, e.ending) {
        bail!(
            "episode {episode}: replayed, it is {} after {} steps, not {} after {}",
            word(a.ending),
            a.len,
            word(e.ending),
            e.len
        );
    }
    for s in 0..e.len {
        let (i, names) = (e.start + s, &dataset.about.observation);
        for (what, ours, theirs) in [
            ("before", again.observation(s), t.observation(i)),
            ("after", again.next_observation(s), t.next_observation(i)),
        ] {
            if let Some(c) = (0..ours.len()).find(|&c| ours[c].to_bits() != theirs[c].to_bits()) {
                bail!(
                    "episode {episode}, step {s}: {} {what} the step is {}, but {} when replayed",
                    names[c],
                    theirs[c],
                    ours[c]
                );
            }
        }
        if again.reward(s).to_bits() != t.reward(i).to_bits() {
            bail!(
                "episode {episode}, step {s}: the reward is {}, but {} when replayed",
                t.reward(i),
                again.reward(s)
            );
        }
    }
    if origin.success.is_some_and(|told| told != success) {
        bail!(
            "episode {episode}: success is told to be {}, but is {success} when replayed",
            !success
        );
    }
    Ok(())
}

/// Appends the episode of these actions to `out`, up to its end; tells whether it ever succeeded.
/// If the actions end before the episode does, it is truncated.
pub fn record(
    env: &mut dyn Env,
    seed: u64,
    actions: &[Vec<f32>],
    out: &mut Trajectories,
) -> Result<bool> {
    let mut observation = vec![0.0; out.obs_dim()];
    env.reset(seed, &mut observation)?;
    out.begin(&observation)?;
    let (mut success, mut ending) = (false, Ending::Truncated);
    for action in actions {
        let step = env.step(action, &mut observation)?;
        out.push(action, step.reward, &observation)?;
        success |= step.success;
        match step.end {
            End::No => continue,
            End::Terminated => ending = Ending::Terminated,
            End::Truncated => {}
        }
        break;
    }
    out.finish(ending)?;
    Ok(success)
}
