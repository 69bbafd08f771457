//! Requests that no driver would send.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use ballast_fixtures::demo;
use serde_json::{Value, json};

use super::server::{LONG, Server, request, streamed};

#[test]
fn a_malformed_body_is_refused_with_the_path_of_the_field() {
    let server = Server::start("malformed", "");
    let good = request(&demo(), LONG);
    let token = good["tokens"].as_object().unwrap().keys().next().unwrap().clone();
    type Spoil<'a> = Box<dyn Fn(&mut Value) + 'a>;
    let cases: Vec<(Spoil, String)> = vec![
        (Box::new(|r| r["effectiveGasPrice"] = "-1".into()), "effectiveGasPrice".to_owned()),
        (Box::new(|r| r["effectiveGasPrice"] = json!([])), "effectiveGasPrice".to_owned()),
        (Box::new(|r| r["orders"] = "none".into()), "orders".to_owned()),
        (Box::new(|r| r["tokens"] = 7.into()), "tokens".to_owned()),
        (Box::new(|r| r["tokens"][&token]["trusted"] = 3.into()), format!("tokens.{token}.trusted")),
        (Box::new(|r| r["id"] = json!({})), "id".to_owned()),
        (Box::new(|r| r["deadline"] = "soon".into()), "deadline".to_owned()),
        (Box::new(|r| r["deadline"] = 12.into()), "deadline".to_owned()),
    ];
    for (spoil, field) in cases {
        let mut request = good.clone();
        spoil(&mut request);
        let (status, problem) = server.post("/solve", request.to_string());
        assert_eq!((status, problem["field"].as_str()), (400, Some(&*field)), "{problem}");
        assert!(problem["message"].as_str().unwrap().contains(&field));
    }
    let mut request = good.clone();
    request.as_object_mut().unwrap().remove("liquidity");
    let (status, problem) = server.post("/solve", request.to_string());
    assert!(status == 400 && problem["message"].as_str().unwrap().contains("liquidity"), "{problem}");
    for text in ["", "not json", "{\"id\":\"1\",", "[]", "null", "\u{0}\u{1}"] {
        assert_eq!(server.post("/solve", text).0, 400, "{text:?}");
    }
    assert_eq!(server.post("/solve", vec![0xff_u8; 100]).0, 400);
    // Nothing was hurt.
    assert!(server.solve(&good).len() >= 10);
}

#[test]
fn deep_nesting_is_refused_wherever_it_is() {
    let server = Server::start("nesting", "");
    const DEPTH: usize = 200_000;
    let text = request(&demo(), LONG).to_string();
    for nested in ["[".repeat(DEPTH) + &"]".repeat(DEPTH), "{\"a\":".repeat(DEPTH) + "1" + &"}".repeat(DEPTH)] {
        assert_eq!(server.post("/solve", nested.clone()).0, 400);
        assert_eq!(server.post("/notify", format!("{{\"kind\":{nested}}}")).0, 400);
        for list in ["orders", "liquidity"] {
            // One entry that is malformed harms no other.
            let text = text.replacen(&format!("\"{list}\":["), &format!("\"{list}\":[{nested},"), 1);
            let (status, reply) = server.post("/solve", text);
            assert!(status == 200 && reply["solutions"].as_array().unwrap().len() >= 10, "{list}: {status}");
        }
    }
}

#[test]
fn bodies_as_large_as_drivers_send_pass_and_larger_ones_do_not() {
    let server = Server::start("large", "");
    let text = request(&demo(), LONG).to_string();
    let padded = std::io::Cursor::new(text).chain(std::io::repeat(b' ').take(25_000_000));
    let (status, reply) = server.post("/solve", streamed(padded));
    assert!(status == 200 && reply["solutions"].as_array().unwrap().len() >= 10);
    let (status, problem) = server.post("/solve", streamed(std::io::repeat(b' ').take(100_000_000)));
    assert_eq!(status, 413, "{problem}");
    assert!(problem["message"].as_str().unwrap().contains("server.max_body"));
    // It was not kept.
    let memory = server.figure("process_resident_memory_bytes");
    assert!(memory < 400e6, "{memory}");
}

#[test]
fn the_limit_of_a_body_is_the_operator_s() {
    let server = Server::start("limit", "[server]\nmax_body = \"10 kB\"");
    assert_eq!(server.post("/solve", request(&demo(), LONG).to_string()).0, 413);
}

/// All that is answered to what is written, until the other end closes.
fn raw(server: &Server, text: &str) -> String {
    let mut stream = TcpStream::connect(server.public.trim_start_matches("http://")).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn slow_clients_are_let_go() {
    let server = Server::start("slow", "[server]\nread_timeout = \"300ms\"");
    let stalled = raw(&server, "POST /solve HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{");
    assert!(stalled.starts_with("HTTP/1.1 408") && stalled.contains("server.read_timeout"), "{stalled:?}");
    // Not even a head: there is nobody to answer.
    let headless = raw(&server, "POST /so");
    assert!(headless.is_empty() || headless.starts_with("HTTP/1.1 408"), "{headless:?}");
    assert!(server.solve(&request(&demo(), LONG)).len() >= 10);
}

#[test]
fn who_does_not_read_is_let_go() {
    let server = Server::start("unread", "[server]\nidle_timeout = \"300ms\"");
    let mut stream = TcpStream::connect(server.public.trim_start_matches("http://")).unwrap();
    stream.set_write_timeout(Some(LONG)).unwrap();
    let ask = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
    // The answers fill what both ends hold. Then nothing more is read of the questions, and in the end the connection is gone.
    let error = loop {
        if let Err(error) = stream.write_all(ask.as_bytes()) {
            break error;
        }
    };
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    assert!(server.solve(&request(&demo(), LONG)).len() >= 10);
}

#[test]
fn other_paths_and_methods_are_refused() {
    let server = Server::start("paths", "");
    assert!(raw(&server, "GET /solve HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").starts_with("HTTP/1.1 405"));
    assert!(raw(&server, "POST /stop HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(raw(&server, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
}
