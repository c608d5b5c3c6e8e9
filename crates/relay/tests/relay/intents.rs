//! Intents: carried out once, or refused with a reason and without gas.

use floe_chain::{Address, ControlPlane as _, IntentDomain, OwnerSignature};
use floe_protocol::ObjectId;
use floe_relay::RelayError;
use futures::future::join_all;

use crate::{COST, MONEY, Setting, support::chains};

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_carried_out_once_however_often_it_comes() {
    for chain in chains().await {
        let setting = Setting::new(chain).await;
        let relay = setting.relay();
        let signed = setting.signed(|_| {}).await;
        let answers = join_all((0..5).map(|_| relay.submit(signed.clone()))).await;
        let first = answers[0].clone().unwrap();
        assert!(answers.iter().all(|answer| *answer == Ok(first.clone())), "{answers:?}");
        assert_eq!((first.fee, first.returned), (1_000, 1_000));
        let object = setting.chain.blob_object(first.object_id).await.unwrap().unwrap();
        assert_eq!(object.owner, setting.owner.address());

        // Again, and by a relay that was started anew.
        assert_eq!(relay.submit(signed.clone()).await, Ok(first.clone()));
        assert_eq!(setting.relay().submit(signed).await, Ok(first));
        assert_eq!(setting.chain.blob_object(ObjectId::from_number(2)).await.unwrap(), None);
        assert_eq!(setting.money().await, MONEY - COST - 1_000);
        assert_eq!(setting.fees().await, 1_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_a_reason_and_cost_no_gas() {
    for chain in chains().await {
        let setting = Setting::new(chain).await;
        let relay = setting.relay();
        let before = setting.native().await;
        let code = async |signed| relay.submit(signed).await.unwrap_err().code();

        let stranger = Address::from_bytes([5; 20]);
        assert_eq!(code(setting.signed(|terms| terms.relayer = Some(stranger)).await).await, "RELAY-WRONG-RELAYER");
        assert_eq!(code(setting.signed(|terms| terms.relayer = None).await).await, "RELAY-WRONG-RELAYER");
        assert_eq!(code(setting.signed(|terms| terms.valid_before = 9).await).await, "RELAY-NOT-IN-FORCE");
        let later = setting.signed(|terms| terms.valid_after = terms.valid_before - 1).await;
        assert_eq!(code(later).await, "RELAY-NOT-IN-FORCE");
        let mut elsewhere = setting.signed(|_| {}).await;
        elsewhere.domain = IntentDomain { chain_id: 1, ..elsewhere.domain };
        assert_eq!(code(elsewhere).await, "RELAY-WRONG-NETWORK");

        let cheap = relay.submit(setting.signed(|terms| terms.max_fee = 999).await).await;
        assert_eq!(cheap, Err(RelayError::FeeTooLow { offered: 999, needed: 1_000 }));
        let mut altered = setting.signed(|_| {}).await;
        altered.intent.terms.max_fee += 1;
        assert_eq!(code(altered).await, "RELAY-WRONG-SIGNATURE");
        // What only a contract could check, the contract checks; here the owner is none.
        let mut forged = setting.signed(|_| {}).await;
        forged.owner_signature = OwnerSignature::ContractAuthorization { signature: vec![1; 65] };
        let refused = relay.submit(forged).await.unwrap_err();
        assert!(matches!(&refused, RelayError::Refused { name, .. } if name == "ERC3009InvalidSignature"), "{refused}");

        let poor = relay.submit(setting.signed(|terms| terms.budget = 2 * MONEY).await).await;
        let (owner, available, needed) = (setting.owner.address(), MONEY, 2 * MONEY);
        assert_eq!(poor, Err(RelayError::OwnerFunds { owner, available, needed }));
        let tight = relay.submit(setting.signed(|terms| terms.budget = COST + 999).await).await.unwrap_err();
        assert!(matches!(&tight, RelayError::Refused { name, .. } if name == "PaymentTooSmall"), "{tight}");

        assert_eq!(setting.native().await, before, "nothing was sent");
        assert_eq!(setting.money().await, MONEY);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fees_follow_the_price_of_gas() {
    for chain in chains().await {
        let setting = Setting::new(chain).await;
        // The first registration of a network makes its counters; it is dearer than any other.
        setting.relay().submit(setting.signed(|_| {}).await).await.unwrap();
        // A coin is worth a hundred thousand dollars: even cheap gas is noticed.
        let relay = setting.relay_with(|config| config.coin_price = 100_000_000_000);
        let terms = relay.terms().await.unwrap();
        assert!(terms.fees.register > terms.fees.reserve && terms.fees.fund > 1_000, "{terms:?}");
        let refused = relay.submit(setting.signed(|_| {}).await).await;
        let Err(RelayError::FeeTooLow { offered: 1_500, needed }) = refused else { panic!("{refused:?}") };
        assert!(needed <= terms.fees.register, "{needed} of {}: what is usual is enough", terms.fees.register);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_a_wallet_or_places_says_so() {
    for chain in chains().await {
        let setting = Setting::new(chain).await;
        let reader = setting.network.connect_as(None).await;
        assert!(floe_relay::Relay::new(reader, Default::default()).is_err());
        let full = setting.relay_with(|config| (config.concurrent_max, config.waiting_max) = (0, 0));
        assert_eq!(full.submit(setting.signed(|_| {}).await).await, Err(RelayError::Busy));
        let paused = setting.relay_with(|config| config.failures_per_hour_max = 0);
        assert_eq!(paused.submit(setting.signed(|_| {}).await).await, Err(RelayError::Paused));
    }
}
