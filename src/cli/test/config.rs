//! The configuration that a test file names: its routes, receivers and labels. Its secrets may be
//! missing, and its rules are not read.

use std::path::Path;

use stentor_core::config::{self, Sources};
use stentor_core::unittest::Production;
use stentor_lang::model::{Diagnostic, SourceText};
use stentor_lang::yaml::{self, Node, Spanned};

use super::{Findings, Suite};
use crate::cli::files::{self, Unread};

/// Why there is no configuration.
pub(super) enum Refused {
    /// It cannot be read: a finding in the test file.
    Unread(Diagnostic),
    /// What is wrong in it.
    Bad(Vec<Findings>),
}

impl Refused {
    /// The test file cannot be run.
    pub(super) fn abort(
        self,
        name: String,
        source: SourceText,
        mut diagnostics: Vec<Diagnostic>,
    ) -> Suite {
        let mut findings = match self {
            Self::Bad(findings) => findings,
            Self::Unread(why) => {
                diagnostics.push(why);
                Vec::new()
            }
        };
        findings.push(Findings {
            source,
            diagnostics,
        });
        Suite::aborted(name, findings)
    }
}

/// Reads `stentor.yml` or Alertmanager's own file.
pub(super) fn load(folder: &Path, path: &Spanned<String>) -> Result<Production, Refused> {
    let main = read(&folder.join(&path.value), path)?;
    if is_alertmanagers(&main) {
        return match config::load_alertmanager(&main) {
            Ok((routing, _)) => Ok(Production::of_alertmanager(routing)),
            Err(found) => Err(bad(found)),
        };
    }
    let alertmanager = match config::alertmanager_path(&main) {
        Some(named) => Some(read(Path::new(&named), path)?),
        None => None,
    };
    let options = config::Options {
        // Somebody may want to test his rules before he writes routes.
        dry_run: true,
        stored: None,
    };
    match config::load(&Sources { main, alertmanager }, &options) {
        Ok(loaded) => Ok(Production::of(&loaded.config)),
        Err(found) => Err(bad(found)),
    }
}

fn read(file: &Path, named: &Spanned<String>) -> Result<SourceText, Refused> {
    files::read(file).map_err(|why| match why {
        Unread::NoText(found) => Refused::Bad(vec![found]),
        Unread::Unopened(why) => {
            let message = format!("cannot read {why}");
            Refused::Unread(Diagnostic::error(files::CODE, named.span, message))
        }
    })
}

/// A file with routes and without data sources is Alertmanager's.
fn is_alertmanagers(source: &SourceText) -> bool {
    let parsed = yaml::parse(&source.text);
    let Some(document) = parsed.documents.first().and_then(Node::as_mapping) else {
        return false;
    };
    let has = |name| document.get(name).is_some();
    (has("route") || has("receivers")) && !has("datasources") && !has("alertmanager_config")
}

fn bad(found: config::Findings) -> Refused {
    let mut findings = Vec::new();
    if let Some(masked) = found.masked {
        findings.push(Findings {
            source: masked.main,
            diagnostics: found.main,
        });
        if let Some(source) = masked.alertmanager {
            findings.push(Findings {
                source,
                diagnostics: found.alertmanager,
            });
        }
    }
    Refused::Bad(findings)
}
