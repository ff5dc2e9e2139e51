//! Every refusal at least once, and which one wins where two would hold.

mod common;
use common::*;
use suanpan_core::*;

/// Refuses all it can at once: blacked out from 22:00, a window of one day, one refund, one in flight.
fn strict(same_day: SameDay) -> ChannelTerms {
    let mut terms = ChannelTerms::preset("strict", Preset::Bank, shanghai());
    terms.same_day = same_day;
    terms.refund_window_days = 1;
    terms.max_refunds_per_order = Some(1);
    terms
}

fn active(shop: &mut Shop, id: u64, status: MerchantStatus, limits: Limits) {
    shop.merchant(id, |terms| {
        terms.status = status;
        terms.limits = limits;
    });
}

#[test]
fn payments_are_checked_in_their_order() {
    let mut shop = Shop::new();
    let channel = shop.put_channel(strict(SameDay::Allow));
    let none = Limits::default();
    let all = Limits { order_amount: Some(10), day_amount: Some(5), day_count: Some(0) };
    let pay = |amount| Command::Payment(payment(1, "A1", channel, amount));
    let nowhere = Command::Payment(payment(1, "A1", ChannelId(9), 20));
    assert_eq!(shop.refused(&nowhere), Rejection::MerchantNotFound);
    active(&mut shop, 1, MerchantStatus::Suspended, all);
    shop.now = NOON + 10 * HOUR;
    // From the last to the first: each step takes away the reason that just won.
    assert_eq!(shop.refused(&nowhere), Rejection::ChannelNotFound);
    assert_eq!(shop.refused(&pay(20)), Rejection::MerchantSuspended);
    active(&mut shop, 1, MerchantStatus::Closed, all);
    assert_eq!(shop.refused(&pay(20)), Rejection::MerchantClosed);
    active(&mut shop, 1, MerchantStatus::Active, all);
    assert_eq!(shop.refused(&pay(20)), Rejection::ChannelBlackout);
    shop.now = NOON;
    assert_eq!(shop.refused(&pay(20)), Rejection::LimitOrderAmount);
    assert_eq!(shop.refused(&pay(10)), Rejection::LimitDayAmount);
    assert_eq!(shop.refused(&pay(5)), Rejection::LimitDayCount);
    active(&mut shop, 1, MerchantStatus::Active, none);
    shop.done(&pay(5));
    // A repeat comes before everything else.
    active(&mut shop, 1, MerchantStatus::Closed, all);
    shop.now = NOON + 10 * HOUR;
    shop.repeated(&pay(5));
    assert_eq!(shop.refused(&pay(6)), Rejection::IdempotencyConflict);
}

#[test]
fn a_payment_is_blacked_out_by_when_the_channel_took_it() {
    let mut shop = Shop::new();
    let bank = shop.channel("bank");
    shop.merchant(1, |_| {});
    let at =
        |no: &str, at| Command::Payment(Payment { paid_at: Some(Timestamp(at)), ..payment(1, no, bank, 5) });
    shop.now = NOON + 10 * HOUR;
    shop.done(&at("A1", NOON));
    assert_eq!(shop.order(1, "A1").paid_at, Some(Timestamp(NOON)));
    shop.now = NOON;
    assert_eq!(shop.refused(&at("A2", NOON + 10 * HOUR)), Rejection::ChannelBlackout);
}

