//! Values under the verbs of Go's `fmt`, with their flags, widths and complaints.

use std::fmt::Write as _;

use super::MAX_TEXT_BYTES;
use super::float;
use super::value::Value;
use crate::model::labels::quote;

/// The largest width and precision; Go's.
pub(super) const MAX_WIDTH: usize = 1_000_000;

/// A text became larger than [`MAX_TEXT_BYTES`].
pub(super) struct TooLong;

/// Go's `unicode.IsPrint`.
pub(super) fn is_printable(c: char) -> bool {
    quote(c.encode_utf8(&mut [0; 4])).chars().nth(1) == Some(c) || matches!(c, '"' | '\\')
}

/// The flags, width and precision of a verb.
#[derive(Default, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags of a verb are independent of each other"
)]
pub(super) struct Flags {
    pub(super) sharp: bool,
    pub(super) zero: bool,
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) space: bool,
    pub(super) plus_v: bool,
    pub(super) sharp_v: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

/// The text so far, and the verb under way.
#[derive(Default)]
pub(super) struct Printer {
    pub(super) out: String,
    pub(super) flags: Flags,
    /// Print what a pointer points to, as an action does.
    pub(super) indirect: bool,
}

impl Printer {
    pub(super) fn check(&self) -> Result<(), TooLong> {
        if self.out.len() > MAX_TEXT_BYTES {
            Err(TooLong)
        } else {
            Ok(())
        }
    }

    /// `type=value`, as complaints show an argument.
    pub(super) fn typed(&mut self, value: &Value<'_>) -> Result<(), TooLong> {
        self.out.push_str(value.type_name());
        if matches!(value, Value::Nil) {
            return Ok(());
        }
        self.out.push('=');
        self.print(value, 'v')
    }

    fn bad(&mut self, value: &Value<'_>, verb: char) -> Result<(), TooLong> {
        let _ = write!(self.out, "%!{verb}(");
        self.typed(value)?;
        self.out.push(')');
        Ok(())
    }

    pub(super) fn print(&mut self, value: &Value<'_>, verb: char) -> Result<(), TooLong> {
        match verb {
            'T' => {
                self.text(value.type_name(), 's');
                return Ok(());
            }
            'p' => return self.bad(value, verb),
            _ => {}
        }
        let known = match value {
            Value::Nil | Value::Pending => {
                if verb == 'v' {
                    self.pad("<nil>");
                    return Ok(());
                }
                let _ = write!(self.out, "%!{verb}(<nil>)");
                return Ok(());
            }
            Value::Bool(value) if matches!(verb, 't' | 'v') => {
                self.pad(if *value { "true" } else { "false" });
                true
            }
            Value::Int(value) => self.integer(*value < 0, value.unsigned_abs(), verb, false),
            Value::Whole(kind, value) => match kind.name(*value) {
                Some(name) if is_textual(verb) => self.text(name, verb),
                _ => self.integer(*value < 0, value.unsigned_abs(), verb, false),
            },
            Value::Byte(value) => self.integer(false, u64::from(*value), verb, true),
            Value::Float(value) => self.float(*value, verb),
            Value::Text(text) | Value::Html(text) => self.text(text, verb),
            Value::Time(time) if is_textual(verb) => self.text(&time.to_string(), verb),
            Value::Duration(nanos) if is_textual(verb) => {
                self.text(&super::time::duration(*nanos), verb)
            }
            Value::Duration(nanos) if self.indirect => {
                self.integer(*nanos < 0, nanos.unsigned_abs(), verb, false)
            }
            Value::Data(_)
            | Value::Labels(_)
            | Value::Args(_)
            | Value::Samples(_)
            | Value::Sample(_) => {
                self.compound(value, verb)?;
                true
            }
            _ => false,
        };
        if known {
            self.check()
        } else {
            self.bad(value, verb)
        }
    }

