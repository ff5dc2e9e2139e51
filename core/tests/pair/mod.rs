//! A ledger and the naive model side by side: each command goes to both, and whatever they say is compared.
#![allow(dead_code, unreachable_pub, reason = "each test binary takes its part of it")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod cold;
pub mod images;
mod shards;
mod views;

use std::collections::BTreeMap;

use suanpan_core::*;

use crate::common::*;
use crate::naive::{Flaw, Naive};
use crate::strategy::{Back, Step};
use cold::Twin;
use shards::Shards;

/// Where the two differ.
pub type Differ = Result<(), String>;

/// Both sides of something must be the same.
macro_rules! agree {
    ($left:expr, $right:expr, $($what:tt)+) => {
        let (left, right) = (&$left, &$right);
        if left != right {
            return Err(format!("{}\n ledger: {left:?}\n  model: {right:?}", format_args!($($what)+)));
        }
    };
}
use agree;

pub struct Pair {
    pub ledger: Ledger,
    /// The ledger's digest after the last command.
    digest: u128,
    /// The same under another hash seed with a cold store, and on several shards; left out where only the rules are
    /// compared.
    others: Option<(Twin, Shards)>,
    pub naive: Naive,
    now: i64,
    log: Vec<(i64, Vec<u8>)>,
    /// From entries alone.
    balances: BTreeMap<(Currency, Account), i128>,
    pub done: Vec<Command>,
    /// How often each answer was given.
    pub reached: BTreeMap<String, u32>,
}

/// What a shard that is alone says: commands that concern several are voted on first.
fn ask<S: EntrySink>(ledger: &mut Ledger, command: &Command, now: Timestamp, sink: &mut S) -> Applied {
    if command.merchant().is_none() && command.check().is_ok() {
        match ledger.vote(command, now) {
            Vote::Done(receipt) => return Applied { reply: Reply::Done(receipt), changed: false },
            Vote::No(rejection, field) => {
                return Applied { reply: Reply::Rejected(rejection, field), changed: false };
            }
            Vote::Yes(_) | Vote::Abstain => {}
        }
    }
    ledger.apply(command, now, sink)
}

impl Pair {
    /// With all that must agree with the ledger.
    pub fn new() -> Self {
        Self { others: Some((Twin::new(), Shards::new())), ..Self::with(Flaw::None) }
    }

    /// Only a ledger and a model that may have a flaw.
    pub fn with(flaw: Flaw) -> Self {
        Self {
            ledger: Ledger::new(1, SUNDAY),
            digest: Ledger::new(1, SUNDAY).digest(),
            others: None,
            naive: Naive::new(SUNDAY, flaw),
            now: NOON,
            log: Vec::new(),
            balances: BTreeMap::new(),
            done: Vec::new(),
            reached: BTreeMap::new(),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.now)
    }

    fn name(&self, account: Account) -> String {
        let channel = match account {
            Account::Channel(id) => match self.ledger.answer(&Query::Channel(id), self.now()) {
                Reply::Channel(terms) => terms.name,
                other => panic!("{other:?}"),
            },
            _ => String::new(),
        };
        account.name(&channel)
    }

    pub fn apply(&mut self, command: &Command) -> Differ {
        let now = self.now();
        let mut entries = Vec::new();
        let applied = ask(&mut self.ledger, command, now, &mut entries);
        let (reply, changed) = self.naive.apply(command, now);
        agree!(applied, Applied { reply, changed }, "{command:?}");
        self.others_agree(command, &applied)?;
        *self.reached.entry(kind(&applied.reply)).or_default() += 1;
        let booked: Vec<_> = entries
            .iter()
            .map(|e| (e.subject.0, self.name(e.from), self.name(e.to), e.amount, e.reversal))
            .collect();
        agree!(booked, self.naive.booked, "{command:?}");
        let before = std::mem::replace(&mut self.digest, self.ledger.digest());
        agree!(self.digest != before, applied.changed, "whether the digest is another: {command:?}");
        if applied.changed {
            let mut bytes = Vec::new();
            encode(command, &mut bytes);
            self.log.push((self.now, bytes));
        } else {
            agree!(entries, Vec::new(), "unchanged, but booked: {command:?}");
        }
        for entry in entries {
            *self.balances.entry((entry.currency, entry.from)).or_default() -= i128::from(entry.amount);
            *self.balances.entry((entry.currency, entry.to)).or_default() += i128::from(entry.amount);
        }
        self.conserved()?;
        self.done.push(command.clone());
        Ok(())
    }

