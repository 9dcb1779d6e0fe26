//! The names of parameters, from the chat request back to the request that it was made of.
//!
//! A backend that refuses or passes over something names it as the chat API does; the client has never seen that
//! request. What has no other name here stays as it is.

use std::borrow::Cow;

/// Where a message of the chat came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The path of what it says: an item, `input`, `instructions` or `previous_response_id`.
    pub(crate) path: String,
    /// Whether the path is of an item, whose members can be named.
    pub(crate) is_item: bool,
    /// What the item calls the message's content.
    pub(crate) content: &'static str,
    /// The paths of the items that its calls came from.
    pub(crate) calls: Vec<String>,
}

impl Origin {
    /// Something that is one text.
    pub(crate) fn text(path: &str) -> Origin {
        Origin { path: path.to_owned(), is_item: false, content: "", calls: Vec::new() }
    }

    /// An item of the input.
    pub(crate) fn item(path: String, content: &'static str) -> Origin {
        Origin { path, is_item: true, content, calls: Vec::new() }
    }

    /// The path of a member of the message.
    fn member(&self, rest: &str) -> String {
        if let Some(call) = rest.strip_prefix(".tool_calls[").and_then(|rest| rest.split(']').next()) {
            let call = call.parse().ok().and_then(|position: usize| self.calls.get(position));
            return call.unwrap_or(&self.path).clone();
        }
        if !self.is_item || rest.starts_with(".tool_calls") {
            return self.path.clone();
        }
        let path = &self.path;
        match rest.strip_prefix(".content") {
            Some(part) => format!("{path}.{}{part}", self.content),
            None if rest == ".tool_call_id" => format!("{path}.call_id"),
            None => format!("{path}{rest}"),
        }
    }
}

/// Where the messages of one chat came from, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Origins(pub(crate) Vec<Origin>);

