//! The rest of the business as its callers see it: what each route answers, newly and again.

use serde_json::{Value, json};

use crate::server::Server;

/// A server as `start_ready`, with merchants 5001 and 5002 beside 1001, which has 100,000 available.
fn start_rich() -> Server {
    let mut server = Server::start_ready();
    for id in [5001, 5002] {
        server.must(&format!("PUT /v1/merchants/{id}"), &json!({"currency": "CNY"}), 200);
    }
    let topup = json!({"topup_no": "T1", "channel": "wechat", "amount": 100_000});
    server.must("POST /v1/merchants/1001/topups", &topup, 201);
    server
}

fn available(server: &mut Server, id: u64) -> u64 {
    server.must_get(&format!("/v1/merchants/{id}/balances"))["available"].as_u64().unwrap()
}

/// Makes it, makes it again, looks at it: the same answer each time.
fn made_once(server: &mut Server, what: &str, body: &Value, path: &str, answer: &Value) {
    assert_eq!(server.must(what, body, 201), *answer);
    assert_eq!(server.must(what, body, 200), *answer);
    assert_eq!(server.must_get(path), *answer);
    let mut other = body.clone();
    other["amount"] = json!(7);
    if body.get("amount").is_some() {
        assert_eq!(server.must(what, &other, 409)["code"], "idempotency_conflict");
    }
}

#[test]
fn an_order_is_created_confirmed_and_closed() {
    let mut server = Server::start_ready();
    let what = "POST /v1/merchants/1001/orders";
    let body = json!({"order_no": "A1", "channel": "wechat", "amount": 10_000, "expires_at": "2018-08-26T05:00:00Z"});
    let created = json!({
        "order_no": "A1", "merchant_id": "1001", "channel": "wechat", "status": "created", "amount": 10_000,
        "payable": 10_000, "fee": 0, "platform_fee": 0, "channel_cost": 0, "net": 0, "refundable": 0, "refunded": 0,
        "in_flight": 0, "held": 0, "settled": false, "accounting_date": null, "paid_at": null, "channel_txn": null,
        "expires_at": "2018-08-26T13:00:00+08:00",
    });
    made_once(&mut server, what, &body, "/v1/merchants/1001/orders/A1", &created);
    let confirm = json!({"paid_at": "2018-08-26T12:00:00+08:00", "channel_txn": "4200"});
    let confirmed = server.must("POST /v1/merchants/1001/orders/A1/confirm", &confirm, 200);
    assert_eq!((&confirmed["status"], &confirmed["net"]), (&json!("paid"), &json!(9_940)));
    assert_eq!(server.must("POST /v1/merchants/1001/orders/A1/confirm", &confirm, 200), confirmed);
    let other = json!({"channel_txn": "4201"});
    assert_eq!(
        server.must("POST /v1/merchants/1001/orders/A1/confirm", &other, 409)["code"],
        "idempotency_conflict"
    );
    assert_eq!(
        server.must("POST /v1/merchants/1001/orders/A1/close", &json!({}), 422)["code"],
        "order_state"
    );
    // The payment's number and the order's are one.
    let pay = json!({"order_no": "A1", "channel": "wechat", "amount": 10_000});
    assert_eq!(server.must("POST /v1/merchants/1001/payments", &pay, 409)["code"], "idempotency_conflict");

    let body = json!({"order_no": "A2", "channel": "wechat", "amount": 500});
    let created = server.must(what, &body, 201);
    assert_eq!(created.get("expires_at"), None, "only where it was said");
    for _ in 0..2 {
        assert_eq!(
            server.must("POST /v1/merchants/1001/orders/A2/close", &json!({}), 200)["status"],
            "closed"
        );
    }
    assert_eq!(
        server.must("POST /v1/merchants/1001/orders/A2/confirm", &json!({}), 200)["status"],
        "paid_late"
    );
    for _ in 0..2 {
        assert_eq!(
            server.must("POST /v1/merchants/1001/orders/A2/reinstate", &json!({}), 200)["status"],
            "paid"
        );
    }
    assert_eq!(
        server.must("POST /v1/merchants/1001/orders/A2/release", &json!({}), 422)["code"],
        "order_state"
    );
}

