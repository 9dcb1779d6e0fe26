//! The schemas of the judge of servers, held against OpenAI's own description.
//!
//! What the description allows, the judge must take: it requires no member that the description does not, refuses no type
//! and no word that it has, and knows no member that it has not. Nor is it laxer than it has to be: null may stand for
//! what may be left out, and everything beyond is listed here, with the reason.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::openai_description;

/// Where the judge takes a type that the description does not have.
const LIBERTIES: [(&str, &str, &str); 4] = [
    (
        "embeddings/data/*/embedding",
        "string",
        "what `encoding_format: base64` brings is described in words alone",
    ),
    ("completion-chunk/choices/*/finish_reason", "null", "a chunk before the last has none yet"),
    ("usage", "null", "it may be left out wherever it is referred to"),
    ("response-usage", "null", "it may be left out wherever it is referred to"),
];

#[test]
fn the_judge_asks_for_nothing_that_openai_does_not_promise() {
    let description = openai_description::schemas();
    let ours = our_schemas();
    let mut comparison =
        Comparison { ours: &ours, theirs: &description, wrong: Vec::new(), used: BTreeSet::new() };
    for (name, schema) in &ours {
        let title = schema["title"].as_str().unwrap();
        let mut theirs =
            vec![json!({"$ref": format!("#/components/schemas/{}", title.trim_end_matches("[]"))})];
        if title.ends_with("[]") {
            theirs = comparison.alternatives(&theirs).iter().map(|list| list["items"].clone()).collect();
        }
        comparison.compare(schema, &theirs, name, Presence::Required);
    }
    assert!(comparison.wrong.is_empty(), "{:#?}", comparison.wrong);
    let stale: Vec<_> = LIBERTIES.iter().filter(|liberty| !comparison.used.contains(liberty.0)).collect();
    assert!(stale.is_empty(), "the judge does not take these liberties: {stale:#?}");
}

/// The comparison can fail: each of these asks for more than is promised, or for something else.
#[test]
fn a_schema_that_asks_for_more_is_found() {
    let description = openai_description::schemas();
    let ours = our_schemas();
    for (pointer, value) in [
        ("/required", json!(["id", "usage"])),
        ("/properties/created/type", json!("string")),
        ("/properties/created/type", json!(["integer", "string"])),
        ("/properties/created/type", json!(["integer", "null"])),
        ("/properties/object/enum", json!(["chat.completion", "chat"])),
        ("/properties/choices/items/properties/finish_reason/enum", json!(["stop"])),
        ("/properties/choices/items/properties/text", json!({"type": "string"})),
        ("/properties/choices/items/properties/index/minimum", json!(0)),
    ] {
        let mut schema = ours["chat-completion"].clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        schema.pointer_mut(parent).unwrap()[name] = value;
        let mut comparison =
            Comparison { ours: &ours, theirs: &description, wrong: Vec::new(), used: BTreeSet::new() };
        let theirs = [json!({"$ref": "#/components/schemas/CreateChatCompletionResponse"})];
        comparison.compare(&schema, &theirs, "chat-completion", Presence::Required);
        assert!(!comparison.wrong.is_empty(), "{pointer} can be anything");
    }
}

/// As the judge has them, by name.
fn our_schemas() -> Map<String, Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../check-server/src/schemas");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(read).collect()
}

/// Whether a member may be left out, and so may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
}

struct Comparison<'a> {
    ours: &'a Map<String, Value>,
    /// `components.schemas` of the description.
    theirs: &'a Value,
    wrong: Vec<String>,
    /// The places of [`LIBERTIES`] that were come by.
    used: BTreeSet<&'static str>,
}

