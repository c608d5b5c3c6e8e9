// The TypeScript storage-node client and the WebAssembly encoder, which nobody here wrote, against our nodes.
//   node storage-node.mjs id      N FILE            the blob id and root that the encoder gives
//   node storage-node.mjs upload  DEVNET.json FILE  send metadata and slivers to every node, collect and check confirmations
//   node storage-node.mjs read    DEVNET.json ID N  read slivers back, decode, write the blob to standard output
//   node storage-node.mjs errors  DEVNET.json ID    the client maps our errors to its own classes
// Results are JSON on standard output.
import assert from "node:assert/strict";
import fs from "node:fs";
import { SliverData } from "./node_modules/@mysten/walrus/dist/utils/bcs.mjs";
import { StorageNodeClient } from "./node_modules/@mysten/walrus/dist/storage-node/client.mjs";
import { BlobNotRegisteredError, NotFoundError } from "./node_modules/@mysten/walrus/dist/storage-node/error.mjs";
import { getWasmBindings } from "./node_modules/@mysten/walrus/dist/wasm.mjs";

const wasm = await getWasmBindings();
const client = new StorageNodeClient({ timeout: 20_000 });
const [command, first, second, third] = process.argv.slice(2);
const print = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const network = () => JSON.parse(fs.readFileSync(first, "utf8"));

// Base64 text to the big-endian number modulo n: the rotation of pairs over shards.
const offset = (id, n) => [...Buffer.from(id, "base64url")].reduce((acc, byte) => (acc * 256 + byte) % n, 0);
const pairOfShard = (shard, id, n) => (n + shard - offset(id, n)) % n;

if (command === "id") {
  const { blobId, rootHash } = wasm.computeMetadata(Number(first), new Uint8Array(fs.readFileSync(second)));
  print({ blobId, rootHash: Buffer.from(rootHash).toString("hex") });
} else if (command === "upload") {
  const { nodes, nShards } = network();
  const encoded = wasm.encodeBlob(nShards, new Uint8Array(fs.readFileSync(second)));
  const blobId = encoded.blobId;
  const confirmations = [];
  for (const node of nodes) {
    const options = { nodeUrl: node.address };
    await client.storeBlobMetadata({ blobId, metadata: encoded.metadata }, options);
    assert.equal(await client.getMetadataStatus({ blobId }, options), "stored");
    for (const shard of node.shards) {
      const sliverPairIndex = pairOfShard(shard, blobId, nShards);
      for (const [sliverType, slivers] of [["primary", encoded.primarySlivers], ["secondary", encoded.secondarySlivers]]) {
        const where = { blobId, sliverPairIndex, sliverType };
        await client.storeSliver({ ...where, sliver: slivers[sliverPairIndex] }, options);
        assert.equal(await client.getSliverStatus(where, options), "stored");
      }
    }
    const { success } = await client.getPermanentBlobConfirmation({ blobId }, options);
    confirmations.push(success.data.signed);
  }
  print({ blobId, confirmations });
} else if (command === "read") {
  const { nodes, nShards } = network();
  const needed = nShards - 2 * Math.floor((nShards - 1) / 3);
  const slivers = [];
  let length;
  for (const node of nodes) {
    const options = { nodeUrl: node.address };
    const metadata = await client.getBlobMetadata({ blobId: second }, options);
    assert.equal(metadata.blobId, second);
    length = metadata.metadata.V1.unencoded_length;
    for (const shard of node.shards) {
      const sliverPairIndex = pairOfShard(shard, second, nShards);
      const bytes = await client.getSliver({ blobId: second, sliverPairIndex, sliverType: "primary" }, options);
      assert.equal(SliverData.parse(bytes).index, sliverPairIndex);
      slivers.push(bytes);
    }
    const status = await client.getBlobStatus({ blobId: second }, options);
    assert.equal(status.type, "permanent");
    assert.equal(status.isCertified, true);
  }
  // The last ones: not the systematic slivers alone.
  process.stdout.write(wasm.decodePrimarySlivers(second, nShards, length, slivers.slice(-needed)));
} else if (command === "errors") {
  const options = { nodeUrl: network().nodes[0].address };
  const blobId = second;
  await assert.rejects(client.getBlobMetadata({ blobId }, options), NotFoundError);
  await assert.rejects(client.getPermanentBlobConfirmation({ blobId }, options), BlobNotRegisteredError);
  assert.equal((await client.getBlobStatus({ blobId }, options)).type, "nonexistent");
  assert.equal(await client.getMetadataStatus({ blobId }, options), "nonexistent");
  print("ok");
} else {
  throw new Error(`unknown command ${command}`);
}
