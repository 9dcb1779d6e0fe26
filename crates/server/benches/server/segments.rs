//! How many TCP segments with data the system has sent, of all its connections.
//!
//! A server may flush every chunk alone and yet leave Nagle's algorithm on (RFC 9293 §3.7.4): the system then holds small
//! writes back until what went before is acknowledged, and sends them as one segment. Only the segments tell; where the
//! client is slow, the system joins some of any server's.

/// Of the whole machine, since it was started. None where the system does not tell it.
pub(crate) fn sent() -> Option<u64> {
    of_table(&std::fs::read_to_string("/proc/net/netstat").ok()?)
}

/// Lines come in pairs: names, and the values below them.
fn of_table(table: &str) -> Option<u64> {
    let mut lines = table.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut columns = names.split_ascii_whitespace().zip(values.split_ascii_whitespace());
    columns.find_map(|(name, value)| (name == "TCPOrigDataSent").then(|| value.parse().ok())?)
}
