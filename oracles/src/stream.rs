//! Named, counter-based random streams.
//!
//! A run splits its one seed into streams by name (`"teacher"`, `"query"`, ...), so drawing more
//! numbers for one purpose never shifts another. Each stream is ChaCha8 with a 256-bit key, the
//! BLAKE3 key derivation of (seed, name); ChaCha's own 64-bit stream number selects the substream
//! of [`Stream::at`]. The position is a plain counter, so a checkpoint is four readable fields and
//! a resumed run continues bit for bit.

use std::convert::Infallible;
use std::sync::Arc;

use rand::{Rng, SeedableRng, TryRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// Separates our keys from every other use of BLAKE3. Changing it changes every result.
const CONTEXT: &str = "prefbench random stream key v1";

/// ChaCha stream number of a stream that has no index.
const ROOT: u64 = u64::MAX;

/// A reproducible random number generator, named by (seed, name, index).
///
/// It implements rand's infallible generator trait, so everything in `rand` and `rand_distr` works
/// on it. It serializes as its exact position:
///
/// ```
/// use prefbench_oracles::Stream;
/// let mut stream = Stream::new(3, "teacher").at(12);
/// stream.unit();
/// let saved = serde_json::to_string(&stream).unwrap();
/// assert_eq!(saved, r#"{"seed":3,"name":"teacher","index":12,"word":2}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Position", into = "Position")]
pub struct Stream {
    seed: u64,
    name: Arc<str>,
    index: Option<u64>,
    rng: ChaCha8Rng,
}

impl Stream {
    /// The stream of this seed and name, at its beginning. Different seeds or names give
    /// independent streams.
    pub fn new(seed: u64, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&seed.to_le_bytes()).update(name.as_bytes());
        let mut rng = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
        rng.set_stream(ROOT);
        Stream {
            seed,
            name: name.into(),
            index: None,
            rng,
        }
    }

    /// The independent substream number `index`, at its beginning.
    ///
    /// It depends only on (seed, name, index): neither on how far this stream has been read nor on
    /// an index it may itself have, so `s.at(1).at(2)` equals `s.at(2)`. Index `u64::MAX` is
    /// the stream without an index.
    pub fn at(&self, index: u64) -> Stream {
        let mut rng = ChaCha8Rng::from_seed(self.rng.get_seed());
        rng.set_stream(index);
        Stream {
            seed: self.seed,
            name: Arc::clone(&self.name),
            index: (index != ROOT).then_some(index),
            rng,
        }
    }

    /// A uniform number in `[0, 1)`, a multiple of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with probability `p`: never for `p <= 0`, always for `p >= 1`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// A uniform integer in `0..n`, free of modulo bias; 0 if `n` is 0.
    ///
    /// Written out here (Lemire 2019, "Fast random integer generation in an interval") so that our
    /// results do not hang on another crate's choice of algorithm.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        if n == 0 {
            return 0;
        }
        let reject = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= reject {
                return (product >> 64) as usize;
            }
        }
    }

    /// A standard normal number.
    pub fn normal(&mut self) -> f32 {
        StandardNormal.sample(self)
    }

    /// Fills `out` with independent standard normal numbers.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        out.fill_with(|| self.normal());
    }

    /// Fills `out` with independent numbers uniform in `[low, high)`; `high` itself, if only by rounding.
    pub fn fill_uniform(&mut self, out: &mut [f32], low: f32, high: f32) {
        // 24 bits are exact in f32, so the unit number is below 1.
        out.fill_with(|| low + (high - low) * ((self.next_u32() >> 8) as f32 / (1 << 24) as f32));
    }

    /// 64 random bits, to key a generator that is a function of its counter.
    pub fn key(&mut self) -> u64 {
        self.next_u64()
    }

    /// Fills `out` for dropout: 0 with probability `p`, to 16 bits, else 1/(1 − p).
    pub fn fill_dropout(&mut self, out: &mut [f32], p: f64) {
        let (dropped, kept) = ((p * 65536.0).round() as u64, (1.0 / (1.0 - p)) as f32);
        for four in out.chunks_mut(4) {
            let bits = self.next_u64();
            for (i, x) in four.iter_mut().enumerate() {
                let lane = bits >> (16 * i) & 0xffff;
                *x = if lane < dropped { 0.0 } else { kept };
            }
        }
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.rng.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.rng.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.rng.try_fill_bytes(bytes)
    }
}

/// What a checkpoint holds: the name of the stream and the count of 32-bit words read from it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    seed: u64,
    name: String,
    index: Option<u64>,
    word: u64,
}

impl From<Position> for Stream {
    fn from(position: Position) -> Self {
        let root = Stream::new(position.seed, &position.name);
        let mut stream = match position.index {
            Some(index) => root.at(index),
            None => root,
        };
        stream.rng.set_word_pos(u128::from(position.word));
        stream
    }
}

impl From<Stream> for Position {
    fn from(stream: Stream) -> Self {
        Position {
            seed: stream.seed,
            name: stream.name.to_string(),
            index: stream.index,
            // A stream is read for at most 2⁶⁴ words: centuries.
            word: stream.rng.get_word_pos() as u64,
        }
    }
}
