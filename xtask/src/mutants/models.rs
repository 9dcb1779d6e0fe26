//! Bugs in the list of models, and in what is said of one.

use serde_json::{Value, json};

use super::mutant::{Asked, Fails, MEANT, Mutant, Told};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "list-without-its-type",
        "the list does not say that it is one",
        &[Fails("models.list", MEANT)],
    )
    .tell(|asked, told| {
        if asked.is_for("/models") {
            told.edit(|body| _ = body.as_object_mut().map(|body| body.shift_remove("object")));
        }
    }),
    Mutant::new("list-as-text", "the list goes out as text", &[Fails("models.list", MEANT)]).tell(
        |asked, told| {
            if asked.is_for("/models") {
                told.set_header("content-type", "text/plain");
            }
        },
    ),
    Mutant::new("nobody-owns-models", "models have no owner", &[Fails("models.keys", MEANT)])
        .tell(|asked, told| each_listed(asked, told, |model| _ = model.shift_remove("owned_by"))),
    Mutant::new("creation-as-date", "the time of creation is a date", &[Fails("models.keys", MEANT)]).tell(
        |asked, told| {
            each_listed(asked, told, |model| {
                model.insert("created".to_owned(), json!("2024-01-01T00:00:00Z"));
            });
        },
    ),
    Mutant::new(
        "slash-splits-the-path",
        "an escaped slash in a name is a slash of the path to the router",
        &[Fails("models.retrieve", MEANT)],
    )
    .tell(|asked, told| {
        if asked.path.starts_with("/v1/models/") && asked.path.to_ascii_lowercase().contains("%2f") {
            *told = Told::error(404, "Not found.");
        }
    }),
    Mutant::new(
        "first-model-for-all",
        "whichever is asked for, the first is told",
        &[Fails("models.retrieve", MEANT), Fails("models.unknown", "the first is told for it as well")],
    )
    .tell(|asked, told| {
        if asked.path.starts_with("/v1/models/") {
            let model = json!({"id": "scripted", "object": "model", "created": 1, "owned_by": "nobody"});
            *told = Told::json(200, &model);
        }
    }),
    Mutant::new(
        "retrieve-without-envelope",
        "a name that is not known is a 404 of the framework",
        &[Fails("models.unknown", MEANT)],
    )
    .tell(|asked, told| {
        if asked.path.starts_with("/v1/models/") && told.status == 404 {
            *told = Told::json(404, &json!({"detail": "Not Found"}));
        }
    }),
];

fn each_listed(asked: &Asked, told: &mut Told, edit: impl Fn(&mut serde_json::Map<String, Value>)) {
    if asked.is_for("/models") {
        told.edit(|body| {
            let models = body.get_mut("data").and_then(Value::as_array_mut);
            models.into_iter().flatten().filter_map(Value::as_object_mut).for_each(edit);
        });
    }
}
