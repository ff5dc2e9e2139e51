//! Random commands: any at all for the compact form, and sequences over few names for the rules.
#![allow(dead_code, unreachable_pub, reason = "each test binary takes its part of it")]
#![allow(clippy::unwrap_used, reason = "tests")]

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
    let refund = (any_merchant(), any_number(), any_number(), 1..=AMOUNT_MAX, reason).prop_map(
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

/// One step of a sequence over few merchants, orders and numbers, so that they meet.
#[derive(Clone, Debug)]
pub enum Step {
    /// Apply it.
    Do(Command),
    /// Ask back so much, or all that is left, of one of the orders that are there.
    Refund(usize, Number, Option<u64>),
    /// Void one of the orders that are there.
    Void(usize, Number),
    /// A result for one of the refunds that are there.
    Result(usize, RefundResultState),
    /// A result for one of the voids that are there.
    VoidResult(usize, bool),
    /// What that many steps before did, again.
    Again(usize),
    /// So many minutes pass.
    Wait(i64),
    /// So many days are closed; none is refused.
    Cut(u32),
}

fn few_merchants() -> impl Strategy<Value = MerchantId> {
    prop_oneof![5 => Just(1), 5 => Just(2), 1 => Just(9), 1 => Just(3)].prop_map(MerchantId)
}

fn few_numbers(letter: char, count: u32) -> impl Strategy<Value = Number> {
    (0..count).prop_map(move |n| format!("{letter}{n}").parse().unwrap())
}

fn few_amounts() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1..=6u64, 4 => 1..=20u64, 8 => 1..=300u64, 1 => 1..=1_000_000_000_000u64]
}

fn few_rates() -> impl Strategy<Value = Rate> {
    prop::sample::select(vec![
        Rate(0),
        Rate(6000),
        Rate(100_000),
        Rate(500_000),
        Rate(333_333),
        Rate(1_000_000),
    ])
}

fn few_terms() -> impl Strategy<Value = MerchantTerms> {
    let rates = (few_rates(), few_rates(), few_rates(), any_rounding(), any_fee_refund());
    let modes = (0..8usize, 0..3usize, any::<bool>(), 0..6usize, any::<bool>(), any::<bool>());
    let clamps = (prop_oneof![Just(0u64), Just(3)], prop_oneof![Just(None), Just(Some(5u64))]);
    let few = |limit: u64| prop_oneof![5 => Just(None), 1 => Just(Some(limit))];
    (few_merchants(), rates, modes, clamps, (few(200), few(600), few(5))).prop_map(
        |(merchant, rates, modes, clamps, limits)| MerchantTerms {
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
            fee_min: clamps.0,
            fee_max: clamps.1,
            cycle: if modes.3 == 0 { Cycle::Calendar(0) } else { Cycle::Business(1) },
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
            currency: if modes.5 || merchant.0 != 3 { Currency(*b"CNY") } else { Currency(*b"USD") },
            limits: Limits { order_amount: limits.0, day_amount: limits.1, day_count: limits.2 },
            ..MerchantTerms::new(merchant, Currency(*b"CNY"))
        },
    )
}

