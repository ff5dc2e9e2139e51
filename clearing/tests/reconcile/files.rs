//! Runs that read files as a channel and a bank send them.

use std::path::Path;

use jiff::tz::TimeZone;

use suanpan_clearing::bill::{BillRow, Expected, Format, read, read_bank};
use suanpan_clearing::reconcile::batch::InputFile;
use suanpan_clearing::reconcile::funds::{BankFilter, BankSums};
use suanpan_clearing::reconcile::run::Bank;
use suanpan_clearing::reconcile::{Class, Input, ReconcileError, Run, reconcile};

use crate::days::told;
use crate::town::{CHANNEL, Ledger, Ours, Town};

const BILL: &str = "time,kind,state,merchant_id,order_no,channel_txn,refund_no,channel_refund_no,amount,fee,currency\n\
2018-08-26 12:00:00,payment,succeeded,1,A1,T-1-A1,,,100.00,0.60,CNY\n\
2018-08-26 12:00:01,payment,succeeded,2,A2,T-2-A2,,,50.00,0.30,CNY\n\
2018-08-26 12:00:02,refund,succeeded,1,A1,T-1-A1,R1,C-1-R1,33.00,-0.20,CNY\n\
total,CNY,3,2,150.00,1,33.00,0.70\n";

fn run(town: &Town, bill: &Path, bank: Option<Bank>) -> Result<Run, ReconcileError> {
    let ours = [
        Ours::payment(26, 1, "A1", 10_000),
        Ours::payment(26, 2, "A2", 5_000),
        Ours::refund(26, 1, "A1", "R1", 3_300),
    ];
    let (manifest, timezone) = (Town::manifest(26), TimeZone::get("Asia/Shanghai").unwrap());
    let files = [bill.to_owned()];
    let mut read = |each: &mut dyn FnMut(&BillRow<'_>)| {
        let expected = Expected { date: manifest.date, account: None, timezone: &timezone };
        read(Format::Generic, &files, &expected, &|_| {}, each)
    };
    let input = Input { channel: CHANNEL, files: vec![InputFile::of(bill).unwrap()], bill: &mut read, bank };
    reconcile(&town.store, &manifest, &Ledger::of(&ours), input, &town.options, &mut |_, _| {})
}

#[test]
fn a_bill_and_a_statement_from_their_files() {
    let (town, folder) = (Town::new(), tempfile::tempdir().unwrap());
    let (bill, statement) = (folder.path().join("bill.csv"), folder.path().join("bank.csv"));
    std::fs::write(&bill, BILL).unwrap();
    let lines = "date,account,reference,amount,currency,direction\n2018-08-27,62,wechat,116.30,CNY,credit\n";
    std::fs::write(&statement, lines).unwrap();
    let mut sums = BankSums::default();
    read_bank(std::slice::from_ref(&statement), &|_| {}, &mut |row| sums.add(row)).unwrap();
    let files = vec![InputFile::of(&statement).unwrap()];
    let run = run(&town, &bill, Some(Bank { files, filter: BankFilter::default(), sums })).unwrap();
    assert_eq!(told(&run), []);
    assert_eq!(run.batch.funds.as_ref().unwrap()[0].class, Class::Matched);
    assert_eq!(run.batch.files[0].name, "bill.csv");
    assert_eq!(run.batch.files[0].bytes, BILL.len() as u64);
}

#[test]
fn an_unsound_bill_leaves_nothing() {
    let (town, folder) = (Town::new(), tempfile::tempdir().unwrap());
    let bill = folder.path().join("bill.csv");
    let cut_short = &BILL[..BILL.len() - 10];
    for unsound in
        [BILL.replace("150.00", "150.01"), cut_short.to_owned(), BILL.replace("-26 12:00:01", "-25 12:00:01")]
    {
        std::fs::write(&bill, &unsound).unwrap();
        let failed = run(&town, &bill, None).unwrap_err();
        assert!(matches!(failed, ReconcileError::Bill(_)), "{failed}");
        assert!(failed.to_string().contains("bill.csv"), "{failed}");
        assert_eq!(town.store.list("reconciliation").unwrap(), []);
    }
}
