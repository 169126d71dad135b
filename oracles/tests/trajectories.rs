//! The column store against a plain list of episodes, and what it refuses.

#![allow(clippy::unwrap_used)]

use prefbench_oracles::{Columns, Ending, Segment, Trajectories, TrajectoryError};
use proptest::prelude::*;

/// Observation row `step` of episode `e`: all rows differ.
fn observation(e: usize, step: usize) -> [f32; 2] {
    [e as f32, step as f32]
}

fn action(e: usize, step: usize) -> [f32; 1] {
    [(100 * e + step) as f32]
}

fn reward(e: usize, step: usize) -> f32 {
    e as f32 - step as f32
}

/// Episodes of the given lengths; `ending(e)` of `None` leaves the last one running.
fn store(lengths: &[usize], ending: impl Fn(usize) -> Option<Ending>) -> Trajectories {
    let mut store = Trajectories::new(2, 1);
    for (e, &len) in lengths.iter().enumerate() {
        store.begin(&observation(e, 0)).unwrap();
        for t in 0..len {
            let next = observation(e, t + 1);
            store.push(&action(e, t), reward(e, t), &next).unwrap();
        }
        if let Some(end) = ending(e) {
            store.finish(end).unwrap();
        }
    }
    store
}

fn alternating(e: usize) -> Option<Ending> {
    Some([Ending::Terminated, Ending::Truncated][e % 2])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_transition_reads_back(
        lengths in prop::collection::vec(1usize..9, 1..9), running: bool,
    ) {
        let last = lengths.len() - 1;
        let store = store(&lengths, |e| if running && e == last { None } else { alternating(e) });
        prop_assert_eq!(store.len(), lengths.iter().sum::<usize>());
        prop_assert_eq!(store.complete(), lengths.len() - usize::from(running));
        let mut i = 0;
        for (e, &len) in lengths.iter().enumerate() {
            let episode = store.episodes()[e];
            prop_assert_eq!((episode.start, episode.len), (i, len));
            let total: f32 = (0..len).map(|t| reward(e, t)).sum();
            prop_assert_eq!(store.episode_return(e), f64::from(total));
            for t in 0..len {
                prop_assert_eq!(store.episode_of(i), e);
                prop_assert_eq!(store.observation(i), observation(e, t));
                prop_assert_eq!(store.next_observation(i), observation(e, t + 1));
                prop_assert_eq!(store.action(i), action(e, t));
                prop_assert_eq!(store.reward(i), reward(e, t));
                let ended = episode.ending == Some(Ending::Terminated) && t + 1 == len;
                prop_assert_eq!(store.terminated(i), ended);
                i += 1;
            }
        }
        let again = Trajectories::try_from(store.columns().clone()).unwrap();
        prop_assert_eq!(&again, &store);
        let text = serde_json::to_string(&store).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Trajectories>(&text).unwrap(), &store);
    }

    #[test]
    fn views_show_their_segment_and_nothing_else(
        lengths in prop::collection::vec(1usize..9, 1..6), e in 0u32..7, start in 0u32..9, len in 0u32..9,
    ) {
        let store = store(&lengths, alternating);
        let segment = Segment { trajectory: e, start, len };
        let fits = (e as usize) < lengths.len()
            && len > 0
            && (start + len) as usize <= lengths[e as usize];
        let view = store.view(segment);
        prop_assert_eq!(view.is_ok(), fits);
        if let Ok(view) = view {
            let (e, steps) = (e as usize, start as usize..(start + len) as usize);
            let rows = |skip| steps.clone().flat_map(move |t| observation(e, t + skip));
            prop_assert_eq!(view.observations(), rows(0).collect::<Vec<_>>());
            prop_assert_eq!(view.next_observations(), rows(1).collect::<Vec<_>>());
            let actions: Vec<_> = steps.clone().flat_map(|t| action(e, t)).collect();
            prop_assert_eq!(view.actions(), actions);
            let rewards: Vec<_> = steps.clone().map(|t| reward(e, t)).collect();
            prop_assert_eq!(view.rewards(), rewards);
            prop_assert_eq!(view.first(), store.episodes()[e].start + steps.start);
            prop_assert_eq!(view.episode(), store.episodes()[e]);
            prop_assert_eq!((view.len(), view.segment()), (steps.len(), segment));
        }
    }
}

