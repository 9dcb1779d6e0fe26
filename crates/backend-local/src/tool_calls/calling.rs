//! What a request's offer of functions comes to for one model: what it is told of, what it is held to, and who reads its
//! calls.
//!
//! Owns how `tool_choice` and `parallel_tool_calls` are honoured. A named function is called once. Refuses to know the
//! forms of calls, which are those of [`Format`].

use interference_api_types::openai::identity::Identity;
use interference_api_types::openai::tools::{CallChoice, Function, OfferedFunction, ToolOffer};
use interference_backend::Refusal;
use interference_engine::{ChatTool, ConstraintError, ConstraintSource};

use super::format::Format;
use super::grammar::{CallCount, calls_or_form, forced_calls, function_of_schema, is_form_of_text};
use super::parser::{CallParser, MOST_CALLS};
use crate::chat::invalid;

/// The functions that the model is told of; none where none may be called.
pub(crate) fn told_tools(offer: &ToolOffer) -> Vec<ChatTool> {
    match offer.choice {
        CallChoice::Never => Vec::new(),
        _ => offer.functions.iter().map(tool).collect(),
    }
}

/// What an answer is held to that must call; none where it need not.
pub(crate) fn forced(format: Format, offer: &ToolOffer) -> Option<ConstraintSource> {
    match offer.choice {
        CallChoice::Never | CallChoice::Auto => None,
        CallChoice::Required | CallChoice::Function(_) => {
            let tools: Vec<ChatTool> = callable(offer).map(tool).collect();
            Some(forced_calls(format, &tools.iter().collect::<Vec<_>>(), count(offer)))
        }
    }
}

/// What an answer is held to that may call, or else has to be JSON of this form; none where it has no choice, or where
/// the form is not one of JSON.
pub(crate) fn beside_form(
    format: Format,
    offer: &ToolOffer,
    form: &ConstraintSource,
) -> Option<ConstraintSource> {
    let schema = match (&offer.choice, form) {
        (CallChoice::Auto, ConstraintSource::JsonObject) => r#"{"type":"object"}"#.to_owned(),
        (CallChoice::Auto, ConstraintSource::JsonSchema(schema)) => schema.clone(),
        _ => return None,
    };
    let tools: Vec<ChatTool> = callable(offer).map(tool).collect();
    Some(calls_or_form(format, &tools.iter().collect::<Vec<_>>(), count(offer), schema))
}

fn count(offer: &ToolOffer) -> CallCount {
    match offer.choice {
        CallChoice::Function(_) => CallCount::One,
        _ if offer.parallel => CallCount::OneOrMore,
        _ => CallCount::One,
    }
}

/// What reads the calls of this choice of an answer; none where there are none to read.
pub(crate) fn reader(
    format: Format,
    offer: &ToolOffer,
    identity: Identity,
    choice: u32,
) -> Option<CallParser> {
    let most_calls = match offer.choice {
        CallChoice::Never => return None,
        CallChoice::Auto | CallChoice::Required if offer.parallel => MOST_CALLS,
        CallChoice::Auto | CallChoice::Required | CallChoice::Function(_) => 1,
    };
    let names = callable(offer).map(|offered| offered.function.name.clone()).collect();
    // Of all calls of the answer, each has a position of its own.
    let new_id = move |call| identity.call_id(choice * MOST_CALLS + call);
    let reader = CallParser::new(format, names, most_calls, new_id);
    Some(match offer.choice {
        CallChoice::Never | CallChoice::Auto => reader,
        CallChoice::Required | CallChoice::Function(_) => reader.of_calls_alone(),
    })
}

