//! Payments: create and confirm in one, their entries, and their voids.

use super::book::reversed;
use super::*;

#[derive(Clone)]
pub(super) struct Cancel {
    pub(super) order: Name,
    pub(super) state: VoidState,
    pub(super) contradicted: bool,
}

impl Naive {
    pub(super) fn pay(&mut self, asked: &Payment, now: Timestamp) -> Outcome {
        let terms = self.terms(asked.merchant)?;
        let channel = self.channel(asked.channel)?;
        let name = (asked.merchant.0, asked.order_no);
        let details = asked.details.as_deref().cloned().unwrap_or_default();
        // No details and empty ones are the same.
        let asked = Payment { details: Some(Box::new(details.clone())), ..asked.clone() };
        if let Some(known) = self.orders.get(&name) {
            let (fees, net) = (known.fee + known.platform_fee, known.net());
            return again(
                known.payment.as_ref() == Some(&asked),
                Receipt::Payment { repeat: true, fees, net },
            );
        }
        if details.discounts.platform > 0 && terms.platform.is_none() {
            return no_field(Rejection::InvalidRequest, Field::Discounts);
        }
        match terms.status {
            MerchantStatus::Active => {}
            MerchantStatus::Suspended => return no(Rejection::MerchantSuspended),
            MerchantStatus::Closed => return no(Rejection::MerchantClosed),
        }
        let paid_at = asked.paid_at.unwrap_or(now);
        if blacked_out(&channel, paid_at) {
            return no(Rejection::ChannelBlackout);
        }
        self.check_limits(&terms, asked.amount)?;
        if let Some(promoter) = details.promoter {
            let known = self.promoters.get(&promoter.0);
            if promoter == asked.merchant || known.is_none_or(|known| known.currency != terms.currency) {
                return no_field(Rejection::ReceiverInvalid, Field::Promoter);
            }
        }
        let mut order = Order {
            hold: asked.hold,
            promoter: details.promoter,
            channel_txn: details.channel_txn,
            paid_at: Some(paid_at),
            ..Order::new(terms, asked.channel, asked.amount, details.discounts)
        };
        let lines = self.capture(&mut order);
        order.payment = Some(asked);
        self.book(&About::order(&order.terms, name.1), self.date, lines)?;
        let (fees, net) = (order.fee + order.platform_fee, order.net());
        self.orders.insert(name, order);
        Ok((Receipt::Payment { repeat: false, fees, net }, true))
    }

    /// Makes an order a paid one on the current date: its fees by the terms it came about under, its channel's cost and
    /// its merchant's cycle by those of now.
    pub(super) fn capture(&self, order: &mut Order) -> Vec<Line> {
        let (a, terms) = (order.amount, &order.terms);
        let cycle = self.merchants[&terms.merchant.0].cycle;
        let channel = &self.channels[usize::from(order.channel.0)];
        let mut fee = charge(a, terms.fee_rate, terms.fee_rounding).max(terms.fee_min);
        if let Some(most) = terms.fee_max {
            fee = fee.min(most);
        }
        let fee = fee.min(a);
        let platform_fee = match terms.platform {
            Some(_) => charge(a, terms.platform_fee_rate, terms.fee_rounding).min(a - fee),
            None => 0,
        };
        order.purse = match cycle {
            _ if order.hold => "held",
            Cycle::Calendar(0) => "available",
            _ => "pending",
        };
        order.advance_fee = if order.purse == "available" {
            charge(a, terms.advance_fee_rate, terms.fee_rounding).min(a - fee - platform_fee)
        } else {
            0
        };
        order.fee = fee;
        order.platform_fee = platform_fee;
        order.cost = charge(a, channel.cost_rate, channel.cost_rounding);
        order.stage = Stage::Paid;
        order.date = Some(self.date);
        order.entered = (order.purse == "pending").then_some(self.date);
        self.payment_lines(order)
    }

