//! What is asked of responses that are kept: the response, its input, its end.

use bytes::Bytes;
use http::StatusCode;
use interference_api_types::openai::responses::Item;
use interference_backend::{Refusal, Reply, ReplyBody, Request};
use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::items::quote;
use crate::refusals::{invalid, not_found, state_failed, unsupported};
use crate::responses_backend::ResponsesBackend;
use crate::state::Record;

/// How many items a page has, unless the request says otherwise, and at most: the API's own numbers.
const USUAL_PAGE: usize = 20;
const LONGEST_PAGE: usize = 100;

impl ResponsesBackend {
    /// `GET /responses/{id}`.
    ///
    /// # Errors
    /// It is not kept, or is to be streamed.
    pub(crate) async fn retrieve(&self, id: &str, request: &Request) -> Result<Reply, Refusal> {
        let mut ignored = Vec::new();
        for (name, value) in members(request.query.as_deref()) {
            match name.as_str() {
                "stream" if value == "false" => {}
                "stream" | "starting_after" => {
                    let message = "A kept response comes whole: leave out 'stream' and 'starting_after'.";
                    return Err(unsupported(name, message));
                }
                // What was asked for when it was made is in it.
                "include" | "include[]" => {}
                _ => ignored.push(name),
            }
        }
        request.strictness.check(&ignored)?;
        let record = self.record(id).await?;
        Ok(Reply { ignored, ..whole(record.response) })
    }

    /// `DELETE /responses/{id}`.
    ///
    /// # Errors
    /// It is not kept.
    pub(crate) async fn delete(&self, id: &str) -> Result<Reply, Refusal> {
        let deleted = self.state.delete(id).await.map_err(|error| {
            tracing::error!(%error, "a response could not be deleted");
            Refusal::StateNotSaved { message: format!("The response could not be deleted: {error}.") }
        })?;
        if !deleted {
            return Err(not_found(id));
        }
        Ok(whole(json!({"id": id, "object": "response", "deleted": true}).to_string()))
    }

    /// `POST /responses/{id}/cancel`.
    ///
    /// # Errors
    /// Always: a response that is kept is over.
    pub(crate) async fn cancel(&self, id: &str) -> Result<Reply, Refusal> {
        self.record(id).await?;
        let message = "Only a response that was made with 'background' can be cancelled, and those are not supported \
                       here. Close the connection to cancel a response that is being made.";
        Err(Refusal::InvalidRequest {
            message: message.to_owned(),
            param: None,
            code: Some("response_not_background"),
        })
    }

    /// `GET /responses/{id}/input_items`.
    ///
    /// # Errors
    /// It is not kept, or the query is wrong.
    pub(crate) async fn input_items(&self, id: &str, request: &Request) -> Result<Reply, Refusal> {
        let (page, ignored) = Page::asked(request.query.as_deref())?;
        request.strictness.check(&ignored)?;
        let record = self.record(id).await?;
        let items: Vec<Item> = serde_json::from_str(&record.input).map_err(|error| Refusal::Internal {
            message: format!("The input of the response cannot be read: {error}."),
        })?;
        let (items, has_more) = page.of(items)?;
        let id_of = |item: Option<&Item>| item.and_then(|item| item.id.clone());
        let list = json!({
            "object": "list",
            "first_id": id_of(items.first()),
            "last_id": id_of(items.last()),
            "has_more": has_more,
            "data": items,
        });
        Ok(Reply { ignored, ..whole(list.to_string()) })
    }

    async fn record(&self, id: &str) -> Result<Record, Refusal> {
        self.state.response(id).await.map_err(state_failed)?.ok_or_else(|| not_found(id))
    }
}

fn whole(json: String) -> Reply {
    Reply::new(StatusCode::OK, ReplyBody::Whole(Bytes::from(json)))
}

/// The members of a query, decoded.
fn members(query: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        (decoded(name), decoded(value))
    })
}

/// Which items a list is to have.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    order: Order,
    limit: usize,
    after: Option<String>,
}

/// Which comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    OldestFirst,
    NewestFirst,
}

impl Page {
    /// The page of a query, and the names of what it passes over.
    fn asked(query: Option<&str>) -> Result<(Page, Vec<String>), Refusal> {
        let mut page = Page { order: Order::NewestFirst, limit: USUAL_PAGE, after: None };
        let mut ignored = Vec::new();
        for (name, value) in members(query) {
            match name.as_str() {
                "order" => {
                    page.order = match value.as_str() {
                        "asc" => Order::OldestFirst,
                        "desc" => Order::NewestFirst,
                        other => {
                            let message =
                                format!("'order' is '{}'; it must be 'asc' or 'desc'.", quote(other));
                            return Err(invalid(name, message, "invalid_value"));
                        }
                    };
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=LONGEST_PAGE).contains(limit));
                    page.limit = limit.ok_or_else(|| {
                        let message =
                            format!("'limit' is '{}'; it must be from 1 to {LONGEST_PAGE}.", quote(&value));
                        invalid(name, message, "invalid_value")
                    })?;
                }
                "after" => page.after = Some(value),
                "include" | "include[]" => {}
                _ => ignored.push(name),
            }
        }
        Ok((page, ignored))
    }

    /// The items of the page, and whether there are more behind it.
    fn of(&self, mut items: Vec<Item>) -> Result<(Vec<Item>, bool), Refusal> {
        if self.order == Order::NewestFirst {
            items.reverse();
        }
        if let Some(after) = &self.after {
            let last = items.iter().position(|item| item.id.as_ref() == Some(after));
            let last = last.ok_or_else(|| {
                let message = format!("'after' is '{}', and the input has no such item.", quote(after));
                invalid("after", message, "invalid_value")
            })?;
            items.drain(..=last);
        }
        let has_more = items.len() > self.limit;
        items.truncate(self.limit);
        Ok((items, has_more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(query: &str) -> Result<(Vec<String>, bool), Refusal> {
        let item = |id: i32| Item { id: Some(format!("i{id}")), ..Item::default() };
        let (items, has_more) = Page::asked(Some(query))?.0.of((0..25).map(item).collect())?;
        Ok((items.into_iter().filter_map(|item| item.id).collect(), has_more))
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
        assert_eq!(Page::asked(Some("zeal=1&include%5B%5D=a")).unwrap().1, ["zeal"]);
    }
}
