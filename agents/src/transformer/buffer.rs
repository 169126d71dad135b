//! Memory that a thread uses again: the pages of a fresh allocation this large must be cleared by the system
//! each time, which takes a sixth of a training step.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};

/// Shorter buffers are left to the allocator, which keeps them.
const LONG: usize = 1 << 14;
/// Numbers that a thread holds on to at most.
const MOST: usize = 1 << 27;

/// Buffers not in use, by length, and how many numbers they hold.
type Pool = (HashMap<usize, Vec<Vec<f32>>>, usize);

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// Numbers that go back to the thread's pool.
#[derive(Debug, Default)]
pub struct Buffer(Vec<f32>);

impl Buffer {
    /// Numbers to be overwritten: zeros, or whatever was there.
    pub fn space(n: usize) -> Self {
        let used = POOL.with_borrow_mut(|(free, held)| {
            let used = free.get_mut(&n)?.pop()?;
            *held -= n;
            Some(used)
        });
        Self(used.unwrap_or_else(|| vec![0.0; n]))
    }

    /// Zeros.
    pub fn zeros(n: usize) -> Self {
        let mut buffer = Self::space(n);
        buffer.fill(0.0);
        buffer
    }

    /// A copy.
    pub fn of(values: &[f32]) -> Self {
        let mut buffer = Self::space(values.len());
        buffer.copy_from_slice(values);
        buffer
    }

    /// The numbers, which leave the pool.
    pub fn into_vec(mut self) -> Vec<f32> {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        let n = values.len();
        if n < LONG {
            return;
        }
        // At the end of a thread there is no pool any more.
        let _ = POOL.try_with(|pool| {
            let (free, held) = &mut *pool.borrow_mut();
            if *held + n <= MOST {
                free.entry(n).or_default().push(values);
                *held += n;
            }
        });
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        Self::of(self)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}
