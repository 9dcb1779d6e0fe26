//! The processor time of programs that have run and ended, with all that they started.

/// The system counts in hundredths of a second, whatever its own clock (`USER_HZ`, proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;
/// Behind the name of the program in `/proc/self/stat`: user and system time of children that were waited for, and of
/// theirs.
const CHILDREN_USER: usize = 13;
const CHILDREN_SYSTEM: usize = 14;

/// Seconds of processor time of all children of this process that were waited for, and of all that these had waited for
/// themselves; none where the system does not tell it. What is taken between two calls around the wait for a child is that
/// child's; one that somebody left behind does not count.
pub(super) fn cpu_seconds() -> Option<f64> {
    of_stat(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

fn of_stat(stat: &str) -> Option<f64> {
    // The name may have blanks and brackets in it.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
    Some((ticks(CHILDREN_USER)? + ticks(CHILDREN_SYSTEM)?) / TICKS_PER_SECOND)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_fields_are_those_of_children() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 200 0 0 11 12 250 50 20 0 1 0 5 6 7";
        assert_eq!(of_stat(stat), Some(3.0));
        assert_eq!(of_stat("7 (a) S 1"), None);
    }

    #[test]
    fn grandchildren_count() {
        let before = cpu_seconds().unwrap();
        let work = "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; :";
        assert!(Command::new("sh").args(["-c", work]).status().unwrap().success());
        assert!(cpu_seconds().unwrap() > before);
    }
}
