//! Operations of relayers: what owners sign, and what becomes of it.

use alloy::primitives::{Address, B256, Bytes, U256};

use crate::bindings::{Intents, TestStablecoin};
use crate::machine::driver::Driver;
use crate::machine::model::intents::{Agreement, Intent, Signature, Wish};
use crate::machine::operations::Draw;
use crate::support::CHAIN_ID;
use crate::typed_data;

/// How many intents are remembered, to be handed in again or cancelled.
const REMEMBERED: usize = 8;

fn terms(intent: &Intent) -> Intents::Terms {
    Intents::Terms {
        owner: intent.owner,
        relayer: intent.relayer,
        budget: U256::from(intent.budget),
        maxFee: U256::from(intent.max_fee),
        validAfter: U256::from(intent.valid_after),
        validBefore: U256::from(intent.valid_before),
        salt: intent.salt,
    }
}

fn reserve(intent: &Intent, size: u64, start: u32, end: u32) -> Intents::ReserveStorage {
    Intents::ReserveStorage { size, start, end, terms: terms(intent) }
}

fn extend(intent: &Intent, object: u64, epochs: u32) -> Intents::ExtendBlob {
    Intents::ExtendBlob { objectId: U256::from(object), epochs, terms: terms(intent) }
}

fn fund(intent: &Intent, object: u64, amount: u128) -> Intents::FundBlob {
    Intents::FundBlob { objectId: U256::from(object), amount, terms: terms(intent) }
}

fn register(intent: &Intent, blob: &crate::machine::model::blobs::NewBlob, epochs: u32) -> Intents::RegisterBlob {
    let blob = Intents::NewBlob {
        blobId: blob.id,
        rootHash: blob.root,
        size: blob.size,
        encodingType: blob.encoding,
        deletable: blob.deletable,
    };
    Intents::RegisterBlob { blob, epochs, terms: terms(intent) }
}

impl Driver {
    fn wish(&self, draw: &mut Draw) -> Wish {
        let epoch = self.model.epoch();
        match draw.below(5) {
            0 => {
                let start = (epoch + draw.small(4)).saturating_sub(1);
                Wish::Reserve { size: self.bytes(draw), start, end: start + draw.small(6) }
            }
            1 => Wish::Extend { object: self.lively(draw), epochs: 1 + draw.small(3) },
            2 => Wish::Fund { object: self.lively(draw), amount: u128::from(draw.below(60_000)) },
            _ => Wish::Register { blob: self.new_blob(draw), epochs: Self::epochs(draw) },
        }
    }

    fn intent(&self, draw: &mut Draw) -> Intent {
        let budget = match draw.below(20) {
            0 => 0,
            1 => 10_u128.pow(15),
            2..=4 => u128::from(draw.below(20_000)),
            _ => 100_000 + u128::from(draw.below(100_000)),
        };
        // Now and then too early or too late.
        let (early, late) = (draw.percent(4), draw.percent(4));
        Intent {
            wish: self.wish(draw),
            owner: self.user(draw),
            relayer: if draw.percent(50) { Address::ZERO } else { self.user(draw) },
            budget,
            max_fee: u128::from(draw.below(3_000)),
            valid_after: self.model.now - if early { 0 } else { 1 + draw.below(1_000) },
            valid_before: self.model.now + if late { 0 } else { 1 + draw.below(20_000) },
            salt: B256::from(U256::from(draw.below(u64::MAX))),
        }
    }

    /// What the owner signs of an intent.
    fn id_of(&self, intent: &Intent) -> B256 {
        let hash = match intent.wish {
            Wish::Reserve { size, start, end } => typed_data::reserve_hash(&reserve(intent, size, start, end)),
            Wish::Register { blob, epochs } => typed_data::register_hash(&register(intent, &blob, epochs)),
            Wish::Extend { object, epochs } => typed_data::extend_hash(&extend(intent, object, epochs)),
            Wish::Fund { object, amount } => typed_data::fund_hash(&fund(intent, object, amount)),
        };
        typed_data::typed(typed_data::domain("Floe Intents", CHAIN_ID, self.model.at.intents), hash)
    }

    /// A signature of a token's structure by its owner, unless something is wrong with it.
    fn token_signature(&self, draw: &mut Draw, owner: Address, hash: B256) -> (Signature, Bytes) {
        let separator = typed_data::domain("Floe Test Dollar (worthless)", CHAIN_ID, self.model.at.money);
        self.signature(draw, owner, typed_data::typed(separator, hash))
    }

