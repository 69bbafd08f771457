//! Clearing prices: one price a token, at which every order of a batch is paid what the markets and the other orders bring.
//!
//! The prices that bound a batch do not pay for it: they leave over what the markets earn below the margin, in whichever tokens come
//! cheapest. What is wanted are prices p, fills x and flows with
//!
//! ```text
//! maximise    Σ surplus of the orders
//! subject to  flows + Σ given by the orders − Σ paid to them ≥ 0 in every token,   paid = x·p_sell/p_buy,   every limit kept
//! ```
//!
//! The payments are not linear in p and x, but nearly so in small shifts of ln p: x·ρ·(1 + δ_sell − δ_buy), with ρ the price before. So a
//! few programmes in a row find the prices, each with the shifts it may make bounded closer than the one before. Limits may be missed at
//! a price that is too high to be paid but where there is no other way: who misses his cannot be part of the batch.
//!
//! Fees are found along with the prices: each order pays for itself, and for what all need each pays its share, unless another can bear
//! more and it cannot.

mod rows;
mod step;

use self::rows::Rows;
use self::step::{Step, Stepped};
use super::{Builder, LARGEST, ProgramError};
use crate::market::{MarketId, Token};
use crate::path::Hop;
use crate::problem::{Flow, Problem, Wanted};
use crate::solve::Snapshot;
use crate::view::{Kept, Renumber, View};

/// A part of a payment that is as good as nothing: what second-order shifts may be off by.
const SETTLED: f64 = 1e-10;
/// What a unit below an order's limit or below a claim costs.
const MISSED: f64 = 100.0;
/// What a unit costs that is paid less than was hoped for: more than it is worth to others.
const UNHOPED: f64 = 2.0;
/// How far the logarithm of a price may be from where the markets are traded.
const ASTRAY: f64 = 0.3;
/// What a unit costs that is paid and not there, and one that was to be left over.
const SHORT: f64 = 1000.0;
const SPARED: f64 = 300.0;
/// What is short by no more than this is not: a part of the largest trade.
const NOTHING: f64 = 1e-10;
/// Prices that moved may move by so many times as much again: a programme that lets them move by more says the same once more.
const AGAIN: f64 = 4.0;
/// What it costs to move a price, as a part of what the move is worth to those who gain by it.
const MOVED: f64 = 1e-4;
/// Times that a programme is solved again with what it missed.
const MORE_ROWS: usize = 3;
/// What it costs that an order pays less than its share, and others more, as a part of that and beside what the others lose.
const UNFAIR: f64 = 0.1;
/// The most of what is filled that a fee takes.
const MOST_FEE: f64 = 0.5;

/// Which amount of an order is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exact {
    /// What is sold.
    Sold,
    /// What is bought.
    Bought,
}

/// An order in a batch, in value units.
#[derive(Debug, Clone, Copy)]
pub struct Trade {
    /// What is given.
    pub sell: Token,
    /// What is taken.
    pub buy: Token,
    /// Which amount the fill is counted in.
    pub exact: Exact,
    /// Units bought that the limit asks for each unit sold, the fee included.
    pub rate: f64,
    /// Units bought that are hoped for each unit sold, the fee included: of all that is paid more than limits ask, they come first. Zero where
    /// none are.
    pub hope: f64,
    /// Units of the sold token that are kept for gas: at the least, and with a fair share of what all need.
    pub fee: [f64; 2],
    /// The least and the most that may be filled: sold without the least fee, or bought.
    pub fill: [f64; 2],
    /// What is sold without the fee, or bought, to start from.
    pub start: f64,
    /// What a unit of surplus is worth.
    pub weight: f64,
}

/// What some trades of one pair must be left with together, if it can be had: they could have as much elsewhere.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Indices of the trades.
    pub trades: Vec<usize>,
    /// Units of their surplus.
    pub surplus: f64,
    /// Units bought for each unit sold, fees included.
    pub price: f64,
}

impl Claim {
    /// Units that the trades lack of what they claim, with what each sells without its fee and buys.
    pub fn lack(&self, trades: &[Trade], amounts: impl Fn(usize) -> [f64; 2]) -> f64 {
        let (mut surplus, mut price) = (self.surplus, 0.0);
        for &k in &self.trades {
            let [sold, bought] = amounts(k);
            surplus -= trades[k].surplus([sold, bought]);
            price += self.price * (sold + trades[k].fee[0]) - bought;
        }
        // Without a surplus to claim, limits say what is asked.
        if self.surplus > 0.0 { surplus.max(price) } else { price }
    }
}

/// Which trades are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence<'a> {
    /// Each is, and pays its fee.
    Fixed,
    /// Each is for a part: what it is filled for of the most. It pays as much of its fee and claims as much. Says who may be in the way.
    Free,
    /// Each of these, by their places, is or is not, as a mixed-integer programme decides; the others are.
    Open(&'a [usize]),
}

/// The shift that prices may make, and the width of the chords, where it is found out who is there.
const DECIDING: [(f64, f64); 1] = [(0.02, 1e-3)];

