//! `floe info`

use floe_chain::{NetworkInfo, STORAGE_UNIT_BYTES};
use floe_protocol::Committee;
use floe_redstuff::EncodingParams;
use serde_json::{Value, json};

use crate::{
    args::{Global, InfoArgs, InfoPart, MemoryArgs},
    error::CliError,
    network,
    output::{Output, amount, size},
};

/// Largest blob inside a quilt: its length has four bytes.
const MAX_BLOB_SIZE_IN_QUILT: u64 = u32::MAX as u64;
/// Sizes of the example prices.
const EXAMPLES: [u64; 3] = [16 << 20, 512 << 20, 1 << 30];

struct Facts {
    network: NetworkInfo,
    committee: Committee,
    params: EncodingParams,
}

pub(crate) async fn run(global: &Global, args: InfoArgs) -> Result<(), CliError> {
    let (client, _) = network::connect_to_read(global, &MemoryArgs::default()).await?;
    let (network, committee) = (client.chain().network().await?, client.chain().committee().await?);
    let params = committee.params();
    let facts = Facts { network, committee, params };
    let output = Output::new(global);
    let parts: &[InfoPart] = match args.part {
        None => &[InfoPart::Epoch, InfoPart::Storage, InfoPart::Size, InfoPart::Price],
        Some(InfoPart::All) => {
            &[InfoPart::Epoch, InfoPart::Storage, InfoPart::Size, InfoPart::Price, InfoPart::Bft, InfoPart::Committee]
        }
        Some(part) => {
            let (_, value, text) = facts.part(part);
            return output.result(&value, || text);
        }
    };
    let (mut object, mut texts) = (serde_json::Map::new(), Vec::new());
    for part in parts {
        let (key, value, text) = facts.part(*part);
        object.insert(key.to_owned(), value);
        texts.push(text);
    }
    output.result(&Value::Object(object), || texts.join("\n\n"))
}

impl Facts {
    /// The JSON key, JSON object and text of one part.
    fn part(&self, part: InfoPart) -> (&'static str, Value, String) {
        match part {
            InfoPart::Epoch => self.epoch(),
            InfoPart::Storage => self.storage(),
            InfoPart::Size => self.sizes(),
            InfoPart::Price => self.prices(),
            InfoPart::Bft => self.bft(),
            InfoPart::Committee | InfoPart::All => self.committee(),
            InfoPart::Coin => self.coin(),
        }
    }

    fn epoch(&self) -> (&'static str, Value, String) {
        let n = &self.network;
        let value = json!({
            "currentEpoch": n.epoch,
            "startOfCurrentEpoch": n.epoch_started_at,
            "epochDuration": {"secs": n.epoch_duration_secs, "nanos": 0},
            "maxEpochsAhead": n.max_epochs_ahead,
        });
        let text = format!(
            "Epoch\n  current: {}\n  started: {} (Unix seconds)\n  duration: {} s\n  blobs can be stored for at most {} epochs ahead",
            n.epoch, n.epoch_started_at, n.epoch_duration_secs, n.max_epochs_ahead
        );
        ("epochInfo", value, text)
    }

    fn storage(&self) -> (&'static str, Value, String) {
        let (shards, nodes) = (self.network.n_shards, self.committee.members().len());
        let text = format!("Storage\n  nodes: {nodes}\n  shards: {shards}");
        ("storageInfo", json!({"nShards": shards, "nNodes": nodes}), text)
    }

    fn sizes(&self) -> (&'static str, Value, String) {
        let max = self.params.max_blob_size();
        let value = json!({
            "storageUnitSize": STORAGE_UNIT_BYTES, "maxBlobSize": max, "maxBlobSizeInQuilt": MAX_BLOB_SIZE_IN_QUILT});
        let text = format!(
            "Size\n  largest blob: {} ({max} bytes)\n  unit of storage: {}",
            size(max),
            size(STORAGE_UNIT_BYTES)
        );
        ("sizeInfo", value, text)
    }

