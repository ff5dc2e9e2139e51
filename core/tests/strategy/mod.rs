//! Random commands: any at all for the compact form, and sequences over few names for the rules.
#![allow(dead_code, unreachable_pub, reason = "each test binary takes its part of it")]

use proptest::prelude::*;
use suanpan_core::*;

fn any_number() -> impl Strategy<Value = Number> {
    "[A-Za-z0-9_|*-]{1,32}".prop_map(|text| text.parse().unwrap())
}

fn any_merchant() -> impl Strategy<Value = MerchantId> {
    prop_oneof![1..=9999u64, 1..=MerchantId::MAX].prop_map(MerchantId)
}

fn any_rate() -> impl Strategy<Value = Rate> {
    (0..=1_000_000u32).prop_map(Rate)
}

fn any_rounding() -> impl Strategy<Value = Rounding> {
    prop::sample::select(vec![Rounding::HalfUp, Rounding::HalfEven, Rounding::Down])
}

fn any_fee_refund() -> impl Strategy<Value = FeeRefund> {
    prop::sample::select(vec![FeeRefund::Proportional, FeeRefund::None])
}

fn any_payment() -> impl Strategy<Value = Command> {
    let part = || 0..=AMOUNT_MAX / 3;
    let details = (part(), part(), part(), prop::option::of(any_merchant()), prop::option::of("[ -~]{1,64}"));
    let details = details.prop_map(|(operator, merchant, platform, promoter, channel_txn)| {
        Box::new(PaymentDetails {
            discounts: Discounts { operator, merchant, platform },
            promoter,
            channel_txn,
        })
    });
    let details = prop_oneof![Just(Box::default()), details];
    let paid_at = prop::option::of(Timestamp::RANGE.prop_map(Timestamp));
    let amount = prop_oneof![1..=1000u64, 1..=AMOUNT_MAX];
    (any_merchant(), any_number(), any::<u16>(), amount, any::<bool>(), paid_at, prop::option::of(details))
        .prop_map(|(merchant, order_no, channel, amount, hold, paid_at, details)| {
            let channel = ChannelId(channel);
            Command::Payment(Payment { merchant, order_no, channel, amount, hold, paid_at, details })
        })
}

fn any_terms() -> impl Strategy<Value = Command> {
    let rates = (any_rate(), any_rate(), any_rate(), any_rate(), any_rounding(), any_fee_refund());
    let modes = (any::<bool>(), 0..3usize, any::<bool>(), 0..3usize, any::<bool>(), 1..=255u8);
    let money = (0..=AMOUNT_MAX, 0..=AMOUNT_MAX, any::<bool>(), 0..=AMOUNT_MAX);
    let limits = (any::<Option<u64>>(), any::<Option<u64>>(), any::<Option<u64>>());
    let platform = prop::option::of(1..=u64::from(u32::MAX));
    (any_merchant(), "[a-z\u{4e00}-\u{4e10}]{0,40}", "[A-Z]{3}", platform, rates, modes, money, limits)
        .prop_map(|(merchant, name, currency, platform, rates, modes, money, limits)| {
            let (fee_rate, platform_fee_rate, advance_fee_rate, max_split_rate, fee_rounding, fee_refund) =
                rates;
            let (business, status, gross, funding, first, days) = modes;
            Command::PutMerchant(Box::new(MerchantTerms {
                merchant,
                name,
                currency: currency.parse().unwrap(),
                status: [MerchantStatus::Active, MerchantStatus::Suspended, MerchantStatus::Closed][status],
                platform: platform.map(MerchantId).filter(|id| *id != merchant),
                fee_rate,
                fee_rounding,
                fee_min: money.0.min(money.1),
                fee_max: money.2.then_some(money.0.max(money.1)),
                fee_refund,
                platform_fee_rate,
                cycle: if business { Cycle::Business(days) } else { Cycle::Calendar(days - 1) },
                mode: if gross { SettlementMode::Gross } else { SettlementMode::Net },
                settle_min: money.3,
                advance_fee_rate,
                refund_funding: [
                    RefundFunding::Pending,
                    RefundFunding::PendingThenAvailable,
                    RefundFunding::Available,
                ][funding],
                discount_refund: if first {
                    DiscountRefund::DiscountFirst
                } else {
                    DiscountRefund::Proportional
                },
                max_split_rate,
                limits: Limits { order_amount: limits.0, day_amount: limits.1, day_count: limits.2 },
            }))
        })
}

