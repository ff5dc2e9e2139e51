//! Terms, numbers and amounts of which there are few, so that commands meet.

use proptest::prelude::*;
use suanpan_core::*;

use super::any::{any_fee_refund, any_rounding};

pub(super) const CNY: Currency = Currency(*b"CNY");
const USD: Currency = Currency(*b"USD");

pub(super) fn few_merchants() -> impl Strategy<Value = MerchantId> {
    prop_oneof![5 => Just(1), 5 => Just(2), 1 => Just(9), 1 => Just(3)].prop_map(MerchantId)
}

pub(super) fn few_numbers(letter: char, count: u32) -> impl Strategy<Value = Number> {
    (0..count).prop_map(move |n| format!("{letter}{n}").parse().unwrap())
}

pub(super) fn few_amounts() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1..=6u64, 4 => 1..=20u64, 8 => 1..=300u64, 1 => 1..=1_000_000_000_000u64]
}

pub(super) fn few_rates() -> impl Strategy<Value = Rate> {
    prop_oneof![
        2 => Just(Rate(0)),
        4 => Just(Rate(6000)),
        4 => Just(Rate(100_000)),
        2 => Just(Rate(333_333)),
        1 => Just(Rate(500_000)),
        1 => Just(Rate(1_000_000)),
    ]
}

pub(super) fn few_terms() -> impl Strategy<Value = MerchantTerms> {
    let rates = (few_rates(), few_rates(), few_rates(), any_rounding(), any_fee_refund());
    let modes = (0..12usize, 0..3usize, any::<bool>(), 0..6usize, any::<bool>(), any::<bool>());
    let cycles = prop::sample::select(vec![
        Cycle::Calendar(0),
        Cycle::Calendar(1),
        Cycle::Calendar(2),
        Cycle::Business(1),
        Cycle::Business(1),
        Cycle::Business(2),
    ]);
    let least = prop_oneof![4 => Just(0u64), 1 => 1..=200u64];
    let split = prop_oneof![3 => Just(Rate(1_000_000)), 2 => few_rates(), 1 => Just(Rate(300_001))];
    let clamps = (prop_oneof![Just(0u64), Just(3)], prop_oneof![Just(None), Just(Some(5u64))]);
    let clamps = (clamps, cycles, least, split);
    let few = |limit: u64| prop_oneof![5 => Just(None), 1 => Just(Some(limit))];
    (
        few_merchants(),
        rates,
        modes,
        clamps,
        (few(200), few(600), prop_oneof![4 => Just(None), 1 => Just(Some(3)), 1 => Just(Some(5))]),
    )
        .prop_map(|(merchant, rates, modes, clamps, limits)| MerchantTerms {
            status: match modes.0 {
                0 => MerchantStatus::Suspended,
                1 => MerchantStatus::Closed,
                _ => MerchantStatus::Active,
            },
            platform: (modes.2 && merchant != MerchantId(9)).then_some(MerchantId(9)),
            fee_rate: rates.0,
            platform_fee_rate: rates.1,
            advance_fee_rate: rates.2,
            fee_rounding: rates.3,
            fee_refund: rates.4,
            fee_min: clamps.0.0,
            fee_max: clamps.0.1,
            cycle: clamps.1,
            settle_min: clamps.2,
            max_split_rate: clamps.3,
            mode: if modes.3 == 1 { SettlementMode::Gross } else { SettlementMode::Net },
            refund_funding: [
                RefundFunding::Pending,
                RefundFunding::PendingThenAvailable,
                RefundFunding::Available,
            ][modes.1],
            discount_refund: if modes.4 {
                DiscountRefund::DiscountFirst
            } else {
                DiscountRefund::Proportional
            },
            currency: if modes.5 || merchant.0 != 3 { CNY } else { USD },
            limits: Limits { order_amount: limits.0, day_amount: limits.1, day_count: limits.2 },
            ..MerchantTerms::new(merchant, CNY)
        })
}

