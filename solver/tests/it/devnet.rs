//! `ballast devnet`, as a user runs it. Each test has a chain of its own on a free port.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ballast_solver::auction::Auction;
use ballast_solver::devnet::Deployment;
use ballast_wire as wire;
use rustix::process::{Pid, Signal, kill_process};

/// The packages that `make contracts` installs.
const CONTRACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/contracts/node_modules");

/// A running devnet; it is taken down when this is dropped.
pub(crate) struct Devnet {
    child: Child,
    pub(crate) out: PathBuf,
}

impl Devnet {
    /// Starts one whose files are in a folder of this name.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&out);
        let mut child = command(&out).args(["--port", "0"]).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.any(|line| line.unwrap().starts_with("ready"));
        assert!(ready, "the devnet does not start: {}", child.wait().unwrap());
        Self { child, out }
    }

    /// A file that it has written.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    pub(crate) fn deployment(&self) -> Deployment {
        serde_json::from_slice(&std::fs::read(self.file("deployment.json")).unwrap()).unwrap()
    }

    pub(crate) fn auction(&self) -> wire::Auction {
        wire::Auction::from_json(&std::fs::read(self.file("auction.json")).unwrap()).unwrap()
    }

    /// Asks it to end, and waits until it has.
    fn stop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
            assert!(self.child.wait().unwrap().success());
        }
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        self.stop();
    }
}

fn command(out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
    command.arg("devnet").args(["--contracts", CONTRACTS]).arg("--out").arg(out).env_remove("RUST_LOG");
    command
}

/// Host and port of a URL.
fn socket(rpc: &str) -> &str {
    rpc.trim_start_matches("http://").trim_end_matches('/')
}

#[test]
fn the_same_seed_makes_the_same_chain() {
    let [first, second] = ["devnet-first", "devnet-second"].map(|name| Devnet::start(name, &["--pools", "30", "--seed", "5"]));
    let [mut one, mut other] = [first.deployment(), second.deployment()];
    assert_ne!(one.rpc, other.rpc);
    (one.rpc, other.rpc) = (String::new(), String::new());
    assert_eq!(one, other);
    let [one, other] = [&first, &second].map(|devnet| std::fs::read_to_string(devnet.file("auction.json")).unwrap());
    assert!(one == other, "the auctions differ");
}

#[test]
fn every_pool_that_is_read_back_can_be_swapped_with() {
    let devnet = Devnet::start("devnet-pools", &["--pools", "60", "--orders", "20"]);
    let auction = Auction::new(&devnet.auction(), |_| true);
    assert_eq!((auction.pools.len(), auction.orders.len()), (60, 20));
    assert_eq!(auction.drops.iter().count(), 0);
    let kinds: std::collections::BTreeSet<_> = auction.pools.iter().map(|pool| pool.kind()).collect();
    assert_eq!(kinds.len(), 4);
    let decimals: std::collections::BTreeSet<_> = auction.tokens.iter().filter_map(|token| token.decimals).collect();
    assert_eq!(decimals, [6, 8, 18].into());
}

#[test]
fn the_node_goes_when_the_devnet_goes() {
    let mut devnet = Devnet::start("devnet-stop", &["--pools", "10"]);
    let rpc = devnet.deployment().rpc;
    assert!(TcpStream::connect(socket(&rpc)).is_ok());
    assert!(devnet.file("devnet.pid").exists());
    devnet.stop();
    assert!(TcpStream::connect(socket(&rpc)).is_err(), "the node still listens");
    assert!(!devnet.file("devnet.pid").exists());
}

#[test]
fn a_detached_devnet_is_taken_down_by_its_pid_file() {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("devnet-detached");
    let output = command(&out).args(["--port", "0", "--pools", "10", "--detach"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("ready in "), "{said}");
    let pid: i32 = std::fs::read_to_string(out.join("devnet.pid")).unwrap().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
}

#[test]
fn what_hinders_it_is_said() {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("devnet-hindered");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let says = |arguments: &[&str], words: &str| {
        let output = command(&out).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(words), "{arguments:?}: {said}");
    };
    says(&["--port", &port], "is the port taken?");
    says(&["--port", "0", "--pools", "9"], "10..=1000");
    let nowhere = Command::new(env!("CARGO_BIN_EXE_ballast")).args(["devnet", "--contracts", "/nowhere"]).output().unwrap();
    let said = String::from_utf8(nowhere.stderr).unwrap();
    assert!(said.contains("make contracts"), "{said}");
}
