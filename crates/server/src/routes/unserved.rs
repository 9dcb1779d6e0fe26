//! The parts of the API that are not served here, so that whoever asks for one reads why.

/// First segments of paths with what is behind them.
const PARTS: [(&str, &str); 19] = [
    ("assistants", "assistants"),
    ("audio", "speech and transcription"),
    ("batches", "batches"),
    ("chatkit", "ChatKit"),
    ("containers", "containers"),
    ("conversations", "conversations (responses follow one another by 'previous_response_id')"),
    ("evals", "evaluations"),
    ("files", "files"),
    ("fine_tuning", "fine-tuning"),
    ("images", "images"),
    ("moderations", "moderation (nothing here judges content)"),
    ("organization", "the administration of an organization"),
    ("projects", "the administration of projects"),
    ("realtime", "realtime sessions"),
    ("skills", "skills"),
    ("threads", "threads"),
    ("uploads", "uploads"),
    ("vector_stores", "vector stores"),
    ("videos", "videos"),
];

/// Paths that would otherwise be taken for the name of something that is served.
const PATHS: [(&str, &str); 2] = [
    ("/responses/compact", "the compaction of conversations"),
    ("/responses/input_tokens", "the counting of an input's tokens"),
];

/// What is not served at this path, though paths around it are.
pub(super) fn among_served(path: &str) -> Option<&'static str> {
    PATHS.iter().find(|(unserved, _)| *unserved == path).map(|(_, part)| *part)
}

/// What is not served at this path, if it belongs to a part that is not.
pub(super) fn part_of(path: &str) -> Option<&'static str> {
    let first = path.strip_prefix('/')?.split('/').next()?;
    PARTS.iter().find(|(segment, _)| *segment == first).map(|(_, part)| *part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_by_their_first_segment() {
        assert_eq!(part_of("/images/generations"), Some("images"));
        assert_eq!(part_of("/files"), Some("files"));
        for path in ["/imagesx", "/chat/images", "/", "", "images"] {
            assert_eq!(part_of(path), None, "{path}");
        }
    }
}
