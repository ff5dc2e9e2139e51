//! Records of RFC 4180: fields in quotes may hold commas, quotes and line ends; any other quote is refused, since it says
//! that something is not as it was written.

use memchr::{memchr, memchr_iter};

use super::error::BillError;
use super::fields::{Fields, Spans};
use super::lines::Lines;
use super::text;

/// One record, in buffers that are used again.
#[derive(Default)]
pub(super) struct Record {
    text: String,
    spans: Spans,
    line: u64,
}

/// Where in a field a character stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Plain,
    Quoted,
    /// Behind a quote that ends the field, or is half of one in it.
    Closed,
}

impl Record {
    /// Takes the next one, if there is one. Empty lines are none.
    pub(super) fn next(&mut self, lines: &mut Lines<'_>) -> Result<bool, BillError> {
        self.text.clear();
        self.spans.clear();
        loop {
            if !lines.advance()? {
                return Ok(false);
            }
            if !text::utf8(lines)?.is_empty() {
                break;
            }
        }
        self.line = lines.line();
        let line = text::utf8(lines)?;
        if memchr(b'"', line.as_bytes()).is_some() {
            return self.unquote(lines).map(|()| true);
        }
        self.text.push_str(line);
        let mut from = 0;
        for at in memchr_iter(b',', line.as_bytes()) {
            self.spans.push(from, at);
            from = at + 1;
        }
        self.spans.push(from, line.len());
        Ok(true)
    }

    fn unquote(&mut self, lines: &mut Lines<'_>) -> Result<(), BillError> {
        let (mut at, mut from) = (At::Start, 0);
        loop {
            let line = text::utf8(lines)?;
            for char in line.chars() {
                at = match (at, char) {
                    (At::Start, '"') => At::Quoted,
                    (At::Quoted, '"') => At::Closed,
                    (At::Start | At::Plain | At::Closed, ',') => {
                        self.spans.push(from, self.text.len());
                        from = self.text.len();
                        At::Start
                    }
                    (At::Plain, '"') => {
                        return Err(lines.value("the field", line, "has a quote in its middle"));
                    }
                    (At::Closed, char) if char != '"' => {
                        return Err(lines.value("the field", line, "goes on behind its closing quote"));
                    }
                    (at, char) => {
                        self.text.push(char);
                        if at == At::Start {
                            At::Plain
                        } else if at == At::Closed {
                            At::Quoted
                        } else {
                            at
                        }
                    }
                };
            }
            if at != At::Quoted {
                self.spans.push(from, self.text.len());
                return Ok(());
            }
            self.text.push('\n');
            lines.check_length(self.text.len())?;
            if !lines.advance()? {
                return Err(lines.cut_short("a field in quotes has no end"));
            }
        }
    }

    /// The line that it begins on.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// What stands in its first field.
    pub(super) fn first(&self) -> &str {
        self.spans.first(&self.text)
    }

    /// Its fields, in their order.
    pub(super) fn names(&self) -> Vec<String> {
        self.spans.all(&self.text).map(str::to_owned).collect()
    }

    /// Its fields, of which there must be so many.
    pub(super) fn fields(&self, expected: usize, lines: &Lines<'_>) -> Result<Fields<'_>, BillError> {
        self.spans.of(&self.text, expected, lines)
    }
}
