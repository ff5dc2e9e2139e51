//! Accounts by their names (api.md, "Looking"): `merchant:1001:pending`, `channel:wechat`, `operator`.

use suanpan_core::{Account, ChannelId, Field, MerchantAccount, Rejection};

use super::json::Node;
use super::problem::Problem;
use super::read;
use crate::Gateway;

/// An account as it was named; a channel's name is not looked up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    Account(Account),
    Channel(String),
}

const BANK: &str = "(bank)";

impl Named {
    fn parse(name: &str) -> Option<Self> {
        let account = match name.split_once(':') {
            None => match name {
                "operator" => Account::Operator,
                "suspense" => Account::Suspense,
                "in_transit" => Account::InTransit,
                _ => return None,
            },
            Some(("channel", BANK)) => Account::Bank,
            Some(("channel", name)) => {
                return read::channel_text(name).ok().map(|name| Self::Channel(name.to_owned()));
            }
            Some(("merchant", rest)) => {
                let (id, kind) = rest.split_once(':')?;
                let kind = MerchantAccount::ALL.into_iter().find(|account| account.name() == kind)?;
                Account::Merchant(read::merchant_text(id).ok()?, kind)
            }
            Some((kind, id)) => {
                let id = read::merchant_text(id).ok()?;
                match kind {
                    "platform" => Account::Platform(id),
                    "accrued" => Account::Accrued(id),
                    "fee_receivable" => Account::FeeReceivable(id),
                    _ => return None,
                }
            }
        };
        Some(Self::Account(account))
    }

    /// The account itself.
    pub(super) fn resolve(self, gateway: &Gateway, field: Field) -> Result<Account, Problem> {
        match self {
            Self::Account(account) => Ok(account),
            Self::Channel(name) => {
                let missing = || Problem::from(Rejection::ChannelNotFound).at(field.name().to_owned());
                gateway.channel_id(&name).map(Account::Channel).ok_or_else(missing)
            }
        }
    }
}

/// Reads the name of an account that a person may correct.
pub(super) fn read_adjustable(node: &Node<'_>) -> Result<Named, &'static str> {
    const MUST: &str = "must be an account that can be adjusted: operator, suspense, channel:NAME, channel:(bank), \
                        platform:ID, accrued:ID, fee_receivable:ID, merchant:ID:pending or merchant:ID:available";
    let named = Named::parse(read::str(node, MUST)?).ok_or(MUST)?;
    match named {
        Named::Account(Account::Merchant(_, MerchantAccount::Pending | MerchantAccount::Available)) => {
            Ok(named)
        }
        Named::Account(Account::Merchant(..) | Account::InTransit) => Err(MUST),
        _ => Ok(named),
    }
}

/// An account's name.
pub(super) fn write(gateway: &Gateway, account: Account) -> Result<String, Problem> {
    match account {
        Account::Channel(id) => Ok(account.name(&channel_name(gateway, id)?)),
        _ => Ok(account.name("")),
    }
}

/// The name of a channel that something in the books names: it is known.
pub(super) fn channel_name(gateway: &Gateway, id: ChannelId) -> Result<String, Problem> {
    let terms = gateway.channel(id).ok_or_else(|| {
        tracing::error!(channel = id.0, "a channel in the books that the edge does not know");
        Problem::unknown()
    })?;
    Ok(terms.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use suanpan_core::MerchantId;

    #[test]
    fn names_are_read_as_they_are_written() {
        let id = MerchantId(1001);
        let mut accounts = vec![
            Account::Operator,
            Account::Suspense,
            Account::InTransit,
            Account::Bank,
            Account::Platform(id),
            Account::Accrued(id),
            Account::FeeReceivable(id),
        ];
        accounts.extend(MerchantAccount::ALL.map(|account| Account::Merchant(id, account)));
        for account in accounts {
            assert_eq!(Named::parse(&account.name("")), Some(Named::Account(account)));
        }
        let channel = Account::Channel(ChannelId(7)).name("wechat");
        assert_eq!(Named::parse(&channel), Some(Named::Channel("wechat".to_owned())));
    }

    #[test]
    fn other_names_are_none() {
        for name in [
            "",
            "Operator",
            "operator:",
            "bank",
            "channel",
            "channel:",
            "channel:WeChat",
            "channel:(cash)",
            "merchant",
            "merchant:1001",
            "merchant:1001:",
            "merchant:1001:spent",
            "merchant:0:pending",
            "merchant:x:pending",
            "merchant:1001:pending:",
            "platform:",
            "platform:0",
            "platform:-1",
            "owner:1001",
            ":1001",
            "accrued:1001:x",
            " operator",
        ] {
            assert_eq!(Named::parse(name), None, "{name}");
        }
        let read = |name: &'static str| read_adjustable(&Node::Text(name.into()));
        for name in
            ["in_transit", "merchant:1001:held", "merchant:1001:frozen", "merchant:1001:payout_transit", "x"]
        {
            assert!(read(name).is_err(), "{name}");
        }
        for name in
            ["operator", "merchant:1001:pending", "merchant:1001:available", "channel:(bank)", "channel:x"]
        {
            assert!(read(name).is_ok(), "{name}");
        }
    }
}
