//! An explanation for a person, and its picture.

use std::collections::BTreeMap;

use ballast_routing::Token;
use ballast_wire::{Class, Side};
use rustc_hash::FxHashMap;

use crate::auction::{Auction, Drop, Order, short};
use crate::batch::Liquidity;
use crate::cli::table::{digits, eth, table, whole};
use crate::engine::{Answer, Filled};
use crate::explain::{Band, Binding, Explanation, Least, Leg, Pairing, Picture, Remedy, fill, legs, share};

/// What an explanation is told with.
struct Scene<'a> {
    auction: &'a Auction,
    liquidity: &'a Liquidity,
    order: &'a Order,
    explanation: &'a Explanation,
}

/// All there is to say.
pub(super) fn explanation(auction: &Auction, liquidity: &Liquidity, index: usize, explanation: &Explanation) -> String {
    let scene = Scene { auction, liquidity, order: &auction.orders[index], explanation };
    let mut parts = vec![scene.head(), scene.verdict()];
    if let Some(filled) = explanation.route() {
        if matches!(explanation.answer, Answer::Unfilled(_)) {
            parts.push("The route that it would take then:".to_owned());
        }
        parts.extend([scene.money(filled), scene.prices(filled), scene.route(filled)]);
    }
    parts.push(scene.pools());
    parts.join("\n")
}

/// The route as a picture, if there is one.
pub(super) fn picture(auction: &Auction, liquidity: &Liquidity, index: usize, explanation: &Explanation) -> Option<Picture> {
    let scene = Scene { auction, liquidity, order: &auction.orders[index], explanation };
    explanation.route().map(|filled| scene.picture(filled))
}

fn percent(part: f64) -> String {
    format!("{:.3} %", part * 100.0)
}

