//! Statements, settlement files, fees, entries, balances and trial balance agree to the fen, for every merchant and date.
//!
//! Towns are played from seeds; what the commands wrote is parsed back and compared with a second reading of the tables, which goes by subjects and
//! reversals where the commands go by who paid. `SUANPAN_AGREEMENT_SEEDS=200` is the long form.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use jiff::tz::TimeZone;
use suanpan_clearing::fees::{Month, month_fees, write_csv};
use suanpan_clearing::manifest::{DayError, Manifest};
use suanpan_clearing::money;
use suanpan_clearing::rehearsal::{self, Plan};
use suanpan_clearing::settle::settled;
use suanpan_clearing::statement::{Format, Statement, StatementError, statements};
use suanpan_clearing::store::Store;
use suanpan_clearing::table::{Table, balances, entries, orders, settlements};

/// An entry, as it stands in its file.
#[derive(Debug, Clone)]
struct Entry {
    /// Date (which day), position, index, group.
    at: (usize, i64, i32, i32),
    merchant: String,
    subject: i32,
    from: String,
    to: String,
    amount: i64,
    order_no: String,
    reference: String,
    reversal: bool,
}

/// What an account's row says: opening, in, out, closing.
type Balance = [i64; 4];

/// All tables of a town, read a second time.
struct Town {
    days: Vec<Manifest>,
    entries: Vec<Entry>,
    /// Which entries are on a merchant's vouchers or touch an account of its, in the order of the log.
    of_merchant: BTreeMap<String, Vec<usize>>,
    /// By day.
    balances: Vec<BTreeMap<String, Balance>>,
    /// Batch, merchant, amount, day.
    settlements: Vec<(String, String, i64, usize)>,
    channels: BTreeMap<(String, String), String>,
}

/// The merchant of an account of its own or of a bill of fees.
fn owner(account: &str) -> Option<&str> {
    let own = account.strip_prefix("merchant:").and_then(|rest| rest.split(':').next());
    own.or(account.strip_prefix("fee_receivable:"))
}

impl Town {
    fn entries_of(&self, id: &str) -> impl Iterator<Item = &Entry> {
        self.of_merchant.get(id).into_iter().flatten().map(|&at| &self.entries[at])
    }
}

fn read_town(store: &Store, days: Vec<Manifest>) -> Town {
    let (mut found, mut all_balances, mut all_settlements) = (Vec::new(), Vec::new(), Vec::new());
    let mut channels = BTreeMap::new();
    for (number, day) in days.iter().enumerate() {
        let columns: Vec<usize> = (0..entries::COLUMNS.len()).collect();
        let read =
            |table,
             columns: &[usize],
             each: &mut dyn FnMut(&suanpan_clearing::parquet_file::ReadRows, usize)| {
                day.read::<DayError>(store, table, columns, &mut |rows| {
                    (0..rows.len()).for_each(|row| each(rows, row));
                    Ok(())
                })
                .unwrap();
            };
        read(Table::Entries, &columns, &mut |rows, row| {
            let text = |column| rows.text(column, row).to_owned();
            let place = (
                rows.long(entries::LOG_POSITION, row),
                rows.int(entries::LOG_INDEX, row),
                rows.int(entries::GROUP_NO, row),
            );
            found.push(Entry {
                at: (number, place.0, place.1, place.2),
                merchant: text(entries::MERCHANT_ID),
                subject: rows.int(entries::SUBJECT, row),
                from: text(entries::FROM_ACCOUNT),
                to: text(entries::TO_ACCOUNT),
                amount: rows.long(entries::AMOUNT, row),
                order_no: text(entries::ORDER_NO),
                reference: text(entries::REFERENCE),
                reversal: rows.flag(entries::REVERSAL, row),
            });
        });
        let mut held = BTreeMap::new();
        let figures = [balances::OPENING, balances::IN, balances::OUT, balances::CLOSING];
        read(Table::Balances, &(0..balances::COLUMNS.len()).collect::<Vec<_>>(), &mut |rows, row| {
            held.insert(
                rows.text(balances::ACCOUNT, row).to_owned(),
                figures.map(|column| rows.long(column, row)),
            );
        });
        all_balances.push(held);
        read(Table::Settlements, &(0..settlements::COLUMNS.len()).collect::<Vec<_>>(), &mut |rows, row| {
            let text = |column| rows.text(column, row).to_owned();
            let amount = rows.long(settlements::AMOUNT, row);
            all_settlements.push((
                text(settlements::BATCH_NO),
                text(settlements::MERCHANT_ID),
                amount,
                number,
            ));
        });
        read(Table::Orders, &[orders::MERCHANT_ID, orders::ORDER_NO, orders::CHANNEL], &mut |rows, row| {
            let key =
                (rows.text(orders::MERCHANT_ID, row).to_owned(), rows.text(orders::ORDER_NO, row).to_owned());
            channels.insert(key, rows.text(orders::CHANNEL, row).to_owned());
        });
    }
    found.sort_by_key(|entry| entry.at);
    let mut of_merchant: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, entry) in found.iter().enumerate() {
        let whose = [Some(entry.merchant.as_str()), owner(&entry.from), owner(&entry.to)];
        for id in whose.into_iter().flatten().collect::<BTreeSet<_>>() {
            of_merchant.entry(id.to_owned()).or_default().push(at);
        }
    }
    Town { days, entries: found, of_merchant, balances: all_balances, settlements: all_settlements, channels }
}

