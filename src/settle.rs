//! `suanpan settle`: the files of a settlement batch, out of the cold store; no server is needed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use suanpan_clearing::money::Decimal;
use suanpan_clearing::settle::{SettleError, settled};
use suanpan_clearing::store::Store;
use suanpan_core::Number;

use crate::export::StoreArg;
use crate::output::say;
use crate::statement::exit;

/// Write the files of a settlement batch, out of the cold store.
///
/// `bank.csv` is what the bank is to pay; `merchant-ID.csv` says what a merchant's sum is made of, by accounting date, since it
/// was settled before. The bank's file, the settlements and the entries are proved to be the same first. Exits with 0, or
/// with 2 and nothing written.
#[derive(Debug, Args)]
pub(crate) struct Settle {
    #[command(flatten)]
    store: StoreArg,
    /// The batch's number
    #[arg(long, value_name = "NUMBER")]
    batch: Number,
    /// The folder to write, which must be new
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Settle {
    pub(crate) fn run(&self) -> ExitCode {
        exit(self.write())
    }

    fn write(&self) -> Result<(), SettleError> {
        let store = Store::open(&self.store.store)?;
        let batch = settled(&store, self.batch)?;
        let there = if batch.write(&self.out)? { "" } else { " (there already)" };
        let dates: Vec<String> = batch.dates.iter().map(ToString::to_string).collect();
        let (out, batch_no) = (self.out.display(), batch.batch_no);
        for (currency, (count, sum)) in batch.totals() {
            let code = String::from_utf8_lossy(&currency.0).into_owned();
            let sum = Decimal::of(sum, currency);
            say(format_args!(
                "{out}{there}: batch {batch_no} of {}, {count} merchants, {code} {sum}",
                dates.join(" and ")
            ));
        }
        Ok(())
    }
}
