//! `interference import`: scripts and cassettes of what other test doubles play from.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use interference_cassette::{Cassette, Folder, Redaction};
use interference_import::{Extent, Format, Imported, LONGEST_SOURCE, LeftOut, Made, Source, import};

use crate::failure::{Failure, TEST_FAILED, TOOL_FAILED, WRONG_USAGE};
use crate::talk::{counted, say};

/// What `interference import` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArguments {
    /// Fixtures of aimock or llmposter, or recordings of VCR.py; all of one kind
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to: for fixtures a script that is not there yet, for recordings a folder
    #[arg(long, value_name = "PATH")]
    into: PathBuf,
    /// What the files are: aimock, llmposter or vcr; by default it is found out
    #[arg(long)]
    format: Option<Format>,
}

/// Does what was asked for, and says what was left out.
///
/// # Errors
/// `Failure`: a file cannot be read, or the files do not go together; nothing could be made; it cannot be written.
pub(crate) fn run(arguments: &ImportArguments) -> anyhow::Result<()> {
    let ImportArguments { files, into, format } = arguments;
    let sources = files.iter().map(|path| read(path)).collect::<Result<Vec<Source>, Failure>>()?;
    let imported = import(sources, *format);
    let Imported { made, left_out, untold } = imported.map_err(|error| {
        Failure::new(WRONG_USAGE, error.to_string(), "run `interference import` once for each format")
    })?;
    for one in &left_out {
        say(&one.to_string());
    }
    if untold > 0 {
        say(&format!("… and {untold} more, which are not counted below"));
    }
    let made = match made {
        Some(Made::Script { text, rules }) => {
            write_script(into, &text)?;
            counted(rules, "rule")
        }
        Some(Made::Cassettes(cassettes)) => {
            write_cassettes(into, &cassettes)?;
            counted(cassettes.len(), "cassette")
        }
        None => {
            let hint = "what is left out is listed above; docs/import.md tells what comes along";
            return Err(Failure::new(TEST_FAILED, "nothing could be made of these files", hint).into());
        }
    };
    say(&format!("{made} in {}; {}", into.display(), summary(&left_out)));
    Ok(())
}

fn read(path: &Path) -> Result<Source, Failure> {
    let mut text = String::new();
    let limit = LONGEST_SOURCE as u64 + 1;
    // What is longer than the bound is refused where it is imported.
    match File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text)) {
        Ok(_) => Ok(Source { name: path.display().to_string(), text }),
        Err(error) => Err(Failure::new(
            WRONG_USAGE,
            format!("{} cannot be read: {error}", path.display()),
            "name files of text; a folder's are named by `FOLDER/*.yaml`",
        )),
    }
}

/// What is there already may have been edited since.
fn write_script(path: &Path, text: &str) -> Result<(), Failure> {
    let cannot = |error: io::Error| {
        Failure::new(
            TOOL_FAILED,
            format!("{} cannot be written: {error}", path.display()),
            "name a file in a folder that may be written to",
        )
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    let written = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(
            WRONG_USAGE,
            format!("{} is there already", path.display()),
            "name another file, or remove this one; fixtures become one script, not a folder",
        ),
        _ => cannot(error),
    })
}

fn write_cassettes(path: &Path, cassettes: &[Cassette]) -> Result<(), Failure> {
    let refused = |message: String| {
        Failure::new(TOOL_FAILED, message, "name a folder that may be written to, and has room")
    };
    let folder = Folder::open(path, Redaction::default()).map_err(|error| refused(error.to_string()))?;
    for cassette in cassettes {
        folder.write(cassette).map_err(|error| refused(error.to_string()))?;
    }
    Ok(())
}

fn summary(left_out: &[LeftOut]) -> String {
    let count = |counts: fn(&Extent) -> bool| left_out.iter().filter(|one| counts(&one.extent)).count();
    let (entries, parts, changed) = (
        count(|extent| matches!(extent, Extent::Whole)),
        count(|extent| matches!(extent, Extent::Part(_))),
        count(|extent| matches!(extent, Extent::Changed(_))),
    );
    if entries + parts + changed == 0 {
        return "nothing was left out".to_owned();
    }
    let (entries, parts) = (counted(entries, "entry"), counted(parts, "part"));
    format!("left out: {entries} as a whole, and of others {parts}; changed: {}", counted(changed, "part"))
}
