//! Members of a request that are left out of the comparison.
//!
//! Owns how they are named, and how they are taken out of a body. Refuses to know what they mean.

use std::str::FromStr;

use serde_json::Value;

/// Stands for every item of a list.
const EVERY_ITEM: &str = "*";

/// Members of a JSON body that are not compared: a dotted path such as `user`, `metadata.run` or `messages.*.name`,
/// where `*` stands for every item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredMember {
    /// What is above the member, from the outside in.
    above: Vec<Step>,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    EveryItem,
}

/// A path that names no member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` names no member: give a path such as `user` or `messages.*.name`, which ends in a member's name"
)]
pub struct NoMember {
    /// The path.
    pub given: String,
}

impl FromStr for IgnoredMember {
    type Err = NoMember;

    fn from_str(text: &str) -> Result<IgnoredMember, NoMember> {
        let mut parts: Vec<&str> = text.split('.').collect();
        match parts.pop() {
            Some(name) if !name.is_empty() && name != EVERY_ITEM && !parts.contains(&"") => {
                let step = |part| match part {
                    EVERY_ITEM => Step::EveryItem,
                    name => Step::Member(name.to_owned()),
                };
                Ok(IgnoredMember { above: parts.into_iter().map(step).collect(), name: name.to_owned() })
            }
            _ => Err(NoMember { given: text.to_owned() }),
        }
    }
}

impl IgnoredMember {
    /// Takes it out of a body, wherever it is there.
    pub(crate) fn take_out(&self, body: &mut Value) {
        take_out(body, &self.above, &self.name);
    }
}

fn take_out(value: &mut Value, above: &[Step], name: &str) {
    match (above, value) {
        ([], Value::Object(members)) => drop(members.shift_remove(name)),
        ([Step::Member(member), below @ ..], Value::Object(members)) => {
            if let Some(value) = members.get_mut(member) {
                take_out(value, below, name);
            }
        }
        ([Step::EveryItem, below @ ..], Value::Array(items)) => {
            items.iter_mut().for_each(|item| take_out(item, below, name));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_taken_out_wherever_the_path_leads() {
        let body = json!({"user": 1, "a": {"user": 2, "b": 3}, "m": [{"name": 4, "x": [{"y": 5}]}, 6]});
        let without = |path: &str| {
            let mut body = body.clone();
            path.parse::<IgnoredMember>().unwrap().take_out(&mut body);
            body
        };
        assert_eq!(
            without("user"),
            json!({"a": {"user": 2, "b": 3}, "m": [{"name": 4, "x": [{"y": 5}]}, 6]})
        );
        assert_eq!(
            without("a.user"),
            json!({"user": 1, "a": {"b": 3}, "m": [{"name": 4, "x": [{"y": 5}]}, 6]})
        );
        assert_eq!(
            without("m.*.name"),
            json!({"user": 1, "a": {"user": 2, "b": 3}, "m": [{"x": [{"y": 5}]}, 6]})
        );
        assert_eq!(
            without("m.*.x.*.y"),
            json!({"user": 1, "a": {"user": 2, "b": 3}, "m": [{"name": 4, "x": [{}]}, 6]})
        );
        for elsewhere in ["m.name", "a.*.b", "user.name", "none"] {
            assert_eq!(without(elsewhere), body, "{elsewhere}");
        }
    }

    #[test]
    fn what_names_no_member_is_refused() {
        for wrong in ["", ".", "a.", ".a", "a..b", "*", "messages.*"] {
            assert_eq!(wrong.parse::<IgnoredMember>(), Err(NoMember { given: wrong.to_owned() }));
        }
    }
}
