//! Orders as a ledger keeps them: what was paid, and what of it went back (domain.md, "Orders").

use crate::arena::{NOWHERE, Record};
use crate::digest;
use crate::{
    ChannelId, Commission, Date, Discounts, MerchantAccount, MerchantId, Number, OrderStatus, Timestamp,
};

/// Amounts that make up a payment or a part of it, in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) cash: u64,
    pub(crate) discounts: Discounts,
    pub(crate) fee: u64,
    pub(crate) platform_fee: u64,
    pub(crate) cost: u64,
}

impl Parts {
    /// Cash and discounts: what the payer sees. At most twice [`AMOUNT_MAX`](crate::AMOUNT_MAX).
    pub(crate) fn payable(&self) -> u64 {
        self.cash + self.discounts.total()
    }

    /// What of it is the merchant's: cash and what others gave for discounts, less fees unless they are
    /// billed apart. Below zero only for a refund whose returned fees exceed what is given back.
    pub(crate) fn merchants(&self, gross: bool) -> i64 {
        // Each is at most AMOUNT_MAX, which is far below what i64 holds.
        let fees = if gross { 0 } else { self.fee + self.platform_fee };
        (self.cash + self.discounts.operator + self.discounts.platform).cast_signed() - fees.cast_signed()
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        self.with(other, |a, b| a + b)
    }

    /// # Panics
    /// When more would be taken than there is: more given back than was paid.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        self.with(other, |a, b| {
            assert!(b <= a, "more given back than was paid");
            a - b
        })
    }

    /// Whether each of them is at most the other's.
    pub(crate) fn fits(&self, other: &Self) -> bool {
        let all = |parts: &Self| {
            let Self { cash, discounts, fee, platform_fee, cost } = *parts;
            [cash, discounts.operator, discounts.merchant, discounts.platform, fee, platform_fee, cost]
        };
        all(self).iter().zip(all(other)).all(|(&this, other)| this <= other)
    }

    fn with(&self, other: &Self, of: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            cash: of(self.cash, other.cash),
            discounts: Discounts {
                operator: of(self.discounts.operator, other.discounts.operator),
                merchant: of(self.discounts.merchant, other.discounts.merchant),
                platform: of(self.discounts.platform, other.discounts.platform),
            },
            fee: of(self.fee, other.fee),
            platform_fee: of(self.platform_fee, other.platform_fee),
            cost: of(self.cost, other.cost),
        }
    }

    pub(crate) fn digest(&self, record: &mut digest::Record) {
        record.u64(self.cash).u64(self.fee).u64(self.platform_fee).u64(self.cost);
        record.u64(self.discounts.operator).u64(self.discounts.merchant).u64(self.discounts.platform);
    }
}

impl Discounts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.operator.saturating_add(self.merchant).saturating_add(self.platform)
    }
}

/// What every order has. Most have nothing more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Order {
    pub(crate) order_no: Number,
    pub(crate) cash: u64,
    pub(crate) fee: u64,
    pub(crate) platform_fee: u64,
    pub(crate) cost: u64,
    /// When the channel took it, or when it was decided if the request did not say.
    pub(crate) paid_at: Timestamp,
    pub(crate) date: Date,
    /// Place of the merchant.
    pub(crate) merchant: u32,
    /// Place of the [`OrderDetails`], or nowhere.
    pub(crate) details: u32,
    /// Place of the [`Giveback`], or nowhere while nothing was ever given back.
    pub(crate) giveback: u32,
    pub(crate) channel: ChannelId,
    /// The version of the merchant's terms it was paid under.
    pub(crate) terms: u16,
    pub(crate) status: OrderStatus,
    /// The account its money is in: pending, held, or available for D+0.
    pub(crate) purse: MerchantAccount,
    pub(crate) flags: OrderFlags,
}

impl Record for Order {
    fn is_vacant(&self) -> bool {
        self.merchant == NOWHERE
    }

    fn vacant() -> Self {
        Self {
            order_no: Number::FILLER,
            cash: 0,
            fee: 0,
            platform_fee: 0,
            cost: 0,
            paid_at: Timestamp::default(),
            date: Date::default(),
            merchant: NOWHERE,
            details: NOWHERE,
            giveback: NOWHERE,
            channel: ChannelId(0),
            terms: 0,
            status: OrderStatus::Closed,
            purse: MerchantAccount::Pending,
            flags: OrderFlags(0),
        }
    }
}