pub(super) fn few_channels() -> impl Strategy<Value = ChannelTerms> {
    let zone = Zone { name: "Two".to_owned(), steps: vec![ZoneStep { from_s: 0, offset_s: 28_800 }] };
    let names = prop::sample::select(vec!["a", "b", "c"]);
    let presets = prop::sample::select(Preset::ALL.to_vec());
    let few = prop_oneof![3 => Just(None), 1 => Just(Some(2u32))];
    (names, presets, few_rates(), any_fee_refund(), any_rounding(), few, 0..12usize).prop_map(
        move |(name, preset, cost_rate, cost_refund, cost_rounding, max_refunds_per_order, odd)| {
            let preset = ChannelTerms::preset(name, preset, zone.clone());
            ChannelTerms {
                cost_rate,
                cost_refund,
                cost_rounding,
                max_refunds_per_order,
                refund_window_days: if odd == 0 { 1 } else { preset.refund_window_days },
                same_day: if odd == 1 { SameDay::NextDay } else { preset.same_day },
                ..preset
            }
        },
    )
}

pub(super) fn few_channel_ids() -> impl Strategy<Value = ChannelId> {
    prop_oneof![24 => 0..3u16, 1 => Just(9u16)].prop_map(ChannelId)
}

fn few_discounts() -> impl Strategy<Value = Discounts> {
    let few = || prop_oneof![4 => Just(0), 1 => 1..=6u64, 1 => 1..=50u64];
    (few(), few(), prop_oneof![6 => Just(0), 1 => 1..=50u64])
        .prop_map(|(operator, merchant, platform)| Discounts { operator, merchant, platform })
}

/// Promoters that there are, and some that there are not.
fn few_promoters() -> impl Strategy<Value = MerchantId> {
    prop_oneof![12 => 5..=8u64, 1 => 1..=4u64].prop_map(MerchantId)
}

pub(super) fn few_payments() -> impl Strategy<Value = Command> {
    let details = prop::option::of((few_discounts(), any::<bool>(), prop::option::of(few_promoters())));
    let paid_at = prop_oneof![4 => Just(None), 1 => (0..72i64).prop_map(Some)];
    let rest = (0..8u8, paid_at, details);
    (few_merchants(), few_numbers('A', 20), few_channel_ids(), few_amounts(), rest).prop_map(
        |(merchant, order_no, channel, amount, (hold, paid_at, details))| {
            let hold = hold < 3;
            let details = details.map(|(discounts, txn, promoter)| {
                let promoter = promoter.filter(|_| hold);
                Box::new(PaymentDetails { discounts, promoter, channel_txn: txn.then(|| "42".to_owned()) })
            });
            // 2018-08-26T12:00:00+08:00 and the hours after it.
            let paid_at = paid_at.map(|hours| Timestamp(1_535_256_000_000 + hours * 3_600_000));
            Command::Payment(Payment { merchant, order_no, channel, amount, hold, paid_at, details })
        },
    )
}

/// Orders to be paid, and in how many minutes their time is over.
pub(super) fn few_orders() -> impl Strategy<Value = (NewOrder, Option<i64>)> {
    let minutes = prop::option::of(prop_oneof![1 => -5..=0i64, 6 => 1..=400i64]);
    let rest = (few_discounts(), 0..4u8, minutes);
    (few_merchants(), few_numbers('A', 20), few_channel_ids(), few_amounts(), rest).prop_map(
        |(merchant, order_no, channel, amount, (discounts, hold, minutes))| {
            let (hold, expires_at) = (hold == 0, None);
            (NewOrder { merchant, order_no, channel, amount, discounts, hold, expires_at }, minutes)
        },
    )
}

/// Merchants that money may go to: some are not there.
fn few_receivers() -> impl Strategy<Value = MerchantId> {
    prop_oneof![8 => 1..=2u64, 2 => Just(3), 1 => Just(4), 4 => 5..=8u64, 3 => Just(9)].prop_map(MerchantId)
}

pub(super) fn few_parts() -> impl Strategy<Value = Vec<(MerchantId, u64)>> {
    let amounts = prop_oneof![6 => 1..=8u64, 3 => 1..=60u64, 1 => 1..=300u64];
    prop::collection::btree_map(few_receivers(), amounts, 1..4)
        .prop_map(|parts| parts.into_iter().rev().collect())
}

