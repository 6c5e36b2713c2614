//! Character classes: Perl, POSIX and Unicode groups by the names that Go knows.
//!
//! `\d`, `\w`, `\s` and the POSIX classes are ASCII, as in RE2.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// The last code points around the surrogates, which no text in UTF-8 contains.
const BELOW_SURROGATES: u32 = 0xd7ff;
const ABOVE_SURROGATES: u32 = 0xe000;

/// The characters `low..=high`; code points that are no characters are left out.
pub(super) fn range(low: u32, high: u32) -> Option<ClassUnicodeRange> {
    let surrogate = |code: u32| char::from_u32(code).is_none();
    let low = if surrogate(low) {
        ABOVE_SURROGATES
    } else {
        low
    };
    let high = if surrogate(high) {
        BELOW_SURROGATES
    } else {
        high
    };
    if low > high {
        return None;
    }
    Some(ClassUnicodeRange::new(
        char::from_u32(low)?,
        char::from_u32(high)?,
    ))
}

/// A class of ranges, with what folds to the same characters where `fold` is set.
pub(super) fn class(ranges: Vec<ClassUnicodeRange>, fold: bool) -> ClassUnicode {
    let mut class = ClassUnicode::new(ranges);
    if fold {
        class.case_fold_simple();
    }
    class
}

fn ascii(ranges: &[(u8, u8)], fold: bool, negated: bool) -> ClassUnicode {
    let ranges = ranges
        .iter()
        .map(|(low, high)| ClassUnicodeRange::new(char::from(*low), char::from(*high)));
    let mut class = class(ranges.collect(), fold);
    if negated {
        class.negate();
    }
    class
}

const DIGIT: &[(u8, u8)] = &[(b'0', b'9')];
const WORD: &[(u8, u8)] = &[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')];
const PERL_SPACE: &[(u8, u8)] = &[(b'\t', b'\n'), (b'\x0c', b'\r'), (b' ', b' ')];

/// The class of `\d`, `\D`, `\s`, `\S`, `\w` or `\W`, by its letter.
pub(super) fn perl(letter: u8, fold: bool) -> Option<ClassUnicode> {
    let ranges = match letter.to_ascii_lowercase() {
        b'd' => DIGIT,
        b's' => PERL_SPACE,
        b'w' => WORD,
        _ => return None,
    };
    Some(ascii(ranges, fold, letter.is_ascii_uppercase()))
}

/// The class that a name such as `alnum` or `^alnum` stands for inside `[: :]`.
pub(super) fn posix(name: &str, fold: bool) -> Option<ClassUnicode> {
    let (name, negated) = match name.strip_prefix('^') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let ranges: &[(u8, u8)] = match name {
        "alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        "alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        "ascii" => &[(0, 0x7f)],
        "blank" => &[(b'\t', b'\t'), (b' ', b' ')],
        "cntrl" => &[(0, 0x1f), (0x7f, 0x7f)],
        "digit" => DIGIT,
        "graph" => &[(b'!', b'~')],
        "lower" => &[(b'a', b'z')],
        "print" => &[(b' ', b'~')],
        "punct" => &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')],
        "space" => &[(b'\t', b'\r'), (b' ', b' ')],
        "upper" => &[(b'A', b'Z')],
        "word" => WORD,
        "xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return None,
    };
    Some(ascii(ranges, fold, negated))
}

/// The class of `\p{name}`, where Go knows the name: a general category, its long name, a script,
/// `Any`, `ASCII` or `Assigned`.
pub(super) fn unicode(name: &str, fold: bool) -> Option<ClassUnicode> {
    let canonical = canonical(name);
    let query = match canonical.as_str() {
        "any" => r"[\x00-\x{10FFFF}]".to_owned(),
        "ascii" => r"[\x00-\x7F]".to_owned(),
        "assigned" => r"\P{gc=Cn}".to_owned(),
        // Surrogates: none of them is in a text.
        "cs" | "surrogate" => return Some(ClassUnicode::empty()),
        // Regular-expression syntax of its own has POSIX names for some categories.
        "cntrl" => r"\p{gc=Cc}".to_owned(),
        "digit" => r"\p{gc=Nd}".to_owned(),
        "punct" => r"\p{gc=P}".to_owned(),
        known if CATEGORIES.contains(&known) => format!(r"\p{{gc={known}}}"),
        known if SCRIPTS.split_whitespace().any(|script| script == known) => {
            format!(r"\p{{sc={known}}}")
        }
        _ => return None,
    };
    let hir = regex_syntax::parse(&query).ok()?;
    let mut class = match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => class,
        HirKind::Class(Class::Bytes(bytes)) => bytes.to_unicode_class()?,
        // A class of one character.
        HirKind::Literal(literal) => {
            let c = std::str::from_utf8(&literal.0).ok()?.chars().next()?;
            ClassUnicode::new([ClassUnicodeRange::new(c, c)])
        }
        _ => return None,
    };
    if fold {
        class.case_fold_simple();
    }
    Some(class)
}

