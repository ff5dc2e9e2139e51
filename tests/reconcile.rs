//! `suanpan reconcile` with the channels' own bills: a day of the server is exported, compared, its difference decided by two people and told
//! to the core; and every bill that is not what it should be is refused with its place, and nothing kept.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[allow(dead_code, reason = "an answer's reader has parts that no server of ours needs")]
#[path = "../src/scenario/http.rs"]
mod http;
#[allow(dead_code, reason = "only its calls are used")]
#[path = "../src/scenario/script.rs"]
mod script;

use std::path::{Path, PathBuf};

use common::{Server, suanpan};
use http::Client;
use script::Call;
use serde_json::{Value, json};

const BILLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clearing/tests/bills");

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let mut client = Client::new(format!("http://{}", server.http).parse().unwrap());
    let answer = client.call(&Call::new(method, path, Some(body.to_string()))).unwrap();
    assert!(matches!(answer.status, 200 | 201), "{path}: {} {}", answer.status, answer.body);
    answer.body
}

fn look(server: &Server, path: &str) -> Value {
    let mut client = Client::new(format!("http://{}", server.http).parse().unwrap());
    client.call(&Call::new("GET", path, None)).unwrap().body
}

/// The day that the bills in `clearing/tests/bills` are of, but for what only they have.
fn day(server: &Server) {
    ask(server, "PUT", "/v1/dev/clock", &json!({ "now": "2018-08-26T09:00:00+08:00" }));
    for channel in ["wechat", "alipay"] {
        let terms = json!({ "preset": channel, "cost_rate": "0.006", "cost_rounding": "half_up" });
        ask(server, "PUT", &format!("/v1/channels/{channel}"), &terms);
    }
    ask(server, "PUT", "/v1/merchants/1001", &json!({ "currency": "CNY", "fee_rate": "0.006" }));
    let txn = |n: u32| format!("420000000020180826000000000{n}");
    let pay = |order_no: &str, channel: &str, amount: u32, txn: &str, at: &str| {
        let paid_at = format!("2018-08-26T{at}+08:00");
        let body = json!({ "order_no": order_no, "channel": channel, "amount": amount, "channel_txn": txn, "paid_at": paid_at });
        ask(server, "POST", "/v1/merchants/1001/payments", &body);
    };
    pay("A1", "wechat", 10_000, &txn(1), "09:00:01");
    pay("A2", "wechat", 5_000, &txn(2), "09:00:02");
    pay("A3", "wechat", 99, &txn(3), "23:59:59");
    pay("B1", "alipay", 2_000, "2018082621001004720000000001", "09:10:00");
    pay("B2", "alipay", 1, "2018082621001004720000000002", "09:12:00");
    for (refund_no, order_no, amount) in [("R1", "A1", 3_300), ("RB1", "B1", 500)] {
        let body = json!({ "refund_no": refund_no, "order_no": order_no, "amount": amount });
        ask(server, "POST", "/v1/merchants/1001/refunds", &body);
        let path = format!("/v1/merchants/1001/refunds/{refund_no}/result");
        ask(server, "POST", &path, &json!({ "state": "succeeded" }));
    }
    ask(server, "POST", "/v1/merchants/1001/orders/A2/void", &json!({ "void_no": "V2" }));
    ask(server, "POST", "/v1/merchants/1001/voids/V2/result", &json!({ "state": "succeeded" }));
}

fn cut(server: &Server, now: &str, date: &str) {
    ask(server, "PUT", "/v1/dev/clock", &json!({ "now": now }));
    ask(server, "POST", "/v1/day-cut", &json!({ "accounting_date": date }));
}

struct Ran {
    code: Option<i32>,
    said: String,
    error: String,
}

fn run(store: &Path, arguments: &[&str]) -> Ran {
    let output = suanpan(&[arguments, &["--store", store.to_str().unwrap()]].concat());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ran { code: output.status.code(), said: text(&output.stdout), error: text(&output.stderr) }
}

fn reconcile(store: &Path, channel: &str, date: &str, file: &Path) -> Ran {
    run(store, &["reconcile", "--channel", channel, "--date", date, file.to_str().unwrap()])
}

