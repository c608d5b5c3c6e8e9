//! `floe fund` and `floe share`

use floe_chain::{BlobFund, BlobObject, STORAGE_UNIT_BYTES};
use floe_protocol::ObjectId;
use floe_redstuff::EncodingParams;
use serde_json::json;

use super::extend::existing;
use crate::{
    args::{FundArgs, Global, RenewalArgs, ShareArgs},
    error::CliError,
    session::{Session, epochs, object_number, units},
};

pub(crate) async fn run(global: &Global, args: FundArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    let id = named(args.id, args.blob_obj_id)?;
    let object = existing(&session, id).await?;
    let payment = session.payment();
    set_renewal(&session, id, args.renewal).await?;
    let amount = args.amount.map(|amount| payment.units(amount)).transpose()?;
    let withdraw = args.withdraw.map(|amount| payment.units(amount)).transpose()?;
    if let Some(amount) = amount {
        session.chain.fund_blob(id, amount).await?;
    }
    if let Some(amount) = withdraw {
        session.chain.withdraw_fund(id, amount, session.account()?).await?;
    }
    if args.sweep {
        session.chain.sweep_fund(id).await?;
    }
    let fund = session.chain.blob_fund(id).await?;
    let value = json!({
        "objectId": id,
        "amount": units(amount.unwrap_or(0)),
        "withdrawn": units(withdraw.unwrap_or(0)),
        "balance": units(fund.balance),
        "reward": units(fund.reward),
        "renewalEpochs": fund.epochs.max(1),
    });
    session.output.result(&value, || {
        let head = match (amount, withdraw) {
            (Some(amount), _) => format!("Success: {} paid into object {}", payment.show(amount), object_number(id)),
            (_, Some(amount)) => format!("Success: {} taken out of object {}", payment.show(amount), object_number(id)),
            _ if args.sweep => format!("Success: the fund of object {} is paid to the nodes", object_number(id)),
            _ => format!("Object {}", object_number(id)),
        };
        format!("{head}\n{}", describe(&session, &object, &fund))
    })
}

pub(crate) async fn share(global: &Global, args: ShareArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    let id = named(args.id, args.blob_obj_id)?;
    let object = existing(&session, id).await?;
    let amount = args.amount.map(|amount| session.payment().units(amount)).transpose()?.unwrap_or(0);
    // Its owner sets this; afterwards nobody can.
    set_renewal(&session, id, args.renewal).await?;
    let tx = session.chain.share_blob(id).await?;
    if amount != 0 {
        session.chain.fund_blob(id, amount).await?;
    }
    let fund = session.chain.blob_fund(id).await?;
    let value =
        json!({"sharedBlobObjectId": id, "amount": units(amount), "balance": units(fund.balance), "txDigest": tx});
    session.output.result(&value, || {
        let shown = describe(&session, &object, &fund);
        format!("Success: object {} belongs to everyone\n{shown}", object_number(id))
    })
}

fn named(id: Option<ObjectId>, other: Option<ObjectId>) -> Result<ObjectId, CliError> {
    id.or(other).ok_or_else(|| CliError::usage("CLI-USAGE", "name a registration by its object ID"))
}

/// What was given; the rest stays as it is.
async fn set_renewal(session: &Session, id: ObjectId, args: RenewalArgs) -> Result<(), CliError> {
    if args.reward.is_none() && args.renewal_epochs.is_none() {
        return Ok(());
    }
    let before = session.chain.blob_fund(id).await?;
    let reward = args.reward.map(|reward| session.payment().units(reward)).transpose()?.unwrap_or(before.reward);
    session.chain.set_renewal(id, args.renewal_epochs.unwrap_or(before.epochs), reward).await?;
    Ok(())
}

fn describe(session: &Session, object: &BlobObject, fund: &BlobFund) -> String {
    let payment = session.payment();
    let each = fund.epochs.max(1);
    let mut text = format!(
        "  Blob ID: {}\n  Expires: at the start of epoch {}\n  Fund:    {}\n  Renewal: {} at a time, for a reward of {}",
        object.blob_id,
        object.end_epoch,
        payment.show(fund.balance),
        epochs(each.into()),
        payment.show(fund.reward),
    );
    if let Some(left) = epochs_left(session, object, fund) {
        text += &format!("\n  Enough:  for about {left} epochs more at today's price");
    }
    text
}

/// How many epochs the fund is enough for; `None` where they cost nothing.
fn epochs_left(session: &Session, object: &BlobObject, fund: &BlobFund) -> Option<u128> {
    let params = EncodingParams::new(session.info.n_shards).ok()?;
    let length = params.encoded_length(object.size).ok()?;
    let per_epoch = u128::from(length.div_ceil(STORAGE_UNIT_BYTES)).checked_mul(session.info.storage_price)?;
    let each = u128::from(fund.epochs.max(1));
    let renewals = fund.balance.checked_div(per_epoch.checked_mul(each)?.checked_add(fund.reward)?)?;
    renewals.checked_mul(each)
}
