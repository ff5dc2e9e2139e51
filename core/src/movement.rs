//! Movements of money that are no order's: payouts, top-ups, freezes and transfers (domain.md, "Withdrawals and other
//! movements").

use crate::arena::{NOWHERE, Record};
use crate::digest::Digest;
use crate::ledger::{Done, Outcome, Refusal};
use crate::{
    Account, ChannelId, Date, Entry, EntrySink, Event, EventKind, Field, Freeze, Key, Ledger,
    MerchantAccount, MerchantId, MovementKind, MovementState, MovementView, Number, Payout, PayoutResult,
    Receipt, RefundResultState, Rejection, Subject, TopUp, Transfer, Unfreeze, Vote, Voucher,
};

/// A movement as a ledger keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Movement {
    pub(crate) number: Number,
    /// Place of the merchant.
    pub(crate) merchant: u32,
    pub(crate) amount: u64,
    pub(crate) kind: MovementKind,
    pub(crate) state: MovementState,
    pub(crate) channel: Option<ChannelId>,
    pub(crate) to: Option<MerchantId>,
    /// The date it was booked on.
    pub(crate) date: Date,
    /// A result contradicted its final one.
    pub(crate) contradicted: bool,
}

impl Record for Movement {}

impl Ledger {
    /// Checked in this order: repeat, the merchant's status, funds.
    pub(crate) fn payout<S: EntrySink>(&mut self, payout: &Payout, key: Key, sink: &mut S) -> Outcome {
        let merchant_at = self.merchant_at(payout.merchant, key)?;
        if payout.channel.is_some_and(|id| self.channels.get(id).is_none()) {
            return Err(Rejection::ChannelNotFound.into());
        }
        let state = MovementState::Processing;
        let asked = Movement {
            channel: payout.channel,
            ..self.movement(MovementKind::Payout, payout.payout_no, merchant_at, payout.amount, state)
        };
        if let Some(known) = self.moved_before(&asked, key.number)? {
            return Ok(Done::unchanged(Receipt::Payout { repeat: true, state: known }));
        }
        self.merchants[merchant_at].may_pay_out()?;
        let accounts = (MerchantAccount::Available, MerchantAccount::PayoutTransit);
        self.move_within(&asked, Subject::PAYOUT, accounts, false, sink)?;
        self.keep_movement(asked, key.number);
        self.tell(sink, |ledger| ledger.movement_event(EventKind::PayoutSubmit, &asked));
        Ok(Done::changed(Receipt::Payout { repeat: false, state }))
    }

    /// Takes a payout's result. The same again changes nothing; one that contradicts a final one is refused and kept.
    pub(crate) fn payout_result<S: EntrySink>(
        &mut self,
        result: &PayoutResult,
        key: Key,
        sink: &mut S,
    ) -> Outcome {
        let merchant_at = self.merchant_at(result.merchant, key)?;
        let found = self.movement_at(MovementKind::Payout, merchant_at, &result.payout_no, key.number);
        let at = found.ok_or(Rejection::PayoutNotFound)?;
        let payout = self.movements[at];
        let said = match result.state {
            RefundResultState::Unknown => payout.state,
            RefundResultState::Succeeded => MovementState::Succeeded,
            RefundResultState::Failed => MovementState::Failed,
        };
        if said == payout.state {
            return Ok(Done::unchanged(Receipt::Payout { repeat: true, state: said }));
        }
        if payout.state != MovementState::Processing {
            let first = !std::mem::replace(&mut self.movements[at].contradicted, true);
            return Err(self.contradicted(first));
        }
        if said == MovementState::Succeeded {
            let merchant = &self.merchants[merchant_at];
            let entry = Entry {
                subject: Subject::PAYOUT_RESULT,
                from: Account::Merchant(merchant.id, MerchantAccount::PayoutTransit),
                to: payout.channel.map_or(Account::Bank, Account::Channel),
                amount: payout.amount,
                currency: merchant.currency(),
                reversal: false,
            };
            let voucher = self.movement_voucher(&payout);
            self.book_and_post(merchant_at, &[entry], self.date, &voucher, sink)?;
        } else {
            let accounts = (MerchantAccount::PayoutTransit, MerchantAccount::Available);
            self.move_within(&payout, Subject::PAYOUT_RESULT, accounts, true, sink)?;
        }
        self.movements[at].state = said;
        let succeeded = said == MovementState::Succeeded;
        let kind = if succeeded { EventKind::PayoutSucceeded } else { EventKind::PayoutFailed };
        self.tell(sink, |ledger| ledger.movement_event(kind, &payout));
        Ok(Done::changed(Receipt::Payout { repeat: false, state: said }))
    }

