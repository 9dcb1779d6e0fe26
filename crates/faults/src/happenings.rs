//! What a pipeline did, for a journal.

use serde::Serialize;

/// How many happenings a pipeline remembers; further ones are counted.
pub const HAPPENINGS_MAX: usize = 1_000;

/// One fault that took place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Happening {
    /// Its key in the plan, such as `cut`.
    pub fault: &'static str,
    /// The event it concerned, or behind which it took place, counted from 1 as the source made it; 0 is before the first.
    pub event: Option<u64>,
    /// The offset in the body where it took place.
    pub byte: Option<u64>,
}

/// The happenings of one answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Happenings {
    remembered: Vec<Happening>,
    beyond: u64,
}

impl Happenings {
    pub(crate) fn at_event(&mut self, fault: &'static str, event: u64) {
        self.push(Happening { fault, event: Some(event), byte: None });
    }

    pub(crate) fn at_byte(&mut self, fault: &'static str, byte: u64) {
        self.push(Happening { fault, event: None, byte: Some(byte) });
    }

    pub(crate) fn remembered(&self) -> &[Happening] {
        &self.remembered
    }

    pub(crate) fn beyond(&self) -> u64 {
        self.beyond
    }

    fn push(&mut self, happening: Happening) {
        if self.remembered.len() < HAPPENINGS_MAX {
            self.remembered.push(happening);
        } else {
            self.beyond += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_bound_they_are_counted() {
        let mut happenings = Happenings::default();
        for byte in 0..1_003 {
            happenings.at_byte("corrupt", byte);
        }
        assert_eq!((happenings.remembered().len(), happenings.beyond()), (1_000, 3));
        assert_eq!(
            happenings.remembered().last(),
            Some(&Happening { fault: "corrupt", event: None, byte: Some(999) })
        );
    }
}
