use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const LIMITS: PlanLimits =
    PlanLimits { concurrent_max: 4, in_flight_max: 20, attempts_max: 2, backoff: Duration::from_millis(100) };

/// Ten slivers, two for each of five members.
fn plan(needed: usize, wanted: &[u16]) -> Plan {
    Plan::new(
        needed,
        wanted.iter().copied().collect(),
        (0..10u16).map(|pair| (pair, usize::from(pair / 2))),
        [],
        LIMITS,
    )
}

fn start_all(plan: &mut Plan, now: Instant) -> Vec<u16> {
    std::iter::from_fn(|| plan.next(now)).map(|ask| ask.pair).collect()
}

#[test]
fn asks_only_for_what_is_needed() {
    let now = Instant::now();
    let mut plan = plan(3, &[]);
    assert_eq!(start_all(&mut plan, now), [0, 1, 2]);
    plan.succeeded(0, now);
    assert!(start_all(&mut plan, now).is_empty());
    plan.succeeded(1, now);
    plan.succeeded(2, now);
    assert!(plan.is_done());
}

#[test]
fn more_may_be_in_flight_from_now_on() {
    let now = Instant::now();
    let mut plan = plan(10, &[]);
    assert_eq!(plan.oldest_since(), None);
    assert_eq!(start_all(&mut plan, now), [0, 1, 2, 3]);
    plan.succeeded(0, now);
    assert_eq!(start_all(&mut plan, now + Duration::from_millis(1)), [4]);
    assert_eq!(plan.oldest_since(), Some(now));
    plan.allow(6);
    assert_eq!(start_all(&mut plan, now), [5, 6]);
}

#[test]
fn a_slow_member_is_overtaken_and_avoided() {
    let now = Instant::now();
    let mut plan = plan(1, &[]);
    assert_eq!(start_all(&mut plan, now), [0]);
    let delay = Duration::from_millis(50);
    assert_eq!(plan.wake_at(delay), Some(now + delay));
    assert_eq!(plan.overtake(now + delay, delay), [0]);
    // Pair 1 is on the same member: the next one is asked first.
    assert_eq!(start_all(&mut plan, now + delay), [2]);
    plan.succeeded(0, now + delay);
    assert!(plan.is_done(), "the overtaken answer still counts");
}

#[test]
fn a_member_that_was_slow_is_asked_for_its_rows_before_others_for_what_is_no_row() {
    let now = Instant::now();
    let delay = Duration::from_millis(50);
    let mut plan = plan(6, &[]);
    plan.limits.concurrent_max = 1;
    plan.prefer_rows(6);
    assert_eq!(start_all(&mut plan, now), [0]);
    assert_eq!(plan.overtake(now + delay, delay), [0]);
    for next in 2..6 {
        assert_eq!(start_all(&mut plan, now + delay), [next], "its member does not answer yet");
        plan.succeeded(next, now + delay);
    }
    assert_eq!(start_all(&mut plan, now + delay), [6], "nor now");
    plan.succeeded(0, now + delay);
    assert!(start_all(&mut plan, now + delay).is_empty(), "one is in flight");
    plan.failed(6, Failure::Final, now + delay);
    assert_eq!(start_all(&mut plan, now + delay), [1]);
}

#[test]
fn rows_that_may_come_are_gathered_beyond_what_is_needed() {
    let now = Instant::now();
    let delay = Duration::from_millis(50);
    let mut plan = plan(4, &[]);
    plan.prefer_rows(4);
    assert_eq!(start_all(&mut plan, now), [0, 1, 2, 3]);
    plan.succeeded(2, now);
    plan.succeeded(3, now);
    plan.overtake(now + delay, delay);
    assert_eq!(start_all(&mut plan, now + delay), [4, 5]);
    plan.succeeded(4, now + delay);
    assert!(!plan.is_done());
    plan.succeeded(5, now + delay);
    assert!(plan.is_done() && plan.rows_may_come());
    plan.insist_on_rows();
    assert!(!plan.is_done() && start_all(&mut plan, now + delay).is_empty());
    plan.succeeded(0, now + delay);
    assert!(!plan.is_done() && plan.rows_may_come());
    // A second try of the other, and no more of what is no row.
    plan.failed(1, Failure::Transient, now + delay);
    assert_eq!(start_all(&mut plan, now + delay * 4), [1]);
    plan.succeeded(1, now + delay * 4);
    assert!(plan.is_done() && !plan.rows_may_come(), "none is missing");
}

#[test]
fn rows_that_are_lost_are_not_waited_for() {
    let now = Instant::now();
    for failure in [Failure::Final, Failure::Lie, Failure::Silence] {
        let mut plan = plan(2, &[]);
        plan.limits.concurrent_max = 3;
        plan.prefer_rows(3);
        assert_eq!(start_all(&mut plan, now), [0, 1]);
        plan.succeeded(1, now);
        plan.failed(0, failure, now);
        assert_eq!(start_all(&mut plan, now), [2], "{failure:?}");
        plan.succeeded(2, now);
        assert!(plan.is_done());
        assert!(!plan.rows_may_come(), "{failure:?}");
    }
}

#[test]
fn liars_come_last_but_are_asked_when_nothing_else_is_left() {
    let now = Instant::now();
    let mut plan = plan(10, &[]);
    plan.limits.concurrent_max = 1;
    let mut order = Vec::new();
    while let Some(ask) = plan.next(now) {
        order.push(ask.pair);
        match ask.pair {
            0 => plan.failed(0, Failure::Lie, now),
            pair => {
                plan.succeeded(pair, now);
            }
        }
    }
    assert_eq!(order, [0, 2, 3, 4, 5, 6, 7, 8, 9, 1]);
    assert!(plan.is_exhausted() && !plan.is_done());
}

