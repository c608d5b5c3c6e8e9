//! Pools: capacity with one end that many blobs share, and the blobs in it.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256};

use super::blobs::{Claim, NewBlob};
use super::ledger::{Bought, Order};
use super::storage::{MOST, Payer, Resource};
use super::{Model, Ruling, WHOLE, refuse, units, wide};
use crate::bindings::{Blobs, Pools};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) size: u64,
    pub(crate) end: u32,
    /// registrations so far
    pub(crate) registered: u64,
    pub(crate) blobs: BTreeMap<u64, Pooled>,
}

/// A registration in a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pooled {
    pub(crate) id: B256,
    pub(crate) size: u64,
    pub(crate) deletable: bool,
    pub(crate) registered: u32,
    pub(crate) certified: Option<u32>,
}

/// Where a registration lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) pool: u64,
    pub(crate) place: u64,
}

impl Entry {
    /// Its number among all objects.
    pub(crate) fn number(self) -> U256 {
        (U256::from(self.pool) << 64) | U256::from(self.place)
    }
}

impl Model {
    pub(crate) fn create_pool(
        &mut self,
        by: Address,
        size: u64,
        epochs: u32,
        max_cost: U256,
        owner: Address,
    ) -> Ruling<u64> {
        possible(size.into())?;
        let order = Order { size, units: units(size), start: 0, epochs, write_units: 0 };
        let Bought { end, cost, .. } = self.purchase(Payer::Allowance(by), order, max_cost)?;
        self.open_storage_pool(owner, size, end, cost)
    }

    pub(crate) fn create_pool_with_resource(&mut self, by: Address, resource: u64, owner: Address) -> Ruling<u64> {
        let Resource { start, end, size } = self.take(by, resource, None)?;
        let epoch = self.epoch();
        if start > epoch || end <= epoch {
            return refuse(Pools::ResourceNotCovering { epoch, start, end });
        }
        self.open_storage_pool(owner, size, end, 0)
    }

    fn open_storage_pool(&mut self, owner: Address, size: u64, end: u32, cost: u128) -> Ruling<u64> {
        let id = self.pool_deeds.create(&mut self.events, owner)?;
        self.pools.insert(id, Pool { size, end, registered: 0, blobs: BTreeMap::new() });
        let event = Pools::PoolCreated { poolId: wide(id), owner, size, endEpoch: end, cost: wide(cost) };
        self.events.tell(self.at.pools, event);
        Ok(id)
    }

    pub(crate) fn extend_pool(&mut self, by: Address, id: u64, epochs: u32, max_cost: U256) -> Ruling<()> {
        let Some(Pool { size, end, .. }) = self.pools.get(&id).cloned() else {
            return refuse(Pools::ERC721NonexistentToken { tokenId: wide(id) });
        };
        self.lasts(end)?;
        let order = Order { size, units: units(size), start: end, epochs, write_units: 0 };
        let bought = self.purchase(Payer::Allowance(by), order, max_cost)?;
        self.pools.get_mut(&id).expect("known").end = bought.end;
        let event = Pools::PoolExtended { poolId: wide(id), endEpoch: bought.end, cost: wide(bought.cost) };
        self.events.tell(self.at.pools, event);
        Ok(())
    }

    pub(crate) fn increase_pool(&mut self, by: Address, id: u64, size: u64, max_cost: U256) -> Ruling<()> {
        let (_, Pool { size: before, end, .. }) = self.lasting_pool(by, id)?;
        if size == 0 {
            return refuse(Pools::SizeOutOfRange { got: wide(0_u8), max: wide(MOST) });
        }
        possible(u128::from(before) + u128::from(size))?;
        let (start, epochs) = (self.epoch(), end - self.epoch());
        let order = Order { size, units: units(size), start, epochs, write_units: 0 };
        let cost = self.purchase(Payer::Allowance(by), order, max_cost)?.cost;
        self.resize(id, before + size, cost);
        Ok(())
    }

    pub(crate) fn increase_pool_with_resource(&mut self, by: Address, id: u64, resource: u64) -> Ruling<()> {
        let (_, pool) = self.lasting_pool(by, id)?;
        let Resource { start, end, size } = self.take(by, resource, None)?;
        let epoch = self.epoch();
        if start > epoch {
            return refuse(Pools::ResourceNotCovering { epoch, start, end });
        }
        if end != pool.end {
            return refuse(Pools::EndsDiffer { expected: pool.end, got: end });
        }
        possible(u128::from(pool.size) + u128::from(size))?;
        self.resize(id, pool.size + size, 0);
        Ok(())
    }

