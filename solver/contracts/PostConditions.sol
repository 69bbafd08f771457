// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts-5/utils/math/Math.sol";
import {Asset, Group, Intent} from "./Intent.sol";
import {Portfolio, Portfolios} from "./Portfolio.sol";

/// What must hold when a plan is done, whatever it was.
library PostConditions {
    uint256 private constant BPS = 10_000;
    /// A basis point of a weight.
    uint256 private constant WEIGHT_BP = 1e14;

    /// 1: too much value is lost.
    error LossTooHigh(uint256 valueBefore, uint256 valueAfter);
    /// 2: and less than the landing is not allowed.
    error OutsideLanding(address token, uint256 weight);
    /// 2: in part, but not enough nearer to the targets.
    error NoProgress(uint256 distanceBefore, uint256 distanceAfter);
    /// 2: it was inside before.
    error LeftBand(address token, uint256 weight);
    /// 3
    error NotTradable(address token);
    /// 3
    error TradeTooLarge(address token, uint256 amount);
    /// 3
    error BelowMinBalance(address token, uint256 balance);
    /// 3
    error TurnoverTooHigh(uint256 moved);
    /// 3: and more than before.
    error GroupTooHeavy(uint256 group, uint256 weight);
    /// The solver takes more than the fee and its share of the surplus.
    error FeeTooHigh(uint256 fee, uint256 most);

    /// 3, of what the plan asks to be taken out of the vault.
    function checkAmounts(Intent calldata intent, uint256[] calldata amounts) internal pure {
        for (uint256 i = 0; i < amounts.length; i++) {
            Asset calldata asset = intent.assets[i];
            if (amounts[i] != 0 && !asset.tradable) revert NotTradable(asset.token);
            if (amounts[i] > asset.maxTrade) revert TradeTooLarge(asset.token, amounts[i]);
        }
    }

    /// 1 (but for the day's bucket), 2 and 3. `fee` is what the solver was paid, valued; `landed` whether every asset is inside its landing.
    function check(Intent calldata intent, Portfolio memory start, Portfolio memory end, uint256 fee)
        internal
        pure
        returns (bool landed)
    {
        if (end.total * BPS < start.total * (BPS - intent.costs.maxLossBps)) revert LossTooHigh(start.total, end.total);
        landed = checkWeights(intent, start, end);
        checkCaps(intent.assets, start, end);
        uint256 moved = 0;
        for (uint256 i = 0; i < end.values.length; i++) moved += Portfolios.apart(start.values[i], end.values[i]);
        moved /= 2;
        if (moved * BPS > start.total * intent.risk.maxTurnoverBps) revert TurnoverTooHigh(moved);
        checkGroups(intent, start, end);
        uint256 gross = end.total + fee;
        uint256 surplus = Math.saturatingSub(gross, start.total);
        uint256 most = (moved * intent.costs.solverFeeBps + surplus * (BPS - intent.costs.surplusShareToOwnerBps)) / BPS;
        if (fee > most) revert FeeTooHigh(fee, most);
    }

    function checkWeights(Intent calldata intent, Portfolio memory start, Portfolio memory end)
        private
        pure
        returns (bool landed)
    {
        landed = true;
        for (uint256 i = 0; i < end.weights.length; i++) {
            Asset calldata asset = intent.assets[i];
            if (!asset.tradable || Portfolios.inside(asset.landing, end.weights[i])) continue;
            if (!intent.execution.allowPartial) revert OutsideLanding(asset.token, end.weights[i]);
            if (Portfolios.inside(asset.band, start.weights[i]) && !Portfolios.inside(asset.band, end.weights[i])) {
                revert LeftBand(asset.token, end.weights[i]);
            }
            landed = false;
        }
        if (landed) return true;
        uint256 before = Portfolios.distance(intent.assets, start);
        uint256 distance = Portfolios.distance(intent.assets, end);
        if (before < distance + intent.execution.minProgressBps * WEIGHT_BP) revert NoProgress(before, distance);
    }

    function checkCaps(Asset[] calldata assets, Portfolio memory start, Portfolio memory end) private pure {
        for (uint256 i = 0; i < assets.length; i++) {
            Asset calldata asset = assets[i];
            (uint256 before, uint256 balance) = (start.balances[i], end.balances[i]);
            if (!asset.tradable && balance != before) revert NotTradable(asset.token);
            uint256 traded = Portfolios.apart(before, balance);
            if (traded > asset.maxTrade) revert TradeTooLarge(asset.token, traded);
            if (balance < before && balance < asset.minBalance) revert BelowMinBalance(asset.token, balance);
        }
    }

    function checkGroups(Intent calldata intent, Portfolio memory start, Portfolio memory end) private pure {
        Group[] calldata groups = intent.risk.groups;
        for (uint256 g = 0; g < groups.length; g++) {
            (uint256 before, uint256 weight) = (0, 0);
            for (uint256 i = 0; i < intent.assets.length; i++) {
                for (uint256 t = 0; t < groups[g].tokens.length; t++) {
                    if (groups[g].tokens[t] != intent.assets[i].token) continue;
                    before += start.weights[i];
                    weight += end.weights[i];
                }
            }
            if (weight > groups[g].max && weight > before) revert GroupTooHeavy(g, weight);
        }
    }
}
