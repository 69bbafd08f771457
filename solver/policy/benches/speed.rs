//! How long the two promised jobs take: `cargo bench -p ballast-policy --bench speed`.
//!
//! One million bars × 10 assets through one backtest on one core; one thousand tunings of a year of hourly bars × 10 assets on all
//! cores. A harness of its own, as one run of each is long enough to measure. Prices are generated (seed 1). Each policy forecasts at every bar, the costliest setting.

#![allow(clippy::expect_used, reason = "the bench's own files and prices")]

use std::{path::Path, time::Instant};

use ballast_policy::{
    backtest::{self, Settings},
    history::{History, generate::Generator},
    policy::Policy,
    time::{Span, Time},
    tune::{self, Job, Space},
};

const COSTS: &str = "[costs]\nproportional = '0.003'\ngas = '5'\n";

fn history(bars: usize, step: Span) -> History {
    let asset = |i: usize| (format!("A{i}"), 10.0 * (i + 1) as f64, 0.4 + 0.06 * i as f64, 0.0);
    let generator = Generator {
        seed: 1,
        assets: (0..10).map(asset).collect(),
        correlation: 0.4,
        start: Time::from_unix(1_600_000_000),
        step,
        bars,
    };
    generator.history()
}

fn text(rule: &str, landing: &str, forecast: &str, more: &str) -> String {
    let weights: Vec<String> = (0..10).map(|i| format!("A{i} = '0.1'")).collect();
    format!(
        "name = 'bench'\nlanding = '{landing}'\n[target]\nkind = 'fixed'\nweights = {{ {} }}\n[[trigger.any_of]]\n{rule}\n[forecast]\n{forecast}\n{more}\n{COSTS}",
        weights.join(", ")
    )
}

/// CPU seconds of this process so far, all threads; none where there is no /proc. A shared machine's clock on the wall says less.
fn cpu() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / 100.0)
}

/// Runs `job` and returns what it gives, with how long it took in words.
fn timed<T>(job: impl FnOnce() -> T) -> (T, String) {
    let (start, before) = (Instant::now(), cpu());
    let done = job();
    let spent = cpu().zip(before).map_or(String::new(), |(now, before)| format!(" ({:.2} s CPU)", now - before));
    (done, format!("{:.2} s{spent}", start.elapsed().as_secs_f64()))
}

#[expect(clippy::print_stdout, reason = "it is what a bench is for")]
fn main() {
    let every = |step: &str| format!("step = '{step}'");
    let optimal = "rule = 'cost_optimal'\nrisk_aversion = 4.0\npenalty_volatility = 0.6";
    let settings = Settings { warmup: Span::from_days(1), ..Settings::default() };

    let million = history(1_000_000, Span::from_seconds(60));
    for (name, text) in [
        ("corridor to target", text("rule = 'drift_absolute'\nband = 0.03", "target", &every("60s"), "")),
        ("calendar 1d", text("rule = 'calendar'\nevery = '1d'", "target", &every("60s"), "")),
        ("predictive", text("rule = 'hit_probability'\np = 0.5\nhorizon = '1d'\nband = 0.03", "half", &every("60s"), "")),
        ("cost-optimal", text(optimal, "cost_optimal", &every("60s"), "")),
        ("cost-optimal, guard", text(optimal, "cost_optimal", &every("60s"), "[guard]\nmax_deviation = 0.2")),
        ("cost-optimal, garch refit weekly", {
            let garch = "step = '1h'\nvolatility = { model = 'garch', window = 500, refit = 168 }";
            text(optimal, "cost_optimal", garch, "")
        }),
    ] {
        let policy = Policy::parse(&text, Path::new("bench")).expect("the bench's own policy");
        let run = || backtest::run(&policy, &million, "USD", &settings, &|_| ()).expect("the bench's own prices");
        let (outcome, time) = timed(run);
        println!("1 000 000 bars x 10 assets, one core, {name}: {time}, {} trades", outcome.metrics.trades);
    }

    let year = history(8_766, Span::from_seconds(3_600));
    let folder = std::env::temp_dir().join(format!("ballast-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let (policy, space) = (folder.join("policy.toml"), folder.join("space.toml"));
    std::fs::write(&space, "[[parameter]]\nkey = 'trigger.any_of.0.risk_aversion'\nfrom = 0.5\nto = 100.0\nlog = true\n[[parameter]]\nkey = 'trigger.any_of.0.penalty_volatility'\nfrom = 0.3\nto = 1.0\n").expect("written");
    for (name, forecast) in [
        ("ewma every hour", "step = '1h'".to_owned()),
        ("ewma + ledoit_wolf every day", "correlation = { model = 'ledoit_wolf', window = 120, refit = 5 }".to_owned()),
        ("garch refit monthly", "volatility = { model = 'garch', window = 365, refit = 30 }".to_owned()),
    ] {
        std::fs::write(&policy, text(optimal, "cost_optimal", &forecast, "")).expect("written");
        let space = Space::read(&policy, &space).expect("the bench's own space");
        let job = Job { history: &year, numeraire: "USD", settings: &settings, folds: 4, risk_aversion: 4.0 };
        let prepare = |table| Policy::of_table(table, &policy).map_err(|e| e.to_string());
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (tuned, time) = timed(|| tune::run(&space, space.random(1_000, 1), &prepare, &job, &|| ()).expect("a result"));
        println!("{} tunings x 8 766 bars x 10 assets, {threads} threads, {name}: {time}", tuned.trials.len());
    }
    let _ = std::fs::remove_dir_all(folder);
}
