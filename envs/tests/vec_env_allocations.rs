//! Vectorised steps allocate what rapier does and nothing else. Alone in its process, because the
//! count is of the whole process.
#![allow(unsafe_code)] // the trait of allocators is unsafe

use prefbench_envs::{End, Env, TASKS, VecEnv};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

struct Counting;
static COUNT: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, SeqCst);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, SeqCst);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const COPIES: usize = 4;
const WARM_UP: usize = 20;
const STEPS: usize = 100;

/// The same actions for both sides, from the step's number alone.
fn fill(step: usize, actions: &mut [f32]) {
    for (i, a) in actions.iter_mut().enumerate() {
        *a = ((step * 37 + i * 11) as f32).sin();
    }
}

/// Allocations of single environments that run the same episodes, one after another.
fn by_hand(task: &prefbench_envs::Task) -> u64 {
    let (dim, n) = (task.spec.obs_dim(), task.spec.action_dim());
    let probe = VecEnv::new(task, COPIES, 1, 0).expect("make");
    let mut ids: Vec<_> = (0..COPIES).map(|c| probe.episode(c).expect("id")).collect();
    let mut envs: Vec<Box<dyn Env>> = ids.iter().map(|_| task.make().expect("make")).collect();
    let (mut obs, mut actions) = (vec![0.0; dim], vec![0.0; COPIES * n]);
    for (env, id) in envs.iter_mut().zip(&ids) {
        env.reset(id.env_seed(), &mut obs).expect("reset");
    }
    let mut start = 0;
    for step in 0..WARM_UP + STEPS {
        if step == WARM_UP {
            start = COUNT.load(SeqCst);
        }
        fill(step, &mut actions);
        for ((env, id), action) in envs.iter_mut().zip(&mut ids).zip(actions.chunks(n)) {
            if env.step(action, &mut obs).expect("step").end != End::No {
                id.episode += 1;
                env.reset(id.env_seed(), &mut obs).expect("reset");
            }
        }
    }
    COUNT.load(SeqCst) - start
}

fn vectorised(task: &prefbench_envs::Task, threads: usize) -> u64 {
    let mut envs = VecEnv::new(task, COPIES, threads, 0).expect("make");
    let mut start = 0;
    for step in 0..WARM_UP + STEPS {
        if step == WARM_UP {
            start = COUNT.load(SeqCst);
        }
        fill(step, envs.actions_mut());
        envs.step().expect("step");
    }
    COUNT.load(SeqCst) - start
}

#[test]
fn vectorised_steps_allocate_nothing_of_their_own() {
    // The harness's own thread allocates too, until it waits for this one.
    std::thread::sleep(std::time::Duration::from_millis(300));
    for task in TASKS.iter().map(|task| task.with_horizon(60)) {
        let mut expected = by_hand(&task);
        let per_step = expected as f64 / (COPIES * STEPS) as f64;
        println!("{}: {per_step:.1} allocations per control step", task.id);
        for threads in [1, 2, 4] {
            let mut got = vectorised(&task, threads);
            if got != expected {
                // The harness speaks up, and allocates, when a test has run for a minute: once.
                (expected, got) = (by_hand(&task), vectorised(&task, threads));
            }
            assert_eq!(got, expected, "{}, {threads} threads", task.id);
        }
    }
}
