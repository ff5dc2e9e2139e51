//! Bills and bank statements of any bytes: read or refused, never a panic. What is read adds up to its totals.
//!
//! The first byte of an input says which format, and whether the rest is edits of a sound file or the file itself.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use suanpan_clearing::bill::{BillKind, Expected, Format, Limits, read_bank_bytes, read_bytes};
use suanpan_core::Date;

const WECHAT: &[u8] = include_bytes!("../../clearing/tests/bills/wechat-trade-2018-08-26.csv");
const ALIPAY: &[u8] = include_bytes!("../../clearing/tests/bills/alipay-detail-2018-08-26.csv");
const GENERIC: &[u8] = b"time,kind,state,order_no,refund_no,amount,fee,currency
2018-08-26 09:00:01,payment,succeeded,A1,,100.00,0.60,CNY
2018-08-26T10:00:00+08:00,refund,processing,\"A,1\",R1,33.00,-0.20,CNY
total,CNY,2,1,100.00,1,33.00,0.40
";
const BANK: &[u8] = b"date,account,reference,amount,currency,direction
2018-08-27,6222020000000001,\"wechat, 26 August\",158.30,CNY,credit
";
/// A small bound, so that what is long is reached.
const LIMITS: Limits = Limits { line_bytes_max: 1 << 10, unpacked_bytes_max: 1 << 21, unpacked_ratio_max: 100 };

static BEIJING: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::get("Asia/Shanghai").expect("a zone"));

/// Takes an edit off the input and makes it: where, how much goes, and what comes.
fn edit(bytes: &mut Vec<u8>, input: &mut &[u8]) -> Option<()> {
    let (&[low, high, gone, come], rest) = input.split_first_chunk::<4>()?;
    let at = usize::from(u16::from_le_bytes([low, high])) % (bytes.len() + 1);
    let end = bytes.len().min(at + usize::from(gone % 16));
    let (new, rest) = rest.split_at(rest.len().min(usize::from(come % 16)));
    bytes.splice(at..end, new.iter().copied());
    *input = rest;
    Some(())
}

fn read(format: Format, bytes: &[u8]) {
    let date = Date::from_ymd(2018, 8, 26).expect("a date that exists");
    let expected = Expected { date, account: None, timezone: &BEIJING };
    let (mut rows, mut paid, mut refunded) = (0, 0, 0);
    let files = [(Path::new("bill"), bytes)];
    let totals = read_bytes(format, &files, &expected, &LIMITS, &mut |row| {
        rows += 1;
        *if row.kind == BillKind::Payment { &mut paid } else { &mut refunded } += u128::from(row.amount);
    });
    match totals {
        Ok(totals) => assert_eq!((totals.rows, totals.paid, totals.refunded), (rows, paid, refunded)),
        Err(error) => assert!(error.to_string().contains("bill"), "{error}"),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, mut input)) = data.split_first() else { return };
    let which = usize::from(kind % 4);
    let mut bytes = input.to_vec();
    if kind & 4 != 0 {
        bytes = [WECHAT, ALIPAY, GENERIC, BANK][which].to_vec();
        while edit(&mut bytes, &mut input).is_some() {}
    }
    match Format::ALL.get(which) {
        Some(format) => read(*format, &bytes),
        None => drop(read_bank_bytes(&[(Path::new("bank"), &bytes)], &LIMITS, &mut |_| {})),
    }
});
