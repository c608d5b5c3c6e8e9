//! Intents: what owners have signed, carried out by others for a fee.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, U256};

use super::blobs::NewBlob;
use super::{Model, Ruling, refuse, wide};
use crate::bindings::{Intents as Contract, TestStablecoin};

/// What an owner wants.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    Reserve { size: u64, start: u32, end: u32 },
    Register { blob: NewBlob, epochs: u32 },
    Extend { object: u64, epochs: u32 },
    Fund { object: u64, amount: u128 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Intent {
    pub(crate) wish: Wish,
    pub(crate) owner: Address,
    /// zero for anyone
    pub(crate) relayer: Address,
    pub(crate) budget: u128,
    pub(crate) max_fee: u128,
    pub(crate) valid_after: u64,
    pub(crate) valid_before: u64,
    pub(crate) salt: B256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    Genuine,
    /// of somebody else, or of something else
    Wrong,
    Missing,
}

/// How the owner has agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// by the token's authorization, whose signature is in three parts
    Authorization(Signature),
    /// by the token's authorization, whose signature is bytes
    ContractAuthorization(Signature),
    /// by a signature of the intent and an allowance, with a permit or without
    Allowance(Signature, Option<Signature>),
}

/// What was used up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intents {
    /// carried out against an allowance
    pub(crate) used: BTreeSet<B256>,
    /// used or cancelled in the token
    pub(crate) authorizations: BTreeSet<(Address, B256)>,
    /// permits of each account
    pub(crate) permits: BTreeMap<Address, u64>,
}

impl Model {
    /// Gives the new resource, or the registration that it was about.
    pub(crate) fn carry_out(
        &mut self,
        by: Address,
        id: B256,
        intent: &Intent,
        agreement: Agreement,
        fee: u128,
    ) -> Ruling<u64> {
        self.may_begin(by, id, intent, fee)?;
        match agreement {
            Agreement::Allowance(signature, permit) => self.take_allowed(id, intent, signature, permit)?,
            Agreement::Authorization(signature) => {
                if signature == Signature::Missing {
                    return refuse(TestStablecoin::ECDSAInvalidSignature {});
                }
                self.take_authorized(id, intent, signature)?;
            }
            Agreement::ContractAuthorization(signature) => self.take_authorized(id, intent, signature)?,
        }
        let subject = self.fulfil(intent, intent.budget - fee)?;
        let at = self.at.intents;
        if fee != 0 {
            self.money.transfer(&mut self.events, at, by, fee)?;
        }
        let left = self.money.balance(at);
        if left != 0 {
            self.money.transfer(&mut self.events, at, intent.owner, left)?;
        }
        let event = Contract::IntentExecuted {
            intentId: id,
            owner: intent.owner,
            relayer: by,
            subject: wide(subject),
            fee: wide(fee),
            returned: wide(left),
        };
        self.events.tell(at, event);
        Ok(subject)
    }

    /// What the intent itself says, whoever signed it.
    fn may_begin(&self, by: Address, id: B256, intent: &Intent, fee: u128) -> Ruling<()> {
        if intent.relayer != Address::ZERO && intent.relayer != by {
            return refuse(Contract::WrongRelayer { caller: by, relayer: intent.relayer });
        }
        if self.now <= intent.valid_after || self.now >= intent.valid_before {
            let (time, validAfter, validBefore) = (self.now, intent.valid_after, intent.valid_before);
            return refuse(Contract::IntentNotInForce {
                time: wide(time),
                validAfter: wide(validAfter),
                validBefore: wide(validBefore),
            });
        }
        let max = intent.max_fee.min(intent.budget);
        if fee > max {
            return refuse(Contract::FeeTooHigh { fee: wide(fee), max: wide(max) });
        }
        if self.intents.used.contains(&id) { refuse(Contract::IntentUsed { intentId: id }) } else { Ok(()) }
    }

    fn take_allowed(
        &mut self,
        id: B256,
        intent: &Intent,
        signature: Signature,
        permit: Option<Signature>,
    ) -> Ruling<()> {
        let (owner, spender) = (intent.owner, self.at.intents);
        if self.intents.authorizations.contains(&(owner, id)) {
            return refuse(Contract::IntentUsed { intentId: id });
        }
        self.intents.used.insert(id);
        if signature != Signature::Genuine {
            return refuse(Contract::WrongIntentSignature { owner, intentId: id });
        }
        // A permit that is wrong does no harm where there is an allowance.
        if permit == Some(Signature::Genuine) {
            *self.intents.permits.entry(owner).or_default() += 1;
            self.money.approve(&mut self.events, owner, spender, wide(intent.budget));
        }
        self.money.take(&mut self.events, spender, owner, intent.budget)
    }

    fn take_authorized(&mut self, id: B256, intent: &Intent, signature: Signature) -> Ruling<()> {
        let (authorizer, nonce) = (intent.owner, id);
        if signature != Signature::Genuine {
            return refuse(TestStablecoin::ERC3009InvalidSignature {});
        }
        if !self.intents.authorizations.insert((authorizer, nonce)) {
            return refuse(TestStablecoin::ERC3009UsedAuthorization { authorizer, nonce });
        }
        self.events.tell(self.at.money, TestStablecoin::AuthorizationUsed { authorizer, nonce });
        self.money.transfer(&mut self.events, authorizer, self.at.intents, intent.budget)
    }

    fn fulfil(&mut self, intent: &Intent, left: u128) -> Ruling<u64> {
        let (at, max_cost) = (self.at.intents, wide(left));
        match intent.wish {
            Wish::Reserve { size, start, end } => {
                let id = self.reserve_for(at, size, start, end, max_cost)?;
                self.deeds.transfer(&mut self.events, at, at, intent.owner, id)?;
                Ok(id)
            }
            Wish::Register { blob, epochs } => self.register(at, &[blob], epochs, max_cost, intent.owner),
            Wish::Extend { object, epochs } => {
                self.extend(at, object, epochs, max_cost)?;
                Ok(object)
            }
            Wish::Fund { object, amount } => {
                if amount > left {
                    return refuse(Contract::BudgetTooSmall { left: wide(left), needed: wide(amount) });
                }
                self.fund(at, object, amount)?;
                Ok(object)
            }
        }
    }

    /// The owner takes an intent back, whoever hands that in.
    pub(crate) fn cancel(&mut self, authorizer: Address, nonce: B256, signature: Signature) -> Ruling<()> {
        if signature != Signature::Genuine {
            return refuse(TestStablecoin::ERC3009InvalidSignature {});
        }
        if !self.intents.authorizations.insert((authorizer, nonce)) {
            return refuse(TestStablecoin::ERC3009UsedAuthorization { authorizer, nonce });
        }
        self.events.tell(self.at.money, TestStablecoin::AuthorizationCanceled { authorizer, nonce });
        Ok(())
    }

    /// Whether an intent is used up.
    pub(crate) fn is_used(&self, owner: Address, id: B256) -> bool {
        self.intents.used.contains(&id) || self.intents.authorizations.contains(&(owner, id))
    }

    /// What the contract of the intents allowed when it was made.
    pub(crate) fn trust_treasury(&mut self) {
        let (at, treasury) = (self.at.intents, self.at.storage);
        self.money.approve(&mut self.events, at, treasury, U256::MAX);
    }
}
