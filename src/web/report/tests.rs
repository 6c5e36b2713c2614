use super::*;
use crate::web::sample;

#[test]
fn a_page_needs_nothing_else() {
    let page = page(&sample::report());
    for foreign in [
        "<script", "src=", "@import", "url(", "<link", " on", "style=",
    ] {
        let inside = page.contains(foreign);
        let text_only = foreign == " on" && !page.contains(" onload=\"");
        assert!(!inside || text_only, "{foreign}");
    }
    for part in [
        "24 November 2026, 14:00:00 – 14:40:00 UTC",
        "remote read of http://prometheus.eu-1:9090, cached",
        "12\u{202f}904\u{202f}113 samples",
        "<span class=\"pill critical\">missed</span>",
        "the condition no longer holds, after firing for 11m30s",
        "pagerduty-oncall",
        "Half of the connections of eu-1 are gone: 4.9 k of 50 k are left",
        "The first 1 of 4.",
        "role=\"img\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn hostile_labels_are_text() {
    let page = page(&sample::report());
    assert!(page.contains("[U+202E]gnp.exe"));
    assert!(!page.contains('\u{202e}'));
    assert!(!page.contains("<script"));
    assert!(!page.contains("\"' onload"));
}

#[test]
fn a_run_without_events_is_a_page() {
    let report = stentor_core::report::Report {
        data: stentor_core::report::Data::default(),
        timeline: stentor_core::timeline::Timeline::default(),
        episodes: Vec::new(),
        receivers: Vec::new(),
        rules: Vec::new(),
        incidents: Vec::new(),
        plots: Vec::new(),
        options: stentor_core::report::Options::default(),
    };
    assert!(page(&report).contains("No alert was pending or fired in this time."));
}

#[test]
fn dump() {
    let Ok(out) = std::env::var("PAGES") else {
        return;
    };
    std::fs::write(format!("{out}/report.html"), page(&sample::report())).expect("written");
    std::fs::write(
        format!("{out}/live.html"),
        crate::web::live::render(&sample::page()),
    )
    .expect("written");
}
