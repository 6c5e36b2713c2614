//! What the system says of this process, for the usual `process_…` metrics.

/// Figures of the process.
pub(crate) struct Own {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: i64,
    pub(crate) open_files: i64,
}

/// Reads them; nothing where there is no `/proc`.
pub(crate) fn read() -> Option<Own> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let files = std::fs::read_dir("/proc/self/fd").ok()?.count();
    parse(&stat, i64::try_from(files).ok()?)
}

fn parse(stat: &str, open_files: i64) -> Option<Own> {
    // The name in parentheses may hold spaces; fields are counted from behind it, state being 3.
    let (_, fields) = stat.rsplit_once(") ")?;
    let field = |number: usize| fields.split(' ').nth(number - 3)?.parse::<i64>().ok();
    let ticks = field(14)? + field(15)?;
    #[expect(clippy::cast_precision_loss, reason = "exact for thousands of years")]
    let cpu_seconds = ticks as f64 / TICKS_PER_SECOND;
    Some(Own {
        cpu_seconds,
        resident_bytes: field(24)? * PAGE_BYTES,
        open_files,
    })
}

/// `sysconf(_SC_CLK_TCK)`, 100 on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The size of a page on the architectures that images are built for.
const PAGE_BYTES: i64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_may_hold_anything() {
        let fields: Vec<String> = (3..=52).map(|n| n.to_string()).collect();
        let stat = format!("1 (a) b) {}", fields.join(" "));
        let own = parse(&stat, 7).expect("parsed");
        assert!((own.cpu_seconds - 0.29).abs() < 1e-9);
        assert_eq!(own.resident_bytes, 24 * 4096);
        assert_eq!(own.open_files, 7);
        assert!(parse("", 0).is_none());
        assert!(read().is_none_or(|own| own.resident_bytes > 0));
    }
}
