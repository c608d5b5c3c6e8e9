//! What the parties of a Floe network say to each other: identities, committees, signed messages, certificates, and the
//! shapes of their HTTP bodies.
//!
//! ```
//! use floe_protocol::{
//!     BlobId, Committee, ConfirmationCollector, EncodingParams, Epoch, Member, NodeId, ShardIndex,
//!     bls::SecretKey,
//!     message::{Message, Persistence, StorageConfirmation},
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Four nodes with one shard each.
//! let keys: Vec<_> = (1..=4).map(|i| SecretKey::generate(&[i; 32])).collect();
//! let members = (0..4u16)
//!     .map(|i| Member {
//!         node_id: NodeId::from_number(u64::from(i) + 1),
//!         public_key: keys[usize::from(i)].public_key(),
//!         address: format!("http://127.0.0.1:{}", 9185 + i),
//!         name: format!("node-{i}"),
//!         shards: vec![ShardIndex::new(i)],
//!     })
//!     .collect();
//! let committee = Committee::new(Epoch(1), EncodingParams::new(4)?, members)?;
//!
//! // Three of them confirm that they hold a blob; their signatures become one certificate.
//! let statement = StorageConfirmation {
//!     epoch: Epoch(1),
//!     blob_id: BlobId::from_bytes([7; 32]),
//!     persistence: Persistence::Permanent,
//! };
//! let mut collector = ConfirmationCollector::new(&committee, statement);
//! for member in [0, 1, 3] {
//!     collector.add(member, statement.sign(&keys[member]))?;
//! }
//! let certificate = collector.certificate()?;
//! assert_eq!(certificate.verify(&committee)?.weight(), 3);
//! assert_eq!(certificate.signer_bitmap(4)?, [0b1011]);
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - Formats are those of spec/messages.md and spec/http-api.md byte for byte; our own are in docs/wire-format.md.
//!   Every one is pinned by a test.
//! - Received and verified data are different types: [`SignedMessage`] and [`Verified`], [`Certificate`] and
//!   [`VerifiedCertificate`]. Only the checks convert.
//! - Decoders accept one encoding of each value, never panic, and compare lengths with the input or with a named
//!   limit ([`limits`]) before they allocate.
//!
//! # What is not here
//!
//! No I/O, no clock, no randomness, no async, no threads: all is handed in. No judgement of *when* a node may sign:
//! that is the node's.

pub mod api;
pub mod bls;
pub mod certificate;
pub mod committee;
mod ids;
pub mod limits;
pub mod message;
#[cfg(test)]
mod testing;
pub mod threshold;
pub mod upload;
mod wire;

pub use certificate::{Certificate, CertificateError, CollectError, ConfirmationCollector, VerifiedCertificate};
pub use committee::{Committee, CommitteeError, Member};
pub use floe_redstuff::{Axis, BlobId, EncodingParams, EncodingType, PairIndex, ShardIndex, SliverIndex, SymbolSize};
pub use ids::{Epoch, IdError, NodeId, ObjectId};
pub use message::{
    BatchConfirmation, BatchDomain, BatchList, InvalidBlobId, Message, MessageError, Persistence, ProofOfPossession,
    SignedMessage, StorageConfirmation, SyncShardRequest, Verified,
};
pub use wire::DecodeError;
