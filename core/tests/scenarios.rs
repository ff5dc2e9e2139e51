//! The worked examples of the business: each value here was worked out by hand, not by this code.

mod common;
use common::*;
use suanpan_core::*;

#[test]
fn a_platform_order_is_refunded_in_full() {
    let mut shop = Shop::new();
    let wechat = shop.channel("wechat");
    shop.merchant(9001, |_| {});
    shop.merchant(1001, |terms| {
        terms.platform = Some(MerchantId(9001));
        terms.fee_rate = rate("0.1");
        terms.platform_fee_rate = rate("0.02");
    });
    let order = shop.pay(payment(1001, "A1", wechat, 10_000));
    assert_eq!((order.fee, order.platform_fee, order.net, order.refundable), (1000, 200, 8800, 10_000));
    assert_eq!((shop.pending(1001), shop.accrued(9001)), (8800, 200));
    let refund = shop.refund(1001, "R1", "A1", 10_000);
    assert_eq!((refund.cash_amount, refund.fee_returned, refund.platform_fee_returned), (10_000, 1000, 200));
    assert_eq!(
        (refund.merchant_debit, refund.from_pending, refund.state),
        (8800, 8800, RefundState::Processing)
    );
    let order = shop.order(1001, "A1");
    assert_eq!((order.refundable, order.in_flight, order.status), (0, 10_000, OrderStatus::Paid));

    let pending = Account::Merchant(MerchantId(1001), MerchantAccount::Pending);
    let (channel, operator, platform) =
        (Account::Channel(wechat), Account::Operator, Account::Platform(MerchantId(9001)));
    let booked: Vec<_> = shop.entries.iter().map(|e| (e.subject.0, e.from, e.to, e.amount)).collect();
    let expected = [
        (60, channel, operator, 10_000),
        (61, operator, platform, 10_000),
        (62, platform, pending, 10_000),
        (63, pending, platform, 1200),
        (64, platform, operator, 1000),
        (70, pending, platform, 10_000),
        (71, platform, operator, 10_000),
        (72, operator, platform, 1000),
        (73, platform, pending, 1200),
        (74, operator, channel, 10_000),
    ];
    assert_eq!(booked, expected);
    shop.succeed(1001, "R1");
    let order = shop.order(1001, "A1");
    assert_eq!((order.status, order.refunded, order.in_flight), (OrderStatus::Refunded, 10_000, 0));
    assert_eq!((shop.pending(1001), shop.accrued(9001)), (0, 0));
    shop.balanced();
}

#[test]
fn partial_refunds_square() {
    let mut shop = Shop::new();
    let mut terms = ChannelTerms::preset("wechat", Preset::Wechat, shanghai());
    terms.cost_rate = rate("0.0025");
    let wechat = shop.put_channel(terms);
    shop.merchant(1001, |terms| terms.fee_rate = rate("0.006"));
    let order = shop.pay(payment(1001, "A1", wechat, 10_000));
    assert_eq!((order.fee, order.channel_cost, order.net), (60, 25, 9940));
    for (no, amount, fee, cost, debit, refundable, pending) in [
        ("R1", 3300, 20, 8, 3280, 6700, 6660),
        ("R2", 4400, 26, 11, 4374, 2300, 2286),
        ("R3", 2300, 14, 6, 2286, 0, 0),
    ] {
        let refund = shop.refund(1001, no, "A1", amount);
        assert_eq!((refund.fee_returned, refund.cost_returned, refund.merchant_debit), (fee, cost, debit));
        shop.succeed(1001, no);
        let order = shop.order(1001, "A1");
        let status = if refundable == 0 { OrderStatus::Refunded } else { OrderStatus::PartiallyRefunded };
        assert_eq!((order.refundable, order.status), (refundable, status));
        assert_eq!(shop.pending(1001), pending);
        shop.balanced();
    }
    assert_eq!(shop.refused(&refund(1001, "RX", "A1", 1)), Rejection::OrderState);
}

#[test]
fn fees_under_three_roundings() {
    let mut shop = Shop::new();
    let wechat = shop.channel("wechat");
    for (id, rounding, fees) in [
        (1001, Rounding::HalfUp, [2, 5, 8, 0, 1, 0]),
        (1002, Rounding::HalfEven, [2, 4, 8, 0, 1, 0]),
        (1003, Rounding::Down, [1, 4, 7, 0, 0, 0]),
    ] {
        shop.merchant(id, |terms| {
            terms.fee_rate = rate("0.006");
            terms.fee_rounding = rounding;
        });
        for (amount, fee) in [250, 750, 1250, 83, 84, 1].into_iter().zip(fees) {
            let order = shop.pay(payment(id, &format!("A{amount}"), wechat, amount));
            assert_eq!((order.fee, order.net), (fee, amount - fee));
        }
    }
    shop.balanced();
}

