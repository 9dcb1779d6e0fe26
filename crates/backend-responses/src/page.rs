//! Pages of what is kept: what a query says of them, the part of a list that it means, and how that is told.
//!
//! Owns `order`, `limit` and `after`, which all lists of the API share. It refuses to know what is listed.

use interference_backend::Refusal;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::items::quote;
use crate::refusals::invalid;

/// How many elements a page has, unless the request says otherwise, and at most: the API's own numbers.
const USUAL_PAGE: usize = 20;
const LONGEST_PAGE: usize = 100;

/// The members of a query, decoded as forms are: clients write a space as `+` or `%20`, and a plus as `%2B`.
pub(crate) fn members(query: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        (decoded(name), decoded(value))
    })
}

/// Which elements a list is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) order: Order,
    /// From 1 to 100.
    pub(crate) limit: usize,
    /// The id of the element before the first.
    pub(crate) after: Option<String>,
}

/// Which comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    NewestFirst,
}

/// A page of a list, as it is told.
#[derive(Debug, Serialize)]
pub(crate) struct List<'a, T> {
    object: &'static str,
    data: &'a [T],
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
    has_more: bool,
}

impl Page {
    /// The first page of what comes in this order unless the request says otherwise.
    pub(crate) fn first(order: Order) -> Page {
        Page { order, limit: USUAL_PAGE, after: None }
    }

    /// Takes a member of a query; whether it is one of a page.
    ///
    /// # Errors
    /// Its value is wrong.
    pub(crate) fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "order" => {
                self.order = match value {
                    "asc" => Order::OldestFirst,
                    "desc" => Order::NewestFirst,
                    other => {
                        let message = format!("'order' is '{}'; it must be 'asc' or 'desc'.", quote(other));
                        return Err(invalid(name, message, "invalid_value"));
                    }
                };
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LONGEST_PAGE).contains(limit));
                self.limit = limit.ok_or_else(|| {
                    let message =
                        format!("'limit' is '{}'; it must be from 1 to {LONGEST_PAGE}.", quote(value));
                    invalid(name, message, "invalid_value")
                })?;
            }
            "after" => self.after = Some(value.to_owned()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The elements of the page, of all of a list with the oldest first, and whether there are more behind it.
    ///
    /// # Errors
    /// What they come after is not there.
    pub(crate) fn of<T>(
        &self,
        mut elements: Vec<T>,
        id: impl Fn(&T) -> Option<&str>,
    ) -> Result<(Vec<T>, bool), Refusal> {
        if self.order == Order::NewestFirst {
            elements.reverse();
        }
        if let Some(after) = &self.after {
            let last = elements.iter().position(|element| id(element) == Some(after));
            elements.drain(..=last.ok_or_else(|| self.nothing_after())?);
        }
        let has_more = elements.len() > self.limit;
        elements.truncate(self.limit);
        Ok((elements, has_more))
    }

    /// What the page comes after is not there.
    pub(crate) fn nothing_after(&self) -> Refusal {
        let after = self.after.as_deref().unwrap_or_default();
        let message = format!("'after' is '{}', and the list has nothing of that id.", quote(after));
        invalid("after", message, "invalid_value")
    }
}

impl<'a, T> List<'a, T> {
    /// Of these elements, the first and the last of which have these ids.
    pub(crate) fn new(data: &'a [T], [first_id, last_id]: [Option<&'a str>; 2], has_more: bool) -> Self {
        List { object: "list", data, first_id, last_id, has_more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(query: &str) -> Result<(Vec<String>, bool), Refusal> {
        let mut page = Page::first(Order::NewestFirst);
        for (name, value) in members(Some(query)) {
            assert!(page.take(&name, &value)?, "{query}");
        }
        page.of((0..25).map(|id| format!("i{id}")).collect(), |id| Some(id))
    }

    #[test]
    fn pages_follow_one_another() {
        let ids = |range: std::ops::Range<i32>| -> Vec<String> { range.map(|id| format!("i{id}")).collect() };
        let newest: Vec<String> = (5..25).rev().map(|id| format!("i{id}")).collect();
        assert_eq!(listed("").unwrap(), (newest, true));
        assert_eq!(listed("order=asc&limit=25").unwrap(), (ids(0..25), false));
        assert_eq!(listed("order=asc&limit=5&after=i4").unwrap(), (ids(5..10), true));
        assert_eq!(listed("order=asc&limit=10&after=i%31%39").unwrap(), (ids(20..25), false));
        assert_eq!(listed("order=asc&after=i24").unwrap(), (Vec::new(), false));
    }

    #[test]
    fn a_query_that_is_wrong_is_told() {
        for (query, name) in
            [("limit=0", "limit"), ("limit=101", "limit"), ("order=up", "order"), ("after=zz", "after")]
        {
            match listed(query) {
                Err(Refusal::InvalidRequest { param, .. }) => {
                    assert_eq!(param.as_deref(), Some(name), "{query}")
                }
                other => panic!("{query}: {other:?}"),
            }
        }
        assert_eq!(Page::first(Order::OldestFirst).take("zeal", "1"), Ok(false));
        let decoded: Vec<_> = members(Some("a%5Bb%5D=1+2%2B3&&c")).collect();
        assert_eq!(decoded, [("a[b]".to_owned(), "1 2+3".to_owned()), ("c".to_owned(), String::new())]);
    }
}