/// Members that are called otherwise, and all that begins with them.
const RENAMED: [(&str, &str); 12] = [
    ("messages[].content[].file", "input[].content[].input_file"),
    ("messages[]", "input[]"),
    ("messages", "input"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
    ("response_format.json_schema", "text.format"),
    ("response_format", "text.format"),
    ("tools[].function", "tools[]"),
    ("tool_choice.function", "tool_choice"),
    ("reasoning_effort", "reasoning.effort"),
    ("verbosity", "text.verbosity"),
    ("logprobs", "include"),
];

impl Origins {
    /// The name of a parameter.
    pub(crate) fn name<'a>(&self, chat: &'a str) -> Cow<'a, str> {
        if let Some((position, rest)) = indexed(chat, "messages") {
            return match self.0.get(position) {
                Some(origin) => Cow::Owned(origin.member(rest)),
                None => Cow::Borrowed("input"),
            };
        }
        if let Some((position, rest)) = indexed(chat, "tools") {
            let rest = rest.strip_prefix(".function").unwrap_or(rest);
            return Cow::Owned(format!("tools[{position}]{rest}"));
        }
        if let Some(rest) = chat.strip_prefix("tool_choice.allowed_tools") {
            return Cow::Owned(format!("tool_choice{}", rest.replacen(".function", "", 1)));
        }
        let renamed = RENAMED.iter().find_map(|(chat_name, own)| {
            let rest = chat.strip_prefix(chat_name)?;
            (rest.is_empty() || rest.starts_with('.')).then(|| format!("{own}{rest}"))
        });
        renamed.map_or(Cow::Borrowed(chat), Cow::Owned)
    }

    /// The names of parameters in a message for a person, where they stand as words or in quotation marks. Of
    /// `'name' is 'value'` the value is the client's.
    pub(crate) fn message(&self, chat: &str) -> String {
        let is_around = |character: char| "'`\"(),;:.".contains(character);
        let (mut before, mut is_value) = (["", ""], false);
        let words = chat.split(' ').map(|word| {
            let begins = before[0].ends_with('\'') && before[1] == "is" && word.starts_with('\'');
            before = [before[1], word];
            if begins || is_value {
                let rest = if begins { &word[1..] } else { word };
                is_value = !rest.trim_end_matches([',', ';', '.', ':', ')']).ends_with('\'');
                return word.to_owned();
            }
            let name = word.trim_matches(is_around);
            let at = word.find(name).unwrap_or_default();
            [&word[..at], &self.name(name), &word[at + name.len()..]].concat()
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// The position in `name[3].rest`, and `.rest`.
fn indexed<'a>(chat: &'a str, name: &str) -> Option<(usize, &'a str)> {
    let (position, rest) = chat.strip_prefix(name)?.strip_prefix('[')?.split_once(']')?;
    Some((position.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        let mut call = Origin::item("input[1]".into(), "content");
        call.calls = vec!["input[1]".into(), "input[2]".into()];
        Origins(vec![
            Origin::text("instructions"),
            Origin::text("previous_response_id"),
            Origin::item("input[0]".into(), "content"),
            call,
            Origin::item("input[3]".into(), "output"),
        ])
    }

    #[test]
    fn names_lead_back_to_the_request() {
        let table = [
            ("messages", "input"),
            ("messages[0].content", "instructions"),
            ("messages[1].role", "previous_response_id"),
            ("messages[2].content[1].text", "input[0].content[1].text"),
            ("messages[2].role", "input[0].role"),
            ("messages[3].tool_calls[1].function.name", "input[2]"),
            ("messages[3].tool_calls", "input[1]"),
            ("messages[4].content", "input[3].output"),
            ("messages[4].tool_call_id", "input[3].call_id"),
            ("messages[9].content", "input"),
            ("messages[].refusal", "input[].refusal"),
            ("messages[].content[].image_url", "input[].content[].image_url"),
            ("messages[].content[].file", "input[].content[].input_file"),
            ("messages[2].content[0].type", "input[0].content[0].type"),
            ("messages[4].content[1].type", "input[3].output[1].type"),
            ("max_completion_tokens", "max_output_tokens"),
            ("response_format.json_schema.name", "text.format.name"),
            ("response_format", "text.format"),
            ("tools[2].function.name", "tools[2].name"),
            ("tools[].function.strict", "tools[].strict"),
            ("tools", "tools"),
            ("tool_choice.function.name", "tool_choice.name"),
            ("tool_choice.allowed_tools.tools[0].function.name", "tool_choice.tools[0].name"),
            ("tool_choice.allowed_tools", "tool_choice"),
            ("reasoning_effort", "reasoning.effort"),
            ("top_logprobs", "top_logprobs"),
            ("messagesx", "messagesx"),
            ("seed", "seed"),
        ];
        for (chat, own) in table {
            assert_eq!(origins().name(chat), own, "{chat}");
        }
    }

    #[test]
    fn messages_use_the_names_of_the_request() {
        let table = [
            (
                "'messages[2].content' is required: a string or an array.",
                "'input[0].content' is required: a string or an array.",
            ),
            (
                "'max_tokens' and 'max_completion_tokens' differ.",
                "'max_output_tokens' and 'max_output_tokens' differ.",
            ),
            ("these would be ignored: messages[].name, user.", "these would be ignored: input[].name, user."),
            (
                "'tool_choice.function.name' is 'verbosity', and 'messages' has no such call.",
                "'tool_choice.name' is 'verbosity', and 'input' has no such call.",
            ),
            (
                "'tools[0].type' is 'my messages tool'; 'max_tokens' is not.",
                "'tools[0].type' is 'my messages tool'; 'max_output_tokens' is not.",
            ),
            ("Please reduce the length of the messages.", "Please reduce the length of the input."),
            ("", ""),
            ("  a ' b.", "  a ' b."),
        ];
        for (chat, own) in table {
            assert_eq!(origins().message(chat), own);
        }
    }
}
