//! Tables that a person reads on a terminal.

use std::io::Write;
use std::time::Duration;

use alloy_primitives::U256;
use ballast_routing::Token;
use ballast_wire::Side;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::auction::{Auction, Drops, short};
use crate::batch::Swap;
use crate::engine::{Answer, Filled, Report, Sequence, Together};
use crate::settlement::Verified;

/// Writes to stderr. A closed pipe is no error of ours.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes to stdout.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

pub(super) fn table(header: &[&str], left: usize) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.iter().copied());
    // Not a terminal: a width that logs and editors show without folding.
    if table.width().is_none() {
        table.set_width(160);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(if index < left { CellAlignment::Left } else { CellAlignment::Right });
    }
    table
}

/// An amount in whole tokens, to about six digits.
pub(super) fn whole(auction: &Auction, token: Token, atoms: U256) -> String {
    let info = auction.token(token);
    let amount = f64::from(atoms) / 10f64.powi(i32::from(info.decimals.unwrap_or(18)));
    format!("{} {}", digits(amount), info.name())
}

/// Six significant digits, without an exponent where that is readable.
pub(super) fn digits(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    let magnitude = x.abs().log10().floor() as i32;
    match magnitude {
        -6..=5 => format!("{x:.*}", (5 - magnitude).clamp(0, 9) as usize),
        6..=14 => format!("{x:.0}"),
        _ => format!("{x:.3e}"),
    }
}

pub(super) fn eth(wei: U256) -> f64 {
    f64::from(wei) * 1e-18
}

/// Which pools the order goes through: parallel ways by comma, steps by arrow.
fn route(auction: &Auction, swaps: &[Swap]) -> String {
    let mut hops: Vec<(Token, Token, Vec<&str>)> = Vec::new();
    for swap in swaps {
        let id = auction.pools[swap.pool].id.as_str();
        match hops.iter_mut().find(|h| h.0 == swap.input && h.1 == swap.output) {
            Some(hop) => hop.2.push(id),
            None => hops.push((swap.input, swap.output, vec![id])),
        }
    }
    let name = |t: Token| auction.token(t).name();
    hops.iter().map(|(i, o, ids)| format!("{}→{} [{}]", name(*i), name(*o), ids.join(" "))).collect::<Vec<_>>().join(", ")
}

/// What was found for each order.
pub(super) fn solutions(auction: &Auction, report: &Report) -> String {
    let header = ["order", "route [pools]", "pays", "gets", "filled", "surplus", "gas", "arbitrage", "bound", "gap bps", "ms"];
    let mut table = table(&header, 2);
    for (index, filled) in report.filled() {
        let order = &auction.orders[index];
        let Filled { verified, gaps, .. } = filled;
        let Some(fill) = verified.fills().first() else { continue };
        let (part, of) = match order.side {
            Side::Sell => (fill.paid, order.sell_amount),
            Side::Buy => (fill.got, order.buy_amount),
        };
        let surplus = eth(verified.score());
        table.add_row([
            format!("{} {}", short(&order.uid.to_string()), if order.side == Side::Sell { "sell" } else { "buy" }),
            route(auction, &filled.swaps),
            whole(auction, order.sell, fill.paid),
            whole(auction, order.buy, fill.got),
            format!("{:.1}%", 100.0 * f64::from(part) / f64::from(of)),
            digits(surplus),
            verified.gas().to_string(),
            digits(filled.arbitrage),
            digits(surplus + gaps.total * filled.score / 1e3),
            format!("{:.3}", gaps.bps(gaps.total)),
            format!("{:.1}", report.answers[index].1.as_secs_f64() * 1e3),
        ]);
    }
    table.to_string()
}

/// The batch: what is matched, routed and harvested, what each order has of it, and what was lost between the bound and the score.
pub(super) fn batch(auction: &Auction, report: &Report) -> String {
    let batch = match &report.batch {
        Ok(batch) => batch,
        Err(why) => return format!("no batch: {why}"),
    };
    let Together { verified, joint, took } = batch.as_ref();
    let native = |value: f64| digits(value / 1e3);
    let mut table = table(&["order in the batch", "pays", "gets", "filled", "fee", "gas paid for", "surplus", "alone"], 1);
    for (fill, gas) in verified.fills().iter().zip(joint.fills.iter().map(|f| f.gas)) {
        let order = &auction.orders[fill.order];
        let (part, of) = match order.side {
            Side::Sell => (fill.paid, order.sell_amount),
            Side::Buy => (fill.got, order.buy_amount),
        };
        let alone = match &report.answers[fill.order].0 {
            Answer::Filled(filled) => digits(eth(filled.verified.score())),
            Answer::Unfilled(_) => "–".to_owned(),
        };
        table.add_row([
            format!("{} {}", short(&order.uid.to_string()), if order.side == Side::Sell { "sell" } else { "buy" }),
            whole(auction, order.sell, fill.paid),
            whole(auction, order.buy, fill.got),
            format!("{:.1}%", 100.0 * f64::from(part) / f64::from(of)),
            whole(auction, order.sell, fill.fee),
            gas.to_string(),
            digits(eth(fill.score)),
            alone,
        ]);
    }
    let w = &joint.welfare;
    let lost = |from: f64, to: f64| {
        format!("{} ({:.2}%)", native((from - to).max(0.0)), 100.0 * (from - to).max(0.0) / w.apart.max(1e-12))
    };
    let displaced: Vec<String> = joint.displaced.iter().map(|&k| short(&auction.orders[k].uid.to_string())).collect();
    let displaced = match displaced.as_slice() {
        [] => String::new(),
        orders => format!("\nleft out, so that no pair is worse off than elsewhere: {}", orders.join(" ")),
    };
    format!(
        "{table}\nbatch of {} orders, {} swaps, gas {}: sells {} native, {} of it matched and {} routed; cycles harvest {} native, {} more left \
         behind for want of funds\nsurplus {} native of a bound of {}; of the {} that no batch exceeds where each order has a price of its \
         own, lost to the choice of pools and orders {}, to orders filled whole or not at all {}, to one price a token {}, to what pairs \
         could have elsewhere {}, to integers and unfunded cycles {}; {:.1} ms{displaced}",
        verified.fills().len(),
        joint.swaps.len(),
        verified.gas(),
        native(joint.volume),
        native((joint.volume - joint.routed).max(0.0)),
        native(joint.routed),
        native(joint.harvest.total),
        native(joint.left_behind),
        digits(eth(verified.score())),
        native(w.bound),
        native(w.apart),
        lost(w.apart, w.relaxed),
        lost(w.relaxed, w.whole),
        lost(w.whole, w.uniform),
        lost(w.uniform, w.fair),
        lost(w.fair, w.realised),
        took.as_secs_f64() * 1e3,
    )
}