#[test]
fn segments_at_the_edge_of_u32_are_refused() {
    let store = store(&[3], alternating);
    let error = store.view(Segment {
        trajectory: 0,
        start: u32::MAX,
        len: u32::MAX,
    });
    assert!(error.unwrap_err().to_string().contains("has 3 steps"));
}

#[test]
fn mistakes_are_refused_and_change_nothing() {
    use TrajectoryError::*;
    let mut store = Trajectories::new(2, 1);
    assert_eq!(store.push(&[0.0], 0.0, &[0.0, 0.0]), Err(NotRunning));
    assert_eq!(store.finish(Ending::Truncated), Err(NotRunning));
    let short = store.begin(&[0.0]).unwrap_err();
    assert_eq!(
        short.to_string(),
        "observation has 1 numbers where 2 are expected"
    );
    assert_eq!(store, Trajectories::new(2, 1));

    store.begin(&[0.0, 0.0]).unwrap();
    assert_eq!(store.begin(&[0.0, 0.0]), Err(StillRunning { episode: 0 }));
    assert_eq!(
        store.finish(Ending::Truncated),
        Err(NoTransition { episode: 0 })
    );
    store.push(&[1.0], 2.0, &[3.0, 4.0]).unwrap();
    let before = store.clone();
    let nan = f32::NAN;
    let bad: [(&[f32], f32, &[f32]); 5] = [
        (&[0.0, 0.0], 0.0, &[0.0, 0.0]),
        (&[0.0], 0.0, &[0.0; 3]),
        (&[nan], 0.0, &[0.0, 0.0]),
        (&[0.0], f32::INFINITY, &[0.0, 0.0]),
        (&[0.0], 0.0, &[0.0, nan]),
    ];
    for (action, reward, next) in bad {
        store.push(action, reward, next).unwrap_err();
        assert_eq!(format!("{store:?}"), format!("{before:?}"));
    }
    let error = store.push(&[0.0], 0.0, &[0.0, nan]).unwrap_err();
    assert_eq!(error.to_string(), "next_observation[1] is not finite");
}

#[test]
fn an_episode_without_a_transition_yet_holds_one_observation() {
    let store = store(&[2, 0], |e| if e == 1 { None } else { alternating(e) });
    assert_eq!((store.len(), store.complete()), (2, 1));
    assert_eq!(store.all_observations().len(), (2 + 2) * 2);
    assert_eq!(store.next_observation(1), observation(0, 2));
    assert_eq!(Trajectories::try_from(store.columns().clone()), Ok(store));
}

#[test]
fn broken_columns_are_refused() {
    let good = Columns::from(store(&[3, 2, 4], alternating));
    assert!(Trajectories::try_from(good.clone()).is_ok());
    type Break = fn(&mut Columns);
    let breaks: [(&str, Break); 11] = [
        ("does not begin", |c| c.episodes[1].start = 2),
        ("does not begin", |c| c.episodes[0].len = 2),
        ("does not begin", |c| c.episodes = c.episodes.split_off(1)),
        ("may be running", |c| c.episodes[0].ending = None),
        ("longer than the columns", |c| c.episodes[2].len = 5),
        ("longer than the columns", |c| {
            c.episodes[2].len = usize::MAX
        }),
        ("rewards has 9", |c| c.episodes[2].len = 3),
        ("actions has 8", |c| c.actions.truncate(8)),
        ("observations has 23", |c| c.observations.truncate(23)),
        ("observations[0] is not finite", |c| {
            c.observations[0] = f32::NAN
        }),
        ("no transition", |c| {
            c.episodes[2].len = 0;
            c.rewards.truncate(5);
        }),
    ];
    for (message, damage) in breaks {
        let mut columns = good.clone();
        damage(&mut columns);
        let text = serde_json::to_string(&columns).unwrap();
        let error = Trajectories::try_from(columns).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        assert!(serde_json::from_str::<Trajectories>(&text).is_err());
    }
}
