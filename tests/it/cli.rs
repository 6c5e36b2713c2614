//! The program as its users meet it: each file of `tests/cli` holds files, commands, and what
//! those print and return. `UPDATE_EXPECT=1` writes what they print now.
//!
//! A file is a row of sections: `-- NAME --` and the file's lines, then for each command
//! `$ stentor ARGS`, what it prints, `? CODE`, and under `! stderr` what it complains.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

#[test]
fn transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let update = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("tests/cli can be read")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "txt"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no transcripts in {}", folder.display());
    let mut different = Vec::new();
    for path in paths {
        let expected = std::fs::read_to_string(&path).expect("a transcript can be read");
        let actual = play(&expected);
        if actual == expected {
            continue;
        }
        if update {
            std::fs::write(&path, &actual).expect("a transcript can be written");
        } else {
            different.push(format!(
                "{}: the program now says\n{actual}",
                path.display()
            ));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Runs the commands of a transcript over its files, and writes it anew.
fn play(transcript: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut out = String::new();
    let mut file: Option<(&str, String)> = None;
    let mut in_command = false;
    for line in transcript.lines() {
        let header = line.strip_prefix("-- ").and_then(|l| l.strip_suffix(" --"));
        let command = line.strip_prefix("$ stentor");
        if header.is_some() || command.is_some() {
            if let Some((name, text)) = file.take() {
                let path = folder.path().join(name);
                let parent = path.parent().expect("a file is in a folder");
                std::fs::create_dir_all(parent).expect("a folder can be made");
                std::fs::write(path, text).expect("a file can be written");
            }
            in_command = command.is_some();
        }
        if in_command && command.is_none() {
            continue;
        }
        let _ = writeln!(out, "{line}");
        if let Some(name) = header {
            file = Some((name, String::new()));
        } else if let Some(arguments) = command {
            run(arguments, folder.path(), &mut out);
        } else if let Some((_, text)) = &mut file {
            text.push_str(line);
            text.push('\n');
        }
    }
    out
}

/// Runs one command; its arguments are words without quotes.
fn run(arguments: &str, folder: &Path, out: &mut String) {
    let output = Command::new(env!("CARGO_BIN_EXE_stentor"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .output()
        .expect("stentor can be started");
    out.push_str(&shown(&output.stdout));
    let code = output.status.code();
    let _ = writeln!(out, "? {}", code.expect("it ends by itself"));
    if !output.stderr.is_empty() {
        out.push_str("! stderr\n");
        out.push_str(&shown(&output.stderr));
    }
}

/// What was printed: control characters as escapes, no blanks at the end of lines.
fn shown(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in String::from_utf8_lossy(bytes).lines() {
        for c in line.trim_end().chars() {
            if c.is_control() {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        out.push('\n');
    }
    out
}