#[test]
fn discounts_and_how_they_go_back() {
    let mut shop = Shop::new();
    let wechat = shop.channel("wechat");
    shop.merchant(1001, |_| {});
    shop.merchant(1002, |terms| terms.discount_refund = DiscountRefund::DiscountFirst);
    let order = shop.pay(discounted(payment(1001, "A1", wechat, 9500), 500, 0, 0));
    assert_eq!((order.payable, order.amount, order.net, order.refundable), (10_000, 9500, 10_000, 10_000));
    assert_eq!(shop.pending(1001), 10_000);
    for (no, amount, cash, discount) in [("R1", 3333, 3166, 167), ("R2", 6667, 6334, 333)] {
        let refund = shop.refund(1001, no, "A1", amount);
        assert_eq!((refund.cash_amount, refund.discount_amount), (cash, discount));
    }
    assert_eq!(shop.pending(1001), 0);
    shop.pay(discounted(payment(1002, "A1", wechat, 9500), 500, 0, 0));
    for (no, amount, cash, discount) in [("R1", 400, 0, 400), ("R2", 1000, 900, 100)] {
        let refund = shop.refund(1002, no, "A1", amount);
        assert_eq!((refund.cash_amount, refund.discount_amount), (cash, discount));
        // Discount only needs no channel.
        let state = if cash == 0 { RefundState::Succeeded } else { RefundState::Processing };
        assert_eq!(refund.state, state);
    }
    assert_eq!(shop.pending(1002), 8600);
    let order = shop.pay(discounted(payment(1001, "A2", wechat, 9500), 0, 500, 0));
    assert_eq!((order.net, order.payable), (9500, 10_000));
    let refund = shop.refund(1001, "R3", "A2", 10_000);
    assert_eq!((refund.cash_amount, refund.merchant_debit), (9500, 9500));
    assert_eq!(shop.pending(1001), 0);
    shop.balanced();
}

#[test]
fn a_bank_refunds_as_void_on_the_day() {
    let mut shop = Shop::new();
    shop.now = NOON - 2 * HOUR;
    let bank = shop.channel("bank");
    shop.merchant(2001, |_| {});
    shop.pay(payment(2001, "A1", bank, 10_000));
    shop.pay(payment(2001, "A2", bank, 5000));
    assert_eq!(shop.refused(&refund(2001, "R1", "A1", 4000)), Rejection::SameDayPartial);
    let sent = shop.refund(2001, "R2", "A1", 10_000);
    assert_eq!((sent.sent_as, sent.state), (SentAs::Void, RefundState::Processing));
    assert_eq!(shop.pending(2001), 5000);
    assert_eq!(shop.fail(2001, "R2"), RefundState::Held);
    assert_eq!(shop.pending(2001), 5000);
    let order = shop.order(2001, "A1");
    assert_eq!((order.refundable, order.in_flight), (0, 10_000));
    shop.done(&void(2001, "V2", "A2"));
    shop.done(&void_result(2001, "V2", true));
    assert_eq!(shop.order(2001, "A2").status, OrderStatus::Voided);
    assert_eq!(shop.pending(2001), 0);
    shop.pay(payment(2001, "A3", bank, 7000));
    shop.now = NOON + 10 * HOUR - 1000;
    shop.pay(payment(2001, "A4", bank, 100));
    shop.now = NOON + 10 * HOUR;
    let late = Command::Payment(payment(2001, "A5", bank, 100));
    assert_eq!(shop.refused(&late), Rejection::ChannelBlackout);
    assert_eq!(shop.refused(&refund(2001, "R3", "A3", 7000)), Rejection::ChannelBlackout);
    shop.now = NOON + 12 * HOUR;
    assert_eq!(shop.done(&cut(SUNDAY.plus_days(1))), Receipt::Date { closed: SUNDAY, resubmitted: 1 });
    let sent = shop.refund_view(2001, "R2");
    assert_eq!((sent.state, sent.sent_as, sent.attempts), (RefundState::Processing, SentAs::Refund, 2));
    shop.succeed(2001, "R2");
    assert_eq!(shop.order(2001, "A1").status, OrderStatus::Refunded);
    let sent = shop.refund(2001, "R4", "A3", 3000);
    assert_eq!((sent.sent_as, sent.state), (SentAs::Refund, RefundState::Processing));
    assert_eq!(shop.refused(&refund(2001, "R5", "A3", 1000)), Rejection::RefundInFlight);
    assert_eq!(shop.fail(2001, "R4"), RefundState::Failed);
    assert_eq!(shop.order(2001, "A3").refundable, 7000);
    shop.refund(2001, "R5", "A3", 1000);
    shop.succeed(2001, "R5");
    assert_eq!(shop.pending(2001), 6100);
    assert_eq!(shop.refused(&void(2001, "V3", "A3")), Rejection::NotSameDay);
    shop.balanced();
}

