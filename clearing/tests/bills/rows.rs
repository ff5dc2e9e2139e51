//! What is written in any format is read back as it was written.

use std::path::Path;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use suanpan_clearing::bill::{
    BankRow, BillKind, BillState, Direction, Expected, Format, Limits, read_bank_bytes, read_bytes,
};
use suanpan_core::{Currency, Date, Timestamp};

use suanpan_clearing::bill::write::{
    Alipay, CNY, Columns, Row, Wechat, gzip, midnight, write_bank, write_generic,
};

/// Any row of that day, such as all formats can write.
fn any_row(date: Date, timezone: &TimeZone) -> impl Strategy<Value = Row> + use<> {
    let begins_s = midnight(date, timezone).as_second();
    let length_s = midnight(date.plus_days(1), timezone).as_second() - begins_s;
    let kind = prop_oneof![Just(BillKind::Payment), Just(BillKind::Refund), Just(BillKind::Void)];
    let state = prop_oneof![
        Just(BillState::Succeeded),
        Just(BillState::Processing),
        Just(BillState::Failed),
        Just(BillState::Abnormal)
    ];
    let numbers = ("[1-9][0-9]{0,9}", "[0-9]{28}", "[A-Za-z0-9_|*@-]{1,32}", "[0-9]{28}", "[A-Z][0-9]{1,9}");
    let money = (prop_oneof![0..1000u64, 0..100_000_000_000u64], -1_000_000_000..1_000_000_000i64);
    (kind, state, 0..length_s, numbers, money).prop_map(move |(kind, state, second, numbers, money)| {
        let (sub_merchant, channel_txn, order_no, channel_refund_no, refund_no) = numbers;
        let back = kind != BillKind::Payment;
        Row {
            kind,
            state: if back { state } else { BillState::Succeeded },
            time: Timestamp((begins_s + second) * 1000),
            sub_merchant,
            channel_txn,
            order_no,
            channel_refund_no: if back { channel_refund_no } else { String::new() },
            refund_no: if back { refund_no } else { String::new() },
            currency: CNY,
            amount: money.0,
            fee_millionths: money.1,
        }
    })
}

fn any_rows(date: Date, timezone: &TimeZone) -> impl Strategy<Value = Vec<Row>> + use<> {
    prop::collection::vec(any_row(date, timezone), 0..40)
}

/// A day of 24 hours, one of 23, and one of 23 that begins at 01:00.
fn any_day() -> impl Strategy<Value = (Date, TimeZone)> {
    let day = |name: &str, year, month, day| {
        Just((Date::from_ymd(year, month, day).unwrap(), TimeZone::get(name).unwrap()))
    };
    prop_oneof![
        day("Asia/Shanghai", 2018, 8, 26),
        day("Europe/Berlin", 2024, 3, 31),
        day("America/Sao_Paulo", 2018, 11, 4),
    ]
}

