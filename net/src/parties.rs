//! Whom a command names besides its merchant: what lives in another shard is looked at before the command is sent.
//!
//! That a merchant is there and its currency never change, so these looks hold for good. That a receiver of a split is
//! not closed holds at the moment of the look: it may be closed while the split is on its way, and what it then accrued
//! is still its own.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use suanpan_core::{
    Account, Adjustment, Command, Currency, Field, MerchantId, MerchantStatus, MerchantTerms, OrderStatus,
    Promoter, Query, Rejection, Reply, Request, Run, Split,
};

use crate::Gateway;

/// The most currencies of merchants that are kept; beyond it they are asked for again.
const CURRENCIES_MAX: usize = 100_000;

/// Why a split must not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSplit {
    /// The answer.
    pub reply: Reply,
    /// Which of the receivers is at fault, if one is.
    pub receiver: Option<usize>,
}

impl Gateway {
    /// Makes or changes a merchant, after looking whether its platform is there in the same currency.
    pub async fn put_merchant(&self, terms: Box<MerchantTerms>) -> Reply {
        if let Some(rejection) = self.check_platform(&terms).await {
            return rejection;
        }
        let shard = self.engine().shard_of(terms.merchant);
        self.ask_one(shard, Request::Command(Command::PutMerchant(terms))).await
    }

    /// What is wrong with the platform that terms name, if anything.
    pub async fn check_platform(&self, terms: &MerchantTerms) -> Option<Reply> {
        let platform = terms.platform?;
        match self.currency_of(platform).await {
            Ok(currency) if currency == terms.currency => None,
            Ok(_) => Some(Reply::Rejected(Rejection::CurrencyMismatch, Some(Field::Platform))),
            Err(Reply::Rejected(rejection, _)) => Some(Reply::Rejected(rejection, Some(Field::Platform))),
            Err(other) => Some(other),
        }
    }

    /// A merchant's currency, which never changes.
    ///
    /// # Errors
    /// The reply that does not say it, first of all that there is no such merchant.
    pub async fn currency_of(&self, merchant: MerchantId) -> Result<Currency, Reply> {
        let known = self.currencies.lock().unwrap_or_else(PoisonError::into_inner).get(&merchant).copied();
        if let Some(currency) = known {
            return Ok(currency);
        }
        let shard = self.engine().shard_of(merchant);
        match self.ask_one(shard, Request::Query(Query::Merchant(merchant))).await {
            Reply::Merchant(terms) => {
                let mut currencies = self.currencies.lock().unwrap_or_else(PoisonError::into_inner);
                if currencies.len() < CURRENCIES_MAX {
                    currencies.insert(merchant, terms.currency);
                }
                Ok(terms.currency)
            }
            other => Err(other),
        }
    }

    /// Books part of a held order to receivers, after looking whether they may receive.
    pub async fn split(&self, split: Box<Split>) -> Reply {
        if let Err(bad) = self.check_split(&split).await {
            return bad.reply;
        }
        self.ask_one(self.engine().shard_of(split.merchant), Request::Command(Command::Split(split))).await
    }

    /// Looks whether the receivers of a split may receive: each must be another merchant, not closed, of the same
    /// currency.
    ///
    /// # Errors
    /// What to answer. A split that was done before passes, whatever became of its receivers.
    pub async fn check_split(&self, split: &Split) -> Result<(), BadSplit> {
        let refuse = |reply| BadSplit { reply, receiver: None };
        // Its form first, which bounds the looks.
        if let Err(field) = Command::Split(Box::new(split.clone())).check() {
            return Err(refuse(Reply::Rejected(Rejection::InvalidRequest, Some(field))));
        }
        let currency = self.currency_of(split.merchant).await.map_err(refuse)?;
        let known = self.receivers(split).await.map_err(refuse)?;
        let may_receive = |id: &MerchantId| {
            let receiver = known.get(id).filter(|_| *id != split.merchant);
            receiver.is_some_and(|&(of, status)| of == currency && status != MerchantStatus::Closed)
        };
        match split.receivers.iter().position(|(id, _)| !may_receive(id)) {
            None => Ok(()),
            Some(at) => self.refuse_split(split, at).await,
        }
    }