#[test]
fn a_held_order_is_split_and_some_comes_back() {
    let mut server = start_rich();
    let pay = json!({"order_no": "A1", "channel": "wechat", "amount": 10_000, "hold": true});
    server.must("POST /v1/merchants/1001/payments", &pay, 201);
    let receivers = json!([{"merchant_id": "5001", "amount": 300}, {"merchant_id": "5002", "amount": 200}]);
    let split = json!({"split_no": "S1", "receivers": receivers});
    let answer = json!({
        "split_no": "S1", "order_no": "A1", "merchant_id": "1001", "finish": false, "accounting_date": "2018-08-26",
        "receivers": [
            {"merchant_id": "5001", "amount": 300, "returned": 0}, {"merchant_id": "5002", "amount": 200, "returned": 0},
        ],
    });
    let what = "POST /v1/merchants/1001/orders/A1/splits";
    made_once(&mut server, what, &split, "/v1/merchants/1001/splits/S1", &answer);
    assert_eq!(server.must_get("/v1/merchants/5001/balances")["accrued"], 300);

    let back = json!({"return_no": "B1", "split_no": "S1", "merchant_id": "5001", "amount": 100});
    let answer = json!({
        "return_no": "B1", "order_no": "A1", "split_no": "S1", "merchant_id": "5001", "amount": 100,
        "accounting_date": "2018-08-26",
    });
    let what = "POST /v1/merchants/1001/orders/A1/split-returns";
    made_once(&mut server, what, &back, "/v1/merchants/1001/split-returns/B1", &answer);
    assert_eq!(server.must_get("/v1/merchants/1001/splits/S1")["receivers"][0]["returned"], 100);

    let item = json!({"return_no": "B2", "split_no": "S1", "merchant_id": "5002", "amount": 200});
    let refund = json!({"refund_no": "R1", "order_no": "A1", "amount": 200, "split_returns": [item]});
    server.must("POST /v1/merchants/1001/refunds", &refund, 201);
    assert_eq!(server.must_get("/v1/merchants/5002/balances")["accrued"], 0);
    let released = server.must("POST /v1/merchants/1001/orders/A1/release", &json!({}), 200);
    assert_eq!(released["held"], 0);
    assert_eq!(released.get("commissions"), None, "only where there are some");
    let swept = server.must("POST /v1/sweeps", &json!({}), 200);
    assert_eq!(swept, json!({"owners": 1, "amounts": [{"currency": "CNY", "amount": 200}]}));
    assert_eq!(available(&mut server, 5001), 200);
}

