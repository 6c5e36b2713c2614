//! The order of texts with numbers in them, for `sort_by_label`: `web2` before `web10`.

use std::cmp::Ordering;

/// Runs of digits and of other characters are compared in turn, digits as numbers where both sides
/// have them (facette/natsort, which Prometheus uses). Texts that are equal so are ordered as plain ones.
///
/// Numbers may have any length: natsort compares those beyond 64 bits as texts, which is no order.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    while !rest_a.is_empty() && !rest_b.is_empty() {
        let order = compare_chunks(chunk(&mut rest_a), chunk(&mut rest_b));
        if order.is_ne() {
            return order;
        }
    }
    rest_a.cmp(rest_b).then_with(|| a.cmp(b))
}

fn compare_chunks(a: &str, b: &str) -> Ordering {
    if is_digits(a) && is_digits(b) {
        let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
        a.len().cmp(&b.len()).then_with(|| a.cmp(b))
    } else {
        a.cmp(b)
    }
}

fn is_digits(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Takes the digits, or all up to the next digit.
fn chunk<'a>(rest: &mut &'a str) -> &'a str {
    let digits = is_digits(rest);
    let end = rest
        .find(|c: char| c.is_ascii_digit() != digits)
        .unwrap_or(rest.len());
    let (chunk, behind) = rest.split_at(end);
    *rest = behind;
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_inside_texts_count_as_numbers() {
        let mut texts = [
            "4.9", "web10", "", "web2", "web", "4.10", "web2a", "10", "9", "09",
        ];
        texts.sort_by(|a, b| compare(a, b));
        assert_eq!(
            texts,
            [
                "", "4.9", "4.10", "09", "9", "10", "web", "web2", "web2a", "web10"
            ]
        );
    }
}