    fn compound(&mut self, value: &Value<'_>, verb: char) -> Result<(), TooLong> {
        match value {
            Value::Labels(labels) => {
                let pairs = labels
                    .iter()
                    .map(|(name, value)| (name, Value::from(value)));
                self.map(pairs, "map[string]string", verb)
            }
            Value::Args(args) => {
                let pairs = args
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.clone()));
                self.map(pairs, "map[string]interface {}", verb)
            }
            Value::Data(data) => {
                let fields = [
                    ("Labels", Value::Labels(data.labels)),
                    ("ExternalLabels", Value::Labels(data.external_labels)),
                    ("ExternalURL", Value::from(data.external_url)),
                    ("Value", Value::Float(data.value)),
                ];
                self.fields(value.type_name(), &fields, verb)
            }
            Value::Sample(sample) => {
                let pointer = if self.indirect { "" } else { "&" };
                self.out.push_str(pointer);
                let fields = [
                    ("Labels", Value::Labels(&sample.0)),
                    ("Value", Value::Float(sample.1)),
                ];
                self.fields("template.sample", &fields, verb)
            }
            Value::Samples(samples) => {
                self.out.push('[');
                for (index, sample) in samples.iter().enumerate() {
                    if index > 0 {
                        self.out.push(' ');
                    }
                    self.print(&Value::Sample(sample), verb)?;
                }
                self.out.push(']');
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn map<'n, 'd>(
        &mut self,
        pairs: impl Iterator<Item = (&'n str, Value<'d>)>,
        name: &str,
        verb: char,
    ) -> Result<(), TooLong> {
        let sharp = self.flags.sharp_v;
        self.out.push_str(if sharp { name } else { "map" });
        self.out.push(if sharp { '{' } else { '[' });
        for (index, (name, value)) in pairs.enumerate() {
            if index > 0 {
                self.out.push_str(if sharp { ", " } else { " " });
            }
            self.print(&Value::from(name), verb)?;
            self.out.push(':');
            self.print(&value, verb)?;
        }
        self.out.push(if sharp { '}' } else { ']' });
        Ok(())
    }

    fn fields(
        &mut self,
        name: &str,
        fields: &[(&str, Value<'_>)],
        verb: char,
    ) -> Result<(), TooLong> {
        let sharp = self.flags.sharp_v;
        if sharp {
            self.out.push_str(name);
        }
        self.out.push('{');
        for (index, (name, value)) in fields.iter().enumerate() {
            if index > 0 {
                self.out.push_str(if sharp { ", " } else { " " });
            }
            if sharp || self.flags.plus_v {
                let _ = write!(self.out, "{name}:");
            }
            self.print(value, verb)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn pad(&mut self, text: &str) {
        let missing = self
            .flags
            .width
            .unwrap_or(0)
            .saturating_sub(text.chars().count());
        if missing == 0 {
            self.out.push_str(text);
        } else if self.flags.minus {
            self.out.push_str(text);
            self.fill(missing);
        } else {
            self.fill(missing);
            self.out.push_str(text);
        }
    }

    fn fill(&mut self, count: usize) {
        let zero = self.flags.zero && !self.flags.minus;
        let c = if zero { '0' } else { ' ' };
        self.out.extend(std::iter::repeat_n(c, count));
    }

    fn pad_without_zeros(&mut self, text: &str) {
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text);
        self.flags.zero = zero;
    }

    fn text(&mut self, text: &str, verb: char) -> bool {
        let cut = match self.flags.precision {
            Some(precision) => match text.char_indices().nth(precision) {
                Some((at, _)) => &text[..at],
                None => text,
            },
            None => text,
        };
        match verb {
            'v' if self.flags.sharp_v => self.quoted(cut),
            'v' | 's' => self.pad(cut),
            'q' => self.quoted(cut),
            'x' | 'X' => self.hex(text, verb == 'X'),
            _ => return false,
        }
        true
    }

    fn quoted(&mut self, text: &str) {
        let raw = |c: char| c == '\t' || (c >= ' ' && !matches!(c, '`' | '\x7f' | '\u{feff}'));
        if self.flags.sharp && text.chars().all(raw) {
            self.pad(&format!("`{text}`"));
        } else if self.flags.plus {
            self.pad(&ascii_only(&quote(text)));
        } else {
            self.pad(&quote(text));
        }
    }

    fn hex(&mut self, text: &str, upper: bool) {
        let length = self.flags.precision.unwrap_or(usize::MAX).min(text.len());
        let mut encoded = String::with_capacity(length * 2);
        let prefix = match (self.flags.sharp && length > 0, upper) {
            (false, _) => "",
            (true, true) => "0X",
            (true, false) => "0x",
        };
        encoded.push_str(prefix);
        for (index, byte) in text.bytes().take(length).enumerate() {
            if self.flags.space && index > 0 {
                encoded.push(' ');
                encoded.push_str(prefix);
            }
            let _ = if upper {
                write!(encoded, "{byte:02X}")
            } else {
                write!(encoded, "{byte:02x}")
            };
        }
        self.pad(&encoded);
    }

    fn integer(&mut self, negative: bool, value: u64, verb: char, byte: bool) -> bool {
        let digits = match verb {
            'v' if self.flags.sharp_v && byte => format!("0x{value:x}"),
            'd' | 'v' => value.to_string(),
            'b' => format!("{value:b}"),
            'o' | 'O' => format!("{value:o}"),
            'x' => format!("{value:x}"),
            'X' => format!("{value:X}"),
            'c' | 'q' | 'U' => {
                self.character(negative, value, verb);
                return true;
            }
            _ => return false,
        };
        let mut wanted = 0;
        if let Some(precision) = self.flags.precision {
            wanted = precision;
            if precision == 0 && value == 0 {
                self.pad_without_zeros("");
                return true;
            }
        } else if self.flags.zero && !self.flags.minus {
            let sign = negative || self.flags.plus || self.flags.space;
            wanted = self
                .flags
                .width
                .unwrap_or(0)
                .saturating_sub(usize::from(sign));
        }
        let sign = match (negative, self.flags.plus, self.flags.space) {
            (true, _, _) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        let zeros = "0".repeat(wanted.saturating_sub(digits.len()));
        let prefix = match verb {
            'O' => "0o",
            'b' if self.flags.sharp => "0b",
            'o' if self.flags.sharp && zeros.is_empty() && !digits.starts_with('0') => "0",
            'x' if self.flags.sharp => "0x",
            'X' if self.flags.sharp => "0X",
            _ => "",
        };
        self.pad_without_zeros(&format!("{sign}{prefix}{zeros}{digits}"));
        true
    }

    fn character(&mut self, negative: bool, value: u64, verb: char) {
        let code = u32::try_from(value).ok().filter(|_| !negative);
        let c = code.and_then(char::from_u32);
        let shown = c.unwrap_or(char::REPLACEMENT_CHARACTER);
        match verb {
            'c' => self.pad(shown.encode_utf8(&mut [0; 4])),
            'q' => {
                let inner = match shown {
                    '\'' => "\\'".to_owned(),
                    '"' => "\"".to_owned(),
                    c => {
                        let quoted = quote(c.encode_utf8(&mut [0; 4]));
                        quoted[1..quoted.len() - 1].to_owned()
                    }
                };
                let inner = if self.flags.plus {
                    ascii_only(&inner)
                } else {
                    inner
                };
                self.pad(&format!("'{inner}'"));
            }
            _ => {
                let number = if negative {
                    value.wrapping_neg()
                } else {
                    value
                };
                let digits = self.flags.precision.unwrap_or(4).max(4);
                let mut text = format!("U+{number:0digits$X}", digits = digits.min(MAX_WIDTH));
                if let Some(c) = c.filter(|c| self.flags.sharp && is_printable(*c)) {
                    let _ = write!(text, " '{c}'");
                }
                self.pad_without_zeros(&text);
            }
        }
    }

    fn float(&mut self, value: f64, verb: char) -> bool {
        let precision = match verb {
            'v' | 'b' | 'g' | 'G' | 'x' | 'X' => self.flags.precision,
            'f' | 'e' | 'E' | 'F' => Some(self.flags.precision.unwrap_or(6)),
            _ => return false,
        };
        let kind = match verb {
            'v' => 'g',
            'F' => 'f',
            verb => verb,
        };
        let text = float::format(value, kind, precision);
        let (sign, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) if text.starts_with('-') => ("-", digits),
            Some(digits) => ("+", digits),
            None => ("+", text.as_str()),
        };
        let sign = match sign {
            "+" if self.flags.space && !self.flags.plus => " ",
            sign => sign,
        };
        if !value.is_finite() {
            let bare = value.is_nan() && !self.flags.space && !self.flags.plus;
            let sign = if bare { "" } else { sign };
            self.pad_without_zeros(&format!("{sign}{digits}"));
            return true;
        }
        let digits = if self.flags.sharp && verb != 'b' {
            with_point(digits, kind, precision)
        } else {
            digits.to_owned()
        };
        if !self.flags.plus && sign == "+" {
            self.pad(&digits);
        } else if self.flags.zero && !self.flags.minus {
            self.out.push_str(sign);
            let missing = self
                .flags
                .width
                .unwrap_or(0)
                .saturating_sub(digits.len() + 1);
            self.fill(missing);
            self.out.push_str(&digits);
        } else {
            self.pad(&format!("{sign}{digits}"));
        }
        true
    }
}

/// The verbs for which Go asks a value for its text.
const fn is_textual(verb: char) -> bool {
    matches!(verb, 'v' | 's' | 'q' | 'x' | 'X')
}

/// The `#` flag of a float: a decimal point in any case, and the zeros that `%g` leaves out.
fn with_point(digits: &str, kind: char, precision: Option<usize>) -> String {
    let split = digits
        .find(['e', 'E', 'p', 'P'])
        .filter(|_| !matches!(kind, 'x' | 'X'));
    let (number, tail) = digits.split_at(split.unwrap_or(digits.len()));
    let mut number = number.to_owned();
    let mut wanted = match kind {
        'g' | 'G' => precision.unwrap_or(6),
        _ => 0,
    };
    let significant = number
        .trim_start_matches(['0', '.'])
        .bytes()
        .filter(u8::is_ascii_digit)
        .count();
    wanted = wanted.saturating_sub(significant);
    if !number.contains('.') {
        if number == "0" {
            wanted = wanted.saturating_sub(1);
        }
        number.push('.');
    }
    number.extend(std::iter::repeat_n('0', wanted));
    number + tail
}

/// A quoted text with everything outside ASCII escaped.
fn ascii_only(quoted: &str) -> String {
    let mut out = String::with_capacity(quoted.len());
    for c in quoted.chars() {
        let code = u32::from(c);
        let _ = match code {
            0..=0x7f => {
                out.push(c);
                Ok(())
            }
            0x80..=0xffff => write!(out, "\\u{code:04x}"),
            _ => write!(out, "\\U{code:08x}"),
        };
    }
    out
}