impl Presence<'_> {
    fn reaches(self, distance: Distance) -> &'static [(f64, f64)] {
        match self {
            Self::Fixed => distance.reaches(),
            Self::Free | Self::Open(_) => &DECIDING,
        }
    }
}

/// How far prices may be from those to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distance {
    /// They are those of something else; prices that are nearly right will do.
    Far,
    /// They are nearly right.
    Near,
    /// They are right but for something small.
    Close,
}

impl Distance {
    /// The most that the logarithm of a price moves, one programme after another, with the widths of the chords that go with it. At
    /// prices that stay, payments are exact.
    const fn reaches(self) -> &'static [(f64, f64)] {
        match self {
            Self::Far => &[(0.08, 1e-2), (1e-2, 1e-3)],
            Self::Near => &[(0.02, 1e-3), (2e-3, 1e-3), (1e-5, 3e-4), (0.0, 3e-4)],
            Self::Close => &[(1e-3, 3e-4), (1e-5, 3e-4), (0.0, 3e-4)],
        }
    }
}

impl Trade {
    /// Units sold without the fee, and units bought, of a `fill` at `price` units bought for a unit sold.
    pub fn amounts(&self, fill: f64, price: f64) -> [f64; 2] {
        match self.exact {
            Exact::Sold => [fill, fill * price],
            Exact::Bought => [fill / price, fill],
        }
    }

    /// Units bought over and above the limit, at the least fee.
    pub fn surplus(&self, [sold, bought]: [f64; 2]) -> f64 {
        bought - self.rate * (sold + self.fee[0])
    }

    /// Units bought less than was hoped for, of these sold without the fee and bought.
    fn unhoped(&self, [sold, bought]: [f64; 2], fee: f64) -> f64 {
        self.hope * (sold + fee) - bought
    }

    /// The trade at a fee of its own.
    pub fn at(&self, fee: f64) -> Self {
        let more = match self.exact {
            Exact::Sold => fee - self.fee[0],
            Exact::Bought => 0.0,
        };
        Self { fee: [fee; 2], fill: self.fill.map(|fill| (fill - more).max(0.0)), ..*self }
    }
}

/// A batch at its clearing prices.
#[derive(Debug, Clone)]
pub struct Clearing {
    /// What the markets trade.
    pub flows: Vec<Flow>,
    /// The price of each token that a trade touches.
    pub prices: Vec<(Token, f64)>,
    /// What each trade sells without its fee, or buys.
    pub fills: Vec<f64>,
    /// Units of what each trade sells that are kept for gas.
    pub fees: Vec<f64>,
    /// Tokens that more is paid of than there is, and how many units more. What was to be spared is gone first.
    pub short: Vec<(Token, f64)>,
}

impl Clearing {
    /// The price of a token; one where no trade touches it.
    pub fn price(&self, token: Token) -> f64 {
        self.prices.iter().find(|p| p.0 == token).map_or(1.0, |p| p.1)
    }

    /// What a trade sells without its fee and what it buys.
    pub fn amounts(&self, k: usize, trade: &Trade) -> [f64; 2] {
        trade.amounts(self.fills[k], self.price(trade.sell) / self.price(trade.buy))
    }
}

/// What is cleared.
#[derive(Debug, Clone, Copy)]
pub struct ToClear<'a> {
    /// All markets.
    pub snapshot: &'a Snapshot,
    /// Those that are traded, each with the coins it may trade as a bit mask.
    pub markets: &'a [(MarketId, u8)],
    /// What they trade to begin with, as far as that is known.
    pub flows: &'a [Flow],
    /// Ways that are not gone.
    pub barred: &'a [Hop],
    /// What else is there, or is missing.
    pub endowment: &'a [(Token, f64)],
    /// What is to be left over as far as it can be: of tokens that orders only pass to each other there is nothing to leave.
    pub spare: &'a [(Token, f64)],
    /// Prices of all tokens near which the markets are traded.
    pub nu: &'a [f64],
    /// The orders.
    pub trades: &'a [Trade],
    /// What pairs of them are to be left with.
    pub claims: &'a [Claim],
    /// Whether orders are there in any case.
    pub presence: Presence<'a>,
    /// Of the prices that are looked for from those to start from.
    pub distance: Distance,
}