fn export(data: &Path, store: &Path) {
    let ran = run(store, &["export", "--data", data.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}", ran.error);
}

/// The sample of a channel, changed.
fn bent(folder: &Path, name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> PathBuf {
    let (sample, path) = (Path::new(BILLS).join(name), folder.join(format!("bent-{name}")));
    std::fs::write(&path, change(std::fs::read(sample).unwrap())).unwrap();
    path
}

fn replaced(bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

const WECHAT: &str = "wechat-trade-2018-08-26.csv";
const ALIPAY: &str = "alipay-detail-2018-08-26.csv";

#[test]
fn a_difference_is_found_decided_by_two_and_told_to_the_core() {
    let folder = tempfile::tempdir().unwrap();
    let (data, store) = (folder.path().join("data"), folder.path().join("store"));
    let server = Server::start_small(&data, 2);
    day(&server);
    cut(&server, "2018-08-27T00:00:05+08:00", "2018-08-27");
    export(&data, &store);

    let alipay = reconcile(&store, "alipay", "2018-08-26", &Path::new(BILLS).join(ALIPAY));
    assert_eq!(alipay.code, Some(0), "{} {}", alipay.said, alipay.error);
    let wechat = reconcile(&store, "wechat", "2018-08-26", &Path::new(BILLS).join(WECHAT));
    assert_eq!(wechat.code, Some(1), "{} {}", wechat.said, wechat.error);
    for words in ["LONG1", "7.77", "missing_in_books", "csv:7"] {
        assert!(wechat.said.contains(words), "{words}: {}", wechat.said);
    }
    let again = reconcile(&store, "wechat", "2018-08-26", &Path::new(BILLS).join(WECHAT));
    assert!(again.code == Some(1) && again.said.contains("nothing was compared anew"), "{}", again.said);

    let open = run(&store, &["reconcile", "open"]);
    assert!(open.said.contains("1 open") && open.said.contains("LONG1"), "{}", open.said);
    let id = open.said.split_whitespace().next().unwrap().to_owned();
    let resolve = |more: &[&str]| {
        let arguments = ["reconcile", "resolve", &id, "--channel", "wechat", "--memo", "late notice"];
        run(&store, &[&arguments[..], more].concat())
    };
    let alone = resolve(&["--as", "supplement", "--approved-by", "ann", "--approved-by", "Ann"]);
    assert!(alone.code == Some(2) && alone.error.contains("two different people"), "{}", alone.error);
    let both = ["--approved-by", "ann", "--approved-by", "bob"];
    let decided = resolve(&[&["--as", "supplement"][..], &both].concat());
    assert!(
        decided.code == Some(0) && decided.said.contains("/v1/merchants/1001/payments"),
        "{}",
        decided.error
    );
    let otherwise = resolve(&[&["--as", "write-off"][..], &both].concat());
    assert!(otherwise.code == Some(2) && otherwise.error.contains("decided already"), "{}", otherwise.error);

    let url = format!("http://{}", server.http);
    let send = ["reconcile", "send", "--channel", "wechat", "--url", &url];
    let sent = run(&store, &send);
    assert!(sent.code == Some(0) && sent.said.contains("1 commands sent"), "{} {}", sent.said, sent.error);
    let sent = run(&store, &send);
    assert!(sent.code == Some(0) && sent.said.contains("0 commands sent"), "once: {}", sent.said);
    let order = look(&server, "/v1/merchants/1001/orders/LONG1");
    assert_eq!((&order["amount"], &order["status"]), (&json!(777), &json!("paid")), "{order}");
    let open = run(&store, &["reconcile", "open"]);
    assert!(open.said.contains("0 open"), "{}", open.said);

    // The next day has what was supplemented, of which no bill will say anything any more: it is not missed.
    cut(&server, "2018-08-28T00:00:05+08:00", "2018-08-28");
    server.kill();
    export(&data, &store);
    let empty = bent(folder.path(), WECHAT, |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        let sums = "`0,`0.00,`0.00,`0.00,`0.00000,`0.00,`0.00";
        format!("{}\r\n{}\r\n{sums}\r\n", lines[0], lines[7]).into_bytes()
    });
    let next = reconcile(&store, "wechat", "2018-08-27", &empty);
    assert_eq!(next.code, Some(0), "{} {}", next.said, next.error);
}

#[test]
fn a_bill_that_is_not_what_it_should_be_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (data, store) = (folder.path().join("data"), folder.path().join("store"));
    let server = Server::start_small(&data, 2);
    day(&server);
    cut(&server, "2018-08-27T00:00:05+08:00", "2018-08-27");
    server.kill();
    export(&data, &store);
    let bent = |name: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>| bent(folder.path(), name, change);
    let refused = |ran: &Ran, words: &[&str]| {
        assert_eq!(ran.code, Some(2), "{} {}", ran.said, ran.error);
        words.iter().for_each(|words| assert!(ran.error.contains(words), "{words}: {}", ran.error));
    };
    let wechat = |path: &Path| reconcile(&store, "wechat", "2018-08-26", path);
    let total = bent(WECHAT, &|bytes| replaced(bytes, "`158.76", "`158.77"));
    refused(&wechat(&total), &[".csv:9", "158.77", "158.76"]);
    let parquet = folder.path().join("bill.parquet");
    let arguments = ["reconcile", "--channel", "wechat", "--date", "2018-08-26", total.to_str().unwrap()];
    let more = ["--bill-parquet", parquet.to_str().unwrap()];
    refused(&run(&store, &[&arguments[..], &more].concat()), &["csv:9"]);
    assert!(!parquet.exists(), "not even the bill as it was read");
    let short = bent(WECHAT, &|bytes| bytes[..bytes.len() / 2].to_vec());
    refused(&wechat(&short), &["bent-wechat"]);
    let other_day = bent(WECHAT, &|bytes| replaced(bytes, "`2018-08-26 10:00:00", "`2018-08-25 10:00:00"));
    refused(&wechat(&other_day), &[".csv:4", "2018-08-25"]);
    let account = bent(WECHAT, &|bytes| replaced(bytes, "`1900000109,`1001", "`1900000108,`1001"));
    refused(&wechat(&account), &["1900000108"]);
    let foreign = bent(WECHAT, &|bytes| {
        let text = String::from_utf8(bytes).unwrap();
        encode_utf16(text.trim_start_matches('\u{feff}'))
    });
    refused(&wechat(&foreign), &["UTF-16"]);
    let format = reconcile(&store, "alipay", "2018-08-26", &Path::new(BILLS).join(WECHAT));
    refused(&format, &["wechat-trade"]);
    let day = reconcile(&store, "wechat", "2018-08-27", &Path::new(BILLS).join(WECHAT));
    refused(&day, &["2018-08-27", "2018-08-26"]);
    let channel = reconcile(&store, "unionpay", "2018-08-26", &Path::new(BILLS).join(WECHAT));
    refused(&channel, &["unionpay", "wechat, alipay"]);
    assert!(!store.join("reconciliation").exists(), "nothing was kept");

    // Once a bill of an account was taken, another's is another merchant's.
    assert_eq!(wechat(&Path::new(BILLS).join(WECHAT)).code, Some(1));
    let other = bent(WECHAT, &|bytes| {
        String::from_utf8(bytes).unwrap().replace("1900000109", "1900000777").into_bytes()
    });
    refused(&wechat(&other), &["1900000777", "1900000109"]);
}

fn encode_utf16(text: &str) -> Vec<u8> {
    [0xfeffu16].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn the_flow_of_funds_is_compared_with_the_bank() {
    let folder = tempfile::tempdir().unwrap();
    let (data, store) = (folder.path().join("data"), folder.path().join("store"));
    let server = Server::start_small(&data, 1);
    day(&server);
    cut(&server, "2018-08-27T00:00:05+08:00", "2018-08-27");
    server.kill();
    export(&data, &store);
    let statement = |name: &str, lines: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("date,account,reference,amount,currency,direction\r\n{lines}"))
            .unwrap();
        path.to_str().unwrap().to_owned()
    };
    let bill = Path::new(BILLS).join(ALIPAY);
    let run = |bank: &str| {
        let arguments = [
            "reconcile",
            "--channel",
            "alipay",
            "--date",
            "2018-08-26",
            bill.to_str().unwrap(),
            "--bank",
            bank,
        ];
        run(&store, &arguments)
    };
    // 20.00 + 0.01 − 5.00 − 0.12.
    let right = run(&statement("right.csv", "2018-08-27,6222,alipay 0826,14.89,CNY,credit\r\n"));
    assert_eq!(right.code, Some(0), "{} {}", right.said, right.error);
    let less = run(&statement("less.csv", "2018-08-27,6222,alipay 0826,14.88,CNY,credit\r\n"));
    assert_eq!(less.code, Some(1), "{}", less.said);
    let old = run(&statement("old.csv", "2018-08-01,6222,alipay 0731,14.89,CNY,credit\r\n"));
    assert!(old.code == Some(2) && old.error.contains("old.csv:2"), "{}", old.error);
}
