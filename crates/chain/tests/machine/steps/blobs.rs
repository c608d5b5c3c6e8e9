//! Operations on blobs and their funds.

use alloy::primitives::{Address, B256, Bytes, U256};

use crate::bindings::Blobs;
use crate::machine::driver::Driver;
use crate::machine::model::blobs::{Claim, NewBlob};
use crate::machine::model::units;
use crate::machine::operations::Draw;
use crate::signing;
use crate::support::CHAIN_ID;

/// Lengths of the blobs that people have.
const SIZES: [u64; 4] = [0, 1_000, 300_000, 2_000_000];

fn encoded(blob: &NewBlob) -> Blobs::NewBlob {
    Blobs::NewBlob {
        blobId: blob.id,
        rootHash: blob.root,
        size: blob.size,
        encodingType: blob.encoding,
        deletable: blob.deletable,
    }
}

impl Driver {
    pub(super) fn size(&self, draw: &mut Draw) -> u64 {
        if draw.percent(98) {
            draw.pick(&SIZES)
        } else {
            draw.pick(&[self.model.rules.encoding.max_blob_size() + 1, 1 << 63])
        }
    }

    pub(super) fn new_blob(&self, draw: &mut Draw) -> NewBlob {
        // Few roots, so that some blobs are registered more than once.
        let root = B256::repeat_byte(u8::try_from(1 + draw.below(6)).expect("small"));
        let size = self.size(draw);
        let id = if draw.percent(98) { signing::blob_id(root, size) } else { B256::repeat_byte(7) };
        let encoding = if draw.percent(99) { 1 } else { 0 };
        NewBlob { id, root, size, encoding, deletable: draw.percent(45) }
    }

    pub(super) fn recipient(&self, draw: &mut Draw, by: Address) -> Address {
        match draw.below(50) {
            0 => Address::ZERO,
            1..=10 => self.user(draw),
            _ => by,
        }
    }

    pub(super) fn register(&mut self, draw: &mut Draw) {
        let (by, blob, epochs, maxCost) =
            (self.user(draw), self.new_blob(draw), Self::epochs(draw), Self::max_cost(draw));
        let owner = self.recipient(draw, by);
        let call = Blobs::registerCall { newBlob: encoded(&blob), epochs, maxCost, owner };
        self.act(by, self.model.at.blobs, call, |model| model.register(by, &[blob], epochs, maxCost, owner));
    }

    pub(super) fn register_batch(&mut self, draw: &mut Draw) {
        let (by, epochs, maxCost) = (self.user(draw), Self::epochs(draw), Self::max_cost(draw));
        let blobs: Vec<_> = (0..draw.below(4)).map(|_| self.new_blob(draw)).collect();
        let owner = self.recipient(draw, by);
        let newBlobs = blobs.iter().map(encoded).collect();
        let call = Blobs::registerBatchCall { newBlobs, epochs, maxCost, owner };
        self.act(by, self.model.at.blobs, call, |model| model.register(by, &blobs, epochs, maxCost, owner));
    }

    pub(super) fn register_with_resource(&mut self, draw: &mut Draw) {
        let blob = self.new_blob(draw);
        let (epoch, length) = (self.model.epoch(), self.model.length(blob.size).unwrap_or(0));
        let resource = self.resource_that(draw, |r| r.start <= epoch && epoch < r.end && r.size >= length);
        let by = self.mostly(draw, self.model.deeds.owners.get(&resource).copied());
        let (maxCost, owner) = (Self::max_cost(draw), self.recipient(draw, by));
        let call = Blobs::registerWithResourceCall {
            newBlob: encoded(&blob),
            resourceId: U256::from(resource),
            maxCost,
            owner,
        };
        self.act(by, self.model.at.blobs, call, |model| {
            model.register_with_resource(by, &blob, resource, maxCost, owner)
        });
    }

    /// A certificate over a message: mostly a good one.
    pub(super) fn certificate(&mut self, draw: &mut Draw, message: &[u8], wrong: &[u8]) -> (Claim, Bytes, [B256; 8]) {
        let members = self.model.committees[&self.model.epoch()].members.len();
        let mut signers: Vec<_> = (0..members).filter(|_| draw.percent(88)).collect();
        let genuine = draw.percent(93);
        let signature = self.sign(&signers, if genuine { message } else { wrong });
        match draw.below(40) {
            0 => signers.push(members + usize::try_from(draw.below(3)).expect("small")),
            // A bit for somebody who did not sign.
            1 => {
                let absent = (0..members).find(|member| !signers.contains(member));
                let claim = Claim { genuine: genuine && absent.is_none(), ..claim_of(&signers, genuine) };
                signers.extend(absent);
                let bitmap = signing::bitmap(&signers);
                return (Claim { signers, bitmap_bytes: bitmap.len(), ..claim }, bitmap, signature);
            }
            2 => {
                let mut bitmap = signing::bitmap(&signers).to_vec();
                bitmap.resize(bitmap.len().max(1) + 1, 0);
                return (Claim { bitmap_bytes: bitmap.len(), ..claim_of(&signers, genuine) }, bitmap.into(), signature);
            }
            _ => {}
        }
        (claim_of(&signers, genuine), signing::bitmap(&signers), signature)
    }

