//! Transactions of the control plane.

use std::sync::atomic::Ordering;

use alloy::primitives::{Bytes, FixedBytes, U256};
use floe_protocol::{Certificate, ObjectId};
use floe_redstuff::BlobId;
use futures::{StreamExt as _, stream};

use super::{Inner, convert};
use crate::{
    Address, ChainError, EventKind, Extended, RegisterBlob, Registered, STORAGE_UNIT_BYTES, TxHash,
    bindings::{Blobs, FloeToken, Pools},
    follow,
    send::{Call, Mined, TOKEN},
};

/// Registrations under way at once.
const REGISTRATIONS_AT_ONCE: usize = 64;
/// An allowance of at least this never runs out.
const AMPLE: U256 = U256::from_limbs([0, 0, 1, 0]);

/// What may be taken where a sum was quoted: prices rise by a quarter at most when an epoch begins in between.
pub(super) fn with_margin(quoted: U256) -> U256 {
    quoted.saturating_add(quoted / U256::from(4)).saturating_add(U256::from(1))
}

/// Registrations in one transaction at most: at 80,000 gas each, with room for twice that, they stay below the limit of a
/// transaction (EIP-7825).
pub const BATCH_REGISTRATIONS_MAX: usize = 64;

/// What is registered by one transaction.
#[derive(Clone, Copy)]
pub(super) enum Order<'a> {
    One(&'a RegisterBlob),
    Batch(&'a [RegisterBlob]),
    InStorage(&'a RegisterBlob, ObjectId),
    InPool(&'a RegisterBlob, u64),
}

impl Inner {
    pub(super) async fn register_blobs(&self, blobs: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError> {
        self.sender()?;
        // All are waited for: a dropped future would leave its transaction behind unseen.
        let outcomes: Vec<Result<Registered, ChainError>> = stream::iter(blobs.to_vec())
            .map(|blob| async move { one(self.registered(&self.order(Order::One(&blob)).await?).await?) })
            .buffered(REGISTRATIONS_AT_ONCE)
            .collect()
            .await;
        outcomes.into_iter().collect()
    }

    pub(super) async fn register_batch(&self, blobs: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError> {
        let Some(first) = blobs.first() else { return Ok(Vec::new()) };
        if blobs.len() > BATCH_REGISTRATIONS_MAX {
            let detail = format!("{} blobs are too many for one transaction: {BATCH_REGISTRATIONS_MAX}", blobs.len());
            return Err(ChainError::InvalidArgument { detail });
        }
        if blobs.iter().any(|blob| (blob.epochs_ahead, blob.owner) != (first.epochs_ahead, first.owner)) {
            let detail = "the blobs of a batch are for as many epochs and for the same owner".to_owned();
            return Err(ChainError::InvalidArgument { detail });
        }
        let registered = self.registered(&self.order(Order::Batch(blobs)).await?).await?;
        if registered.len() != blobs.len() {
            let detail = format!("{} events in the receipt of {} registrations", registered.len(), blobs.len());
            return Err(ChainError::BadAnswer { method: "registerBatch", detail });
        }
        Ok(registered)
    }

    pub(super) async fn register_in_storage(
        &self,
        blob: &RegisterBlob,
        storage: ObjectId,
    ) -> Result<Registered, ChainError> {
        one(self.registered(&self.order(Order::InStorage(blob, storage)).await?).await?)
    }

    /// Registers, and pays what it costs at the prices in force.
    pub(super) async fn order(&self, order: Order<'_>) -> Result<Mined, ChainError> {
        self.ensure_allowance().await?;
        let call = self.order_call(order).await?;
        let mut outcome = self.send(&call).await;
        match &outcome {
            Err(ChainError::Reverted { name, .. }) if name == "ERC20InsufficientAllowance" => {
                self.allowance.ample.store(false, Ordering::Release);
                self.ensure_allowance().await?;
                outcome = self.send(&call).await;
            }
            Err(ChainError::Reverted { name, .. }) if name == "PaymentTooSmall" => {
                self.forget_prices();
                outcome = self.send(&self.order_call(order).await?).await;
            }
            _ => {}
        }
        outcome
    }

    async fn order_call(&self, order: Order<'_>) -> Result<Call, ChainError> {
        let payer = self.sender()?.address();
        let owner = |blob: &RegisterBlob| blob.owner.unwrap_or(payer).evm();
        Ok(match order {
            Order::One(blob) => self.blobs_call(&Blobs::registerCall {
                newBlob: new_blob(blob),
                epochs: blob.epochs_ahead,
                maxCost: with_margin(self.price_of(blob, blob.epochs_ahead).await?),
                owner: owner(blob),
            }),
            Order::Batch(blobs) => {
                let mut sum = U256::ZERO;
                for blob in blobs {
                    sum = sum.saturating_add(self.price_of(blob, blob.epochs_ahead).await?);
                }
                self.blobs_call(&Blobs::registerBatchCall {
                    newBlobs: blobs.iter().map(new_blob).collect(),
                    epochs: blobs.first().map_or(0, |blob| blob.epochs_ahead),
                    maxCost: with_margin(sum),
                    owner: blobs.first().map_or(payer.evm(), owner),
                })
            }
            Order::InStorage(blob, storage) => self.blobs_call(&Blobs::registerWithResourceCall {
                newBlob: new_blob(blob),
                resourceId: U256::from_be_bytes(*storage.as_bytes()),
                maxCost: with_margin(self.price_of(blob, 0).await?),
                owner: owner(blob),
            }),
            Order::InPool(blob, pool) => {
                let register = Pools::registerCall {
                    poolId: U256::from(pool),
                    newBlob: Pools::NewBlob {
                        blobId: FixedBytes(*blob.blob_id.as_bytes()),
                        rootHash: FixedBytes(blob.root_hash),
                        size: blob.size,
                        encodingType: blob.encoding_type.number(),
                        deletable: blob.deletable,
                    },
                    maxCost: with_margin(self.price_of(blob, 0).await?),
                };
                Call::contract(self.config.contracts.pools, &register)
            }
        })
    }

    /// What so many epochs and writing cost, by the prices as last seen.
    async fn price_of(&self, blob: &RegisterBlob, epochs: u32) -> Result<U256, ChainError> {
        let (storage, write) = self.prices().await?;
        // What cannot be encoded is refused by the contract, in its own words.
        let units = self.encoded_length(blob.size).await.map_or(u64::MAX, |length| length.div_ceil(STORAGE_UNIT_BYTES));
        let each = U256::from(storage) * U256::from(epochs) + U256::from(write);
        Ok(each.saturating_mul(U256::from(units)))
    }

    /// The registrations of a transaction, in order.
    async fn registered(&self, mined: &Mined) -> Result<Vec<Registered>, ChainError> {
        let mut registered = Vec::new();
        for log in &mined.receipt.logs {
            let event = follow::decode(log, &self.config.contracts)?;
            if let Some(EventKind::BlobRegistered { object, cost }) = event.map(|event| event.kind) {
                let encoded_length = self.encoded_length(object.size).await?;
                registered.push(Registered { object, cost, encoded_length, tx: mined.tx });
            }
        }
        Ok(registered)
    }

    /// Lets the storage contract take what registrations cost, once and for all: it takes what the caller owes and has
    /// agreed to, and nothing else.
    pub(super) async fn ensure_allowance(&self) -> Result<(), ChainError> {
        if self.allowance.ample.load(Ordering::Acquire) {
            return Ok(());
        }
        let _asking = self.allowance.asking.lock().await;
        if self.allowance.ample.load(Ordering::Acquire) {
            return Ok(());
        }
        self.allow(self.config.contracts.storage, AMPLE, U256::MAX).await?;
        self.allowance.ample.store(true, Ordering::Release);
        Ok(())
    }

    /// Lets `spender` take `value` of the wallet's money, unless it may take `least` already.
    pub(super) async fn allow(&self, spender: Address, least: U256, value: U256) -> Result<(), ChainError> {
        let (owner, token) = (self.sender()?.address().evm(), self.config.contracts.payment_token);
        let question = FloeToken::allowanceCall { owner, spender: spender.evm() };
        if self.rpc.call("allowance", token, &question).await? < least {
            self.send(&Call::contract(token, &FloeToken::approveCall { spender: spender.evm(), value })).await?;
        }
        Ok(())
    }

    pub(super) async fn certify_blob(&self, object: ObjectId, certificate: &Certificate) -> Result<TxHash, ChainError> {
        self.send(&self.certify_call(object, certificate)?).await.map(|mined| mined.tx)
    }

    pub(super) fn certify_call(&self, object: ObjectId, certificate: &Certificate) -> Result<Call, ChainError> {
        let call = Blobs::certifyCall {
            objectId: U256::from_be_bytes(*object.as_bytes()),
            signers: signers(certificate)?,
            signature: convert::words(&certificate.signature.to_eip2537()),
        };
        Ok(Call::contract(self.registry_of(&object), &call))
    }

    pub(super) async fn certify_batch(
        &self,
        objects: &[ObjectId],
        certificate: &Certificate,
    ) -> Result<TxHash, ChainError> {
        self.send(&self.certify_batch_call(objects, certificate)?).await.map(|mined| mined.tx)
    }

    pub(super) fn certify_batch_call(
        &self,
        objects: &[ObjectId],
        certificate: &Certificate,
    ) -> Result<Call, ChainError> {
        Ok(self.blobs_call(&Blobs::certifyBatchCall {
            objectIds: objects.iter().map(|object| U256::from_be_bytes(*object.as_bytes())).collect(),
            signers: signers(certificate)?,
            signature: convert::words(&certificate.signature.to_eip2537()),
        }))
    }

    pub(super) async fn invalidate_blob(
        &self,
        blob: &BlobId,
        certificate: &Certificate,
    ) -> Result<Option<TxHash>, ChainError> {
        let call = self.blobs_call(&Blobs::invalidateCall {
            blobId: FixedBytes(*blob.as_bytes()),
            signers: signers(certificate)?,
            signature: convert::words(&certificate.signature.to_eip2537()),
        });
        match self.send(&call).await {
            Ok(mined) => Ok(Some(mined.tx)),
            Err(ChainError::Reverted { name, .. }) if name == "BlobInvalid" => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn extend_blob(&self, object: ObjectId, epochs: u32) -> Result<Extended, ChainError> {
        self.sender()?;
        let registered = self
            .blob_object(object)
            .await?
            .ok_or_else(|| ChainError::InvalidArgument { detail: format!("there is no registration {object}") })?;
        if self.registry_of(&object) != self.config.contracts.blobs {
            let detail = format!("{object} lies in a pool, and is extended with it");
            return Err(ChainError::InvalidArgument { detail });
        }
        self.ensure_allowance().await?;
        let encoded_length = self.encoded_length(registered.size).await?;
        let info = self.network().await?;
        let price = U256::from(info.cost(encoded_length, epochs));
        let call = Blobs::extendCall {
            objectId: U256::from_be_bytes(*object.as_bytes()),
            epochs,
            maxCost: with_margin(price),
        };
        let mined = self.send(&self.blobs_call(&call)).await?;
        for log in &mined.receipt.logs {
            let event = follow::decode(log, &self.config.contracts)?;
            if let Some(EventKind::BlobExtended { end_epoch, cost, .. }) = event.map(|event| event.kind) {
                return Ok(Extended { end_epoch, cost, tx: mined.tx });
            }
        }
        Err(ChainError::BadAnswer { method: "extend", detail: "no event in the receipt".to_owned() })
    }

    pub(super) async fn delete_blob(&self, object: ObjectId) -> Result<TxHash, ChainError> {
        let call = Blobs::deleteBlobCall { objectId: U256::from_be_bytes(*object.as_bytes()) };
        self.send(&Call::contract(self.registry_of(&object), &call)).await.map(|mined| mined.tx)
    }

    pub(super) async fn encoded_length(&self, size: u64) -> Result<u64, ChainError> {
        let params = self.constants().await?.params;
        params
            .encoded_length(size)
            .map_err(|e| ChainError::BadAnswer { method: "encodedLength", detail: e.to_string() })
    }

    pub(super) fn blobs_call(&self, call: &impl alloy::sol_types::SolCall) -> Call {
        Call::contract(self.config.contracts.blobs, call)
    }

    pub(super) async fn send(&self, call: &Call) -> Result<Mined, ChainError> {
        match self.sender()?.send(call).await {
            Err(ChainError::InsufficientFunds { asset, account, needed, available }) if asset == TOKEN => {
                let asset = self.constants().await.map_or(asset, |constants| constants.token_symbol.clone());
                Err(ChainError::InsufficientFunds { asset, account, needed, available })
            }
            outcome => outcome,
        }
    }
}

fn new_blob(blob: &RegisterBlob) -> Blobs::NewBlob {
    Blobs::NewBlob {
        blobId: FixedBytes(*blob.blob_id.as_bytes()),
        rootHash: FixedBytes(blob.root_hash),
        size: blob.size,
        encodingType: blob.encoding_type.number(),
        deletable: blob.deletable,
    }
}

/// The only registration of a transaction that makes one.
fn one(registered: Vec<Registered>) -> Result<Registered, ChainError> {
    let first = registered.into_iter().next();
    first.ok_or_else(|| ChainError::BadAnswer { method: "register", detail: "no event in the receipt".to_owned() })
}

/// The bitmap of a certificate's signers, as far as the last of them.
fn signers(certificate: &Certificate) -> Result<Bytes, ChainError> {
    let members = certificate.signers.iter().max().map_or(0, |last| usize::from(*last) + 1);
    let bitmap = certificate.signer_bitmap(members);
    bitmap.map(Bytes::from).map_err(|e| ChainError::InvalidArgument { detail: format!("certificate: {e}") })
}
