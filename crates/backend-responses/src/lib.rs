//! The Responses API on top of any backend that answers chats.
