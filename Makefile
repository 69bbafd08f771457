# Everything that a fresh machine needs is set up by the targets that need it.
CONTRACTS := fixtures/contracts/node_modules/.package-lock.json
DEMO := fixtures/auctions/demo.json

.PHONY: demo test lint deny contracts highs bench clean

## demo: solve an auction of ours, print the table, and check the reply by itself
demo:
	cargo build --release --locked -p ballast-solver
	./target/release/ballast solve $(DEMO) --json > target/demo-reply.json
	./target/release/ballast verify $(DEMO) target/demo-reply.json

## test: install the contracts' packages, then run every test, the differential ones against real bytecode included
test: contracts
	cargo test --locked --workspace

## contracts: the real contracts, by exact version, into an ignored folder
contracts: $(CONTRACTS)

$(CONTRACTS): fixtures/contracts/package.json fixtures/contracts/package-lock.json
	npm ci --prefix fixtures/contracts --no-fund --no-audit
	@touch $(CONTRACTS)

## lint: format, clippy with warnings as errors, documentation
lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

## deny: licences, bans and sources of what we depend on
deny:
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --all-features check bans licenses sources

## highs: the optimiser's tests with HiGHS as the LP back-end (C++; takes some minutes to build)
highs:
	command -v cmake >/dev/null && ls /usr/lib/llvm-*/lib/libclang.so >/dev/null 2>&1 \
		|| (apt-get update && apt-get install -y --no-install-recommends cmake libclang-dev)
	cargo test --locked -p ballast-routing --no-default-features --features highs --target-dir target/highs

## bench: the tables of the README
bench:
	cargo run --release --locked -p ballast-bench -- single
	cargo run --release --locked -p ballast-bench -- compare

clean:
	cargo clean
	rm -rf fixtures/contracts/node_modules
