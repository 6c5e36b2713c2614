//! Plots as SVG text: series over time with the threshold, the states of the alerts behind them, and a mark for each
//! notification. The same chart is the same text; colours are CSS classes, so that a page decides on light and dark.
//!
//! Text keeps its size on every screen: the root has no `viewBox`, positions across are percentages, and only the
//! lines are stretched, in an inner `svg` of their own.

mod axis;
mod lane;
mod names;
mod path;

use std::fmt::Write as _;

use stentor_core::timeline::State;
use stentor_lang::model::{Duration, Timestamp};

use super::words;
use axis::{Range, Window};

pub(super) use lane::{lane, lane_axis};
pub(super) use names::names;

/// The height of the plotted area, in pixels.
const HEIGHT: f64 = 176.0;
/// The height of the lane above it, in which notifications are marked.
const LANE: f64 = 26.0;
/// The height of the lane below it, for the times.
const FOOT: f64 = 24.0;
/// The classes of the first series: the palette, which people tell apart who see fewer colours. The others are grey.
const COLOURS: [&str; 8] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"];
const OTHER: &str = "other";
/// So many series are told apart in colours, whether or not alerts are about them.
const FEW: usize = 4;
/// Marks nearer than this are one, in percent of the width.
const APART: f64 = 1.6;
/// How many notifications the tooltip of one mark names.
const NAMED: usize = 12;

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    /// What it shows, for those who do not see it: `connections of the fleet`.
    pub(crate) title: String,
    /// The first instant.
    pub(crate) start: Timestamp,
    /// The last instant.
    pub(crate) end: Timestamp,
    /// Points farther apart than this are not joined: data is missing between them.
    pub(crate) gap: Duration,
    /// What the series are compared with.
    pub(crate) threshold: Option<(&'static str, f64)>,
    /// The series, the most important first.
    pub(crate) lines: Vec<Line>,
    /// How many further series are not drawn.
    pub(crate) left_out: usize,
    /// When something was pending or fired, in any order.
    pub(crate) bands: Vec<Band>,
    /// The notifications, in order of time.
    pub(crate) marks: Vec<Mark>,
}

/// A series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// What tells it from the others: `instance=gw-3`.
    pub(crate) name: String,
    /// Whether an alert is about it. Where there are such series among others, only these have colours.
    pub(crate) alerts: bool,
    /// Its points, in order of time; those without a finite value are gaps.
    pub(crate) points: Vec<(Timestamp, f64)>,
}

/// A time in which something was pending or fired.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Band {
    /// Which of both.
    pub(crate) state: State,
    /// From when.
    pub(crate) from: Timestamp,
    /// Until when; the end of the chart where it went on.
    pub(crate) until: Timestamp,
}

/// A notification.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    /// When.
    pub(crate) at: Timestamp,
    /// What kind.
    pub(crate) kind: MarkKind,
    /// What it said and to whom.
    pub(crate) text: String,
}

/// What a notification does to the one who gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MarkKind {
    /// It says that all is over.
    Resolve,
    /// It can be read later.
    Message,
    /// It wakes somebody.
    Page,
}

impl MarkKind {
    const fn class(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Message => "message",
            Self::Page => "page",
        }
    }

    /// Its shape around the origin; shapes differ as colours do.
    const fn shape(self) -> &'static str {
        match self {
            Self::Resolve => "M-5 0 L-1.5 4 L5.5 -4.5",
            Self::Message => "M-4.5 -4.5 H4.5 V4.5 H-4.5 Z",
            Self::Page => "M-6 -5.5 H6 L0 6 Z",
        }
    }
}

impl Chart {
    /// The chart as an `svg` element with a legend below it.
    pub(crate) fn svg(&self) -> String {
        let window = Window::new(self.start, self.end);
        let range = Range::of(self);
        let mut svg = String::new();
        let height = LANE + HEIGHT + FOOT;
        let _ = write!(
            svg,
            "<figure class=\"plot\"><svg role=\"img\" width=\"100%\" height=\"{height}\">\
             <title>{}</title><desc>{}</desc>",
            escape(&self.title),
            escape(&self.description(&range)),
        );
        self.draw_bands(&mut svg, &window);
        axis::draw(&mut svg, &window, &range);
        self.draw_lines(&mut svg, &window, &range);
        self.draw_threshold(&mut svg, &range);
        self.draw_marks(&mut svg, &window);
        if !self.has_values() {
            let middle = LANE + HEIGHT / 2.0;
            let _ = write!(
                svg,
                "<text class=\"empty\" x=\"50%\" y=\"{middle}\">no values in this time</text>"
            );
        }
        svg.push_str("</svg>");
        self.legend(&mut svg);
        svg.push_str("</figure>");
        svg
    }

