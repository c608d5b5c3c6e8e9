//! `floe balance`

use floe_chain::{StakePosition, StakeState};
use serde_json::json;

use crate::{
    args::{BalanceArgs, Global},
    error::CliError,
    session::{COIN, FLOE, Session, table, units},
};

pub(crate) async fn run(global: &Global, args: BalanceArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    let account = session.account_or(args.address)?;
    let (held, positions) = tokio::try_join!(session.chain.balances_of(account), session.chain.positions(account))?;
    let commission = match session.chain.node_of(account).await? {
        Some(node) => session.chain.node(node).await?.filter(|n| n.commission_receiver == account),
        None => None,
    };
    let commission = commission.map_or(0, |node| node.pool.commission);
    let now = session.info.epoch;
    let sum = |amount: fn(&StakePosition) -> u128| positions.iter().map(amount).sum::<u128>();
    let (staked, rewards) = (sum(|p| p.value), sum(|p| p.earned));
    let due = positions.iter().filter(|p| p.state(now) == StakeState::Withdrawable);
    let withdrawable: u128 = due.map(|p| p.value).sum();
    let payment = session.payment();
    let value = json!({
        "address": account,
        "native": units(held.native),
        "payment": {"symbol": payment.symbol, "decimals": payment.decimals, "amount": units(held.payment)},
        "floe": units(held.floe),
        "staked": units(staked),
        "withdrawable": units(withdrawable),
        "rewards": units(rewards),
        "commission": units(commission),
    });
    session.output.result(&value, || {
        let mut rows = vec![
            vec!["coins for fees".to_owned(), COIN.show(held.native)],
            vec!["for storage".to_owned(), payment.show(held.payment)],
            vec!["to stake".to_owned(), FLOE.show(held.floe)],
            vec!["staked".to_owned(), FLOE.show(staked)],
            vec!["rewards to claim".to_owned(), payment.show(rewards)],
        ];
        if withdrawable != 0 {
            rows.push(vec!["stake to withdraw".to_owned(), FLOE.show(withdrawable)]);
        }
        if commission != 0 {
            rows.push(vec!["commission to collect".to_owned(), payment.show(commission)]);
        }
        format!("Account {account}\n{}", indented(&table(&rows)))
    })
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
