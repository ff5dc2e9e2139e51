//! A line of a statement: what one voucher did to one merchant.

use suanpan_core::{Account, Currency, Entry, MerchantId, Number, Subject, Timestamp};

use crate::group::{Group, GroupPlace};

/// What happened, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A payment, prepaid or not; one that was advanced (D+0) has the advance fee in its fee.
    Payment,
    /// A payment for an order that was closed: it is in suspense, and not the merchant's yet.
    LatePayment,
    /// Such a payment became one after all.
    Reinstated,
    /// A payment was taken back on its own day.
    Void,
    /// A void failed: the payment is booked again.
    VoidFailed,
    /// Money given back.
    Refund,
    /// A refund failed: its money came back.
    RefundFailed,
    /// Held money became pending.
    Release,
    /// All of a released order went to promoters.
    Commission,
    /// A part of an order went to receivers; with `finish`, the rest was released.
    Split,
    /// A receiver gave a part back.
    SplitReturn,
    /// Pending became available.
    Settlement,
    /// What was earned from other merchants' orders became available.
    Sweep,
    /// On its way to the merchant's bank.
    Payout,
    /// It arrived there.
    PayoutSucceeded,
    /// It came back.
    PayoutFailed,
    /// Taken out of available.
    Freeze,
    /// And put back.
    Unfreeze,
    /// Paid in.
    TopUp,
    /// To another merchant, or from one.
    Transfer,
    /// By hand, with two approvers.
    Adjustment,
    /// Of a subject that this version does not know.
    Other,
}

impl Kind {
    /// As it stands in a statement.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::LatePayment => "late_payment",
            Self::Reinstated => "reinstated",
            Self::Void => "void",
            Self::VoidFailed => "void_failed",
            Self::Refund => "refund",
            Self::RefundFailed => "refund_failed",
            Self::Release => "release",
            Self::Commission => "commission",
            Self::Split => "split",
            Self::SplitReturn => "split_return",
            Self::Settlement => "settlement",
            Self::Sweep => "sweep",
            Self::Payout => "payout",
            Self::PayoutSucceeded => "payout_succeeded",
            Self::PayoutFailed => "payout_failed",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::TopUp => "top_up",
            Self::Transfer => "transfer",
            Self::Adjustment => "adjustment",
            Self::Other => "other",
        }
    }

    /// What a group is.
    #[must_use]
    pub fn of(group: &Group) -> Self {
        let all = &group.entries;
        let find = |subject| all.iter().find(|entry| entry.subject == subject);
        let reversed = |entry: &Entry| entry.reversal;
        if group.voucher.refund_no.is_some() {
            return if all.iter().any(reversed) { Self::RefundFailed } else { Self::Refund };
        }
        if let Some(cash) = find(Subject::CASH_IN) {
            return match (cash.from, cash.to) {
                (_, Account::Suspense) => Self::LatePayment,
                (Account::Suspense, _) => Self::Reinstated,
                _ if cash.reversal => Self::Void,
                // Only voids of what has entry 60 have a number of their own.
                _ if group.voucher.reference.is_some() => Self::VoidFailed,
                _ => Self::Payment,
            };
        }
        // A split that finishes has commissions and a release behind it, a release its commissions before it.
        let simple = [
            (Subject::SPLIT, Self::Split),
            (Subject::SPLIT_RETURN, Self::SplitReturn),
            (Subject::RELEASE, Self::Release),
            (Subject::COMMISSION, Self::Commission),
            (Subject::SETTLEMENT, Self::Settlement),
            (Subject::SWEEP, Self::Sweep),
            (Subject::PAYOUT, Self::Payout),
            (Subject::FREEZE, Self::Freeze),
            (Subject::UNFREEZE, Self::Unfreeze),
            (Subject::TOP_UP, Self::TopUp),
            (Subject::TRANSFER, Self::Transfer),
            (Subject::ADJUSTMENT, Self::Adjustment),
        ];
        match (find(Subject::PAYOUT_RESULT), simple.into_iter().find(|(subject, _)| find(*subject).is_some()))
        {
            (Some(result), _) if result.reversal => Self::PayoutFailed,
            (Some(_), _) => Self::PayoutSucceeded,
            (None, Some((_, kind))) => kind,
            (None, None) => Self::Other,
        }
    }
}