    pub(crate) fn decrease_pool(&mut self, by: Address, id: u64, size: u64) -> Ruling<u64> {
        let (owner, pool) = self.lasting_pool(by, id)?;
        let unused = pool.size - self.used(&pool);
        let max = if pool.size == unused { unused - 1 } else { unused };
        if size == 0 || size > max {
            return refuse(Pools::DecreaseOutOfRange { got: size, max });
        }
        self.resize(id, pool.size - size, 0);
        self.give_back(owner, size, pool.end)
    }

    pub(crate) fn decrease_pool_by_part(&mut self, by: Address, id: u64, bps: u16) -> Ruling<u64> {
        if bps > WHOLE {
            return refuse(Pools::BasisPointsOutOfRange { got: wide(bps), max: wide(WHOLE) });
        }
        let (_, pool) = self.lasting_pool(by, id)?;
        let unused = u128::from(pool.size - self.used(&pool));
        let part = unused * u128::from(bps) / u128::from(WHOLE);
        self.decrease_pool(by, id, u64::try_from(part).expect("a part of a size"))
    }

    pub(crate) fn destroy_pool(&mut self, by: Address, id: u64) -> Ruling<u64> {
        let owner = self.pool_deeds.authorized(by, id)?;
        let pool = self.pools[&id].clone();
        if !pool.blobs.is_empty() {
            return refuse(Pools::PoolNotEmpty { poolId: wide(id), blobs: pool.blobs.len() as u64 });
        }
        self.pool_deeds.end(&mut self.events, id);
        self.events.tell(self.at.pools, Pools::PoolDestroyed { poolId: wide(id) });
        self.forget_pool(id);
        self.give_back(owner, pool.size, pool.end)
    }

    /// What is no longer needed becomes a resource, unless it has ended.
    fn give_back(&mut self, owner: Address, size: u64, end: u32) -> Ruling<u64> {
        let start = self.epoch();
        if end <= start { Ok(0) } else { self.make(owner, Resource { start, end, size }) }
    }

    fn resize(&mut self, id: u64, size: u64, cost: u128) {
        self.pools.get_mut(&id).expect("known").size = size;
        self.events.tell(self.at.pools, Pools::PoolResized { poolId: wide(id), size, cost: wide(cost) });
    }

    pub(crate) fn register_in_pool(&mut self, by: Address, id: u64, new: &NewBlob, max_cost: U256) -> Ruling<U256> {
        self.pool_deeds.authorized(by, id)?;
        let length = self.well_formed(new)?;
        let pool = self.pools[&id].clone();
        let needed = self.used(&pool) + length;
        if needed > pool.size {
            return refuse(Pools::PoolFull { poolId: wide(id), needed, size: pool.size });
        }
        let order = Order { size: 0, units: 0, start: 0, epochs: 0, write_units: units(length) };
        let cost = self.purchase(Payer::Allowance(by), order, max_cost)?.cost;
        self.lasts(pool.end)?;
        let registered = self.epoch();
        let pool = self.pools.get_mut(&id).expect("known");
        pool.registered += 1;
        let entry = Entry { pool: id, place: pool.registered };
        let NewBlob { id: blob, size, deletable, .. } = *new;
        pool.blobs.insert(entry.place, Pooled { id: blob, size, deletable, registered, certified: None });
        let event = Pools::PooledBlobRegistered {
            blobId: blob,
            objectId: entry.number(),
            poolId: wide(id),
            size,
            encodingType: 1,
            deletable,
            registeredEpoch: registered,
            endEpoch: pool.end,
            cost: wide(cost),
        };
        self.events.tell(self.at.pools, event);
        Ok(entry.number())
    }

    pub(crate) fn certify_in_pool(&mut self, entry: Entry, claim: &Claim) -> Ruling<()> {
        let (end, blob) = self.entry(entry)?;
        if let Some(certifiedEpoch) = blob.certified {
            return refuse(Pools::AlreadyCertified { objectId: entry.number(), certifiedEpoch });
        }
        self.lasts(end)?;
        self.check(claim, self.rules.quorum())?;
        let epoch = self.epoch();
        self.pooled(entry).certified = Some(epoch);
        if blob.deletable {
            self.valid(blob.id)?;
        } else {
            self.promise_by_pool(blob.id, entry.pool)?;
        }
        let event = Pools::PooledBlobCertified {
            blobId: blob.id,
            objectId: entry.number(),
            deletable: blob.deletable,
            certifiedEpoch: epoch,
            endEpoch: end,
        };
        self.events.tell(self.at.pools, event);
        Ok(())
    }