#[test]
fn retries_and_repeats() {
    let mut shop = Shop::new();
    let (wechat, bestpay) = (shop.channel("wechat"), shop.channel("bestpay"));
    shop.merchant(1001, |_| {});
    let first = payment(1001, "A1", wechat, 1000);
    shop.pay(first.clone());
    let repeat = shop.repeated(&Command::Payment(first));
    assert_eq!(repeat, Receipt::Payment { repeat: true, fees: 0, net: 1000 });
    let other = Command::Payment(payment(1001, "A1", wechat, 1001));
    assert_eq!(shop.refused(&other), Rejection::IdempotencyConflict);
    shop.refund(1001, "R1", "A1", 400);
    let again = refund(1001, "R1", "A1", 400);
    let processing = RefundState::Processing;
    assert_eq!(
        shop.repeated(&again),
        Receipt::Refund { repeat: true, state: processing, merchant_debit: 400 }
    );
    assert_eq!(shop.refused(&refund(1001, "R1", "A1", 300)), Rejection::IdempotencyConflict);
    assert_eq!(shop.refused(&refund(1001, "R2", "A1", 601)), Rejection::ExceedsRefundable);
    let unknown = result(1001, "R1", RefundResultState::Unknown);
    assert_eq!(shop.repeated(&unknown), Receipt::RefundResult { repeat: true, state: processing });
    assert_eq!(shop.pending(1001), 600);
    assert_eq!(shop.fail(1001, "R1"), RefundState::Failed);
    assert_eq!(shop.pending(1001), 1000);
    assert_eq!(shop.refund(1001, "R1", "A1", 400).attempts, 2);
    assert_eq!(shop.pending(1001), 600);
    shop.succeed(1001, "R1");
    shop.repeated(&result(1001, "R1", RefundResultState::Succeeded));
    // Refused and kept, the first time.
    let failed = result(1001, "R1", RefundResultState::Failed);
    let contradicts = Reply::Rejected(Rejection::ContradictsFinal, None);
    assert_eq!(shop.apply(&failed), Applied { reply: contradicts, changed: true });
    assert_eq!(shop.refused(&failed), Rejection::ContradictsFinal);
    assert_eq!(shop.ledger.contradictions(), 1);
    let succeeded = RefundState::Succeeded;
    assert_eq!(
        shop.repeated(&again),
        Receipt::Refund { repeat: true, state: succeeded, merchant_debit: 400 }
    );
    assert_eq!(shop.pending(1001), 600);
    shop.refund(1001, "R2", "A1", 600);
    assert_eq!(shop.pending(1001), 0);
    shop.pay(payment(1001, "B1", bestpay, 800));
    shop.refund(1001, "RB", "B1", 800);
    assert_eq!(shop.fail(1001, "RB"), RefundState::Held);
    assert_eq!((shop.order(1001, "B1").refundable, shop.pending(1001)), (0, 0));
    assert_eq!(shop.done(&cut(SUNDAY.plus_days(1))), Receipt::Date { closed: SUNDAY, resubmitted: 1 });
    let sent = shop.refund_view(1001, "RB");
    assert_eq!((sent.state, sent.attempts), (processing, 2));
    shop.succeed(1001, "RB");
    shop.balanced();
}

