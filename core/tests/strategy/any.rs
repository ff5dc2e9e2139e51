//! Any command at all whose fields are in their ranges.

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

pub(super) fn any_rounding() -> impl Strategy<Value = Rounding> {
    prop::sample::select(vec![Rounding::HalfUp, Rounding::HalfEven, Rounding::Down])
}

pub(super) fn any_fee_refund() -> impl Strategy<Value = FeeRefund> {
    prop::sample::select(vec![FeeRefund::Proportional, FeeRefund::None])
}

fn any_amount() -> impl Strategy<Value = u64> {
    prop_oneof![1..=1000u64, 1..=AMOUNT_MAX]
}

fn any_channel_id() -> impl Strategy<Value = ChannelId> {
    any::<u16>().prop_map(ChannelId)
}

fn any_moment() -> impl Strategy<Value = Option<Timestamp>> {
    prop::option::of(Timestamp::RANGE.prop_map(Timestamp))
}

fn any_date() -> impl Strategy<Value = Date> {
    Date::RANGE.prop_map(Date)
}

fn any_currency() -> impl Strategy<Value = Currency> {
    "[A-Z]{3}".prop_map(|text| text.parse().unwrap())
}

fn any_discounts() -> impl Strategy<Value = Discounts> {
    let part = || prop_oneof![Just(0), 0..=AMOUNT_MAX / 3];
    (part(), part(), part()).prop_map(|(operator, merchant, platform)| Discounts {
        operator,
        merchant,
        platform,
    })
}

pub(super) fn any_result() -> impl Strategy<Value = RefundResultState> {
    prop::sample::select(vec![
        RefundResultState::Succeeded,
        RefundResultState::Failed,
        RefundResultState::Unknown,
    ])
}

fn any_payment() -> impl Strategy<Value = Command> {
    let details = (any_discounts(), prop::option::of(any_merchant()), prop::option::of("[ -~]{1,64}"));
    let details = details.prop_map(|(discounts, promoter, channel_txn)| {
        Box::new(PaymentDetails { discounts, promoter, channel_txn })
    });
    let details = prop::option::of(prop_oneof![Just(Box::default()), details]);
    (any_merchant(), any_number(), any_channel_id(), any_amount(), any::<bool>(), any_moment(), details)
        .prop_map(|(merchant, order_no, channel, amount, hold, paid_at, details)| {
            // Only an order that is held has a promoter.
            let hold = hold || details.as_ref().is_some_and(|details| details.promoter.is_some());
            Command::Payment(Payment { merchant, order_no, channel, amount, hold, paid_at, details })
        })
}

