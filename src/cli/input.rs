//! Reads the files of series, for every command that evaluates over them, into one store.

use std::io::{BufReader, ErrorKind, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use stentor_core::fixture::{self, Format};
use stentor_lang::model::{Diagnostic, SourceText, Span, Timestamp};
use stentor_lang::promql::memory::MemoryStore;

use super::diagnostics::{Findings, Output, render};

/// The longest file, unpacked: what becomes of it has to fit into memory.
const LONGEST_FIXTURE: u64 = 4 * 1024 * 1024 * 1024;

/// With what a gzip file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// With what some editors begin a text; it says nothing.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Series as they were read.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) store: MemoryStore,
    /// How many samples it holds.
    pub(crate) samples: usize,
    /// The times of the first and the last sample; both are the epoch where there is none.
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
}

impl Fixture {
    pub(crate) fn new(store: MemoryStore) -> Self {
        let mut fixture = Self {
            samples: 0,
            first: Timestamp::from_millis(i64::MAX),
            last: Timestamp::from_millis(i64::MIN),
            store,
        };
        fixture.store.prepare();
        for (_, samples) in fixture.store.iter() {
            fixture.samples += samples.len();
            if let [first, .., last] | [first @ last] = samples.times {
                fixture.first = fixture.first.min(Timestamp::from_millis(*first));
                fixture.last = fixture.last.max(Timestamp::from_millis(*last));
            }
        }
        if fixture.samples == 0 {
            (fixture.first, fixture.last) = (Timestamp::EPOCH, Timestamp::EPOCH);
        }
        fixture
    }

    /// Whether its times count from the epoch, as those of scripts and tests do.
    pub(crate) fn is_synthetic(&self) -> bool {
        /// No server recorded anything in the first ten years after 1970.
        const RECORDED: i64 = 10 * 365 * 86_400_000;
        self.last.millis() < RECORDED
    }
}

/// Reads all files, or tells what is wrong with the first bad one.
pub(crate) fn read(files: &[PathBuf], test: Option<&str>) -> Result<Fixture, String> {
    let options = fixture::Options {
        test: test.map(ToOwned::to_owned),
    };
    let mut store = MemoryStore::default();
    for file in files {
        let name = file.display().to_string();
        let (text, plain) = text(file).map_err(|why| format!("{name}: {why}"))?;
        let format = Format::of(&plain, &text);
        fixture::read(&text, format, &options, &mut store)
            .map_err(|errors| refused(&name, text, errors))?;
    }
    Ok(Fixture::new(store))
}

/// The text of a file, unpacked, and the name that it has then.
pub(super) fn text(file: &Path) -> Result<(String, String), String> {
    let mut name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let opened = std::fs::File::open(file).map_err(|error| error.to_string())?;
    let mut reader = BufReader::with_capacity(1 << 16, opened);
    let start = std::io::BufRead::fill_buf(&mut reader).map_err(|error| error.to_string())?;
    let bytes = if start.starts_with(&GZIP) {
        if let Some(plain) = name.strip_suffix(".gz") {
            name = plain.to_owned();
        }
        all(MultiGzDecoder::new(reader))?
    } else {
        all(reader)?
    };
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!(
            "the byte {at} is not UTF-8, expected a text: formats such as protobuf are not read"
        )
    })?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len_utf8());
    }
    Ok((text, name))
}

fn all(from: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // A device has no end, and a packed file may hold a thousand times its length.
    let read = from.take(LONGEST_FIXTURE + 1).read_to_end(&mut bytes);
    read.map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => "the packed file was cut off".to_owned(),
        _ => error.to_string(),
    })?;
    if bytes.len() as u64 > LONGEST_FIXTURE {
        return Err(format!("longer than {LONGEST_FIXTURE} bytes"));
    }
    Ok(bytes)
}

/// The errors with their places.
fn refused(name: &str, text: String, mut diagnostics: Vec<Diagnostic>) -> String {
    const MOST_ERRORS: usize = 20;
    let more = diagnostics.len().saturating_sub(MOST_ERRORS);
    diagnostics.truncate(MOST_ERRORS);
    let count = diagnostics.len() + more;
    if diagnostics.is_empty() {
        diagnostics.push(Diagnostic::error(
            "fixture/file",
            Span::at(0),
            "it is refused",
        ));
    }
    let findings = [Findings {
        source: SourceText::new(name, text),
        diagnostics,
    }];
    let color = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let plural = if count == 1 { "" } else { "s" };
    let shown = render(&findings, Output::Text, color);
    format!("{name} is refused: {count} error{plural}\n\n{shown}")
}
