//! What a stream of the Responses API tells in pieces: its items, and the texts in them.
//!
//! Owns which event belongs to which item, and puts each text's pieces beside the places where the same text is told
//! whole. Judges nothing: what does not fit together is a case's business.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::response_stream::{ResponseStream, Told};

/// The items that a stream adds, in order.
#[derive(Debug)]
pub(crate) struct Items<'a>(pub(crate) Vec<Item<'a>>);

/// An item as it was added.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    /// The event that added it.
    pub(crate) added: &'a Told,
    /// What it said of the item.
    pub(crate) value: &'a Value,
}

/// A kind of text that is told in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TextKind {
    /// What a message says.
    OutputText,
    /// Why the model says nothing else.
    Refusal,
    /// What the model thinks.
    ReasoningText,
    /// What it thinks, in short.
    ReasoningSummary,
    /// Of a function's call.
    Arguments,
}

/// Which text of which item: the item's place among those added, the kind, the index of its part.
pub(crate) type TextKey = (usize, TextKind, u64);

/// A text in all the forms in which it was told.
#[derive(Debug, Default)]
pub(crate) struct Text<'a> {
    /// Its pieces.
    pub(crate) deltas: Vec<&'a Told>,
    /// The pieces, joined.
    pub(crate) joined: String,
    /// The events that tell it whole, and the text as each does.
    pub(crate) wholes: Vec<(&'a Told, &'a str)>,
}

impl TextKind {
    /// All of them.
    pub(crate) const ALL: [TextKind; 5] = [
        TextKind::OutputText,
        TextKind::Refusal,
        TextKind::ReasoningText,
        TextKind::ReasoningSummary,
        TextKind::Arguments,
    ];

    /// What its events' types begin with, before `.delta` and `.done`.
    pub(crate) fn event(self) -> &'static str {
        match self {
            TextKind::OutputText => "response.output_text",
            TextKind::Refusal => "response.refusal",
            TextKind::ReasoningText => "response.reasoning_text",
            TextKind::ReasoningSummary => "response.reasoning_summary_text",
            TextKind::Arguments => "response.function_call_arguments",
        }
    }

    /// The member that has the whole text, in the event and in the part.
    fn member(self) -> &'static str {
        match self {
            TextKind::OutputText | TextKind::ReasoningText | TextKind::ReasoningSummary => "text",
            TextKind::Refusal => "refusal",
            TextKind::Arguments => "arguments",
        }
    }

    /// The member of its events that says of which part it is; none where the item has one text only.
    pub(crate) fn index(self) -> Option<&'static str> {
        match self {
            TextKind::OutputText | TextKind::Refusal | TextKind::ReasoningText => Some("content_index"),
            TextKind::ReasoningSummary => Some("summary_index"),
            TextKind::Arguments => None,
        }
    }

    /// The kind that an event tells a piece of, or the whole.
    pub(crate) fn of_event(kind: &str) -> Option<TextKind> {
        let event = kind.strip_suffix(".delta").or_else(|| kind.strip_suffix(".done"))?;
        TextKind::ALL.into_iter().find(|text| text.event() == event)
    }

    /// The kind of a part's text.
    fn of_part(part: &Value) -> Option<TextKind> {
        match part.get("type")?.as_str()? {
            "output_text" => Some(TextKind::OutputText),
            "refusal" => Some(TextKind::Refusal),
            "reasoning_text" => Some(TextKind::ReasoningText),
            "summary_text" => Some(TextKind::ReasoningSummary),
            _ => None,
        }
    }

    /// The event that gives an item a further part for such a text; none where the item has one text only.
    fn opening(self) -> Option<&'static str> {
        match self {
            TextKind::OutputText | TextKind::Refusal | TextKind::ReasoningText => {
                Some("response.content_part.added")
            }
            TextKind::ReasoningSummary => Some("response.reasoning_summary_part.added"),
            TextKind::Arguments => None,
        }
    }
}

impl<'a> Items<'a> {
    /// Those of a stream.
    pub(crate) fn of(stream: &'a ResponseStream) -> Items<'a> {
        let added = stream.told.iter().filter(|told| told.kind == "response.output_item.added");
        Items(added.filter_map(|added| Some(Item { added, value: added.value.get("item")? })).collect())
    }

    /// The item that an event is about, by its place among those added before: the one of its id, else the one of its
    /// index, and of several the latest.
    pub(crate) fn about(&self, told: &Told) -> Option<usize> {
        let id = told.text("item_id").or_else(|| told.value.pointer("/item/id")?.as_str());
        let index = told.index("output_index");
        let latest = |fits: &dyn Fn(&Item) -> bool| {
            self.0.iter().rposition(|item| item.added.event <= told.event && fits(item))
        };
        latest(&|item| id.is_some() && item.id() == id)
            .or_else(|| latest(&|item| index.is_some() && item.added.index("output_index") == index))
    }

    /// What the whole response says of an item: the one of the same id or call, else the one at its index if it is of the
    /// same type.
    pub(crate) fn in_output<'b>(&self, place: usize, output: &'b [Value]) -> Option<&'b Value> {
        let item = self.0.get(place)?;
        let same = |name: &str| {
            let own = item.value.get(name)?.as_str()?;
            output.iter().find(|other| other.get(name).and_then(Value::as_str) == Some(own))
        };
        same("id").or_else(|| same("call_id")).or_else(|| {
            let at = output.get(usize::try_from(item.added.index("output_index")?).ok()?)?;
            (at.get("type") == item.value.get("type")).then_some(at)
        })
    }
}

