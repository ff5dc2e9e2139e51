//! What is not an answer is a problem, by the letter of RFC 9457, with our additions.

use serde_json::json;
use suanpan_net::http::{BODY_BYTES_MAX, HttpOptions, ServeLimits};

use crate::client::Answer;
use crate::server::Server;

/// A problem has all its members, and its id is in the header too.
fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let body = answer.body.as_object().unwrap();
    assert_eq!(body["code"], code, "{body:?}");
    assert_eq!(body["status"], status);
    assert_eq!(body["type"], format!("urn:suanpan:problem:{code}"));
    assert!(!body["title"].as_str().unwrap().is_empty());
    assert!(!body["detail"].as_str().unwrap().is_empty());
    assert_eq!(body["request_id"].as_str(), answer.header("x-request-id"));
    let known = ["type", "title", "status", "detail", "code", "param", "request_id"];
    assert!(body.keys().all(|key| known.contains(&key.as_str())), "{body:?}");
}

#[test]
fn bodies_that_are_no_object() {
    let mut server = Server::start_ready();
    for what in [
        "POST /v1/merchants/1001/payments",
        "POST /v1/merchants/1001/refunds",
        "POST /v1/merchants/1001/refunds/R1/result",
        "POST /v1/merchants/1001/orders/A1/void",
        "POST /v1/merchants/1001/voids/V1/result",
        "POST /v1/merchants/1001/orders",
        "POST /v1/merchants/1001/orders/A1/confirm",
        "POST /v1/merchants/1001/orders/A1/close",
        "POST /v1/merchants/1001/orders/A1/reinstate",
        "POST /v1/merchants/1001/orders/A1/release",
        "POST /v1/merchants/1001/orders/A1/splits",
        "POST /v1/merchants/1001/orders/A1/split-returns",
        "POST /v1/merchants/1001/payouts",
        "POST /v1/merchants/1001/payouts/P1/result",
        "POST /v1/merchants/1001/topups",
        "POST /v1/merchants/1001/freezes",
        "POST /v1/merchants/1001/freezes/F1/release",
        "POST /v1/merchants/1001/transfers",
        "POST /v1/adjustments",
        "POST /v1/settlements",
        "POST /v1/sweeps",
        "POST /v1/day-cut",
        "PUT /v1/holidays",
        "PUT /v1/promoters/1001",
        "PUT /v1/merchants/1001",
        "PUT /v1/channels/wechat",
        "PUT /v1/dev/clock",
    ] {
        for body in
            ["", "[]", "null", "7", "\"x\"", "{", "{}}", "{\"a\":1,}", "{'a':1}", "{\"a\":NaN}", "\u{feff}{}"]
        {
            let answer = server.text(what, body);
            assert_problem(&answer, 400, "invalid_request");
        }
        let (method, path) = what.split_once(' ').unwrap();
        let json = [("content-type", "application/json")];
        let answer = server.client().send(method, path, &json, Some(b"{\"name\":\"\xff\"}"));
        assert_problem(&answer, 400, "invalid_request");
        let deep = format!("{{\"a\":{}", "[".repeat(BODY_BYTES_MAX - 5));
        assert_problem(&server.text(what, &deep), 400, "invalid_request");
    }
}

#[test]
fn bodies_that_are_not_said_to_be_json_or_are_too_large() {
    let mut server = Server::start_ready();
    for (method, path) in [
        ("POST", "/v1/sweeps"),
        ("POST", "/v1/merchants/1001/orders/A1/close"),
        ("POST", "/v1/merchants/1001/payouts"),
        ("PUT", "/v1/holidays"),
    ] {
        assert_problem(&server.client().send(method, path, &[], Some(b"{}")), 415, "invalid_request");
        assert_problem(&server.client().call(method, path, None), 415, "invalid_request");
        let json = [("content-type", "application/json")];
        let large = vec![b' '; BODY_BYTES_MAX + 1];
        assert_problem(&server.client().send(method, path, &json, Some(&large)), 413, "invalid_request");
    }
    let path = "/v1/merchants/1001/payments";
    let body = br#"{"order_no":"A1","channel":"wechat","amount":5}"#;
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "application/jsonp")],
        &[("content-type", "")],
    ] {
        let answer = server.client().send("POST", path, headers, Some(body));
        assert_problem(&answer, 415, "invalid_request");
    }
    for (media_type, status) in [("application/json; charset=utf-8", 201), ("Application/JSON", 200)] {
        let answer = server.client().send("POST", path, &[("content-type", media_type)], Some(body));
        assert_eq!(answer.status, status, "{media_type}");
    }
    let padded = |bytes: usize| {
        let mut padded = br#"{"order_no":"A2","channel":"wechat","amount":5}"#.to_vec();
        padded.resize(bytes, b' ');
        padded
    };
    let json = [("content-type", "application/json")];
    let fits = server.client().send("POST", path, &json, Some(&padded(BODY_BYTES_MAX)));
    assert_eq!(fits.status, 201);
    let over = server.client().send("POST", path, &json, Some(&padded(BODY_BYTES_MAX + 1)));
    assert_problem(&over, 413, "invalid_request");
    // The connection is as good as before.
    let over = server.client().send("POST", path, &json, Some(&padded(BODY_BYTES_MAX * 8)));
    assert_problem(&over, 413, "invalid_request");
    assert_eq!(server.get("GET /livez").status, 200);
}

