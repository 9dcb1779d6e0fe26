//! Cassettes in a folder.
//!
//! Owns the names of files, their order, and that each appears whole or not at all: it is written beside its place under
//! a name that is not read, and moved there when all of it is on the disk. Nothing is written before its secrets are
//! taken out. Refuses to know what is inside of a file.

use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::{Builder, NamedTempFile};

use crate::cassette::Cassette;
use crate::error::{FolderError, Mistake, ReadError, WriteError};
use crate::reading::LONGEST_FILE;
use crate::redaction::Redaction;

/// How many cassettes of a folder are read, and may be written to it.
pub const MOST_FILES: usize = 100_000;

/// How many bytes all cassettes of a folder may have together to be read, and are written to it: 1 GiB.
pub const LARGEST_FOLDER: u64 = 1024 * 1024 * 1024;

/// How a name ends that is read.
const ENDING: &str = ".json";

/// How the name of a file begins that is not whole yet; names that begin with a dot are never read.
const UNFINISHED: &str = ".unfinished-";

/// Digits of the number that a name begins with; more where the number has more.
const DIGITS: usize = 6;

/// How much of a request's method and path a name has, in characters.
const LONGEST_SLUG: usize = 60;

/// How often a name is tried that another process was the first to take.
const MOST_TRIES: usize = 100;

/// A cassette, and what its file is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The name of the file, without its folder.
    pub name: String,
    /// What is in it.
    pub cassette: Cassette,
}

/// What there is in a folder.
#[derive(Debug, Default)]
pub struct Recordings {
    /// All good ones, in the order of their names: by the number at the beginning, then by the rest.
    pub recordings: Vec<Recording>,
    /// What is wrong with the others, in the same order.
    pub problems: Vec<ReadError>,
}

/// A folder that cassettes are written to.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    redaction: Redaction,
    bounds: Bounds,
    /// What is known of the files that are there; nothing before the first is written. Held while one is written.
    listing: Mutex<Option<Listing>>,
}

/// How much a folder holds.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    files: usize,
    bytes: u64,
}

const BOUNDS: Bounds = Bounds { files: MOST_FILES, bytes: LARGEST_FOLDER };

/// What the next file depends on.
#[derive(Debug, Clone, Copy)]
struct Listing {
    files: usize,
    bytes: u64,
    /// The largest number that a name begins with.
    largest: u64,
}