#[test]
fn every_field_of_a_payment_counts_for_a_repeat() {
    let mut shop = Shop::new();
    let (wechat, alipay) = (shop.channel("wechat"), shop.channel("alipay"));
    shop.merchant(1, |_| {});
    let (promoter, currency) = (MerchantId(7), CNY);
    let (rate, upline, upline_rate) = (Rate(0), None, Rate(0));
    shop.done(&Command::PutPromoter(Promoter { promoter, currency, rate, upline, upline_rate }));
    let details = |change: fn(&mut PaymentDetails)| {
        let mut details = PaymentDetails {
            discounts: Discounts { operator: 3, merchant: 2, platform: 0 },
            promoter: Some(MerchantId(7)),
            channel_txn: Some("42".to_owned()),
        };
        change(&mut details);
        Some(Box::new(details))
    };
    let first = Payment {
        hold: true,
        paid_at: Some(Timestamp(NOON)),
        details: details(|_| {}),
        ..payment(1, "A1", wechat, 100)
    };
    shop.pay(first.clone());
    shop.now += HOUR;
    shop.repeated(&Command::Payment(first.clone()));
    for other in [
        Payment { channel: alipay, ..first.clone() },
        Payment { amount: 101, ..first.clone() },
        Payment { paid_at: None, ..first.clone() },
        Payment { paid_at: Some(Timestamp(NOON + 1)), ..first.clone() },
        Payment { details: None, ..first.clone() },
        Payment { details: details(|d| d.discounts.operator = 2), ..first.clone() },
        Payment { details: details(|d| d.discounts.merchant = 3), ..first.clone() },
        Payment { details: details(|d| d.promoter = None), ..first.clone() },
        Payment { details: details(|d| d.channel_txn = Some("43".to_owned())), ..first.clone() },
    ] {
        assert_eq!(shop.refused(&Command::Payment(other)), Rejection::IdempotencyConflict);
    }
    // What was left out stays left out, whatever it became; empty details are none.
    let plain = payment(1, "A2", wechat, 100);
    let paid_at = shop.pay(plain.clone()).paid_at;
    shop.now += HOUR;
    let empty = Some(Box::new(PaymentDetails::default()));
    shop.repeated(&Command::Payment(Payment { details: empty, ..plain.clone() }));
    for other in [Payment { paid_at, ..plain.clone() }, Payment { hold: true, ..plain }] {
        assert_eq!(shop.refused(&Command::Payment(other)), Rejection::IdempotencyConflict);
    }
}

#[test]
fn refunds_are_checked_in_their_order() {
    let mut shop = Shop::new();
    let channel = shop.put_channel(strict(SameDay::NextDay));
    shop.merchant(1, |terms| terms.cycle = Cycle::Calendar(0));
    shop.pay(payment(1, "A1", channel, 100));
    let ask = |amount| refund(1, "R9", "A1", amount);
    let nowhere = refund(1, "R9", "NOPE", 1);
    assert_eq!(shop.refused(&refund(2, "R9", "A1", 1)), Rejection::MerchantNotFound);
    assert_eq!(shop.refused(&nowhere), Rejection::OrderNotFound);
    // Blacked out, past the window, advanced, too much, on the day of payment, all at once.
    shop.now = NOON + 3 * DAY + 10 * HOUR;
    assert_eq!(shop.refused(&ask(200)), Rejection::ChannelBlackout);
    shop.now = NOON + 3 * DAY;
    assert_eq!(shop.refused(&ask(200)), Rejection::RefundWindow);
    shop.now = NOON + DAY;
    assert_eq!(shop.refused(&ask(200)), Rejection::D0NotRefundable);

    // The same channel under terms that let an advanced order be refunded.
    shop.merchant(3, |terms| {
        terms.cycle = Cycle::Calendar(0);
        terms.refund_funding = RefundFunding::Available;
    });
    shop.pay(payment(3, "A1", channel, 100));
    let ask = |no: &str, amount| refund(3, no, "A1", amount);
    assert_eq!(shop.refused(&ask("R1", 200)), Rejection::ExceedsRefundable);
    assert_eq!(shop.refused(&ask("R1", 100)), Rejection::SameDayRefund);
    shop.done(&cut(SUNDAY.plus_days(1)));
    let first = shop.refund(3, "R1", "A1", 40);
    assert_eq!((first.from_pending, first.from_held, first.from_available), (0, 0, 40));
    assert_eq!(shop.refused(&ask("R2", 200)), Rejection::TooManyRefunds);
    let mut more = strict(SameDay::NextDay);
    more.max_refunds_per_order = None;
    shop.put_channel(more);
    assert_eq!(shop.refused(&ask("R2", 200)), Rejection::RefundInFlight);
    shop.succeed(3, "R1");
    assert_eq!(shop.refused(&ask("R2", 61)), Rejection::ExceedsRefundable);
    shop.refund(3, "R2", "A1", 60);
    shop.succeed(3, "R2");
    assert_eq!(shop.refused(&ask("R3", 1)), Rejection::OrderState);
    // A contradiction in what is repeated wins over all.
    assert_eq!(shop.refused(&ask("R2", 59)), Rejection::IdempotencyConflict);
    shop.balanced();
}