/// A file's rows by the names of its columns.
fn sheet(text: &[u8]) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text);
    let header = reader.headers().unwrap().clone();
    let row = |record: csv::StringRecord| {
        header.iter().zip(record.iter()).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

fn amount(row: &BTreeMap<String, String>, column: &str) -> i64 {
    let text = &row[column];
    assert!(!text.starts_with('-'), "{column} of {row:?}");
    money::parse(text, 2).unwrap_or_else(|error| panic!("{column} {text:?} {error} in {row:?}"))
}

/// The names of the thirteen amounts of a statement's line.
const AMOUNTS: [&str; 13] = [
    "gross",
    "voided",
    "refunded",
    "refund_failed",
    "fee",
    "fee_returned",
    "other_in",
    "other_out",
    "net_in",
    "net_out",
    "moved",
    "billed",
    "credited",
];

/// The column that an entry belongs to by its subject and whether it is a reversal: (of a merchant's own accounts).
fn column(entry: &Entry, is_in: bool) -> &'static str {
    match (entry.subject, entry.reversal) {
        (62 | 66, false) => "gross",
        (62 | 66, true) => "voided",
        (70 | 76, false) => "refunded",
        (70 | 76, true) => "refund_failed",
        (63 | 67, false) | (73, true) => "fee",
        (63 | 67, true) | (73, false) => "fee_returned",
        _ if is_in => "other_in",
        _ => "other_out",
    }
}

/// What the lines of a merchant should be on a day: place to amounts.
fn expected_lines(
    town: &Town,
    day: usize,
    id: &str,
) -> BTreeMap<(i64, i32, i32), BTreeMap<&'static str, i64>> {
    let (own, bill) = (format!("merchant:{id}:"), format!("fee_receivable:{id}"));
    let mut lines: BTreeMap<_, BTreeMap<&'static str, i64>> = BTreeMap::new();
    for entry in town.entries_of(id).filter(|entry| entry.at.0 == day) {
        let (gives, gets) = (entry.from.starts_with(&own), entry.to.starts_with(&own));
        let is_bills = entry.from == bill || entry.to == bill;
        if entry.merchant != id && !gives && !gets && !is_bills {
            continue;
        }
        let line = lines.entry((entry.at.1, entry.at.2, entry.at.3)).or_default();
        let mut add = |column| *line.entry(column).or_default() += entry.amount;
        match (gives, gets) {
            (true, true) => add("moved"),
            (true, false) | (false, true) => add(column(entry, gets)),
            (false, false) => {}
        }
        if is_bills {
            let charged = matches!((entry.subject, entry.reversal), (63 | 67, false) | (73, true));
            add(if charged { "billed" } else { "credited" });
        }
    }
    for line in lines.values_mut() {
        let sum = |names: &[&str]| names.iter().filter_map(|name| line.get(name)).sum::<i64>();
        let net = sum(&["gross", "refund_failed", "fee_returned", "other_in"])
            - sum(&["voided", "refunded", "fee", "other_out"]);
        line.insert("net_in", net.max(0));
        line.insert("net_out", (-net).max(0));
    }
    lines
}

