//! Blobs: registered, certified, extended, deleted, given up; and the funds that some hold to renew themselves.

use alloy::primitives::{Address, B256, U256};

use super::ledger::{Bought, Order};
use super::storage::{Payer, Resource};
use super::{Model, Ruling, refuse, units, wide};
use crate::bindings::{Availability, Blobs, Committee, Storage};
use crate::signing;

/// Epochs that a blob may have left when it is renewed from its fund.
const RENEWAL_WINDOW: u32 = 2;

/// What a blob holds to renew itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fund {
    pub(crate) balance: u128,
    pub(crate) reward: u128,
    pub(crate) epochs: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) id: B256,
    pub(crate) size: u64,
    pub(crate) deletable: bool,
    pub(crate) registered: u32,
    pub(crate) certified: Option<u32>,
    pub(crate) end: u32,
    pub(crate) fund: Fund,
}

/// What the network says of a blob id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) until: u32,
    /// the pool whose end counts as well
    pub(crate) pool: Option<u64>,
    pub(crate) invalid_since: Option<u32>,
}

/// What is claimed to be a certificate.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// the members that the bitmap names
    pub(crate) signers: Vec<usize>,
    /// bytes of the bitmap
    pub(crate) bitmap_bytes: usize,
    /// whether the signature is theirs, over the right message
    pub(crate) genuine: bool,
}

/// Bytes that are registered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewBlob {
    pub(crate) id: B256,
    pub(crate) root: B256,
    pub(crate) size: u64,
    pub(crate) encoding: u8,
    pub(crate) deletable: bool,
}

impl Model {
    pub(crate) fn register(
        &mut self,
        by: Address,
        blobs: &[NewBlob],
        epochs: u32,
        max_cost: U256,
        owner: Address,
    ) -> Ruling<u64> {
        if blobs.is_empty() {
            return refuse(Blobs::EmptyBatch {});
        }
        let mut order = Order { size: 0, units: 0, start: 0, epochs, write_units: 0 };
        for blob in blobs {
            let length = self.well_formed(blob)?;
            order.size += length;
            order.units += units(length);
        }
        order.write_units = order.units;
        let bought = self.purchase(Payer::Allowance(by), order, max_cost)?;
        let first = self.blob_deeds.count + 1;
        for blob in blobs {
            let units = units(self.length(blob.size).expect("well-formed"));
            let terms = self.ledger.terms;
            let cost = u128::from(units) * (terms.storage_price * u128::from(epochs) + terms.write_price);
            self.enter(blob, owner, bought.end, cost)?;
        }
        Ok(first)
    }

    pub(crate) fn register_with_resource(
        &mut self,
        by: Address,
        blob: &NewBlob,
        resource: u64,
        max_cost: U256,
        owner: Address,
    ) -> Ruling<u64> {
        let length = self.well_formed(blob)?;
        let Resource { start, end, .. } = self.take(by, resource, Some(length))?;
        let epoch = self.epoch();
        if start > epoch || end <= epoch {
            return refuse(Storage::ResourceNotCovering { epoch, start, end });
        }
        let order = Order { size: 0, units: 0, start: 0, epochs: 0, write_units: units(length) };
        let Bought { cost, .. } = self.purchase(Payer::Allowance(by), order, max_cost)?;
        self.enter(blob, owner, end, cost)
    }

    pub(crate) fn well_formed(&self, blob: &NewBlob) -> Ruling<u64> {
        if blob.encoding != 1 {
            return refuse(Blobs::WrongEncodingType { expected: 1, got: blob.encoding });
        }
        let Some(length) = self.length(blob.size) else {
            let max = self.rules.encoding.max_blob_size();
            return refuse(Blobs::BlobTooLarge { got: blob.size, max });
        };
        let expected = signing::blob_id(blob.root, blob.size);
        if expected != blob.id {
            return refuse(Blobs::WrongBlobId { expected, got: blob.id });
        }
        self.valid(blob.id)?;
        Ok(length)
    }