/// Receivers live in other shards: they are looked at in the right place of the order of checks.
#[test]
fn receivers_of_a_split_are_looked_at() {
    let mut server = start_rich();
    server.must("PUT /v1/merchants/5003", &json!({"currency": "USD"}), 200);
    server.must("PUT /v1/merchants/5004", &json!({"currency": "CNY", "status": "closed"}), 200);
    server.must("PUT /v1/merchants/5005", &json!({"currency": "CNY", "status": "suspended"}), 200);
    let pay =
        |no: &str, hold: bool| json!({"order_no": no, "channel": "wechat", "amount": 10_000, "hold": hold});
    server.must("POST /v1/merchants/1001/payments", &pay("A1", true), 201);
    server.must("POST /v1/merchants/1001/payments", &pay("A2", false), 201);
    let split = |no: &str, last: &str| {
        let list = json!([{"merchant_id": "5001", "amount": 10}, {"merchant_id": last, "amount": 10}]);
        json!({"split_no": no, "receivers": list})
    };
    let what = "POST /v1/merchants/1001/orders/A1/splits";
    for bad in ["9999", "5003", "5004", "1001"] {
        let refused = server.must(what, &split("S1", bad), 422);
        assert_eq!(refused["code"], "receiver_invalid", "{bad}");
        assert_eq!(refused["param"], "receivers[1].merchant_id", "{bad}");
    }
    // What comes before is the answer; a suspended merchant may still be given something.
    let no_order = server.must("POST /v1/merchants/1001/orders/NO/splits", &split("S1", "9999"), 404);
    assert_eq!(no_order["code"], "order_not_found");
    let not_held = server.must("POST /v1/merchants/1001/orders/A2/splits", &split("S1", "9999"), 422);
    assert_eq!(not_held["code"], "order_state");
    let nobody = server.must("POST /v1/merchants/7/orders/A1/splits", &split("S1", "5001"), 400);
    assert_eq!(nobody["param"], "receivers[1].merchant_id", "twice the same");
    let nobody = server.must("POST /v1/merchants/7/orders/A1/splits", &split("S1", "9999"), 404);
    assert_eq!(nobody["code"], "merchant_not_found");
    let done = server.must(what, &split("S1", "5005"), 201);
    // What was done is answered again, whatever became of its receivers.
    server.must("PUT /v1/merchants/5005", &json!({"currency": "CNY", "status": "closed"}), 200);
    assert_eq!(server.must(what, &split("S1", "5005"), 200), done);
    assert_eq!(server.must(what, &split("S1", "9999"), 409)["code"], "idempotency_conflict");
    server.must(
        "PUT /v1/merchants/1001",
        &json!({"currency": "CNY", "fee_rate": "0.006", "status": "closed"}),
        200,
    );
    assert_eq!(server.must(what, &split("S2", "9999"), 422)["code"], "merchant_closed");
}

#[test]
fn money_goes_in_out_and_over() {
    let mut server = start_rich();
    let of = |key: &str, no: &str, amount: u64, rest: Value| {
        let mut body =
            json!({key: no, "merchant_id": "1001", "amount": amount, "accounting_date": "2018-08-26"});
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        body
    };
    let topup = json!({"topup_no": "T2", "channel": "wechat", "amount": 5});
    let answer = of("topup_no", "T2", 5, json!({"channel": "wechat"}));
    made_once(&mut server, "POST /v1/merchants/1001/topups", &topup, "/v1/merchants/1001/topups/T2", &answer);

    let payout = json!({"payout_no": "P1", "amount": 1_000});
    let answer = of("payout_no", "P1", 1_000, json!({"channel": null, "state": "processing"}));
    made_once(
        &mut server,
        "POST /v1/merchants/1001/payouts",
        &payout,
        "/v1/merchants/1001/payouts/P1",
        &answer,
    );
    let result = "POST /v1/merchants/1001/payouts/P1/result";
    assert_eq!(server.must(result, &json!({"state": "unknown"}), 200), answer);
    let failed = of("payout_no", "P1", 1_000, json!({"channel": null, "state": "failed"}));
    assert_eq!(server.must(result, &json!({"state": "failed"}), 200), failed);
    assert_eq!(server.must(result, &json!({"state": "failed"}), 200), failed);
    assert_eq!(server.must(result, &json!({"state": "succeeded"}), 422)["code"], "contradicts_final");
    let named = json!({"payout_no": "P2", "amount": 1_000, "channel": "wechat"});
    assert_eq!(server.must("POST /v1/merchants/1001/payouts", &named, 201)["channel"], "wechat");

    let freeze = json!({"freeze_no": "F1", "amount": 1_000});
    let answer = of("freeze_no", "F1", 1_000, json!({"state": "frozen"}));
    made_once(
        &mut server,
        "POST /v1/merchants/1001/freezes",
        &freeze,
        "/v1/merchants/1001/freezes/F1",
        &answer,
    );
    let released = of("freeze_no", "F1", 1_000, json!({"state": "released"}));
    for _ in 0..2 {
        assert_eq!(server.must("POST /v1/merchants/1001/freezes/F1/release", &json!({}), 200), released);
    }

    let transfer = json!({"transfer_no": "X1", "to": "5001", "amount": 1_000});
    let answer = of("transfer_no", "X1", 1_000, json!({"to": "5001"}));
    made_once(
        &mut server,
        "POST /v1/merchants/1001/transfers",
        &transfer,
        "/v1/merchants/1001/transfers/X1",
        &answer,
    );
    assert_eq!(available(&mut server, 5001), 1_000);
    let what = "POST /v1/merchants/1001/transfers";
    let to = |to: &str, amount: u64| json!({"transfer_no": "X2", "to": to, "amount": amount});
    for bad in ["1001", "9999"] {
        let refused = server.must(what, &to(bad, 1), 422);
        assert_eq!(
            (&refused["code"], &refused["param"]),
            (&json!("receiver_invalid"), &json!("to")),
            "{bad}"
        );
    }
    assert_eq!(server.must(what, &to("5001", 1_000_000), 422)["code"], "insufficient_funds");
}