    /// Money in from a channel; a closed merchant takes none.
    pub(crate) fn top_up<S: EntrySink>(&mut self, topup: &TopUp, key: Key, sink: &mut S) -> Outcome {
        let merchant_at = self.merchant_at(topup.merchant, key)?;
        if self.channels.get(topup.channel).is_none() {
            return Err(Rejection::ChannelNotFound.into());
        }
        let state = MovementState::Succeeded;
        let asked = Movement {
            channel: Some(topup.channel),
            ..self.movement(MovementKind::TopUp, topup.topup_no, merchant_at, topup.amount, state)
        };
        if self.moved_before(&asked, key.number)?.is_some() {
            return Ok(Done::unchanged(Receipt::Booked { repeat: true }));
        }
        let merchant = &self.merchants[merchant_at];
        if merchant.is_closed() {
            return Err(Rejection::MerchantClosed.into());
        }
        let entry = Entry {
            subject: Subject::TOP_UP,
            from: Account::Channel(topup.channel),
            to: Account::Merchant(merchant.id, MerchantAccount::Available),
            amount: topup.amount,
            currency: merchant.currency(),
            reversal: false,
        };
        let voucher = self.movement_voucher(&asked);
        self.book_and_post(merchant_at, &[entry], self.date, &voucher, sink)?;
        self.keep_movement(asked, key.number);
        Ok(Done::changed(Receipt::Booked { repeat: false }))
    }

    /// Freezes available money, whatever the merchant's status: it is an order of risk or law.
    pub(crate) fn freeze<S: EntrySink>(&mut self, freeze: &Freeze, key: Key, sink: &mut S) -> Outcome {
        let merchant_at = self.merchant_at(freeze.merchant, key)?;
        let state = MovementState::Frozen;
        let asked = self.movement(MovementKind::Freeze, freeze.freeze_no, merchant_at, freeze.amount, state);
        if self.moved_before(&asked, key.number)?.is_some() {
            return Ok(Done::unchanged(Receipt::Booked { repeat: true }));
        }
        let accounts = (MerchantAccount::Available, MerchantAccount::Frozen);
        self.move_within(&asked, Subject::FREEZE, accounts, false, sink)?;
        self.keep_movement(asked, key.number);
        Ok(Done::changed(Receipt::Booked { repeat: false }))
    }

    /// Ends a freeze.
    pub(crate) fn unfreeze<S: EntrySink>(&mut self, freeze: &Unfreeze, key: Key, sink: &mut S) -> Outcome {
        let merchant_at = self.merchant_at(freeze.merchant, key)?;
        let found = self.movement_at(MovementKind::Freeze, merchant_at, &freeze.freeze_no, key.number);
        let at = found.ok_or(Rejection::FreezeNotFound)?;
        let frozen = self.movements[at];
        if frozen.state == MovementState::Released {
            return Ok(Done::unchanged(Receipt::Booked { repeat: true }));
        }
        let accounts = (MerchantAccount::Frozen, MerchantAccount::Available);
        self.move_within(&frozen, Subject::UNFREEZE, accounts, false, sink)?;
        self.movements[at].state = MovementState::Released;
        Ok(Done::changed(Receipt::Booked { repeat: false }))
    }