    fn signature(&self, draw: &mut Draw, owner: Address, digest: B256) -> (Signature, Bytes) {
        let by = |signer: Address, digest| typed_data::sign(&self.signers[&signer], &digest);
        let others: Vec<_> = self.users.iter().filter(|user| **user != owner).copied().collect();
        match draw.below(40) {
            0 => (Signature::Missing, Bytes::new()),
            1 => (Signature::Wrong, by(draw.pick(&others), digest)),
            2 => (Signature::Wrong, by(owner, B256::repeat_byte(1))),
            _ => (Signature::Genuine, by(owner, digest)),
        }
    }

    fn agreement(&self, draw: &mut Draw, intent: &Intent, id: B256) -> (Agreement, Intents::Payment) {
        let (owner, at) = (intent.owner, self.model.at.intents);
        let scheme = draw.pick(&[0_u8, 0, 1, 2, 2]);
        if scheme < 2 {
            let hash = typed_data::authorization(&terms(intent), at, id);
            let (kind, signature) = self.token_signature(draw, owner, hash);
            let agreement =
                if scheme == 0 { Agreement::Authorization(kind) } else { Agreement::ContractAuthorization(kind) };
            return (agreement, Intents::Payment { scheme, signature, permit: Bytes::new() });
        }
        let (kind, signature) = self.signature(draw, owner, id);
        let allowed = self.model.money.allowance(owner, at) >= U256::from(intent.budget);
        if draw.percent(if allowed { 60 } else { 10 }) {
            return (Agreement::Allowance(kind, None), Intents::Payment { scheme, signature, permit: Bytes::new() });
        }
        let nonce = U256::from(self.model.intents.permits.get(&owner).copied().unwrap_or(0));
        let (given, permit) = self.token_signature(draw, owner, typed_data::permit(&terms(intent), at, nonce));
        let permitted = if permit.is_empty() { None } else { Some(given) };
        (Agreement::Allowance(kind, permitted), Intents::Payment { scheme, signature, permit })
    }

    pub(super) fn carry_out(&mut self, draw: &mut Draw) {
        let again = draw.percent(12) && !self.intents.is_empty();
        let intent = if again { draw.pick(&self.intents) } else { self.intent(draw) };
        if !again {
            self.remember(intent);
        }
        let id = self.id_of(&intent);
        let (agreement, payment) = self.agreement(draw, &intent, id);
        let by = self.mostly(draw, Some(intent.relayer).filter(|relayer| *relayer != Address::ZERO));
        let fee = if draw.percent(90) { draw.below(u64::try_from(intent.max_fee).expect("small") + 1) } else { 3_000 };
        let (fee, amount) = (U256::from(fee), u128::from(fee));
        let at = self.model.at.intents;
        match intent.wish {
            Wish::Reserve { size, start, end } => {
                let call = Intents::reserveCall { intent: reserve(&intent, size, start, end), payment, fee };
                self.act(by, at, call, |model| model.carry_out(by, id, &intent, agreement, amount));
            }
            Wish::Register { blob, epochs } => {
                let call = Intents::registerCall { intent: register(&intent, &blob, epochs), payment, fee };
                self.act(by, at, call, |model| model.carry_out(by, id, &intent, agreement, amount));
            }
            Wish::Extend { object, epochs } => {
                let call = Intents::extendCall { intent: extend(&intent, object, epochs), payment, fee };
                let rule = |model: &mut crate::machine::model::Model| {
                    model.carry_out(by, id, &intent, agreement, amount).map(drop)
                };
                self.act(by, at, call, |model| rule(model));
            }
            Wish::Fund { object, amount: given } => {
                let call = Intents::fundCall { intent: fund(&intent, object, given), payment, fee };
                let rule = |model: &mut crate::machine::model::Model| {
                    model.carry_out(by, id, &intent, agreement, amount).map(drop)
                };
                self.act(by, at, call, |model| rule(model));
            }
        }
        let used = self.evm.view(at, &Intents::isUsedCall { owner: intent.owner, intentId: id });
        let expected = self.model.is_used(intent.owner, id);
        self.require(used == expected, || format!("used: {used}, not {expected}"));
    }

    fn remember(&mut self, intent: Intent) {
        if self.intents.len() == REMEMBERED {
            self.intents.remove(0);
        }
        self.intents.push(intent);
    }

    pub(super) fn cancel_intent(&mut self, draw: &mut Draw) {
        let intent = if self.intents.is_empty() { self.intent(draw) } else { draw.pick(&self.intents) };
        let (by, authorizer, nonce) = (self.user(draw), intent.owner, self.id_of(&intent));
        let (kind, signature) = self.token_signature(draw, authorizer, typed_data::cancellation(authorizer, nonce));
        let call = TestStablecoin::cancelAuthorization_1Call { authorizer, nonce, signature };
        self.act(by, self.model.at.money, call, |model| model.cancel(authorizer, nonce, kind));
    }
}