#[test]
fn adjustments_find_their_currency() {
    let mut server = Server::start();
    let what = "POST /v1/adjustments";
    let of = |no: &str, from: &str, to: &str| json!({"adjustment_no": no, "subject": "补单", "from": from, "to": to, "amount": 5, "approved_by": ["a", "b"]});
    server.must("PUT /v1/channels/wechat", &json!({}), 200);
    // Empty books have none.
    let none = server.must(what, &of("J1", "operator", "suspense"), 400);
    assert_eq!(none["param"], "currency");
    server.must("PUT /v1/merchants/1001", &json!({"currency": "CNY"}), 200);
    let answer = json!({
        "adjustment_no": "J1", "subject": "补单", "from": "operator", "to": "suspense", "amount": 5, "currency": "CNY",
        "memo": "", "approved_by": ["a", "b"], "accounting_date": "2018-08-26",
    });
    made_once(&mut server, what, &of("J1", "operator", "suspense"), "/v1/adjustments/J1", &answer);
    server.must("PUT /v1/merchants/2001", &json!({"currency": "USD"}), 200);
    // Now there are two: a repeat means what it meant, something new must say it, an account of somebody's says it.
    assert_eq!(server.must(what, &of("J1", "operator", "suspense"), 200), answer);
    assert_eq!(server.must(what, &of("J2", "operator", "channel:wechat"), 400)["param"], "currency");
    let dollars = server.must(what, &of("J2", "operator", "merchant:2001:available"), 201);
    assert_eq!((&dollars["currency"], &dollars["to"]), (&json!("USD"), &json!("merchant:2001:available")));
    assert_eq!(server.must(what, &of("J3", "platform:1001", "channel:wechat"), 201)["currency"], "CNY");
    let mut wrong = of("J4", "operator", "merchant:2001:available");
    wrong["currency"] = json!("CNY");
    let refused = server.must(what, &wrong, 422);
    assert_eq!((&refused["code"], &refused["param"]), (&json!("currency_mismatch"), &json!("to")));
    let mixed = server.must(what, &of("J4", "platform:1001", "platform:2001"), 422);
    assert_eq!((&mixed["code"], &mixed["param"]), (&json!("currency_mismatch"), &json!("to")));
    for (from, to, code, param) in [
        ("merchant:7:pending", "operator", "merchant_not_found", "from"),
        ("operator", "accrued:7", "merchant_not_found", "to"),
        ("channel:no", "operator", "channel_not_found", "from"),
    ] {
        let refused = server.must(what, &of("J5", from, to), 404);
        assert_eq!((&refused["code"], &refused["param"]), (&json!(code), &json!(param)));
    }
    let poor = server.must(what, &of("J6", "merchant:1001:available", "operator"), 422);
    assert_eq!(poor["code"], "insufficient_funds");
}

