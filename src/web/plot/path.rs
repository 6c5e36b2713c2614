//! A series as the path of an SVG: joined where data is, broken where it is missing, and never longer than what a
//! screen can show.

use std::fmt::Write as _;

use stentor_lang::model::{Duration, Timestamp};

use super::Line;
use super::axis::{Range, Window};

/// In how many columns a line is drawn. Where a column holds more than four points, the first, the least, the most
/// and the last of them look the same.
const COLUMNS: f64 = 1000.0;

/// The path's `d`, in a box of 1000 by the plot's height; empty where there is no finite value.
pub(super) fn of(line: &Line, gap: Duration, window: &Window, range: &Range) -> String {
    let mut path = String::new();
    let mut run: Vec<(f64, f64)> = Vec::new();
    let mut before: Option<Timestamp> = None;
    for (at, value) in &line.points {
        if !value.is_finite() {
            write_run(&mut path, &run);
            run.clear();
            before = None;
            continue;
        }
        if before.is_some_and(|before| *at - before > gap) {
            write_run(&mut path, &run);
            run.clear();
        }
        run.push((window.percent(*at) * COLUMNS / 100.0, range.y(*value)));
        before = Some(*at);
    }
    write_run(&mut path, &run);
    path
}

fn write_run(path: &mut String, run: &[(f64, f64)]) {
    let mut letter = 'M';
    let mut point = |path: &mut String, (x, y): (f64, f64)| {
        let _ = write!(path, "{letter}{x:.1} {y:.1}");
        letter = 'L';
    };
    let column = |point: &(f64, f64)| point.0.floor();
    for points in run.chunk_by(|a, b| column(a) == column(b)) {
        let lowest = points.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let highest = points.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        match (points, lowest, highest) {
            ([first, _, _, _, .., last], Some(lowest), Some(highest)) => {
                point(path, *first);
                let (a, b) = if lowest.0 <= highest.0 {
                    (lowest, highest)
                } else {
                    (highest, lowest)
                };
                point(path, *a);
                point(path, *b);
                point(path, *last);
            }
            _ => {
                for each in points {
                    point(path, *each);
                }
            }
        }
    }
    // a point without a neighbour is seen as the round end of a line without length
    if run.len() == 1 {
        path.push_str("h0");
    }
}
