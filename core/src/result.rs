//! What the channel said of a refund or a void, and the day cut's resubmissions (domain.md, "Voids and
//! refunds", states).

use crate::ledger::{Done, Outcome, Refusal};
use crate::order::Order;
use crate::refund::{StoredRefund, entries};
use crate::{
    Date, EntrySink, FailedRefund, Key, Ledger, Receipt, RefundResult, RefundResultState, RefundState,
    Rejection, SentAs,
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
                self.refund_succeeded(at)
            }
            (RefundState::Processing, RefundResultState::Failed) => self.refund_failed(at, sink)?,
        };
        if let Some(number) = &result.channel_refund_no {
            self.refunds[at].channel_refund_no = Some(number.clone());
        }
        Ok(Done::changed(Receipt::RefundResult { repeat: false, state }))
    }

    fn refund_succeeded(&mut self, at: u32) -> RefundState {
        let refund = &mut self.refunds[at];
        refund.state = RefundState::Succeeded;
        let (order_at, amount) = (refund.order, refund.parts.payable());
        self.held.remove(&at);
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
            self.refunds[at].state = RefundState::Held;
            self.held.insert(at);
            return Ok(RefundState::Held);
        }
        let merchant_at = order.merchant;
        let merchant = &self.merchants[merchant_at];
        let parties = self.refund_parties(order);
        let group = entries(&parties, merchant.currency(), &refund.parts, refund.funds.available).reversed();
        let date = self.back_on(order, refund);
        let voucher = self.refund_voucher(order, refund.refund_no);
        self.book(merchant_at, &group, date, &voucher, sink)?;

        let refund = &mut self.refunds[at];
        refund.state = RefundState::Failed;
        let giveback = &mut self.givebacks[self.orders[refund.order].giveback];
        giveback.given = giveback.given.minus(&refund.parts);
        giveback.count -= 1;
        giveback.in_flight -= 1;
        Ok(RefundState::Failed)
    }

    /// The date's bucket the money left, or the current one's once that is settled.
    fn back_on(&self, order: &Order, refund: &StoredRefund) -> Date {
        let settled = self.merchants[order.merchant].has_settled(refund.funds.bucket);
        if settled { self.date } else { refund.funds.bucket }
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

    /// At the day cut, what is held goes out again as an ordinary refund.
    pub(crate) fn resubmit_held(&mut self) -> u64 {
        let held = std::mem::take(&mut self.held);
        for &at in &held {
            let refund = &mut self.refunds[at];
            assert!(refund.state == RefundState::Held, "only what is held goes out again");
            refund.state = RefundState::Processing;
            refund.sent_as = SentAs::Refund;
            refund.attempts += 1;
        }
        held.len() as u64
    }
}
