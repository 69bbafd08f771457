//! One programme on the way to clearing prices.

use good_lp::{Expression, Variable, constraint, variable};

use super::rows::{Rows, floors, sole};
use super::{ASTRAY, Exact, LARGEST, MISSED, MOST_FEE, MOVED, NOTHING, Presence, SHORT, SPARED, ToClear, UNFAIR, UNHOPED};
use crate::market::Token;
use crate::problem::Flow;
use crate::program::{Builder, ProgramError, read};

/// A trade in a programme's variables: what it gives, fee included, what it gets, and how much of it is there: all, where nothing is
/// said of that.
struct Given {
    paid: Expression,
    bought: Expression,
    surplus: Expression,
    part: Option<Expression>,
}

impl Given {
    /// What of a claim the trade's being there entitles to.
    fn share(&self, claim: f64) -> Expression {
        self.part.as_ref().map_or_else(|| Expression::from(claim), |part| claim * part.clone())
    }
}

/// One programme.
pub(super) struct Step<'a, 'v, 'm> {
    pub build: Builder<'v, 'm>,
    pub clear: &'a ToClear<'a>,
    pub ends: &'a [[usize; 2]],
    /// Of each of the ends: a token whose price stays.
    pub roots: &'a [usize],
    /// What is to be left over of each token.
    pub spare: &'a [f64],
    /// Near which the markets are traded.
    pub nu: &'a [f64],
    pub prices: &'a [f64],
    pub fills: &'a [f64],
    /// The limits and claims that it is told of.
    pub kept: &'a Rows,
}

pub(super) struct Stepped {
    pub flows: Vec<Flow>,
    pub shifts: Vec<f64>,
    pub fills: Vec<f64>,
    pub fees: Vec<f64>,
    pub short: Vec<(Token, f64)>,
}