impl Folder {
    /// The folder at this path, which is made if it is not there; what is written there is without what the redaction
    /// takes out.
    ///
    /// # Errors
    /// It is not there and cannot be made, or is no folder.
    pub fn open(path: impl Into<PathBuf>, redaction: Redaction) -> Result<Folder, FolderError> {
        let path = path.into();
        match fs::create_dir_all(&path) {
            Ok(()) => Ok(Folder { path, redaction, bounds: BOUNDS, listing: Mutex::default() }),
            Err(source) => Err(FolderError::NotMade { path, source }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a cassette without its secrets, under a name that sorts behind all that are there, such as
    /// `000001-post-chat-completions.json`. Gives it as a reader will find it. It blocks until the disk has it, and
    /// while another thread writes. Files that others put there meanwhile are seen when they have the name that is next.
    ///
    /// # Errors
    /// The system refuses, the folder is full ([`MOST_FILES`], [`LARGEST_FOLDER`]), or the exchange is beyond a bound of
    /// the reader. Under a name that is read there is nothing of it then.
    pub fn write(&self, cassette: &Cassette) -> Result<Recording, WriteError> {
        let text = {
            let mut redacted = cassette.clone();
            self.redaction.apply(&mut redacted);
            redacted.to_json()
        };
        // What could not be read again is better told to whoever records than to whoever plays back.
        let cassette =
            Cassette::from_json(text.as_bytes()).map_err(|mistake| WriteError::NoCassette { mistake })?;
        let name = self.place(text.as_bytes(), &slug(&cassette))?;
        Ok(Recording { name, cassette })
    }

    /// Writes a file, and moves it to the next name.
    fn place(&self, text: &[u8], slug: &str) -> Result<String, WriteError> {
        let refused = |source| WriteError::Refused { folder: self.path.clone(), source };
        let length = text.len() as u64;
        let mut known = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut listing = self.with_room(*known, length)?;
        let mut file = unfinished(&self.path).map_err(refused)?;
        file.write_all(text).and_then(|()| file.as_file().sync_all()).map_err(refused)?;
        for _ in 0..MOST_TRIES {
            let number = listing.largest.saturating_add(1);
            let name = format!("{number:0DIGITS$}-{slug}{ENDING}");
            match file.persist_noclobber(self.path.join(&name)) {
                Ok(_) => {
                    let (files, bytes) = (listing.files + 1, listing.bytes.saturating_add(length));
                    *known = Some(Listing { files, bytes, largest: number });
                    sync_folder(&self.path).map_err(refused)?;
                    return Ok(name);
                }
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                    file = error.file;
                    listing = self.with_room(None, length)?;
                }
                Err(error) => return Err(refused(error.error)),
            }
        }
        Err(refused(io::ErrorKind::AlreadyExists.into()))
    }

    /// The files that are there, if there is room for one more of this length. The folder is looked at where nothing is
    /// known of it, and before it is called full: files may have been deleted.
    fn with_room(&self, known: Option<Listing>, length: u64) -> Result<Listing, WriteError> {
        let Bounds { files: files_max, bytes: bytes_max } = self.bounds;
        let has_room = |listing: &Listing| {
            listing.files < files_max && listing.bytes.saturating_add(length) <= bytes_max
        };
        if let Some(known) = known.filter(has_room) {
            return Ok(known);
        }
        let refused = |source| WriteError::Refused { folder: self.path.clone(), source };
        let listing = listing_of(&self.path).map_err(refused)?;
        if has_room(&listing) {
            return Ok(listing);
        }
        Err(WriteError::FolderFull { folder: self.path.clone(), files_max, bytes_max })
    }
}

/// Reads all cassettes of a folder: files whose names end in `.json` and do not begin with a dot. Whatever else there is
/// is none of them, and is passed over.
///
/// # Errors
/// The folder cannot be listed. What is wrong with single files is told beside the good ones.
pub fn read_folder(path: &Path) -> Result<Recordings, FolderError> {
    read_within(path, BOUNDS)
}

/// Reads so many cassettes of a folder, which have so many bytes together.
fn read_within(path: &Path, bounds: Bounds) -> Result<Recordings, FolderError> {
    let Bounds { files: files_max, bytes: bytes_max } = bounds;
    let mut names =
        names_in(path).map_err(|source| FolderError::Unreadable { path: path.to_owned(), source })?;
    names.sort_by_cached_key(|name| (number_of(name).unwrap_or(u64::MAX), name.clone()));
    let mut found = Recordings::default();
    let mut room = bytes_max;
    for (position, name) in names.iter().enumerate() {
        let file = path.join(name);
        let length = fs::metadata(&file).map_or(0, |metadata| metadata.len());
        if position == files_max || (length > room && length <= LONGEST_FILE) {
            let (path, first, left_out) = (path.to_owned(), name.clone(), names.len() - position);
            found.problems.push(ReadError::FolderTooLarge { path, files_max, bytes_max, first, left_out });
            break;
        }
        match read_file(&file) {
            Ok(cassette) => {
                room -= length;
                found.recordings.push(Recording { name: name.clone(), cassette });
            }
            Err(problem) => found.problems.push(problem),
        }
    }
    Ok(found)
}

/// Reads one cassette.
///
/// # Errors
/// It cannot be read, or is none.
pub fn read_file(path: &Path) -> Result<Cassette, ReadError> {
    let unreadable = |source| ReadError::Unreadable { path: path.to_owned(), source };
    let mistaken = |mistake| ReadError::Content { path: path.to_owned(), mistake };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    // A pipe would be waited for.
    if !metadata.is_file() {
        return Err(ReadError::NotAFile { path: path.to_owned() });
    }
    if metadata.len() > LONGEST_FILE {
        return Err(mistaken(Mistake::TooLong { most: LONGEST_FILE }));
    }
    let mut text = Vec::new();
    // It may grow in the meantime.
    let file = File::open(path).map_err(unreadable)?;
    file.take(LONGEST_FILE + 1).read_to_end(&mut text).map_err(unreadable)?;
    Cassette::from_json(&text).map_err(mistaken)
}

/// The names of a folder that are those of cassettes.
fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        // Such a name is none of ours, and could not be told.
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if name.ends_with(ENDING) && !name.starts_with('.') {
            names.push(name);
        }
    }
    Ok(names)
}

