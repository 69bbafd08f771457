# Everything that a fresh machine needs is set up by the targets that need it.
# The demo's build: `PROFILE=dev` takes what the tests are built with, and builds them too. By itself the program would be built of
# dependencies with fewer features, and then again.
PROFILE := release
PARTS := $(if $(filter dev,$(PROFILE)),--workspace --tests) --bin ballast
BALLAST := ./target/$(PROFILE:dev=debug)/ballast
CONTRACTS := fixtures/contracts/node_modules/.package-lock.json
OWN_CONTRACTS := fixtures/contracts/own solver/contracts
DEVNET := ./target/devnet
DEMO := fixtures/auctions/demo.json
POLICY := solver/policy/examples
POLICIES := hold.toml calendar.toml corridor-to-target.toml corridor-to-edge.toml corridor-to-half.toml cost-optimal.toml predictive.toml

# Tools that run for seconds are not worth the minutes of an optimised build.
INSTALL := CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --debug

# By itself cargo-fuzz builds each crate in one piece, for the speed of what is optimised in full; nothing here is.
FUZZ_BUILD := --fuzz-dir solver/fuzz --sanitizer none --codegen-units 16
FUZZ := request constant_product weighted stable concentrated limit_order

.PHONY: demo test lint deny contracts own-contracts highs fuzz bench clean

## demo: solve an auction of ours and check the reply by itself; decide on a portfolio and test policies on generated prices; build a
## local chain, solve and settle its orders on it, and have the service rebalance a vault
demo: contracts
	cargo build --profile $(PROFILE) --locked $(PARTS)
	@echo "== A batch auction of ours (generated: fixtures/README.md), solved"
	$(BALLAST) solve $(DEMO) --json > target/demo-reply.json
	@echo "== The reply, checked by a verifier that shares nothing with the planner but the venues"
	$(BALLAST) verify $(DEMO) target/demo-reply.json
	@echo "== A portfolio, on generated prices ($(POLICY)/generate_prices.rs, seed 20260101): trade now?"
	$(BALLAST) decide $(POLICY)/portfolio.json --prices $(POLICY)/prices.csv
	@echo "== The policies over two years of those prices"
	$(BALLAST) backtest --policy $(addprefix $(POLICY)/policies/,$(POLICIES)) \
		--prices $(POLICY)/prices.csv --svg target/demo-backtest.svg --detail cost-optimal
	@echo "target/demo-backtest.svg shows values, weights with bands, and trades"
	@echo "== A local chain with real contracts; its pools read back, its traders' orders signed"
	@# A new chain knows nothing of what a service remembers of an old one.
	rm -rf $(DEVNET)
	$(BALLAST) devnet --detach --port 0 --out $(DEVNET)
	@echo "== The orders, solved and settled on it: promise and outcome side by side (TAX takes a fee on transfer); then a vault's"
	@echo "== signed intent, posted to the service, which sizes and settles it on the pools as they are by then; and its audit trail"
	@trap 'kill $$(cat $(DEVNET)/devnet.pid) $$!' EXIT; trap 'exit 1' INT TERM; . $(DEVNET)/solver.env; \
		$(BALLAST) settle $(DEVNET)/auction.json --config $(DEVNET)/settle.toml && \
		{ RUST_LOG=error $(BALLAST) serve --config $(DEVNET)/settle.toml & } && \
		ID=$$($(BALLAST) intent post $(DEVNET)/intent.json | cut -d' ' -f2) && \
		$(BALLAST) intent watch $$ID && $(BALLAST) intent history $$ID --config $(DEVNET)/settle.toml
	@echo "== The chain is down"

## test: install the contracts' packages, then run every test, the differential ones against real bytecode included
test: contracts
	node fixtures/contracts/build.mjs --check $(OWN_CONTRACTS)
	cargo test --locked --workspace

## contracts: the real contracts, by exact version, into an ignored folder
contracts: $(CONTRACTS)

$(CONTRACTS): fixtures/contracts/package.json fixtures/contracts/package-lock.json
	npm ci --prefix fixtures/contracts --no-fund --no-audit
	@touch $(CONTRACTS)

## own-contracts: compile our own contracts, for settlement and for tests; the results are committed, `make test` checks that they are what the sources make
own-contracts: contracts
	node fixtures/contracts/build.mjs $(OWN_CONTRACTS)

## lint: format, clippy with warnings as errors, documentation
lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

## deny: licences, bans and sources of what we depend on
deny:
	command -v cargo-deny >/dev/null || $(INSTALL) cargo-deny
	cargo deny --all-features check --hide-inclusion-graph bans licenses sources

## highs: the optimiser's tests with HiGHS as the LP back-end (C++; takes some minutes to build)
highs:
	command -v cmake >/dev/null && ls /usr/lib/llvm-*/lib/libclang.so >/dev/null 2>&1 \
		|| (apt-get update && apt-get install -y --no-install-recommends cmake libclang-dev)
	cargo test --locked -p ballast-routing --no-default-features --features highs --target-dir target/highs

## fuzz: the request and each venue, a few seconds each; FUZZ_SECONDS=600 for longer
# Without a sanitizer coverage needs stable flags only, so the pinned toolchain will do: there is no unsafe code of ours that an
# address sanitizer would watch.
fuzz:
	command -v cargo-fuzz >/dev/null || $(INSTALL) cargo-fuzz
	cargo fetch --locked --manifest-path solver/fuzz/Cargo.toml
	cargo fuzz build $(FUZZ_BUILD)
	for target in $(FUZZ); do \
		mkdir -p solver/fuzz/corpus/$$target solver/fuzz/seeds/$$target; \
		cargo fuzz run $(FUZZ_BUILD) $$target solver/fuzz/corpus/$$target solver/fuzz/seeds/$$target \
			-- -max_total_time=$${FUZZ_SECONDS:-5} -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 || exit 1; \
	done

## bench: the tables of the README
bench:
	cargo run --release --locked -p ballast-bench -- single
	cargo run --release --locked -p ballast-bench -- compare

clean:
	cargo clean
	rm -rf fixtures/contracts/node_modules