impl Comparison<'_> {
    /// Compares one of our schemas with the alternatives that the description has for the same place.
    fn compare(&mut self, ours: &Value, theirs: &[Value], place: &str, presence: Presence) {
        if let Some(reference) = ours["$ref"].as_str() {
            let name = reference.strip_prefix("#/$defs/").unwrap();
            let title = self.ours[name]["title"].as_str().unwrap();
            // What it refers to is compared by itself; here it must be referred to as well.
            let same = theirs.iter().any(|theirs| self.refers_to(theirs, title));
            self.note(same, place, &format!("refers to {name}, and the description not to {title}"));
            return;
        }
        let theirs = self.alternatives(theirs);
        let known = ["title", "type", "enum", "required", "properties", "items", "additionalProperties"];
        let unknown = ours.as_object().unwrap().keys().find(|keyword| !known.contains(&keyword.as_str()));
        self.note(unknown.is_none(), place, &format!("has a keyword that is not compared: {unknown:?}"));
        self.compare_types(ours, &theirs, place, presence);
        self.compare_words(ours, &theirs, place);
        self.compare_members(ours, &theirs, place);
        for keyword in ["items", "additionalProperties"] {
            if let Some(items) = ours.get(keyword) {
                let theirs: Vec<Value> =
                    theirs.iter().filter_map(|theirs| theirs.get(keyword)).cloned().collect();
                self.compare(items, &theirs, &format!("{place}/*"), Presence::Optional);
            }
        }
    }

    fn compare_types(&mut self, ours: &Value, theirs: &[Value], place: &str, presence: Presence) {
        let described: BTreeSet<String> = theirs.iter().flat_map(types).collect();
        let taken = types(ours);
        for kind in described.difference(&taken) {
            self.note(false, place, &format!("does not take the type {kind}"));
        }
        for kind in taken.difference(&described) {
            let liberty = LIBERTIES.iter().find(|liberty| (liberty.0, liberty.1) == (place, kind));
            self.used.extend(liberty.map(|liberty| liberty.0));
            let may_be_left_out = kind == "null" && presence == Presence::Optional;
            self.note(may_be_left_out || liberty.is_some(), place, &format!("takes the type {kind}"));
        }
    }

    fn compare_words(&mut self, ours: &Value, theirs: &[Value], place: &str) {
        let Some(taken) = ours.get("enum") else { return };
        let words = |schema: &Value| -> BTreeSet<String> {
            let words = schema["enum"].as_array().into_iter().flatten();
            words.filter(|word| !word.is_null()).map(Value::to_string).collect()
        };
        let described: BTreeSet<String> = theirs.iter().flat_map(words).collect();
        let taken = words(&json!({"enum": taken}));
        self.note(taken == described, place, &format!("takes the words {taken:?}, not {described:?}"));
    }

    fn compare_members(&mut self, ours: &Value, theirs: &[Value], place: &str) {
        let names = |schema: &Value| -> BTreeSet<String> {
            let names = schema["required"].as_array().into_iter().flatten();
            names.map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        let objects: Vec<&Value> = theirs.iter().filter(|theirs| types(theirs).contains("object")).collect();
        let required = names(ours);
        for name in &required {
            let described = !objects.is_empty() && objects.iter().all(|object| names(object).contains(name));
            self.note(described, place, &format!("requires {name}"));
        }
        for (name, ours) in ours["properties"].as_object().into_iter().flatten() {
            let theirs: Vec<Value> =
                objects.iter().filter_map(|object| object["properties"].get(name)).cloned().collect();
            let place = format!("{place}/{name}");
            if theirs.is_empty() {
                self.note(false, &place, "is no member");
                continue;
            }
            let presence = if required.contains(name) { Presence::Required } else { Presence::Optional };
            self.compare(ours, &theirs, &place, presence);
        }
    }

    fn note(&mut self, right: bool, place: &str, what: &str) {
        if !right {
            self.wrong.push(format!("{place} {what}"));
        }
    }

    /// Whether one of the description's schemas is that of a name, or refers to it at any depth of alternatives.
    fn refers_to(&self, theirs: &Value, title: &str) -> bool {
        if let Some(list) = title.strip_suffix("[]") {
            let lists = self.alternatives(&[json!({"$ref": format!("#/components/schemas/{list}")})]);
            return lists.iter().any(|list| &list["items"] == theirs);
        }
        let name = theirs["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        let within =
            ["anyOf", "oneOf"].iter().flat_map(|word| theirs[*word].as_array().into_iter().flatten());
        name == Some(title) || within.into_iter().any(|within| self.refers_to(within, title))
    }

    /// References followed, alternatives laid side by side, parts that a schema is made of laid together.
    fn alternatives(&self, schemas: &[Value]) -> Vec<Value> {
        schemas.iter().flat_map(|schema| self.alternatives_of(schema)).collect()
    }

    fn alternatives_of(&self, schema: &Value) -> Vec<Value> {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.strip_prefix("#/components/schemas/").unwrap();
            let mut found = self.alternatives_of(&self.theirs[name]);
            found.extend((schema["nullable"] == true).then(|| json!({"type": "null"})));
            return found;
        }
        for word in ["anyOf", "oneOf"] {
            if let Some(alternatives) = schema[word].as_array() {
                return self.alternatives(alternatives);
            }
        }
        if let Some(parts) = schema["allOf"].as_array() {
            return vec![together(&self.alternatives(parts))];
        }
        vec![schema.clone()]
    }
}

/// One object of the members of several.
fn together(parts: &[Value]) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in parts {
        properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    json!({"type": "object", "properties": properties, "required": required})
}

/// The types that a schema takes. Whole numbers are numbers, and what has members is an object.
fn types(schema: &Value) -> BTreeSet<String> {
    let mut types: BTreeSet<String> = match &schema["type"] {
        Value::String(one) => [one.clone()].into(),
        Value::Array(several) => several.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
        _ if schema.get("properties").is_some() => ["object".to_owned()].into(),
        _ => BTreeSet::new(),
    };
    if schema["nullable"] == true {
        types.insert("null".to_owned());
    }
    types
}