fn written(statement: &Statement, format: Format) -> Vec<u8> {
    let mut bytes = Vec::new();
    statement.write(format, &TimeZone::UTC, &mut bytes).unwrap();
    bytes
}

/// Compares the lines of a CSV, its total and the same in the TXT with what they should be.
fn check_lines(town: &Town, day: usize, id: &str, rows: &[BTreeMap<String, String>], txt: &str) {
    let mut expected = expected_lines(town, day, id);
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    let mut lines = txt.split("\r\n").filter(|line| line.starts_with("T|"));
    let mut last = (i64::MIN, 0, 0);
    for row in rows.iter().filter(|row| row["row"] == "line") {
        let place = (
            row["log_position"].parse().unwrap(),
            row["log_index"].parse().unwrap(),
            row["group_no"].parse().unwrap(),
        );
        assert!(place > last, "in the order of the log");
        last = place;
        let should = expected.remove(&place).unwrap_or_else(|| panic!("{id}: {row:?} is of nothing"));
        let fields: Vec<&str> = lines.next().unwrap().split('|').collect();
        for (at, name) in AMOUNTS.into_iter().enumerate() {
            let found = amount(row, name);
            assert_eq!(found, should.get(name).copied().unwrap_or_default(), "{id} {name}: {row:?}");
            assert_eq!(money::parse(fields[7 + at], 2), Ok(found), "{name} in {fields:?}");
            *sums.entry(name).or_default() += found;
        }
    }
    assert!(expected.is_empty(), "{id}: these are in no line: {expected:?}");
    assert!(lines.next().is_none());
    let total = rows.iter().find(|row| row["row"] == "total").unwrap();
    let sum: Vec<&str> = txt.split("\r\n").find(|line| line.starts_with("S|")).unwrap().split('|').collect();
    let mut net = 0;
    for (at, name) in AMOUNTS.into_iter().enumerate() {
        let should = sums.get(name).copied().unwrap_or_default();
        match name {
            // Of the sums, one is zero: what came in less what went out.
            "net_in" => net += should,
            "net_out" => net -= should,
            _ => assert_eq!(amount(total, name), should, "{id} {name}"),
        }
        assert_eq!(money::parse(sum[3 + at], 2), Ok(amount(total, name)), "{name} in {sum:?}");
    }
    assert_eq!(amount(total, "net_in") - amount(total, "net_out"), net, "{id}");
}

/// Compares the accounts of a CSV and a TXT with balances and entries; gives the closings by account.
fn check_accounts(town: &Town, day: usize, id: &str, rows: &[BTreeMap<String, String>], txt: &str) {
    let row = |kind: &str, account: &str| {
        let found = rows.iter().find(|row| row["row"] == kind && row["account"] == account);
        let row = found.unwrap_or_else(|| panic!("{id}: no {kind} of {account}"));
        (amount(row, "net_in"), amount(row, "net_out"))
    };
    let mut total = [0; 2];
    let mut accounts = vec!["pending", "held", "available", "frozen", "payout_transit"];
    let bill = format!("fee_receivable:{id}");
    accounts.extend(town.balances[day].contains_key(&bill).then_some("fee_receivable"));
    for account in accounts {
        let name =
            if account == "fee_receivable" { bill.clone() } else { format!("merchant:{id}:{account}") };
        let should = town.balances[day].get(&name).copied().unwrap_or_default();
        let of_day = || town.entries_of(id).filter(|entry| entry.at.0 == day);
        let came: i64 = of_day().filter(|entry| entry.to == name).map(|entry| entry.amount).sum();
        let went: i64 = of_day().filter(|entry| entry.from == name).map(|entry| entry.amount).sum();
        let (opening, closing) = (row("opening", account), row("closing", account));
        let found = [opening.0 - opening.1, came, went, closing.0 - closing.1];
        assert_eq!(found, should, "{name}");
        assert_eq!(row("movement", account), (came, went), "{name}");
        assert_eq!(found[0] + came - went, found[3], "{name}");
        if account != "fee_receivable" {
            total = [total[0] + found[0], total[1] + found[3]];
        }
        let line = txt.split("\r\n").find(|line| line.starts_with(&format!("A|CNY|{account}|"))).unwrap();
        let figures: Vec<i64> = line.split('|').skip(3).map(|text| money::parse(text, 2).unwrap()).collect();
        assert_eq!(figures, [opening.0, opening.1, came, went, closing.0, closing.1], "{name}");
    }
    let (opening, moved, closing) =
        (row("opening", "total"), row("movement", "total"), row("closing", "total"));
    assert_eq!([opening.0, closing.0], total, "{id}");
    assert_eq!(opening.0 + moved.0 - moved.1, closing.0, "{id}");
}

