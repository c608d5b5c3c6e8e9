//! What an operation does: its details are chosen from what there is, so that most are valid, and some are not.

mod attributes;
mod blobs;
mod clock;
mod intents;
mod pools;
mod stake;
mod storage;
mod subsidies;

use alloy::primitives::{Address, U256};

use super::driver::Driver;
use super::model::clock::Phase;
use super::model::tokens::Title;
use super::operations::{Draw, Kind, Op};
use crate::bindings::{Storage, TestStablecoin};

impl Driver {
    pub(crate) fn step(&mut self, op: Op) {
        self.accepted = false;
        self.attempt(op);
        if self.accepted {
            *self.done.entry(op.kind).or_default() += 1;
        }
    }

    fn attempt(&mut self, op: Op) {
        let draw = &mut Draw::new(op.seed);
        match op.kind {
            Kind::Mint => {
                let user = self.user(draw);
                self.mint(user, draw.below(1_000_000).into());
            }
            Kind::ApproveCoins => self.approve_some(draw),
            Kind::TransferCoins => self.transfer_coins(draw),
            Kind::Reserve => self.reserve(draw),
            Kind::ReserveFor => self.reserve_for(draw),
            Kind::SplitByEpoch => self.split_by_epoch(draw),
            Kind::SplitBySize => self.split_by_size(draw),
            Kind::Fuse => self.fuse(draw),
            Kind::Destroy => self.destroy(draw),
            Kind::TransferResource => self.transfer_deed(draw, Title::Resource),
            Kind::ApproveResource => self.approve_deed(draw),
            Kind::Register => self.register(draw),
            Kind::RegisterBatch => self.register_batch(draw),
            Kind::RegisterWithResource => self.register_with_resource(draw),
            Kind::Certify => self.certify(draw),
            Kind::CertifyBatch => self.certify_batch(draw),
            Kind::Invalidate => self.invalidate(draw),
            Kind::Extend => self.extend(draw),
            Kind::ExtendWithResource => self.extend_with_resource(draw),
            Kind::Delete => self.delete(draw),
            Kind::Burn => self.burn(draw),
            Kind::Share => self.share(draw),
            Kind::Fund => self.fund(draw),
            Kind::SetRenewal => self.set_renewal(draw),
            Kind::Renew => self.renew(draw),
            Kind::WithdrawFund => self.withdraw_fund(draw),
            Kind::Sweep => self.sweep(draw),
            Kind::TransferBlob => self.transfer_deed(draw, Title::Blob),
            Kind::CreatePool => self.create_pool(draw),
            Kind::ExtendPool => self.extend_pool(draw),
            Kind::IncreasePool => self.increase_pool(draw),
            Kind::DecreasePool => self.decrease_pool(draw),
            Kind::DestroyPool => self.destroy_pool(draw),
            Kind::RegisterInPool => self.register_in_pool(draw),
            Kind::CertifyInPool => self.certify_in_pool(draw),
            Kind::Refresh => self.refresh(draw),
            Kind::DeleteInPool => self.delete_in_pool(draw),
            Kind::BurnExpired => self.burn_expired(draw),
            Kind::TransferPool => self.transfer_deed(draw, Title::Pool),
            Kind::SetAttributes => self.set_attributes(draw),
            Kind::RemoveAttributes => self.remove_attributes(draw),
            Kind::CarryOut => self.carry_out(draw),
            Kind::CancelIntent => self.cancel_intent(draw),
            Kind::Subsidize => self.subsidize(draw),
            Kind::FundPot => self.fund_pot(draw),
            Kind::Process => self.process(draw),
            Kind::AddCommissions => self.add_commissions(draw),
            Kind::Stake => self.stake(draw),
            Kind::Unstake => self.unstake(draw),
            Kind::Withdraw => self.withdraw(draw),
            Kind::Claim => self.claim(draw),
            Kind::Split => self.split(draw),
            Kind::Join => self.join(draw),
            Kind::SetCommission => self.set_commission(draw),
            Kind::CollectCommission => self.collect_commission(draw),
            Kind::SetReceiver => self.set_speaker(draw, true),
            Kind::SetAuthority => self.set_speaker(draw, false),
            Kind::VoteTerms => self.vote_terms(draw),
            Kind::NextKey => self.next_key(draw),
            Kind::RegisterNode => self.register_node(draw),
            Kind::JoinActiveSet => self.join_active_set(draw),
            Kind::Pass => self.pass(draw.below(3_000)),
            Kind::Select => {
                self.wait_for(draw, Phase::Done);
                self.select(draw);
            }
            Kind::Begin => {
                self.wait_for(draw, Phase::Selected);
                self.begin(draw);
            }
            Kind::Report => self.report(draw),
            Kind::EndSync => {
                self.wait_for(draw, Phase::Sync);
                self.end_sync(draw);
            }
            Kind::NextEpoch => self.next_epoch(draw),
            Kind::Vote => self.vote(draw),
            Kind::Decide => self.decide(draw),
            Kind::Execute => self.execute(draw),
            Kind::LowerReward => self.lower_reward(draw),
        }
    }

