//! Every field's edges: what is in is taken, what is out is refused by its name, and nothing is changed.

use serde_json::{Value, json};

use crate::server::Server;

/// A text of a body, and the `param` that is refused; `None` is taken.
type Case = (&'static str, Option<&'static str>);

/// Merges one field into a body. Its value is text, so that numbers reach the server as they are written.
fn with_field(base: &str, field: &str) -> String {
    let base = base.strip_suffix('}').unwrap();
    if base == "{" { format!("{{{field}}}") } else { format!("{base},{field}}}") }
}

fn check(server: &mut Server, what: &str, base: &str, cases: &[Case]) {
    for (index, (field, param)) in cases.iter().enumerate() {
        let what = what.replace("{i}", &index.to_string());
        let body = with_field(&base.replace("{i}", &index.to_string()), field);
        let answer = server.text(&what, &body);
        match param {
            None => assert!(matches!(answer.status, 200 | 201), "{what} {body}: {}", answer.body),
            Some(param) => {
                assert_eq!(answer.status, 400, "{what} {body}: {}", answer.body);
                assert_eq!(answer.body["code"], "invalid_request", "{what} {body}");
                assert_eq!(answer.body["param"], *param, "{what} {body}: {}", answer.body);
            }
        }
    }
}

#[test]
fn payments() {
    let mut server = Server::start_ready();
    let what = "POST /v1/merchants/1001/payments";
    let amount: &[Case] = &[
        (r#""amount":1"#, None),
        (r#""amount":1000000000000000"#, None),
        (r#""amount":1000000000000001"#, Some("amount")),
        (r#""amount":0"#, Some("amount")),
        (r#""amount":-0"#, Some("amount")),
        (r#""amount":-5"#, Some("amount")),
        (r#""amount":1.5"#, Some("amount")),
        (r#""amount":1.0"#, Some("amount")),
        (r#""amount":1e3"#, Some("amount")),
        (r#""amount":"100""#, Some("amount")),
        (r#""amount":18446744073709551616"#, Some("amount")),
        (r#""amount":18446744073709551615"#, Some("amount")),
        (r#""amount":null"#, Some("amount")),
        (r#""amount":true"#, Some("amount")),
        (r#""amount":[1]"#, Some("amount")),
        (r#""amount":{}"#, Some("amount")),
        (r#""amount":1,"amount":1"#, Some("amount")),
        (r#""reason":"no such field""#, Some("amount")),
    ];
    check(&mut server, what, r#"{"order_no":"M{i}","channel":"wechat"}"#, amount);
    let order_no: &[Case] = &[
        (r#""order_no":"Az09_-|*""#, None),
        (r#""order_no":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#, None),
        (r#""order_no":"\u0041""#, None),
        (r#""order_no":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#, Some("order_no")),
        (r#""order_no":"""#, Some("order_no")),
        (r#""order_no":"a b""#, Some("order_no")),
        (r#""order_no":"单""#, Some("order_no")),
        (r#""order_no":"a\u0000""#, Some("order_no")),
        (r#""order_no":1"#, Some("order_no")),
        (r#""order_no":null"#, Some("order_no")),
        (r#""orderNo":"A""#, Some("order_no")),
    ];
    check(&mut server, what, r#"{"channel":"wechat","amount":5}"#, order_no);
    let channel: &[Case] = &[
        (r#""channel":"wechat""#, None),
        (r#""channel":"WeChat""#, Some("channel")),
        (r#""channel":"""#, Some("channel")),
        (r#""channel":7"#, Some("channel")),
        (r#""hold":false"#, Some("channel")),
    ];
    check(&mut server, what, r#"{"order_no":"C{i}","amount":5}"#, channel);
    let others: &[Case] = &[
        (r#""hold":true"#, None),
        (r#""hold":null"#, None),
        (r#""hold":"true""#, Some("hold")),
        (r#""hold":1"#, Some("hold")),
        (r#""promoter":"1001""#, Some("promoter")),
        (r#""promoter":null"#, None),
        (r#""promoter":"0""#, Some("promoter")),
        (r#""promoter":1001"#, Some("promoter")),
        (r#""paid_at":"2018-08-26T12:00:00+08:00""#, None),
        (r#""paid_at":"2018-08-26T12:00:00""#, Some("paid_at")),
        (r#""paid_at":"2018-08-26""#, Some("paid_at")),
        (r#""paid_at":"2018-13-26T12:00:00Z""#, Some("paid_at")),
        (r#""paid_at":1535256000"#, Some("paid_at")),
        (r#""channel_txn":"4200 000""#, None),
        (r#""channel_txn":"""#, Some("channel_txn")),
        (r#""channel_txn":"号""#, Some("channel_txn")),
        (
            r#""channel_txn":"01234567890123456789012345678901234567890123456789012345678901234""#,
            Some("channel_txn"),
        ),
        (r#""nope":1"#, Some("nope")),
        (r#""Amount":1"#, Some("Amount")),
        (r#""":1"#, Some("")),
    ];
    check(&mut server, what, r#"{"order_no":"O{i}","channel":"wechat","amount":5}"#, others);
    let discounts: &[Case] = &[
        (r#""discounts":[]"#, None),
        (r#""discounts":null"#, None),
        (r#""discounts":[{"funder":"operator","amount":5},{"funder":"operator","amount":6}]"#, None),
        (r#""discounts":[{"funder":"merchant","amount":1000000000000000}]"#, None),
        (r#""discounts":{}"#, Some("discounts")),
        (r#""discounts":[1]"#, Some("discounts[0]")),
        (r#""discounts":[{"funder":"operator","amount":0}]"#, Some("discounts[0].amount")),
        (
            r#""discounts":[{"funder":"operator","amount":5},{"funder":"platform","amount":"5"}]"#,
            Some("discounts[1].amount"),
        ),
        (
            r#""discounts":[{"funder":"operator","amount":1000000000000000},{"funder":"merchant","amount":1}]"#,
            Some("discounts[1].amount"),
        ),
        (r#""discounts":[{"funder":"bank","amount":5}]"#, Some("discounts[0].funder")),
        (r#""discounts":[{"amount":5}]"#, Some("discounts[0].funder")),
        (r#""discounts":[{"funder":"operator"}]"#, Some("discounts[0].amount")),
        (r#""discounts":[{"funder":"operator","amount":5,"x":1}]"#, Some("discounts[0].x")),
    ];
    check(&mut server, what, r#"{"order_no":"D{i}","channel":"wechat","amount":5}"#, discounts);
}

#[test]
fn refunds_voids_and_results() {
    let mut server = Server::start_ready();
    let pay = json!({"order_no": "A1", "channel": "wechat", "amount": 10_000});
    server.must("POST /v1/merchants/1001/payments", &pay, 201);
    let refund: &[Case] = &[
        (r#""amount":5"#, None),
        (r#""amount":5,"reason":"""#, None),
        (r#""amount":5,"reason":"买错了","split_returns":[]"#, None),
        (r#""amount":0"#, Some("amount")),
        (r#""amount":1000000000000001"#, Some("amount")),
        (r#""reason":"x""#, Some("amount")),
        (r#""amount":5,"reason":7"#, Some("reason")),
        (r#""amount":5,"split_returns":[1]"#, Some("split_returns[0]")),
        (r#""amount":5,"split_returns":[{}]"#, Some("split_returns[0].return_no")),
        (r#""amount":5,"split_returns":[{"return_no":"B1"}]"#, Some("split_returns[0].split_no")),
        (
            r#""amount":5,"split_returns":[{"return_no":"B1","split_no":"S1"}]"#,
            Some("split_returns[0].merchant_id"),
        ),
        (
            r#""amount":5,"split_returns":[{"return_no":"B1","split_no":"S1","merchant_id":"5001","amount":0}]"#,
            Some("split_returns[0].amount"),
        ),
        (
            r#""amount":5,"split_returns":[{"return_no":"B1","split_no":"S1","merchant_id":"5001","amount":1,"x":1}]"#,
            Some("split_returns[0].x"),
        ),
        (r#""amount":5,"split_returns":{}"#, Some("split_returns")),
        (r#""amount":5,"nope":null"#, Some("nope")),
    ];
    let what = "POST /v1/merchants/1001/refunds";
    check(&mut server, what, r#"{"refund_no":"R{i}","order_no":"A1"}"#, refund);
    let long = json!({"refund_no": "RL", "order_no": "A1", "amount": 1, "reason": "x".repeat(257)});
    assert_eq!(server.must(what, &long, 400)["param"], "reason");
    let long = json!({"refund_no": "RL", "order_no": "A1", "amount": 1, "reason": "x".repeat(256)});
    server.must(what, &long, 201);
    check(&mut server, what, r#"{"order_no":"A1","amount":5}"#, &[(r#""refund_no":"""#, Some("refund_no"))]);
    check(&mut server, what, r#"{"refund_no":"RO","amount":5}"#, &[(r#""order_no":9"#, Some("order_no"))]);
    let result: &[Case] = &[
        (r#""state":"unknown""#, None),
        (r#""state":"succeeded","channel_refund_no":"5000""#, None),
        (r#""state":"held""#, Some("state")),
        (r#""state":true"#, Some("state")),
        (r#""channel_refund_no":"5000""#, Some("state")),
        (r#""state":"succeeded","channel_refund_no":"""#, Some("channel_refund_no")),
        (r#""state":"succeeded","nope":1"#, Some("nope")),
    ];
    check(&mut server, "POST /v1/merchants/1001/refunds/R0/result", "{}", result);

    let pay = json!({"order_no": "A2", "channel": "wechat", "amount": 10_000});
    server.must("POST /v1/merchants/1001/payments", &pay, 201);
    let void: &[Case] = &[
        (r#""void_no":"a b""#, Some("void_no")),
        (r#""void_no":"V1","amount":10000"#, Some("amount")),
        (r#""x":1"#, Some("void_no")),
    ];
    check(&mut server, "POST /v1/merchants/1001/orders/A2/void", "{}", void);
    let void = json!({"void_no": "V1"});
    server.must("POST /v1/merchants/1001/orders/A2/void", &void, 201);
    let result: &[Case] = &[
        (r#""state":"unknown""#, Some("state")),
        (r#""state":"succeeded","nope":1"#, Some("nope")),
        (r#""state":"succeeded""#, None),
    ];
    check(&mut server, "POST /v1/merchants/1001/voids/V1/result", "{}", result);
}

#[test]
fn merchants() {
    let mut server = Server::start_ready();
    let fields: &[Case] = &[
        (r#""name":"面馆""#, None),
        (r#""name":1"#, Some("name")),
        (r#""status":"suspended""#, None),
        (r#""status":"gone""#, Some("status")),
        (r#""platform":null"#, None),
        (r#""platform":"1001""#, None),
        (r#""platform":1001"#, Some("platform")),
        (r#""platform":"""#, Some("platform")),
        (r#""fee_rate":"1""#, None),
        (r#""fee_rate":"0.000001""#, None),
        (r#""fee_rate":"1.000001""#, Some("fee_rate")),
        (r#""fee_rate":"0.0000001""#, Some("fee_rate")),
        (r#""fee_rate":0.006"#, Some("fee_rate")),
        (r#""fee_rate":"-0.1""#, Some("fee_rate")),
        (r#""fee_rate":"6e-3""#, Some("fee_rate")),
        (r#""platform_fee_rate":"2""#, Some("platform_fee_rate")),
        (r#""advance_fee_rate":"""#, Some("advance_fee_rate")),
        (r#""max_split_rate":".3""#, Some("max_split_rate")),
        (r#""fee_rounding":"half_even""#, None),
        (r#""fee_rounding":"up""#, Some("fee_rounding")),
        (r#""fee_min":0,"fee_max":0"#, None),
        (r#""fee_min":-1"#, Some("fee_min")),
        (r#""fee_min":5,"fee_max":4"#, Some("fee_max")),
        (r#""fee_max":1000000000000001"#, Some("fee_max")),
        (r#""fee_refund":"some""#, Some("fee_refund")),
        (r#""settlement":{"cycle":"D+0","mode":"gross","min":100}"#, None),
        (r#""settlement":{}"#, None),
        (r#""settlement":"T+1""#, Some("settlement")),
        (r#""settlement":{"cycle":"T+0"}"#, Some("settlement.cycle")),
        (r#""settlement":{"cycle":"T1"}"#, Some("settlement.cycle")),
        (r#""settlement":{"mode":"both"}"#, Some("settlement.mode")),
        (r#""settlement":{"min":"1"}"#, Some("settlement.min")),
        (r#""settlement":{"max":1}"#, Some("settlement.max")),
        (r#""refund_funding":"bank""#, Some("refund_funding")),
        (r#""discount_refund":"half""#, Some("discount_refund")),
        (r#""limits":{"order_amount":null,"day_amount":0,"day_count":1}"#, None),
        (r#""limits":[]"#, Some("limits")),
        (r#""limits":{"order_amount":-1}"#, Some("limits.order_amount")),
        (r#""limits":{"day_amount":1.5}"#, Some("limits.day_amount")),
        (r#""limits":{"day_count":"1"}"#, Some("limits.day_count")),
        (r#""limits":{"day":1}"#, Some("limits.day")),
        (r#""nope":1"#, Some("nope")),
        (r#""merchant_id":"99""#, Some("merchant_id")),
    ];
    check(&mut server, "PUT /v1/merchants/20{i}", r#"{"currency":"CNY"}"#, fields);
    let currency: &[Case] = &[
        (r#""currency":"USD""#, None),
        (r#""currency":"cny""#, Some("currency")),
        (r#""currency":"""#, Some("currency")),
        (r#""currency":156"#, Some("currency")),
        (r#""name":"x""#, Some("currency")),
    ];
    check(&mut server, "PUT /v1/merchants/30{i}", "{}", currency);
    let long = |count| json!({"currency": "CNY", "name": "x".repeat(count)});
    server.must("PUT /v1/merchants/4000", &long(128), 200);
    assert_eq!(server.must("PUT /v1/merchants/4000", &long(129), 400)["param"], "name");
    let own = json!({"currency": "CNY", "platform": "4001"});
    let refused = server.call("PUT /v1/merchants/4001", &own);
    assert!((400..500).contains(&refused.status));
    assert_eq!(refused.body["param"], "platform");
}

#[test]
fn channels() {
    let mut server = Server::start();
    let fields: &[Case] = &[
        (r#""preset":"aggregate""#, None),
        (r#""preset":"visa""#, Some("preset")),
        (r#""cost_rate":"0.0025""#, None),
        (r#""cost_rate":0"#, Some("cost_rate")),
        (r#""cost_rounding":"floor""#, Some("cost_rounding")),
        (r#""cost_refund":"half""#, Some("cost_refund")),
        (r#""refund_window_days":0"#, None),
        (r#""refund_window_days":36525"#, None),
        (r#""refund_window_days":36526"#, Some("refund_window_days")),
        (r#""refund_window_days":4294967296"#, Some("refund_window_days")),
        (r#""refund_window_days":"90""#, Some("refund_window_days")),
        (r#""max_refunds_per_order":null"#, None),
        (r#""max_refunds_per_order":1"#, None),
        (r#""max_refunds_per_order":-1"#, Some("max_refunds_per_order")),
        (r#""max_refunds_per_order":"many""#, Some("max_refunds_per_order")),
        (r#""same_day":"next_day""#, None),
        (r#""same_day":"never""#, Some("same_day")),
        (r#""single_refund_in_flight":0"#, Some("single_refund_in_flight")),
        (r#""resubmit_failed":"allow""#, Some("resubmit_failed")),
        (r#""blackout":[]"#, None),
        (r#""blackout":[{"from":"23:30","to":"00:30"},{"from":"04:00","to":"24:00"}]"#, None),
        (r#""blackout":"22:00""#, Some("blackout")),
        (r#""blackout":["22:00"]"#, Some("blackout[0]")),
        (r#""blackout":[{"from":"22:00","to":"24:01"}]"#, Some("blackout[0].to")),
        (r#""blackout":[{"from":"24:00","to":"01:00"}]"#, Some("blackout[0].from")),
        (r#""blackout":[{"from":"22:00","to":"22:00"}]"#, Some("blackout[0].to")),
        (r#""blackout":[{"from":"22:00","to":"00:00"}]"#, Some("blackout[0].to")),
        (r#""blackout":[{"from":"22:00","to":"23:00"},{"from":22,"to":"23:00"}]"#, Some("blackout[1].from")),
        (r#""blackout":[{"from":"22:00"}]"#, Some("blackout[0].to")),
        (r#""blackout":[{"from":"22:00","to":"23:00","day":1}]"#, Some("blackout[0].day")),
        (r#""timezone":"Europe/Berlin""#, None),
        (r#""timezone":"UTC""#, None),
        (r#""timezone":"Mars/Base""#, Some("timezone")),
        (r#""timezone":"+08:00""#, Some("timezone")),
        (r#""timezone":8"#, Some("timezone")),
        (r#""nope":1"#, Some("nope")),
        (r#""channel":"other""#, Some("channel")),
    ];
    check(&mut server, "PUT /v1/channels/c-{i}", "{}", fields);
    let windows = |count| {
        let list: Vec<Value> = (0..count)
            .map(|hour| json!({"from": format!("{hour:02}:00"), "to": format!("{hour:02}:30")}))
            .collect();
        json!({"blackout": list})
    };
    server.must("PUT /v1/channels/many", &windows(8), 200);
    assert_eq!(server.must("PUT /v1/channels/many", &windows(9), 400)["param"], "blackout");
}

#[test]
fn dates_and_clocks() {
    let mut server = Server::start();
    let dates: &[Case] = &[
        (r#""accounting_date":"2018-02-29""#, Some("accounting_date")),
        (r#""accounting_date":"2018-8-27""#, Some("accounting_date")),
        (r#""accounting_date":"2018-08-27T00:00:00Z""#, Some("accounting_date")),
        (r#""accounting_date":20180827"#, Some("accounting_date")),
        (r#""date":"2018-08-27""#, Some("accounting_date")),
        (r#""accounting_date":"2018-08-27","force":true"#, Some("force")),
        (r#""accounting_date":"2018-08-27""#, None),
    ];
    check(&mut server, "POST /v1/day-cut", "{}", dates);
    let clocks: &[Case] = &[
        (r#""now":"noon""#, Some("now")),
        (r#""now":null"#, Some("now")),
        (r#""at":"2018-08-26T12:00:00Z""#, Some("now")),
        (r#""now":"2018-08-26T12:00:00Z","stop":true"#, Some("stop")),
        (r#""now":"2018-08-26T12:00:00.5-11:00""#, None),
    ];
    check(&mut server, "PUT /v1/dev/clock", "{}", clocks);
}

#[test]
fn orders_that_are_paid_later() {
    let mut server = Server::start_ready();
    let orders: &[Case] = &[
        (r#""amount":1"#, None),
        (r#""amount":1000000000000000"#, None),
        (r#""amount":0"#, Some("amount")),
        (r#""amount":1000000000000001"#, Some("amount")),
        (r#""hold":true"#, Some("amount")),
        (r#""amount":5,"hold":1"#, Some("hold")),
        (r#""amount":5,"discounts":[{"funder":"operator","amount":0}]"#, Some("discounts[0].amount")),
        (r#""amount":5,"expires_at":null"#, None),
        (r#""amount":5,"expires_at":"2018-08-26T12:00:00.001+08:00""#, None),
        (r#""amount":5,"expires_at":"2018-08-26T12:00:00+08:00""#, Some("expires_at")),
        (r#""amount":5,"expires_at":"2018-08-26T12:00:01""#, Some("expires_at")),
        (r#""amount":5,"expires_at":1535256001"#, Some("expires_at")),
        // Those of a payment are said when it is confirmed; a promoter brings only what is paid at once.
        (r#""amount":5,"paid_at":"2018-08-26T12:00:00+08:00""#, Some("paid_at")),
        (r#""amount":5,"channel_txn":"1""#, Some("channel_txn")),
        (r#""amount":5,"promoter":"1001""#, Some("promoter")),
    ];
    check(&mut server, "POST /v1/merchants/1001/orders", r#"{"order_no":"A{i}","channel":"wechat"}"#, orders);
    let confirm: &[Case] = &[
        (r#""paid_at":"yesterday""#, Some("paid_at")),
        (r#""channel_txn":"""#, Some("channel_txn")),
        (r#""amount":1"#, Some("amount")),
        (r#""paid_at":null,"channel_txn":"4200""#, None),
    ];
    check(&mut server, "POST /v1/merchants/1001/orders/A0/confirm", "{}", confirm);
    let nothing: &[Case] = &[(r#""x":1"#, Some("x"))];
    for action in ["close", "reinstate", "release"] {
        check(&mut server, &format!("POST /v1/merchants/1001/orders/A1/{action}"), "{}", nothing);
    }
    check(&mut server, "POST /v1/merchants/1001/freezes/F1/release", "{}", nothing);
    check(&mut server, "POST /v1/sweeps", "{}", nothing);
}

#[test]
fn splits_and_their_returns() {
    let mut server = Server::start_ready();
    for id in [5001, 5002] {
        server.must(&format!("PUT /v1/merchants/{id}"), &json!({"currency": "CNY"}), 200);
    }
    let pay = json!({"order_no": "A1", "channel": "wechat", "amount": 10_000, "hold": true});
    server.must("POST /v1/merchants/1001/payments", &pay, 201);
    let what = "POST /v1/merchants/1001/orders/A1/splits";
    let splits: &[Case] = &[
        (r#""finish":true"#, Some("receivers")),
        (r#""receivers":null"#, Some("receivers")),
        (r#""receivers":[]"#, Some("receivers")),
        (r#""receivers":{}"#, Some("receivers")),
        (r#""receivers":["5001"]"#, Some("receivers[0]")),
        (r#""receivers":[{"amount":1}]"#, Some("receivers[0].merchant_id")),
        (r#""receivers":[{"merchant_id":"5001"}]"#, Some("receivers[0].amount")),
        (r#""receivers":[{"merchant_id":"0","amount":1}]"#, Some("receivers[0].merchant_id")),
        (r#""receivers":[{"merchant_id":5001,"amount":1}]"#, Some("receivers[0].merchant_id")),
        (
            r#""receivers":[{"merchant_id":"5001","amount":1},{"merchant_id":"5002","amount":0}]"#,
            Some("receivers[1].amount"),
        ),
        (
            r#""receivers":[{"merchant_id":"5001","amount":1},{"merchant_id":"05001","amount":1}]"#,
            Some("receivers[1].merchant_id"),
        ),
        (r#""receivers":[{"merchant_id":"5001","amount":1,"rate":"0.1"}]"#, Some("receivers[0].rate")),
        (r#""receivers":[{"merchant_id":"5001","amount":1}],"finish":"no""#, Some("finish")),
        (r#""receivers":[{"merchant_id":"5001","amount":1}],"order_no":"A1""#, Some("order_no")),
        (r#""receivers":[{"merchant_id":"5001","amount":1},{"merchant_id":"5002","amount":1}]"#, None),
        (r#""receivers":[{"merchant_id":"5001","amount":1}],"finish":null"#, None),
    ];
    check(&mut server, what, r#"{"split_no":"S{i}"}"#, splits);
    let many = |count: u64| {
        let list: Vec<Value> =
            (1..=count).map(|id| json!({"merchant_id": id.to_string(), "amount": 1})).collect();
        json!({"split_no": "SM", "receivers": list})
    };
    assert_eq!(server.must(what, &many(51), 400)["param"], "receivers");
    assert_eq!(server.must(what, &many(50), 422)["param"], "receivers[0].merchant_id");

    let returns: &[Case] = &[
        (r#""return_no":"B1""#, Some("split_no")),
        (r#""return_no":"a b","split_no":"S14""#, Some("return_no")),
        (r#""return_no":"B1","split_no":"S14""#, Some("merchant_id")),
        (r#""return_no":"B1","split_no":"S14","merchant_id":"5001""#, Some("amount")),
        (r#""return_no":"B1","split_no":"S14","merchant_id":"5001","amount":0"#, Some("amount")),
        (
            r#""return_no":"B1","split_no":"S14","merchant_id":"5001","amount":1,"order_no":"A1""#,
            Some("order_no"),
        ),
        (r#""return_no":"B1","split_no":"S14","merchant_id":"5001","amount":1"#, None),
    ];
    check(&mut server, "POST /v1/merchants/1001/orders/A1/split-returns", "{}", returns);
    let item = json!({"return_no": "B2", "split_no": "S14", "merchant_id": "5001", "amount": 1});
    let refund = |count| json!({"refund_no": "R1", "order_no": "A1", "amount": 1, "split_returns": vec![&item; count]});
    let refused = server.must("POST /v1/merchants/1001/refunds", &refund(51), 400);
    assert_eq!(refused["param"], "split_returns");
}

#[test]
fn movements_of_money() {
    let mut server = Server::start_ready();
    server.must("PUT /v1/merchants/5001", &json!({"currency": "CNY"}), 200);
    let amounts: &[Case] = &[
        (r#""amount":1"#, None),
        (r#""amount":0"#, Some("amount")),
        (r#""amount":1000000000000001"#, Some("amount")),
        (r#""amount":"1""#, Some("amount")),
        (r#""memo":"x""#, Some("amount")),
        (r#""amount":1,"memo":"x""#, Some("memo")),
    ];
    let topup = "POST /v1/merchants/1001/topups";
    check(&mut server, topup, r#"{"topup_no":"T{i}","channel":"wechat"}"#, amounts);
    check(
        &mut server,
        topup,
        r#"{"topup_no":"TM","channel":"wechat"}"#,
        &[(r#""amount":1000000000000000"#, None)],
    );
    let channels: &[Case] = &[(r#""x":1"#, Some("channel")), (r#""channel":"(bank)""#, Some("channel"))];
    check(&mut server, topup, r#"{"topup_no":"TC","amount":1}"#, channels);
    check(&mut server, "POST /v1/merchants/1001/payouts", r#"{"payout_no":"P{i}"}"#, amounts);
    let channels: &[Case] = &[
        (r#""channel":null"#, None),
        (r#""channel":"wechat""#, None),
        (r#""channel":7"#, Some("channel")),
        (r#""payout_no":"a b""#, Some("payout_no")),
    ];
    check(
        &mut server,
        "POST /v1/merchants/1001/payouts",
        r#"{"payout_no":"PC{i}","amount":1}"#,
        &channels[..3],
    );
    check(&mut server, "POST /v1/merchants/1001/payouts", r#"{"amount":1}"#, &channels[3..]);
    let results: &[Case] = &[
        (r#""state":"processing""#, Some("state")),
        (r#""state":null"#, Some("state")),
        (r#""channel_refund_no":"1""#, Some("state")),
        (r#""state":"unknown""#, None),
        (r#""state":"succeeded""#, None),
    ];
    check(&mut server, "POST /v1/merchants/1001/payouts/P0/result", "{}", results);
    check(&mut server, "POST /v1/merchants/1001/freezes", r#"{"freeze_no":"F{i}"}"#, amounts);
    check(&mut server, "POST /v1/merchants/1001/transfers", r#"{"transfer_no":"X{i}","to":"5001"}"#, amounts);
    let receivers: &[Case] = &[
        (r#""x":1"#, Some("to")),
        (r#""to":5001"#, Some("to")),
        (r#""to":"0""#, Some("to")),
        (r#""to":"merchant:5001:available""#, Some("to")),
    ];
    check(&mut server, "POST /v1/merchants/1001/transfers", r#"{"transfer_no":"XT","amount":1}"#, receivers);
}

#[test]
fn adjustments() {
    let mut server = Server::start_ready();
    let what = "POST /v1/adjustments";
    let base = r#"{"adjustment_no":"J{i}","subject":"x","amount":1,"approved_by":["a","b"]}"#;
    let accounts: &[Case] = &[
        (r#""to":"operator""#, Some("from")),
        (r#""from":"operator""#, Some("to")),
        (r#""from":"operator","to":"operator""#, Some("to")),
        (r#""from":"operator","to":"suspense""#, None),
        (r#""from":"channel:wechat","to":"channel:(bank)""#, None),
        (r#""from":"platform:1001","to":"accrued:1001""#, None),
        (r#""from":"fee_receivable:1001","to":"merchant:1001:pending""#, None),
        (r#""from":"operator","to":"merchant:1001:available""#, None),
        (r#""from":"in_transit","to":"operator""#, Some("from")),
        (r#""from":"operator","to":"merchant:1001:held""#, Some("to")),
        (r#""from":"operator","to":"merchant:1001:frozen""#, Some("to")),
        (r#""from":"operator","to":"merchant:1001""#, Some("to")),
        (r#""from":"merchants:pending","to":"operator""#, Some("from")),
        (r#""from":"channel:WeChat","to":"operator""#, Some("from")),
        (r#""from":1,"to":"operator""#, Some("from")),
    ];
    check(&mut server, what, base, accounts);
    let base = r#"{"adjustment_no":"K{i}","from":"operator","to":"suspense","amount":1}"#;
    let others: &[Case] = &[
        (r#""approved_by":["a","b"]"#, Some("subject")),
        (r#""subject":"","approved_by":["a","b"]"#, Some("subject")),
        (r#""subject":"a\nb","approved_by":["a","b"]"#, Some("subject")),
        (r#""subject":"补单","approved_by":["李","王"]"#, None),
        (r#""subject":"x""#, Some("approved_by")),
        (r#""subject":"x","approved_by":"a""#, Some("approved_by")),
        (r#""subject":"x","approved_by":["a"]"#, Some("approved_by")),
        (r#""subject":"x","approved_by":["a","a"]"#, Some("approved_by")),
        (r#""subject":"x","approved_by":["a","b","c"]"#, Some("approved_by")),
        (r#""subject":"x","approved_by":["a",1]"#, Some("approved_by[1]")),
        (r#""subject":"x","approved_by":["","b"]"#, Some("approved_by[0]")),
        (r#""subject":"x","approved_by":["a","b"],"currency":"cny""#, Some("currency")),
        (r#""subject":"x","approved_by":["a","b"],"currency":"CNY""#, None),
        (r#""subject":"x","approved_by":["a","b"],"memo":7"#, Some("memo")),
        (r#""subject":"x","approved_by":["a","b"],"note":"""#, Some("note")),
    ];
    check(&mut server, what, base, others);
    let long = |subject: usize, memo: usize, approver: usize| {
        json!({
            "adjustment_no": format!("L{subject}-{memo}-{approver}"), "from": "operator", "to": "suspense", "amount": 1,
            "subject": "x".repeat(subject), "memo": "x".repeat(memo), "approved_by": ["a", "x".repeat(approver)],
        })
    };
    server.must(what, &long(64, 256, 64), 201);
    assert_eq!(server.must(what, &long(65, 256, 64), 400)["param"], "subject");
    assert_eq!(server.must(what, &long(64, 257, 64), 400)["param"], "memo");
    assert_eq!(server.must(what, &long(64, 256, 65), 400)["param"], "approved_by[1]");
}

#[test]
fn settlements_the_calendar_and_promoters() {
    let mut server = Server::start_ready();
    let settlements: &[Case] = &[
        (r#""merchant_id":"1001""#, Some("batch_no")),
        (r#""batch_no":"""#, Some("batch_no")),
        (r#""batch_no":"S1","merchant_id":1001"#, Some("merchant_id")),
        (r#""batch_no":"S1","date":"2018-08-26""#, Some("date")),
        (r#""batch_no":"S1","merchant_id":null"#, None),
        (r#""batch_no":"S2","merchant_id":"1001""#, None),
    ];
    check(&mut server, "POST /v1/settlements", "{}", settlements);
    let calendars: &[Case] = &[
        (r#""dates":"2018-10-01""#, Some("dates")),
        (r#""dates":["2018-10-01","2018-02-30"]"#, Some("dates[1]")),
        (r#""workdays":[20181001]"#, Some("workdays[0]")),
        (r#""dates":["2018-10-01"],"workdays":["2018-09-29","2018-10-01"]"#, Some("workdays[1]")),
        (r#""holidays":[]"#, Some("holidays")),
        (r#""dates":["2018-10-02","2018-10-01","2018-10-02"],"workdays":null"#, None),
    ];
    check(&mut server, "PUT /v1/holidays", "{}", calendars);
    let days = |count: u32| -> Vec<String> {
        (0..count).map(|n| format!("{}-{:02}-{:02}", 2000 + n / 336, n / 28 % 12 + 1, n % 28 + 1)).collect()
    };
    server.must("PUT /v1/holidays", &json!({"dates": days(1_000)}), 200);
    assert_eq!(server.must("PUT /v1/holidays", &json!({"dates": days(1_001)}), 400)["param"], "dates");
    let promoters: &[Case] = &[
        (r#""upline_rate":"0.1""#, Some("rate")),
        (r#""rate":"1.1""#, Some("rate")),
        (r#""rate":0.1"#, Some("rate")),
        (r#""rate":"0.1","upline":1"#, Some("upline")),
        (r#""rate":"0.1","upline_rate":"-1""#, Some("upline_rate")),
        (r#""rate":"0.1","promoter_id":"1002""#, Some("promoter_id")),
        (r#""rate":"0.1","level":1"#, Some("level")),
        (r#""rate":"1","upline":null,"upline_rate":"0""#, None),
        (r#""rate":"0","promoter_id":"01001""#, None),
    ];
    check(&mut server, "PUT /v1/promoters/1001", "{}", promoters);
}
