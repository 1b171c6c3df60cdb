//! Ids of images, categories and annotations, as files write them.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An id as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Id {
    /// A whole number; also one written as `1.0`.
    Whole(i128),
    /// A text; also a number of too many digits.
    Text(String),
}

impl Id {
    /// The same id as other tools write it: a number as text, or a text of digits as a number.
    fn other(&self) -> Option<Self> {
        match self {
            Self::Whole(number) => Some(Self::Text(number.to_string())),
            Self::Text(text) => text.trim().parse().ok().map(Self::Whole),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // What fits no number of JSON's readers is written as text.
            Self::Whole(number) => match (u64::try_from(*number), i64::try_from(*number)) {
                (Ok(number), _) => serializer.serialize_u64(number),
                (_, Ok(number)) => serializer.serialize_i64(number),
                _ => serializer.serialize_str(&number.to_string()),
            },
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Unsigned(u64),
            Signed(i64),
            Text(String),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Unsigned(number) => Self::Whole(number.into()),
            Written::Signed(number) => Self::Whole(number.into()),
            Written::Text(text) => Self::Text(text),
        })
    }
}

/// The keys of ids that are not their own.
const FIRST: u64 = 1 << 63;

/// FNV-1a, which is the same on every machine and in every version.
fn hash(id: &Id) -> u64 {
    let text = match id {
        Id::Whole(number) => format!("{number}"),
        // A text of digits is another id than the number.
        Id::Text(text) => format!("\"{text}\""),
    };
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Keys of ids. The key of a whole number from 0 to 2^63 is that number; any other id gets a larger one.
///
/// The key of an id is the same in every file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ids(HashMap<u64, Id>);

impl Ids {
    /// The key of an id, which is listed if it has to be.
    pub(crate) fn key(&mut self, id: Id) -> u64 {
        let key = self.known(&id);
        if key >= FIRST {
            self.0.insert(key, id);
        }
        key
    }

    /// The id of a key.
    pub(crate) fn id(&self, key: u64) -> Id {
        self.0.get(&key).cloned().unwrap_or(Id::Whole(key.into()))
    }

    /// The key that an id has or gets.
    fn known(&self, id: &Id) -> u64 {
        match id {
            Id::Whole(number) if (0..i128::from(FIRST)).contains(number) => *number as u64,
            _ => {
                // Two ids in a million have the same one once in ten million files.
                let mut key = FIRST | hash(id);
                while self.0.get(&key).is_some_and(|other| other != id) {
                    key = FIRST | key.wrapping_add(1);
                }
                key
            }
        }
    }

    /// The key that `exists` under this id, or under the same id written as text or as a number.
    pub(crate) fn find(&self, id: &Id, exists: impl Fn(u64) -> bool) -> Option<u64> {
        let found = |id: &Id| Some(self.known(id)).filter(|&key| exists(key));
        found(id).or_else(|| found(&id.other()?))
    }
}

/// Those of several files.
impl<'a> FromIterator<&'a Self> for Ids {
    fn from_iter<I: IntoIterator<Item = &'a Self>>(files: I) -> Self {
        let all = files.into_iter().flat_map(|ids| &ids.0);
        Self(all.map(|(&key, id)| (key, id.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_their_own_keys_and_all_else_is_listed_and_shown_as_written() {
        let mut ids = Ids::default();
        assert_eq!(ids.key(Id::Whole(7)), 7);
        for id in [Id::Whole(-3), Id::Whole(1 << 64), Id::Text("000001".into())] {
            let key = ids.key(id.clone());
            assert!(key >= FIRST);
            assert_eq!(ids.key(id.clone()), key);
            assert_eq!(ids.id(key), id);
        }
        assert_eq!(ids.id(7), Id::Whole(7));
        assert_eq!(serde_json::to_string(&Id::Whole(-3)).unwrap(), "-3");
        assert_eq!(serde_json::to_string(&Id::Text("01".into())).unwrap(), "\"01\"");
    }

    #[test]
    fn ids_are_read_as_they_were_written() {
        for id in [Id::Whole(7), Id::Whole(-3), Id::Whole(u64::MAX.into()), Id::Text("7".into())] {
            let written = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<Id>(&written).unwrap(), id);
        }
    }

    #[test]
    fn a_number_is_found_under_its_text_and_the_other_way_round() {
        let mut ids = Ids::default();
        let text = ids.key(Id::Text("12".into()));
        let exists = |key| [5, text].contains(&key);
        assert_eq!(ids.find(&Id::Text("5".into()), exists), Some(5));
        assert_eq!(ids.find(&Id::Whole(12), exists), Some(text));
        assert_eq!(ids.find(&Id::Whole(6), exists), None);
        assert_eq!(ids.find(&Id::Text("a".into()), exists), None);
    }
}
