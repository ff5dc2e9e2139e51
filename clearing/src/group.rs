//! The entries of a day as they were booked: group by group, each with its voucher and its place in the log.
//!
//! A group is one command's, or one sweep's owner's. Its rows stand together in the file of its voucher's shard; what a text in them
//! means is known here and nowhere else.

use suanpan_core::{
    Account, ChannelId, Currency, Date, Entry, MerchantAccount, MerchantId, Number, Subject, Timestamp,
    Voucher,
};

use crate::manifest::{DayError, Manifest};
use crate::parquet_file::ReadRows;
use crate::store::Store;
use crate::table::{Table, entries};

/// Where in the log a group is. It never changes, and leads from any figure back to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GroupPlace {
    /// Where its record begins.
    pub position: i64,
    /// Which command of it.
    pub index: i32,
    /// Which group of that.
    pub group: i32,
}

impl std::fmt::Display for GroupPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.position, self.index, self.group)
    }
}

/// What one command booked on one voucher.
#[derive(Debug, Clone)]
pub struct Group {
    /// Where in the log.
    pub place: GroupPlace,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// What it is about.
    pub voucher: Voucher,
    /// Its entries, in the order of their booking.
    pub entries: Vec<Entry>,
}

/// The columns that groups are made of.
const COLUMNS: [usize; 14] = [
    entries::LOG_POSITION,
    entries::LOG_INDEX,
    entries::GROUP_NO,
    entries::DECIDED_AT,
    entries::MERCHANT_ID,
    entries::SUBJECT,
    entries::FROM_ACCOUNT,
    entries::TO_ACCOUNT,
    entries::AMOUNT,
    entries::CURRENCY,
    entries::ORDER_NO,
    entries::REFUND_NO,
    entries::REFERENCE,
    entries::REVERSAL,
];

/// What the texts of one day mean. A channel's id is its place in the manifest.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    date: Date,
    day: &'a Manifest,
}

impl<'a> Names<'a> {
    /// Those of a day.
    #[must_use]
    pub fn of(day: &'a Manifest) -> Self {
        Self { date: day.date, day }
    }

    fn wrong(&self, what: String) -> DayError {
        DayError::Unproved { date: self.date, what }
    }

    /// The account of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn account(&self, name: &str) -> Result<Account, DayError> {
        self.find(name).ok_or_else(|| self.wrong(format!("there is no account {name:?}")))
    }

    fn find(&self, name: &str) -> Option<Account> {
        let Some((kind, rest)) = name.split_once(':') else {
            return match name {
                "operator" => Some(Account::Operator),
                "suspense" => Some(Account::Suspense),
                "in_transit" => Some(Account::InTransit),
                _ => None,
            };
        };
        match kind {
            "merchant" => {
                let (id, own) = rest.split_once(':')?;
                let own = MerchantAccount::ALL.into_iter().find(|account| account.name() == own)?;
                Some(Account::Merchant(merchant_id(id)?, own))
            }
            "channel" if rest == "(bank)" => Some(Account::Bank),
            "channel" => {
                let at = self.day.channels.iter().position(|channel| channel.name == rest)?;
                Some(Account::Channel(ChannelId(u16::try_from(at).ok()?)))
            }
            "accrued" => merchant_id(rest).map(Account::Accrued),
            "platform" => merchant_id(rest).map(Account::Platform),
            "fee_receivable" => merchant_id(rest).map(Account::FeeReceivable),
            _ => None,
        }
    }

    /// An account's name.
    #[must_use]
    pub fn name(&self, account: Account) -> String {
        match account {
            Account::Channel(id) => account.name(self.channel(id)),
            account => account.name(""),
        }
    }

    /// A channel's name.
    #[must_use]
    pub fn channel(&self, id: ChannelId) -> &'a str {
        self.day.channels.get(usize::from(id.0)).map_or("?", |channel| &channel.name)
    }

    /// The merchant of that id.
    ///
    /// # Errors
    /// When it is none.
    pub fn merchant(&self, id: &str) -> Result<MerchantId, DayError> {
        merchant_id(id).ok_or_else(|| self.wrong(format!("{id:?} is no merchant's id")))
    }

    /// The currency of that code.
    ///
    /// # Errors
    /// When it is none.
    pub fn currency(&self, code: &str) -> Result<Currency, DayError> {
        let letters = <[u8; 3]>::try_from(code.as_bytes()).ok();
        let letters = letters.filter(|letters| letters.iter().all(u8::is_ascii_uppercase));
        letters.map(Currency).ok_or_else(|| self.wrong(format!("{code:?} is no currency")))
    }

    /// An amount, which is never below zero.
    ///
    /// # Errors
    /// When it is.
    pub fn amount(&self, minor: i64) -> Result<u64, DayError> {
        u64::try_from(minor).map_err(|_| self.wrong(format!("{minor} is no amount")))
    }

    fn number(&self, text: Option<&str>) -> Result<Option<Number>, DayError> {
        let number =
            |text: &str| text.parse().map_err(|error| self.wrong(format!("the number {text:?} {error}")));
        text.map(number).transpose()
    }

    fn voucher(&self, rows: &ReadRows, row: usize) -> Result<Voucher, DayError> {
        let merchant = rows.text_or_null(entries::MERCHANT_ID, row);
        Ok(Voucher {
            merchant: merchant.map(|id| self.merchant(id)).transpose()?,
            order_no: self.number(rows.text_or_null(entries::ORDER_NO, row))?,
            refund_no: self.number(rows.text_or_null(entries::REFUND_NO, row))?,
            reference: self.number(rows.text_or_null(entries::REFERENCE, row))?,
            accounting_date: self.date,
        })
    }

    fn entry(&self, rows: &ReadRows, row: usize) -> Result<Entry, DayError> {
        let subject = rows.int(entries::SUBJECT, row);
        let subject = u8::try_from(subject).map_err(|_| self.wrong(format!("{subject} is no subject")))?;
        Ok(Entry {
            subject: Subject(subject),
            from: self.account(rows.text(entries::FROM_ACCOUNT, row))?,
            to: self.account(rows.text(entries::TO_ACCOUNT, row))?,
            amount: self.amount(rows.long(entries::AMOUNT, row))?,
            currency: self.currency(rows.text(entries::CURRENCY, row))?,
            reversal: rows.flag(entries::REVERSAL, row),
        })
    }
}

