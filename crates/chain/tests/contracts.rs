//! The contracts, as their callers meet them over JSON-RPC: on the embedded chain, and on anvil where `FLOE_ANVIL`
//! names its binary. The signatures come from `blst` and the hashes from `blake2b_simd`, so that contracts and
//! tests share no arithmetic.

mod support;

mod contracts {
    mod apportionment;
    mod attributes;
    mod batch;
    mod bindings;
    mod certify;
    mod consumer;
    mod epochs;
    mod extend;
    mod funds;
    mod gas;
    mod gas_blobs;
    mod gas_intents;
    mod governance;
    mod intent_hashes;
    mod intent_signing;
    mod intents;
    mod intents_refused;
    mod invalidate;
    mod launch;
    mod long_run;
    mod network;
    mod nodes;
    mod ownership;
    mod pooled;
    mod pools;
    mod primitives;
    mod quorums;
    mod register;
    mod repricing;
    mod resources;
    mod signing;
    mod staking;
    mod subsidies;
    mod tokens;
    mod treasury;
}
