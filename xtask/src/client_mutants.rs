//! The proof that the judge of clients judges.
//!
//! Owns the reference client, with its bugs and its sound variants, which are put before `interference check-client`.

pub(crate) mod reference;
