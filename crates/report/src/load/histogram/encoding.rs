//! The bytes of a histogram in a document, looked at before they are believed.
//!
//! The encoding is HdrHistogram's V2, compressed or not: a header of 40 bytes, then numbers in seven bits a byte
//! (LEB128, of nine bytes at most) and zigzag, where a negative one tells of so many empty buckets. The library that
//! reads it takes its lengths for true; here they are held against what is there.

use std::io::Read;

use flate2::read::ZlibDecoder;

/// Bytes of a histogram, unpacked. One with a value in every bucket takes less than a tenth.
const LONGEST: u64 = 4 << 20;
/// Values of a histogram, at most; of 1,024 machines together they can still be told exactly as a float.
pub(super) const MOST_VALUES: u64 = 1 << 40;
/// Empty buckets in a row; there are never so many buckets.
const MOST_EMPTY: u64 = 1 << 32;

const PLAIN: [u8; 4] = 0x1c84_9313_u32.to_be_bytes();
const COMPRESSED: [u8; 4] = 0x1c84_9314_u32.to_be_bytes();
/// Bytes before the numbers.
const HEADER: usize = 40;
/// Bytes before what is compressed: what it is, and how long.
const ENVELOPE: usize = 8;

/// The histogram in its uncompressed form, or what is wrong with it.
pub(super) fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut plain = Vec::new();
    if bytes.starts_with(&COMPRESSED) && bytes.len() >= ENVELOPE {
        let unpacked = ZlibDecoder::new(&bytes[ENVELOPE..]).take(LONGEST + 1).read_to_end(&mut plain);
        unpacked.map_err(|_| "its compressed bytes are damaged or cut off")?;
    } else {
        plain.extend_from_slice(bytes);
    }
    if plain.len() as u64 > LONGEST {
        return Err("it is too long");
    }
    if !plain.starts_with(&PLAIN) {
        return Err("it does not begin as HdrHistogram's V2 does");
    }
    let length = plain.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    match (length, plain.get(HEADER..)) {
        (Some(length), Some(numbers)) if length as usize == numbers.len() => check(numbers)?,
        _ => return Err("it is cut off"),
    }
    Ok(plain)
}

fn check(mut numbers: &[u8]) -> Result<(), &'static str> {
    let mut values = 0_u64;
    while !numbers.is_empty() {
        let number = take(&mut numbers).ok_or("it is cut off")?;
        // Zigzag: even numbers are counts, odd ones tell of empty buckets.
        if number % 2 == 0 {
            values = values.saturating_add(number / 2);
        } else if number / 2 >= MOST_EMPTY {
            return Err("it has more buckets than can be");
        }
        if values > MOST_VALUES {
            return Err("it has more values than can be");
        }
    }
    Ok(())
}

/// The next number; the ninth byte of one has all its eight bits.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for index in 0..9 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if index == 8 {
            return Some(number | u64::from(*byte) << 56);
        }
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(numbers: &[u8], length: u32) -> Vec<u8> {
        let mut bytes = PLAIN.to_vec();
        bytes.extend(length.to_be_bytes());
        bytes.extend([0; HEADER - 8]);
        bytes.extend(numbers);
        bytes
    }

    #[test]
    fn lengths_and_counts_are_held_against_what_is_there() {
        let told = |numbers: &[u8]| unpacked(&plain(numbers, numbers.len() as u32));
        assert!(told(&[2, 1, 4]).is_ok());
        assert_eq!(told(&[0x82]), Err("it is cut off"));
        assert_eq!(told(&[0xff; 9]), Err("it has more buckets than can be"));
        assert_eq!(
            told(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            Err("it has more values than can be")
        );
        assert_eq!(unpacked(&plain(&[2], u32::MAX)), Err("it is cut off"));
        assert_eq!(unpacked(&COMPRESSED), Err("it does not begin as HdrHistogram's V2 does"));
    }

    #[test]
    fn what_unpacks_without_end_is_given_up() {
        let mut packed = flate2::write::ZlibEncoder::new(COMPRESSED.to_vec(), flate2::Compression::best());
        packed.get_mut().extend([0; 4]);
        std::io::copy(&mut std::io::repeat(0).take(LONGEST * 4), &mut packed).unwrap();
        assert_eq!(unpacked(&packed.finish().unwrap()), Err("it is too long"));
    }
}