/// Every statement of a day, and the trial balance by what stands in them.
fn check_statements(store: &Store, town: &Town, day: usize) {
    let mut seen = BTreeSet::new();
    statements::<StatementError>(store, town.days[day].date, &mut |statement| {
        let id = statement.merchant.0.to_string();
        let (csv, txt) = (written(statement, Format::Csv), written(statement, Format::Txt));
        let (rows, txt) = (sheet(&csv), String::from_utf8(txt).unwrap());
        check_lines(town, day, &id, &rows, &txt);
        check_accounts(town, day, &id, &rows, &txt);
        seen.insert(id);
        Ok(())
    })
    .unwrap();
    for (name, [opening, came, went, closing]) in &town.balances[day] {
        let Some(id) = owner(name) else { continue };
        if !seen.contains(id) {
            assert_eq!((opening, *came, *went), (closing, 0, 0), "{name} moved and has no statement");
        }
    }
    // The trial balance is the sum of what the statements were compared with.
    for line in &town.days[day].currencies[0].accounts {
        let mut sum = (0, 0);
        for (name, [opening, _, _, closing]) in &town.balances[day] {
            let is_in = match line.account.strip_prefix("merchants:") {
                Some("accrued") => name.starts_with("accrued:"),
                Some("fee_receivable") => name.starts_with("fee_receivable:"),
                Some(own) => name.starts_with("merchant:") && name.ends_with(&format!(":{own}")),
                None => *name == line.account,
            };
            sum = if is_in { (sum.0 + opening, sum.1 + closing) } else { sum };
        }
        assert_eq!(sum, (line.opening_minor, line.closing_minor), "{}", line.account);
    }
}

/// The flow that an entry is to a merchant's pending, by subject and reversal.
fn flow(entry: &Entry, is_in: bool) -> &'static str {
    match (entry.subject, entry.reversal) {
        (62, false) => "gross",
        (62, true) => "gross_back",
        (70, false) => "refunds",
        (70, true) => "refunds_failed",
        (63 | 67, false) | (73, true) => "fees",
        (63 | 67, true) | (73, false) => "fees_returned",
        (66, false) | (76, true) => "discounts",
        (66, true) | (76, false) => "discounts_back",
        (80, _) => "releases",
        (97, _) if is_in => "adjustments_in",
        (97, _) => "adjustments_out",
        _ if is_in => "other_in",
        _ => "other_out",
    }
}

