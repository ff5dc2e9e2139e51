//! Pages of a list: `?limit=&starting_after=`.

use std::borrow::Cow;

use super::problem::Problem;

/// Which page is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    /// The most items in it.
    pub(super) limit: usize,
    /// What names the item before its first.
    pub(super) starting_after: Option<T>,
}

impl<T> Page<T> {
    /// Reads a query string; the most items are what is given when no limit is named.
    pub(super) fn read(
        query: Option<&str>,
        limit_max: usize,
        read: fn(&str) -> Result<T, &'static str>,
    ) -> Result<Self, Problem> {
        let mut page = Self { limit: limit_max, starting_after: None };
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                // An empty value is as good as none.
                "limit" | "starting_after" if value.is_empty() => {}
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=limit_max).contains(limit));
                    page.limit = limit.ok_or_else(|| {
                        Problem::invalid("limit", &format!("must be a whole number from 1 to {limit_max}"))
                    })?;
                }
                "starting_after" => {
                    let item = read(&unescaped(value));
                    page.starting_after =
                        Some(item.map_err(|must| Problem::invalid("starting_after", must))?);
                }
                _ => {
                    let shown: String = name.chars().take(64).collect();
                    return Err(Problem::invalid(shown, "is not known here"));
                }
            }
        }
        Ok(page)
    }
}

/// The two characters of a number that are escaped in a query by many, as they are.
fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('%') {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.replace("%7C", "|").replace("%7c", "|").replace("%2A", "*").replace("%2a", "*"))
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    #[test]
    fn pages_as_they_are_asked_for() {
        let number = |text: &str| Some(text.parse().unwrap());
        for (query, limit, starting_after) in [
            (None, 100, None),
            (Some("limit=&starting_after="), 100, None),
            (Some("limit=1"), 1, None),
            (Some("limit=100&starting_after=a%7Cb*"), 100, number("a|b*")),
        ] {
            assert_eq!(
                Page::read(query, 100, read::number_text).unwrap(),
                Page { limit, starting_after },
                "{query:?}"
            );
        }
        for query in ["limit=0", "limit=101", "limit=-1", "limit=x", "starting_after=a%20b", "nope=1", "nope"]
        {
            assert!(Page::read(Some(query), 100, read::number_text).is_err(), "{query}");
        }
        let seq = |text: &str| Page::read(Some(&format!("starting_after={text}")), 100, read::seq_text);
        assert_eq!(seq("18446744073709551615").unwrap().starting_after, Some(u64::MAX));
        for text in ["18446744073709551616", "-1", "+1", "1.0", "A1", "%31"] {
            assert!(seq(text).is_err(), "{text}");
        }
    }
}
