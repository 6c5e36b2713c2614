//! Go's `fmt`: `Sprint`, `Sprintln` and `Sprintf` with all its verbs, flags and complaints.

use std::fmt::Write as _;

use super::MAX_TEXT_BYTES;
use super::printer::{Flags, MAX_WIDTH, Printer, TooLong, is_printable};
use super::value::Value;

/// `U+0041 'A'`, as Go's `%#U`.
pub(super) fn unicode_name(c: char) -> String {
    let code = format!("U+{:04X}", u32::from(c));
    if is_printable(c) {
        format!("{code} '{c}'")
    } else {
        code
    }
}

/// Go's `fmt.Sprint`: a space between two operands of which neither is a text.
pub(super) fn sprint(args: &[Value<'_>]) -> Result<String, TooLong> {
    sprint_with(Printer::default(), args)
}

/// The same for `html` and the like, which print what pointers point to.
pub(super) fn sprint_indirect(args: &[Value<'_>]) -> Result<String, TooLong> {
    let printer = Printer {
        indirect: true,
        ..Printer::default()
    };
    sprint_with(printer, args)
}

fn sprint_with(mut printer: Printer, args: &[Value<'_>]) -> Result<String, TooLong> {
    let mut after_text = true;
    for arg in args {
        let text = matches!(arg, Value::Text(_) | Value::Html(_));
        if !after_text && !text {
            printer.out.push(' ');
        }
        printer.print(arg, 'v')?;
        after_text = text;
    }
    Ok(printer.out)
}

/// Go's `fmt.Sprintln`.
pub(super) fn sprintln(args: &[Value<'_>]) -> Result<String, TooLong> {
    let mut printer = Printer::default();
    for (index, arg) in args.iter().enumerate() {
        if index > 0 {
            printer.out.push(' ');
        }
        printer.print(arg, 'v')?;
    }
    printer.out.push('\n');
    Ok(printer.out)
}

/// Appends a value as an action prints it.
pub(super) fn print_value(out: &mut String, value: &Value<'_>) {
    match value {
        Value::Nil => out.push_str("<no value>"),
        Value::Pending => {}
        Value::Text(text) | Value::Html(text) => out.push_str(text),
        Value::Float(value) => out.push_str(&crate::model::number::format_g(*value)),
        value => {
            let mut printer = Printer {
                out: std::mem::take(out),
                indirect: true,
                ..Printer::default()
            };
            // The limit is checked by the caller, which knows the whole output.
            let _ = printer.print(value, 'v');
            *out = printer.out;
        }
    }
}

/// Go's `fmt.Sprintf`.
pub(super) fn sprintf(format: &str, args: &[Value<'_>]) -> Result<String, TooLong> {
    let mut run = Run {
        format,
        at: 0,
        args,
        next: 0,
        reordered: false,
        good: true,
        after_index: false,
        printer: Printer::default(),
    };
    run.all()?;
    Ok(run.printer.out)
}

/// One `Sprintf` under way.
struct Run<'a, 'd> {
    format: &'a str,
    at: usize,
    args: &'a [Value<'d>],
    next: usize,
    reordered: bool,
    good: bool,
    after_index: bool,
    printer: Printer,
}

impl Run<'_, '_> {
    fn peek(&self) -> Option<u8> {
        self.format.as_bytes().get(self.at).copied()
    }

    fn all(&mut self) -> Result<(), TooLong> {
        while let Some(found) = self.format[self.at..].find('%') {
            let text = &self.format[self.at..self.at + found];
            self.printer.out.push_str(text);
            self.at += found + 1;
            self.one()?;
            self.printer.check()?;
        }
        self.printer.out.push_str(&self.format[self.at..]);
        self.extra()
    }

    fn one(&mut self) -> Result<(), TooLong> {
        self.good = true;
        self.printer.flags = Flags::default();
        let flags = &mut self.printer.flags;
        while let Some(byte) = self.format.as_bytes().get(self.at) {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        self.index();
        self.width();
        self.precision();
        if !self.after_index {
            self.index();
        }
        let Some(verb) = self.format[self.at..].chars().next() else {
            self.printer.out.push_str("%!(NOVERB)");
            return Ok(());
        };
        self.at += verb.len_utf8();
        self.verb(verb)
    }

    fn verb(&mut self, verb: char) -> Result<(), TooLong> {
        let out = &mut self.printer.out;
        if verb == '%' {
            out.push('%');
        } else if !self.good {
            let _ = write!(out, "%!{verb}(BADINDEX)");
        } else if let Some(arg) = self.args.get(self.next) {
            let flags = &mut self.printer.flags;
            if matches!(verb, 'v' | 'w') {
                flags.sharp_v = std::mem::take(&mut flags.sharp);
                flags.plus_v = std::mem::take(&mut flags.plus);
            }
            self.next += 1;
            if flags.width.is_some_and(|width| width > MAX_TEXT_BYTES) {
                return Err(TooLong);
            }
            flags.precision = flags.precision.map(|p| p.min(MAX_TEXT_BYTES + 1));
            self.printer.print(arg, verb)?;
        } else {
            let _ = write!(out, "%!{verb}(MISSING)");
        }
        Ok(())
    }

    /// An explicit index such as `[2]`.
    fn index(&mut self) {
        self.after_index = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = &self.format[self.at + 1..];
        let Some(end) = rest.find(']') else {
            self.at += 1;
            self.good = false;
            return;
        };
        let number = rest[..end].parse::<usize>();
        self.at += end + 2;
        match number {
            Ok(number) if (1..=self.args.len()).contains(&number) => {
                self.next = number - 1;
                self.after_index = true;
            }
            Ok(_) => {
                self.good = false;
                self.after_index = true;
            }
            Err(_) => self.good = false,
        }
    }

    fn width(&mut self) {
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.star() {
                Some(width) => {
                    self.printer.flags.width = Some(width.unsigned_abs());
                    if width < 0 {
                        self.printer.flags.minus = true;
                        self.printer.flags.zero = false;
                    }
                }
                None => self.printer.out.push_str("%!(BADWIDTH)"),
            }
            self.after_index = false;
        } else {
            let width = self.number();
            self.printer.flags.width = width;
            if self.after_index && width.is_some() {
                self.good = false;
            }
        }
    }

    fn precision(&mut self) {
        if self.peek() != Some(b'.') || self.at + 1 >= self.format.len() {
            return;
        }
        self.at += 1;
        if self.after_index {
            self.good = false;
        }
        self.index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.star() {
                Some(precision) => self.printer.flags.precision = usize::try_from(precision).ok(),
                None => self.printer.out.push_str("%!(BADPREC)"),
            }
            self.after_index = false;
        } else {
            self.printer.flags.precision = Some(self.number().unwrap_or(0));
        }
    }

    /// The argument that a `*` takes: a whole number within the limit.
    fn star(&mut self) -> Option<isize> {
        let arg = self.args.get(self.next);
        self.next = (self.next + 1).min(self.args.len().max(self.next));
        let number = isize::try_from(arg?.whole()?).ok()?;
        (number.unsigned_abs() <= MAX_WIDTH).then_some(number)
    }

    /// A width or precision. One that is far too large takes the rest of the format with it.
    fn number(&mut self) -> Option<usize> {
        let mut number = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            let known = number.unwrap_or(0);
            if known > MAX_WIDTH {
                self.at = self.format.len();
                return None;
            }
            number = Some(known * 10 + usize::from(digit - b'0'));
            self.at += 1;
        }
        number
    }

    fn extra(&mut self) -> Result<(), TooLong> {
        if self.reordered || self.next >= self.args.len() {
            return Ok(());
        }
        self.printer.flags = Flags::default();
        self.printer.out.push_str("%!(EXTRA ");
        for (index, arg) in self.args[self.next..].iter().enumerate() {
            if index > 0 {
                self.printer.out.push_str(", ");
            }
            self.printer.typed(arg)?;
        }
        self.printer.out.push(')');
        self.printer.check()
    }
}
