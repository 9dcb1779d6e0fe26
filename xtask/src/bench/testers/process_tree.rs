//! The processor time of a program and of all that it started, while they run.

use std::fs;

/// The system counts in hundredths of a second, whatever its own clock (`USER_HZ`, proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;
/// Behind the name of the program in `/proc/PID/stat`: user and system time of the process, and then those of its children
/// that have ended and were waited for, with theirs.
const TIMES: std::ops::RangeInclusive<usize> = 11..=14;
/// Processes of a tree that are looked at.
const MOST_PROCESSES: usize = 1_000;

/// Seconds of processor time that a process and its descendants have taken so far, also those that have ended; none where
/// the system does not tell it, or the process has ended. One whose parent went before it does not count.
pub(super) fn cpu_seconds(pid: u32) -> Option<f64> {
    let mut ticks = ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    let mut known = vec![pid];
    let mut next = 0;
    while let Some(pid) = known.get(next).copied().filter(|_| known.len() < MOST_PROCESSES) {
        next += 1;
        for child in children(pid) {
            // It may have ended meanwhile, and is counted by its parent next time.
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            ticks += self::ticks(&stat).unwrap_or(0.0);
            known.push(child);
        }
    }
    Some(ticks / TICKS_PER_SECOND)
}

/// Each thread has the children that it started.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

fn ticks(stat: &str) -> Option<f64> {
    // The name may have blanks and brackets in it.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    fields.get(TIMES)?.iter().map(|field| field.parse::<f64>().ok()).sum()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_counts_with_the_children_that_it_waited_for() {
        assert_eq!(
            ticks("7 (a) b) S 1 7 7 0 -1 4194560 100 200 0 0 11 12 250 50 20 0 1 0 5 6 7"),
            Some(323.0)
        );
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn descendants_count_while_they_run() {
        let work = "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; read x'; :";
        let mut shell = Command::new("sh");
        let mut shell =
            shell.args(["-c", work]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let own = ticks(&fs::read_to_string(format!("/proc/{}/stat", shell.id())).unwrap()).unwrap();
        let all = cpu_seconds(shell.id()).unwrap();
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(all > own / TICKS_PER_SECOND, "{all}");
        assert_eq!(cpu_seconds(shell.id()), None);
    }
}
