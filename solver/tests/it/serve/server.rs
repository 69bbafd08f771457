//! A running `ballast serve`.

use std::cell::{OnceCell, RefCell};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use ballast_wire::{Auction, Reply, Solution};
use reqwest::Method;
use reqwest::blocking::{Body, Client, RequestBuilder};
use serde_json::Value;

use super::document::Document;

/// A line that has not come after so long will not: the test fails, rather than wait for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program with a configuration of the test's own, on free ports, and its log.
pub(crate) struct Server {
    child: Child,
    log: Receiver<Value>,
    /// What has come of it so far, and whether it was waited for.
    seen: RefCell<Vec<(Value, bool)>>,
    document: OnceCell<Rc<Document>>,
    pub(crate) config: PathBuf,
    pub(crate) public: String,
    pub(crate) admin: String,
}

impl Server {
    pub(crate) fn start(name: &str, config: &str) -> Self {
        Self::start_with(name, config, &[])
    }

    /// The same with variables of its own.
    pub(crate) fn start_with(name: &str, config: &str, variables: &[(&str, &str)]) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("serve-{name}.toml"));
        let mut this = Self {
            child: spawn(&path, config, variables),
            log: channel().1,
            seen: RefCell::default(),
            document: OnceCell::new(),
            config: path,
            public: String::new(),
            admin: String::new(),
        };
        let (line, log) = channel();
        let stderr = BufReader::new(this.child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for text in stderr.lines().map_while(Result::ok) {
                // A panic's message is no JSON: it is kept as it is.
                let _ = line.send(serde_json::from_str(&text).unwrap_or(Value::String(text)));
            }
        });
        this.log = log;
        this.public = this.listens("the solver listens");
        this.admin = this.listens("the operator's address listens");
        this
    }

    fn listens(&self, message: &str) -> String {
        format!("http://{}", self.wait_for(message)["address"].as_str().unwrap())
    }

    /// The next line of the log with this message, which may have come before lines that were waited for.
    pub(crate) fn wait_for(&self, message: &str) -> Value {
        let says = |line: &Value| line["message"].as_str().is_some_and(|m| m.contains(message));
        let mut seen = self.seen.borrow_mut();
        if let Some((line, waited_for)) = seen.iter_mut().find(|(line, waited_for)| !waited_for && says(line)) {
            *waited_for = true;
            return line.clone();
        }
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            let found = says(&line);
            seen.push((line.clone(), found));
            if found {
                return line;
            }
        }
        panic!("ended, or still for {PATIENCE:?}, without {message:?}: {seen:#?}");
    }

    /// All of the log, once it has ended.
    pub(crate) fn whole_log(&self) -> Vec<Value> {
        let mut seen = self.seen.borrow_mut();
        seen.extend(self.log.iter().map(|line| (line, false)));
        seen.iter().map(|(line, _)| line.clone()).collect()
    }

    pub(crate) fn configure(&self, config: &str) {
        std::fs::write(&self.config, with_log(&self.config, config)).unwrap();
    }

    /// Where it keeps what it answers.
    pub(crate) fn archive(&self) -> PathBuf {
        archive(&self.config)
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it without a word.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended by itself, and says whether it did well.
    pub(crate) fn ended(mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    /// What it says of itself.
    pub(crate) fn document(&self) -> &Rc<Document> {
        self.document.get_or_init(|| {
            let answer = client().get(format!("{}/openapi.json", self.public)).send().unwrap();
            Rc::new(Document::new(&answer.error_for_status().unwrap().text().unwrap()))
        })
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        client().request(method, format!("{}{path}", self.public))
    }

    /// The answer to a request, which is one that its document describes.
    #[track_caller]
    pub(crate) fn answer(&self, request: RequestBuilder) -> (u16, String) {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().as_str().to_ascii_lowercase(), request.url().path().to_owned());
        let answer = client.execute(request).unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
        let text = answer.text().unwrap();
        if path != "/openapi.json" && !path.starts_with("/docs/") {
            self.document().answered(&method, &path, status, &kind, &text);
        }
        (status, text)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: impl Into<Body>) -> (u16, Value) {
        let (status, text) = self.answer(self.request(Method::POST, path).bearer_auth(TOKEN).body(body));
        (status, parsed(&text))
    }

    pub(crate) fn solve(&self, request: &Value) -> Vec<Solution> {
        solutions(self.post("/solve", request.to_string()))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> String {
        let (status, text) = self.answer(self.request(Method::GET, path));
        assert_eq!(status, 200, "{text}");
        text
    }

    /// A figure by its name and labels, zero if there is none yet.
    pub(crate) fn figure(&self, name: &str) -> f64 {
        let figures = self.get("/metrics");
        figures.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map_or(0.0, |value| value.parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(path: &Path, config: &str, variables: &[(&str, &str)]) -> Child {
    let _ = std::fs::remove_dir_all(archive(path));
    std::fs::write(path, with_log(path, config)).unwrap();
    Command::new(env!("CARGO_BIN_EXE_ballast"))
        .args(["serve", "--listen", "127.0.0.1:0", "--config"])
        .arg(path)
        .env_remove("RUST_LOG")
        .env("BALLAST_TEST_TOKEN", TOKEN)
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) const TOKEN: &str = "not-to-be-logged";

fn archive(config: &Path) -> PathBuf {
    config.with_extension("archive")
}

fn with_log(path: &Path, config: &str) -> String {
    let directory = archive(path);
    format!(
        "{config}\n[log]\nformat = \"json\"\nfilter = \"debug\"\n[archive]\ndirectory = {directory:?}\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         token = \"env:BALLAST_TEST_TOKEN\"\n"
    )
}

pub(crate) fn client() -> Client {
    Client::builder().timeout(None).build().unwrap()
}

pub(crate) fn post(to: &str, path: &str, body: impl Into<Body>) -> (u16, Value) {
    let response = client().post(format!("{to}{path}")).bearer_auth(TOKEN).body(body).send().unwrap();
    let status = response.status().as_u16();
    (status, parsed(&response.text().unwrap()))
}

fn parsed(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { serde_json::from_str(text).unwrap() }
}

pub(crate) fn solutions((status, reply): (u16, Value)) -> Vec<Solution> {
    assert_eq!(status, 200, "{reply}");
    match Reply::from_json(reply.to_string().as_bytes()).unwrap() {
        Reply::Solutions { solutions } => solutions,
        Reply::Error { error } => panic!("an error: {error:?}"),
    }
}

/// A request as a driver sends it, with so much time.
pub(crate) fn request(auction: &Auction, time: Duration) -> Value {
    let mut request = serde_json::to_value(auction).unwrap();
    request["deadline"] = deadline(time);
    request
}

pub(crate) fn deadline(time: Duration) -> Value {
    humantime::format_rfc3339_millis(SystemTime::now() + time).to_string().into()
}

/// More time than any test needs.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// A body that is sent in pieces, its length unsaid.
pub(crate) fn streamed(text: impl Read + Send + 'static) -> Body {
    Body::new(text)
}