impl Item<'_> {
    /// Its name, if it has one.
    pub(crate) fn id(&self) -> Option<&str> {
        self.value.get("id").and_then(Value::as_str)
    }
}

/// How many parts each item has been given so far, by the event that gives them.
#[derive(Debug, Default)]
struct Parts<'a>(BTreeMap<(usize, &'a str), u64>);

impl<'a> Parts<'a> {
    fn given(&mut self, place: usize, told: &'a Told) {
        *self.0.entry((place, told.kind.as_str())).or_default() += 1;
    }

    /// The part that an event is about: the one of its index. One that has none, which is a flaw of its own, goes on with
    /// the latest.
    fn about(&self, place: usize, kind: TextKind, told: &Told) -> u64 {
        let index = kind.index().and_then(|name| told.index(name));
        let given = kind.opening().and_then(|event| self.0.get(&(place, event))).copied();
        index.unwrap_or_else(|| given.unwrap_or_default().saturating_sub(1))
    }
}

/// Every text of every item, in all its forms.
pub(crate) fn texts<'a>(stream: &'a ResponseStream, items: &Items<'a>) -> BTreeMap<TextKey, Text<'a>> {
    let mut texts: BTreeMap<TextKey, Text<'a>> = BTreeMap::new();
    let mut parts = Parts::default();
    for told in &stream.told {
        if told.is_terminal() {
            let output = told.value.pointer("/response/output").and_then(Value::as_array);
            let Some(output) = output else { continue };
            for place in 0..items.0.len() {
                let Some(item) = items.in_output(place, output) else { continue };
                take_whole_item(&mut texts, place, told, item);
            }
            continue;
        }
        let Some(place) = items.about(told) else { continue };
        match told.kind.as_str() {
            "response.output_item.done" => {
                if let Some(item) = told.value.get("item") {
                    take_whole_item(&mut texts, place, told, item);
                }
            }
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                parts.given(place, told)
            }
            "response.content_part.done" => {
                let part = told.value.get("part").and_then(|part| Some((TextKind::of_part(part)?, part)));
                let Some((kind, part)) = part else { continue };
                let Some(whole) = text_of(part, kind) else { continue };
                let index = parts.about(place, kind, told);
                texts.entry((place, kind, index)).or_default().wholes.push((told, whole));
            }
            _ => take_text_event(&mut texts, &parts, place, told),
        }
    }
    texts
}

fn take_text_event<'a>(
    texts: &mut BTreeMap<TextKey, Text<'a>>,
    parts: &Parts<'_>,
    place: usize,
    told: &'a Told,
) {
    let Some(kind) = TextKind::of_event(&told.kind) else { return };
    let index = parts.about(place, kind, told);
    let text = texts.entry((place, kind, index)).or_default();
    if told.kind.ends_with(".delta") {
        text.deltas.push(told);
        text.joined.push_str(told.text("delta").unwrap_or_default());
    } else if let Some(whole) = told.text(kind.member()) {
        text.wholes.push((told, whole));
    }
}

fn take_whole_item<'a>(
    texts: &mut BTreeMap<TextKey, Text<'a>>,
    place: usize,
    told: &'a Told,
    item: &'a Value,
) {
    let mut take = |kind, index, whole| {
        texts.entry((place, kind, index)).or_default().wholes.push((told, whole));
    };
    for list in ["content", "summary"] {
        let parts = item.get(list).and_then(Value::as_array).into_iter().flatten();
        for (index, part) in (0u64..).zip(parts) {
            let Some(kind) = TextKind::of_part(part) else { continue };
            if let Some(whole) = text_of(part, kind) {
                take(kind, index, whole);
            }
        }
    }
    if let Some(whole) = text_of(item, TextKind::Arguments) {
        take(TextKind::Arguments, 0, whole);
    }
}

fn text_of(part: &Value, kind: TextKind) -> Option<&str> {
    part.get(kind.member())?.as_str()
}

/// What the messages of a whole response say.
pub(crate) fn output_text(response: &Value) -> String {
    let items = response.get("output").and_then(Value::as_array).into_iter().flatten();
    items
        .filter_map(|item| item.get("content")?.as_array())
        .flatten()
        .filter(|part| TextKind::of_part(part) == Some(TextKind::OutputText))
        .filter_map(|part| text_of(part, TextKind::OutputText))
        .collect()
}
