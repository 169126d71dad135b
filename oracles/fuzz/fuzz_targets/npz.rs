//! `.npz` archives of segments and of pairs, and single arrays.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use prefbench_oracles::import::{cpl, ipl, npy};

fuzz_target!(|bytes: &[u8]| {
    let file = Path::new("fuzzed");
    let _ = cpl::parse(bytes, file);
    let _ = ipl::parse(bytes, file);
    if let Ok(array) = npy::Array::parse(bytes) {
        let _ = array.to_vec::<f32>();
    }
});
