//! Faults in any answer: what is to go wrong, and what that does to events, bytes and the connection.
