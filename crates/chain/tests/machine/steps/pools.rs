//! Operations on pools and the blobs in them.

use alloy::primitives::{Address, B256, U256};

use crate::bindings::Pools;
use crate::machine::driver::Driver;
use crate::machine::model::pools::{Entry, Pool, Pooled};
use crate::machine::model::storage::MOST;
use crate::machine::operations::Draw;
use crate::signing;

impl Driver {
    pub(super) fn pool(&self, draw: &mut Draw) -> u64 {
        let ids: Vec<_> = self.model.pools.keys().copied().collect();
        super::one_of(draw, &ids)
    }

    /// A pool that the filter lets pass, mostly.
    fn pool_that(&self, draw: &mut Draw, fits: impl Fn(&Pool) -> bool) -> u64 {
        let fitting: Vec<_> = self.model.pools.iter().filter(|(_, pool)| fits(pool)).map(|(id, _)| *id).collect();
        if fitting.is_empty() || draw.percent(8) { self.pool(draw) } else { draw.pick(&fitting) }
    }

    fn lasting_pool(&self, draw: &mut Draw) -> u64 {
        let epoch = self.model.epoch();
        self.pool_that(draw, |pool| pool.end > epoch)
    }

    /// A registration that the filter lets pass, mostly.
    fn entry_that(&self, draw: &mut Draw, fits: impl Fn(&Pool, &Pooled) -> bool) -> Entry {
        let all = self.entries();
        let fitting: Vec<_> = all
            .iter()
            .filter(|entry| {
                let pool = &self.model.pools[&entry.pool];
                fits(pool, &pool.blobs[&entry.place])
            })
            .copied()
            .collect();
        match draw.below(20) {
            0 => Entry { pool: self.pool(draw), place: 1 + draw.below(3) },
            1 if !all.is_empty() => draw.pick(&all),
            _ if !fitting.is_empty() => draw.pick(&fitting),
            _ if !all.is_empty() => draw.pick(&all),
            _ => Entry { pool: 1, place: 1 },
        }
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let pools = self.model.pools.iter();
        pools.flat_map(|(pool, of)| of.blobs.keys().map(|place| Entry { pool: *pool, place: *place })).collect()
    }

    pub(super) fn owner_of_pool(&self, draw: &mut Draw, pool: u64) -> Address {
        self.mostly(draw, self.model.pool_deeds.owners.get(&pool).copied())
    }

    pub(super) fn create_pool(&mut self, draw: &mut Draw) {
        let (by, at) = (self.user(draw), self.model.at.pools);
        let owner = self.recipient(draw, by);
        if draw.percent(65) {
            let size = if draw.percent(5) { draw.pick(&[MOST + 1, u64::MAX]) } else { self.bytes(draw) };
            let (epochs, maxCost) = (Self::epochs(draw), Self::max_cost(draw));
            let call = Pools::createCall { size, epochs, maxCost, owner };
            self.act(by, at, call, |model| model.create_pool(by, size, epochs, maxCost, owner));
        } else {
            let epoch = self.model.epoch();
            let resource = self.resource_that(draw, |r| r.start <= epoch && epoch < r.end);
            let by = self.mostly(draw, self.model.deeds.owners.get(&resource).copied());
            let call = Pools::createWithResourceCall { resourceId: U256::from(resource), owner };
            self.act(by, at, call, |model| model.create_pool_with_resource(by, resource, owner));
        }
    }

    pub(super) fn extend_pool(&mut self, draw: &mut Draw) {
        let (by, pool, maxCost) = (self.user(draw), self.lasting_pool(draw), Self::max_cost(draw));
        let epochs = if draw.percent(85) { 1 + draw.small(3) } else { Self::epochs(draw) };
        let call = Pools::extendCall { poolId: U256::from(pool), epochs, maxCost };
        self.act(by, self.model.at.pools, call, |model| model.extend_pool(by, pool, epochs, maxCost));
    }

    pub(super) fn increase_pool(&mut self, draw: &mut Draw) {
        let (pool, at) = (self.lasting_pool(draw), self.model.at.pools);
        let (by, poolId) = (self.owner_of_pool(draw, pool), U256::from(pool));
        if draw.percent(55) {
            let (size, maxCost) = (self.bytes(draw), Self::max_cost(draw));
            let call = Pools::increaseCall { poolId, size, maxCost };
            self.act(by, at, call, |model| model.increase_pool(by, pool, size, maxCost));
        } else {
            let (epoch, end) = (self.model.epoch(), self.model.pools.get(&pool).map_or(0, |pool| pool.end));
            let mut resource = self.resource_that(draw, |r| r.start <= epoch && r.end == end);
            if self.model.resources.get(&resource).is_none_or(|r| r.end != end) && draw.percent(70) {
                // The caller buys what fits first.
                resource = self.reserve_window(by, 1 + draw.below(4 << 20), epoch, end).unwrap_or(resource);
            }
            let call = Pools::increaseWithResourceCall { poolId, resourceId: U256::from(resource) };
            self.act(by, at, call, |model| model.increase_pool_with_resource(by, pool, resource));
        }
    }