    fn has_values(&self) -> bool {
        let mut points = self.lines.iter().flat_map(|line| &line.points);
        points.any(|(_, value)| value.is_finite())
    }

    /// The class of a line by its place: its colour.
    fn class(&self, index: usize) -> &'static str {
        let marked = self.lines.iter().filter(|line| line.alerts).count();
        let others_grey = (1..self.lines.len()).contains(&marked) && self.lines.len() > FEW;
        if others_grey && !self.lines[index].alerts {
            return OTHER;
        }
        COLOURS.get(index).copied().unwrap_or(OTHER)
    }

    /// The chart in a sentence.
    fn description(&self, range: &Range) -> String {
        let mut text = format!(
            "{} from {} to {} UTC",
            words::plural(self.lines.len(), "line"),
            words::moment(self.start),
            words::moment(self.end)
        );
        if self.has_values() {
            let (least, most) = (words::number(range.least), words::number(range.most));
            let _ = write!(text, ", values from {least} to {most}");
        }
        if let Some((op, value)) = self.threshold {
            let _ = write!(text, ", threshold {op} {}", words::number(value));
        }
        for (state, name) in [(State::Pending, "pending"), (State::Firing, "firing")] {
            let spans = spans(&self.bands, state);
            if let Some((from, _)) = spans.first() {
                let _ = write!(text, ", first {name} at {}", words::moment(*from));
            }
        }
        let _ = write!(
            text,
            ", {}.",
            words::plural(self.marks.len(), "notification")
        );
        text
    }

    /// Firing lies over pending, so that both are seen where alerts of one rule overlap.
    fn draw_bands(&self, svg: &mut String, window: &Window) {
        for state in [State::Pending, State::Firing] {
            for (from, until) in spans(&self.bands, state) {
                let (left, right) = (window.percent(from), window.percent(until));
                let (name, width) = (state.as_str(), right - left);
                let title = band_title(state, from, until);
                let _ = write!(
                    svg,
                    "<g class=\"band {name}\"><title>{title}</title>\
                     <rect x=\"{left:.2}%\" y=\"{LANE}\" width=\"{width:.2}%\" height=\"{HEIGHT}\"/>\
                     <line x1=\"{left:.2}%\" x2=\"{right:.2}%\" y1=\"{y}\" y2=\"{y}\"/></g>",
                    y = LANE + HEIGHT - 1.5,
                );
            }
        }
    }

    fn draw_lines(&self, svg: &mut String, window: &Window, range: &Range) {
        let _ = write!(
            svg,
            "<svg y=\"{LANE}\" width=\"100%\" height=\"{HEIGHT}\" viewBox=\"0 0 1000 {HEIGHT}\" \
             preserveAspectRatio=\"none\" class=\"lines\">"
        );
        // the most important is drawn last, so that it lies on top
        for (index, line) in self.lines.iter().enumerate().rev() {
            let path = path::of(line, self.gap, window, range);
            if !path.is_empty() {
                let (class, name) = (self.class(index), escape(&line.name));
                let _ = write!(
                    svg,
                    "<path class=\"{class}\" d=\"{path}\"><title>{name}</title></path>"
                );
            }
        }
        svg.push_str("</svg>");
    }

    fn draw_threshold(&self, svg: &mut String, range: &Range) {
        let Some((op, value)) = self.threshold.filter(|(_, value)| value.is_finite()) else {
            return;
        };
        let y = LANE + range.y(value);
        // the label stands on the side where the alert does not fire, or where there is room
        let above = !op.starts_with('>') && y > LANE + 20.0 || y > LANE + HEIGHT - 20.0;
        let label = if above { y - 6.0 } else { y + 15.0 };
        let _ = write!(
            svg,
            "<g class=\"threshold\"><line x1=\"0\" x2=\"100%\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"6\" y=\"{label:.1}\">{} {}</text></g>",
            escape(op),
            words::number(value)
        );
    }

    /// Notifications that stand too near to each other are one mark: the gravest, with their number.
    fn draw_marks(&self, svg: &mut String, window: &Window) {
        let mut marks: Vec<&Mark> = self.marks.iter().collect();
        marks.sort_by_key(|mark| mark.at);
        let mut rest = marks.as_slice();
        while let Some(first) = rest.first() {
            let left = window.percent(first.at);
            let near = |mark: &&&Mark| window.percent(mark.at) - left < APART;
            let (these, others) = rest.split_at(rest.iter().take_while(near).count().max(1));
            draw_mark(svg, left, these);
            rest = others;
        }
    }

    fn legend(&self, html: &mut String) {
        html.push_str("<figcaption class=\"legend\">");
        let coloured = |(index, _): &(usize, &Line)| self.class(*index) != OTHER;
        let (shown, grey): (Vec<_>, Vec<_>) = self.lines.iter().enumerate().partition(coloured);
        for (index, line) in shown {
            key_of_line(html, self.class(index), &line.name);
        }
        match grey.as_slice() {
            [] => {}
            [(_, line)] => key_of_line(html, OTHER, &line.name),
            more => key_of_line(html, OTHER, &format!("{} others", words::count(more.len()))),
        }
        if self.left_out > 0 {
            let _ = write!(
                html,
                "<span>{} not drawn</span>",
                words::count(self.left_out)
            );
        }
        for state in [State::Pending, State::Firing] {
            if self.bands.iter().any(|band| band.state == state) {
                let name = state.as_str();
                let _ = write!(html, "<span><i class=\"swatch {name}\"></i>{name}</span>");
            }
        }
        for kind in [MarkKind::Page, MarkKind::Message, MarkKind::Resolve] {
            if self.marks.iter().any(|mark| mark.kind == kind) {
                let (class, shape) = (kind.class(), kind.shape());
                let _ = write!(
                    html,
                    "<span><svg width=\"14\" height=\"14\" aria-hidden=\"true\">\
                     <path class=\"mark {class}\" transform=\"translate(7 7)\" d=\"{shape}\"/></svg>{class}</span>"
                );
            }
        }
        html.push_str("</figcaption>");
    }
}

