//! Words that repeat.

use std::sync::Arc;

/// More different words than this are not shared: searching them would cost more than it saves.
const MOST: usize = 256;

/// Words of a column, each kept once.
#[derive(Default)]
pub(super) struct Words(Vec<Arc<str>>);

impl Words {
    pub fn share(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| ***known == *word) {
            return Arc::clone(known);
        }
        let word = Arc::from(word);
        if self.0.len() < MOST {
            self.0.push(Arc::clone(&word));
        }
        word
    }
}
