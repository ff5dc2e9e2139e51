//! What moved on an account that earns or owes, by what for.

use suanpan_core::{Account, Subject};

/// What an amount was for. Each is positive; the side follows from who paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// Fees charged (63, 67; to the operator by way of a platform, 64).
    Fees,
    /// Fees given back (73, 72, and those of a void).
    FeesReturned,
    /// The operator's share of them that a platform passed on (64).
    PassedOn,
    /// The same come back to the platform (72).
    PassedBack,
    /// What channels took (65).
    Cost,
    /// And gave back (75).
    CostReturned,
    /// Discounts funded (66).
    Discounts,
    /// And got back (76).
    DiscountsReturned,
    /// Commissions earned (83).
    Commissions,
    /// And taken back.
    CommissionsReturned,
    /// Whatever else came in: cash on its way through, splits, what was paid of a bill.
    OtherIn,
    /// Whatever else went out: cash on its way through, sweeps.
    OtherOut,
}

/// How many there are.
pub const ITEMS: usize = 12;

impl Item {
    /// All of them, in their order in a file.
    pub const ALL: [Self; ITEMS] = [
        Self::Fees,
        Self::FeesReturned,
        Self::PassedOn,
        Self::PassedBack,
        Self::Cost,
        Self::CostReturned,
        Self::Discounts,
        Self::DiscountsReturned,
        Self::Commissions,
        Self::CommissionsReturned,
        Self::OtherIn,
        Self::OtherOut,
    ];

    /// Its column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fees => "fees",
            Self::FeesReturned => "fees_returned",
            Self::PassedOn => "passed_on",
            Self::PassedBack => "passed_back",
            Self::Cost => "cost",
            Self::CostReturned => "cost_returned",
            Self::Discounts => "discounts",
            Self::DiscountsReturned => "discounts_returned",
            Self::Commissions => "commissions",
            Self::CommissionsReturned => "commissions_returned",
            Self::OtherIn => "other_in",
            Self::OtherOut => "other_out",
        }
    }

    /// What it adds to the month's result, as a sign.
    const fn sign(self) -> i128 {
        match self {
            Self::Fees
            | Self::PassedBack
            | Self::CostReturned
            | Self::DiscountsReturned
            | Self::Commissions => 1,
            Self::FeesReturned
            | Self::PassedOn
            | Self::Cost
            | Self::Discounts
            | Self::CommissionsReturned => -1,
            Self::OtherIn | Self::OtherOut => 0,
        }
    }

    /// What an entry is to one of its sides; `is_in` when that side gets it.
    #[must_use]
    pub fn of(account: Account, subject: Subject, is_in: bool) -> Self {
        let side = |coming, going| if is_in { coming } else { going };
        match (account, subject) {
            // A bill: what is charged goes out of it.
            (Account::FeeReceivable(_), Subject::FEES | Subject::ADVANCE_FEE | Subject::FEES_BACK) => {
                side(Self::FeesReturned, Self::Fees)
            }
            (Account::Accrued(_), Subject::COMMISSION) => side(Self::Commissions, Self::CommissionsReturned),
            (Account::Platform(_), Subject::FEES | Subject::FEES_BACK)
            | (
                Account::Operator,
                Subject::FEES
                | Subject::OPERATOR_FEE
                | Subject::ADVANCE_FEE
                | Subject::OPERATOR_FEE_BACK
                | Subject::FEES_BACK,
            ) => side(Self::Fees, Self::FeesReturned),
            (Account::Platform(_), Subject::OPERATOR_FEE | Subject::OPERATOR_FEE_BACK) => {
                side(Self::PassedBack, Self::PassedOn)
            }
            (Account::Operator, Subject::CHANNEL_COST | Subject::CHANNEL_COST_BACK) => {
                side(Self::CostReturned, Self::Cost)
            }
            (Account::Operator | Account::Platform(_), Subject::DISCOUNT | Subject::DISCOUNT_BACK) => {
                side(Self::DiscountsReturned, Self::Discounts)
            }
            _ => side(Self::OtherIn, Self::OtherOut),
        }
    }
}

