//! Anchored expressions that need no automaton, which is most of what matchers hold.

/// How to match without a regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fast {
    /// `.*`
    Any,
    /// `.+`
    NotEmpty,
    /// `text`
    Exact(Box<str>),
    /// `one|two|three`, sorted.
    OneOf(Box<[Box<str>]>),
    /// `text.*`, or `text.+` with at least one more byte.
    Prefix(Box<str>, usize),
    /// `.*text`, or `.+text` with at least one more byte.
    Suffix(Box<str>, usize),
    /// `.*text.*`
    Contains(Box<str>),
}

impl Fast {
    /// The shortcut for an expression in which `.` matches everything, where it has one.
    pub(super) fn of(pattern: &str) -> Option<Self> {
        if let Some(texts) = alternatives(pattern) {
            return Some(match <[Box<str>; 1]>::try_from(texts) {
                Ok([text]) => Self::Exact(text),
                Err(mut texts) => {
                    texts.sort_unstable();
                    texts.dedup();
                    Self::OneOf(texts.into())
                }
            });
        }
        let text = |pattern| match alternatives(pattern)?.as_mut_slice() {
            [text] => Some(std::mem::take(text)),
            _ => None,
        };
        match (pattern.strip_prefix(".*"), pattern.strip_suffix(".*")) {
            (Some(""), _) => return Some(Self::Any),
            (Some(rest), Some(_)) => return Some(Self::Contains(text(rest.strip_suffix(".*")?)?)),
            (Some(rest), None) => return Some(Self::Suffix(text(rest)?, 0)),
            (None, Some(rest)) => return Some(Self::Prefix(text(rest)?, 0)),
            (None, None) => {}
        }
        match (pattern.strip_prefix(".+"), pattern.strip_suffix(".+")) {
            (Some(""), _) => Some(Self::NotEmpty),
            (Some(rest), None) => Some(Self::Suffix(text(rest)?, 1)),
            (None, Some(rest)) => Some(Self::Prefix(text(rest)?, 1)),
            _ => None,
        }
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::NotEmpty => !text.is_empty(),
            Self::Exact(exact) => **exact == *text,
            Self::OneOf(texts) => texts.binary_search_by(|t| (**t).cmp(text)).is_ok(),
            Self::Prefix(part, more) => {
                text.len() >= part.len() + more && text.starts_with(&**part)
            }
            Self::Suffix(part, more) => text.len() >= part.len() + more && text.ends_with(&**part),
            Self::Contains(part) => text.contains(&**part),
        }
    }
}

/// The texts of `one|two\.three`, if there is nothing else in the expression.
fn alternatives(pattern: &str) -> Option<Vec<Box<str>>> {
    let mut texts = vec![String::new()];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let last = texts.last_mut()?;
        match c {
            '|' => texts.push(String::new()),
            '\\' => {
                let c = chars.next()?;
                if !c.is_ascii_punctuation() {
                    return None;
                }
                last.push(c);
            }
            '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            c => last.push(c),
        }
    }
    Some(texts.into_iter().map(Into::into).collect())
}