    fn enter(&mut self, new: &NewBlob, owner: Address, end: u32, cost: u128) -> Ruling<u64> {
        let object = self.blob_deeds.create(&mut self.events, owner)?;
        let (id, size, deletable, registered) = (new.id, new.size, new.deletable, self.epoch());
        self.blobs
            .insert(object, Blob { id, size, deletable, registered, certified: None, end, fund: Fund::default() });
        let event = Blobs::BlobRegistered {
            blobId: id,
            objectId: wide(object),
            owner,
            size,
            encodingType: 1,
            deletable,
            registeredEpoch: registered,
            endEpoch: end,
            cost: wide(cost),
        };
        self.events.tell(self.at.blobs, event);
        Ok(object)
    }

    pub(crate) fn certify(&mut self, object: u64, claim: &Claim) -> Ruling<()> {
        let blob = self.known(object)?;
        if let Some(certified) = blob.certified {
            return refuse(Blobs::AlreadyCertified { objectId: wide(object), certifiedEpoch: certified });
        }
        self.unexpired(&blob)?;
        self.check(claim, self.rules.quorum())?;
        self.certified(object)
    }

    pub(crate) fn certify_batch(&mut self, objects: &[u64], claim: &Claim) -> Ruling<()> {
        if objects.is_empty() {
            return refuse(Blobs::EmptyBatch {});
        }
        for object in objects {
            let blob = self.known(*object)?;
            self.unexpired(&blob)?;
        }
        self.check(claim, self.rules.quorum())?;
        for object in objects {
            if self.blobs[object].certified.is_none() {
                self.certified(*object)?;
            }
        }
        Ok(())
    }

    fn certified(&mut self, object: u64) -> Ruling<()> {
        let epoch = self.epoch();
        let blob = self.blobs.get_mut(&object).expect("known");
        blob.certified = Some(epoch);
        let blob = blob.clone();
        self.promise(&blob)?;
        let event = Blobs::BlobCertified {
            blobId: blob.id,
            objectId: wide(object),
            deletable: blob.deletable,
            certifiedEpoch: epoch,
            endEpoch: blob.end,
        };
        self.events.tell(self.at.blobs, event);
        Ok(())
    }

    pub(crate) fn invalidate(&mut self, id: B256, claim: &Claim) -> Ruling<()> {
        self.valid(id)?;
        let epoch = self.epoch();
        self.answers.insert(id, Answer { until: 0, pool: None, invalid_since: Some(epoch) });
        self.check(claim, self.rules.honest())?;
        self.events.tell(self.at.blobs, Blobs::BlobInvalidated { blobId: id, epoch });
        Ok(())
    }

    pub(crate) fn extend(&mut self, by: Address, object: u64, epochs: u32, max_cost: U256) -> Ruling<()> {
        let blob = self.with_certificate(object)?;
        self.buy_epochs(Payer::Allowance(by), object, &blob, epochs, max_cost)
    }

    pub(crate) fn extend_with_resource(&mut self, by: Address, object: u64, resource: u64) -> Ruling<()> {
        let blob = self.with_certificate(object)?;
        let Resource { start, end, size } = self.take(by, resource, None)?;
        let length = self.length(blob.size).expect("well-formed");
        if size != length {
            return refuse(Blobs::ResourceSizeMismatch { expected: length, got: size });
        }
        self.unexpired(&blob)?;
        if start != blob.end {
            return refuse(Blobs::ResourceGap { expected: blob.end, got: start });
        }
        self.prolong(object, end, 0)
    }

    fn buy_epochs(&mut self, payer: Payer, object: u64, blob: &Blob, epochs: u32, max: U256) -> Ruling<()> {
        let size = self.length(blob.size).expect("well-formed");
        let order = Order { size, units: units(size), start: blob.end, epochs, write_units: 0 };
        let bought = self.purchase(payer, order, max)?;
        self.unexpired(blob)?;
        self.prolong(object, bought.end, bought.cost)
    }

    fn prolong(&mut self, object: u64, end: u32, cost: u128) -> Ruling<()> {
        let blob = self.blobs.get_mut(&object).expect("known");
        blob.end = end;
        let blob = blob.clone();
        self.promise(&blob)?;
        let event = Blobs::BlobExtended {
            blobId: blob.id,
            objectId: wide(object),
            certifiedEpoch: blob.certified.expect("only what is certified"),
            endEpoch: end,
            cost: wide(cost),
        };
        self.events.tell(self.at.blobs, event);
        Ok(())
    }

