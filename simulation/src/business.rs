//! The business: few merchants, channels and numbers, so that what is asked meets what was asked before.

use fastrand::Rng;
use suanpan_core::{
    Account, Adjustment, ChannelId, ChannelTerms, Close, Command, Confirm, Currency, Cycle, Date, Discounts,
    FeeRefund, Freeze, Holidays, MerchantAccount, MerchantId, MerchantStatus, MerchantTerms, NewOrder,
    Number, OrderRef, Payment, PaymentDetails, Payout, PayoutResult, Preset, Promoter, Rate, Refund,
    RefundDetails, RefundFunding, RefundResult, RefundResultState, SetDate, SettlementMode, Split,
    SplitReturn, Timestamp, TopUp, Transfer, Unfreeze, Void, VoidResult, Zone, ZoneStep,
};
use suanpan_wal::host;

const CNY: Currency = Currency(*b"CNY");
const PLATFORM: MerchantId = MerchantId(9);
/// Sells goods; the platform and the promoters are beside them.
const SHOPS: u64 = 4;
const PROMOTERS: std::ops::RangeInclusive<u64> = 5..=8;
const FIRST_DATE: i32 = 17_769;

pub(crate) fn number(letter: char, number: u32) -> Number {
    let text = format!("{letter}{number}");
    text.parse().unwrap_or_else(|_| unreachable!("{text} is a number"))
}

pub(crate) fn merchant(rng: &mut Rng) -> MerchantId {
    MerchantId(if rng.u32(0..16) == 0 { 9 } else { rng.u64(1..=SHOPS) })
}

fn channel(rng: &mut Rng) -> ChannelId {
    ChannelId(rng.u16(0..3))
}

fn amount(rng: &mut Rng) -> u64 {
    match rng.u32(0..12) {
        0..=3 => rng.u64(1..=20),
        4 => rng.u64(1..=1_000_000_000),
        _ => rng.u64(1..=3_000),
    }
}

fn shanghai() -> Zone {
    Zone::fixed("Asia/Shanghai", 28_800)
}

/// What must be there before anything else: merchants, channels, promoters.
pub(crate) fn set_up() -> Vec<Command> {
    let mut commands = Vec::new();
    let plain = PROMOTERS.chain([9]).map(|id| MerchantTerms::new(MerchantId(id), CNY));
    let shops = (1..=SHOPS).map(terms_of);
    commands.extend(plain.chain(shops).map(|terms| Command::PutMerchant(Box::new(terms))));
    let presets = [("wechat", Preset::Wechat), ("alipay", Preset::Alipay), ("free", Preset::ALL[0])];
    commands.extend(presets.map(|(name, preset)| {
        let terms = ChannelTerms { cost_rate: Rate(3_000), ..ChannelTerms::preset(name, preset, shanghai()) };
        Command::PutChannel(Box::new(terms))
    }));
    commands.extend(PROMOTERS.map(|id| {
        let upline = (id > 5).then(|| MerchantId(id - 1));
        let (rate, upline_rate) = (Rate(50_000), Rate(20_000));
        Command::PutPromoter(Promoter { promoter: MerchantId(id), currency: CNY, rate, upline, upline_rate })
    }));
    commands
}

fn terms_of(id: u64) -> MerchantTerms {
    MerchantTerms {
        platform: (id != 2).then_some(PLATFORM),
        fee_rate: Rate(6_000),
        platform_fee_rate: Rate(10_000 * id as u32),
        fee_refund: if id == 3 { FeeRefund::None } else { FeeRefund::Proportional },
        cycle: if id == 4 { Cycle::Calendar(0) } else { Cycle::Calendar(1) },
        mode: if id == 3 { SettlementMode::Gross } else { SettlementMode::Net },
        refund_funding: RefundFunding::PendingThenAvailable,
        max_split_rate: Rate(1_000_000),
        ..MerchantTerms::new(MerchantId(id), CNY)
    }
}