    /// Another seed and more shards are nothing that anybody sees.
    fn others_agree(&mut self, command: &Command, applied: &Applied) -> Differ {
        let now = self.now();
        let Some((twin, shards)) = &mut self.others else { return Ok(()) };
        agree!(twin.apply(command, now), *applied, "{command:?} under another seed, with a cold store");
        agree!(twin.digest(), self.ledger.digest(), "the digest under another seed after {command:?}");
        let spread = shards.apply(command, now);
        // A shard that refuses its side does not know what would be said first of the other side.
        let several = command.merchant().is_none() && command.check().is_ok();
        let first = matches!(
            applied.reply,
            Reply::Rejected(
                Rejection::CurrencyMismatch | Rejection::ChannelNotFound | Rejection::MerchantNotFound,
                _
            )
        );
        if !(several && first && matches!(spread.reply, Reply::Rejected(..)) && !spread.changed) {
            agree!(spread, *applied, "{command:?} on several shards");
        }
        Ok(())
    }

    /// The books add up from the entries and from the totals, and no merchant's account is below zero.
    fn conserved(&self) -> Differ {
        let mut sums = BTreeMap::<Currency, i128>::new();
        let mut named = BTreeMap::<(Currency, String), i128>::new();
        for (&(currency, account), &balance) in &self.balances {
            *sums.entry(currency).or_default() += balance;
            let line = match account {
                Account::Merchant(_, account) => {
                    assert!((0..=i128::from(BALANCE_MAX)).contains(&balance), "{account:?} holds {balance}");
                    format!("merchants:{}", account.name())
                }
                Account::Accrued(_) => "merchants:accrued".to_owned(),
                Account::FeeReceivable(_) => "merchants:fee_receivable".to_owned(),
                other => self.name(other),
            };
            *named.entry((currency, line)).or_default() += balance;
        }
        assert!(sums.values().all(|&sum| sum == 0), "{sums:?}");
        named.retain(|_, balance| *balance != 0);
        let Reply::Totals(totals) = self.ledger.answer(&Query::Totals, self.now()) else { panic!() };
        let counts = (totals.merchants, totals.orders, totals.refunds);
        agree!(counts, self.naive.counts(), "how many merchants, orders and refunds");
        agree!(totals.took_orders, self.naive.counts().1 > 0, "whether an order was taken");
        agree!(totals.accounting_date, self.naive.date, "the accounting date");
        let shown = totals.accounts.into_iter().filter(|(.., balance)| *balance != 0);
        let shown: BTreeMap<_, _> = shown.map(|(currency, name, sum)| ((currency, name), sum)).collect();
        agree!(shown, named, "the totals against the entries");
        agree!(shown, self.naive.totals(), "the totals");
        Ok(())
    }

    pub fn step(&mut self, step: &Step) -> Differ {
        match step {
            Step::Do(command) => self.apply(command),
            Step::Create(order, minutes) => {
                let expires_at = minutes.map(|minutes| Timestamp(self.now + minutes * MINUTE));
                self.apply(&Command::CreateOrder(Box::new(NewOrder { expires_at, ..order.clone() })))
            }
            Step::Void(at, void_no) => {
                let Some((merchant, order_no)) = pick(&self.naive.order_names(), *at) else { return Ok(()) };
                self.apply(&Command::Void(Void { merchant, void_no: *void_no, order_no }))
            }
            Step::Result(at, state) => {
                let Some((merchant, refund_no)) = pick(&self.naive.refund_names(meant(*at)), at / OTHERS)
                else {
                    return Ok(());
                };
                let (state, channel_refund_no) = (*state, None);
                self.apply(&Command::RefundResult(RefundResult {
                    merchant,
                    refund_no,
                    state,
                    channel_refund_no,
                }))
            }
            Step::VoidResult(at, succeeded) => {
                let Some((merchant, void_no)) = pick(&self.naive.void_names(meant(*at)), at / OTHERS) else {
                    return Ok(());
                };
                let succeeded = *succeeded;
                self.apply(&Command::VoidResult(VoidResult { merchant, void_no, succeeded }))
            }
            Step::Refund(at, refund_no, amount, backs) => self.refund(*at, *refund_no, *amount, backs),
            Step::PayoutResult(..) | Step::Unfreeze(_) => self.end_movement(step),
            Step::Settle(settlement, end) => self.settle(*settlement, *end),
            Step::Sweep(owners) => self.sweep(*owners),
            Step::Elsewhere(owner, amount) => {
                let item = SweepItem { owner: *owner, currency: CNY, amount: *amount };
                let known = self.naive.balances();
                if !known.iter().any(|one| one.merchant == *owner && one.currency == CNY) {
                    return Ok(());
                }
                self.apply(&Command::Sweep(Box::new(vec![item])))
            }
            Step::Again(back) => match self.done.iter().rev().nth(*back).cloned() {
                Some(command) => self.apply(&command),
                None => Ok(()),
            },
            Step::Wait(minutes) => {
                self.now += minutes * MINUTE;
                Ok(())
            }
            Step::Cut(days) => {
                let date = self.ledger.date().plus_days(*days);
                self.now += i64::from(*days) * DAY;
                self.apply(&Command::SetDate(SetDate { date, cut: true }))
            }
            _ => self.order_step(step),
        }
    }