fn few_channels() -> impl Strategy<Value = ChannelTerms> {
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

fn few_payments() -> impl Strategy<Value = Command> {
    let few = || prop_oneof![4 => Just(0), 1 => 1..=6u64, 1 => 1..=50u64];
    let details = prop::option::of((few(), few(), prop_oneof![3 => Just(0), 1 => 1..=50u64], any::<bool>()));
    let paid_at = prop_oneof![4 => Just(None), 1 => (0..72i64).prop_map(Some)];
    let rest = (0..8u8, paid_at, details);
    (few_merchants(), few_numbers('A', 12), 0..13u16, few_amounts(), rest).prop_map(
        |(merchant, order_no, channel, amount, (hold, paid_at, details))| {
            let details = details.map(|(operator, merchant, platform, txn)| {
                Box::new(PaymentDetails {
                    discounts: Discounts { operator, merchant, platform },
                    promoter: None,
                    channel_txn: txn.then(|| "42".to_owned()),
                })
            });
            // 2018-08-26T12:00:00+08:00 and the hours after it.
            let paid_at = paid_at.map(|hours| Timestamp(1_535_256_000_000 + hours * 3_600_000));
            let channel = ChannelId(if channel == 12 { 9 } else { channel % 3 });
            Command::Payment(Payment {
                merchant,
                order_no,
                channel,
                amount,
                hold: hold == 0,
                paid_at,
                details,
            })
        },
    )
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let states = [RefundResultState::Succeeded, RefundResultState::Failed, RefundResultState::Unknown];
    let place = any::<usize>;
    let amount = prop_oneof![2 => few_amounts().prop_map(Some), 1 => Just(None)];
    let refund = (place(), few_numbers('R', 40), amount)
        .prop_map(|(order, refund_no, amount)| Step::Refund(order, refund_no, amount));
    let result = (place(), 0..7usize).prop_map(move |(at, state)| Step::Result(at, states[state / 3]));
    let void = (place(), few_numbers('V', 20)).prop_map(|(order, void_no)| Step::Void(order, void_no));
    let void_result = (place(), any::<bool>()).prop_map(|(at, succeeded)| Step::VoidResult(at, succeeded));
    // By names that may not be there.
    let names = || (few_merchants(), few_numbers('R', 40), few_numbers('A', 8));
    let strangers = prop_oneof![
        names().prop_map(|(merchant, refund_no, order_no)| {
            Command::Refund(Refund { merchant, refund_no, order_no, amount: 1, details: None })
        }),
        names().prop_map(|(merchant, refund_no, _)| {
            let (state, channel_refund_no) = (RefundResultState::Failed, None);
            Command::RefundResult(RefundResult { merchant, refund_no, state, channel_refund_no })
        }),
        names().prop_map(|(merchant, void_no, order_no)| {
            Command::Void(Void { merchant, void_no, order_no })
        }),
        names().prop_map(|(merchant, void_no, _)| {
            Command::VoidResult(VoidResult { merchant, void_no, succeeded: true })
        }),
    ];
    let put_merchant = few_terms().prop_map(|terms| Step::Do(Command::PutMerchant(Box::new(terms))));
    let put_channel = few_channels().prop_map(|terms| Step::Do(Command::PutChannel(Box::new(terms))));
    let step = prop_oneof![
        12 => few_payments().prop_map(Step::Do),
        14 => refund,
        10 => result,
        2 => void,
        2 => void_result,
        2 => strangers.prop_map(Step::Do),
        2 => put_merchant,
        1 => put_channel,
        5 => (0..12usize).prop_map(Step::Again),
        1 => (1..900i64).prop_map(Step::Wait),
        1 => (0..3u32).prop_map(Step::Cut),
    ];
    prop::collection::vec(step, 20..200)
}

/// What a sequence begins with: its platform, merchants and channels.
pub fn set_up() -> impl Strategy<Value = Vec<Command>> {
    (prop::collection::vec(few_terms(), 2), prop::collection::vec(few_channels(), 3)).prop_map(
        |(mut merchants, mut channels)| {
            let platform = MerchantTerms::new(MerchantId(9), Currency(*b"CNY"));
            let mut commands = vec![Command::PutMerchant(Box::new(platform))];
            for (id, terms) in (1..).zip(&mut merchants) {
                terms.merchant = MerchantId(id);
                terms.currency = Currency(*b"CNY");
                terms.status = MerchantStatus::Active;
            }
            for (name, terms) in ["a", "b", "c"].into_iter().zip(&mut channels) {
                terms.name = name.to_owned();
            }
            commands.extend(merchants.into_iter().map(|terms| Command::PutMerchant(Box::new(terms))));
            commands.extend(channels.into_iter().map(|terms| Command::PutChannel(Box::new(terms))));
            commands
        },
    )
}