/// Sums and counts by what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    amounts: [i128; ITEMS],
    counts: [u64; ITEMS],
}

impl Tally {
    /// Adds one amount, minor units.
    pub fn add(&mut self, item: Item, amount: i128) {
        self.amounts[item as usize] += amount;
        self.counts[item as usize] += 1;
    }

    /// Adds another.
    pub fn add_all(&mut self, other: &Self) {
        self.amounts.iter_mut().zip(&other.amounts).for_each(|(sum, amount)| *sum += amount);
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
    }

    /// One sum, minor units.
    #[must_use]
    pub fn amount(&self, item: Item) -> i128 {
        self.amounts[item as usize]
    }

    /// How many entries were for it.
    #[must_use]
    pub fn count(&self, item: Item) -> u64 {
        self.counts[item as usize]
    }

    /// What all but the rest comes to: fees less returned, less what was passed on, cost and discounts; commissions less returned. Below zero for a
    /// loss.
    #[must_use]
    pub fn result(&self) -> i128 {
        Item::ALL.into_iter().map(|item| item.sign() * self.amount(item)).sum()
    }

    /// Whether there is anything in it but the rest.
    #[must_use]
    pub fn has_any(&self) -> bool {
        Item::ALL.into_iter().any(|item| item.sign() != 0 && self.count(item) > 0)
    }
}

#[cfg(test)]
mod tests {
    use suanpan_core::MerchantId;

    use super::*;

    /// Each subject of fees, forward and back, on each account that it touches.
    #[test]
    fn each_subject_is_what_it_is_on_its_account() {
        let id = MerchantId(1_002);
        let (bill, platform) = (Account::FeeReceivable(id), Account::Platform(id));
        for (account, subject, is_in, item) in [
            (bill, Subject::FEES, false, Item::Fees),
            (bill, Subject::ADVANCE_FEE, false, Item::Fees),
            (bill, Subject::FEES_BACK, true, Item::FeesReturned),
            (bill, Subject::ADJUSTMENT, true, Item::OtherIn),
            (platform, Subject::FEES, true, Item::Fees),
            (platform, Subject::OPERATOR_FEE, false, Item::PassedOn),
            (platform, Subject::OPERATOR_FEE_BACK, true, Item::PassedBack),
            (platform, Subject::FEES_BACK, false, Item::FeesReturned),
            (platform, Subject::DISCOUNT, false, Item::Discounts),
            (platform, Subject::SWEEP, false, Item::OtherOut),
            (Account::Operator, Subject::OPERATOR_FEE, true, Item::Fees),
            (Account::Operator, Subject::ADVANCE_FEE, true, Item::Fees),
            (Account::Operator, Subject::OPERATOR_FEE_BACK, false, Item::FeesReturned),
            (Account::Operator, Subject::CHANNEL_COST, false, Item::Cost),
            (Account::Operator, Subject::CHANNEL_COST_BACK, true, Item::CostReturned),
            (Account::Operator, Subject::DISCOUNT_BACK, true, Item::DiscountsReturned),
            (Account::Operator, Subject::CASH_IN, true, Item::OtherIn),
            (Account::Accrued(id), Subject::COMMISSION, true, Item::Commissions),
            (Account::Accrued(id), Subject::SPLIT, true, Item::OtherIn),
        ] {
            assert_eq!(Item::of(account, subject, is_in), item, "{account:?} {subject:?}");
            // What is taken back is the other of the pair.
            assert_ne!(Item::of(account, subject, !is_in), item, "{account:?} {subject:?}");
        }
    }

    #[test]
    fn the_result_leaves_out_what_only_went_through() {
        let mut tally = Tally::default();
        for (item, amount) in
            [(Item::Fees, 60), (Item::Cost, 25), (Item::FeesReturned, 20), (Item::OtherIn, 10_000)]
        {
            tally.add(item, amount);
        }
        assert_eq!((tally.result(), tally.count(Item::Fees)), (15, 1));
    }
}