impl ToClear<'_> {
    /// Finds prices, from those of `start`.
    ///
    /// # Errors
    /// When a programme has no solution.
    pub fn clear(&self, start: impl Fn(Token) -> f64) -> Result<Clearing, ProgramError> {
        let Self { snapshot, trades, .. } = *self;
        let kept: Vec<Kept> = self.markets.iter().map(|&(market, coins)| Kept { market, coins }).collect();
        // Leftovers are worth nothing; naming the tokens gives them a number.
        let wanted =
            trades.iter().flat_map(|t| [t.sell, t.buy]).map(|token| Wanted { token, weight: 0.0, free: false }).collect();
        let problem = Problem { endowment: self.endowment.to_vec(), wanted, ..Problem::default() };
        let mut view = View::part(snapshot.markets(), &problem, &kept, 0.0, &mut Renumber::default());
        view.bar(self.barred);
        let nu: Vec<f64> = view.tokens.iter().map(|&t| self.nu.get(t as usize).copied().unwrap_or(1.0)).collect();
        let number = |token| view.local(token).unwrap_or_default() as usize;
        let ends: Vec<[usize; 2]> = trades.iter().map(|t| [number(t.sell), number(t.buy)]).collect();
        let roots = roots(&ends, view.tokens.len());
        let mut spare = vec![0.0; view.tokens.len()];
        // Of a token that nobody trades any more there is nothing to ask for.
        for (token, units) in self.spare.iter().filter_map(|&(token, units)| Some((view.local(token)?, units))) {
            spare[token as usize] += units;
        }
        let mut prices: Vec<f64> = view.tokens.iter().map(|&t| start(t)).collect();
        let mut fills: Vec<f64> = trades.iter().map(|t| t.start).collect();
        let mut fees: Vec<f64> = trades.iter().map(|t| t.fee[0]).collect();
        let unit = trades.iter().map(|t| t.fill[1]).fold(f64::MIN_POSITIVE, f64::max) / LARGEST;
        let (mut flows, mut short, mut solved, mut failed) = (self.flows.to_vec(), Vec::new(), false, None);
        let mut moved = f64::INFINITY;
        for &(reach, width) in self.presence.reaches(self.distance) {
            if reach > AGAIN * moved {
                continue;
            }
            let step = |kept: &Rows| {
                let mut build = Builder::new(&view, unit);
                build.around(&nu, width, &flows);
                Step {
                    build,
                    clear: self,
                    ends: &ends,
                    roots: &roots,
                    spare: &spare,
                    nu: &nu,
                    prices: &prices,
                    fills: &fills,
                    kept,
                }
                .solve(reach)
            };
            let amounts = |fills: &[f64], shifts: &[f64]| -> Vec<[f64; 2]> {
                let amounts = |(k, (trade, &[s, b])): (usize, (&Trade, &[usize; 2]))| {
                    trade.amounts(fills[k], prices[s] / prices[b] * (shifts[s] - shifts[b]).exp())
                };
                trades.iter().zip(&ends).enumerate().map(amounts).collect()
            };
            let kept = Rows::near(self, &amounts(&fills, &vec![0.0; prices.len()]), reach);
            let step = match self.with_rows(kept, step, |stepped| amounts(&stepped.fills, &stepped.shifts)) {
                Ok(step) => step,
                // It may fail on numbers that are nearly the same; others will do.
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            // What payments are off by for being taken as linear.
            let off = trades.iter().zip(&ends).enumerate().fold(0.0_f64, |most, (k, (trade, e))| {
                let shift = (step.shifts[e[0]] - step.shifts[e[1]]).abs();
                most.max(shift * (shift + (step.fills[k] - fills[k]).abs() / trade.fill[1]))
            });
            moved = step.shifts.iter().fold(0.0, |most, shift| most.max(shift.abs()));
            for (price, shift) in prices.iter_mut().zip(&step.shifts) {
                *price *= shift.exp();
            }
            (fills, fees, flows, short, solved) = (step.fills, step.fees, step.flows, step.short, true);
            if off < SETTLED {
                break;
            }
        }
        if let Some(error) = failed.filter(|_| !solved) {
            return Err(error);
        }
        let prices = trades.iter().zip(&ends).flat_map(|(t, e)| [(t.sell, prices[e[0]]), (t.buy, prices[e[1]])]);
        let mut prices: Vec<(Token, f64)> = prices.collect();
        prices.sort_by_key(|p| p.0);
        prices.dedup_by_key(|p| p.0);
        Ok(Clearing { flows, prices, fills, fees, short })
    }

    /// Solves a programme with some rows, and again with those that the answer's `amounts` miss.
    fn with_rows(
        &self,
        mut kept: Rows,
        solve: impl Fn(&Rows) -> Result<Stepped, ProgramError>,
        amounts: impl Fn(&Stepped) -> Vec<[f64; 2]>,
    ) -> Result<Stepped, ProgramError> {
        for _ in 0..MORE_ROWS {
            let stepped = match solve(&kept) {
                Ok(stepped) => stepped,
                Err(error) if kept.is_all() => return Err(error),
                Err(_) => break,
            };
            let extra: Vec<f64> = self.trades.iter().zip(&stepped.fees).map(|(trade, fee)| fee - trade.fee[0]).collect();
            if !kept.add_missed(self, &amounts(&stepped), &extra) {
                return Ok(stepped);
            }
        }
        solve(&Rows::all(self))
    }
}

/// Of each of the ends one token, the same for all that trades connect.
fn roots(ends: &[[usize; 2]], tokens: usize) -> Vec<usize> {
    let mut root: Vec<usize> = (0..tokens).collect();
    loop {
        let mut settled = true;
        for &[a, b] in ends {
            let least = root[a].min(root[b]);
            settled &= root[a] == root[b];
            (root[a], root[b]) = (least, least);
        }
        if settled {
            return ends.iter().flatten().map(|&t| root[t]).collect();
        }
    }
}
