//! Gates in a template's instructions: every value is weighed when it is made, and when it is used as a whole.
//!
//! Minijinja's fuel pays for instructions, bytes of text and slots of lists. It does not know what it costs to go
//! through a value that holds another many times, nor how deep values are nested. Behind each instruction that leaves
//! a value on the stack, three more are put: duplicate it, give it to a test that weighs it and lets it pass or ends
//! the render, discard the test's outcome. Jumps are moved accordingly. All else stays as the compiler wrote it, so
//! a template that passes its gates means what it meant.

use minijinja::machinery::{Instruction, Instructions};

/// The test for values of any origin; its name is none that a template could spell.
pub(super) const ANY: &str = "=any";
/// The test for what a call gave and is about to be stored: it may be a namespace.
pub(super) const NEW: &str = "=new";
/// Tests are looked up by name, not remembered by number.
const NO_NUMBER: u8 = !0;

/// The instructions with gates between them.
pub(super) fn with_gates<'source>(plain: &Instructions<'source>) -> Instructions<'source> {
    let at = |index: usize| u32::try_from(index).ok().and_then(|index| plain.get(index));
    let mut positions = Vec::new();
    let mut position = 0;
    while let Some(instruction) = at(positions.len()) {
        let gate = gate_behind(instruction, at(positions.len() + 1));
        positions.push(position);
        position += 1 + gate.map_or(0, |test| gate_of(test).len() as u32);
    }
    // Jumps may lead to the end.
    positions.push(position);
    let mut gated = Instructions::new(plain.name(), plain.source());
    for index in 0..positions.len() - 1 {
        let Some(instruction) = at(index) else { break };
        let mut moved = instruction.clone();
        if let Some(target) = target_of(&mut moved) {
            *target = positions.get(*target as usize).copied().unwrap_or(position);
        }
        gated.add(moved);
        for instruction in gate_behind(instruction, at(index + 1)).into_iter().flat_map(gate_of) {
            gated.add(instruction);
        }
    }
    gated
}

fn gate_of(test: &'static str) -> [Instruction<'static>; 3] {
    [Instruction::DupTop, Instruction::PerformTest(test, Some(1), NO_NUMBER), Instruction::DiscardTop]
}

/// The test for the value that an instruction leaves on the stack, if it leaves one that needs it. Keyword arguments do
/// not: what they are made of has been weighed, and what a call makes of them will be.
fn gate_behind(instruction: &Instruction<'_>, next: Option<&Instruction<'_>>) -> Option<&'static str> {
    use Instruction as I;
    match (instruction, next) {
        // Only an attribute is wanted of it.
        (I::Lookup(_) | I::GetAttr(_) | I::GetItem, Some(I::GetAttr(_) | I::SetAttr(_))) => None,
        (I::Lookup(_), Some(I::PerformTest("defined" | "undefined", ..))) => None,
        (I::CallFunction(..), Some(I::StoreLocal(_))) => Some(NEW),
        (I::Lookup(_) | I::GetAttr(_) | I::GetItem | I::Slice, _)
        | (I::BuildMap(_) | I::BuildList(_) | I::BuildTuple(_), _)
        | (I::Add | I::Sub | I::Mul | I::Div | I::IntDiv | I::Rem | I::Pow | I::Neg | I::StringConcat, _)
        | (I::ApplyFilter(..) | I::CallFunction(..) | I::CallMethod(..) | I::CallObject(_), _)
        | (I::EndCapture, _) => Some(ANY),
        (I::LoadConst(value), _) if value.as_object().is_some() && !value.is_kwargs() => Some(ANY),
        _ => None,
    }
}

/// Where an instruction may jump to.
fn target_of<'i>(instruction: &'i mut Instruction<'_>) -> Option<&'i mut u32> {
    use Instruction as I;
    match instruction {
        I::Iterate(target)
        | I::Jump(target)
        | I::JumpIfFalse(target)
        | I::JumpIfFalseOrPop(target)
        | I::JumpIfTrueOrPop(target)
        | I::BuildMacro(_, target, _) => Some(target),
        _ => None,
    }
}