#[test]
fn a_batch_settles_what_is_due_once() {
    let mut server = Server::start_ready();
    let pay = json!({"order_no": "A1", "channel": "wechat", "amount": 10_000});
    server.must("POST /v1/merchants/1001/payments", &pay, 201);
    // Sunday's money is due a business day later.
    server.must("POST /v1/day-cut", &json!({"accounting_date": "2018-08-27"}), 200);
    let batch = json!({"batch_no": "S1"});
    let answer = json!({
        "batch_no": "S1", "merchant_id": null, "accounting_date": "2018-08-27", "merchants": 1, "amount": 9_940,
        "amounts": [{"currency": "CNY", "amount": 9_940}], "finished": true,
    });
    made_once(&mut server, "POST /v1/settlements", &batch, "/v1/settlements/S1", &answer);
    assert_eq!(available(&mut server, 1001), 9_940);
    let one = json!({"batch_no": "S1", "merchant_id": "1001"});
    assert_eq!(server.must("POST /v1/settlements", &one, 409)["code"], "idempotency_conflict");
    let nothing = server.must("POST /v1/settlements", &json!({"batch_no": "S2", "merchant_id": "1001"}), 201);
    assert_eq!((&nothing["merchants"], &nothing["amount"]), (&json!(0), &json!(0)));
    assert_eq!(nothing["merchant_id"], "1001");
}

#[test]
fn currencies_do_not_add_up() {
    let mut server = Server::start_ready();
    server.must("PUT /v1/merchants/2001", &json!({"currency": "USD"}), 200);
    for id in [1001, 2001] {
        let pay = json!({"order_no": "A1", "channel": "wechat", "amount": 1_000});
        server.must(&format!("POST /v1/merchants/{id}/payments"), &pay, 201);
    }
    server.must("POST /v1/day-cut", &json!({"accounting_date": "2018-08-27"}), 200);
    let batch = server.must("POST /v1/settlements", &json!({"batch_no": "S1"}), 201);
    assert_eq!((&batch["merchants"], &batch["amount"]), (&json!(2), &json!(null)));
    let by_currency = json!([{"currency": "CNY", "amount": 994}, {"currency": "USD", "amount": 1_000}]);
    assert_eq!(batch["amounts"], by_currency);
}

#[test]
fn the_calendar_is_replaced() {
    let mut server = Server::start();
    assert_eq!(server.must_get("/v1/holidays"), json!({"dates": [], "workdays": []}));
    let put = json!({"dates": ["2018-10-02", "2018-10-01", "2018-10-02"], "workdays": ["2018-09-29"]});
    let answer = json!({"dates": ["2018-10-01", "2018-10-02"], "workdays": ["2018-09-29"]});
    assert_eq!(server.must("PUT /v1/holidays", &put, 200), answer);
    assert_eq!(server.must_get("/v1/holidays"), answer);
    assert_eq!(server.must("PUT /v1/holidays", &answer, 200), answer);
    let other = json!({"dates": ["2018-10-03"]});
    server.must("PUT /v1/holidays", &other, 200);
    assert_eq!(server.must_get("/v1/holidays"), json!({"dates": ["2018-10-03"], "workdays": []}));
}

#[test]
fn promoters_and_their_commissions() {
    let mut server = start_rich();
    server.must("PUT /v1/merchants/5003", &json!({"currency": "USD"}), 200);
    let top = json!({"promoter_id": "5002", "rate": "0.05", "upline": null, "upline_rate": "0"});
    assert_eq!(server.must("PUT /v1/promoters/5002", &json!({"rate": "0.05"}), 200), top);
    assert_eq!(server.must_get("/v1/promoters/5002"), top);
    assert_eq!(server.must("PUT /v1/promoters/5002", &top, 200), top);
    let under = json!({"rate": "0.1", "upline": "5002", "upline_rate": "0.02"});
    server.must("PUT /v1/promoters/5001", &under, 200);
    for (id, upline, code) in [
        ("5002", "5001", "receiver_invalid"),
        ("5001", "1001", "receiver_invalid"),
        ("5003", "5002", "currency_mismatch"),
    ] {
        let refused =
            server.must(&format!("PUT /v1/promoters/{id}"), &json!({"rate": "0", "upline": upline}), 422);
        assert_eq!((&refused["code"], &refused["param"]), (&json!(code), &json!("upline")), "{id}");
    }
    let pay = |promoter: &str| json!({"order_no": "A1", "channel": "wechat", "amount": 10_000, "hold": true, "promoter": promoter});
    let stranger = server.must("POST /v1/merchants/1001/payments", &pay("1001"), 422);
    assert_eq!((&stranger["code"], &stranger["param"]), (&json!("receiver_invalid"), &json!("promoter")));
    server.must("POST /v1/merchants/1001/payments", &pay("5001"), 201);
    let released = server.must("POST /v1/merchants/1001/orders/A1/release", &json!({}), 200);
    let commissions = json!([
        {"promoter": "5001", "level": 1, "amount": 1_000}, {"promoter": "5002", "level": 2, "amount": 200},
    ]);
    assert_eq!(released["commissions"], commissions);
}

