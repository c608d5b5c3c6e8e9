#!/usr/bin/env bash
# Starts a devnet with the given binary, stores a file, reads it back, and ends the network.
set -euo pipefail
floe=$(realpath "${1:?usage: smoke.sh FLOE}")
XDG_DATA_HOME=$(mktemp -d)
export XDG_DATA_HOME
unset FLOE_CONFIG
cd "$XDG_DATA_HOME"

"$floe" devnet --dir "$XDG_DATA_HOME/net" --json >ready.json &
devnet=$!
trap 'kill -INT $devnet 2>/dev/null || true; wait $devnet || true; rm -rf "$XDG_DATA_HOME"' EXIT
for _ in $(seq 600); do
    grep -q '^}' ready.json 2>/dev/null && break
    kill -0 $devnet
    sleep 0.1
done

head -c 1000000 /dev/urandom >file
"$floe" store file --epochs 2 --json >stored.json
id=$(sed -n 's/.*"blobId": "\(.*\)".*/\1/p' stored.json | head -n 1)
"$floe" read "$id" -o back
cmp file back
gateway=$(sed -n 's/.*"gatewayUrl": "\(.*\)".*/\1/p' ready.json)
curl -sS --fail "$gateway/v1/blobs/$id" | cmp - file
echo "stored and read back: $id"
