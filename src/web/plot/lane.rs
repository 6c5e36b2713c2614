//! The states of one rule's alerts over a whole run, in one low strip: many of them below each other are an overview.

use std::fmt::Write as _;

use stentor_core::timeline::State;
use stentor_lang::model::Timestamp;

use super::axis::{self, Window};
use super::{Band, Mark, MarkKind, band_title, escape, spans};
use crate::web::words;

/// A strip as an `svg` element: pending is low, firing is high, and pages are marked.
pub(crate) fn lane(
    title: &str,
    start: Timestamp,
    end: Timestamp,
    bands: &[Band],
    marks: &[Mark],
) -> String {
    let window = Window::new(start, end);
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg class=\"lane\" role=\"img\" width=\"100%\" height=\"22\"><title>{}</title>\
         <line class=\"base\" x1=\"0\" x2=\"100%\" y1=\"16.5\" y2=\"16.5\"/>",
        escape(title)
    );
    for (state, y, height) in [(State::Pending, 12, 5), (State::Firing, 6, 11)] {
        for (from, until) in spans(bands, state) {
            let (left, right) = (window.percent(from), window.percent(until));
            let (class, text) = (state.as_str(), band_title(state, from, until));
            let _ = write!(
                svg,
                "<g class=\"band {class}\"><title>{text}</title>\
                 <rect x=\"{left:.2}%\" y=\"{y}\" width=\"{:.2}%\" height=\"{height}\"/></g>",
                // what is too short to be seen is seen all the same
                (right - left).max(0.2),
            );
        }
    }
    for mark in marks.iter().filter(|mark| mark.kind == MarkKind::Page) {
        let _ = write!(
            svg,
            "<svg x=\"{:.2}%\" class=\"notification\"><title>{} UTC: {}</title>\
             <path class=\"mark page\" d=\"M-4 0 H4 L0 6 Z\"/></svg>",
            window.percent(mark.at),
            words::moment(mark.at),
            escape(&mark.text)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// The times below the strips.
pub(crate) fn lane_axis(start: Timestamp, end: Timestamp) -> String {
    let mut svg =
        "<svg class=\"lane axis\" aria-hidden=\"true\" width=\"100%\" height=\"24\">".to_owned();
    axis::draw_times(&mut svg, &Window::new(start, end), 0.0);
    svg.push_str("</svg>");
    svg
}
