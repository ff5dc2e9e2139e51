//! Connections that do not behave, and the end of all of them.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use suanpan_net::http::{HttpOptions, ServeLimits};

use crate::client::Client;
use crate::server::Server;

const SHORT: Duration = Duration::from_millis(200);
/// Far more than what is waited for, on a busy machine too.
const LONG: Duration = Duration::from_secs(20);

fn impatient() -> ServeLimits {
    ServeLimits { head_timeout: SHORT, write_timeout: SHORT, ..ServeLimits::default() }
}

#[test]
fn silence_ends_a_connection() {
    let server = Server::start_with(HttpOptions::default(), impatient());
    let begun = Instant::now();
    // Nothing at all; half a word that could be HTTP/2; half a head; and after a whole request.
    for said in ["", "PRI * HT", "GET /livez HTTP/1.1\r\nhost"] {
        let mut client = Client::connect(server.address);
        client.raw(said.as_bytes());
        assert!(client.read(false).is_none_or(|answer| answer.status == 408), "{said}");
        assert!(client.is_ended(), "{said}");
    }
    let mut client = Client::connect(server.address);
    assert_eq!(client.call("GET", "/livez", None).status, 200);
    assert!(client.is_ended());
    assert!(begun.elapsed() < LONG);
}

#[test]
fn a_head_that_drips_is_not_waited_for() {
    let server = Server::start_with(HttpOptions::default(), impatient());
    let mut client = Client::connect(server.address);
    client.raw(b"GET /livez HTTP/1.1\r\nx: ");
    let begun = Instant::now();
    // Each byte comes well before a silent connection would be left.
    while client.is_open_for(SHORT / 10) && client.try_raw(b"y") {
        assert!(begun.elapsed() < LONG, "the server still waits");
    }
}

#[test]
fn a_peer_that_does_not_read_is_left() {
    let server = Server::start_with(HttpOptions::default(), impatient());
    let mut client = Client::connect(server.address);
    let many = "GET /v1/nope HTTP/1.1\r\nhost: t\r\n\r\n".repeat(1_000);
    let begun = Instant::now();
    // Until neither side's buffers take more, and then until the server has gone.
    while client.try_raw(many.as_bytes()) {
        assert!(begun.elapsed() < LONG, "the server still waits");
    }
}

#[test]
fn more_connections_than_allowed_are_told_so() {
    let limits = ServeLimits { connections_max: 2, ..ServeLimits::default() };
    let mut server = Server::start_with(HttpOptions::default(), limits);
    assert_eq!(server.get("GET /livez").status, 200);
    let mut second = Client::connect(server.address);
    assert_eq!(second.call("GET", "/livez", None).status, 200);
    let mut third = Client::connect(server.address);
    let answer = third.call("GET", "/livez", None);
    assert_eq!((answer.status, &answer.body["code"]), (503, &"overloaded".into()));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.header("x-request-id"), answer.body["request_id"].as_str());
    assert!(third.is_ended());
    drop(second);
    // Its place is free as soon as the server has seen it go.
    let begun = Instant::now();
    while Client::connect(server.address).call("GET", "/livez", None).status != 200 {
        assert!(begun.elapsed() < LONG);
    }
}

#[test]
fn http2_is_spoken_without_being_asked_for_it() {
    let server = Server::start_with(HttpOptions::default(), ServeLimits::default());
    let mut client = Client::connect(server.address);
    // The preface, and empty settings; the server's own settings are the answer.
    client.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert_eq!(client.frame_type(), 4);
}

#[test]
fn a_stop_ends_idle_connections_and_takes_no_new_ones() {
    let mut server = Server::start();
    assert_eq!(server.get("GET /livez").status, 200);
    let begun = Instant::now();
    server.begin_stop();
    assert!(server.client().is_ended());
    server.stopped().unwrap();
    assert!(begun.elapsed() < ServeLimits::default().drain_timeout);
    assert!(std::net::TcpStream::connect(server.address).is_err());
}

#[test]
fn a_stop_lets_a_request_end_and_cuts_off_one_that_does_not() {
    let limits = ServeLimits { drain_timeout: SHORT, ..ServeLimits::default() };
    let mut server = Server::start_with(HttpOptions { dev: true }, limits);
    let address = server.address;
    let mut slow = Client::connect(address);
    slow.raw(b"PUT /v1/channels/c HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n");
    // Asked to go on: its handler has begun.
    assert_eq!(slow.read(true).unwrap().status, 100);
    server.begin_stop();
    assert_eq!(server.stopped().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert!(slow.is_ended());

    let mut server = Server::start();
    let mut slow = Client::connect(server.address);
    slow.raw(b"PUT /v1/channels/c HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(slow.read(true).unwrap().status, 100);
    server.begin_stop();
    slow.raw(b"{}");
    assert_eq!(slow.read(false).unwrap().status, 200);
    server.stopped().unwrap();
}

/// Pieces of requests, good and bad, in any order, and any bytes between.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&[u8]; 16] = [
        b"POST /v1/merchants/1001/payments HTTP/1.1\r\n",
        b"GET /v1/trial-balance HTTP/1.1\r\n",
        b"PUT /v1/channels/%ff HTTP/1.0\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"host: t\r\n",
        b"content-type: application/json\r\n",
        b"content-length: 47\r\n",
        b"content-length: -1\r\n",
        b"content-length: 99999999999\r\n",
        b"transfer-encoding: chunked\r\n",
        b"expect: 100-continue\r\n",
        b"\r\n",
        b"2f\r\n",
        br#"{"order_no":"A1","channel":"wechat","amount":5}"#,
        b"0\r\n\r\n",
        b"\0\0\x04\x01\x05\0\0\0\x01",
    ];
    let piece = prop_oneof![
        4 => proptest::sample::select(&PIECES[..]).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn any_bytes_get_an_answer_or_an_end() {
    let limits = ServeLimits { head_timeout: Duration::from_millis(20), ..ServeLimits::default() };
    let server = Server::start_with(HttpOptions::default(), limits);
    let address = server.address;
    let mut runner = TestRunner::new(Config { cases: 200, ..Config::default() });
    let outcome = runner.run(&noise(), |bytes| {
        let mut client = Client::connect(address);
        client.try_raw(&bytes);
        client.end_writing();
        prop_assert!(client.is_ended_at_last(), "the connection stays open");
        // And whoever comes next is served.
        prop_assert_eq!(Client::connect(address).call("GET", "/livez", None).status, 200);
        Ok(())
    });
    outcome.unwrap();
}