/// One of all there is to ask for, in this life of the server.
pub(crate) fn command(rng: &mut Rng, life: u32) -> Command {
    match rng.u32(0..100) {
        0..=29 => payment(rng, life),
        30..=43 => order(rng, life),
        44..=61 => refund(rng, life),
        62..=69 => split(rng, life),
        70..=85 => movement(rng, life),
        _ => other(rng, life),
    }
}

/// An order's number: most of them of this life and the one before.
fn order_no(rng: &mut Rng, life: u32) -> Number {
    let newest = life * 30;
    number(
        'A',
        if rng.u32(0..6) == 0 { rng.u32(0..newest) } else { rng.u32(newest.saturating_sub(45)..newest) },
    )
}

fn payment(rng: &mut Rng, life: u32) -> Command {
    let hold = rng.u32(0..3) == 0;
    let details = (rng.u32(0..3) == 0).then(|| {
        let mut part = |one_in| if rng.u32(0..one_in) == 0 { rng.u64(1..50) } else { 0 };
        let discounts = Discounts { operator: part(2), merchant: part(3), platform: 0 };
        let promoter = (hold && rng.bool()).then(|| MerchantId(rng.u64(PROMOTERS)));
        Box::new(PaymentDetails { discounts, promoter, channel_txn: None })
    });
    Command::Payment(Payment {
        merchant: merchant(rng),
        order_no: order_no(rng, life),
        channel: channel(rng),
        amount: amount(rng),
        hold,
        paid_at: None,
        details,
    })
}

/// A prepaid order and what becomes of it.
fn order(rng: &mut Rng, life: u32) -> Command {
    let (merchant, order_no) = (merchant(rng), order_no(rng, life));
    match rng.u32(0..10) {
        0..=4 => {
            let soon = host::wall_clock().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let soon = soon.as_millis() as i64 + rng.i64(-10..2_500);
            let expires_at = rng.bool().then_some(Timestamp(soon));
            let (channel, amount) = (channel(rng), amount(rng));
            let (discounts, hold) = (Discounts::default(), rng.u32(0..4) == 0);
            let new = NewOrder { merchant, order_no, channel, amount, discounts, hold, expires_at };
            Command::CreateOrder(Box::new(new))
        }
        5..=7 => Command::Confirm(Confirm { merchant, order_no, paid_at: None, channel_txn: None }),
        8 => Command::Close(Close { merchant, order_no, expired: false }),
        _ => Command::Reinstate(OrderRef { merchant, order_no }),
    }
}

fn result(rng: &mut Rng) -> RefundResultState {
    match rng.u32(0..8) {
        0..=4 => RefundResultState::Succeeded,
        5..=6 => RefundResultState::Failed,
        _ => RefundResultState::Unknown,
    }
}

fn refund(rng: &mut Rng, life: u32) -> Command {
    let (merchant, order_no) = (merchant(rng), order_no(rng, life));
    let refund_no = number('R', rng.u32(life * 8..life * 8 + 60));
    match rng.u32(0..16) {
        0..=8 => {
            let details = (rng.u32(0..6) == 0).then(|| {
                Box::new(RefundDetails { reason: "as asked".to_owned(), split_returns: Vec::new() })
            });
            Command::Refund(Refund { merchant, refund_no, order_no, amount: amount(rng), details })
        }
        9..=12 => {
            let (state, channel_refund_no) = (result(rng), None);
            Command::RefundResult(RefundResult { merchant, refund_no, state, channel_refund_no })
        }
        13..=14 => Command::Void(Void { merchant, void_no: number('V', rng.u32(0..40)), order_no }),
        _ => {
            let void_no = number('V', rng.u32(0..40));
            Command::VoidResult(VoidResult { merchant, void_no, succeeded: rng.bool() })
        }
    }
}