// Those two are found by their order only, so nobody asks whether they are vacant.
impl Record for OrderDetails {
    fn vacant() -> Self {
        Self::default()
    }
}

impl Record for Giveback {
    fn vacant() -> Self {
        Self::new()
    }
}

// One order and its share of the index must stay within 160 bytes; the index takes at most 21.
const _: () = assert!(size_of::<Order>() == 96);

/// What of the request is not in the amounts, so that a repeat is known by it, and what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OrderFlags(pub(crate) u8);

const HOLD: u8 = 1;
const PAID_AT_GIVEN: u8 = 1 << 1;
const PREPAID: u8 = 1 << 2;
const LATE: u8 = 1 << 3;
const REINSTATED: u8 = 1 << 4;

impl OrderFlags {
    /// All that there are.
    pub(crate) const ALL: u8 = HOLD | PAID_AT_GIVEN | PREPAID | LATE | REINSTATED;

    /// Of a payment.
    pub(crate) fn new(hold: bool, paid_at_given: bool) -> Self {
        Self(u8::from(hold) | if paid_at_given { PAID_AT_GIVEN } else { 0 })
    }

    /// Of an order that is to be paid.
    pub(crate) fn prepaid(hold: bool) -> Self {
        Self(u8::from(hold) | PREPAID)
    }

    /// Whether its money is, or was, held.
    pub(crate) fn hold(self) -> bool {
        self.0 & HOLD != 0
    }

    /// Whether it was said when it was paid.
    pub(crate) fn paid_at_given(self) -> bool {
        self.0 & PAID_AT_GIVEN != 0
    }

    /// Whether it was created before it was paid.
    pub(crate) fn is_prepaid(self) -> bool {
        self.0 & PREPAID != 0
    }

    /// Whether its money is in suspense.
    pub(crate) fn is_late(self) -> bool {
        self.0 & LATE != 0
    }

    /// Whether it was late, and became a payment.
    pub(crate) fn is_reinstated(self) -> bool {
        self.0 & REINSTATED != 0
    }

    pub(crate) fn confirmed(self, paid_at_given: bool, late: bool) -> Self {
        let given = if paid_at_given { PAID_AT_GIVEN } else { 0 };
        Self(self.0 | given | if late { LATE } else { 0 })
    }

    pub(crate) fn reinstated(self) -> Self {
        Self(self.0 & !LATE | REINSTATED)
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }
}

/// What the rarer orders have besides.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct OrderDetails {
    pub(crate) discounts: Discounts,
    pub(crate) advance_fee: u64,
    pub(crate) promoter: Option<MerchantId>,
    pub(crate) channel_txn: Option<Box<str>>,
    /// From when on an order that was not paid is closed.
    pub(crate) expires_at: Option<Timestamp>,
}

/// What was given back of an order, or tried to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Giveback {
    /// Of all refunds that were accepted and did not fail.
    pub(crate) given: Parts,
    /// Of those that succeeded, in payable terms.
    pub(crate) succeeded: u64,
    /// Refunds that were accepted and did not fail.
    pub(crate) count: u32,
    /// Of those, processing or held.
    pub(crate) in_flight: u32,
    /// The oldest and the newest refund's place, or nowhere.
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// When the money entered pending, if not with the payment: by a release, or again after a void that failed.
    pub(crate) entered: Option<Date>,
    /// Split away and not returned.
    pub(crate) split: u64,
    /// What promoters got at the release.
    pub(crate) commissions: Vec<Commission>,
}

impl Order {
    /// What was paid. Of a late success only the cash came in: no discount was given yet, and no fee taken.
    pub(crate) fn paid(&self, discounts: Discounts) -> Parts {
        let discounts = if self.flags.is_late() { Discounts::default() } else { discounts };
        Parts { cash: self.cash, discounts, fee: self.fee, platform_fee: self.platform_fee, cost: self.cost }
    }

    /// Whether the merchant was ever given its money.
    pub(crate) fn is_booked(&self) -> bool {
        !matches!(self.status, OrderStatus::Created | OrderStatus::Closed) && !self.flags.is_late()
    }
}
