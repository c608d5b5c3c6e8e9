// Drives one of our nodes with the stock TypeScript StorageNodeClient and the stock WebAssembly encoder.
// Started by stock_client.rs, which registers the blob when this prints "register" and then writes a line.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, nodeUrl, shards, publicKey] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(modules, "node_modules/@mysten", path)));
const { StorageNodeClient } = await load("walrus/dist/storage-node/client.mjs");
const { getWasmBindings } = await load("walrus/dist/wasm.mjs");
const { BlobMetadata, StorageConfirmation } = await load("walrus/dist/utils/bcs.mjs");
const errors = await load("walrus/dist/storage-node/error.mjs");

const wasm = await getWasmBindings();
const client = new StorageNodeClient();
const options = { nodeUrl };
const nShards = Number(shards);
const blob = new Uint8Array(3001).map((_, i) => i * 7);
const { blobId, metadata, primarySlivers, secondarySlivers } = wasm.encodeBlob(nShards, blob);
const slivers = { primary: primarySlivers, secondary: secondarySlivers };

await assert.rejects(client.storeBlobMetadata({ blobId, metadata }, options), errors.BlobNotRegisteredError);
await assert.rejects(client.getBlobMetadata({ blobId }, options), errors.NotFoundError);
assert.deepEqual(await client.getBlobStatus({ blobId }, options), { type: "nonexistent" });

console.log(`register ${blobId}`);
await new Promise((go) => createInterface({ input: process.stdin }).once("line", go));

const status = await client.getBlobStatus({ blobId }, options);
assert.equal(status.type, "permanent");
assert.equal(status.endEpoch, 5);
assert.match(status.statusEvent.eventSeq, /^\d+$/);
await assert.rejects(client.getPermanentBlobConfirmation({ blobId }, options), errors.BadRequestError);
await client.storeBlobMetadata({ blobId, metadata }, options);
assert.equal(await client.getMetadataStatus({ blobId }, options), "stored");
const got = await client.getBlobMetadata({ blobId }, options);
assert.equal(got.blobId, blobId);
assert.deepEqual(BlobMetadata.serialize(got.metadata).toBytes(), BlobMetadata.serialize(metadata).toBytes());

for (let pair = 0; pair < nShards; pair++) {
  for (const sliverType of ["primary", "secondary"]) {
    const name = { blobId, sliverPairIndex: pair, sliverType };
    const bytes = slivers[sliverType][pair];
    assert.equal(await client.getSliverStatus(name, options), "nonexistent");
    await client.storeSliver({ ...name, sliver: bytes }, options);
    assert.equal(await client.getSliverStatus(name, options), "stored");
    assert.deepEqual(await client.getSliver(name, options), bytes);
  }
}

const answer = (await client.getPermanentBlobConfirmation({ blobId }, options)).success.data.signed;
const key = Uint8Array.from(Buffer.from(publicKey, "base64"));
assert.equal(wasm.getVerifySignature()(answer, key), true);
const expected = StorageConfirmation.serialize({ intent: 1, epoch: 1, messageContents: { blobId, blobType: { Permanent: true } } });
assert.equal(answer.serializedMessage, expected.toBase64());
const objectId = "0x" + "01".repeat(32);
await assert.rejects(client.getDeletableBlobConfirmation({ blobId, objectId }, options), errors.BlobNotRegisteredError);

const fetched = [];
for (let pair = nShards - 1; fetched.length < nShards; pair--) {
  fetched.push(await client.getSliver({ blobId, sliverPairIndex: pair, sliverType: "primary" }, options));
}
assert.deepEqual(wasm.decodePrimarySlivers(blobId, nShards, blob.length, fetched), blob);
console.log("done");
process.exit(0);
