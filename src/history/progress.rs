//! How far fetching is, on standard error: a bar where that is a terminal, else a line now and then.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use super::Told;

/// How often a bar is drawn, and a line written.
const BAR: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(10);

const WIDTH: usize = 24;

pub(super) struct Progress {
    /// Whether a bar is drawn; `None` where nothing is told.
    bar: Option<bool>,
    told: Instant,
    drawn: bool,
}

impl Progress {
    pub(super) fn new(wanted: bool) -> Self {
        Self {
            bar: wanted.then(|| std::io::stderr().is_terminal()),
            told: Instant::now(),
            drawn: false,
        }
    }

    /// Tells, if the last time is long ago.
    pub(super) fn show(&mut self, done: f64, samples: usize, told: &Told) {
        let Some(bar) = self.bar else { return };
        if self.told.elapsed() < if bar { BAR } else { LINE } {
            return;
        }
        self.told = Instant::now();
        let text = line(done, samples, told);
        let mut out = std::io::stderr().lock();
        // Nobody has to see it.
        let _ = if bar {
            self.drawn = true;
            write!(out, "\r\x1b[K[{}] {text}", drawing(done)).and_then(|()| out.flush())
        } else {
            writeln!(out, "{text}")
        };
    }

    /// Takes the bar away.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
        }
    }
}

fn drawing(done: f64) -> String {
    let full = (0..WIDTH).filter(|cell| part(*cell) < done).count();
    format!("{}{}", "#".repeat(full), "-".repeat(WIDTH - full))
}

#[expect(clippy::cast_precision_loss, reason = "a few cells")]
fn part(cell: usize) -> f64 {
    (cell as f64 + 0.5) / WIDTH as f64
}

#[expect(clippy::cast_precision_loss, reason = "rounded for people")]
fn line(done: f64, samples: usize, told: &Told) -> String {
    let cached = if told.cached {
        ", partly from the cache"
    } else {
        ""
    };
    format!(
        "{:.0} % of the history, {:.1} M samples, {:.1} MB{cached}",
        done * 100.0,
        samples as f64 / 1e6,
        told.bytes as f64 / 1e6,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_and_its_words() {
        assert_eq!(drawing(0.5), "############------------");
        assert_eq!(drawing(2.0).len(), WIDTH);
        let told = Told {
            bytes: 1_500_000,
            cached: true,
            ..Told::default()
        };
        assert_eq!(
            line(0.25, 2_000_000, &told),
            "25 % of the history, 2.0 M samples, 1.5 MB, partly from the cache"
        );
    }
}
