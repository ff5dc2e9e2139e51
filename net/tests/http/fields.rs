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
