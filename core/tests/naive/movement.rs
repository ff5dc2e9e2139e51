//! Movements that are no order's: payouts, top-ups, freezes, transfers, adjustments.

use super::book::reversed;
use super::*;

#[derive(Clone)]
pub(super) struct Movement {
    /// What was asked for.
    pub(super) asked: Command,
    pub(super) amount: u64,
    pub(super) state: MovementState,
    pub(super) channel: Option<ChannelId>,
    pub(super) to: Option<MerchantId>,
    pub(super) date: Date,
    pub(super) contradicted: bool,
}

impl Naive {
    fn moved(&self, asked: Command, amount: u64, state: MovementState) -> Movement {
        Movement { asked, amount, state, channel: None, to: None, date: self.date, contradicted: false }
    }

    /// What was asked for under that number before, and whether it was the same.
    fn known(
        &self,
        kind: MovementKind,
        merchant: MerchantId,
        number: Number,
        asked: &Command,
    ) -> Option<(bool, MovementState)> {
        self.movements.get(&(kind, merchant.0, number)).map(|known| (known.asked == *asked, known.state))
    }

    pub(super) fn payout(&mut self, asked: Payout) -> Outcome {
        let terms = self.terms(asked.merchant)?;
        let command = Command::Payout(asked);
        if let Some((same, state)) =
            self.known(MovementKind::Payout, asked.merchant, asked.payout_no, &command)
        {
            return again(same, Receipt::Payout { repeat: true, state });
        }
        if let Some(channel) = asked.channel {
            self.channel(channel)?;
        }
        match terms.status {
            MerchantStatus::Active => {}
            MerchantStatus::Suspended => return no(Rejection::MerchantSuspended),
            MerchantStatus::Closed => return no(Rejection::MerchantClosed),
        }
        let m = asked.merchant.0;
        let (from, to) = (format!("merchant:{m}:available"), format!("merchant:{m}:payout_transit"));
        let about = About::merchant(&terms).reference(asked.payout_no);
        self.book(&about, self.date, vec![line(91, &from, &to, asked.amount)])?;
        let state = MovementState::Processing;
        let movement = Movement { channel: asked.channel, ..self.moved(command, asked.amount, state) };
        self.movements.insert((MovementKind::Payout, m, asked.payout_no), movement);
        Ok((Receipt::Payout { repeat: false, state }, true))
    }

    pub(super) fn payout_result(&mut self, result: PayoutResult) -> Outcome {
        let terms = self.terms(result.merchant)?;
        let m = result.merchant.0;
        let key = (MovementKind::Payout, m, result.payout_no);
        let Some(mut payout) = self.movements.get(&key).cloned() else {
            return no(Rejection::PayoutNotFound);
        };
        let said = match result.state {
            RefundResultState::Unknown => {
                return Ok((Receipt::Payout { repeat: true, state: payout.state }, false));
            }
            RefundResultState::Succeeded => MovementState::Succeeded,
            RefundResultState::Failed => MovementState::Failed,
        };
        let again = self.flaw == Flaw::PayoutBackTwice && said == MovementState::Failed;
        if payout.state == said && !again {
            return Ok((Receipt::Payout { repeat: true, state: said }, false));
        }
        if payout.state != MovementState::Processing && payout.state != said {
            let first = !payout.contradicted;
            payout.contradicted = true;
            self.movements.insert(key, payout);
            return Err((Rejection::ContradictsFinal, None, first));
        }
        let transit = format!("merchant:{m}:payout_transit");
        let lines = if said == MovementState::Succeeded {
            let bank = payout.channel.map_or("channel:(bank)".to_owned(), |id| self.channel_account(id));
            vec![line(92, &transit, &bank, payout.amount)]
        } else {
            reversed(vec![line(92, &format!("merchant:{m}:available"), &transit, payout.amount)])
        };
        self.book(&About::merchant(&terms).reference(result.payout_no), self.date, lines)?;
        payout.state = said;
        self.movements.insert(key, payout);
        Ok((Receipt::Payout { repeat: false, state: said }, true))
    }

    pub(super) fn top_up(&mut self, asked: TopUp) -> Outcome {
        let terms = self.terms(asked.merchant)?;
        self.channel(asked.channel)?;
        let command = Command::TopUp(asked);
        if let Some((same, _)) = self.known(MovementKind::TopUp, asked.merchant, asked.topup_no, &command) {
            return again(same, Receipt::Booked { repeat: true });
        }
        if terms.status == MerchantStatus::Closed {
            return no(Rejection::MerchantClosed);
        }
        let m = asked.merchant.0;
        let (from, to) = (self.channel_account(asked.channel), format!("merchant:{m}:available"));
        let about = About::merchant(&terms).reference(asked.topup_no);
        self.book(&about, self.date, vec![line(95, &from, &to, asked.amount)])?;
        let done = self.moved(command, asked.amount, MovementState::Succeeded);
        let movement = Movement { channel: Some(asked.channel), ..done };
        self.movements.insert((MovementKind::TopUp, m, asked.topup_no), movement);
        Ok((Receipt::Booked { repeat: false }, true))
    }

