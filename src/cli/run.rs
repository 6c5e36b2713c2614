//! `stentor run`: the daemon.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use super::Exit;
use crate::daemon::{self, Failure, setup};

/// The arguments of `stentor run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration
    #[arg(
        long = "config.file",
        value_name = "FILE",
        required_unless_present = "datasource_url"
    )]
    config_file: Option<PathBuf>,
    /// A data source to try without a configuration, together with --rule.files and
    /// --notify.dry-run
    #[arg(
        long = "datasource.url",
        value_name = "URL",
        conflicts_with = "config_file",
        requires = "rule_files"
    )]
    datasource_url: Option<String>,
    /// Rule files for --datasource.url; may hold `*`, and may be given several times
    #[arg(long = "rule.files", value_name = "GLOB", requires = "datasource_url", num_args = 1..)]
    rule_files: Vec<String>,
    /// Takes a rule file that is empty and was not before, which else is refused as half written
    #[arg(long = "rule.allow-empty")]
    allow_empty: bool,
    /// The directory of the durable state
    #[arg(long = "storage.path", value_name = "DIR", default_value = "data/")]
    storage: PathBuf,
    /// Where HTTP is served; on an address that is not loopback, reads alone
    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9095",
        value_parser = listen_address
    )]
    listen: SocketAddr,
    /// The URL under which people reach this, for links in notifications
    #[arg(long = "web.external-url", value_name = "URL")]
    external_url: Option<String>,
    /// Prometheus' web configuration (TLS, basic authentication): not built yet
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config: Option<PathBuf>,
    /// Does everything but send; what would be sent is logged
    #[arg(long = "notify.dry-run")]
    dry_run: bool,
    #[command(flatten)]
    log: Log,
}

/// How the program tells what it does.
#[derive(Debug, clap::Args)]
struct Log {
    /// The least important lines to write
    #[arg(long = "log.level", value_enum, default_value = "info")]
    level: LogLevel,
    /// The form of the lines
    #[arg(long = "log.format", value_enum, default_value = "text")]
    format: LogFormat,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Runs the daemon until a signal ends it.
pub(crate) fn run(args: &Args) -> Exit {
    args.log.install();
    let options = match args.options() {
        Ok(options) => options,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "stentor: {why}");
            return Exit::Usage;
        }
    };
    let (exit, why) = match daemon::run(&options) {
        Ok(()) => return Exit::Good,
        Err(Failure::Config(why)) => (Exit::Usage, why),
        Err(Failure::Environment(why)) => (Exit::Environment, why),
    };
    let _ = writeln!(std::io::stderr(), "stentor: {}", why.trim_end());
    exit
}

impl Args {
    fn options(&self) -> Result<daemon::Options, String> {
        if self.web_config.is_some() {
            return Err(
                "--web.config.file is not built yet: put a proxy with TLS and \
                        authentication before a loopback address"
                    .to_owned(),
            );
        }
        if self.datasource_url.is_some() && !self.dry_run {
            return Err(
                "--datasource.url names no receiver: add --notify.dry-run, or write a \
                        configuration and name it by --config.file"
                    .to_owned(),
            );
        }
        let external_url = self.external_url.clone().unwrap_or_default();
        if !external_url.is_empty() && reqwest::Url::parse(&external_url).is_err() {
            return Err(format!("--web.external-url: {external_url:?} is no URL"));
        }
        let files = match (&self.config_file, &self.datasource_url) {
            (Some(file), _) => setup::Files::Config(file.clone()),
            (None, Some(url)) => setup::Files::Flags {
                url: url.clone(),
                rule_files: self.rule_files.clone(),
            },
            (None, None) => return Err("expected --config.file FILE".to_owned()),
        };
        Ok(daemon::Options {
            from: setup::From {
                files,
                external_url,
                dry_run: self.dry_run,
                allow_empty: self.allow_empty,
            },
            storage: self.storage.clone(),
            listen: self.listen,
        })
    }
}

/// `:9095` is every address, as in Prometheus.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let full = match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => text.replace("localhost:", "127.0.0.1:"),
    };
    full.parse()
        .map_err(|_| format!("expected ADDRESS:PORT such as 127.0.0.1:9095, found {text:?}"))
}

impl Log {
    /// Lines go to standard error. Control characters in what is logged are escaped.
    fn install(&self) {
        let level = match self.level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        };
        // Other libraries' debug lines hold URLs, which may be secrets.
        let filter = EnvFilter::new(format!("warn,stentor={level}"));
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_span_events(FmtSpan::NONE)
            .with_target(false)
            .with_writer(std::io::stderr);
        let result = match self.format {
            LogFormat::Text => lines.with_ansi(false).try_init(),
            LogFormat::Json => lines.json().flatten_event(true).try_init(),
        };
        drop(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_prometheus_takes_them() {
        for (text, address) in [
            ("127.0.0.1:9095", Some("127.0.0.1:9095")),
            (":9095", Some("0.0.0.0:9095")),
            ("localhost:1", Some("127.0.0.1:1")),
            ("[::1]:9095", Some("[::1]:9095")),
            ("9095", None),
            ("example.com:80", None),
        ] {
            let read = listen_address(text).ok().map(|address| address.to_string());
            assert_eq!(read.as_deref(), address, "{text}");
        }
    }
}