    pub(super) fn certify(&mut self, draw: &mut Draw) {
        let open: Vec<_> = self.model.blobs.iter().filter(|(_, b)| b.certified.is_none()).map(|(id, _)| *id).collect();
        let object = if open.is_empty() || draw.percent(10) { self.blob(draw) } else { draw.pick(&open) };
        let (epoch, by) = (self.model.epoch(), self.user(draw));
        let (id, deletable) = self.model.blobs.get(&object).map_or((B256::ZERO, false), |b| (b.id, b.deletable));
        let message = signing::confirmation_of(epoch, id, deletable.then_some(U256::from(object)));
        let wrong = draw.pick(&[
            signing::confirmation_of(epoch - 1, id, deletable.then_some(U256::from(object))),
            signing::confirmation_of(epoch, id, Some(U256::from(object + 1))),
            signing::confirmation_of(epoch, B256::repeat_byte(9), deletable.then_some(U256::from(object))),
        ]);
        let (claim, signers, signature) = self.certificate(draw, &message, &wrong);
        let call = Blobs::certifyCall { objectId: U256::from(object), signers, signature };
        self.act(by, self.model.at.blobs, call, |model| model.certify(object, &claim));
    }

    pub(super) fn certify_batch(&mut self, draw: &mut Draw) {
        let (epoch, by) = (self.model.epoch(), self.user(draw));
        let live: Vec<_> = self.model.blobs.iter().filter(|(_, b)| b.end > epoch).map(|(id, _)| *id).collect();
        let objects: Vec<_> = (0..draw.below(5))
            .map(|_| if live.is_empty() || draw.percent(5) { self.blob(draw) } else { draw.pick(&live) })
            .collect();
        let list: Vec<_> = objects
            .iter()
            .map(|object| match self.model.blobs.get(object) {
                Some(blob) => (blob.id, blob.deletable.then_some(U256::from(*object))),
                None => (B256::ZERO, None),
            })
            .collect();
        let blobs = self.model.at.blobs;
        let message = signing::batch_confirmation(epoch, CHAIN_ID, blobs, &list);
        let wrong = signing::batch_confirmation(epoch, CHAIN_ID + 1, blobs, &list);
        let (claim, signers, signature) = self.certificate(draw, &message, &wrong);
        let objectIds = objects.iter().map(|object| U256::from(*object)).collect();
        let call = Blobs::certifyBatchCall { objectIds, signers, signature };
        self.act(by, blobs, call, |model| model.certify_batch(&objects, &claim));
    }

    pub(super) fn invalidate(&mut self, draw: &mut Draw) {
        let (epoch, by, blob) = (self.model.epoch(), self.user(draw), self.new_blob(draw));
        let (claim, signers, signature) =
            self.certificate(draw, &signing::invalid(epoch, blob.id), &signing::invalid(epoch + 1, blob.id));
        let call = Blobs::invalidateCall { blobId: blob.id, signers, signature };
        self.act(by, self.model.at.blobs, call, |model| model.invalidate(blob.id, &claim));
    }

    /// A blob, mostly one that can be extended.
    pub(super) fn lively(&self, draw: &mut Draw) -> u64 {
        let epoch = self.model.epoch();
        let live = self.model.blobs.iter().filter(|(_, b)| b.end > epoch && b.certified.is_some());
        let live: Vec<_> = live.map(|(id, _)| *id).collect();
        if live.is_empty() || draw.percent(15) { self.blob(draw) } else { draw.pick(&live) }
    }

    pub(super) fn extend(&mut self, draw: &mut Draw) {
        let (by, object, maxCost) = (self.user(draw), self.lively(draw), Self::max_cost(draw));
        let epochs = if draw.percent(80) { 1 + draw.small(3) } else { Self::epochs(draw) };
        let call = Blobs::extendCall { objectId: U256::from(object), epochs, maxCost };
        self.act(by, self.model.at.blobs, call, |model| model.extend(by, object, epochs, maxCost));
    }

    pub(super) fn extend_with_resource(&mut self, draw: &mut Draw) {
        let object = self.lively(draw);
        let fitting = self.model.blobs.get(&object).map_or(Vec::new(), |blob| {
            let length = self.model.length(blob.size).expect("well-formed");
            let fits = self.model.resources.iter().filter(|(_, r)| r.size == length && r.start == blob.end);
            fits.map(|(id, _)| *id).collect()
        });
        let resource = if !fitting.is_empty() {
            draw.pick(&fitting)
        } else if let (Some(blob), true) = (self.model.blobs.get(&object), draw.percent(70)) {
            // Somebody buys what fits first.
            let (size, start) = (self.model.length(blob.size).expect("well-formed"), blob.end);
            let (by, end) = (self.user(draw), start + 1 + draw.small(3));
            self.reserve_window(by, size, start, end).unwrap_or(1)
        } else {
            self.resource(draw)
        };
        let by = self.mostly(draw, self.model.deeds.owners.get(&resource).copied());
        let call = Blobs::extendWithResourceCall { objectId: U256::from(object), resourceId: U256::from(resource) };
        self.act(by, self.model.at.blobs, call, |model| model.extend_with_resource(by, object, resource));
    }