/// A held order's money to others, back from them, or released.
fn split(rng: &mut Rng, life: u32) -> Command {
    let (merchant, order_no) = (merchant(rng), order_no(rng, life));
    let split_no = number('S', rng.u32(0..60));
    // The edge looks whether receivers are there; here they are.
    let receiver = MerchantId(if merchant == MerchantId(1) { 2 } else { 1 });
    match rng.u32(0..6) {
        0..=2 => {
            let receivers = vec![(receiver, rng.u64(1..40)), (MerchantId(rng.u64(PROMOTERS)), rng.u64(1..9))];
            Command::Split(Box::new(Split { merchant, split_no, order_no, receivers, finish: rng.bool() }))
        }
        3 => {
            let (return_no, amount) = (number('Q', rng.u32(0..60)), rng.u64(1..40));
            let back = SplitReturn { merchant, return_no, order_no, split_no, receiver, amount };
            Command::SplitReturn(Box::new(back))
        }
        _ => Command::Release(OrderRef { merchant, order_no }),
    }
}

fn movement(rng: &mut Rng, life: u32) -> Command {
    let merchant = merchant(rng);
    let mut numbered = |letter| number(letter, rng.u32(life * 4..life * 4 + 40));
    let (payout_no, topup_no, freeze_no) = (numbered('P'), numbered('T'), numbered('F'));
    let transfer_no = numbered('X');
    let amount = amount(rng);
    match rng.u32(0..16) {
        0..=2 => Command::TopUp(TopUp { merchant, topup_no, channel: channel(rng), amount }),
        3..=4 => {
            let channel = rng.bool().then(|| channel(rng));
            Command::Payout(Payout { merchant, payout_no, amount, channel })
        }
        5..=6 => Command::PayoutResult(PayoutResult { merchant, payout_no, state: result(rng) }),
        7 => Command::Freeze(Freeze { merchant, freeze_no, amount }),
        8 => Command::Unfreeze(Unfreeze { merchant, freeze_no }),
        _ => {
            let to = MerchantId(rng.u64(1..=SHOPS));
            Command::Transfer(Transfer { merchant, transfer_no, to, amount })
        }
    }
}

fn other(rng: &mut Rng, life: u32) -> Command {
    match rng.u32(0..14) {
        0..=1 => {
            let date = Date(FIRST_DATE + life as i32 + rng.i32(0..4));
            Command::SetDate(SetDate { date, cut: true })
        }
        2..=6 => adjustment(rng, life),
        7..=8 => {
            let mut terms = terms_of(rng.u64(1..=SHOPS));
            terms.fee_rate = Rate(rng.u32(0..20_000));
            if rng.u32(0..8) == 0 {
                terms.status = MerchantStatus::Suspended;
            }
            Command::PutMerchant(Box::new(terms))
        }
        9 => {
            let first = FIRST_DATE + rng.i32(0..30);
            Command::PutHolidays(Box::new(Holidays {
                dates: vec![Date(first), Date(first + 1)],
                workdays: vec![],
            }))
        }
        10 => {
            let preset = ChannelTerms::preset("wechat", Preset::Wechat, shanghai());
            Command::PutChannel(Box::new(ChannelTerms { cost_rate: Rate(rng.u32(0..9_000)), ..preset }))
        }
        _ => payment(rng, life),
    }
}

fn adjustment(rng: &mut Rng, life: u32) -> Command {
    let own = |rng: &mut Rng| Account::Merchant(MerchantId(rng.u64(1..=SHOPS)), MerchantAccount::Available);
    let other = [Account::Operator, Account::Suspense, Account::Bank, Account::Channel(channel(rng))];
    let (mut from, mut to) = (other[rng.usize(..other.len())], own(rng));
    if rng.u32(0..3) == 0 {
        std::mem::swap(&mut from, &mut to);
    }
    Command::Adjust(Box::new(Adjustment {
        adjustment_no: number('J', rng.u32(life * 4..life * 4 + 30)),
        subject: "correction".to_owned(),
        from,
        to,
        amount: amount(rng),
        currency: CNY,
        memo: String::new(),
        approved_by: ["ann".to_owned(), "bob".to_owned()],
    }))
}

/// A command that takes much room in the log, another one each round.
pub(crate) fn filler(round: u32) -> Command {
    let step = |at: i64| ZoneStep { from_s: at * 1_000 + i64::from(round % 900), offset_s: 28_800 };
    let zone = Zone { name: "Filled".to_owned(), steps: (0..1_000).map(step).collect() };
    Command::PutChannel(Box::new(ChannelTerms::preset("filler", Preset::Wechat, zone)))
}
