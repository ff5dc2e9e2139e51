//! Entries: who gives what to whom, and the group of them that one command books (domain.md, "Books").

use rkyv::{Archive, Deserialize, Serialize};

use crate::{Account, ChannelId, Currency, Date, Event, MerchantAccount, MerchantId, Number};

/// What an entry is for; the numbers are those of domain.md, "Books".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Archive, Serialize, Deserialize)]
pub struct Subject(pub u8);

#[expect(missing_docs, reason = "each stands in the tables of domain.md")]
impl Subject {
    pub const CASH_IN: Self = Self(60);
    pub const CASH_TO_PLATFORM: Self = Self(61);
    pub const CASH_TO_MERCHANT: Self = Self(62);
    pub const FEES: Self = Self(63);
    pub const OPERATOR_FEE: Self = Self(64);
    pub const CHANNEL_COST: Self = Self(65);
    pub const DISCOUNT: Self = Self(66);
    pub const ADVANCE_FEE: Self = Self(67);
    pub const REFUND: Self = Self(70);
    pub const REFUND_BY_PLATFORM: Self = Self(71);
    pub const OPERATOR_FEE_BACK: Self = Self(72);
    pub const FEES_BACK: Self = Self(73);
    pub const REFUND_PAYABLE: Self = Self(74);
    pub const CHANNEL_COST_BACK: Self = Self(75);
    pub const DISCOUNT_BACK: Self = Self(76);
    pub const COVER: Self = Self(77);
    pub const RELEASE: Self = Self(80);
    pub const SPLIT: Self = Self(81);
    pub const SPLIT_RETURN: Self = Self(82);
    pub const COMMISSION: Self = Self(83);
    pub const SETTLEMENT: Self = Self(85);
    pub const SWEEP: Self = Self(90);
    pub const PAYOUT: Self = Self(91);
    pub const PAYOUT_RESULT: Self = Self(92);
    pub const FREEZE: Self = Self(93);
    pub const UNFREEZE: Self = Self(94);
    pub const TOP_UP: Self = Self(95);
    pub const TRANSFER: Self = Self(96);
    pub const ADJUSTMENT: Self = Self(97);
}

/// A positive amount from a payer to a payee. A reversal swaps the two; no amount is ever negative.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What for.
    pub subject: Subject,
    /// Who gives.
    pub from: Account,
    /// Who gets.
    pub to: Account,
    /// Over 0, in minor units.
    pub amount: u64,
    /// Of the amount.
    pub currency: Currency,
    /// Whether it takes back an entry of the same subject.
    pub reversal: bool,
}

/// What the entries of one group are about (记账凭证).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Voucher {
    /// Whose; `None` for an adjustment between shared accounts.
    pub merchant: Option<MerchantId>,
    /// The order, if it is one's.
    pub order_no: Option<Number>,
    /// The refund, if it is one's.
    pub refund_no: Option<Number>,
    /// The void, split, payout, batch or whatever else has a number, if it is one's.
    pub reference: Option<Number>,
    /// The date it was booked on.
    pub accounting_date: Date,
}

/// Where booked entries go. One group is one [`EntrySink::open`] and its entries, in the order of their
/// booking; a command books one group or none.
pub trait EntrySink {
    /// Whether [`EntrySink::event`] is called: nobody who does not listen pays for an event.
    const WANTS_EVENTS: bool = false;
    /// A group begins.
    fn open(&mut self, _voucher: &Voucher) {}
    /// One entry of it.
    fn book(&mut self, entry: &Entry);
    /// Something happened; comes behind the entries of it.
    fn event(&mut self, _event: &Event) {}
}

/// Nobody looks.
impl EntrySink for () {
    #[inline]
    fn book(&mut self, _entry: &Entry) {}
}

impl EntrySink for Vec<Entry> {
    fn book(&mut self, entry: &Entry) {
        self.push(*entry);
    }
}

/// Most entries of one group: of a refund, 70 to 77 with two funders of discounts.
const GROUP_ENTRIES_MAX: usize = 9;

/// The entries of one command, before they are booked.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    entries: [Entry; GROUP_ENTRIES_MAX],
    len: usize,
    currency: Currency,
}

impl Group {
    pub(crate) fn new(currency: Currency) -> Self {
        let empty = Entry {
            subject: Subject(0),
            from: Account::Operator,
            to: Account::Operator,
            amount: 0,
            currency,
            reversal: false,
        };
        Self { entries: [empty; GROUP_ENTRIES_MAX], len: 0, currency }
    }

    /// Adds an entry, unless it moves nothing.
    #[inline]
    pub(crate) fn add(&mut self, subject: Subject, from: Account, to: Account, amount: u64) {
        if amount > 0 {
            let currency = self.currency;
            self.entries[self.len] = Entry { subject, from, to, amount, currency, reversal: false };
            self.len += 1;
        }
    }

    /// The same entries, taken back.
    pub(crate) fn reversed(mut self) -> Self {
        for entry in &mut self.entries[..self.len] {
            assert!(!entry.reversal, "a reversal is not taken back: the entries are booked again");
            std::mem::swap(&mut entry.from, &mut entry.to);
            entry.reversal = true;
        }
        self
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries[..self.len]
    }
}

/// Between whom an order's money moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parties {
    pub(crate) merchant: MerchantId,
    pub(crate) channel: ChannelId,
    pub(crate) platform: Option<MerchantId>,
    /// Which of the merchant's accounts the order's money is in.
    pub(crate) purse: MerchantAccount,
    /// Whether fees are billed instead of taken out of the purse.
    pub(crate) gross: bool,
}

impl Parties {
    pub(crate) fn purse(&self) -> Account {
        Account::Merchant(self.merchant, self.purse)
    }

    /// Who stands between the operator and the merchant: the platform, else the operator itself.
    pub(crate) fn above(&self) -> Account {
        self.platform.map_or(Account::Operator, Account::Platform)
    }

    /// Where the merchant pays fees from and gets them back.
    pub(crate) fn fees_from(&self) -> Account {
        if self.gross { Account::FeeReceivable(self.merchant) } else { self.purse() }
    }
}
