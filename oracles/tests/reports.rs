//! The report on a teacher's answers.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use prefbench_oracles::report::Share;
use prefbench_oracles::{Answer, Judged, Label, Pair, Report, Segment};
use proptest::prelude::*;

fn judged(label: Option<Label>, margin: f64) -> Judged {
    Judged { label, margin }
}

#[test]
fn a_report_counts_what_it_says() {
    use Label::{Equal, Left, Right};
    let queries = [
        judged(None, 1.0),
        judged(Some(Equal), 0.5),
        judged(Some(Left), 0.0), // an exact tie: neither right nor wrong
        judged(Some(Right), 1.0),
        judged(Some(Left), 2.0), // wrong
        judged(Some(Left), -3.0),
        judged(Some(Right), -4.0), // wrong
        judged(Some(Right), 6.0),
    ];
    let report = Report::new(&queries, 2.0, 2);
    let counts = |s: &Option<Share>| s.map(|s| (s.count, s.of));
    assert_eq!(report.asked, 8);
    assert_eq!(counts(&report.skipped), Some((1, 8)));
    assert_eq!(counts(&report.ties), Some((1, 7)));
    assert_eq!(counts(&report.errors), Some((2, 5)));
    let bins: Vec<_> = report
        .bins
        .iter()
        .map(|b| {
            (
                b.low,
                b.high,
                b.mean,
                b.relative,
                b.agreement.count,
                b.agreement.of,
            )
        })
        .collect();
    assert_eq!(
        bins,
        [
            (1.0, 2.0, 1.5, Some(0.75), 1, 2),
            (3.0, 6.0, 13.0 / 3.0, Some(13.0 / 6.0), 2, 3),
        ]
    );
    let data = serde_json::to_value(&report).unwrap();
    assert_eq!(data["skipped"]["share"], 0.125);
    assert_eq!(data["bins"][1]["agreement"]["of"], 3);
}

#[test]
fn nothing_asked_is_reported_as_nothing() {
    let report = Report::new(&[], 1.0, 10);
    assert_eq!(report.asked, 0);
    assert_eq!(
        (report.skipped, report.ties, report.errors),
        (None, None, None)
    );
    assert!(report.bins.is_empty());
    let skipped = Report::new(&[judged(None, 1.0)], 0.0, 10);
    assert_eq!((skipped.skipped.unwrap().share, skipped.ties), (1.0, None));
    let unknown = Report::new(&[judged(Some(Label::Left), -1.0)], 0.0, 10);
    assert_eq!(unknown.bins[0].relative, None);
}

#[test]
fn answers_without_true_returns_are_not_judged() {
    let side = Segment {
        trajectory: 0,
        start: 0,
        len: 1,
    };
    let mut answer = Answer {
        pair: Pair {
            left: side,
            right: side,
        },
        label: Some(Label::Left),
        teacher: Arc::from("human"),
        returns: Some([3.0, 1.0]),
        query: None,
    };
    assert_eq!(
        Judged::from_answer(&answer),
        Some(judged(answer.label, -2.0))
    );
    answer.returns = None;
    assert_eq!(Judged::from_answer(&answer), None);
}

#[test]
fn intervals_end_where_the_score_test_rejects() {
    // The roots of (share − p)²·of = z²·p(1 − p) in p, by scipy.optimize.brentq.
    let cases = [
        (10, 100, 0.0552291370607, 0.174365661505),
        (0, 10, 0.0, 0.277532799863),
        (7, 7, 0.645669564933, 1.0),
        (1, 2, 0.0945312057342, 0.905468794266),
        (4999, 10000, 0.490102100411, 0.509697976389),
    ];
    for (count, of, low, high) in cases {
        let share = Share::new(count, of).unwrap();
        assert!((share.low - low).abs() < 1e-9, "{share:?}");
        assert!((share.high - high).abs() < 1e-9, "{share:?}");
    }
}

fn queries() -> impl Strategy<Value = Vec<Judged>> {
    let label = prop_oneof![Just(Label::Left), Just(Label::Right), Just(Label::Equal)];
    let margin = (-6i32..7).prop_map(|m| f64::from(m) / 2.0);
    let query = (prop::option::of(label), margin).prop_map(|(l, m)| judged(l, m));
    prop::collection::vec(query, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bins_part_the_strict_answers(queries in queries(), bins in 1usize..12) {
        let report = Report::new(&queries, 1.0, bins);
        let strict = report.errors.map_or(0, |e| e.of);
        prop_assert!(report.bins.len() <= bins);
        prop_assert_eq!(report.bins.iter().map(|b| b.agreement.of).sum::<usize>(), strict);
        prop_assert!(report.bins.windows(2).all(|w| w[0].high < w[1].low));
        for bin in &report.bins {
            // Recounted from the queries by their margin alone.
            let inside = queries.iter().filter(|q| (bin.low..=bin.high).contains(&q.margin.abs()));
            let labels: Vec<_> = inside.filter_map(|q| Some((q.label?, q.margin))).collect();
            let with = |label: Label, sign: f64| {
                labels.iter().filter(|(l, m)| *l == label && m * sign > 0.0).count()
            };
            let agree = with(Label::Left, -1.0) + with(Label::Right, 1.0);
            let wrong = with(Label::Left, 1.0) + with(Label::Right, -1.0);
            prop_assert_eq!((bin.agreement.count, bin.agreement.of), (agree, agree + wrong));
        }
    }

    #[test]
    fn the_order_of_queries_does_not_matter(
        (queries, shuffled) in queries().prop_flat_map(|q| (Just(q.clone()), Just(q).prop_shuffle())),
    ) {
        prop_assert_eq!(Report::new(&queries, 1.0, 5), Report::new(&shuffled, 1.0, 5));
    }
}
