//! The fields of COCO files as they are written. Whatever a field holds, it spoils nothing but itself.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::bbox::Bbox;
use crate::id::Id;
use crate::problem::Kind;

/// A field, if there is one that is not null.
pub(super) type Field<'a> = Option<&'a RawValue>;

/// No number of a box is larger: nothing has so many pixels, and its square is still a number.
pub(super) const LARGEST: f64 = 1e12;

/// An image of the list.
#[derive(Deserialize, Default)]
pub(super) struct RawImage<'a> {
    #[serde(borrow, default)]
    pub(super) id: Field<'a>,
    #[serde(borrow, default)]
    pub(super) file_name: Field<'a>,
    #[serde(borrow, default)]
    pub(super) coco_url: Field<'a>,
    #[serde(borrow, default)]
    width: Field<'a>,
    #[serde(borrow, default)]
    height: Field<'a>,
}

impl RawImage<'_> {
    /// Width and height, if both are lengths.
    pub(super) fn size(&self) -> Option<[f64; 2]> {
        let side = |field| number(field).ok().flatten().filter(|side| *side > 0.0);
        Some([side(self.width)?, side(self.height)?])
    }

    /// The name of its file; LVIS has it as the end of an address.
    pub(super) fn file(&self) -> String {
        if let Some(name) = self.file_name {
            return text(name).into_owned();
        }
        let url = self.coco_url.map(text).unwrap_or_default();
        // As in `train2017/000000000009.jpg`, which is where LVIS has its images.
        let parts: Vec<&str> = url.rsplitn(3, '/').collect();
        parts.iter().take(2).rev().copied().collect::<Vec<_>>().join("/")
    }
}

/// A category of the list.
#[derive(Deserialize, Default)]
pub(super) struct RawCategory<'a> {
    #[serde(borrow, default)]
    pub(super) id: Field<'a>,
    #[serde(borrow, default)]
    pub(super) name: Field<'a>,
}

/// An annotation, or a detection, or what a detector found in one image.
#[derive(Deserialize, Default)]
pub(super) struct RawObject<'a> {
    #[serde(borrow, default)]
    pub(super) id: Field<'a>,
    #[serde(borrow, default)]
    pub(super) image_id: Field<'a>,
    #[serde(borrow, default)]
    pub(super) category_id: Field<'a>,
    #[serde(borrow, default)]
    bbox: Field<'a>,
    #[serde(borrow, default)]
    segmentation: Field<'a>,
    #[serde(borrow, default)]
    pub(super) area: Field<'a>,
    #[serde(borrow, default)]
    pub(super) iscrowd: Field<'a>,
    #[serde(borrow, default)]
    pub(super) score: Field<'a>,
    #[serde(borrow, default)]
    pub(super) instances: Field<'a>,
}

/// A field that is wrong: its name, the kind of problem, and what is wrong.
pub(super) type Fault = (&'static str, Kind, String);

impl RawObject<'_> {
    /// The box.
    pub(super) fn bbox<B: Bbox>(&self) -> Result<B, Fault> {
        let wrong = |(kind, said)| ("bbox", kind, said);
        let mut numbers = [0.0; 8];
        let count =
            self.bbox.map_or(Ok(0), |field| self::numbers(field, &mut numbers)).map_err(wrong)?;
        let segmentation = if B::SEGMENTED { self.segmentation } else { None };
        let bbox = match self.bbox {
            None => None,
            Some(_) if count <= numbers.len() => Some(&numbers[..count]),
            Some(_) => return Err(wrong((Kind::NoBox, format!("has {count} numbers")))),
        };
        B::read(bbox, segmentation.map(RawValue::get)).map_err(wrong)
    }
}

/// The numbers of a list: how many there are, and the first of them.
fn numbers(field: &RawValue, into: &mut [f64]) -> Result<usize, (Kind, String)> {
    let list = field.get().strip_prefix('[').and_then(|list| list.strip_suffix(']'));
    let Some(list) = list else {
        return Err((Kind::NoBox, format!("is {}, not a list of numbers", what(field))));
    };
    let mut count = 0;
    for written in list.split(',').map(str::trim).filter(|written| !written.is_empty()) {
        let unquoted = written.trim_matches('"');
        let number: f64 = match unquoted.parse() {
            Ok(number) => number,
            Err(_) => return Err((Kind::NoBox, format!("{written} is not a number"))),
        };
        if number.is_nan() || number.abs() > LARGEST {
            return Err((Kind::NotFinite, format!("{unquoted} is no number of pixels")));
        }
        if let Some(place) = into.get_mut(count) {
            *place = number;
        }
        count += 1;
    }
    Ok(count)
}

/// A finite number, also one in quotes.
pub(super) fn number(field: Field<'_>) -> Result<Option<f64>, (Kind, String)> {
    let Some(field) = field else { return Ok(None) };
    let written = field.get().trim_matches('"');
    match written.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        Ok(_) => Err((Kind::NotFinite, format!("{written} is not finite"))),
        Err(_) => Err((Kind::BadField, format!("is {}, not a number", what(field)))),
    }
}

