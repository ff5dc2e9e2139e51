//! Why a load run failed.

use suanpan_net::ClientError;

use crate::http::HttpError;

/// Why a load run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The server cannot be reached, or the line broke.
    #[error("{0}. Is the server up, and is this its --tcp port?")]
    Client(#[from] ClientError),
    /// The same over HTTP.
    #[error("{0}. Is the server up, and is this its --http port?")]
    Http(#[from] HttpError),
    /// A setting is out of its bounds.
    #[error("{what} must be {bounds}")]
    Setting {
        /// Which.
        what: &'static str,
        /// What it may be.
        bounds: &'static str,
    },
    /// The server could not be prepared for the load.
    #[error("the server did not take the load's {what}: {reply}")]
    SetUp {
        /// A merchant, a channel, a look.
        what: &'static str,
        /// What it said.
        reply: String,
    },
    /// Answers that are not what they must be; the first of them.
    #[error("{count} answers are wrong; the first: {first}")]
    Wrong {
        /// How many.
        count: u64,
        /// The first, in words.
        first: String,
    },
    /// A balance that is not what the answers add up to.
    #[error("merchant {merchant} has {found} pending, and the answers add up to {counted}")]
    Balance {
        /// Whose.
        merchant: u64,
        /// What the server says, in minor units.
        found: i128,
        /// What was counted here.
        counted: i128,
    },
    /// The books are not square.
    #[error("the trial balance of {currency} sums to {sum}, not to 0")]
    TrialBalance {
        /// Of what.
        currency: String,
        /// In minor units.
        sum: i128,
    },
}