#[test]
fn the_state_wins_over_a_blackout_and_the_same_day_rule_over_funds() {
    let mut shop = Shop::new();
    let bank = shop.channel("bank");
    // Nothing of fees comes back, so the whole order costs more than it brought.
    shop.merchant(1, |terms| {
        terms.fee_rate = rate("0.5");
        terms.fee_refund = FeeRefund::None;
    });
    shop.pay(payment(1, "A1", bank, 100));
    assert_eq!(shop.refused(&refund(1, "R1", "A1", 99)), Rejection::SameDayPartial);
    assert_eq!(shop.refused(&refund(1, "R1", "A1", 100)), Rejection::InsufficientFunds);
    shop.done(&void(1, "V1", "A1"));
    shop.now = NOON + 10 * HOUR;
    assert_eq!(shop.refused(&refund(1, "R1", "A1", 100)), Rejection::OrderState);
}

#[test]
fn voids_are_checked_in_their_order() {
    let mut shop = Shop::new();
    let wechat = shop.channel("wechat");
    shop.merchant(1, |terms| {
        terms.cycle = Cycle::Calendar(0);
        terms.refund_funding = RefundFunding::Available;
    });
    shop.pay(payment(1, "A1", wechat, 100));
    shop.refund(1, "R1", "A1", 10);
    assert_eq!(shop.refused(&void(2, "V1", "A1")), Rejection::MerchantNotFound);
    assert_eq!(shop.refused(&void(1, "V1", "NOPE")), Rejection::OrderNotFound);
    // Settled at once, and refunded: settled wins.
    assert_eq!(shop.refused(&void(1, "V1", "A1")), Rejection::OrderSettled);
    shop.merchant(1, |_| {});
    shop.pay(payment(1, "A2", wechat, 100));
    shop.refund(1, "R2", "A2", 10);
    assert_eq!(shop.refused(&void(1, "V1", "A2")), Rejection::HasRefunds);
    // A failed refund no longer counts.
    shop.fail(1, "R2");
    shop.merchant(1, |terms| terms.status = MerchantStatus::Closed);
    assert_eq!(shop.refused(&void(1, "V1", "A2")), Rejection::MerchantClosed);
    shop.merchant(1, |terms| terms.status = MerchantStatus::Suspended);
    shop.done(&void(1, "V1", "A2"));
    assert_eq!(shop.refused(&void(1, "V2", "A2")), Rejection::OrderState);
    shop.done(&cut(SUNDAY.plus_days(1)));
    assert_eq!(shop.refused(&void(1, "V2", "A1")), Rejection::NotSameDay);
    shop.balanced();
}

