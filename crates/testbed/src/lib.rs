//! Networks to try Floe on, and to test it with.
//!
//! [`devnet`] runs a whole network on this machine: the embedded chain and the gateway in this process, and each
//! storage node as an operating-system process of its own, so that a node can be killed, restarted and looked at like a
//! real one. `floe devnet` is a thin user of it. [`proxy`] puts faults between a client and a node.
//!
//! Everything a devnet has lies in one folder: keys, chain, slivers, logs, and `devnet.json`, which describes the
//! running network to people and tools. Started again on the same folder it has all blobs.

pub mod devnet;
pub mod proxy;