    /// Checked in this order: repeat, the receiver, the giver's status, funds. Either side may be another shard's.
    pub(crate) fn vote_transfer(&self, transfer: &Transfer) -> Vote {
        let (giver, receiver) = (self.find_merchant(transfer.merchant), self.find_merchant(transfer.to));
        let no = Vote::No;
        if let Some(giver_at) = giver {
            let hash = self.hash.number(transfer.merchant, &transfer.transfer_no);
            match self.moved_before(&self.transfer_movement(transfer, giver_at), hash) {
                Err(refusal) => return refusal.vote(),
                Ok(Some(_)) => return Vote::Done(Receipt::Booked { repeat: true }),
                Ok(None) => {}
            }
        } else if self.is_alone() {
            return no(Rejection::MerchantNotFound, None);
        }
        let to = Some(Field::To);
        if transfer.merchant == transfer.to || (receiver.is_none() && self.is_alone()) {
            return no(Rejection::ReceiverInvalid, to);
        }
        if let Some(receiver_at) = receiver {
            let known = &self.merchants[receiver_at];
            if known.is_closed() {
                return no(Rejection::ReceiverInvalid, to);
            }
        }
        let full = receiver.is_some_and(|at| {
            let there = self.merchants[at].balances.of(MerchantAccount::Available);
            there + transfer.amount > crate::BALANCE_MAX
        });
        let Some(giver_at) = giver else {
            let currency = receiver.map(|at| self.merchants[at].currency());
            return match currency {
                Some(_) if full => no(Rejection::Overflow, None),
                Some(currency) => Vote::Yes(Some(currency)),
                None => Vote::Abstain,
            };
        };
        let giver = &self.merchants[giver_at];
        if receiver.is_some_and(|at| self.merchants[at].currency() != giver.currency()) {
            return no(Rejection::CurrencyMismatch, to);
        }
        if let Err(rejection) = giver.may_pay_out() {
            return no(rejection, None);
        }
        if giver.balances.of(MerchantAccount::Available) < transfer.amount {
            return no(Rejection::InsufficientFunds, None);
        }
        if full {
            return no(Rejection::Overflow, None);
        }
        Vote::Yes(Some(giver.currency()))
    }

    /// Each side that is this ledger's, after a vote that said yes.
    pub(crate) fn transfer<S: EntrySink>(&mut self, transfer: &Transfer, sink: &mut S) -> Outcome {
        let (giver, receiver) = (self.find_merchant(transfer.merchant), self.find_merchant(transfer.to));
        let Some(known) = giver.or(receiver) else {
            return Ok(Done::unchanged(Receipt::Booked { repeat: false }));
        };
        let own = |id| Account::Merchant(id, MerchantAccount::Available);
        let entry = Entry {
            subject: Subject::TRANSFER,
            from: own(transfer.merchant),
            to: own(transfer.to),
            amount: transfer.amount,
            currency: self.merchants[known].currency(),
            reversal: false,
        };
        let voucher = Voucher {
            merchant: Some(transfer.merchant),
            order_no: None,
            refund_no: None,
            reference: Some(transfer.transfer_no),
            accounting_date: self.date,
        };
        if let Some(giver_at) = giver {
            sink.open(&voucher);
            sink.book(&entry);
            self.book_side(giver_at, &entry, &voucher)?;
            let hash = self.hash.number(transfer.merchant, &transfer.transfer_no);
            self.keep_movement(self.transfer_movement(transfer, giver_at), hash);
        }
        if let Some(receiver_at) = receiver {
            self.book_side(receiver_at, &entry, &voucher)?;
        }
        Ok(Done::changed(Receipt::Booked { repeat: false }))
    }

    fn transfer_movement(&self, transfer: &Transfer, giver_at: u32) -> Movement {
        let state = MovementState::Succeeded;
        let number = transfer.transfer_no;
        Movement {
            to: Some(transfer.to),
            ..self.movement(MovementKind::Transfer, number, giver_at, transfer.amount, state)
        }
    }