fn read(format: Format, bytes: &[u8], date: Date, timezone: &TimeZone) -> Vec<Row> {
    let expected = Expected { date, account: None, timezone };
    let mut rows = Vec::new();
    let files = [(Path::new("bill.csv"), bytes)];
    let totals =
        read_bytes(format, &files, &expected, &Limits::DEFAULT, &mut |row| rows.push(Row::from(row)))
            .unwrap();
    let of = |is_payment: bool| rows.iter().filter(move |row| (row.kind == BillKind::Payment) == is_payment);
    let sum = |is_payment| of(is_payment).map(|row| u128::from(row.amount)).sum::<u128>();
    assert_eq!(totals.rows, rows.len() as u64);
    assert_eq!((totals.payments, totals.paid), (of(true).count() as u64, sum(true)));
    assert_eq!((totals.refunds, totals.refunded), (of(false).count() as u64, sum(false)));
    let fees = rows.iter().map(|row| i128::from(row.fee_millionths)).sum::<i128>();
    assert_eq!(totals.fee_millionths, fees);
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn wechat(
        ((date, timezone), rows) in any_day().prop_flat_map(|day| (Just(day.clone()), any_rows(day.0, &day.1))),
        old in any::<bool>(), mark in any::<bool>(), lf in any::<bool>(), two_spaces in any::<bool>(), packed in any::<bool>(),
    ) {
        let writer = Wechat {
            columns: if old { Columns::Until2018 } else { Columns::Now },
            mark,
            line_end: if lf { "\n" } else { "\r\n" },
            spaces: if two_spaces { "  " } else { " " },
            ..Wechat::new("1900000109", &timezone)
        };
        let bytes = writer.bytes(&rows);
        let bytes = if packed { gzip(&bytes) } else { bytes };
        prop_assert_eq!(read(Format::Wechat, &bytes, date, &timezone), rows);
    }

    #[test]
    fn alipay(
        ((date, timezone), rows) in any_day().prop_flat_map(|day| (Just(day.clone()), any_rows(day.0, &day.1))),
        full_width in any::<bool>(), zipped in any::<bool>(), gbk_names in any::<bool>(),
    ) {
        // What Alipay's table does not have.
        let rows: Vec<Row> = rows
            .into_iter()
            .map(|row| Row {
                kind: if row.kind == BillKind::Payment { row.kind } else { BillKind::Refund },
                state: BillState::Succeeded,
                sub_merchant: String::new(),
                channel_refund_no: String::new(),
                ..row
            })
            .collect();
        let writer = Alipay { full_width, ..Alipay::new("20880000000000000156", date, &timezone) };
        let bytes = writer.bytes(&rows);
        let bytes = if zipped { writer.zip(&bytes, gbk_names) } else { bytes };
        prop_assert_eq!(read(Format::Alipay, &bytes, date, &timezone), rows);
    }

    #[test]
    fn generic(
        ((date, timezone), mut rows) in any_day().prop_flat_map(|day| (Just(day.clone()), any_rows(day.0, &day.1))),
        rfc3339 in any::<bool>(), packed in any::<bool>(), odd in "[\",\n x]{0,5}",
    ) {
        for (number, row) in rows.iter_mut().enumerate() {
            row.currency = [CNY, Currency(*b"JPY"), Currency(*b"KWD")][number % 3];
            row.order_no.push_str(&odd);
        }
        let mut bytes = Vec::new();
        write_generic(&rows, &timezone, rfc3339, &mut bytes).unwrap();
        let bytes = if packed { gzip(&bytes) } else { bytes };
        prop_assert_eq!(read(Format::Generic, &bytes, date, &timezone), rows);
    }

    #[test]
    fn bank(rows in prop::collection::vec((0..20_000i32, "[0-9]{16}", "[\",\n a-z款]{0,9}", 0..1u64 << 50, any::<bool>()), 0..40)) {
        let written: Vec<BankRow<'_>> = rows
            .iter()
            .map(|(date, account, reference, amount, credit)| BankRow {
                file: 0,
                line: 0,
                date: Date(*date),
                account,
                reference,
                amount: *amount,
                currency: CNY,
                direction: if *credit { Direction::Credit } else { Direction::Debit },
            })
            .collect();
        let mut bytes = Vec::new();
        write_bank(written.iter().copied(), &mut bytes).unwrap();
        let mut seen = 0;
        let totals = read_bank_bytes(&[(Path::new("bank.csv"), &bytes)], &Limits::DEFAULT, &mut |row| {
            assert_eq!(BankRow { line: 0, ..*row }, written[seen]);
            seen += 1;
        });
        let totals = totals.unwrap();
        prop_assert_eq!((totals.rows as usize, seen), (rows.len(), rows.len()));
        let credited = rows.iter().filter(|row| row.4).map(|row| u128::from(row.3)).sum::<u128>();
        prop_assert_eq!(totals.credited, credited);
    }
}
