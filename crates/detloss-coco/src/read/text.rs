//! The text of a file, whatever a tool has put around it.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::ReadError;

/// The text of a file; `-` is standard input. Takes gzip, UTF-16 and byte order marks.
pub(crate) fn load(path: &Path) -> Result<String, ReadError> {
    let io = |source| ReadError::Io { path: path.into(), source };
    let content = |problem: String, remedy| ReadError::Content {
        path: path.into(),
        place: String::new(),
        problem,
        remedy,
    };
    let mut bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map_err(io)?;
        bytes
    } else {
        fs::read(path).map_err(io)?
    };
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut inside = Vec::new();
        MultiGzDecoder::new(&bytes[..]).read_to_end(&mut inside).map_err(|error| {
            content(
                format!("the gzip file is broken: {error}"),
                "compress it again, or give the plain file",
            )
        })?;
        bytes = inside;
    }
    if let Some(decode) = wide(&bytes) {
        let units = bytes.chunks_exact(2).map(|pair| decode([pair[0], pair[1]]));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        let mut text =
            text.map_err(|_| content("the UTF-16 text is broken".into(), "save it as UTF-8"))?;
        if text.starts_with(MARK) {
            text.remove(0);
        }
        return Ok(text);
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..at];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let head = error.as_bytes().iter().find(|byte| !byte.is_ascii_whitespace());
        match head {
            Some(b'[' | b'{') => content(
                format!("line {line} is not UTF-8 (byte {at} of the file)"),
                "save it as UTF-8",
            ),
            _ => content("is not text".into(), "give a COCO json file"),
        }
    })?;
    if text.starts_with(MARK) {
        text.drain(..MARK.len_utf8());
    }
    Ok(text)
}

const MARK: char = '\u{feff}';

/// How two bytes make a unit, if the text is UTF-16: told by its mark, or by the zero beside its first letter.
fn wide(bytes: &[u8]) -> Option<fn([u8; 2]) -> u16> {
    match *bytes {
        [0xff, 0xfe, ..] | [b'{' | b'[', 0, ..] => Some(u16::from_le_bytes),
        [0xfe, 0xff, ..] | [0, b'{' | b'[', ..] => Some(u16::from_be_bytes),
        _ => None,
    }
}

/// Python writes NaN and Infinity, which are not JSON. As strings they spoil their entry instead of the file. None if there are none.
pub(super) fn quote_infinities(text: &str) -> Option<String> {
    const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    let bytes = text.as_bytes();
    let mut quoted = String::new();
    let (mut at, mut done, mut inside) = (0, 0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if inside => at += 1,
            b'"' => inside = !inside,
            b'-' | b'I' | b'N' if !inside => {
                if let Some(word) = WORDS.iter().find(|word| text[at..].starts_with(**word)) {
                    quoted.push_str(&text[done..at]);
                    quoted.push_str(&format!("\"{word}\""));
                    at += word.len() - 1;
                    done = at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    (done > 0).then(|| quoted + &text[done..])
}