/// The columns of amounts. Each is positive; which side an amount stands on follows from who paid, never from a sign or a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// Cash and discounts of others that came in (62, 66).
    Gross,
    /// The same taken back by voids.
    Voided,
    /// Cash and discounts given back (70, 76).
    Refunded,
    /// The same come back since refunds failed.
    RefundFailed,
    /// Fees taken out of the merchant's money (63, 67, and 73 of a refund that failed).
    Fee,
    /// Fees given back (73, and 63 of a void).
    FeeReturned,
    /// Whatever else came in: split returns, sweeps, top-ups, transfers, adjustments.
    OtherIn,
    /// Whatever else went out: splits, commissions, paid-out money, transfers, adjustments.
    OtherOut,
    /// Between the merchant's own accounts: settlements, releases, payouts on their way, freezes.
    Moved,
    /// Onto the bill of fees (gross mode): no part of net.
    Billed,
    /// Off that bill.
    Credited,
}

/// How many columns of amounts there are.
pub const COLUMNS: usize = 11;

impl Column {
    /// All of them, in their order in a file; `net_in` and `net_out` stand before [`Column::Moved`].
    pub const ALL: [Self; COLUMNS] = [
        Self::Gross,
        Self::Voided,
        Self::Refunded,
        Self::RefundFailed,
        Self::Fee,
        Self::FeeReturned,
        Self::OtherIn,
        Self::OtherOut,
        Self::Moved,
        Self::Billed,
        Self::Credited,
    ];

    /// What adds to net.
    pub const IN: [Self; 4] = [Self::Gross, Self::RefundFailed, Self::FeeReturned, Self::OtherIn];

    /// What takes from it.
    pub const OUT: [Self; 4] = [Self::Voided, Self::Refunded, Self::Fee, Self::OtherOut];

    /// The column of what came into a merchant's accounts from elsewhere.
    fn coming(subject: Subject) -> Self {
        match subject {
            Subject::CASH_TO_MERCHANT | Subject::DISCOUNT => Self::Gross,
            Subject::REFUND | Subject::DISCOUNT_BACK => Self::RefundFailed,
            Subject::FEES | Subject::ADVANCE_FEE | Subject::FEES_BACK => Self::FeeReturned,
            _ => Self::OtherIn,
        }
    }

    /// The column of what went out of them.
    fn going(subject: Subject) -> Self {
        match subject {
            Subject::CASH_TO_MERCHANT | Subject::DISCOUNT => Self::Voided,
            Subject::REFUND | Subject::DISCOUNT_BACK => Self::Refunded,
            Subject::FEES | Subject::ADVANCE_FEE | Subject::FEES_BACK => Self::Fee,
            _ => Self::OtherOut,
        }
    }
}

/// The merchant whose own account or bill of fees it is.
#[must_use]
pub(super) fn owner(account: Account) -> Option<MerchantId> {
    match account {
        Account::Merchant(id, _) | Account::FeeReceivable(id) => Some(id),
        _ => None,
    }
}

/// A line; see the file's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Where in the log its voucher is: its entries are those of the same place.
    pub place: GroupPlace,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// What it was.
    pub kind: Kind,
    /// The order, if it is one's.
    pub order_no: Option<Number>,
    /// The refund, if it is one's.
    pub refund_no: Option<Number>,
    /// The void, split, payout, batch or whatever else has a number.
    pub reference: Option<Number>,
    /// Of the amounts.
    pub currency: Currency,
    amounts: [u64; COLUMNS],
}

impl Line {
    /// What a group did to a merchant; `None` when that is more than 64 bits hold.
    #[must_use]
    pub fn of(group: &Group, merchant: MerchantId, kind: Kind) -> Option<Self> {
        let voucher = &group.voucher;
        let mut line = Self {
            place: group.place,
            decided_at: group.decided_at,
            kind,
            order_no: voucher.order_no,
            refund_no: voucher.refund_no,
            reference: voucher.reference,
            currency: group.entries.first().map_or(Currency::default(), |entry| entry.currency),
            amounts: [0; COLUMNS],
        };
        group.entries.iter().try_for_each(|entry| line.count(entry, merchant)).map(|()| line)
    }

    fn count(&mut self, entry: &Entry, merchant: MerchantId) -> Option<()> {
        let is_own = |account| matches!(account, Account::Merchant(id, _) if id == merchant);
        let is_bill = |account| account == Account::FeeReceivable(merchant);
        let mut add = |column: Column| {
            let amount = &mut self.amounts[column as usize];
            *amount = amount.checked_add(entry.amount)?;
            Some(())
        };
        match (is_own(entry.from), is_own(entry.to)) {
            (true, true) => add(Column::Moved)?,
            (true, false) => add(Column::going(entry.subject))?,
            (false, true) => add(Column::coming(entry.subject))?,
            (false, false) => {}
        }
        if is_bill(entry.from) {
            add(Column::Billed)?;
        }
        if is_bill(entry.to) {
            add(Column::Credited)?;
        }
        Some(())
    }

