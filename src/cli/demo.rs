//! `stentor demo`: all of Stentor over a simulated backend, in one process, with nothing installed.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use stentor_lang::model::{Duration, Timestamp};
use tokio::net::TcpListener;

use super::Exit;
use super::diagnostics::visible;
use super::run::listen_address;
use super::signals::stopped;
use crate::demo::live::{Live, Told};
use crate::demo::{Demo, GATEWAYS, Happening, Kind, Options, SPEEDS, Size, http};
use crate::query_api::STACK;

/// The arguments of `stentor demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How much faster than real time it goes, from 1 to 600
    #[arg(
        long,
        value_name = "TIMES",
        default_value_t = 60,
        value_parser = clap::value_parser!(i64).range(SPEEDS)
    )]
    speed: i64,
    /// Ends after this much real time, such as 60s; the default is to go on until Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = how_long)]
    how_long: Option<Duration>,
    /// Makes another run of the same kind: all noise comes from this number
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Where the page and Prometheus' query API are served, which change nothing
    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9095",
        value_parser = listen_address
    )]
    listen: SocketAddr,
}

fn how_long(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a duration such as 60s or 10m, found {text:?}");
    let duration = Duration::parse(text).map_err(|_| expected())?;
    if duration <= Duration::ZERO {
        return Err(expected());
    }
    Ok(duration)
}

/// An exit code and the reason that is still to be told.
type Failure = (Exit, String);

/// Runs the demo.
pub(crate) fn run(args: &Args) -> Exit {
    match demo(args) {
        Ok(()) => Exit::Good,
        Err((exit, why)) => {
            let _ = writeln!(std::io::stderr(), "stentor: {}", why.trim_end());
            exit
        }
    }
}

fn demo(args: &Args) -> Result<(), Failure> {
    let environment =
        |what: &str, error: &dyn std::fmt::Display| (Exit::Environment, format!("{what}: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .map_err(|error| environment("no threads can be started", &error))?;
    let listener = runtime.block_on(TcpListener::bind(args.listen));
    let listener = listener.map_err(|error| {
        let why = format!(
            "{}: {error}; name another port by --web.listen-address, or port 0 for any that is free",
            args.listen
        );
        (Exit::Environment, why)
    })?;
    let own = listener.local_addr();
    let own = own.map_err(|error| environment("the address", &error))?;
    let url = format!("http://{own}");
    let demo = Demo::new(Options {
        size: Size {
            gateways: GATEWAYS,
            seed: args.seed,
        },
        start: whole_minute(),
        url: url.as_str().into(),
    });
    let demo = demo.map_err(|why| (Exit::Usage, why))?;
    let terminal = Terminal::new();
    // Whoever closes the pipe has read enough.
    if terminal.head(&demo.subtitle(), args.speed, &url).is_err() {
        return Ok(());
    }
    let live = Arc::new(Live::new(demo, args.speed));
    let simulation = {
        let live = Arc::clone(&live);
        let thread = std::thread::Builder::new().stack_size(STACK);
        let work = move || live.run(|told| terminal.line(&told));
        thread
            .spawn(work)
            .map_err(|error| environment("no thread can be started", &error))?
    };
    let served = runtime.block_on(async {
        let stop = stopped().map_err(|error| environment("signals", &error))?;
        let over = async {
            match args.how_long {
                Some(how_long) => tokio::time::sleep(how_long.to_std()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = http::serve(listener, Arc::clone(&live)) => {
                ended.map_err(|error| environment("the HTTP server ended", &error))
            }
            () = stop => Ok(()),
            () = over => Ok(()),
            () = live.ended() => Ok(()),
        }
    });
    live.stop();
    let joined = simulation.join();
    // A query that still runs is not waited for.
    runtime.shutdown_background();
    if let Err(panic) = joined {
        std::panic::resume_unwind(panic);
    }
    served
}

/// The present minute: from there on virtual time goes its own way.
fn whole_minute() -> Timestamp {
    const MINUTE: u64 = 60_000;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
    Timestamp::from_millis((millis - millis % MINUTE).cast_signed())
}

/// Where lines go.
struct Terminal {
    color: bool,
}

impl Terminal {
    fn new() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            color: std::io::stdout().is_terminal() && !no_color,
        }
    }

    fn head(&self, subtitle: &str, speed: i64, url: &str) -> std::io::Result<()> {
        let (bold, plain) = if self.color {
            ("\u{1b}[1m", "\u{1b}[0m")
        } else {
            ("", "")
        };
        let times = if speed == 1 {
            "in real time".to_owned()
        } else {
            format!("at {speed} times real time")
        };
        let mut out = std::io::stdout().lock();
        write!(
            out,
            "{bold}Stentor demo{plain}: {subtitle}, simulated, {times}\n\
             \x20 page     {bold}{url}/{plain}\n\
             \x20 Grafana  add {url} as a Prometheus data source\n\
             \x20 Times are virtual. PagerDuty and Slack are played here: nothing leaves this process. \
             End it with Ctrl-C.\n"
        )?;
        out.flush()
    }

    fn line(&self, told: &Told) -> std::io::Result<()> {
        let line = match told {
            Told::Happened(happening) => self.happening(happening),
            Told::Slow(speed) => {
                format!(
                    "          this machine is too slow for that speed: it goes on at {speed:.0} times\n"
                )
            }
        };
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes())?;
        out.flush()
    }

    fn happening(&self, happening: &Happening) -> String {
        let (word, style) = style(happening.kind);
        let time = happening.at.rfc3339();
        let time = time.get(11..19).unwrap_or(&time);
        let text = visible(&happening.text);
        let gap = if happening.kind == Kind::Now {
            "\n"
        } else {
            ""
        };
        if self.color {
            format!("{gap}\u{1b}[2m{time}\u{1b}[0m  \u{1b}[{style}m{word:<18}{text}\u{1b}[0m\n")
        } else {
            format!("{gap}{time}  {word:<18}{text}\n")
        }
    }
}

/// The word for a line, and how a terminal shows it.
const fn style(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Now => ("what happens now", "1;36"),
        Kind::Over => ("it is over", "36"),
        Kind::Pending => ("pending", "33"),
        Kind::Firing => ("firing", "1;31"),
        Kind::Resolved => ("resolved", "32"),
        Kind::Cleared => ("not for long", "2"),
        Kind::Page => ("PagerDuty opens", "1;37;41"),
        Kind::Update => ("PagerDuty updates", "31"),
        Kind::Closed => ("PagerDuty closes", "1;32"),
        Kind::Slack => ("Slack", "35"),
        Kind::Error => ("error", "1;31"),
    }
}