#[test]
fn limits_of_refunds_and_of_a_merchant() {
    let mut shop = Shop::new();
    let wechat = shop.channel("wechat");
    shop.merchant(1001, |_| {});
    shop.pay(payment(1001, "A1", wechat, 5000));
    for n in 1..=50 {
        shop.refund(1001, &format!("R{n}"), "A1", 10);
    }
    assert_eq!(shop.refused(&refund(1001, "R51", "A1", 10)), Rejection::TooManyRefunds);
    assert_eq!(shop.pending(1001), 4500);
    let limits = Limits { order_amount: Some(1000), day_amount: Some(1500), day_count: Some(3) };
    shop.merchant(1002, |terms| terms.limits = limits);
    let pay = |no: &str, amount| Command::Payment(payment(1002, no, wechat, amount));
    assert_eq!(shop.refused(&pay("A1", 1001)), Rejection::LimitOrderAmount);
    shop.done(&pay("A1", 1000));
    assert_eq!(shop.refused(&pay("A2", 501)), Rejection::LimitDayAmount);
    shop.done(&pay("A2", 100));
    shop.done(&pay("A3", 100));
    assert_eq!(shop.refused(&pay("A4", 1)), Rejection::LimitDayCount);
    shop.done(&cut(SUNDAY.plus_days(1)));
    shop.done(&pay("A4", 1));
    shop.merchant(1002, |terms| terms.status = MerchantStatus::Suspended);
    assert_eq!(shop.refused(&pay("A5", 1)), Rejection::MerchantSuspended);
    shop.refund(1002, "R1", "A4", 1);
    let stranger = Command::Payment(payment(1003, "A1", wechat, 1));
    assert_eq!(shop.refused(&stranger), Rejection::MerchantNotFound);
    assert_eq!(shop.refused(&refund(1001, "RZ", "NOPE", 1)), Rejection::OrderNotFound);
    shop.balanced();
}

#[test]
fn the_last_day_of_a_refund_window() {
    let mut shop = Shop::new();
    shop.ledger = Ledger::new(1, Date::from_ymd(2018, 1, 1).unwrap());
    let new_year = 1_514_779_200_000; // 2018-01-01T12:00:00+08:00
    shop.now = new_year;
    let (wechat, alipay) = (shop.channel("wechat"), shop.channel("alipay"));
    shop.merchant(1001, |_| {});
    shop.pay(payment(1001, "W1", wechat, 1000));
    shop.pay(payment(1001, "L1", alipay, 1000));
    shop.pay(payment(1001, "L2", alipay, 1000));
    shop.now = new_year + 90 * DAY;
    shop.done(&cut(Date::from_ymd(2018, 4, 1).unwrap()));
    shop.refund(1001, "R1", "L1", 500);
    shop.now = new_year + 90 * DAY + 12 * HOUR;
    assert_eq!(shop.refused(&refund(1001, "R2", "L2", 500)), Rejection::RefundWindow);
    shop.now = new_year + 365 * DAY + 11 * HOUR;
    shop.refund(1001, "R3", "W1", 10);
    shop.now = new_year + 365 * DAY + 12 * HOUR;
    assert_eq!(shop.refused(&refund(1001, "R4", "W1", 10)), Rejection::RefundWindow);
    shop.balanced();
}

#[test]
fn the_largest_amounts() {
    let mut shop = Shop::new();
    let wechat = shop.channel("wechat");
    shop.merchant(1001, |_| {});
    assert_eq!(shop.pay(payment(1001, "TOP", wechat, AMOUNT_MAX)).net, AMOUNT_MAX);
    let above = Command::Payment(payment(1001, "BIG", wechat, AMOUNT_MAX + 1));
    assert_eq!(shop.refused(&above), Rejection::InvalidRequest);
    // The last payment that fits, and the first that does not.
    let fits = BALANCE_MAX / AMOUNT_MAX;
    for n in 1..fits {
        shop.done(&Command::Payment(payment(1001, &format!("T{n}"), wechat, AMOUNT_MAX)));
    }
    assert_eq!(shop.pending(1001), fits * AMOUNT_MAX);
    let over = Command::Payment(payment(1001, "OVER", wechat, AMOUNT_MAX));
    assert_eq!(shop.refused(&over), Rejection::Overflow);
    shop.balanced();
}

/// Until an order is taken the date may be set back, behind what was booked: an order still leaves with its entries only.
#[test]
fn an_order_that_follows_what_is_of_later_dates_leaves_with_its_entries() {
    let mut shop = Shop::new();
    let channel = shop.channel("wechat");
    shop.merchant(1001, |terms| terms.cycle = Cycle::Calendar(0));
    let top_up = |no: &str| {
        let (merchant, topup_no, amount) = (MerchantId(1001), number(no), 5);
        Command::TopUp(TopUp { merchant, topup_no, channel, amount })
    };
    let begin = |days: i32| Command::SetDate(SetDate { date: Date(SUNDAY.0 + days), cut: false });
    shop.done(&top_up("T0"));
    shop.done(&begin(3));
    shop.done(&top_up("T1"));
    shop.done(&begin(-2));
    shop.pay(payment(1001, "A0", channel, 100));
    shop.done(&cut(Date(SUNDAY.0 + 2)));
    let mut was = shop.ledger.snapshot();
    let gone = was.departures(Date(SUNDAY.0 + 1), Timestamp(NOON));
    let rest = was.without(&gone, &mut || ());
    assert_eq!((gone.len(), rest.digest(&mut || ())), (2, shop.ledger.digest()));
}
