# Daily recipes. The two that matter are plain cargo: see README.md.

# A whole local network: chain, nodes, gateway.
devnet *ARGS:
    cargo run --release -- devnet {{ARGS}}

# All tests.
test:
    cargo test --workspace

# Tests of the code with other vector instructions: portable or avx2.
test-simd LEVEL:
    FLOE_SIMD={{LEVEL}} cargo test -p floe-redstuff

# Tests of the code, and with it of all unsafe code, under AddressSanitizer (x86-64 Linux).
asan:
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test -p floe-redstuff --lib --target x86_64-unknown-linux-gnu --target-dir target/asan

# What CI checks besides the tests.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Figures of docs/benchmarks.md.
bench *ARGS:
    scripts/bench.py {{ARGS}}

# Recompile the contracts and compare with the committed artifacts (needs node and npm).
contracts:
    cd contracts && npm ci --no-audit --no-fund && node build.mjs --check

# Run one fuzz target for a minute (needs cargo-fuzz and a nightly compiler).
fuzz TARGET:
    cargo +nightly fuzz run {{TARGET}} -- -max_total_time=60
