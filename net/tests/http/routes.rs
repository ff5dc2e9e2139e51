//! What each route answers when all is well.

use serde_json::json;

use crate::server::Server;

#[test]
fn a_channel_is_its_preset_and_what_was_said() {
    let mut server = Server::start();
    let bank = server.must("PUT /v1/channels/icbc", &json!({"preset": "bank", "cost_rate": "0.002500"}), 200);
    let whole = json!({
        "channel": "icbc", "preset": "bank", "cost_rate": "0.0025", "cost_rounding": "half_up",
        "cost_refund": "none", "refund_window_days": 180, "max_refunds_per_order": null,
        "same_day": "void_only", "single_refund_in_flight": true, "resubmit_failed": "never",
        "blackout": [{"from": "22:00", "to": "24:00"}], "timezone": "Asia/Shanghai",
    });
    assert_eq!(bank, whole);
    assert_eq!(server.must_get("/v1/channels/icbc"), whole);
    // What a GET gave may be put back.
    assert_eq!(server.must("PUT /v1/channels/icbc", &whole, 200), whole);
    // Nothing of what was said before is left.
    let plain = server.must("PUT /v1/channels/icbc", &json!({}), 200);
    assert_eq!(plain["preset"], "aggregate");
    assert_eq!(plain["cost_rate"], "0");
    assert_eq!(plain["blackout"], json!([]));
    assert_eq!(server.must_get("/v1/channels/icbc"), plain);
    let wechat = json!({"preset": "wechat"});
    assert_eq!(server.must("PUT /v1/channels/w", &wechat, 200)["max_refunds_per_order"], 50);
    let no_limit = json!({"preset": "wechat", "max_refunds_per_order": null});
    assert_eq!(server.must("PUT /v1/channels/w", &no_limit, 200)["max_refunds_per_order"], json!(null));
}

#[test]
fn a_merchant_is_the_defaults_and_what_was_said() {
    let mut server = Server::start();
    let plain = json!({
        "merchant_id": "1001", "name": "", "currency": "CNY", "status": "active", "platform": null,
        "fee_rate": "0", "fee_rounding": "half_up", "fee_min": 0, "fee_max": null,
        "fee_refund": "proportional", "platform_fee_rate": "0",
        "settlement": {"cycle": "T+1", "mode": "net", "min": 0}, "advance_fee_rate": "0",
        "refund_funding": "pending", "discount_refund": "proportional", "max_split_rate": "1",
        "limits": {"order_amount": null, "day_amount": null, "day_count": null},
    });
    assert_eq!(server.must("PUT /v1/merchants/0001001", &json!({"currency": "CNY"}), 200), plain);
    assert_eq!(server.must_get("/v1/merchants/1001"), plain);
    let full = json!({
        "merchant_id": "9999999999999999999", "name": "面馆", "currency": "CNY", "status": "suspended",
        "platform": "1001", "fee_rate": "0.006", "fee_rounding": "half_even", "fee_min": 1, "fee_max": 100,
        "fee_refund": "none", "platform_fee_rate": "0.02",
        "settlement": {"cycle": "D+7", "mode": "gross", "min": 5}, "advance_fee_rate": "0.0001",
        "refund_funding": "pending_then_available", "discount_refund": "discount_first",
        "max_split_rate": "0.3", "limits": {"order_amount": 0, "day_amount": 2, "day_count": 3},
    });
    assert_eq!(server.must("PUT /v1/merchants/9999999999999999999", &full, 200), full);
    assert_eq!(server.must_get("/v1/merchants/9999999999999999999"), full);
}

#[test]
fn a_payment_its_repeat_and_its_look() {
    let mut server = Server::start_ready();
    let what = "POST /v1/merchants/1001/payments";
    let pay = json!({
        "order_no": "A1", "channel": "wechat", "amount": 9_500,
        "discounts": [{"funder": "operator", "amount": 300}, {"funder": "operator", "amount": 200}],
        "paid_at": "2018-08-26T01:02:03.5Z", "channel_txn": "4200",
    });
    let order = server.must(what, &pay, 201);
    assert_eq!(
        order,
        json!({
            "order_no": "A1", "merchant_id": "1001", "channel": "wechat", "status": "paid", "amount": 9_500,
            "payable": 10_000, "fee": 57, "platform_fee": 0, "channel_cost": 0, "net": 9_943,
            "refundable": 10_000, "refunded": 0, "in_flight": 0, "held": 0, "settled": false,
            "accounting_date": "2018-08-26", "paid_at": "2018-08-26T09:02:03.500+08:00", "channel_txn": "4200",
        })
    );
    assert_eq!(server.must(what, &pay, 200), order);
    assert_eq!(server.must_get("/v1/merchants/1001/orders/A1"), order);
    let held = json!({"order_no": "a|b*", "channel": "wechat", "amount": 100, "hold": true});
    let order = server.must(what, &held, 201);
    assert_eq!((&order["held"], &order["paid_at"]), (&json!(99), &json!("2018-08-26T12:00:00+08:00")));
    assert_eq!(server.must_get("/v1/merchants/1001/orders/a%7Cb%2A"), order);
    assert_eq!(server.must_get("/v1/merchants/01001/orders/a|b*"), order);
    let balances = server.must_get("/v1/merchants/1001/balances");
    assert!(balances["as_of"].as_u64().unwrap() > 0);
    assert_eq!(
        balances,
        json!({
            "merchant_id": "1001", "currency": "CNY", "pending": 9_943, "held": 99, "available": 0,
            "frozen": 0, "payout_transit": 0, "accrued": 0, "accounting_date": "2018-08-26",
            "as_of": balances["as_of"],
        })
    );
}

