//! `GET /models` and `GET /models/{id}`.

use serde::Serialize;

/// The list of all models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelList {
    object: &'static str,
    /// The models; the first is the one to take when there is no reason for another.
    pub data: Vec<Model>,
}

impl ModelList {
    /// A list of these models.
    pub fn new(data: Vec<Model>) -> ModelList {
        ModelList { object: "list", data }
    }
}

/// One model. The last two members are ours; clients of the API pass over members that they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Model {
    /// The name that requests use.
    pub id: String,
    object: &'static str,
    /// Seconds since the epoch.
    pub created: u64,
    /// Whose model it is.
    pub owned_by: String,
    /// Other names that reach it; `*` at the end stands for anything. Absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The context in tokens. Absent when unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_length: Option<usize>,
}

impl Model {
    /// A model without aliases, of unknown context.
    pub fn new(id: String, created: u64, owned_by: String) -> Model {
        Model { id, object: "model", created, owned_by, aliases: Vec::new(), context_length: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_as_the_api_has_it() {
        let list = ModelList::new(vec![Model::new("tree".into(), 7, "nobody".into())]);
        assert_eq!(
            serde_json::to_string(&list).unwrap(),
            r#"{"object":"list","data":[{"id":"tree","object":"model","created":7,"owned_by":"nobody"}]}"#
        );
    }
}