    pub(crate) fn refresh(&mut self, entry: Entry) -> Ruling<()> {
        let (_, blob) = self.entry(entry)?;
        if blob.deletable {
            return refuse(Pools::Deletable { objectId: entry.number() });
        }
        if blob.certified.is_none() {
            return refuse(Pools::NotCertified { objectId: entry.number() });
        }
        self.promise_by_pool(blob.id, entry.pool)
    }

    pub(crate) fn delete_in_pool(&mut self, by: Address, entry: Entry) -> Ruling<()> {
        let (end, blob) = self.entry(entry)?;
        self.pool_deeds.authorized(by, entry.pool)?;
        if !blob.deletable {
            return refuse(Pools::NotDeletable { objectId: entry.number() });
        }
        self.lasts(end)?;
        let event = Pools::PooledBlobDeleted {
            blobId: blob.id,
            objectId: entry.number(),
            endEpoch: end,
            wasCertified: blob.certified.is_some(),
        };
        self.events.tell(self.at.pools, event);
        self.pools.get_mut(&entry.pool).expect("known").blobs.remove(&entry.place);
        Ok(())
    }

    pub(crate) fn burn_expired(&mut self, by: Address, entries: &[Entry]) -> Ruling<()> {
        if entries.is_empty() {
            return refuse(Blobs::EmptyBatch {});
        }
        let epoch = self.epoch();
        for entry in entries {
            let (end, blob) = self.entry(*entry)?;
            self.pool_deeds.authorized(by, entry.pool)?;
            if end > epoch {
                return refuse(Pools::NotExpired { endEpoch: end, currentEpoch: epoch });
            }
            let event = Pools::PooledBlobBurned { blobId: blob.id, objectId: entry.number() };
            self.events.tell(self.at.pools, event);
            self.pools.get_mut(&entry.pool).expect("known").blobs.remove(&entry.place);
        }
        Ok(())
    }

    /// Bytes of the blobs in a pool.
    pub(crate) fn used(&self, pool: &Pool) -> u64 {
        pool.blobs.values().map(|blob| self.length(blob.size).expect("well-formed")).sum()
    }

    fn pooled(&mut self, entry: Entry) -> &mut Pooled {
        let pool = self.pools.get_mut(&entry.pool).expect("known");
        pool.blobs.get_mut(&entry.place).expect("known")
    }

    /// A registration, and its pool's end.
    pub(crate) fn entry(&self, entry: Entry) -> Ruling<(u32, Pooled)> {
        let known =
            self.pools.get(&entry.pool).and_then(|pool| Some((pool.end, pool.blobs.get(&entry.place)?.clone())));
        known.map_or_else(|| refuse(Pools::UnknownObject { objectId: entry.number() }), Ok)
    }

    fn lasting_pool(&self, by: Address, id: u64) -> Ruling<(Address, Pool)> {
        let owner = self.pool_deeds.authorized(by, id)?;
        let pool = self.pools[&id].clone();
        self.lasts(pool.end)?;
        Ok((owner, pool))
    }

    fn lasts(&self, end: u32) -> Ruling<()> {
        let epoch = self.epoch();
        if end <= epoch { refuse(Pools::BlobExpired { endEpoch: end, currentEpoch: epoch }) } else { Ok(()) }
    }

    /// An answer follows the pool that ends last of those that it was told of.
    fn promise_by_pool(&mut self, blob: B256, pool: u64) -> Ruling<()> {
        self.valid(blob)?;
        let mut answer = self.answers.get(&blob).copied().unwrap_or_default();
        let until = self.until(&answer);
        if until < self.pools[&pool].end {
            (answer.until, answer.pool) = (until, Some(pool));
            self.answers.insert(blob, answer);
        }
        Ok(())
    }

    /// What a pool promised stays promised, though the pool does not.
    fn forget_pool(&mut self, id: u64) {
        let end = self.pools.remove(&id).expect("known").end;
        for answer in self.answers.values_mut().filter(|answer| answer.pool == Some(id)) {
            (answer.until, answer.pool) = (answer.until.max(end), None);
        }
    }
}

fn possible(size: u128) -> Ruling<()> {
    if size == 0 || size > u128::from(MOST) {
        return refuse(Pools::SizeOutOfRange { got: wide(size), max: wide(MOST) });
    }
    Ok(())
}
