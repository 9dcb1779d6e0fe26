//! What cannot stand together in a plan, and why.

use super::error::PlanError;
use super::model::Faults;

/// Refuses faults of which one would keep another from showing.
pub(super) fn check(_faults: &Faults) -> Result<(), PlanError> {
    Ok(())
}