/// A merchant's file of a batch against its pending, walked through from the first day on.
fn check_merchant(town: &Town, batch: &str, id: &str, rows: &[BTreeMap<String, String>]) {
    let pending = format!("merchant:{id}:pending");
    let touches = |entry: &&Entry| (entry.from == pending) != (entry.to == pending);
    let (mut balance, mut opening, mut before) = (0, 0, None);
    let mut flows: BTreeMap<usize, BTreeMap<&'static str, i64>> = BTreeMap::new();
    let mut settled = 0;
    for entry in town.entries_of(id).filter(touches) {
        let is_in = entry.to == pending;
        balance += if is_in { entry.amount } else { -entry.amount };
        let day = flows.entry(entry.at.0).or_default();
        if entry.subject != 85 {
            *day.entry(flow(entry, is_in)).or_default() += entry.amount;
        } else if entry.reference == batch {
            settled = entry.amount;
            break;
        } else {
            flows.clear();
            (opening, before) = (balance, Some(town.days[entry.at.0].date.to_string()));
        }
    }
    let find = |kind: &str| rows.iter().find(|row| row["row"] == kind).unwrap();
    assert_eq!(amount(find("opening"), "pending"), opening, "{batch} {id}");
    assert_eq!(find("opening")["date"], before.unwrap_or_default(), "{batch} {id}");
    assert_eq!(amount(find("closing"), "pending"), balance, "{batch} {id}");
    assert_eq!(amount(find("total"), "settled"), settled, "{batch} {id}");
    let days: Vec<_> = rows.iter().filter(|row| row["row"] == "day").collect();
    assert_eq!(days.len(), flows.len(), "{batch} {id}: {days:?} {flows:?}");
    let mut running = opening;
    for (row, (day, flows)) in days.into_iter().zip(&flows) {
        assert_eq!(row["date"], town.days[*day].date.to_string());
        let names = row.keys().filter(|name| flow_names().contains(&name.as_str()));
        for name in names {
            assert_eq!(
                amount(row, name),
                flows.get(name.as_str()).copied().unwrap_or_default(),
                "{id} {name}"
            );
        }
        running += amount(row, "net_in") - amount(row, "net_out") - amount(row, "settled");
        assert_eq!(amount(row, "pending"), running, "{batch} {id}");
        let end = town.balances[*day].get(&pending).map_or(0, |balance| balance[3]);
        assert!(running == end || running == balance, "{batch} {id}: {running} at the end of {row:?}");
        let part: Vec<i64> =
            ["from_position", "to_position"].iter().map(|name| row[*name].parse().unwrap()).collect();
        assert!(part[0] <= part[1]);
    }
    assert_eq!(running, balance, "{batch} {id}");
}

fn flow_names() -> [&'static str; 13] {
    [
        "gross",
        "gross_back",
        "refunds",
        "refunds_failed",
        "fees",
        "fees_returned",
        "discounts",
        "discounts_back",
        "releases",
        "adjustments_in",
        "adjustments_out",
        "other_in",
        "other_out",
    ]
}

/// Bank file, settlements and entries of each batch, and each merchant's file.
fn check_batches(store: &Store, town: &Town) {
    let batches: BTreeSet<&String> = town.settlements.iter().map(|(batch, ..)| batch).collect();
    assert!(!batches.is_empty());
    for batch in batches {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        assert!(settled(store, batch.parse().unwrap()).unwrap().write(&out).unwrap());
        let bank = sheet(&fs::read(out.join("bank.csv")).unwrap());
        let paid: BTreeMap<String, i64> = bank
            .iter()
            .filter(|row| row["row"] == "pay")
            .map(|row| (row["merchant_id"].clone(), amount(row, "amount")))
            .collect();
        let own = town.settlements.iter().filter(|(number, ..)| number == batch);
        assert_eq!(paid, own.map(|(_, id, amount, _)| (id.clone(), *amount)).collect(), "{batch}");
        let of_batch = |entry: &&Entry| entry.subject == 85 && entry.reference == *batch;
        let booked = town.entries.iter().filter(of_batch).map(|entry| (entry.merchant.clone(), entry.amount));
        assert_eq!(paid, booked.collect(), "{batch}");
        let total = bank.iter().find(|row| row["row"] == "total").unwrap();
        assert_eq!(amount(total, "amount"), paid.values().sum::<i64>());
        assert_eq!(total["count"], paid.len().to_string());
        for id in paid.keys() {
            check_merchant(
                town,
                batch,
                id,
                &sheet(&fs::read(out.join(format!("merchant-{id}.csv"))).unwrap()),
            );
        }
    }
}

/// What an entry is in the month's fees of an account.
fn item(account: &str, entry: &Entry) -> Option<&'static str> {
    let kind = account.split(':').next().unwrap();
    let by = |forward, back| Some(if entry.reversal { back } else { forward });
    match (kind, entry.subject) {
        ("fee_receivable", 63 | 67) => by("fees", "fees_returned"),
        ("fee_receivable", 73) => by("fees_returned", "fees"),
        ("accrued", 83) => by("commissions", "commissions_returned"),
        ("platform", 63) | ("operator", 63 | 64 | 67) => by("fees", "fees_returned"),
        ("platform", 73) | ("operator", 72 | 73) => by("fees_returned", "fees"),
        ("platform", 64) => by("passed_on", "passed_back"),
        ("platform", 72) => by("passed_back", "passed_on"),
        ("operator", 65) => by("cost", "cost_returned"),
        ("operator", 75) => by("cost_returned", "cost"),
        ("operator" | "platform", 66) => by("discounts", "discounts_returned"),
        ("operator" | "platform", 76) => by("discounts_returned", "discounts"),
        _ => None,
    }
}

