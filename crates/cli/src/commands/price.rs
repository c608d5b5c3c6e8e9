//! `floe price`

use floe_redstuff::EncodingParams;
use serde_json::json;

use super::input::cannot_read;
use crate::{
    args::{Epochs, Global, PriceArgs},
    error::CliError,
    output::size,
    session::{self, Session, units},
};

pub(crate) async fn run(global: &Global, args: PriceArgs) -> Result<(), CliError> {
    let plain = match (&args.file, args.size) {
        (Some(path), _) => std::fs::metadata(path).map_err(|e| cannot_read(path, &e))?.len(),
        (None, Some(size)) => size.0,
        (None, None) => return Err(CliError::usage("CLI-USAGE", "name a file or a size")),
    };
    let session = Session::open(global).await?;
    let info = &session.info;
    let epochs = epoch_count(args.epochs, info.max_epochs_ahead)?;
    let params = EncodingParams::new(info.n_shards).map_err(|e| CliError::new("CLI-BAD-SHARDS", 1, e.to_string()))?;
    let encoded = params.encoded_length(plain).map_err(|e| CliError::usage("CLI-ENCODE", e.to_string()))?;
    let (total, first) = (info.cost(encoded, epochs), info.cost(encoded, 0));
    let storage = total.saturating_sub(first);
    let value = json!({
        "unencodedSize": plain,
        "encodedSize": encoded,
        "epochs": epochs,
        "storageCost": units(storage),
        "writeCost": units(first),
        "totalCost": units(total),
    });
    let payment = session.payment();
    session.output.result(&value, || {
        format!(
            "{} ({} encoded) for {}: {}\n  storage: {}\n  writing: {}",
            size(plain),
            size(encoded),
            session::epochs(epochs.into()),
            payment.show(total),
            payment.show(storage),
            payment.show(first),
        )
    })
}

/// A number of epochs that the network allows.
pub(super) fn epoch_count(epochs: Epochs, max: u32) -> Result<u32, CliError> {
    match epochs {
        Epochs::Max => Ok(max),
        Epochs::Count(n) if n > max => {
            Err(CliError::usage("CLI-TOO-MANY-EPOCHS", format!("{n} epochs: this network allows at most {max}")))
        }
        Epochs::Count(n) => Ok(n),
    }
}