    pub(crate) fn delete(&mut self, by: Address, object: u64) -> Ruling<u64> {
        let (owner, blob) = self.owned(by, object)?;
        if !blob.deletable {
            return refuse(Blobs::NotDeletable { objectId: wide(object) });
        }
        self.unexpired(&blob)?;
        let event = Blobs::BlobDeleted {
            blobId: blob.id,
            objectId: wide(object),
            endEpoch: blob.end,
            wasCertified: blob.certified.is_some(),
        };
        self.events.tell(self.at.blobs, event);
        self.forget(object, Some(owner), &blob)?;
        let size = self.length(blob.size).expect("well-formed");
        self.make(owner, Resource { start: self.epoch(), end: blob.end, size })
    }

    pub(crate) fn burn(&mut self, by: Address, object: u64) -> Ruling<()> {
        let (owner, blob) = self.owned(by, object)?;
        let length = self.length(blob.size).expect("well-formed");
        self.ledger.give_up(blob.registered, blob.end, length);
        self.events.tell(self.at.blobs, Blobs::BlobBurned { blobId: blob.id, objectId: wide(object) });
        self.forget(object, Some(owner), &blob)
    }

    fn forget(&mut self, object: u64, to: Option<Address>, blob: &Blob) -> Ruling<()> {
        self.blob_deeds.end(&mut self.events, object);
        let closed = self.close_fund(object, to, blob.fund.balance);
        self.blobs.remove(&object);
        closed
    }

    pub(crate) fn share(&mut self, by: Address, object: u64) -> Ruling<()> {
        let (_, blob) = self.owned(by, object)?;
        if blob.deletable {
            return refuse(Blobs::Deletable { objectId: wide(object) });
        }
        self.unexpired(&blob)?;
        self.events.tell(self.at.blobs, Blobs::BlobShared { objectId: wide(object) });
        self.blob_deeds.hand_over(&mut self.events, object, self.at.blobs);
        Ok(())
    }

    pub(crate) fn fund(&mut self, by: Address, object: u64, amount: u128) -> Ruling<()> {
        let balance = self.known(object)?.fund.balance + amount;
        self.set_fund(object, balance);
        self.ledger.deposits += amount;
        self.collect(by, amount)
    }

    pub(crate) fn set_renewal(&mut self, by: Address, object: u64, epochs: u32, reward: u128) -> Ruling<()> {
        self.owned(by, object)?;
        let fund = &mut self.blobs.get_mut(&object).expect("owned").fund;
        (fund.epochs, fund.reward) = (epochs, reward);
        let event = Blobs::RenewalSet { objectId: wide(object), epochs, reward: wide(reward).to() };
        self.events.tell(self.at.blobs, event);
        Ok(())
    }

    pub(crate) fn withdraw_fund(&mut self, by: Address, object: u64, amount: u128, to: Address) -> Ruling<()> {
        if to == Address::ZERO {
            return refuse(Blobs::ZeroAddress {});
        }
        let balance = self.owned(by, object)?.1.fund.balance;
        if amount > balance {
            return refuse(Blobs::FundTooSmall { balance: wide(balance), needed: wide(amount) });
        }
        self.set_fund(object, balance - amount);
        self.release(Some(to), amount)
    }

    /// Gives how many epochs were added.
    pub(crate) fn renew(&mut self, by: Address, object: u64) -> Ruling<u32> {
        let blob = self.extendable(object)?;
        let remaining = blob.end - self.epoch();
        if remaining > RENEWAL_WINDOW {
            return refuse(Blobs::RenewalNotDue { remaining, window: RENEWAL_WINDOW });
        }
        let Fund { balance, reward, epochs: wanted } = blob.fund;
        let length = self.length(blob.size).expect("well-formed");
        let each = u128::from(units(length)) * self.ledger.terms.storage_price;
        if balance < reward + each {
            return refuse(Blobs::FundTooSmall { balance: wide(balance), needed: wide(reward + each) });
        }
        // As many epochs as were asked for, as the money pays for, and as can be bought.
        let room = self.ledger.max_ahead - remaining;
        let pays_for = |epochs: u32| u128::from(epochs) * each + reward <= balance;
        let epochs = (1..=wanted.max(1).min(room)).rev().find(|epochs| pays_for(*epochs)).expect("one at least");
        let cost = each * u128::from(epochs);
        self.set_fund(object, balance - reward - cost);
        self.buy_epochs(Payer::Deposits, object, &blob, epochs, wide(cost))?;
        if reward != 0 {
            self.release(Some(by), reward)?;
        }
        Ok(epochs)
    }

