//! The id of an intent: the same in Solidity, in the library, and by hand.

use alloy::primitives::{Address, B256, U256};
use floe_chain::{Address as Account, Intent, IntentAction, IntentDomain, IntentTerms, RegisterBlob};
use floe_protocol::{BlobId, EncodingType, Epoch, ObjectId};
use sha2::{Digest, Sha256};

use super::bindings::Intents;
use super::network::Deployment;
use super::typed_data::{domain, extend_hash, fund_hash, register_hash, reserve_hash, typed};
use crate::support::{CHAIN_ID, chains};

/// Random intents of each kind.
const CASES: u64 = 50;

/// Values that follow from a seed; every third is an extreme one.
struct Random {
    seed: u64,
    count: u64,
}

impl Random {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        self.count += 1;
        let hash = Sha256::digest([self.seed.to_be_bytes(), self.count.to_be_bytes()].concat());
        match hash[31] % 9 {
            0 => [0; N],
            1 => [0xff; N],
            _ => std::array::from_fn(|i| hash[i]),
        }
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.bytes())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.bytes())
    }

    fn u128(&mut self) -> u128 {
        u128::from_be_bytes(self.bytes())
    }

    fn account(&mut self) -> Account {
        Account::from_bytes(self.bytes())
    }

    fn terms(&mut self) -> IntentTerms {
        let relayer = Some(self.account()).filter(|relayer| *relayer != Account::default());
        IntentTerms {
            owner: self.account(),
            relayer,
            budget: self.u128(),
            max_fee: self.u128(),
            valid_after: self.u64(),
            valid_before: self.u64(),
            salt: self.bytes(),
        }
    }
}

fn solidity_terms(terms: &IntentTerms) -> Intents::Terms {
    Intents::Terms {
        owner: Address::from(*terms.owner.as_bytes()),
        relayer: terms.relayer.map_or(Address::ZERO, |relayer| Address::from(*relayer.as_bytes())),
        budget: U256::from(terms.budget),
        maxFee: U256::from(terms.max_fee),
        validAfter: U256::from(terms.valid_after),
        validBefore: U256::from(terms.valid_before),
        salt: B256::from(terms.salt),
    }
}

fn number(object: ObjectId) -> U256 {
    U256::from_be_bytes(*object.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_has_one_id_in_both_languages() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let contract = *net.intents.address();
        let here = IntentDomain { chain_id: CHAIN_ID, contract: Account::from_bytes(contract.into_array()) };
        let separator = domain("Floe Intents", CHAIN_ID, contract);
        let said = net.intents.eip712Domain().call().await.unwrap();
        assert_eq!((said.name.as_str(), said.version.as_str()), ("Floe Intents", "1"), "{}", chain.name);
        assert_eq!((said.chainId, said.verifyingContract), (U256::from(CHAIN_ID), contract));

        for seed in 0..CASES {
            let mut random = Random { seed, count: 0 };
            let terms = random.terms();
            let typed_terms = solidity_terms(&terms);
            let id = |action| {
                let intent = Intent { action, terms: terms.clone() };
                B256::from(*intent.id(&here).as_bytes())
            };

            let (size, start, end) = (random.u64(), random.u32(), random.u32());
            let reserve = Intents::ReserveStorage { size, start, end, terms: typed_terms.clone() };
            let wanted = typed(separator, reserve_hash(&reserve));
            assert_eq!(net.intents.hashReserve(reserve).call().await.unwrap(), wanted, "seed {seed}");
            assert_eq!(id(IntentAction::Reserve { size, start: Epoch(start), end: Epoch(end) }), wanted);

            let blob = RegisterBlob {
                blob_id: BlobId::from_bytes(random.bytes()),
                root_hash: random.bytes(),
                size: random.u64(),
                encoding_type: EncodingType::Rs2,
                epochs_ahead: random.u32(),
                deletable: random.u32().is_multiple_of(2),
                owner: None,
            };
            let new_blob = Intents::NewBlob {
                blobId: B256::from(*blob.blob_id.as_bytes()),
                rootHash: B256::from(blob.root_hash),
                size: blob.size,
                encodingType: 1,
                deletable: blob.deletable,
            };
            let register =
                Intents::RegisterBlob { blob: new_blob, epochs: blob.epochs_ahead, terms: typed_terms.clone() };
            let wanted = typed(separator, register_hash(&register));
            assert_eq!(net.intents.hashRegister(register).call().await.unwrap(), wanted, "seed {seed}");
            assert_eq!(id(IntentAction::Register(blob)), wanted);

            let (object, epochs, amount) = (ObjectId::from_bytes(random.bytes()), random.u32(), random.u128());
            let extend = Intents::ExtendBlob { objectId: number(object), epochs, terms: typed_terms.clone() };
            let wanted = typed(separator, extend_hash(&extend));
            assert_eq!(net.intents.hashExtend(extend).call().await.unwrap(), wanted, "seed {seed}");
            assert_eq!(id(IntentAction::Extend { object, epochs }), wanted);

            let fund = Intents::FundBlob { objectId: number(object), amount, terms: typed_terms.clone() };
            let wanted = typed(separator, fund_hash(&fund));
            assert_eq!(net.intents.hashFund(fund).call().await.unwrap(), wanted, "seed {seed}");
            assert_eq!(id(IntentAction::Fund { object, amount }), wanted);
        }

        let intent = Intent {
            action: IntentAction::Extend { object: ObjectId::from_number(1), epochs: 1 },
            terms: Random { seed: 0, count: 0 }.terms(),
        };
        let elsewhere = IntentDomain { chain_id: CHAIN_ID + 1, ..here };
        assert_ne!(intent.id(&here), intent.id(&elsewhere), "another chain");
        let elsewhere = IntentDomain { contract: Account::from_bytes([1; 20]), ..here };
        assert_ne!(intent.id(&here), intent.id(&elsewhere), "another contract");
    }
}