    fn owner_of(&self, draw: &mut Draw, object: u64) -> Address {
        self.mostly(draw, self.model.blob_deeds.owners.get(&object).copied())
    }

    pub(super) fn delete(&mut self, draw: &mut Draw) {
        let object = self.blob(draw);
        let by = self.owner_of(draw, object);
        let call = Blobs::deleteBlobCall { objectId: U256::from(object) };
        self.act(by, self.model.at.blobs, call, |model| model.delete(by, object));
    }

    pub(super) fn burn(&mut self, draw: &mut Draw) {
        let object = self.blob(draw);
        let by = self.owner_of(draw, object);
        let call = Blobs::burnCall { objectId: U256::from(object) };
        self.act(by, self.model.at.blobs, call, |model| model.burn(by, object));
    }

    pub(super) fn share(&mut self, draw: &mut Draw) {
        let object = self.lively(draw);
        let by = self.owner_of(draw, object);
        let call = Blobs::shareCall { objectId: U256::from(object) };
        self.act(by, self.model.at.blobs, call, |model| model.share(by, object));
    }

    pub(super) fn fund(&mut self, draw: &mut Draw) {
        let (by, object) = (self.user(draw), self.lively(draw));
        let each = self.model.blobs.get(&object).map_or(1, |blob| units(self.model.length(blob.size).unwrap_or(1)));
        self.fund_with(by, object, u128::from(draw.below(each * 4_000)));
    }

    /// A certified blob in its last two epochs, if there is one.
    fn ending(&self, draw: &mut Draw) -> u64 {
        let epoch = self.model.epoch();
        let ends =
            self.model.blobs.iter().filter(|(_, b)| b.certified.is_some() && b.end > epoch && b.end <= epoch + 2);
        let ends: Vec<_> = ends.map(|(id, _)| *id).collect();
        if ends.is_empty() { self.lively(draw) } else { draw.pick(&ends) }
    }

    fn fund_with(&mut self, by: Address, object: u64, amount: u128) {
        let call = Blobs::fundCall { objectId: U256::from(object), amount };
        self.act(by, self.model.at.blobs, call, |model| model.fund(by, object, amount));
    }

    pub(super) fn set_renewal(&mut self, draw: &mut Draw) {
        let object = self.lively(draw);
        let by = self.owner_of(draw, object);
        let (epochs, reward) = (draw.pick(&[0, 1, 2, 3, 100, u32::MAX]), u128::from(draw.below(300)));
        let call = Blobs::setRenewalCall { objectId: U256::from(object), epochs, reward: U256::from(reward).to() };
        self.act(by, self.model.at.blobs, call, |model| model.set_renewal(by, object, epochs, reward));
    }

    pub(super) fn renew(&mut self, draw: &mut Draw) {
        let by = self.user(draw);
        let epoch = self.model.epoch();
        let due = self
            .model
            .blobs
            .iter()
            .filter(|(_, b)| b.certified.is_some() && b.end > epoch && b.end <= epoch + 2 && b.fund.balance != 0);
        let due: Vec<_> = due.map(|(id, _)| *id).collect();
        let object = if due.is_empty() || draw.percent(20) { self.ending(draw) } else { draw.pick(&due) };
        if due.is_empty() && draw.percent(70) {
            self.fund_with(by, object, u128::from(draw.below(40_000)));
        }
        let call = Blobs::renewCall { objectId: U256::from(object) };
        self.act(by, self.model.at.blobs, call, |model| model.renew(by, object));
    }

    pub(super) fn withdraw_fund(&mut self, draw: &mut Draw) {
        let object = self.blob(draw);
        let by = self.owner_of(draw, object);
        let balance = self.model.blobs.get(&object).map_or(0, |blob| blob.fund.balance);
        let amount = u128::from(draw.below(u64::try_from(balance).expect("small") + 2));
        let to = if draw.percent(95) { self.user(draw) } else { Address::ZERO };
        let call = Blobs::withdrawFundCall { objectId: U256::from(object), amount, to };
        self.act(by, self.model.at.blobs, call, |model| model.withdraw_fund(by, object, amount, to));
    }

    pub(super) fn sweep(&mut self, draw: &mut Draw) {
        let (by, blobs) = (self.user(draw), self.model.at.blobs);
        let shared = self.model.blob_deeds.owners.iter().filter(|(_, owner)| **owner == blobs);
        let shared: Vec<_> = shared.map(|(id, _)| *id).collect();
        let object = if shared.is_empty() || draw.percent(20) { self.blob(draw) } else { draw.pick(&shared) };
        let call = Blobs::sweepFundCall { objectId: U256::from(object) };
        self.act(by, blobs, call, |model| model.sweep(object));
    }
}

fn claim_of(signers: &[usize], genuine: bool) -> Claim {
    let genuine = genuine && !signers.is_empty();
    Claim { signers: signers.to_vec(), bitmap_bytes: signing::bitmap(signers).len(), genuine }
}
