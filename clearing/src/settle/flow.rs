//! What made a merchant's pending money rise and fall, by what for.

use suanpan_core::{Account, Entry, MerchantAccount, MerchantId, Subject};

/// What an amount was for. Each is positive; the side follows from who paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    /// Cash of payments (62).
    Gross,
    /// The same taken back by voids.
    GrossBack,
    /// Cash given back (70).
    Refunds,
    /// The same come back since refunds failed.
    RefundsFailed,
    /// Fees (63, 67, and 73 of a refund that failed).
    Fees,
    /// Fees given back (73, and 63 of a void).
    FeesReturned,
    /// Discounts that others funded (66, and 76 of a refund that failed).
    Discounts,
    /// The same given back (76, and 66 of a void).
    DiscountsBack,
    /// Held money that was released (80).
    Releases,
    /// Adjustments (97) for the merchant.
    AdjustmentsIn,
    /// And against it.
    AdjustmentsOut,
    /// Whatever else came in: what covers a refund (77), split returns.
    OtherIn,
    /// Whatever else went out.
    OtherOut,
}

/// How many there are.
pub const FLOWS: usize = 13;

impl Flow {
    /// All of them, in their order in a file.
    pub const ALL: [Self; FLOWS] = [
        Self::Gross,
        Self::GrossBack,
        Self::Refunds,
        Self::RefundsFailed,
        Self::Fees,
        Self::FeesReturned,
        Self::Discounts,
        Self::DiscountsBack,
        Self::Releases,
        Self::AdjustmentsIn,
        Self::AdjustmentsOut,
        Self::OtherIn,
        Self::OtherOut,
    ];

    /// Its column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gross => "gross",
            Self::GrossBack => "gross_back",
            Self::Refunds => "refunds",
            Self::RefundsFailed => "refunds_failed",
            Self::Fees => "fees",
            Self::FeesReturned => "fees_returned",
            Self::Discounts => "discounts",
            Self::DiscountsBack => "discounts_back",
            Self::Releases => "releases",
            Self::AdjustmentsIn => "adjustments_in",
            Self::AdjustmentsOut => "adjustments_out",
            Self::OtherIn => "other_in",
            Self::OtherOut => "other_out",
        }
    }

    /// Whether it adds to pending.
    #[must_use]
    pub const fn is_in(self) -> bool {
        match self {
            Self::Gross
            | Self::RefundsFailed
            | Self::FeesReturned
            | Self::Discounts
            | Self::Releases
            | Self::AdjustmentsIn
            | Self::OtherIn => true,
            Self::GrossBack
            | Self::Refunds
            | Self::Fees
            | Self::DiscountsBack
            | Self::AdjustmentsOut
            | Self::OtherOut => false,
        }
    }

    /// What an entry is to a merchant's pending: `None` when it does not touch it, or on both sides.
    #[must_use]
    pub fn of(entry: &Entry, merchant: MerchantId) -> Option<Self> {
        let pending = Account::Merchant(merchant, MerchantAccount::Pending);
        let (is_in, subject) = match (entry.from == pending, entry.to == pending) {
            (false, true) => (true, entry.subject),
            (true, false) => (false, entry.subject),
            _ => return None,
        };
        let by_side = |coming, going| if is_in { coming } else { going };
        Some(match subject {
            Subject::CASH_TO_MERCHANT => by_side(Self::Gross, Self::GrossBack),
            Subject::REFUND => by_side(Self::RefundsFailed, Self::Refunds),
            Subject::FEES | Subject::ADVANCE_FEE | Subject::FEES_BACK => {
                by_side(Self::FeesReturned, Self::Fees)
            }
            Subject::DISCOUNT | Subject::DISCOUNT_BACK => by_side(Self::Discounts, Self::DiscountsBack),
            Subject::RELEASE => by_side(Self::Releases, Self::OtherOut),
            Subject::ADJUSTMENT => by_side(Self::AdjustmentsIn, Self::AdjustmentsOut),
            _ => by_side(Self::OtherIn, Self::OtherOut),
        })
    }
}

/// Sums by what for, minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flows([i128; FLOWS]);

impl Flows {
    /// Adds one amount.
    pub fn add(&mut self, flow: Flow, amount: i128) {
        self.0[flow as usize] += amount;
    }

    /// Adds others.
    pub fn add_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, amount)| *sum += amount);
    }

    /// One of them.
    #[must_use]
    pub fn amount(&self, flow: Flow) -> i128 {
        self.0[flow as usize]
    }

    /// What they add to pending; below zero when they take.
    #[must_use]
    pub fn net(&self) -> i128 {
        let signed = |flow: Flow| if flow.is_in() { self.amount(flow) } else { -self.amount(flow) };
        Flow::ALL.into_iter().map(signed).sum()
    }
}
