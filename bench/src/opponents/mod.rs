//! Other routers, each as strong as its idea allows: same curves, same gas.
//!
//! All route a fill-or-kill sale. Gas is paid out of what is sold: the settlement's own first, then a swap's for each way through a
//! pool that carries anything. What is left is routed.

mod greedy;
mod lbfgs;
mod paths;

use ballast_routing::{GasPrice, Hop, MarketId, Markets, Snapshot, Token};

/// What is to be routed, in value units.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The markets, and the ways between tokens.
    pub snapshot: &'a Snapshot,
    /// What is sold.
    pub from: Token,
    /// What is bought.
    pub to: Token,
    /// How much is sold, gas included.
    pub sold: f64,
    /// What gas costs, in what is sold.
    pub gas: GasPrice,
}

impl Task<'_> {
    fn markets(&self) -> &Markets {
        self.snapshot.markets()
    }

    /// What is left to route once the settlement is paid.
    fn stake(&self) -> f64 {
        self.sold - self.gas.price * self.gas.fixed
    }

    /// What a swap on a market costs.
    fn fee(&self, market: MarketId) -> f64 {
        self.gas.price * self.markets().gas(market)
    }

    /// What `input` buys along a path; nothing where it is beyond a cap.
    fn along(&self, path: &[Hop], input: f64) -> f64 {
        let mut amount = input;
        for hop in path {
            let curve = self.markets().curve(hop.market);
            let (i, o) = (usize::from(hop.input), usize::from(hop.output));
            if amount > curve.cap(i, o) {
                return 0.0;
            }
            amount = curve.output(i, o, amount);
        }
        amount
    }
}

/// A router's answer.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// What is bought, all gas paid.
    pub output: f64,
    /// The swaps, each with what goes into it.
    pub flows: Vec<(Hop, f64)>,
}

impl Route {
    /// The same path with as much put in as it takes to get `wanted`; `None` where it does not carry that much.
    pub fn delivering(&self, task: &Task, wanted: f64) -> Option<Self> {
        let path: Vec<Hop> = self.flows.iter().map(|(hop, _)| *hop).collect();
        let (mut low, mut high) = (0.0, self.flows.first()?.1);
        if task.along(&path, high) < wanted {
            return None;
        }
        // A double has 52 bits to halve.
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if task.along(&path, middle) < wanted { low = middle } else { high = middle }
        }
        Some(Self::of(task, &path, high))
    }

    /// A path with so much put in.
    fn of(task: &Task, path: &[Hop], input: f64) -> Self {
        let mut output = input;
        let flows = path
            .iter()
            .map(|hop| {
                let input = output;
                output = task.along(std::slice::from_ref(hop), input);
                (*hop, input)
            })
            .collect();
        Self { output, flows }
    }
}

/// The routers.
#[derive(Debug, Clone, Copy)]
pub enum Router {
    /// The best single path of at most so many hops.
    BestPath(usize),
    /// Up to so many paths that share no pool, each with the share that equalises the margins.
    Disjoint(usize),
    /// So many equal parts, each on the path that is best after the parts before it.
    Greedy(usize),
    /// The dual over log-prices by L-BFGS.
    Dual,
}

/// Those that are compared.
pub const ROUTERS: [Router; 6] =
    [Router::BestPath(2), Router::BestPath(3), Router::Disjoint(5), Router::Greedy(20), Router::Greedy(100), Router::Dual];

impl Router {
    /// In words.
    pub fn name(self) -> String {
        match self {
            Self::BestPath(hops) => format!("best single path, ≤ {hops} hops"),
            Self::Disjoint(paths) => format!("best 1–{paths} pool-disjoint paths, marginal split"),
            Self::Greedy(chunks) => format!("greedy in {chunks} chunks"),
            Self::Dual => "L-BFGS on the dual, pools by threshold".to_owned(),
        }
    }

    /// Routes; an empty route where it finds none.
    pub fn route(self, task: &Task) -> Route {
        match self {
            Self::BestPath(hops) => paths::best(task, hops),
            Self::Disjoint(most) => paths::disjoint(task, most),
            Self::Greedy(chunks) => greedy::greedy(task, chunks),
            Self::Dual => lbfgs::dual(task),
        }
    }
}

#[cfg(test)]
mod tests;