    fn prices(&self) -> (&'static str, Value, String) {
        let n = &self.network;
        let metadata = u64::from(n.n_shards) * self.params.metadata_length();
        let examples: Vec<_> = EXAMPLES
            .iter()
            .filter_map(|size| Some((*size, self.params.encoded_length(*size).ok()?)))
            .map(|(plain, encoded)| (plain, encoded, n.cost(encoded, 1)))
            .collect();
        let value = json!({
            "storagePricePerUnitSize": n.storage_price,
            "writePricePerUnitSize": n.write_price,
            "encodingDependentPriceInfo": [{
                "marginalSize": STORAGE_UNIT_BYTES,
                "metadataPrice": n.cost(metadata, 1),
                "marginalPrice": n.storage_price,
                "exampleBlobs": examples.iter().map(|(plain, encoded, price)| json!({
                    "unencodedSize": plain, "encodedSize": encoded, "price": price, "encodingType": "RS2"
                })).collect::<Vec<_>>(),
                "encodingType": "RS2",
            }],
        });
        let show = |units| amount(units, n.payment_token_decimals, &n.payment_token_symbol);
        let mut text = format!(
            "Price (per MiB of encoded length)\n  storage: {} for an epoch\n  write: {} once",
            show(n.storage_price),
            show(n.write_price)
        );
        for (plain, encoded, price) in examples {
            text += &format!("\n  {} ({} encoded) for one epoch: {}", size(plain), size(encoded), show(price));
        }
        ("priceInfo", value, text)
    }

    fn bft(&self) -> (&'static str, Value, String) {
        let (n, f) = (self.params.n_shards(), self.params.max_faulty());
        let mut weights: Vec<u16> = (0..self.committee.members().len()).map(|i| self.committee.weight(i)).collect();
        weights.sort_unstable_by(|a, b| b.cmp(a));
        let mut above = 0u32;
        let nodes_above = weights.iter().take_while(|w| {
            let more = above <= u32::from(f);
            above += u32::from(**w);
            more
        });
        let nodes_above = nodes_above.count();
        let value = json!({
            "maxFaultyShards": f, "minCorrectShards": n - f, "quorumThreshold": 2 * f + 1,
            "minNodesAbove": nodes_above, "shardsAbove": f + 1});
        let text = format!(
            "Faults\n  shards that may fail or lie: {f}\n  shards that must be correct: {}\n  quorum: {}\n  \
             fewest nodes that hold more than {f} shards: {nodes_above}",
            n - f,
            2 * f + 1
        );
        ("bftInfo", value, text)
    }

    fn committee(&self) -> (&'static str, Value, String) {
        let p = self.params;
        let max_encoded = p.encoded_length(p.max_blob_size()).unwrap_or(0);
        let nodes: Vec<Value> = self
            .committee
            .members()
            .iter()
            .map(|m| {
                json!({
                    "name": m.name, "networkAddress": m.address, "publicKey": m.public_key,
                    "nShards": m.shards.len(), "shardIds": m.shards, "nodeId": m.node_id.to_string()})
            })
            .collect();
        let value = json!({
            "nShards": p.n_shards(),
            "nPrimarySourceSymbols": p.primary_source_symbols(),
            "nSecondarySourceSymbols": p.secondary_source_symbols(),
            "maxSliverSize": p.max_sliver_size(),
            "metadataStorageSize": p.metadata_length(),
            "maxEncodedBlobSize": max_encoded,
            "currentStorageNodes": nodes,
        });
        let mut text = format!(
            "Committee of epoch {}\n  source symbols: {} primary, {} secondary\n  largest sliver: {}\n  nodes:",
            self.network.epoch,
            p.primary_source_symbols(),
            p.secondary_source_symbols(),
            size(p.max_sliver_size()),
        );
        for m in self.committee.members() {
            text += &format!("\n    {:<12} {:>4} shards  {}", m.name, m.shards.len(), m.address);
        }
        ("committeeInfo", value, text)
    }

    fn coin(&self) -> (&'static str, Value, String) {
        let n = &self.network;
        let value = json!({"coinType": n.payment_token_symbol, "decimals": n.payment_token_decimals});
        (
            "coin",
            value,
            format!("Storage is paid in {} ({} decimals)", n.payment_token_symbol, n.payment_token_decimals),
        )
    }
}
