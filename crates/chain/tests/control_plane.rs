//! The control plane on every chain there is: the same suite on the embedded one and, where `FLOE_ANVIL` names its
//! binary, on anvil.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

mod control_plane {
    mod batches;
    mod blobs;
    mod deployment;
    mod disagreement;
    mod endpoint;
    mod epochs;
    mod events;
    mod failover;
    mod faults;
    mod funds;
    mod hostile;
    mod network;
    mod nodes;
    mod pools;
    mod proxy;
    mod renewals;
    mod reorganisation;
    mod resources;
    mod setup;
    mod stake;
    mod subsidies;
    mod transactions;
    mod votes;
}
