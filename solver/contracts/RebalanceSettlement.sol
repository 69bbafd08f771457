// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts-5/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts-5/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts-5/utils/ReentrancyGuardTransient.sol";
import {EIP712} from "@openzeppelin/contracts-5/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts-5/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts-5/utils/math/Math.sol";
import {Approval, Call, Executor} from "./Executor.sol";
import {Intent, IntentHash} from "./Intent.sol";
import {Portfolio, Portfolios, Reason, Windows} from "./Portfolio.sol";
import {PostConditions} from "./PostConditions.sol";
import {IFeed, Oracles, Prices} from "./Prices.sol";
import {IAccount, TransferModule} from "./TransferModule.sol";

/// How a solver rebalances a vault. Nothing in it is trusted.
struct Plan {
    /// Atoms taken out of the vault, by the assets of the intent.
    uint256[] amounts;
    /// Approvals of the executor; all are taken back.
    Approval[] approvals;
    /// Calls of the executor.
    Call[] calls;
    /// What the solver is paid: an asset, by its place, and atoms.
    uint256 feeAsset;
    uint256 fee;
}

/// What a rebalance did to a vault. Weights are 10⁻¹⁸ of the portfolio by the assets of the intent, values 10⁻¹⁸ of the numeraire.
struct Outcome {
    uint256[] weightsBefore;
    uint256[] weightsAfter;
    uint256 valueBefore;
    uint256 valueAfter;
    /// The fall of the value, the solver's fee in it.
    uint256 loss;
    /// The rise of the value: what is left of arbitrage after costs and the solver's fee.
    uint256 credit;
    /// What the solver was paid.
    uint256 fee;
    /// Whether every asset is inside its landing now.
    bool landed;
}

