//! Transactions of the control plane.

use std::sync::atomic::Ordering;

use alloy::primitives::{FixedBytes, U256};
use floe_protocol::{Certificate, ObjectId};
use futures::{StreamExt as _, stream};

use super::{Inner, convert};
use crate::{
    ChainError, EventKind, RegisterBlob, Registered, TxHash,
    bindings::{Blobs, FloeToken},
    follow,
    send::{Call, Mined, TOKEN},
};

/// Registrations under way at once.
const REGISTRATIONS_AT_ONCE: usize = 64;
/// An allowance of at least this never runs out.
const AMPLE: U256 = U256::from_limbs([0, 0, 1, 0]);

impl Inner {
    pub(super) async fn register_blobs(&self, blobs: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError> {
        self.sender()?;
        if blobs.is_empty() {
            return Ok(Vec::new());
        }
        self.ensure_allowance().await?;
        // All are waited for: a dropped future would leave its transaction behind unseen.
        let outcomes: Vec<Result<Registered, ChainError>> = stream::iter(blobs.to_vec())
            .map(|blob| self.register(blob))
            .buffered(REGISTRATIONS_AT_ONCE)
            .collect()
            .await;
        outcomes.into_iter().collect()
    }

    async fn register(&self, blob: RegisterBlob) -> Result<Registered, ChainError> {
        let call = self.blobs_call(&Blobs::registerCall {
            blobId: FixedBytes(*blob.blob_id.as_bytes()),
            rootHash: FixedBytes(blob.root_hash),
            size: blob.size,
            encodingType: blob.encoding_type.number(),
            epochsAhead: blob.epochs_ahead,
        });
        let mut outcome = self.send(&call).await;
        if matches!(&outcome, Err(ChainError::Reverted { name, .. }) if name == "ERC20InsufficientAllowance") {
            self.allowance.ample.store(false, Ordering::Release);
            self.ensure_allowance().await?;
            outcome = self.send(&call).await;
        }
        self.registered(&outcome?).await
    }

    async fn registered(&self, mined: &Mined) -> Result<Registered, ChainError> {
        for log in &mined.receipt.logs {
            let event = follow::decode(log, &self.config.contracts)?;
            if let Some(EventKind::BlobRegistered { object, cost }) = event.map(|event| event.kind) {
                let params = self.constants().await?.params;
                let encoded_length = params
                    .encoded_length(object.size)
                    .map_err(|e| ChainError::BadAnswer { method: "register", detail: e.to_string() })?;
                return Ok(Registered { object, cost, encoded_length, tx: mined.tx });
            }
        }
        Err(ChainError::BadAnswer { method: "register", detail: "no event in the receipt".to_owned() })
    }

    /// Lets the blob contract take what registrations cost, once and for all: the contract takes what the caller of
    /// `register` owes and nothing else, and nobody can change it.
    async fn ensure_allowance(&self) -> Result<(), ChainError> {
        if self.allowance.ample.load(Ordering::Acquire) {
            return Ok(());
        }
        let _asking = self.allowance.asking.lock().await;
        if self.allowance.ample.load(Ordering::Acquire) {
            return Ok(());
        }
        let sender = self.sender()?;
        let (token, blobs) = (self.config.contracts.payment_token, self.config.contracts.blobs);
        let question = FloeToken::allowanceCall { owner: sender.address().evm(), spender: blobs.evm() };
        if self.rpc.call("allowance", token, &question).await? < AMPLE {
            let approve = FloeToken::approveCall { spender: blobs.evm(), value: U256::MAX };
            self.send(&Call::contract(token, &approve)).await?;
        }
        self.allowance.ample.store(true, Ordering::Release);
        Ok(())
    }

    pub(super) async fn certify_blob(&self, object: ObjectId, certificate: &Certificate) -> Result<TxHash, ChainError> {
        let members = certificate.signers.iter().max().map_or(0, |last| usize::from(*last) + 1);
        let signers = certificate
            .signer_bitmap(members)
            .map_err(|e| ChainError::InvalidArgument { detail: format!("certificate: {e}") })?;
        let call = self.blobs_call(&Blobs::certifyCall {
            objectId: U256::from_be_bytes(*object.as_bytes()),
            signers: signers.into(),
            signature: convert::words(&certificate.signature.to_eip2537()),
        });
        self.send(&call).await.map(|mined| mined.tx)
    }

    fn blobs_call(&self, call: &impl alloy::sol_types::SolCall) -> Call {
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