fn any_terms() -> impl Strategy<Value = Command> {
    let rates = (any_rate(), any_rate(), any_rate(), any_rate(), any_rounding(), any_fee_refund());
    let modes = (any::<bool>(), 0..3usize, any::<bool>(), 0..3usize, any::<bool>(), 1..=255u8);
    let money = (0..=AMOUNT_MAX, 0..=AMOUNT_MAX, any::<bool>(), 0..=AMOUNT_MAX);
    let limits = (any::<Option<u64>>(), any::<Option<u64>>(), any::<Option<u64>>());
    let platform = prop::option::of(1..=u64::from(u32::MAX));
    (any_merchant(), "[a-z\u{4e00}-\u{4e10}]{0,40}", any_currency(), platform, rates, modes, money, limits)
        .prop_map(|(merchant, name, currency, platform, rates, modes, money, limits)| {
            let (fee_rate, platform_fee_rate, advance_fee_rate, max_split_rate, fee_rounding, fee_refund) =
                rates;
            let (business, status, gross, funding, first, days) = modes;
            Command::PutMerchant(Box::new(MerchantTerms {
                merchant,
                name,
                currency,
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

fn any_order() -> impl Strategy<Value = Command> {
    let names = || (any_merchant(), any_number());
    let new = (names(), any_channel_id(), any_amount(), any_discounts(), any::<bool>(), any_moment());
    let new = new.prop_map(|((merchant, order_no), channel, amount, discounts, hold, expires_at)| {
        Command::CreateOrder(Box::new(NewOrder {
            merchant,
            order_no,
            channel,
            amount,
            discounts,
            hold,
            expires_at,
        }))
    });
    let confirm = (names(), any_moment(), prop::option::of("[ -~]{1,64}"));
    let confirm = confirm.prop_map(|((merchant, order_no), paid_at, channel_txn)| {
        let channel_txn = channel_txn.map(Box::from);
        Command::Confirm(Confirm { merchant, order_no, paid_at, channel_txn })
    });
    let close = (names(), any::<bool>())
        .prop_map(|((merchant, order_no), expired)| Command::Close(Close { merchant, order_no, expired }));
    let other = (names(), any::<bool>()).prop_map(|((merchant, order_no), release)| {
        let order = OrderRef { merchant, order_no };
        if release { Command::Release(order) } else { Command::Reinstate(order) }
    });
    prop_oneof![new, confirm, close, other]
}

fn any_split() -> impl Strategy<Value = Command> {
    let receivers = prop::collection::btree_map(any_merchant(), any_amount(), 1..=SPLIT_PARTS_MAX);
    (any_merchant(), any_number(), any_number(), receivers, any::<bool>()).prop_map(
        |(merchant, split_no, order_no, receivers, finish)| {
            let receivers = receivers.into_iter().rev().collect();
            Command::Split(Box::new(Split { merchant, split_no, order_no, receivers, finish }))
        },
    )
}

fn any_split_return() -> impl Strategy<Value = SplitReturn> {
    let numbers = (any_number(), any_number(), any_number());
    (any_merchant(), numbers, any_merchant(), any_amount()).prop_map(
        |(merchant, (return_no, order_no, split_no), receiver, amount)| SplitReturn {
            merchant,
            return_no,
            order_no,
            split_no,
            receiver,
            amount,
        },
    )
}

fn any_refund() -> impl Strategy<Value = Command> {
    let returns = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(any_split_return(), 1..4),
        1 => prop::collection::vec(any_split_return(), SPLIT_PARTS_MAX),
    ];
    let details = prop::option::of((".{0,60}", returns));
    (any_merchant(), any_number(), any_number(), any_amount(), details).prop_map(
        |(merchant, refund_no, order_no, amount, details)| {
            let details = details.map(|(reason, mut split_returns)| {
                // They are of the refund's own order.
                for back in &mut split_returns {
                    (back.merchant, back.order_no) = (merchant, order_no);
                }
                Box::new(RefundDetails { reason, split_returns })
            });
            Command::Refund(Refund { merchant, refund_no, order_no, amount, details })
        },
    )
}

fn any_movement() -> impl Strategy<Value = Command> {
    let moved = || (any_merchant(), any_number(), any_amount());
    let payout =
        (moved(), prop::option::of(any_channel_id())).prop_map(|((merchant, payout_no, amount), channel)| {
            Command::Payout(Payout { merchant, payout_no, amount, channel })
        });
    let result = (any_merchant(), any_number(), any_result()).prop_map(|(merchant, payout_no, state)| {
        Command::PayoutResult(PayoutResult { merchant, payout_no, state })
    });
    let topup = (moved(), any_channel_id()).prop_map(|((merchant, topup_no, amount), channel)| {
        Command::TopUp(TopUp { merchant, topup_no, channel, amount })
    });
    let freeze = moved()
        .prop_map(|(merchant, freeze_no, amount)| Command::Freeze(Freeze { merchant, freeze_no, amount }));
    let unfreeze = (any_merchant(), any_number())
        .prop_map(|(merchant, freeze_no)| Command::Unfreeze(Unfreeze { merchant, freeze_no }));
    let transfer = (moved(), any_merchant()).prop_map(|((merchant, transfer_no, amount), to)| {
        Command::Transfer(Transfer { merchant, transfer_no, to, amount })
    });
    prop_oneof![payout, result, topup, freeze, unfreeze, transfer]
}

fn any_account() -> impl Strategy<Value = Account> {
    prop_oneof![
        Just(Account::Operator),
        Just(Account::Suspense),
        Just(Account::Bank),
        any_channel_id().prop_map(Account::Channel),
        any_merchant().prop_map(Account::Accrued),
        any_merchant().prop_map(Account::Platform),
        any_merchant().prop_map(Account::FeeReceivable),
        any_merchant().prop_map(|id| Account::Merchant(id, MerchantAccount::Pending)),
        any_merchant().prop_map(|id| Account::Merchant(id, MerchantAccount::Available)),
    ]
}

fn any_adjustment() -> impl Strategy<Value = Command> {
    let sides = (any_account(), any_account()).prop_filter("two accounts", |(from, to)| from != to);
    let people = ("[a-z]{1,64}", "[A-Z]{1,64}");
    let texts = ("[ -~]{1,64}", "[a-z\u{4e00}-\u{4e10}]{0,64}", people);
    (any_number(), sides, any_amount(), any_currency(), texts).prop_map(
        |(adjustment_no, (from, to), amount, currency, (subject, memo, people))| {
            let approved_by = people.into();
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

fn any_promoter() -> impl Strategy<Value = Command> {
    (any_merchant(), any_currency(), any_rate(), prop::option::of(any_merchant()), any_rate()).prop_map(
        |(promoter, currency, rate, upline, upline_rate)| {
            Command::PutPromoter(Promoter { promoter, currency, rate, upline, upline_rate })
        },
    )
}

fn any_holidays() -> impl Strategy<Value = Command> {
    prop::collection::btree_map(any_date(), any::<bool>(), 0..40).prop_map(|days| {
        let of = |free: bool| {
            days.iter().filter(|(_, is_free)| **is_free == free).map(|(date, _)| *date).collect()
        };
        Command::PutHolidays(Box::new(Holidays { dates: of(true), workdays: of(false) }))
    })
}

fn any_settlement() -> impl Strategy<Value = Command> {
    let begin = (any_number(), prop::option::of(any_merchant()))
        .prop_map(|(batch_no, merchant)| Command::BeginSettlement(Settlement { batch_no, merchant }));
    let settle = (any_merchant(), any_number())
        .prop_map(|(merchant, batch_no)| Command::Settle(Settle { merchant, batch_no }));
    let item = || {
        (any_merchant(), any_currency(), prop_oneof![any_amount(), 1..=BALANCE_MAX])
            .prop_map(|(owner, currency, amount)| SweepItem { owner, currency, amount })
    };
    let items = prop_oneof![
        4 => prop::collection::vec(item(), 1..5),
        1 => prop::collection::vec(item(), SWEEP_ITEMS_MAX),
    ];
    prop_oneof![
        begin,
        settle,
        any_number().prop_map(Command::EndSettlement),
        items.prop_map(|items| Command::Sweep(Box::new(items))),
    ]
}

pub fn any_command() -> impl Strategy<Value = Command> {
    let result = (any_merchant(), any_number(), any_result(), prop::option::of("[ -~]{1,64}")).prop_map(
        |(merchant, refund_no, state, channel_no)| {
            let channel_refund_no = channel_no.map(Box::from);
            Command::RefundResult(RefundResult { merchant, refund_no, state, channel_refund_no })
        },
    );
    let void = (any_merchant(), any_number(), any_number())
        .prop_map(|(merchant, void_no, order_no)| Command::Void(Void { merchant, void_no, order_no }));
    let void_result =
        (any_merchant(), any_number(), any::<bool>()).prop_map(|(merchant, void_no, succeeded)| {
            Command::VoidResult(VoidResult { merchant, void_no, succeeded })
        });
    let date = (any_date(), any::<bool>()).prop_map(|(date, cut)| Command::SetDate(SetDate { date, cut }));
    prop_oneof![
        4 => any_payment(), 3 => any_refund(), 2 => result, 1 => void, 1 => void_result,
        2 => any_terms(), 2 => any_channel(), 1 => date, 4 => any_order(), 2 => any_split(),
        1 => any_split_return().prop_map(|back| Command::SplitReturn(Box::new(back))),
        4 => any_movement(), 2 => any_adjustment(), 1 => any_promoter(), 1 => any_holidays(),
        3 => any_settlement(),
    ]
}