    fn movement(
        &self,
        kind: MovementKind,
        number: Number,
        merchant: u32,
        amount: u64,
        state: MovementState,
    ) -> Movement {
        let (channel, to) = (None, None);
        Movement { number, merchant, amount, kind, state, channel, to, date: self.date, contradicted: false }
    }

    /// Where the same movement stands, if it was done; an error when its number was used for another.
    fn moved_before(&self, asked: &Movement, hash: u64) -> Result<Option<MovementState>, Refusal> {
        let Some(at) = self.movement_at(asked.kind, asked.merchant, &asked.number, hash) else {
            return if self.movements.has_room() { Ok(None) } else { Err(Rejection::Overflow.into()) };
        };
        let known = &self.movements[at];
        let same = (known.amount, known.channel, known.to) == (asked.amount, asked.channel, asked.to);
        if same { Ok(Some(known.state)) } else { Err(Rejection::IdempotencyConflict.into()) }
    }

    /// One entry between two of the merchant's own accounts.
    fn move_within<S: EntrySink>(
        &mut self,
        movement: &Movement,
        subject: Subject,
        (from, to): (MerchantAccount, MerchantAccount),
        reversal: bool,
        sink: &mut S,
    ) -> Result<(), Rejection> {
        let merchant = &self.merchants[movement.merchant];
        let own = |account| Account::Merchant(merchant.id, account);
        let (amount, currency) = (movement.amount, merchant.currency());
        let entry = Entry { subject, from: own(from), to: own(to), amount, currency, reversal };
        let voucher = self.movement_voucher(movement);
        self.book_and_post(movement.merchant, &[entry], self.date, &voucher, sink)
    }

    fn keep_movement(&mut self, movement: Movement, hash: u64) {
        let at = self.movements.push(movement);
        self.movement_index.insert(hash, at);
    }

    pub(crate) fn movement_at(
        &self,
        kind: MovementKind,
        merchant_at: u32,
        number: &Number,
        hash: u64,
    ) -> Option<u32> {
        assert!(merchant_at != NOWHERE);
        self.movement_index.find(hash, |at| {
            let movement = &self.movements[at];
            movement.number == *number && movement.kind == kind && movement.merchant == merchant_at
        })
    }

    fn movement_voucher(&self, movement: &Movement) -> Voucher {
        Voucher {
            merchant: Some(self.merchants[movement.merchant].id),
            order_no: None,
            refund_no: None,
            reference: Some(movement.number),
            accounting_date: self.date,
        }
    }

    fn movement_event(&self, kind: EventKind, movement: &Movement) -> Event {
        let merchant = &self.merchants[movement.merchant];
        Event {
            kind,
            merchant: Some(merchant.id),
            order_no: None,
            reference: Some(movement.number),
            amount: movement.amount,
            currency: Some(merchant.currency()),
            accounting_date: self.date,
        }
    }

    pub(crate) fn movement_view(&self, at: u32) -> MovementView {
        let movement = &self.movements[at];
        MovementView {
            kind: movement.kind,
            number: movement.number,
            merchant: self.merchants[movement.merchant].id,
            amount: movement.amount,
            state: movement.state,
            channel: movement.channel,
            to: movement.to,
            accounting_date: movement.date,
        }
    }

    pub(crate) fn digest_movements(&self, digest: &mut Digest) {
        for movement in self.movements.iter() {
            digest.record(b"movement", |record| {
                record.u64(movement.kind as u64).u64(self.merchants[movement.merchant].id.0);
                record.bytes(movement.number.as_bytes()).u64(movement.amount).u64(movement.state as u64);
                record.option(movement.channel.map(|id| id.0.into())).option(movement.to.map(|id| id.0));
                record.i64(movement.date.0.into()).u64(movement.contradicted.into());
            });
        }
    }
}
