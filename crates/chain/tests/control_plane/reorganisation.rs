//! History that changes.

use floe_chain::{
    ChainConfig, ChainEvent, ControlPlane as _, EndpointState, EventCursor, EventItem, EventStream, EvmChain,
};

use super::{
    endpoint::{Endpoint, Mode},
    network::{Network, all_events, new_blob, next, next_event},
};
use crate::support::chains;

/// Depths that public chains have seen.
const DEPTHS: std::ops::RangeInclusive<u64> = 1..=12;

/// Keeps what the items say, as a node would: a rollback undoes what came after it.
async fn follow_until_caught_up(stream: &mut EventStream, events: &mut Vec<ChainEvent>) -> (EventCursor, usize) {
    let mut rollbacks = 0;
    loop {
        match next(stream).await.unwrap() {
            EventItem::Event(event) => events.push(event),
            EventItem::CaughtUp(cursor) => return (cursor, rollbacks),
            EventItem::Rollback(cursor) => {
                rollbacks += 1;
                events.retain(|event| event.cursor <= cursor);
            }
        }
    }
}

#[tokio::test]
async fn without_confirmations_a_rollback_says_how_far() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        control.register_blobs(&[new_blob()]).await.unwrap();
        let mut stream = control.events(EventCursor::default()).await.unwrap();
        let mut events = Vec::new();
        follow_until_caught_up(&mut stream, &mut events).await;
        let kept = events.clone();

        let base = network.chain.height().await;
        for _ in 0..3 {
            control.register_blobs(&[new_blob()]).await.unwrap();
            next_event(&mut stream).await;
        }
        network.chain.reorg(3).await;
        let rolled_back = loop {
            match next(&mut stream).await.unwrap() {
                EventItem::Rollback(cursor) => break cursor,
                EventItem::CaughtUp(_) => {}
                EventItem::Event(event) => panic!("{event:?}"),
            }
        };
        assert_eq!(rolled_back.block, base, "{}", network.chain.name);
        assert!(rolled_back >= kept.last().unwrap().cursor);

        // What happens instead comes once, and the account goes on as if nothing had been.
        let again = control.register_blobs(&[new_blob(), new_blob()]).await.unwrap();
        for registered in &again {
            let event = next_event(&mut stream).await;
            assert!(again.iter().any(|r| r.tx == event.tx), "{:?} {event:?}", registered.tx);
        }
        follow_until_caught_up(&mut stream, &mut events).await;
        let (fresh, _) = all_events(&control, EventCursor::default()).await;
        assert_eq!(fresh.len(), kept.len() + 2);
        assert_eq!(fresh[..kept.len()], kept);
    }
}

#[tokio::test]
async fn up_to_the_confirmation_depth_nothing_is_seen_of_it() {
    const DEPTH: u64 = 5;
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        network.chain.mine(DEPTH).await;
        let config = ChainConfig { confirmations: DEPTH, ..network.config() };
        let careful = EvmChain::connect(config, None).await.unwrap();
        let mut stream = careful.events(EventCursor::default()).await.unwrap();
        let mut events = Vec::new();
        for round in 0..4 {
            for _ in 0..3 {
                control.register_blobs(&[new_blob()]).await.unwrap();
            }
            let (_, rollbacks) = follow_until_caught_up(&mut stream, &mut events).await;
            assert_eq!(rollbacks, 0, "{} round {round}", network.chain.name);
            network.chain.reorg(if round % 2 == 0 { DEPTH } else { 1 + round }).await;
            network.chain.mine(1).await;
        }
        network.chain.mine(DEPTH).await;
        let (fresh, end) = all_events(&careful, EventCursor::default()).await;
        while follow_until_caught_up(&mut stream, &mut events).await.0 < end {}
        assert_eq!(events, fresh, "{}", network.chain.name);
        assert!(events.is_sorted_by(|a, b| a.cursor < b.cursor));
    }
}

#[tokio::test]
async fn a_stored_cursor_whose_block_is_gone_goes_back_far_enough() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        for _ in 0..4 {
            control.register_blobs(&[new_blob()]).await.unwrap();
        }
        let (mut events, _) = all_events(&control, EventCursor::default()).await;
        let stored = events.last().unwrap().cursor;
        network.chain.reorg(3).await;
        control.register_blobs(&[new_blob()]).await.unwrap();

        let mut stream = control.events(stored).await.unwrap();
        let (_, rollbacks) = follow_until_caught_up(&mut stream, &mut events).await;
        assert_eq!(rollbacks, 1, "{}", network.chain.name);
        let (fresh, _) = all_events(&control, EventCursor::default()).await;
        assert_eq!(events, fresh, "{}", network.chain.name);
    }
}

#[tokio::test]
async fn a_random_history_is_followed_exactly() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let mut stream = control.events(EventCursor::default()).await.unwrap();
        let mut events = Vec::new();
        network.chain.mine(6).await;
        // A fixed seed: the same history every time.
        let mut state: u64 = 0x5eed;
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let roll = state >> 33;
            let blobs = vec![new_blob(); usize::try_from(1 + roll % 3).unwrap()];
            control.register_blobs(&blobs).await.unwrap();
            if roll % 5 < 2 {
                follow_until_caught_up(&mut stream, &mut events).await;
            }
            if roll.is_multiple_of(2) {
                network.chain.reorg(1 + roll % 6).await;
            }
        }
        network.chain.mine(1).await;
        let (fresh, end) = all_events(&control, EventCursor::default()).await;
        while follow_until_caught_up(&mut stream, &mut events).await.0 != end {}
        assert_eq!(events, fresh, "{}", network.chain.name);
    }
}

