//! Words and numbers as a terminal shows them.

use std::borrow::Cow;
use std::fmt::Write;

use detloss::loss::{Param, ParamKind};

/// How wide text is set where no terminal says otherwise, and at most.
const WIDEST: usize = 100;

/// How many columns running text may take.
pub(crate) fn width() -> usize {
    full_width().clamp(40, WIDEST)
}

/// How many columns the terminal has.
pub(crate) fn full_width() -> usize {
    terminal_size::terminal_size().map_or(WIDEST, |(columns, _)| columns.0.into())
}

/// A number to ten significant digits: what arithmetic leaves behind the tenth is no news to a reader.
pub(crate) fn number(value: f64) -> String {
    let rounded = format!("{value:.9e}").parse().unwrap_or(value);
    match rounded {
        0.0 => "0".to_owned(),
        small_or_large
            if !(1e-4..1e10).contains(&f64::abs(small_or_large)) && value.is_finite() =>
        {
            format!("{rounded:e}")
        }
        _ => format!("{rounded}"),
    }
}

/// A share in hundredths.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A time as people say it.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        ..90.0 => format!("{seconds:.0} seconds"),
        ..5400.0 => format!("{:.0} minutes", seconds / 60.0),
        _ => format!("{:.1} hours", seconds / 3600.0),
    }
}

/// Numbers between commas.
pub(crate) fn numbers(values: &[f64]) -> String {
    values.iter().map(|&value| number(value)).collect::<Vec<_>>().join(", ")
}

/// The value of a parameter.
pub(crate) fn param(param: &Param, value: f64) -> String {
    if param.kind == ParamKind::Switch { param.show(value) } else { number(value) }
}

/// Words with all that a reader would not see, or that would act on a terminal, written out as JSON writes it: `\u001b`. Line breaks, too.
pub(crate) fn visible(words: &str) -> Cow<'_, str> {
    if !words.contains(is_unseen) {
        return words.into();
    }
    let mut seen = String::with_capacity(words.len() + 16);
    for letter in words.chars() {
        match letter {
            '\n' => seen.push_str("\\n"),
            '\r' => seen.push_str("\\r"),
            '\t' => seen.push_str("\\t"),
            _ if is_unseen(letter) => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    _ = write!(seen, "\\u{unit:04x}");
                }
            }
            _ => seen.push(letter),
        }
    }
    seen.into()
}

/// The same for text of several lines.
pub(crate) fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// Controls, marks that turn the direction of text, breaks, and letters without a shape. Joiners stay: some scripts need them.
pub(crate) fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Running text as a terminal shows it, whatever names it has in it.
pub(crate) fn prose(words: &str) -> String {
    textwrap::fill(&visible(words), width())
}

/// At most so many letters: a longer name loses its middle.
pub(crate) fn shortened(name: &str, most: usize) -> String {
    let length = name.chars().count();
    if length <= most {
        return name.to_owned();
    }
    let kept = most.saturating_sub(1);
    let head = name.chars().take(kept.div_ceil(2));
    head.chain(['…']).chain(name.chars().skip(length - kept / 2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_four_digits_at_most() {
        assert_eq!(percent(0.12345), "12.3 %");
    }

    #[test]
    fn times_are_said_in_the_unit_that_fits() {
        for (seconds, words) in [(3.4, "3 seconds"), (100.0, "2 minutes"), (9000.0, "2.5 hours")] {
            assert_eq!(duration(seconds), words);
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.1 + 0.2, "0.3"),
            (-0.0, "0"),
            (1e-12, "1e-12"),
            (f64::INFINITY, "inf"),
            (2.0 / 3.0, "0.6666666667"),
            (-1e6, "-1000000"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn what_acts_on_a_terminal_is_seen_and_letters_stay() {
        for (words, seen) in [
            ("tri\u{1b}[31mangle", "tri\\u001b[31mangle"),
            ("\u{1b}]0;x\u{7}a\nb\tc\r", "\\u001b]0;x\\u0007a\\nb\\tc\\r"),
            ("\u{202e}gpj.exe\u{9b}1m\u{7f}", "\\u202egpj.exe\\u009b1m\\u007f"),
            ("\u{2066}a\u{feff}\u{200b}\u{e0041}", "\\u2066a\\ufeff\\u200b\\udb40\\udc41"),
            (
                "Tür 猫 é ■ 👩\u{200d}🚀 نمی\u{200c}خواهم",
                "Tür 猫 é ■ 👩\u{200d}🚀 نمی\u{200c}خواهم",
            ),
        ] {
            assert_eq!(visible(words), seen);
        }
        assert_eq!(visible_lines("a\u{7}\nb\n"), "a\\u0007\nb\n");
    }

    #[test]
    fn a_long_name_keeps_its_ends() {
        assert_eq!(shortened("abcdefghij", 10), "abcdefghij");
        assert_eq!(shortened("abcdefghijk", 6), "abc…jk");
        assert_eq!(shortened("猫猫猫猫", 3), "猫…猫");
    }
}