    fn order_step(&mut self, step: &Step) -> Differ {
        let naive = &self.naive;
        let meant = |those: Vec<_>, at: usize| {
            if meant(at) { pick(&those, at / OTHERS) } else { pick(&naive.order_names(), at / OTHERS) }
        };
        let found = match step {
            Step::Confirm(at, ..) | Step::Close(at, _) => meant(naive.prepaid_names(), *at),
            Step::Reinstate(at) => meant(naive.late_names(), *at),
            Step::Release(at) | Step::Split(at, ..) => meant(naive.held_names(), *at),
            Step::SplitReturn(back) => {
                let Some(back) = self.back(back, None) else { return Ok(()) };
                return self.apply(&Command::SplitReturn(Box::new(back)));
            }
            other => panic!("{other:?} is another kind of step"),
        };
        let Some((merchant, order_no)) = found else { return Ok(()) };
        let command = match step {
            Step::Confirm(_, ago, txn) => {
                let paid_at = ago.map(|minutes| Timestamp(self.now - minutes * MINUTE));
                let channel_txn = txn.then(|| Box::from("42"));
                Command::Confirm(Confirm { merchant, order_no, paid_at, channel_txn })
            }
            Step::Close(_, expired) => Command::Close(Close { merchant, order_no, expired: *expired }),
            Step::Reinstate(_) => Command::Reinstate(OrderRef { merchant, order_no }),
            Step::Split(_, split_no, parts, finish) => {
                let (split_no, finish) = (*split_no, *finish);
                // Whether they are there and may receive is looked at before.
                let may = |(id, _): &&(MerchantId, u64)| *id == merchant || naive.may_receive(merchant, *id);
                let receivers: Vec<_> = parts.iter().filter(may).copied().collect();
                if receivers.is_empty() {
                    return Ok(());
                }
                Command::Split(Box::new(Split { merchant, split_no, order_no, receivers, finish }))
            }
            _ => Command::Release(OrderRef { merchant, order_no }),
        };
        self.apply(&command)
    }

    /// A split return of one of the splits that are there; of one of that order's, if that is said.
    fn back(&self, back: &Back, of: Option<(MerchantId, Number)>) -> Option<SplitReturn> {
        let splits = self.naive.splits();
        let fits = |split: &&SplitView| of.is_none_or(|of| of == (split.merchant, split.order_no));
        let splits: Vec<_> = splits.iter().filter(fits).collect();
        let split = splits.get(back.split % splits.len().max(1))?;
        let (receiver, amount, returned) = split.receivers[back.receiver % split.receivers.len()];
        // Now and then from somebody who has nothing of it.
        let receiver = if back.receiver.is_multiple_of(16) { MerchantId(3) } else { receiver };
        Some(SplitReturn {
            merchant: split.merchant,
            return_no: back.return_no,
            order_no: split.order_no,
            split_no: split.split_no,
            receiver,
            amount: back.amount.unwrap_or((amount - returned).max(1)),
        })
    }

    fn refund(&mut self, at: usize, refund_no: Number, amount: Option<u64>, backs: &[Back]) -> Differ {
        let first = backs.first().and_then(|back| self.back(back, None));
        let of_split = first.map(|back| (back.merchant, back.order_no));
        let names = if meant(at) { self.naive.refundable_names() } else { self.naive.order_names() };
        let found = of_split.or_else(|| pick(&names, at / OTHERS));
        let Some((merchant, order_no)) = found else { return Ok(()) };
        let Reply::Order(order) = self.ledger.answer(&Query::Order(merchant, order_no), self.now()) else {
            panic!("an order of the model is not there")
        };
        let of = Some((merchant, order_no));
        let split_returns: Vec<_> = backs.iter().filter_map(|back| self.back(back, of)).collect();
        let reason = String::new();
        let details = (!split_returns.is_empty()).then(|| Box::new(RefundDetails { reason, split_returns }));
        let amount = amount.unwrap_or(order.refundable.max(1));
        self.apply(&Command::Refund(Refund { merchant, refund_no, order_no, amount, details }))
    }

