//! The schemas that we publish, `docs/schemas/`, which what we print follows.

use std::path::Path;

use serde_json::Value;

/// JSON that was printed, which must follow the schema of this name.
#[track_caller]
pub(crate) fn follows(name: &str, printed: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas").join(name);
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let value = serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    if let Err(error) = jsonschema::validate(&schema, &value) {
        panic!("it does not follow {name}: {error}");
    }
    value
}
