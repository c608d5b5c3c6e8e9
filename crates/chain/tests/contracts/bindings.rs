//! The contracts' ABIs, read from the committed artifacts.

#![allow(clippy::too_many_arguments, reason = "generated from the artifacts")]

use alloy::sol;

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Committee,
    "../../contracts/artifacts/Committee.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Blobs,
    "../../contracts/artifacts/Blobs.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Attributes,
    "../../contracts/artifacts/Attributes.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Subsidies,
    "../../contracts/artifacts/Subsidies.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Pools,
    "../../contracts/artifacts/Pools.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Storage,
    "../../contracts/artifacts/Storage.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Availability,
    "../../contracts/artifacts/Availability.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    FloeToken,
    "../../contracts/artifacts/FloeToken.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    TestStablecoin,
    "../../contracts/artifacts/TestStablecoin.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Deployer,
    "../../contracts/artifacts/Deployer.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    FloeProxy,
    "../../contracts/artifacts/FloeProxy.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Nodes,
    "../../contracts/artifacts/Nodes.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Staking,
    "../../contracts/artifacts/Staking.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Epochs,
    "../../contracts/artifacts/Epochs.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Governance,
    "../../contracts/artifacts/Governance.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Intents,
    "../../contracts/artifacts/Intents.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    SmartAccount,
    "../../contracts/artifacts/SmartAccount.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Editions,
    "../../contracts/artifacts/Editions.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Primitives,
    "../../contracts/artifacts/Primitives.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Economics,
    "../../contracts/artifacts/Economics.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    Till,
    "../../contracts/artifacts/Till.json"
);
