//! The alphabet of byte-level vocabularies: each byte is written as one printable character.
//!
//! Bytes that are printable in Latin-1 stand for themselves; the other 68, in order, for the characters from U+0100
//! on. A space is therefore `Ġ`, and a line feed `Ċ`.

/// Whether a byte is written as the character of the same number.
const fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// The character of each byte.
const CHARACTERS: [char; 256] = {
    let mut characters = ['\0'; 256];
    let (mut byte, mut others) = (0, 0);
    while byte < 256 {
        characters[byte] = if stands_for_itself(byte as u8) {
            byte as u8 as char
        } else {
            others += 1;
            // U+0100 to U+0143: two bytes of UTF-8 each, never a surrogate.
            match char::from_u32(0xff + others) {
                Some(character) => character,
                None => '\0',
            }
        };
        byte += 1;
    }
    characters
};

/// The character that stands for a byte.
pub(super) fn character_of(byte: u8) -> char {
    CHARACTERS[byte as usize]
}

/// The byte that a character stands for.
pub(super) fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    if code < 0x100 {
        return u8::try_from(code).ok().filter(|byte| stands_for_itself(*byte));
    }
    // The others, in order: 0 to 32, 127 to 160, 173.
    match code - 0x100 {
        other @ 0..=32 => Some(other as u8),
        other @ 33..=66 => Some(other as u8 - 33 + 127),
        67 => Some(173),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own_and_comes_back() {
        for byte in 0..=255 {
            assert_eq!(byte_of(character_of(byte)), Some(byte));
        }
        assert_eq!((character_of(b' '), character_of(b'\n'), character_of(b'a')), ('Ġ', 'Ċ', 'a'));
        assert_eq!((byte_of('\u{144}'), byte_of(' '), byte_of('\u{ad}')), (None, None, None));
    }
}