/// COCO writes 0 and 1; some converters write false and true.
pub(super) fn flag(field: Field<'_>) -> Result<bool, String> {
    match field.map(RawValue::get) {
        None | Some("0" | "false" | "0.0" | "\"0\"") => Ok(false),
        Some("1" | "true" | "1.0" | "\"1\"") => Ok(true),
        Some(other) => Err(format!("expected 0 or 1, got {}", short(other))),
    }
}

/// An id, if there is one.
pub(super) fn id(field: Field<'_>) -> Result<Option<Id>, String> {
    let Some(field) = field else { return Ok(None) };
    let written = field.get();
    if written.starts_with('"') {
        return Ok(Some(Id::Text(text(field).into_owned())));
    }
    let is_number = written.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    if !is_number {
        return Err(format!("{} is no id", what(field)));
    }
    // 1.0 is what pandas makes of a column that once had a gap.
    let whole = match written.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole,
        _ => written,
    };
    if let Ok(number) = whole.parse() {
        return Ok(Some(Id::Whole(number)));
    }
    if whole.bytes().all(|digit| digit.is_ascii_digit() || digit == b'-') {
        return Ok(Some(Id::Text(whole.to_owned())));
    }
    // Beyond it, neighbours are written alike.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match written.parse::<f64>() {
        Ok(number) if number.fract() == 0.0 && number.abs() < EXACT => {
            Ok(Some(Id::Whole(number as i128)))
        }
        _ => Err(format!("{written} is not a whole number")),
    }
}

/// A field as text: a string, or what is written there.
pub(super) fn text(field: &RawValue) -> Cow<'_, str> {
    match serde_json::from_str::<String>(field.get()) {
        Ok(text) => text.into(),
        Err(_) => field.get().into(),
    }
}

/// What a value is, in words.
pub(super) fn what(value: &RawValue) -> String {
    match value.get().as_bytes().first() {
        Some(b'{') => "an object".into(),
        Some(b'[') => "a list".into(),
        Some(b'"') => format!("the text {}", short(value.get())),
        _ => short(value.get()),
    }
}

/// The beginning of what may be long.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An entry of a list, or how it fails to be one.
pub(super) fn entry<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, String> {
    if !value.get().starts_with('{') {
        return Err(format!("is {}, not an object", what(value)));
    }
    // The text is JSON, so that only a field that is there twice can fail.
    serde_json::from_str(value.get()).map_err(|error| {
        let words = error.to_string();
        let words = words.split(" at line").next().unwrap_or_default();
        match words.strip_prefix("duplicate field ") {
            Some(field) => format!("has the field {field} twice"),
            None => words.to_owned(),
        }
    })
}

/// The entries of a list; or of an object, each with its key. None if it is neither.
pub(super) fn list(value: &RawValue) -> Option<Vec<(Option<String>, &RawValue)>> {
    match value.get().as_bytes().first() {
        Some(b'[') => {
            let entries: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            Some(entries.into_iter().map(|entry| (None, entry)).collect())
        }
        Some(b'{') => {
            let Pairs(pairs) = serde_json::from_str(value.get()).ok()?;
            Some(pairs.into_iter().map(|(key, entry)| (Some(key), entry)).collect())
        }
        _ => None,
    }
}

/// The fields of an object in their order.
pub(super) struct Pairs<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs<'de>;

            fn expecting(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn ids_are_taken_as_tools_write_them() {
        for (written, wanted) in [
            ("1", Id::Whole(1)),
            ("1.0", Id::Whole(1)),
            ("-7", Id::Whole(-7)),
            ("1e3", Id::Whole(1000)),
            ("18446744073709551617", Id::Whole((1 << 64) + 1)),
            ("18446744073709551617.0", Id::Whole((1 << 64) + 1)),
            ("\"000001\"", Id::Text("000001".into())),
            ("\"a\\u00e4\"", Id::Text("aä".into())),
        ] {
            assert_eq!(id(Some(&raw(written))), Ok(Some(wanted)), "{written}");
        }
        // Digits for an id of 160 bits.
        let long = "9".repeat(48);
        assert_eq!(id(Some(&raw(&long))), Ok(Some(Id::Text(long))));
        assert_eq!(id(None), Ok(None));
        for (written, words) in [
            ("1.5", "1.5 is not a whole number"),
            ("1e30", "1e30 is not a whole number"),
            ("true", "true is no id"),
            ("[1]", "a list is no id"),
            ("{}", "an object is no id"),
        ] {
            assert_eq!(id(Some(&raw(written))), Err(words.to_owned()));
        }
    }

    #[test]
    fn an_image_of_lvis_has_the_end_of_its_address_for_a_name() {
        let url = r#"{"id": 9, "coco_url": "http://images.cocodataset.org/train2017/000009.jpg"}"#;
        assert_eq!(entry::<RawImage>(&raw(url)).unwrap().file(), "train2017/000009.jpg");
        assert_eq!(entry::<RawImage>(&raw(r#"{"id": 9}"#)).unwrap().file(), "");
        assert_eq!(entry::<RawImage>(&raw(r#"{"file_name": 12}"#)).unwrap().file(), "12");
    }
}
