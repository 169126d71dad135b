//! Pickles, and the labels and trajectories in them.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use prefbench_oracles::import::pickle::{Pickle, View};
use prefbench_oracles::import::{lire, oppo, preference_transformer, uni_rlhf};

fuzz_target!(|bytes: &[u8]| {
    let file = Path::new("fuzzed");
    if let Ok(pickle) = Pickle::parse(bytes, file) {
        let root = pickle.root();
        let _ = pickle.kind(root);
        if let View::Dict(items) = pickle.view(root) {
            for (_, value) in items {
                let _ = pickle.numbers::<f32>(*value);
            }
        }
        let _ = preference_transformer::coded_labels(bytes, file);
        let _ = preference_transformer::indices(bytes, file);
        let _ = uni_rlhf::one_hot(bytes, file);
        let _ = oppo::parse(bytes, file);
        let _ = lire::parse(bytes, file);
    }
});