/// What there is in a folder, as its reader counts it: a file that is too long to be read takes no room of others.
fn listing_of(folder: &Path) -> io::Result<Listing> {
    let names = names_in(folder)?;
    let length = |name: &String| fs::metadata(folder.join(name)).map_or(0, |metadata| metadata.len());
    Ok(Listing {
        files: names.len(),
        bytes: names.iter().map(length).filter(|length| *length <= LONGEST_FILE).fold(0, u64::saturating_add),
        largest: names.iter().filter_map(|name| number_of(name)).max().unwrap_or(0),
    })
}

/// The number that a name begins with.
fn number_of(name: &str) -> Option<u64> {
    let end = name.find(|character: char| !character.is_ascii_digit()).unwrap_or(name.len());
    name[..end].parse().ok()
}

/// The method and the path of a request as a part of a name.
fn slug(cassette: &Cassette) -> String {
    let request = &cassette.request;
    let words = format!("{}-{}", request.method, request.path).to_ascii_lowercase();
    let words = words.split(|character: char| !character.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").chars().take(LONGEST_SLUG).collect()
}

/// A new file that is not read yet. Readable for others as far as the umask says, unlike other temporary files:
/// recordings are shared.
fn unfinished(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Sees to it that the name of a file is on the disk, too.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\"interference_cassette\": 1, \"recorded_at\": \"2025-11-26T05:56:45Z\", \"request\": \
        {\"method\": \"GET\", \"path\": \"/\", \"headers\": []}, \"failure\": {\"kind\": \"broken\", \"code\": \"\", \
        \"message\": \"\", \"at_ms\": 0}}";

    #[test]
    fn a_folder_is_read_within_its_bounds_and_the_rest_is_told() {
        let place = tempfile::tempdir().unwrap();
        for number in 1..=4 {
            fs::write(place.path().join(format!("{number}.json")), TEXT).unwrap();
        }
        // Nothing but a length: it is not read.
        File::create(place.path().join("0.json")).unwrap().set_len(LONGEST_FILE + 1).unwrap();
        let length = TEXT.len() as u64;
        for (files_max, bytes_max, read) in
            [(5, 4 * length, 4), (3, 4 * length, 2), (5, 3 * length, 3), (5, 0, 0)]
        {
            let found = read_within(place.path(), Bounds { files: files_max, bytes: bytes_max }).unwrap();
            let problems: Vec<String> = found
                .problems
                .iter()
                .map(|problem| problem.to_string().replace(&place.path().display().to_string(), "F"))
                .collect();
            let mut expected = vec!["F/0.json: it is longer than 268435456 bytes".to_owned()];
            if read < 4 {
                expected.push(format!(
                    "F has more cassettes than are read at once, {files_max} of {bytes_max} bytes together; {} were left \
                     out, the first of them {}.json",
                    4 - read,
                    read + 1
                ));
            }
            assert_eq!((found.recordings.len(), problems), (read, expected));
        }
    }
    fn exchange() -> Cassette {
        Cassette::from_json(TEXT.as_bytes()).unwrap()
    }

    #[test]
    fn no_more_is_written_than_is_read() {
        let place = tempfile::tempdir().unwrap();
        let length = exchange().to_json().len() as u64;
        for (files, bytes, first) in
            [(2, LARGEST_FOLDER, "000003-get.json"), (9, 2 * length + 1, "000004-get.json")]
        {
            let bounds = Bounds { files, bytes };
            let folder = Folder { bounds, ..Folder::open(place.path(), Redaction::default()).unwrap() };
            let room = files.min((bytes / length) as usize) - names_in(place.path()).unwrap().len();
            for _ in 0..room {
                folder.write(&exchange()).unwrap();
            }
            let error = folder.write(&exchange()).unwrap_err();
            assert_eq!(
                error.to_string().replace(&place.path().display().to_string(), "F"),
                format!(
                    "F is full: {files} cassettes of {bytes} bytes together are read; begin another folder"
                )
            );
            let found = read_within(place.path(), bounds).unwrap();
            assert_eq!((found.recordings.len(), found.problems.len()), (2, 0));
            assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2, "nothing unfinished is left");

            // Room that somebody makes is used.
            fs::remove_file(place.path().join(&found.recordings[0].name)).unwrap();
            assert_eq!(folder.write(&exchange()).unwrap().name, first);
        }
    }
}