/// What was left out: counts by reason with a few names, or all of it.
pub(super) fn drops(drops: &Drops, all: bool) -> String {
    let mut table = if all {
        table(&["left out", "name", "reason", "detail"], 4)
    } else {
        table(&["left out", "reason", "for example", "count"], 3)
    };
    if all {
        for drop in drops.iter() {
            let name = drop.name.clone().unwrap_or_else(|| "?".to_owned());
            table.add_row([drop.subject.to_string(), name, drop.reason.clone(), drop.detail.clone()]);
        }
    } else {
        for ((subject, reason), group) in drops.by_reason() {
            let names: Vec<String> = group.iter().take(3).map(|d| short(d.name.as_deref().unwrap_or("?"))).collect();
            table.add_row([subject.to_string(), reason.to_owned(), names.join(" "), group.len().to_string()]);
        }
    }
    table.to_string()
}

/// The auction as a whole.
pub(super) fn summary(auction: &Auction, report: &Report, read: Duration) -> String {
    let (mut score, mut arbitrage, mut left_behind, mut count) = (0.0, 0.0, 0.0, 0);
    let mut gaps = [0.0; 5];
    for (_, filled) in report.filled() {
        score += eth(filled.verified.score());
        arbitrage += filled.arbitrage;
        left_behind += filled.left_behind;
        count += 1;
        let g = &filled.gaps;
        for (sum, gap) in gaps.iter_mut().zip([g.convex, g.gas, g.integer, g.total, g.size]) {
            *sum += gap;
        }
    }
    let bps = |gap: f64| if gaps[4] > 0.0 { 1e4 * gap / gaps[4] } else { 0.0 };
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let Sequence { after, overlaps, .. } = &report.sequence;
    let meet = match (after.len(), overlaps.len()) {
        (0, 0) => String::new(),
        (after, overlaps) => format!(
            "\nbids that may win together: {after} solved again on what better ones leave; {overlaps} cannot win beside a better one"
        ),
    };
    format!(
        "auction {}: {count} of {} orders filled by themselves on {} of {} pools; surplus {} native, arbitrage in it {} native, {} more left behind for want of funds\n\
         gap to the bound over all pools {:.3} bps of what is traded: convex {:.5}, gas {:.3}, integers and order of execution {:.5}\n\
         {:.1} ms to read, {:.1} ms to lay out, {:.1} ms in all{meet}",
        auction.id.as_deref().unwrap_or("(quote)"),
        auction.orders.len(),
        report.pools,
        auction.pools.len(),
        digits(score),
        digits(arbitrage),
        digits(left_behind),
        bps(gaps[3]),
        bps(gaps[0]),
        bps(gaps[1]),
        bps(gaps[2]),
        ms(read),
        ms(report.times[0]),
        ms(read) + ms(report.times[1]),
    )
}

/// What the verifier says of each solution.
pub(super) fn verdicts(auction: &Auction, checked: &[(u64, Result<Verified, String>)]) -> String {
    let mut table = table(&["solution", "verdict", "orders", "score native", "gas"], 2);
    for (id, verdict) in checked {
        match verdict {
            Ok(v) => {
                let orders =
                    v.fills().iter().map(|f| short(&auction.orders[f.order].uid.to_string())).collect::<Vec<_>>().join(" ");
                table.add_row([id.to_string(), "valid".to_owned(), orders, digits(eth(v.score())), v.gas().to_string()])
            }
            Err(why) => table.add_row([id.to_string(), format!("BAD: {why}"), String::new(), String::new(), String::new()]),
        };
    }
    table.to_string()
}

/// What a devnet holds, and where.
#[cfg(feature = "chain")]
pub(super) fn devnet(devnet: &crate::devnet::Devnet) -> String {
    let deployment = devnet.deployment();
    let mut table = table(&["contract", "address"], 2);
    for (name, address) in [
        ("settlement", deployment.settlement),
        ("authenticator", deployment.authenticator),
        ("vault relayer", deployment.vault_relayer),
        ("solver", deployment.solver),
        ("wrapped native", deployment.wrapped_native),
        ("Balancer vault", deployment.balancer.vault),
        ("pools with positions: router", deployment.concentrated.router),
    ] {
        table.add_row([name.to_owned(), address.to_string()]);
    }
    for (exchange, name) in deployment.pairs.iter().zip(["first pairs: router", "second pairs: router"]) {
        table.add_row([name.to_owned(), exchange.router.to_string()]);
    }
    let pools: Vec<String> = devnet.counts().iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let (tokens, orders) = (deployment.tokens.len(), devnet.orders());
    format!("{table}\nchain {}: {tokens} tokens, {orders} signed orders; pools: {}", deployment.chain_id, pools.join(", "))
}
