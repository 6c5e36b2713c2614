//! JSON as Go's encoder writes it: `<`, `>`, `&` and the two Unicode line separators escaped. The
//! bytes are those that Alertmanager sends, and safe inside HTML.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (before, from) = rest.split_at(at);
            let c = from.chars().next().expect("invariant: found here");
            writer.write_all(before.as_bytes())?;
            writer.write_all(match c {
                '<' => br"\u003c",
                '>' => br"\u003e",
                '&' => br"\u0026",
                '\u{2028}' => br"\u2028",
                _ => br"\u2029",
            })?;
            rest = &from[c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// A value as JSON on one line.
pub(super) fn to_json<T: Serialize>(value: &T) -> String {
    let mut bytes = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut bytes, GoFormatter))
        .expect("invariant: keys are texts, and a Vec takes all");
    String::from_utf8(bytes).expect("invariant: JSON is UTF-8")
}
