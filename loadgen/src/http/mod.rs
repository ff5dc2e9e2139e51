//! The load over HTTP: one payment a request, one request in flight on each connection.
//!
//! The client shares its machine with the server it measures, so it is as light as it can be: one thread, one
//! `epoll`, a read and a write for each request, and nothing allocated for it. It knows of HTTP/1.1 what Suanpan
//! speaks, and refuses the rest.

mod answer;
mod books;
mod lines;
mod order;
mod run;

use std::io;

pub use answer::AnswerError;
pub(crate) use run::run;

/// Why the server could not be talked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The line broke: what was not answered is unknown.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The server closed while it owed an answer.
    #[error("the server closed the connection before it had answered")]
    Closed,
    /// The server owes answers and says nothing.
    #[error("the server has not answered for {seconds} s")]
    Silent {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The server said something that was not asked.
    #[error("the server answered what was not asked")]
    Unasked,
    /// What came is no answer.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}