/// Settles signed rebalancing intents: anyone may bring a plan, and what it leaves the vault with is checked.
///
/// Plans are hostile input. A list of what they may call would have to know every venue and every token, and one entry too many would be the end
/// of it. So a plan is not restricted to harmless calls but run where no call does harm: by an executor made for it alone, at an address that has
/// never been trusted with anything and never will be. It holds what was taken out of the vault for this plan, within the caps of the intent;
/// whatever it holds in the end goes back, and either the vault's balances pass every check or nothing has happened. Calls to the vault, to this
/// contract, its module and the oracles, and approvals or `transferFrom` outside of the plan's list are refused besides.
///
/// 1. value_after ≥ value_before·(1 − maxLoss), and over the day losses fill a bucket that leaks.
/// 2. Every asset is inside its landing; or, if the intent allows less, Σ|w − w*| falls by minProgress and nothing leaves its band.
/// 3. Trades, turnover, groups and what must stay are within their caps.
/// 4. Prices are fresh, inside their bounds, and agree with a time-weighted one.
/// 5. No approval is left, and the nonce is used.
///
/// Values are sums of balances at the prices read before the plan runs, so nothing that a plan does to a feed or pool shifts its own judgement. What the
/// checks cannot see is an asset whose own contract lies about balances: that is the owner's choice of assets, and maxTrade bounds it.
///
/// Gas beside the plan's swaps, the transaction's own and the delivery of every asset included: 308,000 for 3 assets, 629,000 for 10.
contract RebalanceSettlement is EIP712("Ballast", "1"), ReentrancyGuardTransient {
    using Windows for *;

    /// A vault's past.
    struct History {
        uint64 rebalancedAt;
        /// What is in the bucket of losses at that time, in 10⁻¹⁸ of the portfolio.
        uint128 lost;
    }

    uint256 private constant USED = type(uint256).max;
    bytes4 private constant INCREASE_ALLOWANCE = bytes4(keccak256("increaseAllowance(address,uint256)"));

    /// What vaults enable.
    TransferModule public immutable MODULE = new TransferModule();
    /// What executors are clones of.
    address public immutable EXECUTOR = address(new Executor());
    /// The uptime feed of the chain's sequencer; none where there is none.
    IFeed public immutable SEQUENCER;

    mapping(address owner => History) public historyOf;
    /// How often an intent was settled: the maximum if it cannot be any more.
    mapping(address owner => mapping(uint256 nonce => uint256)) public settlementsOf;

    event Rebalanced(address indexed owner, uint256 indexed nonce, address indexed solver, Outcome outcome);
    /// There was nothing to do, and nothing was done: the intent stands.
    event Skipped(address indexed owner, uint256 indexed nonce, Reason reason);
    /// An intent was revoked.
    event Cancelled(address indexed owner, uint256 indexed nonce);

    error BadSignature();
    error NotYetValid(uint256 from);
    error Expired(uint256 to);
    error NonceUsed(uint256 nonce);
    error CoolingDown(uint256 until);
    error OutsideWindow();
    error GasPriceTooHigh(uint256 gasPrice);
    /// Assets must ascend, or one could be counted twice.
    error UnsortedAssets(address token);
    error WrongLength();
    error ForbiddenCall(address target, bytes4 selector);
    /// Post-condition 1, over the day; in 10⁻¹⁸ of the portfolio.
    error DailyLossTooHigh(uint256 lost, uint256 most);

    constructor(IFeed sequencer) {
        SEQUENCER = sequencer;
    }

    /// Settles an intent by a plan, or does nothing where nothing is to be done: then it returns false, and the plan was not run.
    function execute(Intent calldata intent, bytes calldata signature, Plan calldata plan)
        external
        nonReentrant
        returns (bool)
    {
        bytes32 digest = digestOf(intent);
        if (!SignatureChecker.isValidSignatureNowCalldata(intent.owner, digest, signature)) revert BadSignature();
        uint256 settled = _admit(intent);
        address[] memory tokens = _tokens(intent);
        Prices memory prices = Oracles.read(intent, SEQUENCER);
        Portfolio memory start = Portfolios.measure(intent, prices);
        Reason reason = Portfolios.idle(intent, start, settled != 0);
        if (reason != Reason.None) {
            emit Skipped(intent.owner, intent.nonce, reason);
            return false;
        }
        settlementsOf[intent.owner][intent.nonce] = settled + 1;
        _run(intent, plan, tokens, _salt(digest, settled));
        Portfolio memory end = Portfolios.measure(intent, prices);
        Outcome memory outcome;
        outcome.fee = plan.fee * prices.price[plan.feeAsset] / prices.unit[plan.feeAsset];
        outcome.landed = PostConditions.check(intent, start, end, outcome.fee);
        (outcome.weightsBefore, outcome.weightsAfter) = (start.weights, end.weights);
        (outcome.valueBefore, outcome.valueAfter) = (start.total, end.total);
        _finish(intent, outcome);
        return true;
    }

    /// Revokes an intent of the sender's.
    function cancel(uint256 nonce) external {
        settlementsOf[msg.sender][nonce] = USED;
        emit Cancelled(msg.sender, nonce);
    }

    /// What is signed.
    function digestOf(Intent calldata intent) public view returns (bytes32) {
        return _hashTypedDataV4(IntentHash.hash(intent));
    }

    /// Where the plan of an intent will run that was settled so often before.
    function executorOf(bytes32 digest, uint256 settled) external view returns (address) {
        return Clones.predictDeterministicAddress(EXECUTOR, _salt(digest, settled));
    }

    /// Whether a plan is running. Vaults are short of what it holds: who computes anything from their balances, a share's price say, must not
    /// do so now.
    function busy() external view returns (bool) {
        return _reentrancyGuardEntered();
    }

    /// Whether the intent may be settled now: how often it was before.
    function _admit(Intent calldata intent) private view returns (uint256 settled) {
        if (block.timestamp < intent.validFrom) revert NotYetValid(intent.validFrom);
        if (block.timestamp > intent.validTo) revert Expired(intent.validTo);
        if (tx.gasprice > intent.costs.maxGasPriceWei) revert GasPriceTooHigh(tx.gasprice);
        settled = settlementsOf[intent.owner][intent.nonce];
        if (settled >= intent.execution.slices) revert NonceUsed(intent.nonce);
        uint256 pause = settled == 0 ? intent.trigger.cooldownSec : intent.execution.minSpacingSec;
        uint256 until = historyOf[intent.owner].rebalancedAt + pause;
        if (block.timestamp < until) revert CoolingDown(until);
        if (!intent.trigger.window.contains(block.timestamp)) revert OutsideWindow();
    }

    function _tokens(Intent calldata intent) private pure returns (address[] memory tokens) {
        tokens = new address[](intent.assets.length);
        address last = address(0);
        for (uint256 i = 0; i < tokens.length; i++) {
            tokens[i] = intent.assets[i].token;
            if (tokens[i] <= last) revert UnsortedAssets(tokens[i]);
            last = tokens[i];
        }
    }

    /// Takes the plan's amounts out of the vault, runs it, pays the solver, and returns all that is left to the vault.
    function _run(Intent calldata intent, Plan calldata plan, address[] memory tokens, bytes32 salt) private {
        if (plan.amounts.length != tokens.length) revert WrongLength();
        PostConditions.checkAmounts(intent, plan.amounts);
        _checkCalls(intent, plan);
        Executor executor = Executor(payable(Clones.cloneDeterministic(EXECUTOR, salt)));
        MODULE.transfer(IAccount(intent.owner), tokens, plan.amounts, address(executor));
        executor.run(plan.approvals, plan.calls);
        if (plan.fee != 0) executor.pay(tokens[plan.feeAsset], msg.sender, plan.fee);
        executor.sweep(tokens, intent.owner);
        // Of tokens on the way, what their swaps have left.
        address[] memory others = new address[](plan.approvals.length);
        for (uint256 i = 0; i < others.length; i++) others[i] = plan.approvals[i].token;
        executor.sweep(others, intent.owner);
    }

    function _checkCalls(Intent calldata intent, Plan calldata plan) private view {
        for (uint256 i = 0; i < plan.approvals.length; i++) {
            _checkTarget(intent, plan.approvals[i].token, IERC20.approve.selector);
        }
        for (uint256 i = 0; i < plan.calls.length; i++) {
            bytes4 selector = bytes4(plan.calls[i].data);
            if (
                selector == IERC20.transferFrom.selector || selector == IERC20.approve.selector
                    || selector == INCREASE_ALLOWANCE
            ) revert ForbiddenCall(plan.calls[i].target, selector);
            _checkTarget(intent, plan.calls[i].target, selector);
        }
    }

    function _checkTarget(Intent calldata intent, address target, bytes4 selector) private view {
        bool forbidden = target == intent.owner || target == address(this) || target == address(MODULE)
            || target == EXECUTOR || target == address(SEQUENCER);
        for (uint256 i = 0; i < intent.assets.length && !forbidden; i++) {
            forbidden = target == intent.assets[i].oracle.feed || target == intent.assets[i].oracle.twapPool;
        }
        if (forbidden) revert ForbiddenCall(target, selector);
    }

    /// The rest of post-condition 1, and what is remembered and told.
    function _finish(Intent calldata intent, Outcome memory outcome) private {
        outcome.loss = Math.saturatingSub(outcome.valueBefore, outcome.valueAfter);
        outcome.credit = Math.saturatingSub(outcome.valueAfter, outcome.valueBefore);
        History storage history = historyOf[intent.owner];
        uint256 most = uint256(intent.costs.maxLossPerDayBps) * 1e14;
        uint256 leaked = (block.timestamp - history.rebalancedAt) * most / 1 days;
        uint256 lost = Math.saturatingSub(history.lost, leaked)
            + Math.mulDiv(outcome.loss, 1e18, outcome.valueBefore, Math.Rounding.Ceil);
        if (lost > most) revert DailyLossTooHigh(lost, most);
        // `most` is no more than 6.6 times the whole.
        (history.rebalancedAt, history.lost) = (uint64(block.timestamp), uint128(lost));
        if (outcome.landed) settlementsOf[intent.owner][intent.nonce] = USED;
        emit Rebalanced(intent.owner, intent.nonce, msg.sender, outcome);
    }

    function _salt(bytes32 digest, uint256 settled) private pure returns (bytes32) {
        return keccak256(abi.encode(digest, settled));
    }
}