    pub(super) fn decrease_pool(&mut self, draw: &mut Draw) {
        let (pool, at) = (self.lasting_pool(draw), self.model.at.pools);
        let (by, poolId) = (self.owner_of_pool(draw, pool), U256::from(pool));
        let unused = self.model.pools.get(&pool).map_or(1, |pool| pool.size - self.model.used(pool));
        if draw.percent(50) {
            let size = match draw.below(8) {
                0 => draw.pick(&[0, unused, unused + 1]),
                _ => draw.below(unused.max(1)),
            };
            let call = Pools::decreaseCall { poolId, size };
            self.act(by, at, call, |model| model.decrease_pool(by, pool, size));
        } else {
            let bps = draw.pick(&[0, 1, 777, 2_500, 5_000, 9_999, 10_000, 10_001]);
            let call = Pools::decreaseByPartCall { poolId, bps };
            self.act(by, at, call, |model| model.decrease_pool_by_part(by, pool, bps));
        }
    }

    pub(super) fn destroy_pool(&mut self, draw: &mut Draw) {
        let pool = self.pool_that(draw, |pool| pool.blobs.is_empty());
        let by = self.owner_of_pool(draw, pool);
        let call = Pools::destroyCall { poolId: U256::from(pool) };
        self.act(by, self.model.at.pools, call, |model| model.destroy_pool(by, pool));
    }

    pub(super) fn register_in_pool(&mut self, draw: &mut Draw) {
        let (blob, epoch) = (self.new_blob(draw), self.model.epoch());
        let length = self.model.length(blob.size).unwrap_or(0);
        let pool = self.pool_that(draw, |pool| pool.end > epoch && pool.size - self.model.used(pool) >= length);
        let (by, maxCost) = (self.owner_of_pool(draw, pool), Self::max_cost(draw));
        let newBlob = Pools::NewBlob {
            blobId: blob.id,
            rootHash: blob.root,
            size: blob.size,
            encodingType: blob.encoding,
            deletable: blob.deletable,
        };
        let call = Pools::registerCall { poolId: U256::from(pool), newBlob, maxCost };
        self.act(by, self.model.at.pools, call, |model| model.register_in_pool(by, pool, &blob, maxCost));
    }

    pub(super) fn certify_in_pool(&mut self, draw: &mut Draw) {
        let epoch = self.model.epoch();
        let entry = self.entry_that(draw, |pool, blob| pool.end > epoch && blob.certified.is_none());
        let (id, deletable) =
            self.model.entry(entry).map_or((B256::ZERO, false), |(_, blob)| (blob.id, blob.deletable));
        let (by, object) = (self.user(draw), deletable.then_some(entry.number()));
        let message = signing::confirmation_of(epoch, id, object);
        let wrong = draw.pick(&[
            signing::confirmation_of(epoch + 1, id, object),
            // That of an object outside a pool, of the same place.
            signing::confirmation_of(epoch, id, Some(U256::from(entry.place))),
        ]);
        let (claim, signers, signature) = self.certificate(draw, &message, &wrong);
        let call = Pools::certifyCall { objectId: entry.number(), signers, signature };
        self.act(by, self.model.at.pools, call, |model| model.certify_in_pool(entry, &claim));
    }

    pub(super) fn refresh(&mut self, draw: &mut Draw) {
        let entry = self.entry_that(draw, |_, blob| blob.certified.is_some() && !blob.deletable);
        let (by, call) = (self.user(draw), Pools::refreshCall { objectId: entry.number() });
        self.act(by, self.model.at.pools, call, |model| model.refresh(entry));
    }

    pub(super) fn delete_in_pool(&mut self, draw: &mut Draw) {
        let epoch = self.model.epoch();
        let entry = self.entry_that(draw, |pool, blob| pool.end > epoch && blob.deletable);
        let by = self.owner_of_pool(draw, entry.pool);
        let call = Pools::deleteBlobCall { objectId: entry.number() };
        self.act(by, self.model.at.pools, call, |model| model.delete_in_pool(by, entry));
    }

    pub(super) fn burn_expired(&mut self, draw: &mut Draw) {
        let epoch = self.model.epoch();
        let first = self.entry_that(draw, |pool, _| pool.end <= epoch);
        let of_pool = self.entries().into_iter().filter(|entry| entry.pool == first.pool);
        let mut entries: Vec<_> = of_pool.filter(|_| draw.percent(60)).collect();
        if draw.percent(10) {
            entries.push(first);
        }
        let by = self.owner_of_pool(draw, first.pool);
        let call = Pools::burnExpiredCall { objectIds: entries.iter().map(|entry| entry.number()).collect() };
        self.act(by, self.model.at.pools, call, |model| model.burn_expired(by, &entries));
    }
}