#[test]
fn a_void_takes_the_payment_back_and_a_failed_one_books_it_again() {
    let mut shop = Shop::new();
    let mut terms = ChannelTerms::preset("wechat", Preset::Wechat, shanghai());
    terms.cost_rate = rate("0.0025");
    let wechat = shop.put_channel(terms);
    shop.merchant(9, |_| {});
    shop.merchant(1, |terms| {
        terms.platform = Some(MerchantId(9));
        terms.fee_rate = rate("0.006");
        terms.platform_fee_rate = rate("0.002");
    });
    shop.pay(discounted(payment(1, "A1", wechat, 10_000), 300, 20, 100));
    let before = shop.totals().accounts;
    assert_eq!(shop.pending(1), 10_320);
    let payment_entries = std::mem::take(&mut shop.entries);
    assert_eq!(
        payment_entries.iter().map(|entry| entry.subject.0).collect::<Vec<_>>(),
        [60, 61, 62, 63, 64, 65, 66, 66]
    );
    shop.done(&void(1, "V1", "A1"));
    assert_eq!((shop.pending(1), shop.accrued(9)), (0, 0));
    assert!(shop.totals().accounts.iter().all(|(_, _, balance)| *balance == 0));
    let back = std::mem::take(&mut shop.entries);
    for (paid, back) in payment_entries.iter().zip(&back) {
        assert_eq!(*back, Entry { from: paid.to, to: paid.from, reversal: true, ..*paid });
    }
    let view = shop.order(1, "A1");
    assert_eq!((view.status, view.refundable, view.in_flight), (OrderStatus::Voided, 0, 0));
    assert_eq!(
        shop.repeated(&void(1, "V1", "A1")),
        Receipt::Void { repeat: true, state: VoidState::Processing }
    );
    assert_eq!(shop.refused(&void(1, "V1", "A2")), Rejection::IdempotencyConflict);
    shop.done(&void_result(1, "V1", false));
    assert_eq!(shop.entries, payment_entries);
    assert_eq!(shop.totals().accounts, before);
    assert_eq!(shop.order(1, "A1").status, OrderStatus::Paid);
    shop.repeated(&void_result(1, "V1", false));
    let contradicts = Reply::Rejected(Rejection::ContradictsFinal, None);
    let other = void_result(1, "V1", true);
    assert_eq!(shop.apply(&other), Applied { reply: contradicts, changed: true });
    assert_eq!(shop.refused(&other), Rejection::ContradictsFinal);
    assert_eq!(shop.refused(&void_result(1, "V2", true)), Rejection::VoidNotFound);
    // The number of the failed one is used up; another may try.
    let failed = Receipt::Void { repeat: true, state: VoidState::Failed };
    assert_eq!(shop.repeated(&void(1, "V1", "A1")), failed);
    shop.done(&void(1, "V2", "A1"));
    shop.done(&void_result(1, "V2", true));
    assert_eq!(shop.pending(1), 0);
}

#[test]
fn advanced_orders_pay_their_advance_fee_and_are_refunded_from_available() {
    for funding in [RefundFunding::Available, RefundFunding::PendingThenAvailable] {
        let mut shop = Shop::new();
        let wechat = shop.channel("wechat");
        let advance = |terms: &mut MerchantTerms| {
            terms.cycle = Cycle::Calendar(0);
            terms.fee_rate = rate("0.006");
            terms.advance_fee_rate = rate("0.001");
            terms.refund_funding = funding;
        };
        shop.merchant(1, advance);
        let order = shop.pay(payment(1, "A1", wechat, 10_000));
        assert_eq!((order.fee, order.net, order.settled), (60, 9930, true));
        assert_eq!((shop.pending(1), shop.balances(1).available), (0, 9930));
        assert_eq!(shop.entries.last().map(|entry| (entry.subject.0, entry.amount)), Some((67, 10)));
        // Some pending beside it, which only `pending_then_available` takes.
        shop.merchant(1, |terms| {
            advance(terms);
            terms.cycle = Cycle::Business(1);
        });
        shop.pay(payment(1, "A2", wechat, 1000));
        assert_eq!(shop.pending(1), 994);
        shop.entries.clear();
        let first = shop.refund(1, "R1", "A1", 5000);
        let pending = if funding == RefundFunding::Available { 0 } else { 994 };
        assert_eq!((first.merchant_debit, first.from_pending), (4970, pending));
        assert_eq!(first.from_available, 4970 - pending);
        let cover = shop.entries[0];
        assert_eq!((cover.subject.0, cover.amount), (77, 4970 - pending));
        shop.fail(1, "R1");
        assert_eq!((shop.pending(1), shop.balances(1).available), (994, 9930));
        // All or nothing.
        shop.merchant(1, |terms| {
            advance(terms);
            terms.fee_refund = FeeRefund::None;
        });
        shop.pay(payment(1, "A3", wechat, 20_000));
        let all = shop.balances(1).available;
        assert_eq!(all, 9930 + 20_000 - 120 - 20);
        shop.refund(1, "R2", "A3", 20_000);
        // Of 9940, one has 9790 left, the other 10,784 since pending went first.
        if funding == RefundFunding::Available {
            assert_eq!(shop.refused(&refund(1, "R3", "A1", 10_000)), Rejection::InsufficientFunds);
            assert_eq!(shop.pending(1), 994);
        } else {
            assert_eq!(shop.refund(1, "R3", "A1", 10_000).from_available, 9940);
            assert_eq!(shop.balances(1).available, 844);
        }
        shop.balanced();
    }
}

