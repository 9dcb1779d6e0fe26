//! The envelope in which every error travels, whatever its status.

use serde::{Deserialize, Serialize};

/// `{"error": {…}}`, as a body or as the data of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEnvelope {
    /// What went wrong.
    pub error: ErrorObject,
}

/// The inside of an [`ErrorEnvelope`]. All four members are always written; clients index them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorObject {
    /// For a person.
    pub message: String,
    /// Whose fault it is.
    #[serde(rename = "type")]
    pub kind: ErrorKind,
    /// The parameter it is about, as a path such as `messages[0].content`.
    pub param: Option<String>,
    /// A stable word for programs.
    pub code: Option<String>,
}

/// The `type` of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request is at fault.
    InvalidRequestError,
    /// Too many requests.
    RateLimitError,
    /// The server is at fault.
    ServerError,
}

impl ErrorEnvelope {
    /// An error of the server's own, without a parameter.
    pub fn server_error(message: impl Into<String>, code: Option<&str>) -> ErrorEnvelope {
        ErrorEnvelope {
            error: ErrorObject {
                message: message.into(),
                kind: ErrorKind::ServerError,
                param: None,
                code: code.map(str::to_owned),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_members_are_written() {
        let envelope = ErrorEnvelope::server_error("broken", None);
        assert_eq!(
            serde_json::to_string(&envelope).unwrap(),
            r#"{"error":{"message":"broken","type":"server_error","param":null,"code":null}}"#
        );
    }
}