    /// The currency and status of those receivers that are there; one look at each shard.
    async fn receivers(
        &self,
        split: &Split,
    ) -> Result<BTreeMap<MerchantId, (Currency, MerchantStatus)>, Reply> {
        let mut by_shard: BTreeMap<u16, Vec<Request>> = BTreeMap::new();
        for &(id, _) in &split.receivers {
            by_shard.entry(self.engine().shard_of(id)).or_default().push(Request::Query(Query::Merchant(id)));
        }
        let mut known = BTreeMap::new();
        for (shard, looks) in by_shard {
            for reply in self.ask(shard, looks).await.replies {
                match reply {
                    Reply::Merchant(terms) => known.insert(terms.merchant, (terms.currency, terms.status)),
                    Reply::Rejected(Rejection::MerchantNotFound, _) => None,
                    other => return Err(other),
                };
            }
        }
        Ok(known)
    }

    /// What to answer to a split with a receiver that may not receive: what comes before that in the order of checks is
    /// the answer.
    async fn refuse_split(&self, split: &Split, receiver: usize) -> Result<(), BadSplit> {
        let of = split.merchant;
        let looks = [Query::Split(of, split.split_no), Query::Order(of, split.order_no), Query::Merchant(of)];
        let looked = self.ask_merchant(of, looks.map(Request::Query).into()).await;
        let mut replies = looked.replies.into_iter();
        let mut next = || replies.next().unwrap_or(Reply::Rejected(Rejection::Unknown, None));
        let refuse = |reply, receiver| Err(BadSplit { reply, receiver });
        match next() {
            // A repeat or a conflict, which books nothing either way.
            Reply::Split(_) => return Ok(()),
            Reply::Rejected(Rejection::SplitNotFound, _) => {}
            other => return refuse(other, None),
        }
        match next() {
            Reply::Order(order) => {
                let open = matches!(order.status, OrderStatus::Paid | OrderStatus::PartiallyRefunded);
                if !open || order.held == 0 {
                    return refuse(Reply::Rejected(Rejection::OrderState, None), None);
                }
            }
            other => return refuse(other, None),
        }
        match next() {
            Reply::Merchant(terms) if terms.status == MerchantStatus::Closed => {
                refuse(Reply::Rejected(Rejection::MerchantClosed, None), None)
            }
            Reply::Merchant(_) => {
                let reply = Reply::Rejected(Rejection::ReceiverInvalid, Some(Field::Receivers));
                refuse(reply, Some(receiver))
            }
            other => refuse(other, None),
        }
    }

    /// Makes or changes a promoter, after looking whether it and its upline are merchants, it of the currency said.
    pub async fn put_promoter(self: &Arc<Self>, promoter: Promoter) -> Reply {
        match self.currency_of(promoter.promoter).await {
            Ok(currency) if currency == promoter.currency => {}
            Ok(_) => return Reply::Rejected(Rejection::CurrencyMismatch, Some(Field::Currency)),
            Err(reply) => return reply,
        }
        if let Some(upline) = promoter.upline
            && let Err(reply) = self.currency_of(upline).await
        {
            return at(reply, Field::Upline);
        }
        self.command_all(Command::PutPromoter(promoter)).await
    }

    /// Books a correction, after looking whether those whose accounts it names are merchants of its currency.
    pub async fn adjust(self: &Arc<Self>, adjustment: Box<Adjustment>) -> Reply {
        for (account, field) in [(adjustment.from, Field::From), (adjustment.to, Field::To)] {
            match self.currency_of_account(account).await {
                Ok(Some(currency)) if currency != adjustment.currency => {
                    return Reply::Rejected(Rejection::CurrencyMismatch, Some(field));
                }
                Ok(_) => {}
                Err(reply) => return at(reply, field),
            }
        }
        self.command_all(Command::Adjust(adjustment)).await
    }

    /// The currency of an account, where it is one owner's.
    ///
    /// # Errors
    /// As [`Gateway::currency_of`].
    pub async fn currency_of_account(&self, account: Account) -> Result<Option<Currency>, Reply> {
        match account.owner() {
            Some(id) => self.currency_of(id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Settles or sweeps, after looking whether the one merchant to settle is there.
    pub async fn run_checked(self: &Arc<Self>, run: Run) -> Reply {
        if let Run::Settlement(settlement) = &run
            && let Some(merchant) = settlement.merchant
            && let Err(reply) = self.currency_of(merchant).await
        {
            return at(reply, Field::MerchantId);
        }
        self.run(run).await
    }
}

/// A refusal with the field that it is about.
fn at(reply: Reply, field: Field) -> Reply {
    match reply {
        Reply::Rejected(rejection, _) => Reply::Rejected(rejection, Some(field)),
        other => other,
    }
}
