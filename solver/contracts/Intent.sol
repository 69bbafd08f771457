// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// From `low` to `high`, both included. Weights and prices are fractions of 10¹⁸.
struct Range {
    uint256 low;
    uint256 high;
}

/// How an asset is priced: a feed with Chainlink's interface, in the numeraire. The numeraire itself needs none: its price is one.
struct Oracle {
    address feed;
    /// Seconds since the last update; more is stale.
    uint32 maxAge;
    /// At or beyond these the answer is not believed: the feed is pinned, or the asset has lost its peg.
    uint256 minPrice;
    uint256 maxPrice;
    /// A Uniswap V3 pool against another asset of the intent, or none.
    address twapPool;
    /// Most difference from that pool's time-weighted price.
    uint16 maxDeviationBps;
}

struct Asset {
    address token;
    uint256 target;
    Range band;
    Range landing;
    /// Atoms that stay.
    uint256 minBalance;
    /// Atoms that one settlement may take out, or bring in.
    uint256 maxTrade;
    bool tradable;
    Oracle oracle;
}

/// A reason to rebalance.
struct Rule {
    /// See [RuleKind].
    uint8 kind;
    uint256 value;
    uint32 period;
}

enum RuleKind {
    /// A weight is `value` basis points of the portfolio off its target.
    DriftAbsolute,
    /// A weight is off its target by `value` basis points of the target.
    DriftRelative,
    // The rest is advisory: nothing on chain can prove or disprove it.
    TrackingError,
    Calendar,
    HitProbability
}

/// A part of the week, UTC: days as bits from Monday (1) to Sunday (64), and seconds of the day; over midnight if `to` is not after `from`.
struct Window {
    uint8 daysOfWeek;
    uint32 from;
    uint32 to;
}

struct Trigger {
    /// Any of these; without rules the bands decide.
    Rule[] anyOf;
    uint32 cooldownSec;
    /// All zero: always.
    Window window;
    /// Value that a rebalance must at least move, in the numeraire.
    uint256 minNotional;
}

struct Costs {
    uint16 maxLossBps;
    uint16 maxLossPerDayBps;
    /// Advisory.
    uint16 maxLossPerLegBps;
    uint256 maxGasPriceWei;
    uint16 solverFeeBps;
    uint16 surplusShareToOwnerBps;
}

struct Execution {
    /// Advisory: atomic, twap, auction.
    uint8 mode;
    uint16 slices;
    uint32 minSpacingSec;
    bool allowPartial;
    uint16 minProgressBps;
    /// Advisory.
    string[] venuesAllow;
    /// Advisory.
    string[] venuesDeny;
}

struct Group {
    address[] tokens;
    uint256 max;
}

struct Risk {
    uint16 maxTurnoverBps;
    Group[] groups;
}

/// What an owner signs, with version, chain and settlement contract in the EIP-712 domain. Amounts are atoms of their token, values and
/// prices 10⁻¹⁸ of the numeraire, weights 10⁻¹⁸ of the portfolio.
struct Intent {
    /// The vault: its assets are moved, and its ERC-1271 answers for the signature.
    address owner;
    uint256 nonce;
    uint64 validFrom;
    uint64 validTo;
    address numeraire;
    /// In ascending order of their tokens.
    Asset[] assets;
    Trigger trigger;
    Costs costs;
    Execution execution;
    Risk risk;
}