#[tokio::test]
async fn each_depth_is_taken_back_exactly_once() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        control.register_blobs(&[new_blob()]).await.unwrap();
        let mut stream = control.events(EventCursor::default()).await.unwrap();
        let mut events = Vec::new();
        follow_until_caught_up(&mut stream, &mut events).await;
        for depth in DEPTHS {
            let what = format!("{} depth {depth}", network.chain.name);
            let (kept, base) = (events.clone(), network.chain.height().await);
            for _ in 0..depth {
                control.register_blobs(&[new_blob()]).await.unwrap();
                events.push(next_event(&mut stream).await);
            }
            assert_eq!(network.chain.height().await, base + depth, "{what}");
            network.chain.reorg(depth).await;
            let instead = control.register_blobs(&[new_blob()]).await.unwrap();
            let (mut rollbacks, mut end) = (0, EventCursor::default());
            while end.block < network.chain.height().await {
                let (reached, more) = follow_until_caught_up(&mut stream, &mut events).await;
                (end, rollbacks) = (reached, rollbacks + more);
            }
            assert_eq!(rollbacks, 1, "{what}");
            assert_eq!(events[..kept.len()], kept, "{what}");
            assert!(events[kept.len()..].iter().map(|event| event.tx).eq([instead[0].tx]), "{what}");
        }
        let (fresh, _) = all_events(&control, EventCursor::default()).await;
        assert_eq!(events, fresh, "{}", network.chain.name);
    }
}

#[tokio::test]
async fn each_depth_within_the_confirmations_is_never_seen() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let config = ChainConfig { confirmations: *DEPTHS.end(), ..network.config() };
        let careful = EvmChain::connect(config, None).await.unwrap();
        network.chain.mine(*DEPTHS.end()).await;
        let mut stream = careful.events(EventCursor::default()).await.unwrap();
        let mut events = Vec::new();
        for depth in DEPTHS {
            for _ in 0..depth {
                control.register_blobs(&[new_blob()]).await.unwrap();
            }
            follow_until_caught_up(&mut stream, &mut events).await;
            network.chain.reorg(depth).await;
            control.register_blobs(&[new_blob()]).await.unwrap();
            let (_, rollbacks) = follow_until_caught_up(&mut stream, &mut events).await;
            assert_eq!(rollbacks, 0, "{} depth {depth}", network.chain.name);
        }
        network.chain.mine(*DEPTHS.end()).await;
        let (fresh, end) = all_events(&careful, EventCursor::default()).await;
        while follow_until_caught_up(&mut stream, &mut events).await.0 < end {}
        assert_eq!(events, fresh, "{}", network.chain.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_fails_in_the_middle_of_one_changes_nothing() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let first = Endpoint::open(&network.chain.rpc_url).await;
        let second = Endpoint::open(&network.chain.rpc_url).await;
        let (rpc_url, rpc_urls) = (first.url.clone(), vec![second.url.clone()]);
        let config = ChainConfig { rpc_url, rpc_urls, ..network.config() };
        let control = EvmChain::connect(config, Some(network.owner.clone())).await.unwrap();
        let direct = network.connect().await;
        let mut stream = control.events(EventCursor::default()).await.unwrap();
        let mut events = Vec::new();
        follow_until_caught_up(&mut stream, &mut events).await;
        for depth in DEPTHS {
            let what = format!("{} depth {depth}", network.chain.name);
            for _ in 0..depth {
                direct.register_blobs(&[new_blob()]).await.unwrap();
                events.push(next_event(&mut stream).await);
            }
            // One that failed before rests for a while, and the other is believed alone until it is asked again.
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
            while control.endpoints().iter().any(|endpoint| endpoint.state != EndpointState::Serving) {
                assert!(std::time::Instant::now() < deadline, "{what}: {:?}", control.endpoints());
                control.network().await.unwrap();
                direct.register_blobs(&[new_blob()]).await.unwrap();
                events.push(next_event(&mut stream).await);
            }
            // One has heard of the new history and the other has not; then one of them fails.
            let (late, early) = if depth % 2 == 0 { (&first, &second) } else { (&second, &first) };
            late.freeze().await;
            network.chain.reorg(depth).await;
            direct.register_blobs(&[new_blob()]).await.unwrap();
            let quiet = tokio::time::timeout(std::time::Duration::from_millis(300), async {
                while let EventItem::CaughtUp(_) = next(&mut stream).await.unwrap() {}
            });
            assert!(quiet.await.is_err(), "{what}: they do not agree yet");
            let failing = if depth % 3 == 0 { early } else { late };
            failing.set(Mode::Down);
            late.set(if depth % 3 == 0 { Mode::Honest } else { Mode::Down });

            let (mut rollbacks, mut end) = (0, EventCursor::default());
            while end.block < network.chain.height().await {
                let (reached, more) = follow_until_caught_up(&mut stream, &mut events).await;
                (end, rollbacks) = (reached, rollbacks + more);
            }
            assert_eq!(rollbacks, 1, "{what}");
            let (fresh, _) = all_events(&direct, EventCursor::default()).await;
            assert_eq!(events, fresh, "{what}");
            first.set(Mode::Honest);
            second.set(Mode::Honest);
        }
    }
}
