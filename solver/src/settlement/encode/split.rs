//! A settlement that takes too much gas, in parts.
//!
//! Trades and swaps that share a token or a pool hang together: one pays for the other, or moves its price. What does not hang together is
//! settled as well by itself; groups are packed in their order into as few settlements as the limit allows.

use alloy_primitives::Address;
use ballast_wire::{Interaction, Solution, Trade};
use petgraph::unionfind::UnionFind;
use rustc_hash::FxHashMap;

use super::{Allowances, EncodeError, Encoded, Encoder, Settlement};
use crate::settlement::verify::{Fill, Verified};

/// The trades and interactions that belong into one settlement, by their places in the solution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Group {
    trades: Vec<usize>,
    interactions: Vec<usize>,
}

pub(super) fn split(
    encoder: &Encoder,
    verified: &Verified,
    whole: Settlement,
    allowances: &Allowances,
) -> Result<Encoded, EncodeError> {
    let (solution, limit) = (verified.solution(), encoder.settings.gas_limit);
    // The solution's own calls belong to no trade in particular.
    let own_calls = solution.pre_interactions.len() + solution.post_interactions.len();
    let tokens: Vec<[Address; 2]> = verified.fills().iter().map(|f| encoder.tokens(f)).collect();
    let groups = if own_calls == 0 { groups(&tokens, solution) } else { Vec::new() };
    let mut encoded = Encoded::default();
    let refuse = |settlement: &Settlement| {
        let uids: Vec<_> = settlement.trades.iter().map(|t| t.order).collect();
        let error = EncodeError::TooLarge { gas: settlement.gas, limit, orders: uids.len() };
        (uids, error)
    };
    if groups.len() < 2 {
        encoded.refused.push(refuse(&whole));
        return Ok(encoded);
    }
    let mut view = allowances.clone();
    let mut open: Option<(Group, Settlement)> = None;
    for group in groups {
        let alone = encoder.part(verified, &group, &view)?;
        if alone.gas > limit {
            encoded.refused.push(refuse(&alone));
            continue;
        }
        let joined = match &open {
            Some((held, _)) => {
                let mut joined = held.clone();
                joined.trades.extend(&group.trades);
                joined.interactions.extend(&group.interactions);
                joined.interactions.sort_unstable();
                let settlement = encoder.part(verified, &joined, &view)?;
                (settlement.gas <= limit).then_some((joined, settlement))
            }
            None => None,
        };
        if joined.is_some() {
            open = joined;
        } else if let Some((_, full)) = open.replace((group, alone)) {
            for spent in &full.spending {
                view.spend(spent.token, spent.spender);
            }
            // What it approved is there for the next one.
            if let Some((group, settlement)) = &mut open {
                *settlement = encoder.part(verified, group, &view)?;
            }
            encoded.settlements.push(full);
        }
    }
    encoded.settlements.extend(open.map(|(_, last)| last));
    Ok(encoded)
}

impl Encoder<'_> {
    fn part(&self, verified: &Verified, group: &Group, allowances: &Allowances) -> Result<Settlement, EncodeError> {
        let solution = verified.solution();
        let trades: Vec<Trade> = group.trades.iter().filter_map(|&k| solution.trades.get(k).cloned()).collect();
        let fills: Vec<Fill> = group.trades.iter().filter_map(|&k| verified.fills().get(k).cloned()).collect();
        let interactions = group.interactions.iter().filter_map(|&k| solution.interactions.get(k).cloned()).collect();
        let tokens: Vec<Address> = fills.iter().flat_map(|f| self.tokens(f)).collect();
        let prices = solution.prices.iter().filter(|(t, _)| tokens.contains(t)).map(|(t, p)| (*t, *p)).collect();
        let part = Solution { trades, interactions, prices, ..solution.clone() };
        self.one(&part, &fills, allowances)
    }

    fn tokens(&self, fill: &Fill) -> [Address; 2] {
        let order = &self.auction.orders[fill.order];
        [order.sell, order.buy].map(|t| self.auction.token(t).address)
    }
}

/// What hangs together, in the order of the first trades. Calls that touch no token of any trade keep all of it together.
fn groups(trades: &[[Address; 2]], solution: &Solution) -> Vec<Group> {
    let mut names: FxHashMap<Name, usize> = FxHashMap::default();
    let mut name = |n| {
        let next = names.len();
        *names.entry(n).or_insert(next)
    };
    let trades: Vec<Vec<usize>> = trades.iter().map(|tokens| tokens.iter().map(|t| name(Name::Token(*t))).collect()).collect();
    let interactions: Vec<Vec<usize>> = solution
        .interactions
        .iter()
        .map(|interaction| match interaction {
            Interaction::Liquidity(swap) => {
                vec![name(Name::Pool(&swap.id)), name(Name::Token(swap.input_token)), name(Name::Token(swap.output_token))]
            }
            Interaction::Custom(call) => call.inputs.iter().chain(&call.outputs).map(|a| name(Name::Token(a.token))).collect(),
        })
        .collect();
    let mut sets = UnionFind::<usize>::new(names.len());
    for of_one in trades.iter().chain(&interactions) {
        for pair in of_one.windows(2) {
            sets.union(pair[0], pair[1]);
        }
    }
    let mut groups: Vec<(usize, Group)> = Vec::new();
    for (k, of_one) in trades.iter().enumerate() {
        let set = sets.find(of_one[0]);
        match groups.iter_mut().find(|(s, _)| *s == set) {
            Some((_, group)) => group.trades.push(k),
            None => groups.push((set, Group { trades: vec![k], interactions: Vec::new() })),
        }
    }
    for (k, of_one) in interactions.iter().enumerate() {
        let set = of_one.first().map(|first| sets.find(*first));
        match groups.iter_mut().find(|(s, _)| Some(*s) == set) {
            Some((_, group)) => group.interactions.push(k),
            None => return Vec::new(),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

#[derive(PartialEq, Eq, Hash)]
enum Name<'a> {
    Token(Address),
    Pool(&'a str),
}