    pub(super) fn freeze(&mut self, asked: Freeze) -> Outcome {
        let terms = self.terms(asked.merchant)?;
        let command = Command::Freeze(asked);
        if let Some((same, _)) = self.known(MovementKind::Freeze, asked.merchant, asked.freeze_no, &command) {
            return again(same, Receipt::Booked { repeat: true });
        }
        let m = asked.merchant.0;
        let (from, to) = (format!("merchant:{m}:available"), format!("merchant:{m}:frozen"));
        let about = About::merchant(&terms).reference(asked.freeze_no);
        self.book(&about, self.date, vec![line(93, &from, &to, asked.amount)])?;
        let movement = self.moved(command, asked.amount, MovementState::Frozen);
        self.movements.insert((MovementKind::Freeze, m, asked.freeze_no), movement);
        Ok((Receipt::Booked { repeat: false }, true))
    }

    pub(super) fn unfreeze(&mut self, asked: Unfreeze) -> Outcome {
        let terms = self.terms(asked.merchant)?;
        let m = asked.merchant.0;
        let key = (MovementKind::Freeze, m, asked.freeze_no);
        let Some(mut freeze) = self.movements.get(&key).cloned() else {
            return no(Rejection::FreezeNotFound);
        };
        if freeze.state == MovementState::Released && self.flaw != Flaw::UnfreezeTwice {
            return Ok((Receipt::Booked { repeat: true }, false));
        }
        let (from, to) = (format!("merchant:{m}:frozen"), format!("merchant:{m}:available"));
        let about = About::merchant(&terms).reference(asked.freeze_no);
        self.book(&about, self.date, vec![line(94, &from, &to, freeze.amount)])?;
        freeze.state = MovementState::Released;
        self.movements.insert(key, freeze);
        Ok((Receipt::Booked { repeat: false }, true))
    }

    pub(super) fn transfer(&mut self, asked: Transfer) -> Outcome {
        let terms = self.terms(asked.merchant)?;
        let command = Command::Transfer(asked);
        if let Some((same, _)) =
            self.known(MovementKind::Transfer, asked.merchant, asked.transfer_no, &command)
        {
            return again(same, Receipt::Booked { repeat: true });
        }
        let to = self.merchants.get(&asked.to.0).filter(|to| to.merchant != asked.merchant);
        let Some(to) = to.filter(|to| to.status != MerchantStatus::Closed) else {
            return no_field(Rejection::ReceiverInvalid, Field::To);
        };
        if to.currency != terms.currency {
            return no_field(Rejection::CurrencyMismatch, Field::To);
        }
        match terms.status {
            MerchantStatus::Suspended if self.flaw != Flaw::SuspendedTransfers => {
                return no(Rejection::MerchantSuspended);
            }
            MerchantStatus::Closed => return no(Rejection::MerchantClosed),
            _ => {}
        }
        let (m, r) = (asked.merchant.0, asked.to.0);
        let both = About { owners: vec![m, r], ..About::merchant(&terms) }.reference(asked.transfer_no);
        let (from, to) = (format!("merchant:{m}:available"), format!("merchant:{r}:available"));
        self.book(&both, self.date, vec![line(96, &from, &to, asked.amount)])?;
        let done = self.moved(command, asked.amount, MovementState::Succeeded);
        self.movements
            .insert((MovementKind::Transfer, m, asked.transfer_no), Movement { to: Some(asked.to), ..done });
        Ok((Receipt::Booked { repeat: false }, true))
    }

    pub(super) fn adjust(&mut self, asked: &Adjustment) -> Outcome {
        if let Some(known) = self.adjustments.get(&asked.adjustment_no) {
            return again(known.asked == *asked, Receipt::Booked { repeat: true });
        }
        let sides = [(asked.from, Field::From), (asked.to, Field::To)];
        for (account, field) in sides {
            self.adjusted(account).map_err(|(rejection, ..)| (rejection, Some(field), false))?;
        }
        let mut owners = Vec::new();
        for (account, field) in sides {
            let owner = self.adjusted(account)?;
            if owner.as_ref().is_some_and(|owner| owner.currency != asked.currency) {
                return no_field(Rejection::CurrencyMismatch, field);
            }
            // Shared accounts are in nobody's list.
            if let Account::Merchant(id, _) | Account::FeeReceivable(id) = account
                && !owners.contains(&id.0)
            {
                owners.push(id.0);
            }
        }
        let name = |account: Account| match account {
            Account::Channel(id) => self.channel_account(id),
            other => other.name(""),
        };
        let lines = vec![line(97, &name(asked.from), &name(asked.to), asked.amount)];
        let about = About {
            owners,
            currency: asked.currency,
            order_no: None,
            refund_no: None,
            reference: Some(asked.adjustment_no),
        };
        self.book(&about, self.date, lines)?;
        let view = AdjustmentView { asked: asked.clone(), accounting_date: self.date };
        self.adjustments.insert(asked.adjustment_no, view);
        Ok((Receipt::Booked { repeat: false }, true))
    }

    /// Whose an account is, if it is one's; it must be there.
    fn adjusted(&self, account: Account) -> Result<Option<MerchantTerms>, No> {
        match account {
            Account::Channel(id) => self.channel(id).map(|_| None),
            Account::Merchant(id, _)
            | Account::Platform(id)
            | Account::Accrued(id)
            | Account::FeeReceivable(id) => self.terms(id).map(Some),
            _ => Ok(None),
        }
    }
}
