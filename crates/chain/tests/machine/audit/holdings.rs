//! What accounts hold: resources, blobs, pools, what is said of them, and permits.

use alloy::primitives::{Address, Bytes};
use alloy::sol_types::SolError as _;

use crate::bindings::{Attributes, Availability, Blobs, Pools, Storage, TestStablecoin};
use crate::machine::driver::Driver;
use crate::machine::model::pools::Entry;
use crate::machine::model::wide;

impl Driver {
    pub(super) fn audit_deeds(&mut self, accounts: &[Address]) {
        let (at, model) = (self.model.at, self.model.clone());
        for (id, resource) in &model.resources {
            let got = self.evm.view(at.storage, &Storage::resourceCall { resourceId: wide(*id) });
            self.same("resource", (got.start, got.end, got.size), (resource.start, resource.end, resource.size));
            let owner = self.evm.view(at.storage, &Storage::ownerOfCall { tokenId: wide(*id) });
            self.same("owner of a resource", owner, model.deeds.owners[id]);
        }
        for (id, blob) in &model.blobs {
            let got = self.evm.view(at.blobs, &Blobs::blobCall { objectId: wide(*id) });
            let expected = Blobs::BlobObject {
                blobId: blob.id,
                owner: model.blob_deeds.owners[id],
                size: blob.size,
                encodingType: 1,
                deletable: blob.deletable,
                registeredEpoch: blob.registered,
                certifiedEpoch: blob.certified.unwrap_or(0),
                endEpoch: blob.end,
            };
            self.same("blob", got, expected);
            self.require(blob.certified.is_none_or(|epoch| epoch >= blob.registered), || "certified too early".into());
            let fund = self.evm.view(at.blobs, &Blobs::fundOfCall { objectId: wide(*id) });
            let got = (fund.balance, fund.reward.to::<u128>(), fund.epochs);
            self.same("fund", got, (blob.fund.balance, blob.fund.reward, blob.fund.epochs));
        }
        for deeds in [&model.deeds, &model.blob_deeds, &model.pool_deeds] {
            for account in accounts {
                let count = self.evm.view(deeds.at, &Storage::balanceOfCall { owner: *account });
                self.same("how many are owned", count, wide(deeds.owned(*account) as u64));
            }
        }
        for (id, answer) in &model.answers {
            let until = self.evm.view(at.availability, &Availability::availableUntilCall { blobId: *id });
            let since = self.evm.view(at.availability, &Availability::invalidSinceCall { blobId: *id });
            self.same("answer", (until, since), (model.until(answer), answer.invalid_since.unwrap_or(0)));
            let available = self.evm.view(at.availability, &Availability::isAvailableCall { blobId: *id });
            self.same("available", available, model.until(answer) > model.epoch());
        }
    }

    pub(super) fn audit_pools(&mut self) {
        let (at, model) = (self.model.at, self.model.clone());
        let count = self.evm.view(at.pools, &Pools::poolCountCall {});
        self.same("pools so far", count, wide(model.pool_deeds.count));
        for (id, pool) in &model.pools {
            let owner = model.pool_deeds.owners[id];
            let got = self.evm.view(at.pools, &Pools::poolCall { poolId: wide(*id) });
            let expected = (owner, pool.size, pool.end, model.used(pool), pool.blobs.len() as u64);
            self.same("pool", (got.owner, got.size, got.endEpoch, got.used, got.blobs), expected);
            let end = self.evm.view(at.availability, &Availability::poolEndCall { poolId: wide(*id) });
            self.same("end of a pool", end, pool.end);
            for (place, blob) in &pool.blobs {
                let object = Entry { pool: *id, place: *place }.number();
                let got = self.evm.view(at.pools, &Pools::blobCall { objectId: object });
                let expected = Pools::BlobObject {
                    blobId: blob.id,
                    owner,
                    size: blob.size,
                    encodingType: 1,
                    deletable: blob.deletable,
                    registeredEpoch: blob.registered,
                    certifiedEpoch: blob.certified.unwrap_or(0),
                    endEpoch: pool.end,
                };
                self.same("blob in a pool", got, expected);
            }
        }
    }

    pub(super) fn audit_attributes(&mut self) {
        let (at, model) = (self.model.at.attributes, self.model.clone());
        for (objectId, said) in &model.said {
            let objectId = *objectId;
            let got = self.evm.call_as(Address::ZERO, at, &Attributes::attributesCall { objectId });
            // They are gone with their registration.
            if !model.is_registered(objectId) {
                let gone = Bytes::from(Blobs::UnknownObject { objectId }.abi_encode());
                self.same("what is said of nothing", got.err(), Some(gone));
                continue;
            }
            let got = got.map(|list| list.into_iter().map(|pair| (pair.key, pair.value)).collect());
            self.same("attributes", got, Ok(said.clone()));
            if let Some((key, value)) = said.first_key_value() {
                let got = self.evm.view(at, &Attributes::attributeCall { objectId, key: key.clone() });
                self.same("attribute", &got, value);
            }
        }
    }

    pub(super) fn audit_permits(&mut self) {
        let (at, users) = (self.model.at, self.users.clone());
        for owner in users {
            let got = self.evm.view(at.money, &TestStablecoin::noncesCall { owner });
            self.same("permits", got, wide(self.model.intents.permits.get(&owner).copied().unwrap_or(0)));
            let got = self.evm.view(at.money, &TestStablecoin::allowanceCall { owner, spender: at.intents });
            self.same("allowance", got, self.model.money.allowance(owner, at.intents));
        }
    }
}