fn any_channel() -> impl Strategy<Value = Command> {
    let window = (0..1440u16, 1..=1440u16).prop_filter("not empty", |(from, to)| from != to);
    let steps = prop::collection::btree_map(any::<i64>(), -86_400..=86_400i32, 1..6);
    let rules = (any_rate(), any_rounding(), any_fee_refund(), 0..=36_525u32, any::<Option<u32>>());
    let modes = (0..3usize, any::<bool>(), any::<bool>(), prop::sample::select(Preset::ALL.to_vec()));
    ("[a-z0-9_-]{1,32}", rules, modes, prop::collection::vec(window, 0..=8), "[!-~]{1,64}", steps).prop_map(
        |(name, rules, modes, windows, zone, steps)| {
            let (cost_rate, cost_rounding, cost_refund, refund_window_days, max_refunds_per_order) = rules;
            let blackout = |(from_minute, to_minute)| Blackout { from_minute, to_minute };
            let step = |(from_s, offset_s)| ZoneStep { from_s, offset_s };
            Command::PutChannel(Box::new(ChannelTerms {
                name,
                preset: modes.3,
                cost_rate,
                cost_rounding,
                cost_refund,
                refund_window_days,
                max_refunds_per_order,
                same_day: [SameDay::Allow, SameDay::VoidOnly, SameDay::NextDay][modes.0],
                single_refund_in_flight: modes.1,
                resubmit_failed: if modes.2 { FailedRefund::NextDay } else { FailedRefund::Never },
                blackout: windows.into_iter().map(blackout).collect(),
                zone: Zone { name: zone, steps: steps.into_iter().map(step).collect() },
            }))
        },
    )
}

pub fn any_command() -> impl Strategy<Value = Command> {
    let reason = prop::option::of(".{0,60}".prop_map(|reason| Box::new(RefundDetails { reason })));
    let refund = (any_merchant(), any_number(), any_number(), 1..=2 * AMOUNT_MAX, reason).prop_map(
        |(merchant, refund_no, order_no, amount, details)| {
            Command::Refund(Refund { merchant, refund_no, order_no, amount, details })
        },
    );
    let states = [RefundResultState::Succeeded, RefundResultState::Failed, RefundResultState::Unknown];
    let result = (any_merchant(), any_number(), 0..3usize, prop::option::of("[ -~]{1,64}")).prop_map(
        move |(merchant, refund_no, state, channel_no)| {
            let channel_refund_no = channel_no.map(Box::from);
            Command::RefundResult(RefundResult {
                merchant,
                refund_no,
                state: states[state],
                channel_refund_no,
            })
        },
    );
    let void = (any_merchant(), any_number(), any_number())
        .prop_map(|(merchant, void_no, order_no)| Command::Void(Void { merchant, void_no, order_no }));
    let void_result =
        (any_merchant(), any_number(), any::<bool>()).prop_map(|(merchant, void_no, succeeded)| {
            Command::VoidResult(VoidResult { merchant, void_no, succeeded })
        });
    let date = (Date::RANGE, any::<bool>())
        .prop_map(|(date, cut)| Command::SetDate(SetDate { date: Date(date), cut }));
    prop_oneof![
        4 => any_payment(), 2 => refund, 2 => result, 1 => void, 1 => void_result,
        2 => any_terms(), 2 => any_channel(), 1 => date,
    ]
}