#[test]
fn a_silent_member_is_given_up_after_its_attempts() {
    let now = Instant::now();
    let mut plan = plan(10, &[]);
    plan.limits.concurrent_max = 10;
    assert_eq!(start_all(&mut plan, now).len(), 10);
    plan.failed(0, Failure::Silence, now);
    plan.failed(1, Failure::Silence, now);
    for pair in 2..10 {
        plan.succeeded(pair, now);
    }
    assert!(plan.is_exhausted());
}

#[test]
fn transient_failures_are_tried_again_later() {
    let now = Instant::now();
    let mut plan = plan(10, &[]);
    plan.limits.concurrent_max = 10;
    start_all(&mut plan, now);
    plan.failed(5, Failure::Transient, now);
    assert!(plan.next(now).is_none());
    let ask = plan.next(now + LIMITS.backoff).expect("due again");
    assert_eq!((ask.pair, ask.tries), (5, 1));
    plan.failed(5, Failure::Transient, now);
    assert!(plan.waiting.is_empty(), "attempts are used up");
}

#[test]
fn wanted_slivers_are_enough_while_they_come() {
    let now = Instant::now();
    let mut good = plan(4, &[6, 7]);
    assert_eq!(start_all(&mut good, now), [6, 7]);
    good.succeeded(6, now);
    assert!(start_all(&mut good, now).is_empty());
    good.succeeded(7, now);
    assert!(good.is_done() && good.wanted_is_complete());

    let mut bad = plan(4, &[6, 7]);
    start_all(&mut bad, now);
    bad.failed(6, Failure::Final, now);
    assert_eq!(start_all(&mut bad, now), [0, 1, 2], "7 is still coming");
}

proptest! {
    /// However the answers fall: with enough good slivers the plan ends done, else exhausted; never stuck.
    #[test]
    fn ends_done_or_exhausted(
        outcomes in proptest::collection::vec(0u8..5, 10),
        needed in 1usize..=10,
        wanted in proptest::collection::btree_set(0u16..10, 0..4),
    ) {
        let mut now = Instant::now();
        let mut plan = Plan::new(
            needed,
            wanted.clone(),
            (0..10u16).map(|pair| (pair, usize::from(pair))),
            [],
            LIMITS,
        );
        let delay = Duration::from_millis(50);
        let mut steps = 0;
        let mut flying: Vec<u16> = Vec::new();
        while !plan.is_done() && !plan.is_exhausted() {
            steps += 1;
            prop_assert!(steps < 500, "stuck: {plan:?}");
            flying.extend(start_all(&mut plan, now));
            if let Some(pair) = flying.pop() {
                match outcomes[usize::from(pair)] {
                    0 => plan.failed(pair, Failure::Lie, now),
                    1 => plan.failed(pair, Failure::Silence, now),
                    2 => plan.failed(pair, Failure::Transient, now),
                    3 => plan.failed(pair, Failure::Final, now),
                    _ => { plan.succeeded(pair, now); }
                }
            } else if let Some(at) = plan.wake_at(delay) {
                now = now.max(at);
                plan.overtake(now, delay);
            }
        }
        let good: BTreeSet<u16> = (0..10).filter(|p| outcomes[usize::from(*p)] == 4).collect();
        let possible = good.len() >= needed || (!wanted.is_empty() && wanted.is_subset(&good));
        prop_assert_eq!(plan.is_done(), possible);
    }
}

#[test]
fn rows_are_asked_for_below_a_limit_and_lost_when_no_try_is_left() {
    let now = Instant::now();
    let mut plan = plan(10, &[0, 1, 2, 3]);
    plan.limits.attempts_max = 2;
    plan.ask_below(2);
    assert_eq!(start_all(&mut plan, now), [0, 1]);
    plan.succeeded(0, now);
    assert!(start_all(&mut plan, now).is_empty());
    plan.ask_below(3);
    assert_eq!(start_all(&mut plan, now), [2]);
    plan.failed(1, Failure::Transient, now);
    assert!(plan.is_widened() && !plan.has_lost(), "there is another try");
    let later = now + Duration::from_secs(1);
    assert_eq!(start_all(&mut plan, later), [1], "nothing beyond the limit though others would do");
    assert_eq!(plan.in_flight_since(1), Some(later));
    plan.failed(1, Failure::Transient, later);
    assert!(plan.has_lost());
}

#[test]
fn all_rows_of_a_member_that_is_given_up_are_lost() {
    let now = Instant::now();
    let mut plan = plan(10, &[0, 1]);
    plan.limits.attempts_max = 1;
    plan.ask_below(1);
    assert_eq!(start_all(&mut plan, now), [0]);
    plan.failed(0, Failure::Silence, now);
    assert!(plan.has_lost(), "pair 1 was never asked for, and is on the same member");
}

#[test]
fn what_is_in_flight_is_bounded_though_all_is_slow() {
    let now = Instant::now();
    let mut plan = plan(10, &[]);
    plan.limits.in_flight_max = 5;
    assert_eq!(start_all(&mut plan, now).len(), 4);
    plan.overtake(now + Duration::from_secs(1), Duration::from_millis(1));
    assert_eq!(start_all(&mut plan, now + Duration::from_secs(1)).len(), 1);
}

#[test]
fn what_is_given_is_not_asked_for() {
    let now = Instant::now();
    let mut plan = plan(3, &[]);
    plan.give(1);
    assert_eq!(start_all(&mut plan, now), [0, 2]);
}
