//! What a writer asks for: small, made into a request when it is sent, so that all that was ever asked can be kept.

use suanpan_core::{
    ChannelId, Command, MerchantId, Number, Payment, PaymentDetails, Query, Refund, RefundResult,
    RefundResultState, Request, Void, VoidResult,
};

pub const MERCHANTS: u64 = 16;

/// A number, made of when and by whom it was first used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Id {
    pub round: u32,
    pub writer: u8,
    pub n: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Payment,
    Refund,
    Void,
    /// The channel says that a refund succeeded.
    RefundResult,
    /// The channel says that a void was done.
    VoidResult,
    /// A look at the order.
    Look,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Op {
    pub kind: Kind,
    /// Its own number, or that of the refund or void whose result it is.
    pub id: Id,
    pub order: Id,
    pub amount: u64,
}

impl Id {
    fn number(self, letter: char) -> Number {
        format!("{letter}{}-{}-{:012}", self.round, self.writer, self.n).parse().unwrap()
    }

    /// Whose an order of that number is.
    pub fn merchant(self) -> MerchantId {
        MerchantId(u64::from(self.n) % MERCHANTS + 1)
    }
}

impl Op {
    pub fn request(&self) -> Request {
        let (merchant, order_no) = (self.order.merchant(), self.order.number('P'));
        let (refund_no, void_no) = (self.id.number('R'), self.id.number('V'));
        Request::Command(match self.kind {
            Kind::Payment => Command::Payment(Payment {
                merchant,
                order_no,
                channel: ChannelId(0),
                amount: self.amount,
                hold: false,
                paid_at: None,
                // Longer records of some, so that the log comes to new segments soon.
                details: self.id.n.is_multiple_of(2).then(|| {
                    let channel_txn = Some(format!("{:064}", self.id.n));
                    Box::new(PaymentDetails { channel_txn, ..PaymentDetails::default() })
                }),
            }),
            Kind::Refund => {
                Command::Refund(Refund { merchant, refund_no, order_no, amount: self.amount, details: None })
            }
            Kind::Void => Command::Void(Void { merchant, void_no, order_no }),
            Kind::RefundResult => Command::RefundResult(RefundResult {
                merchant,
                refund_no,
                state: RefundResultState::Succeeded,
                channel_refund_no: None,
            }),
            Kind::VoidResult => Command::VoidResult(VoidResult { merchant, void_no, succeeded: true }),
            Kind::Look => return self.look(),
        })
    }

    /// The look that finds what it asked for.
    pub fn look(&self) -> Request {
        let merchant = self.order.merchant();
        Request::Query(match self.kind {
            Kind::Payment | Kind::Look => Query::Order(merchant, self.order.number('P')),
            Kind::Refund | Kind::RefundResult => Query::Refund(merchant, self.id.number('R')),
            Kind::Void | Kind::VoidResult => Query::Void(merchant, self.id.number('V')),
        })
    }
}
