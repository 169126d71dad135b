//! Which runs learn in one process.

use crate::config::RunConfig;

/// Groups runs that differ in nothing but their seeds, at most `most` together, in the order of their first.
pub fn of(runs: Vec<RunConfig>, most: usize) -> Vec<Vec<RunConfig>> {
    let mut stacks: Vec<Vec<RunConfig>> = Vec::new();
    for run in runs {
        let alike = |other: &RunConfig| {
            let seed = other.seed;
            RunConfig {
                seed,
                ..run.clone()
            } == *other
        };
        let open = |stack: &&mut Vec<RunConfig>| stack.len() < most && alike(&stack[0]);
        match stacks.iter_mut().find(open) {
            Some(stack) => stack.push(run),
            None => stacks.push(vec![run]),
        }
    }
    stacks
}
