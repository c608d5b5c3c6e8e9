//! Stake: positions, rewards, commission.

use floe_chain::{ChainError, ControlPlane as _, StakeState, deploy};
use floe_protocol::Epoch;

use super::network::{Network, new_blob, wallet};
use crate::support::chains;

const FLOE: u128 = 10_u128.pow(18);

fn refusal(error: ChainError) -> (String, String) {
    match error {
        ChainError::Reverted { name, detail } => (name, detail),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn stake_counts_earns_leaves_and_is_paid_back() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let owner = network.connect().await;
        let (url, contracts) = (&network.chain.rpc_url, &network.contracts);
        let delegator = wallet(8);
        deploy::send_floe(url, contracts, &network.owner, delegator.address(), 100 * FLOE).await.unwrap();
        let control = network.connect_as(Some(delegator.clone())).await;
        let node = network.nodes[1];

        let staked = control.stake(node, 40 * FLOE).await.unwrap();
        assert_eq!((staked.node_id, staked.activation_epoch), (node, Epoch(2)), "{}", network.chain.name);
        let position = control.position(staked.position).await.unwrap().unwrap();
        assert_eq!(
            (position.state(Epoch(1)), position.principal, position.earned),
            (StakeState::Pending, 40 * FLOE, 0)
        );
        assert_eq!(control.balances().await.unwrap().floe, 60 * FLOE);

        // Somebody pays for storage in epoch 2; when it ends, its committee and their delegators are paid.
        network.next_epoch(&owner).await;
        owner.register_blobs(&[new_blob()]).await.unwrap();
        network.report_all(Epoch(2)).await;
        network.next_epoch(&owner).await;
        let position = control.position(staked.position).await.unwrap().unwrap();
        assert_eq!((position.state(Epoch(3)), position.value), (StakeState::Active, 40 * FLOE));
        assert!(position.earned > 0);
        let paid = control.claim(staked.position).await.unwrap();
        assert_eq!(paid.amount, position.earned);
        assert_eq!(control.balances().await.unwrap().payment, paid.amount);
        assert_eq!(control.claim(staked.position).await.unwrap().amount, 0, "once");

        // A part leaves; it is a position of its own, and both are found.
        let part = control.unstake(staked.position, Some(15 * FLOE)).await.unwrap();
        assert_ne!(part.position, staked.position);
        let due = part.withdraw_epoch.unwrap();
        assert_eq!(due, Epoch(4));
        let mine = control.positions(delegator.address()).await.unwrap();
        let shown: Vec<_> = mine.iter().map(|p| (p.position, p.state(Epoch(3)), p.principal)).collect();
        let kept = (staked.position, StakeState::Active, 25 * FLOE);
        assert_eq!(shown, [kept, (part.position, StakeState::Leaving, 15 * FLOE)]);
        let (name, detail) = refusal(control.withdraw(part.position).await.unwrap_err());
        assert_eq!((name.as_str(), detail.as_str()), ("WithdrawalNotDue", "withdrawEpoch: 4, currentEpoch: 3"));
        assert_eq!(refusal(control.unstake(part.position, None).await.unwrap_err()).0, "AlreadyLeaving");

        network.report_all(Epoch(3)).await;
        network.next_epoch(&owner).await;
        let back = control.withdraw(part.position).await.unwrap();
        assert_eq!(back.amount, 15 * FLOE);
        assert_eq!(control.balances().await.unwrap().floe, 75 * FLOE);
        assert_eq!(control.position(part.position).await.unwrap(), None);
        assert_eq!(refusal(control.withdraw(part.position).await.unwrap_err()).0, "UnknownPosition");
        assert_eq!(refusal(owner.claim(staked.position).await.unwrap_err()).0, "Unauthorized");
    }
}

#[tokio::test]
async fn stake_that_never_served_comes_back_at_once_and_shortages_are_named() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect_as(Some(wallet(8))).await;
        let (url, contracts) = (&network.chain.rpc_url, &network.contracts);
        deploy::send_floe(url, contracts, &network.owner, wallet(8).address(), 3 * FLOE).await.unwrap();
        let staked = control.stake(network.nodes[0], 2 * FLOE).await.unwrap();
        let back = control.unstake(staked.position, None).await.unwrap();
        assert_eq!((back.withdraw_epoch, back.paid, back.earned), (None, 2 * FLOE, 0), "{}", network.chain.name);
        assert_eq!(control.balances().await.unwrap().floe, 3 * FLOE);

        let short = control.stake(network.nodes[0], 4 * FLOE).await.unwrap_err();
        let (asset, account) = ("FLOE".to_owned(), wallet(8).address());
        let expected = ChainError::InsufficientFunds { asset, account, needed: 4 * FLOE, available: 3 * FLOE };
        assert_eq!(short, expected);
        assert_eq!(refusal(control.stake(network.nodes[0], FLOE - 1).await.unwrap_err()).0, "StakeTooSmall");
        let unknown = floe_protocol::NodeId::from_number(99);
        assert_eq!(
            refusal(control.stake(unknown, FLOE).await.unwrap_err()),
            ("UnknownPool".into(), "nodeId: 99".into())
        );
    }
}

#[tokio::test]
async fn commission_is_announced_earned_and_collected_by_its_receiver() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let owner = network.connect().await;
        let (node, receiver) = (network.nodes[0], wallet(9));
        let operator = network.connect_as(Some(wallet(1))).await;
        assert_eq!(operator.set_next_commission(node, 2_500).await.unwrap(), Epoch(3), "{}", network.chain.name);
        let pool = operator.node(node).await.unwrap().unwrap().pool;
        assert_eq!((pool.commission_bps, pool.next_commission), (0, Some((2_500, Epoch(3)))));
        operator.set_commission_receiver(node, receiver.address()).await.unwrap();
        let again = operator.set_commission_receiver(node, receiver.address()).await.unwrap_err();
        assert_eq!(refusal(again).0, "Unauthorized", "who gave it away has it no more");

        for epoch in [2, 3] {
            network.next_epoch(&owner).await;
            network.report_all(Epoch(epoch)).await;
        }
        owner.register_blobs(&[new_blob()]).await.unwrap();
        network.next_epoch(&owner).await;
        let info = operator.node(node).await.unwrap().unwrap();
        assert_eq!((info.commission_receiver, info.pool.commission_bps), (receiver.address(), 2_500));
        assert!(info.pool.commission > 0);

        let control = network.connect_as(Some(receiver)).await;
        assert_eq!(refusal(control.collect_commission(node).await.unwrap_err()).0, "CommissionBlocked");
        network.report_all(Epoch(4)).await;
        network.select_next(&owner).await;
        assert_eq!(control.collect_commission(node).await.unwrap().amount, info.pool.commission);
        assert_eq!(control.balances().await.unwrap().payment, info.pool.commission);
    }
}
