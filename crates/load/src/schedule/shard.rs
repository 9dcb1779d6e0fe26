//! One machine's part of a schedule.

use interference_report::load::Shard;

use super::ScheduleError;

/// All of a schedule, as the only part of one.
pub const WHOLE: Shard = Shard { index: 0, of: 1 };

/// Reads `I/N`: part I of N, counted from 0.
///
/// # Errors
/// [`ScheduleError::NotAShard`], and [`ScheduleError::NoSuchShard`] for one that is not from 0 to N - 1.
pub fn parse_shard(text: &str) -> Result<Shard, ScheduleError> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| !text.starts_with('+'));
    let numbers = text.split_once('/').and_then(|(index, of)| Some((number(index)?, number(of)?)));
    let (index, of) = numbers.ok_or_else(|| ScheduleError::NotAShard { text: text.to_owned() })?;
    let shard = Shard { index, of };
    check(shard).map(|()| shard)
}

/// Whether there is such a shard.
pub(super) fn check(Shard { index, of }: Shard) -> Result<(), ScheduleError> {
    if index < of { Ok(()) } else { Err(ScheduleError::NoSuchShard { index, of }) }
}

/// Whether this number falls to it.
pub(super) fn has(shard: Shard, number: u64) -> bool {
    number.checked_rem(u64::from(shard.of)) == Some(u64::from(shard.index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_no_shard_are_refused() {
        for text in
            ["", "1", "/", "1/", "/4", "a/4", "-1/4", "+1/4", "1/4/4", "1 / 4", "0.5/4", "0/4294967296"]
        {
            assert_eq!(parse_shard(text), Err(ScheduleError::NotAShard { text: text.to_owned() }));
        }
        let told = |text| parse_shard(text).unwrap_err().to_string();
        assert_eq!(told("4/4"), "there is no shard 4 of 4; shards count from 0: 0/4 to 3/4");
        assert_eq!(told("1/1"), "there is no shard 1 of 1; shards count from 0, and the only one is 0/1");
        assert_eq!(told("0/0"), "there is no shard 0 of 0; there must be at least 1, which is 0/1");
        assert_eq!(told("x"), "`x` is no shard; write `I/N`: with 4 machines `0/4`, `1/4`, `2/4` and `3/4`");
    }

    #[test]
    fn shards_count_from_0() {
        assert_eq!(parse_shard("0/1"), Ok(WHOLE));
        assert_eq!(parse_shard("3/4"), Ok(Shard { index: 3, of: 4 }));
        assert!(has(Shard { index: 3, of: 4 }, 7) && !has(Shard { index: 3, of: 4 }, 8));
        assert!(!has(Shard { index: 0, of: 0 }, 0));
    }
}