#[test]
fn a_held_order_is_refunded_from_its_own_hold_only() {
    let mut shop = Shop::new();
    let wechat = shop.channel("wechat");
    shop.merchant(1, |terms| {
        terms.fee_rate = rate("0.006");
        terms.fee_refund = FeeRefund::None;
    });
    let hold = |no: &str| Payment { hold: true, ..payment(1, no, wechat, 10_000) };
    assert_eq!(shop.pay(hold("A1")).held, 9940);
    shop.pay(hold("A2"));
    shop.pay(payment(1, "A3", wechat, 10_000));
    assert_eq!((shop.balances(1).held, shop.pending(1)), (19_880, 9940));
    assert_eq!(shop.refused(&refund(1, "R1", "A1", 10_000)), Rejection::InsufficientFunds);
    let refund = shop.refund(1, "R1", "A1", 9940);
    assert_eq!((refund.from_held, refund.from_pending), (9940, 0));
    assert_eq!((shop.order(1, "A1").held, shop.balances(1).held), (0, 9940));
    shop.fail(1, "R1");
    assert_eq!((shop.order(1, "A1").held, shop.balances(1).held), (9940, 19_880));
    shop.done(&void(1, "V1", "A2"));
    assert_eq!((shop.order(1, "A2").held, shop.balances(1).held), (0, 9940));
    shop.done(&void_result(1, "V1", false));
    assert_eq!((shop.order(1, "A2").held, shop.balances(1).held), (9940, 19_880));
    shop.balanced();
}

#[test]
fn fees_are_clamped_and_never_above_the_cash() {
    let mut shop = Shop::new();
    let wechat = shop.channel("wechat");
    shop.merchant(9, |_| {});
    shop.merchant(1, |terms| {
        terms.platform = Some(MerchantId(9));
        terms.fee_rate = rate("0.01");
        terms.fee_min = 30;
        terms.fee_max = Some(100);
        terms.platform_fee_rate = rate("0.5");
    });
    for (no, amount, fee, platform_fee) in [
        ("A1", 1000, 30, 500),
        ("A2", 5000, 50, 2500),
        ("A3", 50_000, 100, 25_000),
        ("A4", 50, 30, 20),
        ("A5", 10, 10, 0),
    ] {
        let order = shop.pay(payment(1, no, wechat, amount));
        assert_eq!((order.fee, order.platform_fee), (fee, platform_fee));
        assert_eq!(order.net, amount - fee - platform_fee);
        let refund_no = format!("R{no}");
        shop.refund(1, &refund_no, no, amount);
        shop.fail(1, &refund_no);
        shop.refund(1, &refund_no, no, amount);
    }
    assert_eq!((shop.pending(1), shop.accrued(9)), (0, 0));
    shop.balanced();
}

