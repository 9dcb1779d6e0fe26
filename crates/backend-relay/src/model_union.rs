//! The models of several upstreams as one list.
//!
//! Owns their order (that of the upstreams, and within one its own), and that each name stands there once. The objects
//! are those of the upstreams, byte for byte. It refuses to know what is in them.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use interference_backend::{Refusal, Reply, ReplyBody, Request, UpstreamCode, UpstreamFailure};

use crate::fleet::Fleet;
use crate::headers::FAILED_HEADER;
use crate::model_list::{Listed, all_lists};
use crate::via::Passed;

/// The lists of all upstreams. Those that give none are left out, and named in a header. A query is ignored, since it
/// could mean something else to each of them.
///
/// # Errors
/// None gave a list, or there is a query and the server is strict.
pub(crate) async fn union(fleet: &Arc<Fleet>, request: &Request) -> Result<Reply, Refusal> {
    let ignored: Vec<String> = request.query.iter().map(|_| "query".to_owned()).collect();
    request.strictness.check(&ignored)?;
    let lists = all_lists(fleet, &Passed::of(&request.headers)).await;
    let named = fleet.members.iter().map(|member| member.upstream.name.as_str()).zip(&lists);
    let failed: Vec<&str> = named.filter(|(_, list)| list.is_none()).map(|(name, _)| name).collect();
    if failed.len() == lists.len() {
        return Err(Refusal::Upstream {
            message: format!(
                "No upstream gave a list of its models; asked were {}. Look at their own `/models`.",
                failed.join(", ")
            ),
            code: UpstreamCode::NobodyLeft.name(),
            failure: UpstreamFailure::Broken,
        });
    }
    let body = merged(lists.iter().flatten().flat_map(|listed| listed.iter()));
    let length = HeaderValue::from(body.len());
    let frames = futures::stream::once(std::future::ready(Ok(Bytes::from(body))));
    let mut reply = Reply::new(StatusCode::OK, ReplyBody::Frames(Box::pin(frames)));
    reply.ignored = ignored;
    reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.headers.insert(CONTENT_LENGTH, length);
    if !failed.is_empty() {
        let names = HeaderValue::from_str(&failed.join(", "));
        reply
            .headers
            .insert(FAILED_HEADER, names.map_err(|error| Refusal::Internal { message: error.to_string() })?);
    }
    Ok(reply)
}

fn merged<'l>(listed: impl Iterator<Item = &'l Listed>) -> String {
    let mut ids = HashSet::new();
    let objects: Vec<&str> =
        listed.filter(|listed| ids.insert(listed.id.as_str())).map(|listed| listed.raw.get()).collect();
    format!(r#"{{"object":"list","data":[{}]}}"#, objects.join(","))
}