    /// Entries 60 to 67.
    fn payment_lines(&self, order: &Order) -> Vec<Line> {
        let (m, a, given) = (order.terms.merchant.0, order.amount, order.given);
        let channel = self.channel_account(order.channel);
        let purse = format!("merchant:{m}:{}", order.purse);
        let payer = if order.gross() { format!("fee_receivable:{m}") } else { purse.clone() };
        let mut lines = vec![line(60, &channel, "operator", a)];
        if let Some(platform) = order.terms.platform {
            let platform = format!("platform:{}", platform.0);
            lines.push(line(61, "operator", &platform, a));
            lines.push(line(62, &platform, &purse, a));
            lines.push(line(63, &payer, &platform, order.fee + order.platform_fee));
            lines.push(line(64, &platform, "operator", order.fee));
            lines.push(line(65, "operator", &channel, order.cost));
            lines.push(line(66, "operator", &purse, given.operator));
            lines.push(line(66, &platform, &purse, given.platform));
        } else {
            lines.push(line(62, "operator", &purse, a));
            lines.push(line(63, &payer, "operator", order.fee));
            lines.push(line(65, "operator", &channel, order.cost));
            lines.push(line(66, "operator", &purse, given.operator));
        }
        lines.push(line(67, &payer, "operator", order.advance_fee));
        lines
    }

    pub(super) fn void(&mut self, asked: &Void) -> Outcome {
        let terms = self.terms(asked.merchant)?;
        let (name, of) = ((asked.merchant.0, asked.void_no), (asked.merchant.0, asked.order_no));
        if let Some(known) = self.voids.get(&name) {
            return again(known.order == of, Receipt::Void { repeat: true, state: known.state });
        }
        let order = self.order(&of)?;
        // What was all given back still is a paid order with refunds.
        if order.stage != Stage::Paid {
            return no(Rejection::OrderState);
        }
        if terms.status == MerchantStatus::Closed {
            return no(Rejection::MerchantClosed);
        }
        if order.date != Some(self.date) {
            return no(Rejection::NotSameDay);
        }
        if self.is_settled(&of) {
            return no(Rejection::OrderSettled);
        }
        if self.backs(&of).next().is_some() {
            return no(Rejection::HasRefunds);
        }
        // What was split away is not there.
        let commissions: u64 = order.commissions.iter().map(|one| one.amount).sum();
        if self.split_of(&of) + commissions > 0 {
            return no(Rejection::InsufficientFunds);
        }
        let about = About::order(&order.terms, of.1).reference(name.1);
        self.book(&about, self.date_of(&of), reversed(self.payment_lines(&order)))?;
        self.orders.insert(of, Order { stage: Stage::Voided, ..order });
        let state = VoidState::Processing;
        self.voids.insert(name, Cancel { order: of, state, contradicted: false });
        Ok((Receipt::Void { repeat: false, state }, true))
    }

    pub(super) fn void_result(&mut self, result: &VoidResult) -> Outcome {
        self.terms(result.merchant)?;
        let name = (result.merchant.0, result.void_no);
        let Some(mut cancel) = self.voids.get(&name).cloned() else {
            return no(Rejection::VoidNotFound);
        };
        let said = if result.succeeded { VoidState::Succeeded } else { VoidState::Failed };
        if cancel.state == said {
            return Ok((Receipt::VoidResult { repeat: true, state: said }, false));
        }
        if cancel.state != VoidState::Processing {
            let first = !cancel.contradicted;
            cancel.contradicted = true;
            self.voids.insert(name, cancel);
            return Err((Rejection::ContradictsFinal, None, first));
        }
        if said == VoidState::Failed {
            // The payment stands again: in the date it was taken out of, or the current one's once that is settled.
            let order = Order { stage: Stage::Paid, ..self.orders[&cancel.order].clone() };
            let date = self.date_of(&cancel.order);
            let about = About::order(&order.terms, cancel.order.1).reference(name.1);
            self.book(&about, date, self.payment_lines(&order))?;
            let entered = order.entered.map(|_| date);
            self.orders.insert(cancel.order, Order { entered, ..order });
        }
        cancel.state = said;
        self.voids.insert(name, cancel);
        Ok((Receipt::VoidResult { repeat: false, state: said }, true))
    }
}