fn check_fees(store: &Store, town: &Town) {
    let month: Month = "2018-08".parse().unwrap();
    let mut bytes = Vec::new();
    write_csv(&month_fees(store, month, true).unwrap(), &mut bytes).unwrap();
    let rows = sheet(&bytes);
    let in_month = town.days.iter().filter(|day| month.has(day.date)).count();
    let mut expected: BTreeMap<(String, String), BTreeMap<&'static str, i64>> = BTreeMap::new();
    for entry in town.entries.iter().filter(|entry| entry.at.0 < in_month) {
        for account in [&entry.from, &entry.to] {
            let Some(name) = item(account, entry) else { continue };
            let (kind, id) = account.split_once(':').unwrap_or((account, ""));
            let mut add = |kind: &str, id: &str| {
                let row = expected.entry((kind.to_owned(), id.to_owned())).or_default();
                *row.entry(name).or_default() += entry.amount;
            };
            match kind {
                "fee_receivable" => add("gross_merchant", id),
                "accrued" => add("promoter", id),
                "operator" => {
                    let order = (entry.merchant.clone(), entry.order_no.clone());
                    add("channel", &town.channels[&order]);
                    add("operator", "");
                }
                kind => add(kind, id),
            }
        }
    }
    let names = [
        "fees",
        "fees_returned",
        "passed_on",
        "passed_back",
        "cost",
        "cost_returned",
        "discounts",
        "discounts_returned",
        "commissions",
        "commissions_returned",
    ];
    for row in rows.iter().filter(|row| row["row"] != "total") {
        let key = (row["row"].clone(), row["id"].clone());
        let should = expected.remove(&key).unwrap_or_default();
        for name in names {
            assert_eq!(amount(row, name), should.get(name).copied().unwrap_or_default(), "{key:?} {name}");
        }
        let account = match key.0.as_str() {
            "gross_merchant" => format!("fee_receivable:{}", key.1),
            "promoter" => format!("accrued:{}", key.1),
            "platform" => format!("platform:{}", key.1),
            "operator" => "operator".to_owned(),
            _ => continue,
        };
        let end = |day: usize, figure| town.balances[day].get(&account).map_or(0, |balance| balance[figure]);
        assert_eq!(amount(row, "opening") - amount(row, "opening_below"), end(0, 0), "{account}");
        assert_eq!(amount(row, "closing") - amount(row, "closing_below"), end(in_month - 1, 3), "{account}");
    }
    assert!(expected.is_empty(), "these are in no row: {expected:?}");
    for kind in ["gross_merchant", "promoter", "platform", "channel", "operator"] {
        let total = rows.iter().find(|row| row["row"] == "total" && row["id"] == kind).unwrap();
        for name in names {
            let sum: i64 = rows.iter().filter(|row| row["row"] == kind).map(|row| amount(row, name)).sum();
            assert_eq!(amount(total, name), sum, "{kind} {name}");
        }
    }
}

fn check(plan: &Plan) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let days = rehearsal::play(&store, plan).unwrap().days;
    let town = read_town(&store, days);
    (0..town.days.len()).for_each(|day| check_statements(&store, &town, day));
    check_batches(&store, &town);
    check_fees(&store, &town);
}

#[test]
fn everything_agrees_on_every_day_of_small_towns() {
    let seeds = std::env::var("SUANPAN_AGREEMENT_SEEDS").map_or(6, |seeds| seeds.parse().unwrap());
    for seed in 1..=seeds {
        let mut rng = fastrand::Rng::with_seed(seed);
        let plan = Plan {
            seed,
            merchants: rng.u64(30..=60),
            days: rng.u32(3..=4),
            payments: rng.u32(150..=500),
            shards: rng.u16(1..=3),
            ..Plan::default()
        };
        println!("{plan:?}");
        check(&plan);
    }
}

#[test]
fn everything_agrees_in_a_town_of_a_thousand() {
    check(&Plan { payments: 3_000, ..Plan::default() });
}
