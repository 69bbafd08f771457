//! The intent service under load: posts and reads at a steady rate, passes of decisions, and restarts after a kill.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, Signature as Signed, U256};
use anyhow::{Context, bail, ensure};
use ballast_solver::intent::digest;
use ballast_wire::intent::{Intent, Rule, Scheme, Signature};
use clap::Args;
use k256::ecdsa::SigningKey;
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::line;
use crate::load::{figure, quantile, sorted};
use crate::show::{Report, short, table};

/// Starts `ballast serve` on a devnet's vault, fills it with intents, and measures it: requests at a steady rate, decisions, and restarts after a kill, with
/// the node at hand and far away.
///
/// Requests go out by the clock whether or not earlier ones are answered; their latency counts from when they were due. A fifth of them are posts,
/// signed by keys; the rest read an intent, its history, or an owner's list.
#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// A running devnet's folder, from `ballast devnet --detach`.
    #[arg(long, default_value = "target/devnet")]
    devnet: PathBuf,
    /// The program to measure.
    #[arg(long, default_value = "target/release/ballast")]
    ballast: PathBuf,
    /// Live intents.
    #[arg(long, default_value_t = 10_000)]
    intents: usize,
    /// Each of them is another vault's, which holds nothing: as much is to be read as of any, and next to nothing to be decided.
    #[arg(long)]
    own_vaults: bool,
    /// How much later the node's answers come to the service that is restarted with the node far away.
    #[arg(long, default_value = "50ms", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// Requests a second.
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
    /// Requests to send.
    #[arg(long, default_value_t = 10_000)]
    requests: usize,
    /// Passes of decisions to measure, each after a price has moved.
    #[arg(long, default_value_t = 5)]
    passes: usize,
}

/// The key of a development chain's third account, which owns the vault: nobody's secret.
const OWNER: &str = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";
/// Who post in a hurry, each with a key and no vault.
const OWNERS: u8 = 100;
/// Threads that send.
const SENDERS: usize = 32;
/// How often a condition is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(5);
/// How long.
const PATIENCE: Duration = Duration::from_secs(300);
const PASSES: &str = "ballast_intent_pass_seconds_sum";
const WAITING: &str = "ballast_intents{state=\"waiting\"}";
const UNREAD: &str = "ballast_intents_unread";

impl ServiceArgs {
    pub(crate) fn run(self) -> anyhow::Result<Report> {
        ensure!(self.rate > 0.0 && self.rate.is_finite(), "--rate: expected a number above 0");
        let client = Client::builder().timeout(PATIENCE).pool_max_idle_per_host(SENDERS).build()?;
        let mut service = Service::start(&self.ballast, &self.config()?, &client)?;
        let posts = (0..self.intents).map(|n| Ok(Request::Post(self.vault_intent(n)?))).collect::<anyhow::Result<Vec<_>>>()?;
        let began = Instant::now();
        let filled = service.send(&client, posts, None)?;
        let filling = began.elapsed().as_secs_f64();
        service.until_watching(&client, self.intents)?;

        let requests = (0..self.requests).map(|n| request(n, &filled)).collect::<anyhow::Result<Vec<_>>>()?;
        let processor = figure(&client, &service.url, "process_cpu_seconds_total")?;
        let began = Instant::now();
        let answers = service.send(&client, requests, Some(self.rate))?;
        let elapsed = began.elapsed().as_secs_f64();
        let processor = figure(&client, &service.url, "process_cpu_seconds_total")? - processor;
        let seconds = sorted(answers.iter().map(|answer| answer.seconds));

        let live = self.intents + answers.iter().filter(|answer| answer.posted).count();
        service.until_watching(&client, live)?;
        let passes = (1..=self.passes).map(|n| self.pass(&service, &client, n)).collect::<anyhow::Result<Vec<f64>>>()?;
        let passes = sorted(passes.into_iter());

        let near = self.restart(&mut service, &client, live)?;
        let text = std::fs::read_to_string(&service.config)?;
        let node = self.deployment()?["rpc"].as_str().context("rpc")?.to_owned();
        std::fs::write(&service.config, text.replace(&node, &line::to(&node, self.latency)?))?;
        let far = self.restart(&mut service, &client, live)?;

        let ms = |part| short(1e3 * quantile(&seconds, part));
        let rows = vec![vec![
            live.to_string(),
            short(filled.len() as f64 / filling),
            short(answers.len() as f64 / elapsed),
            ms(0.5),
            ms(0.99),
            ms(1.0),
            short(processor / elapsed),
            short(1e3 * quantile(&passes, 0.5)),
            short(1e3 * quantile(&passes, 1.0)),
            short(near.answers),
            short(near.watches),
            short(far.watches),
        ]];
        let far_away = format!("node {} away", humantime::format_duration(self.latency));
        let header = [
            "live intents",
            "posts a second, filling",
            "requests a second",
            "ms p50",
            "p99",
            "worst",
            "processors",
            "ms a pass",
            "worst",
            "s to answer, restarted",
            "s to watch all",
            &far_away,
        ];
        let figures = json!({
            "live": live, "filled_per_second": filled.len() as f64 / filling, "requests_per_second": answers.len() as f64 / elapsed,
            "seconds": { "p50": quantile(&seconds, 0.5), "p99": quantile(&seconds, 0.99), "worst": quantile(&seconds, 1.0) },
            "processors": processor / elapsed, "pass_seconds": passes,
            "restart_seconds": { "answers": near.answers, "watches": near.watches, "watches_node_far": far.watches },
        });
        Ok(Report { text: table(&header, rows), figures })
    }