    pub(crate) fn sweep(&mut self, object: u64) -> Ruling<()> {
        let (_, blob) = self.owned(self.at.blobs, object)?;
        let epoch = self.epoch();
        if blob.end > epoch {
            return refuse(Blobs::NotExpired { endEpoch: blob.end, currentEpoch: epoch });
        }
        self.close_fund(object, None, blob.fund.balance)
    }

    fn close_fund(&mut self, object: u64, to: Option<Address>, balance: u128) -> Ruling<()> {
        if balance == 0 {
            return Ok(());
        }
        self.set_fund(object, 0);
        self.blobs.get_mut(&object).expect("known").fund = Fund::default();
        self.release(to, balance)
    }

    fn set_fund(&mut self, object: u64, balance: u128) {
        self.blobs.get_mut(&object).expect("known").fund.balance = balance;
        self.events.tell(self.at.blobs, Blobs::FundChanged { objectId: wide(object), balance: wide(balance) });
    }

    fn known(&self, object: u64) -> Ruling<Blob> {
        match self.blobs.get(&object) {
            Some(blob) => Ok(blob.clone()),
            None => refuse(Blobs::UnknownObject { objectId: wide(object) }),
        }
    }

    fn owned(&self, by: Address, object: u64) -> Ruling<(Address, Blob)> {
        let blob = self.known(object)?;
        Ok((self.blob_deeds.authorized(by, object)?, blob))
    }

    /// Can be extended unless it has expired, which the treasury's epoch tells.
    fn with_certificate(&self, object: u64) -> Ruling<Blob> {
        let blob = self.known(object)?;
        if blob.certified.is_none() {
            return refuse(Blobs::NotCertified { objectId: wide(object) });
        }
        Ok(blob)
    }

    fn extendable(&self, object: u64) -> Ruling<Blob> {
        let blob = self.with_certificate(object)?;
        self.unexpired(&blob)?;
        Ok(blob)
    }

    fn unexpired(&self, blob: &Blob) -> Ruling<()> {
        let epoch = self.epoch();
        if blob.end <= epoch {
            return refuse(Blobs::BlobExpired { endEpoch: blob.end, currentEpoch: epoch });
        }
        Ok(())
    }

    pub(crate) fn valid(&self, id: B256) -> Ruling<()> {
        match self.answers.get(&id).and_then(|answer| answer.invalid_since) {
            Some(epoch) => refuse(Availability::BlobInvalid { blobId: id, invalidSince: epoch }),
            None => Ok(()),
        }
    }

    /// Whoever asks is told the latest end that was promised; nobody is told of what its owner may delete.
    fn promise(&mut self, blob: &Blob) -> Ruling<()> {
        self.valid(blob.id)?;
        if !blob.deletable {
            let answer = self.answers.entry(blob.id).or_default();
            answer.until = answer.until.max(blob.end);
        }
        Ok(())
    }

    /// Until when the network answers for a blob.
    pub(crate) fn until(&self, answer: &Answer) -> u32 {
        answer.pool.map_or(answer.until, |pool| answer.until.max(self.pools[&pool].end))
    }

    /// Whether enough shards stand behind a certificate.
    pub(crate) fn check(&self, claim: &Claim, needed: u16) -> Ruling<()> {
        let Some(committee) = self.committees.get(&self.epoch()) else { return refuse(Committee::NotLaunched {}) };
        let members = committee.members.len();
        let most = members.div_ceil(8);
        if claim.bitmap_bytes > most {
            return refuse(Committee::BitmapTooLong { got: wide(claim.bitmap_bytes as u64), max: wide(most as u64) });
        }
        if let Some(member) = claim.signers.iter().copied().filter(|member| *member >= members).max() {
            return refuse(Committee::SignerOutOfRange { member: wide(member as u64), members: wide(members as u64) });
        }
        let weight: u16 = claim.signers.iter().map(|member| committee.members[*member].weight).sum();
        if weight < needed {
            return refuse(Committee::NoQuorum { weight: wide(weight), needed: wide(needed) });
        }
        if claim.genuine { Ok(()) } else { refuse(Committee::BadSignature {}) }
    }
}
