//! The contracts in this process, on the embedded chain's machine without its blocks and HTTP, so that a state is gone back
//! to in no time and a hundred thousand calls are nothing.
//!
//! `economics`: the same random operations, valid and invalid, go to the contracts and to a plain model, and everything
//! that anyone can see has to agree to the unit: what is told, what is refused and why, balances, resources, blobs, funds,
//! pools, attributes, subsidies, intents, positions, rewards, prices, capacity, committees and shards. `FLOE_MODEL_SEQUENCES` (200) says how many sequences are tried,
//! `FLOE_MODEL_OPERATIONS` (200) how long they are; `FLOE_MODEL_SEED` (0) is the seed of the first. A sequence that fails
//! is made smaller by leaving operations out, and printed with its seed.
//!
//! `joins`: rounding where positions of a slashed pool are joined.
//!
//! `certificates`: a verifier in Rust and the contracts come to the same verdict on damaged certificates;
//! `FLOE_CERTIFICATES` (1000) says on how many. `sizes`: both know the same encoded lengths.

#![allow(non_snake_case, reason = "arguments have the names of the ABI")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "contracts/bindings.rs"]
mod bindings;
#[path = "contracts/signing.rs"]
mod signing;
mod support;
#[path = "contracts/typed_data.rs"]
mod typed_data;

mod machine {
    pub(crate) mod audit;
    mod certificates;
    pub(crate) mod driver;
    mod economics;
    pub(crate) mod evm;
    mod joins;
    pub(crate) mod model;
    pub(crate) mod operations;
    mod sizes;
    pub(crate) mod steps;
    pub(crate) mod world;

    /// A number from the environment.
    pub(crate) fn setting(name: &str, default: u32) -> u32 {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
    }
}
