//! Regular expressions: the first line is one, the rest is what it is matched with. It is refused, or
//! matches the same whole texts by its fast path and by its automaton.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_lang::regex::Regex;

fuzz_target!(|input: &str| {
    let (pattern, text) = input.split_once('\n').unwrap_or((input, ""));
    match Regex::new(pattern) {
        Ok(regex) => {
            if let Some(found) = regex.find(text) {
                assert!(text.get(found.range()).is_some());
                assert!(regex.is_match(text));
            }
            drop(regex.replace_all_within(text, "$1${name}-$0", 1 << 16));
        }
        Err(error) => assert!(pattern.get(error.span.range()).is_some()),
    }
    assert_eq!(
        Regex::check_anchored(pattern).is_ok(),
        Regex::anchored(pattern).is_ok()
    );
    if let (Ok(fast), Ok(slow)) = (
        Regex::anchored(pattern),
        Regex::new(&format!("^(?s:{pattern})$")),
    ) {
        assert_eq!(
            fast.is_match(text),
            slow.is_match(text),
            "{pattern:?} {text:?}"
        );
        assert_eq!(
            Ok(fast.is_match("")),
            Regex::anchored_matches_empty(pattern)
        );
    }
});