/// Why an answer cannot be held to calls of these functions, in words that name the parameter.
pub(crate) fn not_forced(offer: &ToolOffer, error: &ConstraintError) -> Refusal {
    let ConstraintError::UnusableSchema { name, problem } = error else {
        return invalid("tools", format!("Calls of the functions in 'tools' cannot be enforced: {error}."));
    };
    if is_form_of_text(name) {
        let param = "response_format.json_schema.schema";
        return invalid(param, format!("'{param}' cannot be honoured: {problem}."));
    }
    let name = function_of_schema(name).unwrap_or_default();
    let position = offer.functions.iter().find(|offered| offered.function.name == name);
    let position = position.map_or(0, |offered| offered.position);
    let param = format!("tools[{position}].function.parameters");
    let message = format!(
        "'{param}', the schema of the function '{name}', cannot be enforced: {problem}. Change it, or let \
         'tool_choice' be auto without a 'response_format': the model is then held to no schema."
    );
    invalid(param, message)
}

/// The functions that an answer may call.
fn callable(offer: &ToolOffer) -> impl Iterator<Item = &OfferedFunction> {
    offer.functions.iter().filter(|offered| match &offer.choice {
        CallChoice::Never => false,
        CallChoice::Auto | CallChoice::Required => true,
        CallChoice::Function(name) => offered.function.name == *name,
    })
}

