//! Streams: golden values, independence, exact resumption.

#![allow(clippy::unwrap_used)]

use prefbench_oracles::Stream;
use proptest::prelude::*;
use rand::{Rng, RngExt};

/// These numbers are a promise: if they change, every published result does.
#[test]
fn golden_values() {
    let mut root = Stream::new(7, "teacher");
    let mut sub = root.at(3);
    let words = [
        root.next_u64(),
        root.next_u64(),
        sub.next_u64(),
        sub.next_u64(),
    ];
    assert_eq!(
        words.map(|w| format!("{w:016x}")),
        [
            "a966634a91dfddf7",
            "8c3293ba062c3f22",
            "80d9b75987210665",
            "c0143dd43e74570f"
        ]
    );

    let mut s = Stream::new(0, "query");
    let below: Vec<_> = (0..8).map(|_| s.below(100)).collect();
    let unit = s.unit();
    let (mut normal, mut uniform) = ([0.0; 3], [0.0; 3]);
    s.fill_normal(&mut normal);
    s.fill_uniform(&mut uniform, -1.0, 1.0);
    let drawn = format!("{below:?} {unit:?} {normal:?} {uniform:?}");
    let expected = "[86, 98, 31, 89, 45, 1, 12, 62] 0.7902648285289938 \
         [-0.604409, -0.05262411, 0.36745286] [-0.51685154, 0.6685841, 0.334679]";
    assert_eq!(drawn, expected);
}

#[test]
fn seeds_names_and_indices_give_different_streams() {
    let mut first = std::collections::HashSet::new();
    let mut count = 0;
    for seed in [0, 1, 1 << 56, u64::MAX] {
        for name in ["", "a", "b", "ab", "teacher", "\0"] {
            let root = Stream::new(seed, name);
            for mut stream in [root.at(0), root.at(1), root.at(1 << 40), root] {
                first.insert(stream.next_u64());
                count += 1;
            }
        }
    }
    assert_eq!(first.len(), count);
}

#[test]
fn a_substream_depends_only_on_seed_name_and_index() {
    let root = Stream::new(9, "query");
    let mut read = root.clone();
    read.next_u32();
    assert_eq!(read.at(5), root.at(5));
    assert_eq!(root.at(1).at(5), root.at(5));
    assert_eq!(root.at(u64::MAX), root);
    assert_ne!(read, root);
}

#[test]
fn draws_are_uniform_and_normal() {
    let mut s = Stream::new(4, "moments");
    let n = 70_000;
    let mut counts = [0; 7];
    (0..n).for_each(|_| counts[s.below(7)] += 1);
    let sigma = (n as f64 / 7.0 * 6.0 / 7.0).sqrt();
    assert!(
        counts
            .iter()
            .all(|&c| (f64::from(c) - 10_000.0).abs() < 4.0 * sigma),
        "{counts:?}"
    );

    let hits = (0..n).filter(|_| s.chance(0.3)).count() as f64;
    assert!((hits - 21_000.0).abs() < 4.0 * (n as f64 * 0.21).sqrt());
    assert!(!s.chance(0.0) && s.chance(1.0));

    let mut normals = vec![0.0; n];
    s.fill_normal(&mut normals);
    let moment = |k| normals.iter().map(|&x| f64::from(x).powi(k)).sum::<f64>() / n as f64;
    // Standard errors of the first, second and fourth moment: 1, √2, √96 over √n.
    let unit = 4.0 / (n as f64).sqrt();
    assert!(moment(1).abs() < unit);
    assert!((moment(2) - 1.0).abs() < 2f64.sqrt() * unit);
    assert!((moment(4) - 3.0).abs() < 96f64.sqrt() * unit);

    let mut uniforms = vec![0.0; n];
    s.fill_uniform(&mut uniforms, -2.0, 4.0);
    assert!(uniforms.iter().all(|u| (-2.0..4.0).contains(u)));
    let mean = uniforms.iter().map(|&u| f64::from(u)).sum::<f64>() / n as f64;
    assert!((mean - 1.0).abs() < 3f64.sqrt() * unit);
}

#[test]
fn below_holds_at_its_extremes() {
    let mut s = Stream::new(0, "edge");
    assert_eq!((s.below(0), s.below(1)), (0, 0));
    // Without rejection, half of these would be multiples of 3.
    let n = 3 << 62;
    let multiples = (0..9000).filter(|_| s.below(n).is_multiple_of(3)).count() as f64;
    assert!((multiples - 3000.0).abs() < 4.0 * 2000f64.sqrt());
    assert!((0..100).any(|_| s.below(usize::MAX) > usize::MAX / 2));
}

#[test]
fn a_checkpoint_is_readable_and_strict() {
    let mut s = Stream::new(u64::MAX, "teacher");
    s.next_u32();
    let text = serde_json::to_string(&s).unwrap();
    assert_eq!(
        text,
        r#"{"seed":18446744073709551615,"name":"teacher","index":null,"word":1}"#
    );
    assert_eq!(serde_json::from_str::<Stream>(&text).unwrap(), s);
    let extra = r#"{"seed":1,"name":"a","index":null,"word":0,"key":1}"#;
    assert!(serde_json::from_str::<Stream>(extra).is_err());
}

#[test]
fn resumes_at_every_position_of_several_buffers() {
    let mut s = Stream::new(2, "resume").at(6);
    for word in 0..300 {
        let text = serde_json::to_string(&s).unwrap();
        assert!(text.ends_with(&format!("\"word\":{word}}}")), "{text}");
        let mut resumed: Stream = serde_json::from_str(&text).unwrap();
        let mut continued = s.clone();
        let numbers = |s: &mut Stream| [s.next_u64(), s.next_u64(), s.next_u32().into()];
        assert_eq!(numbers(&mut resumed), numbers(&mut continued));
        s.next_u32();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_resumed_stream_continues_bit_for_bit(
        seed: u64, index: Option<u64>, name in "[a-z]{0,8}",
        draws in prop::collection::vec(0..5, 0..200),
    ) {
        let root = Stream::new(seed, &name);
        let mut s = index.map_or(root.clone(), |i| root.at(i));
        for kind in draws {
            match kind {
                0 => { s.normal(); }
                1 => { s.below(1000); }
                2 => { s.next_u32(); }
                3 => { s.random_range(0..10u8); }
                _ => { s.fill_bytes(&mut [0; 7]); }
            }
        }
        let text = serde_json::to_string(&s).unwrap();
        let mut resumed: Stream = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&resumed, &s);
        for _ in 0..100 {
            prop_assert_eq!(resumed.normal().to_bits(), s.normal().to_bits());
            prop_assert_eq!(resumed.next_u32(), s.next_u32());
        }
    }
}