pub(super) fn few_movements() -> impl Strategy<Value = Command> {
    let amount = || prop_oneof![6 => 1..=20u64, 4 => 1..=300u64, 1 => Just(AMOUNT_MAX)];
    let moved = |letter| (few_merchants(), few_numbers(letter, 15), amount());
    let payout = (moved('P'), prop::option::of(few_channel_ids()));
    let payout = payout.prop_map(|((merchant, payout_no, amount), channel)| {
        Command::Payout(Payout { merchant, payout_no, amount, channel })
    });
    let topup = (moved('T'), few_channel_ids()).prop_map(|((merchant, topup_no, amount), channel)| {
        Command::TopUp(TopUp { merchant, topup_no, channel, amount })
    });
    let freeze = moved('F')
        .prop_map(|(merchant, freeze_no, amount)| Command::Freeze(Freeze { merchant, freeze_no, amount }));
    let transfer = (moved('X'), few_receivers()).prop_map(|((merchant, transfer_no, amount), to)| {
        Command::Transfer(Transfer { merchant, transfer_no, to, amount })
    });
    prop_oneof![3 => payout, 3 => topup, 2 => freeze, 3 => transfer]
}

pub(super) fn few_adjustments() -> impl Strategy<Value = Command> {
    let own = || {
        (0..8u64, any::<bool>()).prop_map(|(id, pending)| {
            let account = if pending { MerchantAccount::Pending } else { MerchantAccount::Available };
            Account::Merchant(MerchantId(if id == 0 { 4 } else { 1 + id % 2 }), account)
        })
    };
    let account = || {
        prop_oneof![
            2 => Just(Account::Operator),
            1 => Just(Account::Suspense),
            1 => Just(Account::Bank),
            2 => few_channel_ids().prop_map(Account::Channel),
            1 => Just(Account::Accrued(MerchantId(5))),
            1 => Just(Account::Platform(MerchantId(9))),
            1 => Just(Account::FeeReceivable(MerchantId(1))),
            6 => own(),
        ]
    };
    let sides = (account(), account()).prop_filter("two accounts", |(from, to)| from != to);
    let currency = prop_oneof![9 => Just(CNY), 1 => Just(USD)];
    (few_numbers('J', 20), sides, few_amounts(), currency, any::<bool>()).prop_map(
        |(adjustment_no, (from, to), amount, currency, memo)| {
            let memo = if memo { String::new() } else { "as agreed".to_owned() };
            let (subject, approved_by) = ("correction".to_owned(), ["ann".to_owned(), "bob".to_owned()]);
            Command::Adjust(Box::new(Adjustment {
                adjustment_no,
                subject,
                from,
                to,
                amount,
                currency,
                memo,
                approved_by,
            }))
        },
    )
}

pub(super) fn few_commission_rates() -> impl Strategy<Value = Rate> {
    prop::sample::select(vec![Rate(0), Rate(50_000), Rate(50_000), Rate(125_000), Rate(400_000)])
}

/// Promoters 5 to 8 with any upline, also of the wrong kind.
pub(super) fn few_promoter_terms() -> impl Strategy<Value = Command> {
    let upline = prop::option::of((4..=8u64).prop_map(MerchantId));
    let currency = prop_oneof![12 => Just(CNY), 1 => Just(USD)];
    ((5..=8u64), few_commission_rates(), upline, few_commission_rates(), currency).prop_map(
        |(promoter, rate, upline, upline_rate, currency)| {
            let promoter = MerchantId(promoter);
            Command::PutPromoter(Promoter { promoter, currency, rate, upline, upline_rate })
        },
    )
}

pub(super) fn few_holidays() -> impl Strategy<Value = Command> {
    prop::collection::btree_map(17_769..17_790i32, any::<bool>(), 0..6).prop_map(|days| {
        let of = |free: bool| {
            days.iter().filter(|(_, is_free)| **is_free == free).map(|(&date, _)| Date(date)).collect()
        };
        Command::PutHolidays(Box::new(Holidays { dates: of(true), workdays: of(false) }))
    })
}