#[test]
fn refunds_and_their_pages() {
    let mut server = Server::start_ready();
    let pay = json!({"order_no": "A1", "channel": "wechat", "amount": 10_000});
    server.must("POST /v1/merchants/1001/payments", &pay, 201);
    let refund = |number: usize| json!({"refund_no": format!("R{number}"), "order_no": "A1", "amount": 100});
    let what = "POST /v1/merchants/1001/refunds";
    let first = server.must(what, &refund(1), 201);
    assert_eq!(
        first,
        json!({
            "refund_no": "R1", "order_no": "A1", "merchant_id": "1001", "amount": 100, "cash_amount": 100,
            "discount_amount": 0, "fee_returned": 1, "platform_fee_returned": 0, "cost_returned": 0,
            "merchant_debit": 99, "from_pending": 99, "from_held": 0, "from_available": 0,
            "state": "processing", "sent_as": "refund", "attempts": 1, "accounting_date": "2018-08-26",
        })
    );
    assert_eq!(server.must(what, &refund(1), 200), first);
    assert_eq!(server.must_get("/v1/merchants/1001/refunds/R1"), first);
    for number in 2..=5 {
        server.must(what, &refund(number), 201);
    }
    let mut names = |query: &str| {
        let page = server.must_get(&format!("/v1/merchants/1001/orders/A1/refunds{query}"));
        let data = page["data"].as_array().unwrap();
        let names: Vec<&str> = data.iter().map(|refund| refund["refund_no"].as_str().unwrap()).collect();
        (names.join(" "), page["has_more"].as_bool().unwrap())
    };
    assert_eq!(names(""), ("R1 R2 R3 R4 R5".to_owned(), false));
    assert_eq!(names("?limit=2"), ("R1 R2".to_owned(), true));
    assert_eq!(names("?limit=2&starting_after=R2"), ("R3 R4".to_owned(), true));
    assert_eq!(names("?limit=2&starting_after=R3"), ("R4 R5".to_owned(), false));
    assert_eq!(names("?starting_after=R5"), (String::new(), false));
    let done = server.must("POST /v1/merchants/1001/refunds/R1/result", &json!({"state": "succeeded"}), 200);
    assert_eq!(done["state"], "succeeded");
}

#[test]
fn voids() {
    let mut server = Server::start_ready();
    let pay = json!({"order_no": "A1", "channel": "wechat", "amount": 10_000});
    server.must("POST /v1/merchants/1001/payments", &pay, 201);
    let what = "POST /v1/merchants/1001/orders/A1/void";
    let void = json!({"void_no": "V1"});
    let view = json!({"void_no": "V1", "order_no": "A1", "state": "processing"});
    assert_eq!(server.must(what, &void, 201), view);
    assert_eq!(server.must(what, &void, 200), view);
    assert_eq!(server.must_get("/v1/merchants/1001/voids/V1"), view);
    assert_eq!(server.must_get("/v1/merchants/1001/orders/A1")["status"], "voided");
    let done = json!({"void_no": "V1", "order_no": "A1", "state": "succeeded"});
    let result = "POST /v1/merchants/1001/voids/V1/result";
    assert_eq!(server.must(result, &json!({"state": "succeeded"}), 200), done);
    assert_eq!(server.must(result, &json!({"state": "succeeded"}), 200), done);
    let contradiction = server.must(result, &json!({"state": "failed"}), 422);
    assert_eq!(contradiction["code"], "contradicts_final");
}

