//! The contracts' functions, events and errors, generated from the committed artifacts.

#![allow(missing_docs, unreachable_pub, clippy::too_many_arguments, clippy::cast_possible_truncation)]
#![allow(clippy::unwrap_used, reason = "generated")]

use alloy::sol;

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    Committee,
    "../../contracts/artifacts/Committee.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    Blobs,
    "../../contracts/artifacts/Blobs.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    Attributes,
    "../../contracts/artifacts/Attributes.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    Subsidies,
    "../../contracts/artifacts/Subsidies.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    Pools,
    "../../contracts/artifacts/Pools.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    Storage,
    "../../contracts/artifacts/Storage.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    Availability,
    "../../contracts/artifacts/Availability.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    FloeToken,
    "../../contracts/artifacts/FloeToken.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    TestStablecoin,
    "../../contracts/artifacts/TestStablecoin.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    Deployer,
    "../../contracts/artifacts/Deployer.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    FloeProxy,
    "../../contracts/artifacts/FloeProxy.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    Nodes,
    "../../contracts/artifacts/Nodes.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    Staking,
    "../../contracts/artifacts/Staking.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    Epochs,
    "../../contracts/artifacts/Epochs.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    Governance,
    "../../contracts/artifacts/Governance.json"
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq), ignore_unlinked)]
    Intents,
    "../../contracts/artifacts/Intents.json"
);