fn tool(offered: &OfferedFunction) -> ChatTool {
    let Function { name, description, parameters, .. } = offered.function.clone();
    ChatTool { name, description, parameters }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool_calls::parser::Said;
    use serde_json::json;

    const CALL: &str = "<tool_call>\n{\"name\": \"rest\", \"arguments\": {}}\n</tool_call>\n";

    fn offer(choice: CallChoice, parallel: bool) -> ToolOffer {
        let function = |name: &str| Function {
            name: name.to_owned(),
            description: None,
            parameters: Some(json!({"type": "object"})),
            strict: None,
        };
        let functions = [(0, "grow"), (2, "rest")];
        let functions =
            functions.map(|(position, name)| OfferedFunction { position, function: function(name) });
        ToolOffer { functions: functions.to_vec(), choice, parallel }
    }

    fn named(name: &str) -> CallChoice {
        CallChoice::Function(name.to_owned())
    }

    /// The names of all schemas in a constraint, and whether there may be several calls.
    fn held_to(offer: &ToolOffer) -> Option<(Vec<String>, bool)> {
        let ConstraintSource::Grammar { text, schemas } = forced(Format::Hermes, offer)? else { panic!() };
        Some((schemas.into_iter().map(|named| named.name).collect(), text.contains("{0,")))
    }

    #[test]
    fn the_choice_decides_what_an_answer_is_held_to() {
        let both = || vec!["arguments-grow".to_owned(), "arguments-rest".to_owned()];
        let rest = || vec!["arguments-rest".to_owned()];
        for (choice, parallel, told, expected) in [
            (CallChoice::Never, true, 0, None),
            (CallChoice::Auto, true, 2, None),
            (CallChoice::Required, true, 2, Some((both(), true))),
            (CallChoice::Required, false, 2, Some((both(), false))),
            (named("rest"), true, 2, Some((rest(), false))),
        ] {
            let offer = offer(choice, parallel);
            assert_eq!(told_tools(&offer).len(), told, "{offer:?}");
            assert_eq!(held_to(&offer), expected, "{offer:?}");
        }
    }

    #[test]
    fn a_form_is_beside_calls_only_where_there_is_a_choice() {
        for (choice, parallel, expected) in [
            (CallChoice::Never, true, None),
            (CallChoice::Auto, true, Some((3, true))),
            (CallChoice::Auto, false, Some((3, false))),
            (CallChoice::Required, true, None),
            (named("rest"), true, None),
        ] {
            let offer = offer(choice.clone(), parallel);
            let regex = ConstraintSource::Regex("a".to_owned());
            assert_eq!(beside_form(Format::Hermes, &offer, &regex), None);
            let source = beside_form(Format::Hermes, &offer, &ConstraintSource::JsonObject);
            let seen = source.map(|source| match source {
                ConstraintSource::Grammar { text, schemas } => (schemas.len(), text.contains("{0,")),
                other => panic!("{other:?}"),
            });
            assert_eq!(seen, expected, "{choice:?}");
        }
    }

    #[test]
    fn so_many_calls_are_read_as_there_may_be() {
        let calls = |choice: CallChoice, parallel| {
            let mut reader = reader(Format::Hermes, &offer(choice, parallel), Identity::Fixed, 0)?;
            let said = reader.push(&CALL.repeat(3));
            let calls = said.iter().filter(|said| matches!(said, Said::Call { .. })).count();
            Some((calls, reader.is_full()))
        };
        assert_eq!(calls(CallChoice::Never, true), None);
        assert_eq!(calls(CallChoice::Auto, true), Some((3, false)));
        assert_eq!(calls(CallChoice::Auto, false), Some((1, true)));
        assert_eq!(calls(CallChoice::Required, false), Some((1, true)));
        assert_eq!(calls(named("rest"), true), Some((1, true)));
        assert_eq!(calls(named("grow"), true), Some((0, false)));
    }

    #[test]
    fn of_an_answer_that_must_call_no_text_is_told() {
        let said = |choice: CallChoice, text: &str| {
            let mut reader = reader(Format::Hermes, &offer(choice, true), Identity::Fixed, 0).unwrap();
            let mut said = reader.push(text);
            said.extend(reader.finish());
            said.into_iter().filter(|said| matches!(said, Said::Text(_))).count()
        };
        let cut = format!("{CALL}<tool_ca");
        for choice in [CallChoice::Required, named("rest")] {
            assert_eq!((said(choice.clone(), "<tool_call>\n{\"na"), said(choice, &cut)), (0, 0));
        }
        assert_eq!((said(CallChoice::Auto, "<tool_call>\n{\"na"), said(CallChoice::Auto, &cut)), (1, 1));
    }

    #[test]
    fn of_an_answer_that_has_a_form_no_text_is_told_behind_a_call() {
        let said = |choice: CallChoice, text: &str| {
            let mut reader =
                reader(Format::Hermes, &offer(choice, true), Identity::Fixed, 0).unwrap().of_text_or_calls();
            let mut said = reader.push(text);
            said.extend(reader.finish());
            said.into_iter().filter(|said| matches!(said, Said::Text(_))).count()
        };
        let cut = format!("{CALL}<tool_ca");
        assert_eq!((said(CallChoice::Auto, &cut), said(CallChoice::Auto, "{\"a\": \"<tool")), (0, 2));
        assert_eq!(said(CallChoice::Required, "<tool_call>\n{\"na"), 0);
    }

    #[test]
    fn ids_differ_between_calls_and_choices() {
        let mut ids = Vec::new();
        for choice in 0..3 {
            let offer = offer(CallChoice::Auto, true);
            let mut reader = reader(Format::Hermes, &offer, Identity::Fixed, choice).unwrap();
            ids.extend(reader.push(&CALL.repeat(3)).into_iter().filter_map(|said| match said {
                Said::Call { id, .. } => Some(id),
                _ => None,
            }));
        }
        assert_eq!(ids.len(), 9);
        assert!(ids.iter().enumerate().all(|(place, id)| !ids[..place].contains(id)), "{ids:?}");
    }

    #[test]
    fn refusals_name_the_tool_by_its_place_in_the_request() {
        let told = |error| match not_forced(&offer(CallChoice::Required, true), &error) {
            Refusal::InvalidRequest { param, message, .. } => (param.unwrap(), message),
            other => panic!("{other:?}"),
        };
        let name = "arguments-rest".to_owned();
        let (param, message) =
            told(ConstraintError::UnusableSchema { name, problem: "it is odd".to_owned() });
        assert_eq!(param, "tools[2].function.parameters");
        let expected = "'tools[2].function.parameters', the schema of the function 'rest', cannot be enforced: it is odd.";
        assert!(message.starts_with(expected), "{message}");
        let (name, problem) = ("text".to_owned(), "it is odd".to_owned());
        let (param, _) = told(ConstraintError::UnusableSchema { name, problem });
        assert_eq!(param, "response_format.json_schema.schema");
        let (param, _) = told(ConstraintError::TooLong { kind: "grammar", bytes: 2, longest: 1 });
        assert_eq!(param, "tools");
    }
}