/// The times in which something was in a state, joined where they touch.
fn spans(bands: &[Band], state: State) -> Vec<(Timestamp, Timestamp)> {
    let of_state = bands.iter().filter(|band| band.state == state);
    let mut spans: Vec<_> = of_state.map(|band| (band.from, band.until)).collect();
    spans.sort_unstable();
    let mut joined: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (from, until) in spans {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            _ => joined.push((from, until)),
        }
    }
    joined
}

/// What the tooltip of a band says.
fn band_title(state: State, from: Timestamp, until: Timestamp) -> String {
    format!(
        "{} {} – {} UTC ({})",
        state.as_str(),
        words::moment(from),
        words::moment(until),
        words::span(until - from)
    )
}

fn draw_mark(svg: &mut String, left: f64, marks: &[&Mark]) {
    let Some(kind) = marks.iter().map(|mark| mark.kind).max() else {
        return;
    };
    let mut text = String::new();
    for mark in marks.iter().take(NAMED) {
        let _ = writeln!(text, "{} UTC: {}", words::moment(mark.at), mark.text);
    }
    if marks.len() > NAMED {
        let _ = writeln!(text, "and {} more", marks.len() - NAMED);
    }
    let (class, shape) = (kind.class(), kind.shape());
    let _ = write!(
        svg,
        "<svg x=\"{left:.2}%\" class=\"notification {class}\"><title>{}</title>\
         <line y1=\"{LANE}\" y2=\"{}\"/><path class=\"mark {class}\" transform=\"translate(0 13)\" d=\"{shape}\"/>",
        escape(text.trim_end()),
        LANE + HEIGHT,
    );
    if marks.len() > 1 {
        let _ = write!(svg, "<text x=\"9\" y=\"17\">{}</text>", marks.len());
    }
    svg.push_str("</svg>");
}

fn key_of_line(html: &mut String, class: &str, name: &str) {
    let _ = write!(
        html,
        "<span><svg width=\"18\" height=\"8\" aria-hidden=\"true\" class=\"lines\">\
         <path class=\"{class}\" d=\"M1 4 H17\"/></svg><bdi>{}</bdi></span>",
        escape(name)
    );
}

/// Text for an element or an attribute in double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
