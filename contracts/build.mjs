// node build.mjs          compiles the sources and writes artifacts/*.json and artifacts/manifest.json
// node build.mjs --check  compiles again and compares with what is committed, byte for byte
//
// No network: solc is the npm package (soljson.js, wasm inside), imports come from node_modules. The output depends on
// sources, settings and solc version alone, so it is the same in any folder and on any machine.
import { createHash } from "node:crypto";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const artifactsDir = path.join(here, "artifacts");

const sourceDirs = ["src", "examples", "testing"];
// What is deployed; everything else is a library or an interface that lives inside these.
const deployed = [
  "Attributes", "Availability", "Blobs", "Committee", "Deployer", "Economics", "Editions", "Epochs", "FloeProxy", "FloeToken", "Governance",
  "Intents", "Nodes", "Pools", "Primitives", "SmartAccount", "Staking", "Storage", "Subsidies", "TestStablecoin", "Till",
];
const settings = {
  evmVersion: "prague",
  viaIR: true,
  optimizer: { enabled: true, runs: 800 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "storageLayout"] } },
};

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const toJson = (value) => JSON.stringify(value, null, 1) + "\n";

/** One line for each variable and each member of a struct: slot, offset, type, name. Mappings and arrays by their type. */
function flat({ storage, types }) {
  const plain = (type) => types[type].label;
  const lines = [];
  const add = (members, base, prefix) => {
    for (const { slot, offset, type, label } of members) {
      const place = base + Number(slot);
      if (types[type].members) add(types[type].members, place, `${prefix}${label}.`);
      else lines.push(`${place}+${offset} ${plain(type)} ${prefix}${label}`);
    }
  };
  add(storage, 0, "");
  for (const [type, { label, members }] of Object.entries(types).sort()) {
    // Values of mappings and elements of arrays: structs that no variable holds directly.
    if (members && !storage.some((entry) => entry.type === type)) add(members, 0, `${label}.`);
  }
  return lines;
}

/** Compiles everything; returns file name -> text. */
function build() {
  const solc = createRequire(import.meta.url)("solc");
  const hashes = {}; // of every file that the compiler reads
  const read = (name) => {
    const file = name.startsWith("@") ? path.join(here, "node_modules", name) : path.join(here, name);
    const content = fs.readFileSync(file, "utf8");
    hashes[name] = sha256(content);
    return content;
  };
  const own = sourceDirs.flatMap((dir) =>
    fs.readdirSync(path.join(here, dir)).filter((name) => name.endsWith(".sol")).sort().map((name) => `${dir}/${name}`));
  const sources = Object.fromEntries(own.map((name) => [name, { content: read(name) }]));
  const imported = (name) => {
    try {
      return { contents: read(name) };
    } catch (error) {
      return { error: String(error) };
    }
  };
  const output = JSON.parse(
    solc.compile(JSON.stringify({ language: "Solidity", sources, settings }), { import: imported }));
  for (const problem of output.errors ?? []) console.error(problem.formattedMessage);
  if (output.errors?.length) throw new Error("errors and warnings must be solved");

  const files = new Map();
  const layouts = {}; // of what lives behind a proxy
  for (const source of own) {
    for (const [contractName, { abi, evm, storageLayout }] of Object.entries(output.contracts[source] ?? {})) {
      if (!deployed.includes(contractName)) continue;
      if (abi.some((entry) => entry.name === "upgradeToAndCall")) layouts[contractName] = flat(storageLayout);
      files.set(`${contractName}.json`, toJson({
        contractName,
        source,
        abi,
        bytecode: "0x" + evm.bytecode.object,
        deployedBytecode: "0x" + evm.deployedBytecode.object,
      }));
    }
  }
  const sorted = (entries) => Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
  files.set("layouts.json", toJson(sorted(Object.entries(layouts))));
  files.set("manifest.json", toJson({
    solc: solc.version(),
    settings,
    sources: sorted(Object.entries(hashes)),
    artifacts: sorted([...files].map(([name, text]) => [name, sha256(text)])),
  }));
  return files;
}

/** Names of the files that differ from `files`, are missing, or should not be there. */
function stale(files) {
  const present = fs.existsSync(artifactsDir) ? fs.readdirSync(artifactsDir) : [];
  const changed = [...files].filter(([name, text]) =>
    !present.includes(name) || fs.readFileSync(path.join(artifactsDir, name), "utf8") !== text).map(([name]) => name);
  return [...changed, ...present.filter((name) => !files.has(name))];
}

const files = build();
if (process.argv.includes("--check")) {
  const names = stale(files);
  for (const name of names) console.error(`stale: artifacts/${name}`);
  console.log(names.length ? "artifacts do not match the sources: run node build.mjs" : "artifacts match the sources");
  process.exitCode = names.length ? 1 : 0;
} else {
  fs.rmSync(artifactsDir, { recursive: true, force: true });
  fs.mkdirSync(artifactsDir);
  for (const [name, text] of files) {
    fs.writeFileSync(path.join(artifactsDir, name), text);
    if (name === "manifest.json" || name === "layouts.json") continue;
    console.log(`${name}: ${JSON.parse(text).deployedBytecode.length / 2 - 1} bytes deployed`);
  }
}