#[test]
fn the_books_begin_where_the_clock_stands_and_are_cut() {
    let mut server = Server::start();
    assert_eq!(server.must_get("/v1/accounting-date"), json!({"accounting_date": "2018-08-26"}));
    // The date in the request's own offset: in UTC it is still the 4th.
    let clock = server.must("PUT /v1/dev/clock", &json!({"now": "2019-05-05T01:00:00+08:00"}), 200);
    assert_eq!(clock, json!({"now": "2019-05-05T01:00:00+08:00", "accounting_date": "2019-05-05"}));
    server.must("PUT /v1/dev/clock", &json!({"now": "2018-08-26T12:00:00+08:00"}), 200);
    assert_eq!(server.must_get("/v1/accounting-date")["accounting_date"], "2018-08-26");
    server.must("PUT /v1/channels/wechat", &json!({}), 200);
    server.must("PUT /v1/merchants/1001", &json!({"currency": "CNY"}), 200);
    let pay = json!({"order_no": "A1", "channel": "wechat", "amount": 1});
    server.must("POST /v1/merchants/1001/payments", &pay, 201);
    let clock = server.must("PUT /v1/dev/clock", &json!({"now": "2018-08-27T12:00:00+08:00"}), 200);
    assert_eq!(clock["accounting_date"], "2018-08-26", "an order was taken");
    let cut = server.must("POST /v1/day-cut", &json!({"accounting_date": "2018-08-28"}), 200);
    assert_eq!(cut, json!({"closed": "2018-08-26", "accounting_date": "2018-08-28", "resubmitted": 0}));
    server.must("POST /v1/day-cut", &json!({"accounting_date": "2018-08-28"}), 422);
    assert_eq!(server.must_get("/v1/accounting-date")["accounting_date"], "2018-08-28");
}

#[test]
fn the_trial_balance_is_over_all_shards_and_currencies() {
    let mut server = Server::start();
    server.must("PUT /v1/channels/wechat", &json!({"cost_rate": "0.01"}), 200);
    // Enough merchants for both shards.
    for merchant in 1..=16 {
        let currency = if merchant == 16 { "USD" } else { "CNY" };
        let path = format!("PUT /v1/merchants/{merchant}");
        server.must(&path, &json!({"currency": currency, "fee_rate": "0.1"}), 200);
        let path = format!("POST /v1/merchants/{merchant}/payments");
        server.must(&path, &json!({"order_no": "A1", "channel": "wechat", "amount": 100}), 201);
    }
    let balance = server.must_get("/v1/trial-balance");
    assert_eq!(balance["accounting_date"], "2018-08-26");
    assert!(balance["as_of"].as_u64().unwrap() > 0);
    let of = |currency: usize, account: &str| {
        let accounts = balance["currencies"][currency]["accounts"].as_array().unwrap();
        accounts.iter().find(|a| a["account"] == account).map(|a| a["balance"].as_i64().unwrap())
    };
    for (currency, name, count) in [(0, "CNY", 15), (1, "USD", 1)] {
        assert_eq!(balance["currencies"][currency]["currency"], name);
        assert_eq!(balance["currencies"][currency]["sum"], 0);
        assert_eq!(of(currency, "channel:wechat"), Some(-99 * count));
        assert_eq!(of(currency, "operator"), Some(9 * count));
        assert_eq!(of(currency, "merchants:pending"), Some(90 * count));
    }
}

#[test]
fn health() {
    let mut server = Server::start();
    assert_eq!(server.must_get("/livez"), json!({"status": "live"}));
    assert_eq!(server.must_get("/readyz"), json!({"status": "ready"}));
    let head = server.client().send("HEAD", "/livez", &[], None);
    assert_eq!(head.status, 200);
    let head = server.client().send("HEAD", "/v1/nope", &[], None);
    assert_eq!(head.status, 404);
    assert_eq!(server.get("GET /livez").header("content-type"), Some("application/json"));
}

#[test]
fn all_is_there_after_a_restart() {
    let mut server = Server::start_ready();
    let alipay = json!({"preset": "alipay", "timezone": "Europe/Berlin"});
    server.must("PUT /v1/channels/alipay", &alipay, 200);
    // Again, changing nothing.
    server.must("PUT /v1/channels/alipay", &alipay, 200);
    server.must("PUT /v1/dev/clock", &json!({"now": "2018-08-26T12:00:00+08:00"}), 200);
    let pay =
        json!({"order_no": "A1", "channel": "alipay", "amount": 100, "paid_at": "2018-08-26T10:00:00Z"});
    server.must("POST /v1/merchants/1001/payments", &pay, 201);
    server.must("POST /v1/day-cut", &json!({"accounting_date": "2018-08-27"}), 200);
    let paths =
        ["/v1/channels/alipay", "/v1/merchants/1001", "/v1/merchants/1001/orders/A1", "/v1/accounting-date"];
    let before = paths.map(|path| server.must_get(path));
    assert_eq!(before[2]["paid_at"], "2018-08-26T12:00:00+02:00");
    let mut server = server.restart();
    assert_eq!(paths.map(|path| server.must_get(path)), before);
    server.must("POST /v1/merchants/1001/payments", &pay, 200);
}