impl Scene<'_> {
    fn name(&self, token: Token) -> String {
        self.auction.token(token).name()
    }

    /// A ratio of atoms as one of whole tokens.
    fn whole_price(&self, price: f64, input: Token, output: Token) -> f64 {
        price * 10f64.powi(self.decimals(input) - self.decimals(output))
    }

    /// What one token sold brings.
    fn rate(&self, got: f64, paid: f64) -> f64 {
        self.whole_price(got / paid, self.order.sell, self.order.buy)
    }

    fn limit(&self) -> f64 {
        self.rate(f64::from(self.order.buy_amount), f64::from(self.order.sell_amount))
    }

    fn pair(&self) -> String {
        format!("{} for one {}", self.name(self.order.buy), self.name(self.order.sell))
    }

    fn head(&self) -> String {
        let Order { uid, side, class, partial, sell, buy, sell_amount, buy_amount, .. } = self.order;
        let (sold, bought) = (whole(self.auction, *sell, *sell_amount), whole(self.auction, *buy, *buy_amount));
        let wish = match side {
            Side::Sell => format!("sells {sold} for at least {bought}"),
            Side::Buy => format!("buys {bought} for at most {sold}"),
        };
        let class = match class {
            Class::Market => "market order: its fee is taken already",
            Class::Limit => "limit order: pays for its gas",
        };
        let fill = if *partial { "may be filled in part" } else { "all or nothing" };
        format!("order {uid}\n  {wish}; {fill}; {class}")
    }

    fn verdict(&self) -> String {
        let remedy = self.explanation.remedy.as_ref();
        match &self.explanation.answer {
            Answer::Filled(filled) => {
                let Some(fill) = fill(filled) else { return String::new() };
                let [paid, got] = [fill.paid, fill.got].map(f64::from);
                let moved = format!(
                    "pays {}, gets {}",
                    whole(self.auction, self.order.sell, fill.paid),
                    whole(self.auction, self.order.buy, fill.got)
                );
                let part = share(self.order, fill);
                if part >= 1.0 {
                    let room = 1.0 - self.limit() / self.rate(got, paid);
                    return format!("FILLED: {moved}\n  Nothing binds: it has {} over its limit.", percent(room.max(0.0)));
                }
                let beyond = match remedy {
                    Some(Ok(remedy)) => format!("for all of it the limit would have to be {} lower", percent(remedy.relaxation)),
                    Some(Err(reason)) => format!("all of it has no way at any price ({reason})"),
                    None => String::new(),
                };
                format!("FILLED to {}: {moved}\n  Its limit binds: the next part would get less; {beyond}.", percent(part))
            }
            Answer::Unfilled(reason) => format!("NOT FILLED: {reason}\n  {}", self.why_not()),
        }
    }

    fn why_not(&self) -> String {
        let Pairing { hops, .. } = &self.explanation.pairing;
        match &self.explanation.remedy {
            None if hops.is_none() => {
                "No path leads from what it sells to what it buys through the pools that were kept.".to_owned()
            }
            None => String::new(),
            Some(Err(reason)) => {
                let Least { value, gas } = self.explanation.least;
                let cause = if value < gas && self.order.class == Class::Limit {
                    format!(
                        "all of it moves {} native, and a settlement's gas costs {} before its first swap",
                        digits(value),
                        digits(gas)
                    )
                } else {
                    reason.clone()
                };
                format!("There is a path of {} swaps, but no limit helps: {cause}.", hops.unwrap_or_default())
            }
            Some(Ok(remedy)) if remedy.relaxation <= 0.0 => {
                "It can be filled at its limit: the search ended before it found out.".to_owned()
            }
            Some(Ok(remedy)) => {
                let Remedy { relaxation, before_gas, gas, .. } = remedy;
                let limit = self.limit();
                let needed = limit * (1.0 - relaxation);
                let cause = match remedy.binding() {
                    Binding::Gas => {
                        format!(
                            "Gas binds: it costs {} native, the best surplus before gas is {} native.",
                            digits(*gas),
                            digits(*before_gas)
                        )
                    }
                    Binding::Price => format!(
                        "Its limit binds: the pools pay {} native less than it asks, before gas of {} native.",
                        digits(-before_gas),
                        digits(*gas)
                    ),
                };
                let what = if self.order.partial { "some of it" } else { "it" };
                format!(
                    "{cause}\n  A limit {} lower fills {what}: {} instead of {} {}.",
                    percent(*relaxation),
                    digits(needed),
                    digits(limit),
                    self.pair()
                )
            }
        }
    }

    fn money(&self, filled: &Filled) -> String {
        let Some(fill) = fill(filled) else { return String::new() };
        let gas = filled.verified.gas();
        let cost = gas as f64 * eth(self.auction.gas_price);
        let surplus = eth(filled.verified.score());
        let gaps = &filled.gaps;
        let bps = |gap| digits(gaps.bps(gap));
        let mut text = format!(
            "  gas      {gas} units, {} native; the fee for it {}",
            digits(cost),
            whole(self.auction, self.order.sell, fill.fee)
        );
        // Gaps are to the limit that was asked with: another one's say nothing of this order.
        if matches!(self.explanation.answer, Answer::Filled(_)) {
            text += &format!(
                "\n  surplus  {} native over the limit, arbitrage on the way {} native\n  \
                 bound    {} native: no solution exceeds it; gap {} bps of the order (prices {}, choice of pools {}, integers {})",
                digits(surplus),
                digits(filled.arbitrage),
                digits(surplus + gaps.total * filled.score / 1e3),
                bps(gaps.total),
                bps(gaps.convex),
                bps(gaps.gas),
                bps(gaps.integer)
            );
        }
        text
    }

    fn prices(&self, filled: &Filled) -> String {
        let Some(fill) = fill(filled) else { return String::new() };
        let limit = self.limit();
        let unit = |token| self.liquidity.units.get(token).unwrap_or(f64::NAN);
        let reference = self.whole_price(unit(self.order.sell) / unit(self.order.buy), self.order.sell, self.order.buy);
        let [paid, got, fee] = [fill.paid, fill.got, fill.fee].map(f64::from);
        let mut table = table(&["price", &self.pair(), "over the limit"], 1);
        for (name, price) in [
            ("limit", limit),
            ("executed, gas paid", self.rate(got, paid)),
            ("executed, before gas", self.rate(got, paid - fee)),
            ("reference", reference),
        ] {
            table.add_row([name.to_owned(), digits(price), percent(price / limit - 1.0)]);
        }
        table.to_string()
    }

    fn route(&self, filled: &Filled) -> String {
        let header = [
            "#",
            "swap",
            "pool",
            "gives",
            "takes",
            "price",
            "reference",
            "bps of it",
            "margin before",
            "margin after",
            "value native",
        ];
        let mut table = table(&header, 3);
        for (leg, number) in legs(self.auction, self.liquidity, &filled.swaps).iter().zip(1..) {
            let Leg { swap, value, price, reference, marginal: [before, after] } = leg;
            let pool = &self.auction.pools[swap.pool];
            let shown = |price: f64| digits(self.whole_price(price, swap.input, swap.output));
            table.add_row([
                number.to_string(),
                format!("{}→{}", self.name(swap.input), self.name(swap.output)),
                format!("{} {} {}", pool.id, pool.kind(), short(&pool.address.to_string())),
                whole(self.auction, swap.input, swap.amount_in),
                whole(self.auction, swap.output, swap.amount_out),
                shown(*price),
                shown(*reference),
                format!("{:+.2}", 1e4 * (price / reference - 1.0)),
                shown(*before),
                shown(*after),
                digits(*value),
            ]);
        }
        table.to_string()
    }

    fn pools(&self) -> String {
        let Pairing { hops, direct, kept, dropped } = &self.explanation.pairing;
        let (sell, buy) = (self.name(self.order.sell), self.name(self.order.buy));
        let path = hops.map_or_else(|| "no path".to_owned(), |hops| format!("shortest path {hops} swaps"));
        let good = direct.iter().filter(|pool| pool.dropped.is_none()).count();
        let mut text = format!(
            "pools: {path}; {good} of {} with both {sell} and {buy} kept, and {} with {sell} alone, {} with {buy} alone",
            direct.len(),
            kept[0],
            kept[1]
        );
        let named = direct.iter().filter_map(|pool| pool.dropped.as_ref());
        for Drop { name, reason, detail, .. } in named {
            text += &format!("\n  dropped {}: {reason}", name.as_deref().unwrap_or("?"));
            if !detail.is_empty() {
                text += &format!(" ({detail})");
            }
        }
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for drop in dropped {
            *reasons.entry(&drop.reason).or_default() += 1;
        }
        for (reason, count) in reasons {
            text += &format!("\n  dropped {count} with one of them or unreadable: {reason}");
        }
        text
    }

    fn picture(&self, filled: &Filled) -> Picture {
        let legs = legs(self.auction, self.liquidity, &filled.swaps);
        let mut through: FxHashMap<Token, [f64; 2]> = FxHashMap::default();
        let mut tokens = vec![self.order.sell, self.order.buy];
        let bands = legs.iter().map(|leg| {
            let swap = &leg.swap;
            for (side, token, amount) in [(0, swap.input, swap.amount_in), (1, swap.output, swap.amount_out)] {
                if !tokens.contains(&token) {
                    tokens.push(token);
                }
                through.entry(token).or_default()[side] += f64::from(amount);
            }
            let pool = &self.auction.pools[swap.pool];
            let amount = |token, amount| whole(self.auction, token, amount);
            Band {
                from: swap.input,
                to: swap.output,
                value: leg.value,
                kind: pool.kind(),
                label: [
                    format!("pool {}: {}", short(&pool.id), amount(swap.input, swap.amount_in)),
                    format!("→ {}", amount(swap.output, swap.amount_out)),
                ],
            }
        });
        let bands = bands.collect();
        let label = |token: Token| {
            let [given, taken] = through.get(&token).copied().unwrap_or_default();
            let amount = given.max(taken) / 10f64.powi(self.decimals(token));
            format!("{} {}", digits(amount), self.name(token))
        };
        let tokens = tokens.iter().map(|&token| (token, label(token))).collect();
        Picture { title: self.title(filled), sell: self.order.sell, buy: self.order.buy, tokens, bands }
    }

    fn decimals(&self, token: Token) -> i32 {
        i32::from(self.auction.token(token).decimals.unwrap_or(18))
    }

    fn title(&self, filled: &Filled) -> Vec<String> {
        let verdict = self.verdict();
        let mut lines = verdict.lines().map(|line| line.trim().to_owned());
        let first = format!("Order {}: {}", short(&self.order.uid.to_string()), lines.next().unwrap_or_default());
        let money = self.money(filled);
        let quiet = lines.chain(money.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")));
        std::iter::once(first).chain(quiet).collect()
    }
}
