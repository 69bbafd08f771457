//! What an operator does: the switch, the configuration, the end.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use ballast_fixtures::demo;
use serde_json::{Value, json};

use super::server::{LONG, Server, TOKEN, client, post, request, solutions};
use super::solve::heavy;

#[test]
fn the_switch_stops_and_starts_solving() {
    let server = Server::start("switch", "");
    let request = request(&demo(), LONG);
    assert_eq!(post(&server.admin, "/stop", ""), (200, json!({ "enabled": false })));
    assert_eq!(server.solve(&request), []);
    assert_eq!(server.get("/healthz"), r#"{"enabled":false}"#);
    assert_eq!(server.figure("ballast_enabled"), 0.0);
    // The switch is the operator's own: reading the configuration again does not turn it.
    assert_eq!(post(&server.admin, "/reload", ""), (200, json!({ "enabled": false })));
    assert_eq!(post(&server.admin, "/start", ""), (200, json!({ "enabled": true })));
    assert!(server.solve(&request).len() >= 10);
    assert_eq!(server.figure("ballast_requests_total{kind=\"auction\",outcome=\"stopped\"}"), 1.0);
}

#[test]
fn the_operator_s_address_wants_its_token_and_is_no_other() {
    let server = Server::start("token", "");
    let status = |token: Option<&str>| {
        let request = client().post(format!("{}/stop", server.admin));
        token.map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token)).send().unwrap().status().as_u16()
    };
    assert_eq!((status(None), status(Some("wrong")), status(Some(""))), (401, 401, 401));
    assert_eq!(server.get("/healthz"), r#"{"enabled":true}"#);
    assert_eq!(status(Some(TOKEN)), 200);
    let driver_s = client().post(format!("{}/stop", server.public)).bearer_auth(TOKEN).send().unwrap();
    assert_eq!(driver_s.status().as_u16(), 404);
}

#[test]
fn a_configuration_is_read_again_and_a_wrong_one_is_not() {
    let server = Server::start("reload", "");
    let request = request(&demo(), LONG);
    let all = server.solve(&request).len();
    server.configure("[server]\nenabled = false");
    server.signal("HUP");
    server.wait_for("configuration reloaded");
    assert_eq!(server.solve(&request), []);
    server.configure("[server]\nenabled = true\nenabeld = true");
    server.signal("HUP");
    let said = server.wait_for("configuration not reloaded")["error"].as_str().unwrap().to_owned();
    assert!(said.contains("line 3") && said.contains("enabeld"), "{said}");
    let (status, problem) = post(&server.admin, "/reload", "");
    assert!(status == 422 && problem["message"].as_str().unwrap().contains("enabeld"), "{problem}");
    assert_eq!(server.solve(&request), []);
    server.configure("");
    assert_eq!(post(&server.admin, "/reload", ""), (200, json!({ "enabled": true })));
    assert_eq!(server.solve(&request).len(), all);
    assert_eq!(server.figure("ballast_config_reloads_total{result=\"refused\"}"), 2.0);
    assert_eq!(server.figure("ballast_config_reloads_total{result=\"done\"}"), 2.0);
}

#[test]
fn a_full_queue_answers_at_once_and_the_end_answers_all_the_rest() {
    let server = Server::start("queue", "[work]\nauctions = 1\nwaiting_auctions = 1\nthreads = 1");
    let (answered, answers) = std::sync::mpsc::channel();
    let body = request(&heavy(2_000), LONG).to_string();
    for _ in 0..4 {
        let (answered, body, public) = (answered.clone(), body.clone(), server.public.clone());
        std::thread::spawn(move || answered.send(solutions(post(&public, "/solve", body)).len()).unwrap());
    }
    // One is at work, one waits: the others need not.
    assert_eq!([answers.recv().unwrap(), answers.recv().unwrap()], [0, 0]);
    assert_eq!(server.figure("ballast_requests_total{kind=\"auction\",outcome=\"overloaded\"}"), 2.0);
    server.wait_for("found");
    server.signal("TERM");
    let [first, second] = [answers.recv().unwrap(), answers.recv().unwrap()];
    assert!(first.max(second) >= 1, "what was found by then is not answered: {first}, {second}");
    assert!(server.ended());
}

/// All that is done for an auction with several orders of a pair.
const STRATEGIES: [&str; 5] = ["single orders", "batch", "single orders, longer", "pairs", "in sequence"];

#[test]
fn a_line_of_the_log_says_of_which_auction_and_strategy_it_is() {
    let server = Server::start("spans", "");
    let mut request = request(&demo(), LONG);
    request["id"] = "4711".into();
    assert!(!server.solve(&request).is_empty());
    server.signal("TERM");
    let log = server.whole_log();
    let is_of = |line: &Value, name: &str| {
        let [auction, strategy, ..] = line["spans"].as_array().map_or(&[][..], Vec::as_slice) else { return false };
        (&auction["name"], &auction["id"]) == (&json!("auction"), &json!("4711"))
            && (&strategy["name"], &strategy["strategy"]) == (&json!("strategy"), &json!(name))
    };
    for name in STRATEGIES {
        assert!(log.iter().any(|line| is_of(line, name) && line["message"] == "strategy done"), "{name}: {log:#?}");
    }
    let found: Vec<&Value> = log.iter().filter(|line| line["message"] == "found").collect();
    assert!(found.len() > 10 && found.iter().all(|line| line["spans"][0]["id"] == "4711"), "{found:#?}");
}

#[test]
fn traces_are_exported_with_their_headers() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/traces", collector.local_addr().unwrap());
    let config = format!("[traces]\nendpoint = \"{endpoint}\"\nheaders = {{ x-key = \"env:BALLAST_TEST_TOKEN\" }}");
    let server = Server::start("traces", &config);
    server.solve(&request(&demo(), LONG));
    server.signal("TERM");
    let (mut stream, _) = collector.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (mut sent, mut piece) = (Vec::new(), [0; 4096]);
    // As protobuf has texts.
    let has = |sent: &[u8], text: &str| sent.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()));
    while STRATEGIES.iter().chain(&["auction", "strategy", "ballast"]).any(|text| !has(&sent, text)) {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&sent));
        sent.extend_from_slice(&piece[..read]);
    }
    assert!(sent.starts_with(b"POST /v1/traces HTTP/1.1") && has(&sent, &format!("x-key: {TOKEN}")));
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    assert!(server.ended());
}

#[test]
fn secrets_are_not_logged() {
    let server = Server::start("secret", "[traces]\nheaders = { x-key = \"env:BALLAST_TEST_TOKEN\" }");
    post(&server.admin, "/status", "");
    post(&server.admin, "/reload", "");
    server.configure("[traces]\nheaders = { x-key = \"not-to-be-logged\" }");
    server.signal("HUP");
    server.wait_for("configuration not reloaded");
    server.signal("TERM");
    let log = server.whole_log();
    assert!(log.len() > 5 && !log.iter().any(|line| line.to_string().contains(TOKEN)), "{log:#?}");
}
