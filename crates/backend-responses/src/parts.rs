//! Parts of an item to what a message of a chat says.
//!
//! Owns the names that texts, images and files have in either API. It refuses to know who can read an image or a file:
//! whoever answers the chat says so.

use interference_api_types::openai::responses::ItemPart;
use interference_backend::Refusal;
use serde_json::{Map, Value, json};

use crate::items::quote;
use crate::refusals::{missing, required, unsupported};

/// What the parts of one item come to.
#[derive(Debug, Default)]
pub(crate) struct ChatParts<'a> {
    parts: Vec<Value>,
    /// What was said instead of an answer, of which chats have a member of its own.
    pub(crate) refusals: Vec<&'a str>,
}

impl<'a> ChatParts<'a> {
    /// Of these parts, which stand at this path.
    ///
    /// # Errors
    /// One lacks what its kind needs, or is of a kind that no chat has.
    pub(crate) fn of(parts: &'a [ItemPart], path: &str) -> Result<ChatParts<'a>, Refusal> {
        let mut told = ChatParts::default();
        for (position, part) in parts.iter().enumerate() {
            let path = format!("{path}[{position}]");
            match part.kind.as_str() {
                "input_text" | "output_text" | "text" => {
                    told.parts.push(json!({"type": "text", "text": required(&part.text, &path, "text")?}));
                }
                "input_image" => told.parts.push(image(part, &path)?),
                "input_file" => told.parts.push(file(part, &path)?),
                "refusal" => told.refusals.push(required(&part.refusal, &path, "refusal")?),
                other => {
                    let message = format!(
                        "Parts of type '{}' are not supported: only 'input_text', 'input_image', 'input_file', \
                         'output_text' and 'refusal' are.",
                        quote(other)
                    );
                    return Err(unsupported(format!("{path}.type"), message));
                }
            }
        }
        Ok(told)
    }

    /// The content of a message of this role. One text is told as such, since not every server of chats takes parts.
    pub(crate) fn content(&self, role: &str) -> Value {
        match self.parts.as_slice() {
            [] if role == "assistant" => Value::Null,
            [part] if part["type"] == "text" => part["text"].clone(),
            parts => json!(parts),
        }
    }
}

fn image(part: &ItemPart, path: &str) -> Result<Value, Refusal> {
    if part.image_url.is_none() && part.file_id.is_none() {
        return Err(missing(&format!("{path}.image_url")));
    }
    let image = given([("url", &part.image_url), ("detail", &part.detail), ("file_id", &part.file_id)]);
    Ok(json!({"type": "image_url", "image_url": image}))
}

fn file(part: &ItemPart, path: &str) -> Result<Value, Refusal> {
    if part.file_data.is_none() && part.file_id.is_none() && part.file_url.is_none() {
        return Err(missing(&format!("{path}.file_data")));
    }
    let file = given([
        ("file_data", &part.file_data),
        ("filename", &part.filename),
        ("file_id", &part.file_id),
        ("file_url", &part.file_url),
    ]);
    Ok(json!({"type": "file", "file": file}))
}

/// An object of the members that are there. What chats do not have goes along under its own name.
fn given<const N: usize>(members: [(&str, &Option<String>); N]) -> Map<String, Value> {
    let members = members.into_iter();
    members.filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(parts: Value, role: &str) -> Value {
        let parts: Vec<ItemPart> = serde_json::from_value(parts).unwrap();
        ChatParts::of(&parts, "input[0].content").unwrap().content(role)
    }

    #[test]
    fn images_and_files_have_the_names_of_chats() {
        let parts = json!([
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low", "file_id": null},
            {"type": "input_image", "file_id": "file-1"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
            {"type": "input_file", "file_id": "file-2"},
            {"type": "input_file", "file_url": "http://localhost/a.pdf"},
        ]);
        assert_eq!(
            content(parts, "user"),
            json!([
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                {"type": "image_url", "image_url": {"file_id": "file-1"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
                {"type": "file", "file": {"file_id": "file-2"}},
                {"type": "file", "file": {"file_url": "http://localhost/a.pdf"}},
            ])
        );
    }

    #[test]
    fn one_text_is_no_array_and_one_image_is() {
        assert_eq!(content(json!([{"type": "input_text", "text": "a"}]), "user"), json!("a"));
        let image = json!([{"type": "input_image", "image_url": "a"}]);
        assert_eq!(content(image, "tool"), json!([{"type": "image_url", "image_url": {"url": "a"}}]));
        assert_eq!(content(json!([{"type": "refusal", "refusal": "no"}]), "assistant"), Value::Null);
    }
}
