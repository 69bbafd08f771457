// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts-5/token/ERC20/IERC20.sol";
import {Asset, Intent, Range, RuleKind, Rule, Window} from "./Intent.sol";
import {Prices} from "./Prices.sol";

/// What a vault holds of the assets of an intent, by their place.
struct Portfolio {
    uint256[] balances;
    /// In 10⁻¹⁸ of the numeraire.
    uint256[] values;
    /// In 10⁻¹⁸ of the portfolio.
    uint256[] weights;
    /// Sum of the values.
    uint256 total;
}

/// Why there is nothing to do.
enum Reason {
    None,
    /// Every asset is inside its landing.
    InsideLanding,
    /// No rule calls for a rebalance: drift is gone.
    NoDrift,
    /// It would move less than is worth the trouble.
    TooSmall
}

library Portfolios {
    uint256 private constant ONE = 1e18;
    uint256 private constant BPS = 10_000;

    error EmptyVault();

    function measure(Intent calldata intent, Prices memory prices) internal view returns (Portfolio memory held) {
        uint256 count = intent.assets.length;
        held = Portfolio(new uint256[](count), new uint256[](count), new uint256[](count), 0);
        for (uint256 i = 0; i < count; i++) {
            held.balances[i] = IERC20(intent.assets[i].token).balanceOf(intent.owner);
            held.values[i] = held.balances[i] * prices.price[i] / prices.unit[i];
            held.total += held.values[i];
        }
        if (held.total == 0) revert EmptyVault();
        for (uint256 i = 0; i < count; i++) {
            held.weights[i] = held.values[i] * ONE / held.total;
        }
    }

    /// Whether there is reason to do nothing. A rebalance that is under way goes on until it has landed, whatever began it.
    function idle(Intent calldata intent, Portfolio memory held, bool underWay) internal pure returns (Reason) {
        bool landed = true;
        for (uint256 i = 0; i < intent.assets.length && landed; i++) {
            landed = !intent.assets[i].tradable || inside(intent.assets[i].landing, held.weights[i]);
        }
        if (landed) return Reason.InsideLanding;
        if (underWay) return Reason.None;
        if (!triggered(intent, held)) return Reason.NoDrift;
        uint256 move = distance(intent.assets, held) / 2;
        return move * held.total / ONE < intent.trigger.minNotional ? Reason.TooSmall : Reason.None;
    }

    function triggered(Intent calldata intent, Portfolio memory held) private pure returns (bool) {
        Rule[] calldata rules = intent.trigger.anyOf;
        for (uint256 r = 0; r < rules.length; r++) {
            if (rules[r].kind > uint8(RuleKind.DriftRelative)) return true;
        }
        for (uint256 i = 0; i < intent.assets.length; i++) {
            Asset calldata asset = intent.assets[i];
            if (!asset.tradable) continue;
            if (rules.length == 0 && !inside(asset.band, held.weights[i])) return true;
            uint256 drift = apart(held.weights[i], asset.target);
            for (uint256 r = 0; r < rules.length && drift != 0; r++) {
                uint256 whole = rules[r].kind == uint8(RuleKind.DriftAbsolute) ? ONE : asset.target;
                if (drift * BPS >= rules[r].value * whole) return true;
            }
        }
        return false;
    }

    /// Σ|w − w*| over what may be traded.
    function distance(Asset[] calldata assets, Portfolio memory held) internal pure returns (uint256 sum) {
        for (uint256 i = 0; i < assets.length; i++) {
            if (assets[i].tradable) sum += apart(held.weights[i], assets[i].target);
        }
    }

    function inside(Range calldata range, uint256 x) internal pure returns (bool) {
        return range.low <= x && x <= range.high;
    }

    function apart(uint256 x, uint256 y) internal pure returns (uint256) {
        return x < y ? y - x : x - y;
    }
}

library Windows {
    /// Whether `time` is inside.
    function contains(Window calldata window, uint256 time) internal pure returns (bool) {
        (uint256 from, uint256 to, uint256 second) = (window.from, window.to, time % 1 days);
        if (from == 0 && to == 0 && window.daysOfWeek == 0) return true;
        // The epoch was a Thursday.
        uint256 today = time / 1 days + 3;
        if (from <= to) return on(window, today) && from <= second && second < to;
        return (on(window, today) && second >= from) || (on(window, today + 6) && second < to);
    }

    function on(Window calldata window, uint256 day) private pure returns (bool) {
        return window.daysOfWeek == 0 || (window.daysOfWeek >> (day % 7)) & 1 == 1;
    }
}
