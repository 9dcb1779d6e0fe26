//! The names of responses and of their items.
//!
//! The name of an item contains that of its response, so that an item can be found by its name alone.

use interference_api_types::openai::identity::{Identity, individual};
use sha2::{Digest, Sha256};

/// What the name of every response begins with.
const RESPONSE: &str = "resp_";

/// How many hexadecimal digits tell one response from another.
const DIGITS: usize = 32;

/// The names of one response and its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseIds {
    own: String,
}

impl ResponseIds {
    /// Those of the response to this request. When ids are fixed they depend on the request alone: equal requests get
    /// equal answers, and still each response of a conversation has its own.
    pub(crate) fn of(identity: Identity, body: &[u8]) -> ResponseIds {
        let own = match identity {
            Identity::Individual => individual(),
            Identity::Fixed => {
                let digest = Sha256::digest(body);
                digest.iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
            }
        };
        ResponseIds { own }
    }

    /// The response itself.
    pub(crate) fn response(&self) -> String {
        format!("{RESPONSE}{}", self.own)
    }

    /// An item of its output.
    pub(crate) fn output(&self, kind: &str, index: usize) -> String {
        format!("{}_{}_{index}", prefix(kind), self.own)
    }

    /// An item of its input that came without a name.
    pub(crate) fn input(&self, kind: &str, index: usize) -> String {
        format!("{}_{}_in{index}", prefix(kind), self.own)
    }
}

/// The response to which the item of this name belongs, if it is of one of ours.
pub(crate) fn response_of(item: &str) -> Option<String> {
    let own = item.split('_').nth(1)?;
    let is_ours = own.len() == DIGITS && own.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_ours.then(|| format!("{RESPONSE}{own}"))
}

/// What the names of items of a kind begin with.
fn prefix(kind: &str) -> &'static str {
    match kind {
        "message" => "msg",
        "function_call" => "fc",
        "function_call_output" => "fco",
        "reasoning" => "rs",
        _ => "item",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_leads_to_its_response() {
        for ids in [ResponseIds::of(Identity::Individual, b""), ResponseIds::of(Identity::Fixed, b"a")] {
            assert_eq!(response_of(&ids.output("message", 3)), Some(ids.response()));
            assert_eq!(response_of(&ids.input("function_call_output", 0)), Some(ids.response()));
        }
        for foreign in ["", "msg", "msg_1", "msg_zz", &format!("msg_{}", "g".repeat(32))] {
            assert_eq!(response_of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn fixed_names_depend_on_the_request() {
        let fixed = |body: &[u8]| ResponseIds::of(Identity::Fixed, body);
        assert_eq!(fixed(b"a"), fixed(b"a"));
        assert_ne!(fixed(b"a"), fixed(b"b"));
        assert_ne!(ResponseIds::of(Identity::Individual, b"a"), ResponseIds::of(Identity::Individual, b"a"));
    }
}