    /// The amount in a column, minor units.
    #[must_use]
    pub fn amount(&self, column: Column) -> u64 {
        self.amounts[column as usize]
    }
}

/// Sums of columns, minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums([i128; COLUMNS]);

impl Sums {
    /// Those of one line.
    #[must_use]
    pub fn of(line: &Line) -> Self {
        Self(line.amounts.map(i128::from))
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, amount)| *sum += amount);
    }

    /// One column's.
    #[must_use]
    pub fn amount(&self, column: Column) -> i128 {
        self.0[column as usize]
    }

    /// What they do to the merchant's own accounts together; below zero when money went out.
    #[must_use]
    pub fn net(&self) -> i128 {
        let sum = |columns: [Column; 4]| columns.map(|column| self.amount(column)).iter().sum::<i128>();
        sum(Column::IN) - sum(Column::OUT)
    }
}

#[cfg(test)]
mod tests {
    use suanpan_core::{ChannelId, Date, MerchantAccount, Voucher};

    use super::*;

    const SHOP: MerchantId = MerchantId(1_001);
    const OWN: fn(MerchantAccount) -> Account = |account| Account::Merchant(SHOP, account);

    fn group(entries: &[(u8, Account, Account, u64, bool)]) -> Group {
        let entry = |&(subject, from, to, amount, reversal): &(u8, Account, Account, u64, bool)| {
            let (subject, currency) = (Subject(subject), Currency(*b"CNY"));
            Entry { subject, from, to, amount, currency, reversal }
        };
        let voucher = Voucher {
            merchant: Some(SHOP),
            order_no: "A1".parse().ok(),
            refund_no: None,
            reference: None,
            accounting_date: Date(17_769),
        };
        let place = GroupPlace { position: 64, index: 0, group: 0 };
        Group { place, decided_at: Timestamp(0), voucher, entries: entries.iter().map(entry).collect() }
    }

    #[test]
    fn amounts_stand_where_the_money_went() {
        let pending = OWN(MerchantAccount::Pending);
        let (channel, operator) = (Account::Channel(ChannelId(0)), Account::Operator);
        let paid = [
            (60, channel, operator, 10_000, false),
            (62, operator, pending, 10_000, false),
            (63, pending, operator, 60, false),
            (66, operator, pending, 500, false),
        ];
        let payment = group(&paid);
        assert_eq!(Kind::of(&payment), Kind::Payment);
        let line = Line::of(&payment, SHOP, Kind::Payment).unwrap();
        assert_eq!((line.amount(Column::Gross), line.amount(Column::Fee)), (10_500, 60));
        assert_eq!(Sums::of(&line).net(), 10_440);
        let void = group(&paid.map(|(subject, from, to, amount, _)| (subject, to, from, amount, true)));
        assert_eq!(Kind::of(&void), Kind::Void);
        let back = Line::of(&void, SHOP, Kind::Void).unwrap();
        assert_eq!((back.amount(Column::Voided), back.amount(Column::FeeReturned)), (10_500, 60));
        assert_eq!(Sums::of(&back).net(), -10_440);
        let other = Line::of(&payment, MerchantId(1_002), Kind::Payment).unwrap();
        assert_eq!(Sums::of(&other), Sums::default(), "nothing of it is another's");
    }

    #[test]
    fn a_bill_of_fees_is_no_part_of_net() {
        let pending = OWN(MerchantAccount::Pending);
        let bill = Account::FeeReceivable(SHOP);
        let line = |entries: &[_]| Line::of(&group(entries), SHOP, Kind::Other).unwrap();
        let charged = line(&[(63, bill, Account::Operator, 60, false)]);
        assert_eq!((charged.amount(Column::Billed), charged.amount(Column::Fee)), (60, 0));
        let paid = line(&[(97, pending, bill, 60, false)]);
        assert_eq!((paid.amount(Column::Credited), paid.amount(Column::OtherOut)), (60, 60));
        assert_eq!(Sums::of(&paid).net(), -60);
    }

    #[test]
    fn what_is_moved_between_own_accounts_is_no_net() {
        let (pending, available) = (OWN(MerchantAccount::Pending), OWN(MerchantAccount::Available));
        let settled = group(&[(85, pending, available, 700, false)]);
        assert_eq!(Kind::of(&settled), Kind::Settlement);
        let line = Line::of(&settled, SHOP, Kind::Settlement).unwrap();
        assert_eq!((line.amount(Column::Moved), Sums::of(&line).net()), (700, 0));
        let too_much = group(&[(95, Account::Bank, available, u64::MAX, false); 2]);
        assert_eq!(Line::of(&too_much, SHOP, Kind::TopUp), None);
    }
}