#[test]
fn bodies_in_pieces() {
    let mut server = Server::start_ready();
    let head = "POST /v1/merchants/1001/payments HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let pieces = [r#"{"order_no":"#, r#""A1","channel":"we"#, r#"chat","amount":5}"#];
    let mut request = head.to_owned();
    for piece in pieces {
        request.push_str(&format!("{:x}\r\n{piece}\r\n", piece.len()));
    }
    request.push_str("0\r\n\r\n");
    server.client().raw(request.as_bytes());
    assert_eq!(server.client().read(false).unwrap().status, 201);
    // Unannounced and too large.
    server.client().raw(head.as_bytes());
    let piece = format!("{:x}\r\n{}\r\n", 8192, " ".repeat(8192));
    for _ in 0..9 {
        server.client().raw(piece.as_bytes());
    }
    server.client().raw(b"0\r\n\r\n");
    assert_problem(&server.client().read(false).unwrap(), 413, "invalid_request");
}

#[test]
fn paths_and_methods() {
    let mut server = Server::start_ready();
    for path in ["/", "/v1", "/v1/nope", "/v1/merchants", "/v1/merchants/1001/", "/V1/livez"] {
        assert_problem(&server.get(&format!("GET {path}")), 404, "not_found");
        assert_problem(&server.call(&format!("POST {path}"), &json!({})), 404, "not_found");
    }
    for (what, allow) in [
        ("GET /v1/merchants/1001/payments", "POST"),
        ("DELETE /v1/merchants/1001", "PUT,GET,HEAD"),
        ("PATCH /v1/channels/wechat", "PUT,GET,HEAD"),
        ("POST /v1/merchants/1001/balances", "GET,HEAD"),
        ("GET /v1/day-cut", "POST"),
        ("GET /v1/sweeps", "POST"),
        ("PUT /v1/settlements", "POST"),
        ("POST /v1/settlements/S1", "GET,HEAD"),
        ("POST /v1/holidays", "PUT,GET,HEAD"),
        ("DELETE /v1/promoters/1001", "PUT,GET,HEAD"),
        ("GET /v1/adjustments", "POST"),
        ("GET /v1/merchants/1001/orders/A1/splits", "POST"),
        ("DELETE /v1/merchants/1001/orders/A1", "GET,HEAD"),
        ("POST /v1/merchants/1001/entries", "GET,HEAD"),
        ("PUT /openapi.json", "GET,HEAD"),
        ("PUT /livez", "GET,HEAD"),
        ("BREW /readyz", "GET,HEAD"),
    ] {
        let answer = server.get(what);
        assert_problem(&answer, 405, "invalid_request");
        assert_eq!(answer.header("allow"), Some(allow), "{what}");
    }
    for (path, param) in [
        ("/v1/merchants/abc", "merchant_id"),
        ("/v1/merchants/0/balances", "merchant_id"),
        ("/v1/merchants//balances", "merchant_id"),
        ("/v1/merchants/1001/orders/A1%00", "order_no"),
        ("/v1/merchants/00000000000000000001/balances", "merchant_id"),
        ("/v1/merchants/-1/orders/A1", "merchant_id"),
        ("/v1/merchants/1001/orders/a%20b", "order_no"),
        ("/v1/merchants/1001/orders/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx/refunds", "order_no"),
        ("/v1/merchants/1001/refunds/%E5%8D%95", "refund_no"),
        ("/v1/merchants/1001/voids/a.b", "void_no"),
        ("/v1/channels/WeChat", "channel"),
        ("/v1/merchants/1001/splits/a.b", "split_no"),
        ("/v1/merchants/1001/split-returns/a.b", "return_no"),
        ("/v1/merchants/1001/payouts/a.b", "payout_no"),
        ("/v1/merchants/1001/topups/a.b", "topup_no"),
        ("/v1/merchants/1001/freezes/a.b", "freeze_no"),
        ("/v1/merchants/1001/transfers/a.b", "transfer_no"),
        ("/v1/adjustments/a.b", "adjustment_no"),
        ("/v1/settlements/a.b", "batch_no"),
        ("/v1/promoters/x", "promoter_id"),
        ("/v1/merchants/1001/entries?limit=0", "limit"),
        ("/v1/merchants/1001/entries?limit=101", "limit"),
        ("/v1/merchants/1001/entries?starting_after=A1", "starting_after"),
        ("/v1/merchants/1001/entries?starting_after=-1", "starting_after"),
        ("/v1/merchants/1001/entries?starting_after=18446744073709551616", "starting_after"),
        ("/v1/merchants/1001/entries?page=2", "page"),
        ("/v1/merchants/1001/orders/A1/refunds?limit=0", "limit"),
        ("/v1/merchants/1001/orders/A1/refunds?limit=101", "limit"),
        ("/v1/merchants/1001/orders/A1/refunds?starting_after=a.b", "starting_after"),
        ("/v1/merchants/1001/orders/A1/refunds?page=2", "page"),
    ] {
        let answer = server.get(&format!("GET {path}"));
        assert_problem(&answer, 400, "invalid_request");
        assert_eq!(answer.body["param"], param, "{path}");
    }
    assert_problem(&server.get("GET /v1/merchants/%ff"), 400, "invalid_request");
}

#[test]
fn what_is_not_there() {
    let mut server = Server::start_ready();
    for (path, code) in [
        ("/v1/merchants/7", "merchant_not_found"),
        ("/v1/merchants/7/balances", "merchant_not_found"),
        ("/v1/merchants/1001/orders/NO", "order_not_found"),
        ("/v1/merchants/1001/orders/NO/refunds", "order_not_found"),
        ("/v1/merchants/1001/refunds/NO", "refund_not_found"),
        ("/v1/merchants/1001/voids/NO", "void_not_found"),
        ("/v1/channels/no", "channel_not_found"),
        ("/v1/merchants/7/entries", "merchant_not_found"),
        ("/v1/merchants/1001/splits/NO", "split_not_found"),
        ("/v1/merchants/7/splits/NO", "merchant_not_found"),
        ("/v1/merchants/1001/split-returns/NO", "split_return_not_found"),
        ("/v1/merchants/1001/payouts/NO", "payout_not_found"),
        ("/v1/merchants/1001/topups/NO", "topup_not_found"),
        ("/v1/merchants/1001/freezes/NO", "freeze_not_found"),
        ("/v1/merchants/1001/transfers/NO", "transfer_not_found"),
        ("/v1/adjustments/NO", "adjustment_not_found"),
        ("/v1/settlements/NO", "settlement_not_found"),
        ("/v1/promoters/1001", "promoter_not_found"),
    ] {
        assert_problem(&server.get(&format!("GET {path}")), 404, code);
    }
    let pay = json!({"order_no": "A1", "channel": "wechat", "amount": 5});
    let refund = json!({"refund_no": "R1", "order_no": "NO", "amount": 5});
    let result = json!({"state": "succeeded"});
    for (what, body, code) in [
        ("POST /v1/merchants/7/payments", &pay, "merchant_not_found"),
        ("POST /v1/merchants/1001/refunds", &refund, "order_not_found"),
        ("POST /v1/merchants/1001/refunds/NO/result", &result, "refund_not_found"),
        ("POST /v1/merchants/1001/voids/NO/result", &result, "void_not_found"),
        ("POST /v1/merchants/1001/orders/NO/void", &json!({"void_no": "V1"}), "order_not_found"),
        ("PUT /v1/merchants/8", &json!({"currency": "CNY", "platform": "7"}), "merchant_not_found"),
        ("POST /v1/merchants/1001/orders/NO/confirm", &json!({}), "order_not_found"),
        ("POST /v1/merchants/1001/orders/NO/close", &json!({}), "order_not_found"),
        ("POST /v1/merchants/1001/orders/NO/reinstate", &json!({}), "order_not_found"),
        ("POST /v1/merchants/1001/orders/NO/release", &json!({}), "order_not_found"),
        ("POST /v1/merchants/1001/payouts/NO/result", &result, "payout_not_found"),
        ("POST /v1/merchants/1001/freezes/NO/release", &json!({}), "freeze_not_found"),
        (
            "POST /v1/merchants/7/topups",
            &json!({"topup_no": "T", "channel": "wechat", "amount": 1}),
            "merchant_not_found",
        ),
        (
            "POST /v1/merchants/1001/topups",
            &json!({"topup_no": "T", "channel": "no", "amount": 1}),
            "channel_not_found",
        ),
        (
            "POST /v1/merchants/1001/payouts",
            &json!({"payout_no": "P", "channel": "no", "amount": 1}),
            "channel_not_found",
        ),
        (
            "POST /v1/merchants/7/transfers",
            &json!({"transfer_no": "X", "to": "1001", "amount": 1}),
            "merchant_not_found",
        ),
        ("POST /v1/settlements", &json!({"batch_no": "S", "merchant_id": "7"}), "merchant_not_found"),
        ("PUT /v1/promoters/7", &json!({"rate": "0.1"}), "merchant_not_found"),
        ("PUT /v1/promoters/1001", &json!({"rate": "0.1", "upline": "7"}), "merchant_not_found"),
    ] {
        assert_problem(&server.call(what, body), 404, code);
    }
    let pay = json!({"order_no": "A1", "channel": "no", "amount": 5});
    assert_problem(&server.call("POST /v1/merchants/1001/payments", &pay), 404, "channel_not_found");
}

#[test]
fn what_the_rules_refuse() {
    let mut server = Server::start_ready();
    let pay = |amount: u64| json!({"order_no": "A1", "channel": "wechat", "amount": amount});
    server.must("POST /v1/merchants/1001/payments", &pay(100), 201);
    let conflict = server.call("POST /v1/merchants/1001/payments", &pay(101));
    assert_problem(&conflict, 409, "idempotency_conflict");
    let refund = json!({"refund_no": "R1", "order_no": "A1", "amount": 101});
    let refused = server.call("POST /v1/merchants/1001/refunds", &refund);
    assert_problem(&refused, 422, "exceeds_refundable");
    let back = server.call("POST /v1/day-cut", &json!({"accounting_date": "2018-08-26"}));
    assert_problem(&back, 422, "date_not_later");
    let currency = server.call("PUT /v1/merchants/1001", &json!({"currency": "USD"}));
    assert_problem(&currency, 422, "currency_mismatch");
    server.must("PUT /v1/merchants/9001", &json!({"currency": "USD"}), 200);
    let under = json!({"currency": "CNY", "platform": "9001"});
    assert_problem(&server.call("PUT /v1/merchants/1002", &under), 422, "currency_mismatch");
}

#[test]
fn request_ids() {
    let mut server = Server::start();
    let first = server.get("GET /livez");
    let second = server.get("GET /livez");
    assert!(first.header("x-request-id").is_some());
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    let own = server.client().send("GET", "/v1/nope", &[("x-request-id", "trace-7")], None);
    assert_problem(&own, 404, "not_found");
    assert_eq!(own.header("x-request-id"), Some("trace-7"));
    let strange = server.client().send("GET", "/livez", &[("x-request-id", "a b")], None);
    assert_ne!(strange.header("x-request-id"), Some("a b"));
}

#[test]
fn without_dev_mode_the_clock_cannot_be_touched() {
    let mut server = Server::start_with(HttpOptions::default(), ServeLimits::default());
    let clock = r#"{"now":"2018-08-26T12:00:00+08:00"}"#;
    let answer = server.client().call("PUT", "/v1/dev/clock", Some(clock));
    assert_problem(&answer, 404, "not_found");
}

#[test]
fn an_engine_that_has_ended_is_an_answer() {
    let mut server = Server::start_ready();
    server.engine.stop().unwrap();
    let pay = json!({"order_no": "A1", "channel": "wechat", "amount": 5});
    let answer = server.call("POST /v1/merchants/1001/payments", &pay);
    assert_problem(&answer, 503, "overloaded");
    assert!(answer.header("retry-after").is_some());
    assert_problem(&server.get("GET /v1/merchants/1001/balances"), 503, "overloaded");
    assert_eq!(server.get("GET /livez").status, 200);
}
