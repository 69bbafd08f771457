// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts-5/token/ERC20/extensions/IERC20Metadata.sol";
import {Math} from "@openzeppelin/contracts-5/utils/math/Math.sol";
import {Asset, Intent, Oracle} from "./Intent.sol";

/// Chainlink's.
interface IFeed {
    function decimals() external view returns (uint8);
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}

/// Uniswap V3's.
interface IPool {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function observe(uint32[] calldata secondsAgos) external view returns (int56[] memory, uint160[] memory);
}

/// What the assets of an intent are worth, by their place.
struct Prices {
    /// 10⁻¹⁸ of the numeraire for a whole token.
    uint256[] price;
    /// Atoms of a whole token.
    uint256[] unit;
}

/// Post-condition 4: prices are fresh, inside their bounds, and agree with a second source. They are read once, before the plan runs: what
/// it does to a feed or a pool changes nothing about how it is judged.
library Oracles {
    uint256 private constant ONE = 1e18;
    uint32 private constant TWAP_WINDOW = 30 minutes;
    uint256 private constant SEQUENCER_GRACE = 1 hours;
    /// 1/√1.0001 and 1, times 2¹²⁸.
    uint256 private constant INVERSE_ROOT = 0xfffcb933bd6fad37aa2d162d1a594001;
    uint256 private constant Q128 = 1 << 128;

    /// The chain's sequencer is down, or came back less than an hour ago.
    error SequencerDown();
    error StalePrice(address token, uint256 updatedAt);
    /// Not above zero, or at or beyond the bounds of the intent.
    error PriceOutOfBounds(address token, int256 answer);
    error PriceInconsistent(address token, uint256 price, uint256 twap);
    /// The pool does not trade the token against another asset of the intent.
    error UnknownPair(address token, address pool);

    /// Reads and checks all prices. `sequencer` is the chain's uptime feed, if it has one.
    function read(Intent calldata intent, IFeed sequencer) internal view returns (Prices memory prices) {
        if (address(sequencer) != address(0)) {
            (, int256 down, uint256 since,,) = sequencer.latestRoundData();
            if (down != 0 || block.timestamp < since + SEQUENCER_GRACE) revert SequencerDown();
        }
        uint256 count = intent.assets.length;
        prices = Prices(new uint256[](count), new uint256[](count));
        for (uint256 i = 0; i < count; i++) {
            Asset calldata asset = intent.assets[i];
            prices.unit[i] = unitOf(asset.token);
            prices.price[i] = asset.token == intent.numeraire ? ONE : answer(asset.token, asset.oracle);
        }
        for (uint256 i = 0; i < count; i++) {
            Oracle calldata oracle = intent.assets[i].oracle;
            if (oracle.twapPool == address(0)) continue;
            (uint256 price, uint256 twap) = (prices.price[i], average(intent, prices, i));
            uint256 apart = price > twap ? price - twap : twap - price;
            if (apart * 10_000 > twap * oracle.maxDeviationBps) {
                revert PriceInconsistent(intent.assets[i].token, price, twap);
            }
        }
    }

    function answer(address token, Oracle calldata oracle) private view returns (uint256 price) {
        (, int256 said,, uint256 updatedAt,) = IFeed(oracle.feed).latestRoundData();
        if (block.timestamp > updatedAt + oracle.maxAge) revert StalePrice(token, updatedAt);
        if (said <= 0) revert PriceOutOfBounds(token, said);
        price = Math.mulDiv(uint256(said), ONE, 10 ** IFeed(oracle.feed).decimals());
        if (price <= oracle.minPrice || price >= oracle.maxPrice) revert PriceOutOfBounds(token, said);
    }

    /// What asset `i` was worth over the window, by its pool and the price of the pool's other token. The mean tick t is that of the
    /// geometric mean of token1 for token0 in atoms, 1.0001ᵗ.
    function average(Intent calldata intent, Prices memory prices, uint256 i) private view returns (uint256) {
        (address token, IPool pool) = (intent.assets[i].token, IPool(intent.assets[i].oracle.twapPool));
        (address other, bool first) = (pool.token1(), pool.token0() == token);
        if (!first) {
            if (other != token) revert UnknownPair(token, address(pool));
            other = pool.token0();
        }
        uint32[] memory secondsAgos = new uint32[](2);
        secondsAgos[0] = TWAP_WINDOW;
        (int56[] memory ticks,) = pool.observe(secondsAgos);
        int256 tick = (int256(ticks[1]) - ticks[0]) / int256(uint256(TWAP_WINDOW));
        (uint256 price, uint256 unit) = priceOf(intent, prices, other);
        if (price == 0) revert UnknownPair(token, address(pool));
        return scaled(price * prices.unit[i], first ? tick : -tick) / unit;
    }

    function priceOf(Intent calldata intent, Prices memory prices, address token)
        private
        view
        returns (uint256 price, uint256 unit)
    {
        for (uint256 i = 0; i < intent.assets.length; i++) {
            if (intent.assets[i].token == token) return (prices.price[i], prices.unit[i]);
        }
        if (token == intent.numeraire) return (ONE, unitOf(token));
    }

    function unitOf(address token) private view returns (uint256) {
        return 10 ** IERC20Metadata(token).decimals();
    }

    /// `x`·1.0001ⁿ. The root of the inverse stays below one, so that squaring it over and over fits 256 bits.
    function scaled(uint256 x, int256 n) private pure returns (uint256) {
        uint256 root = Q128;
        uint256 square = INVERSE_ROOT;
        for (uint256 left = n < 0 ? uint256(-n) : uint256(n); left != 0; left >>= 1) {
            if (left & 1 != 0) root = (root * square) >> 128;
            square = (square * square) >> 128;
        }
        (uint256 by, uint256 per) = n < 0 ? (root, Q128) : (Q128, root);
        return Math.mulDiv(Math.mulDiv(x, by, per), by, per);
    }
}
