//! A line to a node that is far away.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// Passes on what goes between a node and whoever connects; what the node says arrives so much later. Connections are there at once.
pub(crate) fn to(node: &str, delay: Duration) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let node = node.trim_start_matches("http://").trim_end_matches('/').to_owned();
    spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            // Whoever is not passed on sees the connection end.
            let _ended = connect(near, &node, delay);
        }
    });
    Ok(url)
}

fn connect(near: TcpStream, node: &str, delay: Duration) -> std::io::Result<()> {
    let far = TcpStream::connect(node)?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (back, forth) = ((far.try_clone()?, near.try_clone()?), (near, far));
    spawn(move || pass(forth.0, forth.1, Duration::ZERO));
    spawn(move || pass(back.0, back.1, delay));
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sent, arriving) = channel::<(Instant, Vec<u8>)>();
    spawn(move || {
        for (read, bytes) in arriving {
            sleep(delay.saturating_sub(read.elapsed()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _gone = to.shutdown(Shutdown::Write);
    });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if sent.send((Instant::now(), buffer.get(..length).unwrap_or_default().to_vec())).is_err() {
            break;
        }
    }
}
