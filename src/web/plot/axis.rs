//! Where a time and a value lie in a plot, and which of them get a label.

use std::fmt::Write as _;

use stentor_lang::model::Timestamp;

use super::{Chart, HEIGHT, LANE};
use crate::web::words;

/// About as many labels of values as there is room for.
const VALUES: f64 = 4.0;
/// As many labels of times as there is room for on a wide screen; a narrow one shows every second.
const TIMES: i64 = 9;
/// Values beyond this are drawn as this: differences of the largest numbers would overflow.
const FARTHEST: f64 = 1e300;
/// Values nearer to each other than this are drawn as the same: steps between them would vanish.
const NEAREST: f64 = 1e-290;

/// The times of a plot.
pub(super) struct Window {
    start: Timestamp,
    millis: f64,
}

impl Window {
    pub(super) fn new(start: Timestamp, end: Timestamp) -> Self {
        Self {
            start,
            millis: (end - start).seconds().max(0.001),
        }
    }

    /// From 0 to 100 inside of the plot.
    pub(super) fn percent(&self, at: Timestamp) -> f64 {
        ((at - self.start).seconds() / self.millis * 100.0).clamp(0.0, 100.0)
    }
}

/// The values of a plot.
pub(super) struct Range {
    /// The smallest and the largest finite value that is drawn.
    pub(super) least: f64,
    pub(super) most: f64,
    bottom: f64,
    top: f64,
    step: f64,
}

impl Range {
    /// From a round number below everything to one above it; from zero where zero is near.
    pub(super) fn of(chart: &Chart) -> Self {
        let values = chart.lines.iter().flat_map(|line| &line.points);
        let values = values.map(|(_, value)| *value).filter(|v| v.is_finite());
        let (mut least, mut most) = bounds(values).unwrap_or((0.0, 1.0));
        let of_lines = (least, most);
        if let Some((_, threshold)) = chart.threshold.filter(|(_, value)| value.is_finite()) {
            let threshold = threshold.clamp(-FARTHEST, FARTHEST);
            (least, most) = (least.min(threshold), most.max(threshold));
        }
        if least > 0.0 && least < most * 0.6 {
            least = 0.0;
        }
        if most < 0.0 && most > least * 0.6 {
            most = 0.0;
        }
        if most - least <= (most.abs().max(least.abs()) * 1e-9).max(NEAREST) {
            let room = if most.abs() < NEAREST {
                1.0
            } else {
                most.abs() * 0.1
            };
            (least, most) = (least - room, most + room);
            if of_lines.0 >= 0.0 {
                least = least.max(0.0);
            }
        }
        let step = round_step((most - least) / VALUES);
        let bottom = (least / step).floor() * step;
        // a line on the upper edge would be half hidden
        let top = (most / step + 0.04).ceil() * step;
        Self {
            least: of_lines.0,
            most: of_lines.1,
            bottom,
            top,
            step,
        }
    }

    /// From the top of the plotted area, in pixels.
    pub(super) fn y(&self, value: f64) -> f64 {
        let value = value.clamp(self.bottom, self.top);
        HEIGHT * (1.0 - (value - self.bottom) / (self.top - self.bottom))
    }
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values
        .map(|value| value.clamp(-FARTHEST, FARTHEST))
        .fold(None, |bounds, value| match bounds {
            None => Some((value, value)),
            Some((least, most)) => Some((value.min(least), value.max(most))),
        })
}

/// The next of 1, 2, 5, 10, ... that is not below a distance.
fn round_step(distance: f64) -> f64 {
    let power = 10_f64.powf(distance.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|step| step * power);
    let fits = steps.into_iter().find(|step| *step >= distance * 0.999);
    fits.unwrap_or(10.0 * power)
}

/// The distances between labels of times, in milliseconds.
const STEPS: [i64; 24] = [
    1,
    10,
    100,
    1000,
    5000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
];
const DAY: i64 = 86_400_000;

/// The instants that get a label.
fn times(window: &Window) -> Vec<(Timestamp, &'static str)> {
    #[expect(clippy::cast_possible_truncation, reason = "a span of times fits")]
    let millis = (window.millis * 1000.0) as i64;
    let fits = |step: &&i64| millis / **step <= TIMES;
    let step = STEPS.iter().find(fits).copied();
    let step = step.unwrap_or_else(|| (millis / TIMES).max(1));
    let format = match step {
        ..1000 => "%H:%M:%S%.3f",
        1000..60_000 => "%H:%M:%S",
        60_000..DAY => "%H:%M",
        _ => "%-d %b",
    };
    let start = window.start.millis();
    let first = start
        .saturating_sub(start.rem_euclid(step))
        .saturating_add(step);
    let first = if start.rem_euclid(step) == 0 {
        start
    } else {
        first
    };
    let mut times = Vec::new();
    let mut at = first;
    while at <= start.saturating_add(millis) && times.len() <= 2 * STEPS.len() {
        let midnight = at.rem_euclid(DAY) == 0;
        times.push((
            Timestamp::from_millis(at),
            if midnight { "%-d %b" } else { format },
        ));
        let Some(next) = at.checked_add(step) else {
            break;
        };
        at = next;
    }
    times
}

/// Draws both axes with their grid.
pub(super) fn draw(svg: &mut String, window: &Window, range: &Range) {
    svg.push_str("<g class=\"axis\">");
    let mut value = range.bottom;
    let mut lines = 0;
    while value <= range.top + range.step / 2.0 && lines < 20 {
        // sums of steps drift: 0.30000000000000004
        let value_shown = if value.abs() < range.step / 1e3 {
            0.0
        } else {
            value
        };
        let y = LANE + range.y(value);
        let text = words::number(value_shown);
        let base = if lines == 0 { " class=\"base\"" } else { "" };
        let _ = write!(
            svg,
            "<line{base} x1=\"0\" x2=\"100%\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"level\" x=\"-8\" y=\"{:.1}\">{text}</text>",
            y + 4.0
        );
        value += range.step;
        lines += 1;
    }
    draw_times(svg, window, LANE + HEIGHT);
    svg.push_str("</g>");
}

/// Draws the labels of times below a height.
pub(super) fn draw_times(svg: &mut String, window: &Window, bottom: f64) {
    for (index, (at, format)) in times(window).into_iter().enumerate() {
        let x = window.percent(at);
        let class = match (index % 2, x) {
            (1, _) => "time minor",
            (_, ..4.0) => "time first",
            (_, 96.0..) => "time last",
            _ => "time",
        };
        let text = words::written(at, format);
        let _ = write!(
            svg,
            "<line class=\"tick\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"{bottom}\" y2=\"{}\"/>\
             <text class=\"{class}\" x=\"{x:.2}%\" y=\"{}\">{text}</text>",
            bottom + 4.0,
            bottom + 18.0
        );
    }
}