#[test]
fn gross_mode_owes_fees_instead_of_paying_them() {
    let mut shop = Shop::new();
    let wechat = shop.channel("wechat");
    shop.merchant(1, |terms| {
        terms.mode = SettlementMode::Gross;
        terms.fee_rate = rate("0.006");
    });
    let order = shop.pay(payment(1, "A1", wechat, 10_000));
    assert_eq!((order.fee, order.net), (60, 10_000));
    assert_eq!(shop.pending(1), 10_000);
    let owed = |shop: &Shop| {
        let totals = shop.totals();
        totals.accounts.iter().find(|(_, name, _)| name == "merchants:fee_receivable").map(|(.., owed)| *owed)
    };
    assert_eq!(owed(&shop), Some(-60));
    let refund = shop.refund(1, "R1", "A1", 2500);
    assert_eq!((refund.fee_returned, refund.merchant_debit), (15, 2500));
    assert_eq!(owed(&shop), Some(-45));
    shop.balanced();
}

#[test]
fn the_last_refund_may_return_more_fees_than_it_gives_back() {
    let mut shop = Shop::new();
    let qq = shop.channel("qq");
    shop.merchant(1, |terms| {
        terms.fee_rate = rate("0.006");
        terms.fee_rounding = Rounding::Down;
    });
    shop.pay(payment(1, "A1", qq, 1000));
    shop.pay(payment(1, "A2", qq, 1000));
    // Each share of the fee of 6 rounds down to nothing, until the last.
    for n in 0..9 {
        assert_eq!(shop.refund(1, &format!("R{n}"), "A1", 111).fee_returned, 0);
    }
    assert_eq!(shop.refused(&refund(1, "RX", "A1", 2)), Rejection::ExceedsRefundable);
    assert_eq!(shop.pending(1), 2 * 994 - 999);
    let last = shop.refund(1, "RX", "A1", 1);
    assert_eq!((last.fee_returned, last.merchant_debit, last.from_pending), (6, 0, 0));
    assert_eq!(shop.pending(1), 2 * 994 - 999 + 5);
    assert_eq!(shop.fail(1, "RX"), RefundState::Failed);
    assert_eq!(shop.pending(1), 2 * 994 - 999);
    // Once what it brought is gone, it cannot be taken back: its failure waits until there is money.
    shop.refund(1, "RX", "A1", 1);
    shop.refund(1, "RY", "A2", 1000);
    assert_eq!(shop.pending(1), 0);
    let failed = result(1, "RX", RefundResultState::Failed);
    assert_eq!(shop.refused(&failed), Rejection::InsufficientFunds);
    assert_eq!(shop.refund_view(1, "RX").state, RefundState::Processing);
    shop.pay(payment(1, "A3", qq, 100));
    assert_eq!(shop.fail(1, "RX"), RefundState::Failed);
    assert_eq!(shop.pending(1), 95);
    shop.balanced();
}

#[test]
fn neither_more_cash_nor_more_discount_goes_back_than_there_was() {
    // Cash and discount of an order that is refunded one by one; the cash of each refund. A half of one is
    // rounded up until the cash is gone, two fifths are rounded down until the discount is.
    for (cash, discount, each) in [(3, 3, vec![1, 1, 1, 0, 0, 0]), (2, 3, vec![0, 0, 0, 1, 1])] {
        let mut shop = Shop::new();
        let qq = shop.channel("qq");
        shop.merchant(1, |_| {});
        shop.pay(discounted(payment(1, "A1", qq, cash), discount, 0, 0));
        for (n, cash) in each.into_iter().enumerate() {
            let refund = shop.refund(1, &format!("R{n}"), "A1", 1);
            assert_eq!((refund.cash_amount, refund.discount_amount), (cash, 1 - cash));
        }
        assert_eq!(shop.pending(1), 0);
    }
}