#[test]
fn entries_come_in_pages() {
    let mut server = start_rich();
    let pay = json!({"order_no": "A1", "channel": "wechat", "amount": 10_000});
    server.must("POST /v1/merchants/1001/payments", &pay, 201);
    let transfer = json!({"transfer_no": "X1", "to": "5001", "amount": 10});
    server.must("POST /v1/merchants/1001/transfers", &transfer, 201);
    let all = server.must_get("/v1/merchants/1001/entries");
    let first = json!({
        "seq": 1, "group": 1, "subject": 95, "from": "channel:wechat", "to": "merchant:1001:available",
        "amount": 100_000, "order_no": null, "refund_no": null, "reference": "T1", "accounting_date": "2018-08-26",
        "reversal": false,
    });
    assert_eq!(all["data"][0], first);
    assert_eq!(all["has_more"], false);
    let subjects: Vec<u64> =
        all["data"].as_array().unwrap().iter().map(|e| e["subject"].as_u64().unwrap()).collect();
    assert_eq!(subjects, [95, 60, 62, 63, 96]);
    let mut seqs = |query: &str| {
        let page = server.must_get(&format!("/v1/merchants/1001/entries{query}"));
        let seqs =
            page["data"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
        (seqs, page["has_more"].as_bool().unwrap())
    };
    let page = |seqs: &[u64], more: bool| (seqs.to_vec(), more);
    assert_eq!(seqs("?limit=2"), page(&[1, 2], true));
    assert_eq!(seqs("?limit=2&starting_after=2"), page(&[3, 4], true));
    assert_eq!(seqs("?limit=2&starting_after=3"), page(&[4, 5], false));
    assert_eq!(seqs("?starting_after=4"), page(&[5], false));
    assert_eq!(seqs("?starting_after=5"), page(&[], false));
    assert_eq!(seqs("?starting_after=18446744073709551615"), page(&[], false));
    assert_eq!(seqs("?limit=&starting_after="), page(&[1, 2, 3, 4, 5], false));
    let over = server.must_get("/v1/merchants/5001/entries");
    assert_eq!((over["data"].as_array().unwrap().len(), &over["data"][0]["subject"]), (1, &json!(96)));
}

#[test]
fn many_entries_are_all_there_once() {
    let mut server = Server::start_ready();
    for n in 0..120 {
        let topup = json!({"topup_no": format!("T{n}"), "channel": "wechat", "amount": n + 1});
        server.must("POST /v1/merchants/1001/topups", &topup, 201);
    }
    let first = server.must_get("/v1/merchants/1001/entries");
    assert_eq!((first["data"].as_array().unwrap().len(), &first["has_more"]), (100, &json!(true)));
    let second = server.must_get("/v1/merchants/1001/entries?starting_after=100");
    assert_eq!((second["data"].as_array().unwrap().len(), &second["has_more"]), (20, &json!(false)));
    let both = first["data"].as_array().unwrap().iter().chain(second["data"].as_array().unwrap());
    assert!(both.enumerate().all(|(at, entry)| entry["seq"] == at + 1 && entry["amount"] == at + 1));
}