    fn end_movement(&mut self, step: &Step) -> Differ {
        let (of, at) = match step {
            Step::PayoutResult(at, _) => (MovementKind::Payout, *at),
            Step::Unfreeze(at) => (MovementKind::Freeze, *at),
            other => panic!("{other:?} is another kind of step"),
        };
        let open = [MovementState::Processing, MovementState::Frozen];
        let may = |one: &&MovementView| one.kind == of && (!meant(at) || open.contains(&one.state));
        let all = self.naive.movements();
        let names: Vec<_> = all.iter().filter(may).map(|one| (one.merchant, one.number)).collect();
        let Some((merchant, number)) = pick(&names, at / OTHERS) else { return Ok(()) };
        self.apply(&match step {
            Step::PayoutResult(_, state) => {
                Command::PayoutResult(PayoutResult { merchant, payout_no: number, state: *state })
            }
            _ => Command::Unfreeze(Unfreeze { merchant, freeze_no: number }),
        })
    }

    fn settle(&mut self, settlement: Settlement, end: bool) -> Differ {
        let batch_no = settlement.batch_no;
        self.apply(&Command::BeginSettlement(settlement))?;
        self.due(batch_no)?;
        for merchant in self.naive.balances().iter().map(|view| view.merchant).collect::<Vec<_>>() {
            self.apply(&Command::Settle(Settle { merchant, batch_no }))?;
        }
        if end { self.apply(&Command::EndSettlement(batch_no)) } else { Ok(()) }
    }

    fn sweep(&mut self, owners: u16) -> Differ {
        let balances = self.naive.balances();
        let accruals = self.naive.accruals();
        let item = |(&(owner, currency), &sum): (&(u64, Currency), &i128)| {
            let owner = MerchantId(owner);
            let known = balances.iter().any(|one| one.merchant == owner && one.currency == currency);
            let amount = u64::try_from(sum).ok().filter(|&sum| (1..=BALANCE_MAX).contains(&sum))?;
            let chosen = owners >> (owner.0 % 16) & 1 == 1;
            (known && chosen).then_some(SweepItem { owner, currency, amount })
        };
        let items: Vec<_> = accruals.iter().filter_map(item).collect();
        if items.is_empty() { Ok(()) } else { self.apply(&Command::Sweep(Box::new(items))) }
    }

    /// What was logged gives the same state again, under yet another seed.
    pub fn replayed(&self) -> Differ {
        let mut again = Ledger::new(3, SUNDAY);
        for (now, bytes) in &self.log {
            let Ok(command) = decode(&mut bytes.as_slice()) else { panic!("what was encoded is decoded") };
            agree!(again.apply(&command, Timestamp(*now), &mut ()).changed, true, "replayed: {command:?}");
        }
        agree!(again.digest(), self.ledger.digest(), "the digest of a replay");
        if let Some((twin, _)) = &self.others {
            agree!(twin.digest(), self.ledger.digest(), "the digest under another seed");
        }
        Ok(())
    }
}

/// One in so many steps is about any there is, not about one that it is meant for.
const OTHERS: usize = 5;

fn meant(at: usize) -> bool {
    !at.is_multiple_of(OTHERS)
}

fn pick(names: &[(MerchantId, Number)], at: usize) -> Option<(MerchantId, Number)> {
    (!names.is_empty()).then(|| names[at % names.len()])
}

/// A name for the kind of answer.
fn kind(reply: &Reply) -> String {
    match reply {
        Reply::Done(Receipt::Payment { repeat, .. }) => format!("payment {repeat}"),
        Reply::Done(Receipt::Refund { repeat, state, .. }) => format!("refund {repeat} {state:?}"),
        Reply::Done(Receipt::RefundResult { repeat, state }) => format!("result {repeat} {state:?}"),
        Reply::Done(Receipt::Void { repeat, state }) => format!("void {repeat} {state:?}"),
        Reply::Done(Receipt::VoidResult { repeat, state }) => format!("void result {repeat} {state:?}"),
        Reply::Done(Receipt::Merchant { existed }) => format!("merchant {existed}"),
        Reply::Done(Receipt::Channel { existed, .. }) => format!("channel {existed}"),
        Reply::Done(Receipt::Date { resubmitted, .. }) => format!("date {}", *resubmitted > 0),
        Reply::Done(Receipt::Order { repeat, status }) => format!("order {repeat} {status:?}"),
        Reply::Done(Receipt::Booked { repeat }) => format!("booked {repeat}"),
        Reply::Done(Receipt::Payout { repeat, state }) => format!("payout {repeat} {state:?}"),
        Reply::Done(Receipt::Promoter { existed }) => format!("promoter {existed}"),
        Reply::Done(Receipt::Holidays) => "holidays".to_owned(),
        Reply::Done(Receipt::Settled { amount }) => format!("settled {}", *amount > 0),
        Reply::Done(Receipt::Batch { repeat }) => format!("batch {repeat}"),
        Reply::Done(Receipt::Swept) => "swept".to_owned(),
        Reply::Rejected(rejection, _) => rejection.code().to_owned(),
        other => format!("{other:?}"),
    }
}