    pub(crate) fn user(&self, draw: &mut Draw) -> Address {
        draw.pick(&self.users)
    }

    /// The one who should, in most cases.
    fn mostly(&self, draw: &mut Draw, owner: Option<Address>) -> Address {
        match owner {
            // What is shared belongs to the contract, which does not call.
            Some(owner) if owner != self.model.at.blobs && draw.percent(92) => owner,
            _ => self.user(draw),
        }
    }

    /// The most that somebody wants to pay.
    fn max_cost(draw: &mut Draw) -> U256 {
        if draw.percent(93) { U256::MAX } else { U256::from(draw.below(20_000)) }
    }

    fn approve_some(&mut self, draw: &mut Draw) {
        let at = self.model.at;
        let (coin, spender) = draw.pick(&[
            (at.money, at.storage),
            (at.money, at.subsidies),
            (at.money, at.intents),
            (at.floe, at.staking),
        ]);
        let value = if draw.percent(70) { U256::MAX } else { U256::from(draw.below(100_000)) };
        let user = self.user(draw);
        self.approve_coins(user, coin, spender, value);
    }

    fn transfer_coins(&mut self, draw: &mut Draw) {
        let from = self.user(draw);
        // What the contract of the intents is sent unasked goes to the owner of the next one.
        let to = if draw.percent(20) { self.model.at.intents } else { self.user(draw) };
        let coin = draw.pick(&[self.model.at.money, self.model.at.floe]);
        let amount = if draw.percent(80) { u128::from(draw.below(1_000_000)) } else { 10_u128.pow(30) };
        let call = TestStablecoin::transferCall { to, value: U256::from(amount) };
        self.act(from, coin, call, |model| {
            let coins = if coin == model.at.money { &mut model.money } else { &mut model.floe };
            coins.transfer(&mut model.events, from, to, amount)
        });
    }

    /// A token of a kind, mostly one that there is.
    fn token(&self, draw: &mut Draw, title: Title) -> u64 {
        match title {
            Title::Resource => self.resource(draw),
            Title::Blob => self.blob(draw),
            Title::Pool => self.pool(draw),
        }
    }

    /// Hands a token to somebody.
    fn transfer_deed(&mut self, draw: &mut Draw, title: Title) {
        let id = self.token(draw, title);
        let (deeds, _) = self.model.titles(title);
        let (at, owner) = (deeds.at, deeds.owners.get(&id).copied());
        let by = self.mostly(draw, owner);
        let from = if draw.percent(95) { owner.unwrap_or(by) } else { self.user(draw) };
        let to = if draw.percent(97) { self.user(draw) } else { Address::ZERO };
        let call = Storage::transferFromCall { from, to, tokenId: U256::from(id) };
        self.act(by, at, call, |model| {
            let (deeds, events) = model.titles(title);
            deeds.transfer(events, by, from, to, id)
        });
    }

    /// Lets somebody act for one token, or for all of an owner.
    fn approve_deed(&mut self, draw: &mut Draw) {
        let title = draw.pick(&[Title::Resource, Title::Blob, Title::Pool]);
        let id = self.token(draw, title);
        let (deeds, _) = self.model.titles(title);
        let (at, owner) = (deeds.at, deeds.owners.get(&id).copied());
        let by = self.mostly(draw, owner);
        let to = if draw.percent(90) { self.user(draw) } else { Address::ZERO };
        if draw.percent(60) {
            let call = Storage::approveCall { to, tokenId: U256::from(id) };
            self.act(by, at, call, |model| {
                let (deeds, events) = model.titles(title);
                deeds.approve(events, by, to, id)
            });
        } else {
            let approved = draw.percent(50);
            let call = Storage::setApprovalForAllCall { operator: to, approved };
            self.act(by, at, call, |model| {
                let (deeds, events) = model.titles(title);
                deeds.approve_all(events, by, to, approved)
            });
        }
    }

    /// A resource's number, mostly one that there is.
    fn resource(&self, draw: &mut Draw) -> u64 {
        let ids: Vec<_> = self.model.resources.keys().copied().collect();
        one_of(draw, &ids)
    }

    /// A blob's number, mostly one that there is.
    fn blob(&self, draw: &mut Draw) -> u64 {
        let ids: Vec<_> = self.model.blobs.keys().copied().collect();
        one_of(draw, &ids)
    }

    /// A node's number, mostly one that there is.
    fn node(&self, draw: &mut Draw) -> u64 {
        if draw.percent(96) { 1 + draw.below(self.model.nodes.len() as u64) } else { 99 }
    }
}

/// One of some numbers, mostly; or any small one.
fn one_of(draw: &mut Draw, ids: &[u64]) -> u64 {
    if ids.is_empty() || draw.percent(4) { draw.below(50) } else { draw.pick(ids) }
}