impl Step<'_, '_, '_> {
    pub fn solve(mut self, reach: f64) -> Result<Stepped, ProgramError> {
        let unit = self.build.unit;
        let ToClear { trades, claims, presence, .. } = *self.clear;
        // Shifts are counted in what they move, so that all numbers of the programme are of one size.
        let mut moved = vec![0.0_f64; self.prices.len()];
        for (k, trade) in trades.iter().enumerate() {
            let [s, b] = self.ends[k];
            let amounts = trade.amounts(self.fills[k] / unit, self.prices[s] / self.prices[b]);
            let amount = amounts.into_iter().fold(1e-3, f64::max);
            moved[s] = moved[s].max(amount);
            moved[b] = moved[b].max(amount);
        }
        // Upwards and downwards: prices that nobody gains by moving stay.
        let mut shift: Vec<Option<[Variable; 2]>> = vec![None; self.prices.len()];
        for (&t, &root) in self.ends.iter().flatten().zip(self.roots) {
            if shift[t].is_some() {
                continue;
            }
            // Prices are ratios: one of those that hang together stays.
            let reach = if t == root { 0.0 } else { reach };
            let astray = if self.clear.nu.is_empty() { 0.0 } else { (self.prices[t] / self.nu[t]).ln() };
            let most = [ASTRAY - astray, ASTRAY + astray].map(|most| most.clamp(0.0, reach) * moved[t]);
            let ways = most.map(|most| self.build.variables.add(variable().min(0.0).max(most)));
            ways.iter().for_each(|&way| self.build.objective.add_mul(-MOVED, way));
            shift[t] = Some(ways);
        }
        let floors = floors(self.clear);
        let shared_claims =
            claims.iter().zip(&self.kept.claims).filter(|(claim, kept)| **kept && sole(self.clear, claim).is_none());
        let mut fill = Vec::with_capacity(trades.len());
        let mut owns = vec![0.0_f64; trades.len()];
        let mut given: Vec<Given> = Vec::with_capacity(trades.len());
        let shared = trades.iter().any(|trade| trade.fee[1] > trade.fee[0]);
        // What is paid beyond the least fees, less the shares of those who are there.
        let mut common = Expression::default();
        let zero = self.build.variables.add(variable().min(0.0).max(0.0));
        for (k, trade) in trades.iter().enumerate() {
            let [s, b] = self.ends[k];
            let [raised, lowered] = [s, b].map(|t| shift[t].unwrap_or([zero; 2]));
            let [least, most] = trade.fill.map(|x| x / unit);
            let is_open = matches!(presence, Presence::Open(open) if open.contains(&k));
            let is_free = presence == Presence::Free;
            let amount = self.build.variables.add(variable().min(if is_free || is_open { 0.0 } else { least }).max(most));
            let part = if is_open {
                self.build.is_integral = true;
                let there = self.build.variables.add(variable().binary());
                self.build.held.push(constraint::leq(amount - most * there, 0.0));
                self.build.held.push(constraint::geq(amount - least * there, 0.0));
                Some(Expression::from(there))
            } else {
                is_free.then(|| amount / most)
            };
            let [fee, share] = [trade.fee[0] / unit, (trade.fee[1] - trade.fee[0]) / unit];
            let extra = if shared {
                let own = share.min(MOST_FEE * most);
                let relief = self.build.variables.add(variable().min(0.0).max(own));
                self.build.objective.add_mul(-trade.rate * trade.weight - UNFAIR, relief);
                // Who gains nothing that is counted would pay for all.
                let others = if trade.weight > 0.0 { MOST_FEE * most } else { 0.0 };
                let others = others.min(self.kept.spare[k] / (trade.rate * unit));
                let others = self.build.variables.add(variable().min(0.0).max(others));
                fill.push([amount, relief, others]);
                owns[k] = own * unit;
                own - relief + others
            } else {
                fill.push([amount, zero, zero]);
                Expression::default()
            };
            let at = self.fills[k] / unit;
            let rho = self.prices[s] / self.prices[b];
            // The exact side moves with the fill, the other with the price as well.
            let (exact, ratio, by_price) = match trade.exact {
                Exact::Sold => (amount - extra.clone(), rho, rho * at),
                Exact::Bought => (Expression::from(amount), rho.recip(), -at / rho),
            };
            let mut other = ratio * exact.clone();
            for (token, [up, down], by_price) in [(s, raised, by_price), (b, lowered, -by_price)] {
                other.add_mul(by_price / moved[token], up);
                other.add_mul(-by_price / moved[token], down);
            }
            if let Some(there) = part.as_ref().filter(|_| is_open) {
                // Nothing at all where it is not there, whatever prices do.
                let by_shifts = 2.0 * reach * by_price.abs();
                let paid = self.build.variables.add(variable().min(0.0));
                let off = other - paid;
                self.build.held.extend([
                    constraint::leq(off.clone() + by_shifts * there.clone(), by_shifts),
                    constraint::geq(off - by_shifts * there.clone(), -by_shifts),
                    constraint::leq(paid - (ratio * most + by_shifts) * there.clone(), 0.0),
                    constraint::leq(extra.clone() - MOST_FEE * most * there.clone(), 0.0),
                ]);
                other = Expression::from(paid);
            }
            let (sold, bought) = if trade.exact == Exact::Sold { (exact, other) } else { (other, exact) };
            *self.build.rows[s].get_or_insert_default() += sold.clone();
            *self.build.rows[b].get_or_insert_default() -= bought.clone();
            let mut paid = sold + extra.clone();
            let mut this = Given { paid: Expression::default(), bought, surplus: Expression::default(), part };
            paid += this.share(fee);
            common += extra - this.share(share);
            this.surplus = this.bought.clone() - trade.rate * paid.clone();
            this.paid = paid;
            self.build.objective += trade.weight * this.surplus.clone();
            if self.kept.limits[k] {
                let missed = self.build.variables.add(variable().min(0.0));
                self.build.objective.add_mul(-MISSED, missed);
                self.build.held.push(constraint::geq(this.surplus.clone() + missed - this.share(floors[k] / unit), 0.0));
            }
            if self.kept.hopes[k] {
                let unhoped = self.build.variables.add(variable().min(0.0));
                self.build.objective.add_mul(-UNHOPED, unhoped);
                self.build.held.push(constraint::geq(this.bought.clone() - trade.hope * this.paid.clone() + unhoped, 0.0));
            }
            given.push(this);
        }
        if shared {
            self.build.held.push(constraint::geq(common, 0.0));
        }
        for (claim, _) in shared_claims {
            let behind = self.build.variables.add(variable().min(0.0));
            self.build.objective.add_mul(-MISSED, behind);
            let (mut price, mut surplus) = (Expression::from(behind), Expression::from(behind));
            let of_claim: Vec<&Given> = claim.trades.iter().map(|&k| &given[k]).collect();
            for given in &of_claim {
                price += given.bought.clone() - claim.price * given.paid.clone();
                surplus += given.surplus.clone();
            }
            if claim.price > 0.0 {
                self.build.held.push(constraint::geq(price, 0.0));
            }
            if claim.surplus > 0.0 {
                // As much as it claims for any of its trades that is there.
                let some = of_claim.iter().find(|given| given.part.is_none());
                for given in some.map_or(of_claim.as_slice(), std::slice::from_ref) {
                    self.build.held.push(constraint::geq(surplus.clone() - given.share(claim.surplus / unit), 0.0));
                }
            }
        }
        // A programme without a solution would not say who is in the way.
        let rows = self.build.rows.iter_mut().enumerate().filter_map(|(t, row)| Some((t, row.as_mut()?)));
        let lent: Vec<(usize, Variable)> = rows
            .map(|(t, row)| {
                let spare = self.spare[t] / unit;
                if spare > 0.0 {
                    let spent = self.build.variables.add(variable().min(0.0).max(spare));
                    self.build.objective.add_mul(-SPARED, spent);
                    *row += spent - spare;
                }
                let lent = self.build.variables.add(variable().min(0.0));
                row.add_mul(1.0, lent);
                self.build.objective.add_mul(-SHORT, lent);
                (t, lent)
            })
            .collect();
        let ways = shift.iter().flatten().flatten();
        let named: Vec<Variable> = ways.chain(fill.iter().flatten()).copied().chain(lent.iter().map(|l| l.1)).collect();
        let view = self.build.view;
        let base = self.build.base.clone();
        let (columns, values) = self.build.run(self.nu, &named)?;
        let flows = read(view, &columns, &values, unit, base).markets;
        let mut others = values[columns.len()..].iter().copied();
        let shifts = shift
            .iter()
            .zip(&moved)
            .map(|(ways, moved)| {
                let [up, down] = ways.map_or([0.0; 2], |ways| ways.map(|_| others.next().unwrap_or_default()));
                ((up - down) / moved).clamp(-reach, reach)
            })
            .collect();
        let (mut fills, mut fees) = (Vec::with_capacity(trades.len()), Vec::with_capacity(trades.len()));
        for (k, trade) in trades.iter().enumerate() {
            let [x, relief, more] = std::array::from_fn(|_| others.next().unwrap_or_default() * unit);
            let extra = (owns[k] - relief + more).max(0.0);
            let at_fee = trade.at(trade.fee[0] + extra);
            let x = if trade.exact == Exact::Sold { x - extra } else { x };
            fills.push(x.clamp(if given[k].part.is_some() { 0.0 } else { at_fee.fill[0] }, at_fee.fill[1]));
            fees.push(at_fee.fee[0]);
        }
        let short = lent.iter().zip(others).filter(|(_, units)| *units > NOTHING * LARGEST);
        let short = short.map(|((t, _), units)| (view.tokens[*t], units * unit)).collect();
        Ok(Stepped { flows, shifts, fills, fees, short })
    }
}