    /// Kills the service, and starts it again.
    fn restart(&self, service: &mut Service, client: &Client, live: usize) -> anyhow::Result<Restart> {
        service.child.kill()?;
        service.child.wait()?;
        let began = Instant::now();
        *service = Service::start(&self.ballast, &service.config.clone(), client)?;
        let answers = began.elapsed().as_secs_f64();
        service.until_watching(client, live)?;
        Ok(Restart { answers, watches: began.elapsed().as_secs_f64() })
    }

    fn deployment(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&std::fs::read(self.devnet.join("deployment.json"))?)?)
    }

    /// The devnet's configuration with room for this, and without a key: what is due is not settled.
    fn config(&self) -> anyhow::Result<PathBuf> {
        let file = self.devnet.join("settle.toml");
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let rest = text.split("[intents]").next().unwrap_or_default();
        let rest: String = rest.lines().filter(|line| !line.starts_with("key = ")).map(|line| format!("{line}\n")).collect();
        for suffix in ["", "-wal", "-shm"] {
            let _absent = std::fs::remove_file(self.devnet.join(format!("bench.db{suffix}")));
        }
        let config = self.devnet.join("bench.toml");
        let text = format!(
            "{rest}[intents]\nenabled = true\ndatabase = \"sqlite://bench.db\"\nmarket = \"auction.json\"\npoll = \"50ms\"\nevery = \"1h\"\n\
             lease = \"1s\"\nmax_live = 1000000\nmax_a_minute = 1000000\n[log]\nfilter = \"error\"\n[archive]\nenabled = false\n"
        );
        std::fs::write(&config, text)?;
        Ok(config)
    }

    /// One of the vault's intents, or of a vault of its own, which a price that moves a little does not make due.
    fn vault_intent(&self, number: usize) -> anyhow::Result<String> {
        let mut intent = Intent::from_json(&std::fs::read(self.devnet.join("intent.json"))?)?;
        intent.nonce.0 = U256::from(number).saturating_add(U256::from(1_000));
        intent.trigger.any_of = vec![Rule::DriftAbsBps(5_000)];
        if self.own_vaults {
            let key = SigningKey::from_slice(&intent.nonce.0.to_be_bytes::<32>())?;
            intent.owner = Address::from_private_key(&key);
            return signed(intent, &key, Scheme::Eip712);
        }
        let key = SigningKey::from_slice(&alloy_primitives::hex::decode(OWNER)?)?;
        signed(intent, &key, Scheme::Eip1271)
    }

    /// Moves a price, and waits for all to be decided on; the seconds that took.
    fn pass(&self, service: &Service, client: &Client, number: usize) -> anyhow::Result<f64> {
        let deployment = self.deployment()?;
        let rpc = deployment["rpc"].as_str().context("rpc")?;
        let feed = &deployment["rebalancing"]["feeds"]["WETH"];
        let call = |method: &str, params: Value| -> anyhow::Result<Value> {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
            Ok(client.post(rpc).json(&body).send()?.json::<Value>()?["result"].take())
        };
        let before = figure(client, &service.url, PASSES)?;
        let account = call("eth_accounts", json!([]))?[0].clone();
        let time = call("eth_getBlockByNumber", json!(["latest", false]))?["timestamp"].take();
        let time: U256 = time.as_str().context("timestamp")?.parse()?;
        // In 10⁻⁸ dollars.
        let answer = U256::from(250_000_000_000_u64).saturating_add(U256::from(number));
        let selector = alloy_primitives::hex::encode(&alloy_primitives::keccak256("set(int256,uint256)")[..4]);
        let data = format!("0x{selector}{answer:064x}{time:064x}");
        call("eth_sendTransaction", json!([{ "from": account, "to": feed, "data": data }]))?;
        // One that is not over all takes next to nothing.
        let least = 1e-7 * self.intents as f64;
        service.until("a pass", || Ok(figure(client, &service.url, PASSES)? - before > least))?;
        Ok(figure(client, &service.url, PASSES)? - before)
    }
}

/// How long a service took after a kill, in seconds.
struct Restart {
    answers: f64,
    /// All intents, their vaults read again.
    watches: f64,
}