/// EIP-712's `hashStruct` of an intent.
library IntentHash {
    bytes32 private constant INTENT = keccak256(
        "Intent(address owner,uint256 nonce,uint64 validFrom,uint64 validTo,address numeraire,Asset[] assets,Trigger trigger,Costs costs,Execution execution,Risk risk)"
        "Asset(address token,uint256 target,Range band,Range landing,uint256 minBalance,uint256 maxTrade,bool tradable,Oracle oracle)"
        "Costs(uint16 maxLossBps,uint16 maxLossPerDayBps,uint16 maxLossPerLegBps,uint256 maxGasPriceWei,uint16 solverFeeBps,uint16 surplusShareToOwnerBps)"
        "Execution(uint8 mode,uint16 slices,uint32 minSpacingSec,bool allowPartial,uint16 minProgressBps,string[] venuesAllow,string[] venuesDeny)"
        "Group(address[] tokens,uint256 max)"
        "Oracle(address feed,uint32 maxAge,uint256 minPrice,uint256 maxPrice,address twapPool,uint16 maxDeviationBps)"
        "Range(uint256 low,uint256 high)" "Risk(uint16 maxTurnoverBps,Group[] groups)"
        "Rule(uint8 kind,uint256 value,uint32 period)"
        "Trigger(Rule[] anyOf,uint32 cooldownSec,Window window,uint256 minNotional)"
        "Window(uint8 daysOfWeek,uint32 from,uint32 to)"
    );
    bytes32 private constant ASSET = keccak256(
        "Asset(address token,uint256 target,Range band,Range landing,uint256 minBalance,uint256 maxTrade,bool tradable,Oracle oracle)"
        "Oracle(address feed,uint32 maxAge,uint256 minPrice,uint256 maxPrice,address twapPool,uint16 maxDeviationBps)"
        "Range(uint256 low,uint256 high)"
    );
    bytes32 private constant ORACLE = keccak256(
        "Oracle(address feed,uint32 maxAge,uint256 minPrice,uint256 maxPrice,address twapPool,uint16 maxDeviationBps)"
    );
    bytes32 private constant RANGE = keccak256("Range(uint256 low,uint256 high)");
    bytes32 private constant TRIGGER = keccak256(
        "Trigger(Rule[] anyOf,uint32 cooldownSec,Window window,uint256 minNotional)"
        "Rule(uint8 kind,uint256 value,uint32 period)" "Window(uint8 daysOfWeek,uint32 from,uint32 to)"
    );
    bytes32 private constant RULE = keccak256("Rule(uint8 kind,uint256 value,uint32 period)");
    bytes32 private constant WINDOW = keccak256("Window(uint8 daysOfWeek,uint32 from,uint32 to)");
    bytes32 private constant COSTS = keccak256(
        "Costs(uint16 maxLossBps,uint16 maxLossPerDayBps,uint16 maxLossPerLegBps,uint256 maxGasPriceWei,uint16 solverFeeBps,uint16 surplusShareToOwnerBps)"
    );
    bytes32 private constant EXECUTION = keccak256(
        "Execution(uint8 mode,uint16 slices,uint32 minSpacingSec,bool allowPartial,uint16 minProgressBps,string[] venuesAllow,string[] venuesDeny)"
    );
    bytes32 private constant RISK =
        keccak256("Risk(uint16 maxTurnoverBps,Group[] groups)" "Group(address[] tokens,uint256 max)");
    bytes32 private constant GROUP = keccak256("Group(address[] tokens,uint256 max)");

    function hash(Intent calldata intent) internal pure returns (bytes32) {
        bytes32[] memory assets = new bytes32[](intent.assets.length);
        for (uint256 i = 0; i < assets.length; i++) assets[i] = hash(intent.assets[i]);
        // In two parts: one call would not fit the stack.
        return keccak256(
            bytes.concat(
                abi.encode(INTENT, intent.owner, intent.nonce, intent.validFrom, intent.validTo, intent.numeraire),
                abi.encode(
                    keccak256(abi.encodePacked(assets)),
                    hash(intent.trigger),
                    keccak256(abi.encode(COSTS, intent.costs)),
                    hash(intent.execution),
                    hash(intent.risk)
                )
            )
        );
    }

    function hash(Asset calldata asset) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                ASSET,
                asset.token,
                asset.target,
                keccak256(abi.encode(RANGE, asset.band)),
                keccak256(abi.encode(RANGE, asset.landing)),
                asset.minBalance,
                asset.maxTrade,
                asset.tradable,
                keccak256(abi.encode(ORACLE, asset.oracle))
            )
        );
    }

    function hash(Trigger calldata trigger) private pure returns (bytes32) {
        bytes32[] memory rules = new bytes32[](trigger.anyOf.length);
        for (uint256 i = 0; i < rules.length; i++) rules[i] = keccak256(abi.encode(RULE, trigger.anyOf[i]));
        bytes32 window = keccak256(abi.encode(WINDOW, trigger.window));
        return keccak256(
            abi.encode(TRIGGER, keccak256(abi.encodePacked(rules)), trigger.cooldownSec, window, trigger.minNotional)
        );
    }

    function hash(Execution calldata execution) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                EXECUTION,
                execution.mode,
                execution.slices,
                execution.minSpacingSec,
                execution.allowPartial,
                execution.minProgressBps,
                hash(execution.venuesAllow),
                hash(execution.venuesDeny)
            )
        );
    }

    function hash(Risk calldata risk) private pure returns (bytes32) {
        bytes32[] memory groups = new bytes32[](risk.groups.length);
        for (uint256 i = 0; i < groups.length; i++) {
            Group calldata group = risk.groups[i];
            groups[i] = keccak256(abi.encode(GROUP, keccak256(abi.encodePacked(group.tokens)), group.max));
        }
        return keccak256(abi.encode(RISK, risk.maxTurnoverBps, keccak256(abi.encodePacked(groups))));
    }

    function hash(string[] calldata texts) private pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](texts.length);
        for (uint256 i = 0; i < hashes.length; i++) hashes[i] = keccak256(bytes(texts[i]));
        return keccak256(abi.encodePacked(hashes));
    }
}
