//! What the channel said of a refund or a void, and the day cut's resubmissions (domain.md, "Voids and
//! refunds", states).

use crate::ledger::{Done, Outcome, Refusal};
use crate::order::Order;
use crate::refund::StoredRefund;
use crate::{
    Date, EntrySink, EventKind, FailedRefund, Key, Ledger, MerchantAccount, Receipt, RefundResult,
    RefundResultState, RefundState, Rejection, SentAs,
};

impl Ledger {
    /// Takes a refund's result. The same again changes nothing; one that contradicts a final one is refused
    /// and kept.
    pub(crate) fn refund_result<S: EntrySink>(
        &mut self,
        result: &RefundResult,
        key: Key,
        sink: &mut S,
    ) -> Outcome {
        let merchant_at = self.merchant_at(result.merchant, key)?;
        let at =
            self.refund_at(merchant_at, &result.refund_no, key.number).ok_or(Rejection::RefundNotFound)?;
        self.refunds[at].catch_up(self.date);
        let state = self.refunds[at].state;
        let state = match (state, result.state) {
            // Unclear says nothing. What is held failed already, and waits.
            (_, RefundResultState::Unknown)
            | (RefundState::Succeeded, RefundResultState::Succeeded)
            | (RefundState::Failed | RefundState::Held, RefundResultState::Failed) => {
                return Ok(Done::unchanged(Receipt::RefundResult { repeat: true, state }));
            }
            (RefundState::Succeeded, RefundResultState::Failed)
            | (RefundState::Failed, RefundResultState::Succeeded) => {
                return Err(self.refund_contradicted(at));
            }
            // A void that failed and then did succeed: sending it again would pay the payer twice.
            (RefundState::Processing | RefundState::Held, RefundResultState::Succeeded) => {
                self.refund_succeeded(at, sink)
            }
            (RefundState::Processing, RefundResultState::Failed) => self.refund_failed(at, sink)?,
        };
        if let Some(number) = &result.channel_refund_no {
            self.refunds[at].channel_refund_no = Some(number.clone());
        }
        Ok(Done::changed(Receipt::RefundResult { repeat: false, state }))
    }

    fn refund_succeeded<S: EntrySink>(&mut self, at: u32, sink: &mut S) -> RefundState {
        let refund = &mut self.refunds[at];
        self.held_today -= u64::from(refund.state == RefundState::Held);
        refund.state = RefundState::Succeeded;
        let (order_at, amount) = (refund.order, refund.parts.payable());
        self.tell(sink, |ledger| ledger.refund_event(EventKind::RefundSucceeded, at));
        let payable = self.payable_of(order_at);
        let order = &mut self.orders[order_at];
        let giveback = &mut self.givebacks[order.giveback];
        giveback.in_flight -= 1;
        giveback.succeed(order, amount, payable);
        RefundState::Succeeded
    }

    /// Puts everything back, or keeps it for the day cut.
    fn refund_failed<S: EntrySink>(&mut self, at: u32, sink: &mut S) -> Result<RefundState, Rejection> {
        let refund = &self.refunds[at];
        let order = &self.orders[refund.order];
        let channel = self.channels.of_order(order.channel);
        if refund.sent_as == SentAs::Void || channel.resubmit_failed == FailedRefund::NextDay {
            let refund = &mut self.refunds[at];
            (refund.state, refund.held_on) = (RefundState::Held, self.date);
            self.held.push(at);
            self.held_today += 1;
            self.tell(sink, |ledger| ledger.refund_event(EventKind::RefundHeld, at));
            return Ok(RefundState::Held);
        }
        let merchant_at = order.merchant;
        if order.purse == MerchantAccount::Held {
            // A surplus of returned fees may have been split away since: other orders' money does not stand in.
            let gross = self.merchants[merchant_at].version(order.terms).gross;
            if self.held_of(order).cast_signed() + refund.parts.merchants(gross) < 0 {
                return Err(Rejection::InsufficientFunds);
            }
        }
        let group = self.refund_entries(order, &refund.parts, &refund.funds).reversed();
        let date = self.back_on(order, refund);
        let voucher = self.refund_voucher(order, refund.refund_no);
        self.book_and_post(merchant_at, group.entries(), date, &voucher, sink)?;

        let refund = &mut self.refunds[at];
        refund.state = RefundState::Failed;
        let giveback = &mut self.givebacks[self.orders[refund.order].giveback];
        giveback.given = giveback.given.minus(&refund.parts);
        giveback.count -= 1;
        giveback.in_flight -= 1;
        self.tell(sink, |ledger| ledger.refund_event(EventKind::RefundFailed, at));
        Ok(RefundState::Failed)
    }

    /// The date's bucket the money left, or the current one's once that is settled. What left held, and comes back when
    /// the order was released, enters pending on the current date.
    fn back_on(&self, order: &Order, refund: &StoredRefund) -> Date {
        let released = order.flags.hold() && order.purse != MerchantAccount::Held;
        let was_held = released && refund.funds.held > 0;
        let settled = self.merchants[order.merchant].has_settled(refund.funds.bucket);
        if settled || was_held { self.date } else { refund.funds.bucket }
    }

    /// Each refund's first contradiction is kept; there is no more to know from the next.
    fn refund_contradicted(&mut self, at: u32) -> Refusal {
        let first = !std::mem::replace(&mut self.refunds[at].contradicted, true);
        self.contradicted(first)
    }

    pub(crate) fn contradicted(&mut self, first: bool) -> Refusal {
        self.contradictions += u64::from(first);
        Refusal::kept(Rejection::ContradictsFinal, first)
    }

    /// At the day cut, what is held goes out again as an ordinary refund: by the date alone ([`StoredRefund::on`]), so
    /// that the cut costs the same however many they are. Only who wants events has them named.
    pub(crate) fn resubmit_held<S: EntrySink>(&mut self, sink: &mut S) -> u64 {
        let held = std::mem::take(&mut self.held);
        if S::WANTS_EVENTS {
            // One that succeeded meanwhile is not sent again.
            for at in held.into_iter().filter(|&at| self.refunds[at].state == RefundState::Held) {
                self.tell(sink, |ledger| ledger.refund_event(EventKind::RefundProcessing, at));
                self.tell(sink, |ledger| ledger.refund_event(EventKind::RefundSubmit, at));
            }
        }
        std::mem::take(&mut self.held_today)
    }
}
