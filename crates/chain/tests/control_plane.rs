//! The control plane on every chain there is: the same suite on the embedded one and, where `FLOE_ANVIL` names its
//! binary, on anvil.

mod support;

mod control_plane {
    mod blobs;
    mod epochs;
    mod events;
    mod faults;
    mod funds;
    mod network;
    mod proxy;
    mod reorganisation;
    mod setup;
    mod transactions;
}
