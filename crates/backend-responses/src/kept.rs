//! What is asked of responses that are kept: the response, its input, its end.

use bytes::Bytes;
use http::StatusCode;
use interference_api_types::openai::responses::Item;
use interference_backend::{Refusal, Reply, ReplyBody, Request};
use serde_json::json;

use crate::page::{List, Order, Page, members};
use crate::refusals::{not_found, state_failed, unreadable, unsupported};
use crate::responses_backend::ResponsesBackend;
use crate::state::Record;

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
        let mut page = Page::first(Order::NewestFirst);
        let mut ignored = Vec::new();
        for (name, value) in members(request.query.as_deref()) {
            // What can be included is there in any case.
            if !page.take(&name, &value)? && !["include", "include[]"].contains(&name.as_str()) {
                ignored.push(name);
            }
        }
        request.strictness.check(&ignored)?;
        let record = self.record(id).await?;
        let items: Vec<Item> = serde_json::from_str(&record.input).map_err(unreadable)?;
        let (items, has_more) = page.of(items, |item| item.id.as_deref())?;
        let ends = [items.first(), items.last()].map(|item| item?.id.as_deref());
        let list = List::new(&items, ends, has_more);
        Ok(Reply { ignored, ..whole(serde_json::to_string(&list).map_err(unreadable)?) })
    }

    async fn record(&self, id: &str) -> Result<Record, Refusal> {
        self.state.response(id).await.map_err(state_failed)?.ok_or_else(|| not_found(id))
    }
}

/// A reply of this JSON.
pub(crate) fn whole(json: String) -> Reply {
    Reply::new(StatusCode::OK, ReplyBody::Whole(Bytes::from(json)))
}