#[test]
fn funders_share_what_goes_back() {
    let mut shop = Shop::new();
    let wechat = shop.channel("wechat");
    shop.merchant(9, |_| {});
    shop.merchant(1, |terms| terms.platform = Some(MerchantId(9)));
    shop.pay(discounted(payment(1, "A1", wechat, 700), 100, 100, 100));
    // Of a discount of 100 first: a third to the operator (33), half of the rest to the platform (34 of
    // 67), and what is left (33) was the merchant's own and moves nothing. Then 34, 33, 33 by what is left.
    for (no, amount, debit, platform) in [("R1", 333, 300, 34), ("R2", 333, 300, 33), ("R3", 334, 300, 33)] {
        shop.entries.clear();
        let refund = shop.refund(1, no, "A1", amount);
        let back = |account| {
            let to = shop.entries.iter().find(|entry| entry.subject.0 == 76 && entry.to == account);
            to.map_or(0, |entry| entry.amount)
        };
        assert_eq!(back(Account::Platform(MerchantId(9))), platform);
        assert_eq!(refund.merchant_debit, debit);
    }
    shop.balanced();
    assert_eq!(shop.pending(1), 0);
}

#[test]
fn set_up_is_repeatable_and_keeps_the_currency() {
    let mut shop = Shop::new();
    let wechat = ChannelTerms::preset("wechat", Preset::Wechat, shanghai());
    let put = Command::PutChannel(Box::new(wechat.clone()));
    assert_eq!(shop.done(&put), Receipt::Channel { id: ChannelId(0), existed: false });
    assert_eq!(shop.repeated(&put), Receipt::Channel { id: ChannelId(0), existed: true });
    let dearer = ChannelTerms { cost_rate: rate("0.5"), ..wechat };
    let put = Command::PutChannel(Box::new(dearer));
    assert_eq!(shop.done(&put), Receipt::Channel { id: ChannelId(0), existed: true });
    assert_eq!(shop.channel("alipay"), ChannelId(1));
    let named = Reply::Done(Receipt::Channel { id: ChannelId(1), existed: true });
    assert_eq!(shop.ledger.answer(&Query::ChannelNamed("alipay".to_owned()), Timestamp(shop.now)), named);

    let terms = MerchantTerms::new(MerchantId(1), CNY);
    let put = Command::PutMerchant(Box::new(terms.clone()));
    assert_eq!(shop.done(&put), Receipt::Merchant { existed: false });
    assert_eq!(shop.repeated(&put), Receipt::Merchant { existed: true });
    let dollars = Box::new(MerchantTerms { currency: Currency(*b"USD"), ..terms.clone() });
    assert_eq!(shop.refused(&Command::PutMerchant(dollars)), Rejection::CurrencyMismatch);
    let own = Box::new(MerchantTerms { platform: Some(MerchantId(1)), ..terms });
    assert_eq!(shop.refused(&Command::PutMerchant(own)), Rejection::InvalidRequest);
    let platform = discounted(payment(1, "A1", ChannelId(0), 10), 0, 0, 1);
    assert_eq!(shop.refused(&Command::Payment(platform)), Rejection::InvalidRequest);
}

#[test]
fn new_terms_hold_for_later_orders() {
    let mut shop = Shop::new();
    let wechat = shop.channel("wechat");
    shop.merchant(1, |terms| terms.fee_rate = rate("0.01"));
    shop.pay(payment(1, "A1", wechat, 1000));
    shop.merchant(1, |terms| {
        terms.fee_rate = rate("0.02");
        terms.fee_refund = FeeRefund::None;
    });
    assert_eq!(shop.pay(payment(1, "A2", wechat, 1000)).fee, 20);
    assert_eq!(shop.refund(1, "R1", "A1", 500).fee_returned, 5);
    assert_eq!(shop.refund(1, "R2", "A2", 500).fee_returned, 0);
}

#[test]
fn the_date_begins_anywhere_and_then_moves_forward_only() {
    let mut shop = Shop::new();
    let wechat = shop.channel("wechat");
    shop.merchant(1, |_| {});
    let begin = |date| Command::SetDate(SetDate { date, cut: false });
    shop.done(&begin(Date(100)));
    shop.repeated(&begin(Date(100)));
    assert_eq!(shop.refused(&cut(Date(100))), Rejection::DateNotLater);
    shop.done(&cut(Date(101)));
    shop.done(&begin(SUNDAY));
    shop.pay(payment(1, "A1", wechat, 1000));
    assert_eq!(shop.refused(&begin(Date(100))), Rejection::DateNotLater);
    assert_eq!(shop.refused(&cut(SUNDAY)), Rejection::DateNotLater);
    assert_eq!(shop.ledger.date(), SUNDAY);
}

