//! Why a bill is refused: which file, which line, what is wrong there, and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use suanpan_core::Date;

/// A file, and a line of it from 1; 0 is the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The line.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.path.display()),
            line => write!(f, "{}:{line}", self.path.display()),
        }
    }
}

/// Why a bill or a bank statement is refused, whole. Whoever took rows of it keeps none of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BillError {
    /// Nothing was given.
    #[error("no file was given: name the files of the bill")]
    NoFile,
    /// The system refused.
    #[error("{path}: {source}. Make the file readable and try again")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One file twice, or two files of the same contents: every row would count twice.
    #[error("{path} is the same file as {first}: name each file of the bill once")]
    Twice {
        /// The second of them.
        path: PathBuf,
        /// The first of them.
        first: PathBuf,
    },
    /// Text of another encoding than the channel writes.
    #[error(
        "{place}: is not {expected}, it looks like {found}. Was it opened and saved by another program? Take the file as the channel sent it"
    )]
    Encoding {
        /// Where.
        place: Place,
        /// What the format is written in.
        expected: &'static str,
        /// What the bytes look like.
        found: &'static str,
    },
    /// There is no table where it should begin.
    #[error(
        "{place}: this is no {format}, it begins with {found:?}. Is it of another format, or an error that the channel answered with?"
    )]
    NotABill {
        /// Where.
        place: Place,
        /// What was expected.
        format: &'static str,
        /// The beginning of the line.
        found: Box<str>,
    },
    /// A column that the format does not have.
    #[error(
        "{place}: the column {column:?} is unknown in a {format}. Is it of another format, or another type of bill?"
    )]
    UnknownColumn {
        /// Where.
        place: Place,
        /// Its name.
        column: Box<str>,
        /// What was expected.
        format: &'static str,
    },
    /// A column that cannot be done without.
    #[error(
        "{place}: the column {column} is missing in this {format}. Is it of another format, or another type of bill?"
    )]
    MissingColumn {
        /// Where.
        place: Place,
        /// Its name.
        column: &'static str,
        /// What was expected.
        format: &'static str,
    },
    /// Two columns of one name.
    #[error("{place}: the column {column:?} is there twice. Take the file as the channel sent it")]
    RepeatedColumn {
        /// Where.
        place: Place,
        /// Its name.
        column: Box<str>,
    },
    /// A row with more or fewer fields than the header has.
    #[error(
        "{place}: the row has {found} fields, the header has {expected}. Take the file as the channel sent it"
    )]
    Fields {
        /// Where.
        place: Place,
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A field that cannot be understood.
    #[error(
        "{place}: {column} {value:?} {reason}. Nothing of this bill is used; ask the channel about this line"
    )]
    Value {
        /// Where.
        place: Place,
        /// The column.
        column: &'static str,
        /// What stands there, its beginning.
        value: Box<str>,
        /// Why that cannot be.
        reason: &'static str,
    },
    /// Something of another day.
    #[error("{place}: {time} is not on {date}. Give the bill of {date}, or reconcile the other date")]
    OtherDay {
        /// Where.
        place: Place,
        /// The time or date that stands there.
        time: Box<str>,
        /// The day that was asked for.
        date: Date,
    },
    /// The bill of somebody else.
    #[error(
        "{place}: the bill is of account {found}, not of {expected}. Give the bill of that account, or correct the channel's settings"
    )]
    OtherAccount {
        /// Where.
        place: Place,
        /// Whose it is.
        found: Box<str>,
        /// Whose it should be.
        expected: Box<str>,
    },
    /// Rows of two accounts.
    #[error("{place}: account {found} in a bill of account {first}. Reconcile each account by its own bill")]
    TwoAccounts {
        /// Where.
        place: Place,
        /// The second.
        found: Box<str>,
        /// The first.
        first: Box<str>,
    },
    /// A total that is not that of the rows.
    #[error(
        "{place}: {figure} says {said}, the rows are {counted}. The file was changed or is not whole: download it again"
    )]
    Totals {
        /// Where the total stands.
        place: Place,
        /// Which total.
        figure: Box<str>,
        /// What the file says.
        said: Box<str>,
        /// What its rows are.
        counted: Box<str>,
    },
    /// The end is missing.
    #[error("{place}: the file is cut short, {missing}. Download it again")]
    CutShort {
        /// Where it ends.
        place: Place,
        /// What should be there.
        missing: &'static str,
    },
    /// gzip or ZIP whose checksum or structure is wrong.
    #[error("{path}: the packed file is damaged ({reason}). Download it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: Box<str>,
    },
    /// Something behind the end.
    #[error(
        "{place}: there is something behind the end of the bill, {found:?}. Take the file as the channel sent it, one bill to a file"
    )]
    Behind {
        /// Where.
        place: Place,
        /// Its beginning.
        found: Box<str>,
    },
    /// A line without end.
    #[error("{place}: the line is longer than {max} bytes, as no bill has them. Is it of another format?")]
    RowTooLong {
        /// Where.
        place: Place,
        /// What is allowed.
        max: usize,
    },
    /// It unpacks to more than any bill: perhaps made to fill a machine.
    #[error(
        "{path}: it unpacks to more than {max} bytes. If it is a bill, unpack it and give the file that comes out"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is allowed for it.
        max: u64,
    },
    /// A ZIP in which it is not clear what to read.
    #[error(
        "{path}: a ZIP must hold exactly one table of details (*_业务明细.csv), this one has {found}. Give the right CSV itself"
    )]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: Box<str>,
    },
}

/// Characters of a line or a field that a message quotes.
const QUOTED_MAX: usize = 40;

/// The beginning of what stands there, for a message.
pub(super) fn quoted(text: &str) -> Box<str> {
    text.chars().take(QUOTED_MAX).collect::<String>().into()
}
