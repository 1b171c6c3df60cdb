//! What a page was made from, by what, and when.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::text::visible;

const DAY: u64 = 86_400;

/// A file or a folder that a page was made from.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) what: String,
    pub(super) path: String,
    /// Its size, and when it was written.
    pub(super) state: String,
}

impl Input {
    pub(super) fn new(what: &str, path: &Path) -> Self {
        let state = match path.metadata() {
            Ok(data) if data.is_file() => {
                let written =
                    data.modified().map_or(String::new(), |time| format!(" of {}", moment(time)));
                format!("{} bytes{written}", data.len())
            }
            Ok(data) if data.is_dir() => "a folder".to_owned(),
            _ => "not a file".to_owned(),
        };
        let path = visible(&path.display().to_string()).into_owned();
        Self { what: visible(what).into_owned(), path, state }
    }
}

/// The command line, as a shell takes it.
pub(super) fn command() -> String {
    let rest = std::env::args_os().skip(1);
    let words = rest.map(|word| quoted(&visible(&word.to_string_lossy())));
    std::iter::once("detloss".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-./,:=@%+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Now, or the moment that reproducible-builds.org's SOURCE_DATE_EPOCH names: for pages that are to be the same twice.
pub(super) fn date() -> String {
    let named = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    named.map_or_else(|| moment(SystemTime::now()), of_seconds)
}

fn moment(time: SystemTime) -> String {
    of_seconds(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// A moment of the civil calendar, from seconds after the beginning of 1970. The year begins in March here, so that the odd day is its
/// last.
fn of_seconds(seconds: u64) -> String {
    let (days, rest) = (seconds / DAY + 719_468, seconds % DAY);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = 400 * era + year + u64::from(month <= 2);
    let (hour, minute) = (rest / 3600, rest % 3600 / 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (seconds, words) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_800, "2000-03-01 00:00 UTC"),
            (1_796_000_461, "2026-11-30 01:01 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(of_seconds(seconds), words);
        }
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_read_more_into_them() {
        for (word, shown) in [
            ("--out=a/b.json", "--out=a/b.json"),
            ("inner(ciou, ratio=0.8)", "'inner(ciou, ratio=0.8)'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }

    #[test]
    fn an_input_has_its_size_and_its_date() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gt\u{1b}.json");
        std::fs::write(&file, "[]").unwrap();
        let input = Input::new("annotations", &file);
        assert!(input.state.starts_with("2 bytes of 2"), "{}", input.state);
        assert!(input.path.ends_with("gt\\u001b.json"), "{}", input.path);
        assert_eq!(Input::new("images", folder.path()).state, "a folder");
        assert_eq!(Input::new("detections", Path::new("-")).state, "not a file");
    }
}