/// Go compares names without regard to case, underscores, spaces and hyphens.
fn canonical(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The general categories of Go's `unicode` package and their aliases.
const CATEGORIES: &[&str] = &[
    "c",
    "cc",
    "cf",
    "cn",
    "co",
    "l",
    "lc",
    "ll",
    "lm",
    "lo",
    "lt",
    "lu",
    "m",
    "mc",
    "me",
    "mn",
    "n",
    "nd",
    "nl",
    "no",
    "p",
    "pc",
    "pd",
    "pe",
    "pf",
    "pi",
    "po",
    "ps",
    "s",
    "sc",
    "sk",
    "sm",
    "so",
    "z",
    "zl",
    "zp",
    "zs",
    "casedletter",
    "closepunctuation",
    "combiningmark",
    "connectorpunctuation",
    "control",
    "currencysymbol",
    "dashpunctuation",
    "decimalnumber",
    "enclosingmark",
    "finalpunctuation",
    "format",
    "initialpunctuation",
    "letter",
    "letternumber",
    "lineseparator",
    "lowercaseletter",
    "mark",
    "mathsymbol",
    "modifierletter",
    "modifiersymbol",
    "nonspacingmark",
    "number",
    "openpunctuation",
    "other",
    "otherletter",
    "othernumber",
    "otherpunctuation",
    "othersymbol",
    "paragraphseparator",
    "privateuse",
    "punctuation",
    "separator",
    "spaceseparator",
    "spacingmark",
    "symbol",
    "titlecaseletter",
    "unassigned",
    "uppercaseletter",
];

/// The scripts of Go's `unicode` package; their four-letter codes are not names there.
const SCRIPTS: &str = "\
    adlam ahom anatolianhieroglyphs arabic armenian avestan balinese bamum bassavah batak \
    bengali bhaiksuki bopomofo brahmi braille buginese buhid canadianaboriginal carian \
    caucasianalbanian chakma cham cherokee chorasmian common coptic cuneiform cypriot \
    cyprominoan cyrillic deseret devanagari divesakuru dogra duployan egyptianhieroglyphs \
    elbasan elymaic ethiopic georgian glagolitic gothic grantha greek gujarati gunjalagondi \
    gurmukhi han hangul hanifirohingya hanunoo hatran hebrew hiragana imperialaramaic \
    inherited inscriptionalpahlavi inscriptionalparthian javanese kaithi kannada katakana \
    kawi kayahli kharoshthi khitansmallscript khmer khojki khudawadi lao latin lepcha limbu \
    lineara linearb lisu lycian lydian mahajani makasar malayalam mandaic manichaean marchen \
    masaramgondi medefaidrin meeteimayek mendekikakui meroiticcursive meroitichieroglyphs \
    miao modi mongolian mro multani myanmar nabataean nagmundari nandinagari newtailue newa \
    nko nushu nyiakengpuachuehmong ogham olchiki oldhungarian olditalic oldnortharabian \
    oldpermic oldpersian oldsogdian oldsoutharabian oldturkic olduyghur oriya osage osmanya \
    pahawhhmong palmyrene paucinhau phagspa phoenician psalterpahlavi rejang runic samaritan \
    saurashtra sharada shavian siddham signwriting sinhala sogdian sorasompeng soyombo \
    sundanese sylotinagri syriac tagalog tagbanwa taile taitham taiviet takri tamil tangsa \
    tangut telugu thaana thai tibetan tifinagh tirhuta toto ugaritic vai vithkuqi wancho \
    warangciti yezidi yi zanabazarsquare";