#[test]
fn a_late_success_of_a_held_refund_is_believed() {
    let mut shop = Shop::new();
    let bank = shop.channel("bank");
    shop.merchant(1, |_| {});
    shop.pay(payment(1, "A1", bank, 1000));
    shop.refund(1, "R1", "A1", 1000);
    assert_eq!(shop.fail(1, "R1"), RefundState::Held);
    shop.repeated(&result(1, "R1", RefundResultState::Failed));
    shop.succeed(1, "R1");
    assert_eq!(shop.done(&cut(SUNDAY.plus_days(1))), Receipt::Date { closed: SUNDAY, resubmitted: 0 });
    assert_eq!(shop.order(1, "A1").status, OrderStatus::Refunded);
    assert_eq!(shop.refused(&result(1, "R2", RefundResultState::Failed)), Rejection::RefundNotFound);
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut shop = Shop::new();
    shop.merchant(1, |_| {});
    let (known, unknown, no) = (MerchantId(1), MerchantId(2), number("X"));
    for (query, rejection) in [
        (Query::Balances(unknown), Rejection::MerchantNotFound),
        (Query::Merchant(unknown), Rejection::MerchantNotFound),
        (Query::Order(unknown, no), Rejection::MerchantNotFound),
        (Query::Order(known, no), Rejection::OrderNotFound),
        (Query::OrderRefunds(known, no, None), Rejection::OrderNotFound),
        (Query::Channel(ChannelId(9)), Rejection::ChannelNotFound),
        (Query::ChannelNamed("x".to_owned()), Rejection::ChannelNotFound),
        (Query::Refund(known, no), Rejection::RefundNotFound),
        (Query::Void(known, no), Rejection::VoidNotFound),
    ] {
        assert_eq!(shop.ledger.answer(&query, Timestamp(shop.now)), Reply::Rejected(rejection, None));
    }
    assert_eq!(shop.accrued(2), 0);
}

#[test]
fn an_order_and_its_share_of_the_index_stay_within_160_bytes() {
    let mut shop = Shop::new();
    let wechat = shop.channel("wechat");
    shop.merchant(1, |_| {});
    for n in 0..500_000 {
        let payment = payment(1, &format!("20180826{n:012}"), wechat, 100);
        let applied = shop.ledger.apply(&Command::Payment(payment), Timestamp(NOON), &mut ());
        assert!(applied.changed);
    }
    let memory = shop.ledger.memory();
    let each = (memory.orders_bytes + memory.order_index_bytes) / memory.orders;
    assert!((96..=130).contains(&each), "{each} bytes an order");
    assert_eq!(memory.details_bytes, 0);
}

#[test]
fn refunds_of_an_order_come_in_pages_oldest_first() {
    let mut shop = Shop::new();
    let alipay = shop.channel("alipay");
    shop.merchant(1, |_| {});
    shop.pay(payment(1, "A", alipay, 1_000));
    for n in 0..PAGE_REFUNDS_MAX + 2 {
        shop.refund(1, &format!("R{n}"), "A", 1);
    }
    let page = |after: Option<&str>| {
        let query = Query::OrderRefunds(MerchantId(1), number("A"), after.map(number));
        match shop.ledger.answer(&query, Timestamp(shop.now)) {
            Reply::Refunds { page, has_more } => {
                (page.iter().map(|view| view.refund_no.to_string()).collect::<Vec<_>>(), has_more)
            }
            other => panic!("{other:?}"),
        }
    };
    let (first, more) = page(None);
    assert_eq!((first.len(), more, first[0].as_str()), (PAGE_REFUNDS_MAX, true, "R0"));
    assert_eq!(page(Some("R99")), (vec!["R100".to_owned(), "R101".to_owned()], false));
    assert_eq!(page(Some("R101")), (vec![], false));
}