/// A merchant's id from its digits.
#[must_use]
pub fn merchant_id(text: &str) -> Option<MerchantId> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let id = MerchantId(text.parse().ok().filter(|_| is_plain)?);
    id.is_valid().then_some(id)
}

/// Reads the groups of a day, those of one shard after those of another, in the order of the log within each.
///
/// # Errors
/// When a file is not what it should be, and whatever `each` says.
pub fn read_groups<E: From<DayError>>(
    store: &Store,
    day: &Manifest,
    each: &mut dyn FnMut(&Group) -> Result<(), E>,
) -> Result<(), E> {
    let names = Names::of(day);
    for file in day.files_of(Table::Entries) {
        let mut open: Option<Group> = None;
        crate::manifest::read_file(store, file, Table::Entries, &COLUMNS, &mut |rows| {
            for row in 0..rows.len() {
                let place = GroupPlace {
                    position: rows.long(entries::LOG_POSITION, row),
                    index: rows.int(entries::LOG_INDEX, row),
                    group: rows.int(entries::GROUP_NO, row),
                };
                let entry = names.entry(rows, row)?;
                if let Some(group) = open.as_mut().filter(|group| group.place == place) {
                    group.entries.push(entry);
                    continue;
                }
                let voucher = names.voucher(rows, row)?;
                let decided_at = Timestamp(rows.long(entries::DECIDED_AT, row));
                let mut spare = open.take().map_or(Ok(Vec::new()), |whole| {
                    each(&whole)?;
                    Ok::<_, E>(whole.entries)
                })?;
                spare.clear();
                spare.push(entry);
                open = Some(Group { place, decided_at, voucher, entries: spare });
            }
            Ok::<_, E>(())
        })?;
        open.iter().try_for_each(&mut *each)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{ChannelFacts, FORMAT, LogRange};

    fn day() -> Manifest {
        let channel =
            |name: &str| ChannelFacts { name: name.to_owned(), timezone: "Asia/Shanghai".to_owned() };
        Manifest {
            format: FORMAT,
            date: Date(17_769),
            next_date: Date(17_770),
            previous: None,
            log: LogRange { id: String::new(), from: 0, to: 0 },
            opened_at: None,
            cut_at: jiff::Timestamp::UNIX_EPOCH,
            shards: 1,
            channels: vec![channel("wechat"), channel("alipay")],
            files: Vec::new(),
            currencies: Vec::new(),
        }
    }

    #[test]
    fn an_account_is_read_by_the_name_that_it_has() {
        let day = day();
        let names = Names::of(&day);
        let id = MerchantId(MerchantId::MAX);
        let mut accounts = vec![Account::Operator, Account::Suspense, Account::InTransit, Account::Bank];
        accounts.extend([ChannelId(0), ChannelId(1)].map(Account::Channel));
        accounts.extend([Account::Accrued(id), Account::Platform(id), Account::FeeReceivable(id)]);
        accounts.extend(MerchantAccount::ALL.map(|own| Account::Merchant(id, own)));
        for account in accounts {
            assert_eq!(names.account(&names.name(account)).unwrap(), account);
        }
        for name in
            ["", "operators", "channel:jd", "merchant:1", "merchant:01:held", "merchant:1:owed", "accrued:0"]
        {
            assert!(matches!(names.account(name), Err(DayError::Unproved { .. })), "{name}");
        }
    }

    #[test]
    fn what_is_no_id_code_or_amount_is_refused() {
        let day = day();
        let names = Names::of(&day);
        for id in ["", "0", "01", "+1", "../1", "10000000000000000000", "1 "] {
            assert_eq!(merchant_id(id), None, "{id}");
        }
        assert!(names.currency("cny").is_err() && names.currency("CNYX").is_err());
        assert!(names.amount(-1).is_err() && names.amount(0).is_ok());
    }
}
