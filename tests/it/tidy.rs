//! Holds the rules of the layout that the compiler does not hold: inside a crate a module imports
//! only modules that stand above it in its `lib.rs`, and the crates below know nothing of the
//! world. Each rule names the file and line that broke it.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder, in order.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("an entry of the workspace").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The modules of a crate in the order of its `lib.rs`.
fn modules(lib: &str) -> Vec<&str> {
    let declared = lib.lines().filter_map(|line| line.strip_prefix("pub mod "));
    declared.filter_map(|line| line.strip_suffix(';')).collect()
}

/// The uses of a crate's modules in a text: line and module.
fn uses<'a>(text: &'a str, modules: &[&'a str]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split("//").next().unwrap_or(line);
        for (at, _) in code.match_indices("crate::") {
            let behind = &code[at + "crate::".len()..];
            let name = behind
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            found.extend(
                modules
                    .iter()
                    .filter(|m| Some(**m) == name)
                    .map(|m| (number, *m)),
            );
        }
    }
    found
}

/// What in a crate imports a module that stands below its own.
fn upward_imports(folder: &Path) -> Vec<String> {
    let lib = fs::read_to_string(folder.join("lib.rs")).expect("a crate's lib.rs");
    let order = modules(&lib);
    assert!(
        order.len() > 3,
        "the modules of {} were found: {order:?}",
        folder.display()
    );
    let mut broken = Vec::new();
    for path in sources(folder) {
        let inside = path.strip_prefix(folder).expect("a path below the crate");
        let own = inside
            .iter()
            .next()
            .expect("a path has a part")
            .to_string_lossy();
        let Some(place) = order.iter().position(|module| *module == own) else {
            continue;
        };
        let text = fs::read_to_string(&path).expect("a source file");
        for (line, module) in uses(&text, &order) {
            let other = order.iter().position(|known| *known == module);
            if other > Some(place) {
                broken.push(format!(
                    "{}:{line}: module `{own}` imports `{module}`, which stands below it in lib.rs",
                    path.display()
                ));
            }
        }
    }
    broken
}

/// What is not for pure crates: words, and why.
const IMPURE: [(&str, &str); 10] = [
    ("std::fs", "files are the shell's"),
    ("TcpStream", "sockets are the shell's"),
    ("UdpSocket", "sockets are the shell's"),
    ("std::env", "the environment is the shell's"),
    ("std::thread", "threads are the shell's"),
    ("std::process", "processes are the shell's"),
    ("SystemTime", "time comes with the input"),
    ("std::time::Instant", "time comes with the input"),
    ("Utc::now", "time comes with the input"),
    ("static mut", "values are passed"),
];

/// The one file below the shell that starts threads: a query over many series forks and joins there, and its
/// result does not depend on them.
const FORKS: &str = "crates/lang/src/promql/eval/blocks.rs";

fn impurities(path: &Path, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let forks = path.ends_with(FORKS);
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split("//").next().unwrap_or(line);
        for (word, why) in IMPURE.iter().filter(|(word, _)| code.contains(word)) {
            if forks && *word == "std::thread" {
                continue;
            }
            broken.push(format!("{}:{number}: `{word}`: {why}", path.display()));
        }
    }
    broken
}

/// Code of tests may read the tables that it tests with.
fn is_test(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let of_tests = name == "tests.rs" || name == "shared_data.rs" || name.ends_with("_tests.rs");
    of_tests || path.iter().any(|part| part == "tests")
}

#[test]
fn modules_import_only_modules_above_them() {
    for folder in ["crates/lang/src", "crates/core/src"] {
        let broken = upward_imports(&root().join(folder));
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}

#[test]
fn the_crates_below_know_nothing_of_the_world() {
    for folder in ["crates/lang/src", "crates/core/src"] {
        for path in sources(&root().join(folder))
            .into_iter()
            .filter(|path| !is_test(path))
        {
            let text = fs::read_to_string(&path).expect("a source file");
            let code = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or(&text);
            let broken = impurities(&path, code);
            assert!(broken.is_empty(), "{}", broken.join("\n"));
        }
    }
}

#[test]
fn the_crates_below_depend_on_nothing_that_touches_the_world() {
    for manifest in ["crates/lang/Cargo.toml", "crates/core/Cargo.toml"] {
        let text = fs::read_to_string(root().join(manifest)).expect("a manifest");
        for name in [
            "tokio", "reqwest", "rusqlite", "axum", "hyper", "rand", "tracing",
        ] {
            let named = text.lines().any(|line| line.starts_with(name));
            assert!(!named, "{manifest} depends on {name}");
        }
    }
}

#[test]
fn each_rule_is_seen_to_fail() {
    let order = ["model", "yaml", "promql"];
    let text = "use crate::promql::Expr; // crate::yaml\nfn f(x: crate::model::Labels) {}";
    assert_eq!(uses(text, &order), [(1, "promql"), (2, "model")]);

    let path = Path::new("crates/core/src/engine/mod.rs");
    let broken = impurities(
        path,
        "// std::fs is not used\nlet at = std::time::SystemTime::now();",
    );
    assert_eq!(broken.len(), 1);
    assert!(
        broken[0].starts_with("crates/core/src/engine/mod.rs:2: `SystemTime`"),
        "{broken:?}"
    );

    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write("lib.rs", "pub mod a;\npub mod b;\npub mod c;\npub mod d;\n");
    write("a/mod.rs", "\nuse crate::c::Thing;\n");
    write("d/mod.rs", "use crate::a::Other;\n");
    let broken = upward_imports(folder.path());
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert!(
        broken[0].contains("a/mod.rs:2: module `a` imports `c`"),
        "{broken:?}"
    );
}
