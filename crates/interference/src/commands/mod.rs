//! One file for each verb.

pub(crate) mod chat;
pub(crate) mod check;
pub(crate) mod check_client;
pub(crate) mod import;
pub(crate) mod load;
pub(crate) mod models;
pub(crate) mod pull;
pub(crate) mod report;
pub(crate) mod serve;