/// A request, and whether it posts.
enum Request {
    Post(String),
    Get(String),
}

/// How one was answered.
struct Answer {
    seconds: f64,
    id: String,
    posted: bool,
}

/// The request of a number: a post, or a look at one of those that are there.
fn request(number: usize, filled: &[Answer]) -> anyhow::Result<Request> {
    let known = filled.get(number.wrapping_mul(7_919) % filled.len().max(1)).context("no intents")?;
    Ok(match number % 5 {
        0 => Request::Post(stranger(number)?),
        1 | 2 => Request::Get(format!("/v1/intents/{}", known.id)),
        3 => Request::Get(format!("/v1/intents/{}/history", known.id)),
        _ => {
            let owner = Address::from_private_key(&owner(number)?);
            Request::Get(format!("/v1/intents?owner={owner}&limit=20"))
        }
    })
}

fn owner(number: usize) -> anyhow::Result<SigningKey> {
    let seed = u8::try_from(number % usize::from(OWNERS))?;
    Ok(SigningKey::from_slice(&[seed.saturating_add(1); 32])?)
}

/// An intent by key, of a vault that holds nothing.
fn stranger(number: usize) -> anyhow::Result<String> {
    let key = owner(number)?;
    let mut intent = Intent::from_json(include_bytes!("../../solver/examples/intent.json"))?;
    (intent.owner, intent.nonce.0, intent.chain_id) = (Address::from_private_key(&key), U256::from(number), 31_337);
    signed(intent, &key, Scheme::Eip712)
}

/// An intent's text, signed.
fn signed(mut intent: Intent, key: &SigningKey, scheme: Scheme) -> anyhow::Result<String> {
    let digest = digest(&intent);
    let signature = Signed::from(key.sign_prehash_recoverable(digest.as_slice())?);
    intent.signature = Some(Signature { scheme, data: signature.as_bytes().to_vec().into() });
    Ok(serde_json::to_string(&intent)?)
}

/// A running service.
struct Service {
    child: Child,
    config: PathBuf,
    url: String,
}

impl Service {
    fn start(program: &Path, config: &Path, client: &Client) -> anyhow::Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(program)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--config"])
            .arg(config)
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let service = Self { child, config: config.to_owned(), url: format!("http://127.0.0.1:{port}") };
        let healthy =
            || Ok(client.get(format!("{}/healthz", service.url)).send().is_ok_and(|answer| answer.status().is_success()));
        service.until("the service answers", healthy)?;
        Ok(service)
    }

    /// Waits until so many intents are watched, their vaults read.
    fn until_watching(&self, client: &Client, intents: usize) -> anyhow::Result<()> {
        // None is told of before the first look.
        let figure = |name: &str| figure(client, &self.url, name).ok();
        let done = || {
            figure(WAITING).is_some_and(|waiting| waiting >= intents as f64) && figure(UNREAD).is_some_and(|unread| unread == 0.0)
        };
        self.until("all intents are watched", || Ok(done()))
    }

    fn until(&self, what: &str, mut done: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let began = Instant::now();
        while !done()? {
            if began.elapsed() > PATIENCE {
                bail!("gave up waiting until {what}");
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Sends requests, by the clock if there is a rate, else as fast as they are answered.
    fn send(&self, client: &Client, requests: Vec<Request>, rate: Option<f64>) -> anyhow::Result<Vec<Answer>> {
        let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
        let (answered, answers) = channel();
        let began = Instant::now();
        for _ in 0..SENDERS {
            let (client, url, requests, next, answered) =
                (client.clone(), self.url.clone(), requests.clone(), next.clone(), answered.clone());
            std::thread::spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(request) = requests.get(number) else { return };
                    let due = rate.map(|rate| Duration::from_secs_f64(number as f64 / rate));
                    std::thread::sleep(due.unwrap_or_default().saturating_sub(began.elapsed()));
                    let due = due.unwrap_or_else(|| began.elapsed());
                    // Whoever listened has given up.
                    let _ = answered.send(answer(&client, &url, request).map(|(id, posted)| Answer {
                        seconds: began.elapsed().saturating_sub(due).as_secs_f64(),
                        id,
                        posted,
                    }));
                }
            });
        }
        drop(answered);
        answers.iter().collect()
    }
}

fn answer(client: &Client, url: &str, request: &Request) -> anyhow::Result<(String, bool)> {
    let (sent, posted) = match request {
        Request::Post(body) => (client.post(format!("{url}/v1/intents")).body(body.clone()), true),
        Request::Get(path) => (client.get(format!("{url}{path}")), false),
    };
    let answer = sent.send()?;
    let status = answer.status();
    let body: Value = answer.json()?;
    ensure!(status.is_success(), "{status}: {body}");
    Ok((body["id"].as_str().unwrap_or_default().to_owned(), posted))
}

impl Drop for Service {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
