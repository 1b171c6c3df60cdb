//! The files that say what a data set in YOLO's format has: `data.yaml`, and lists of names.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::DuplicateKeyPolicy;

use super::super::{ReadError, each, text};
use crate::problem::{Entry, Kind, Place, Problem};

/// The fields of a `data.yaml` that matter here; all others are left alone.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Settings {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    train: Paths,
    #[serde(default, alias = "valid")]
    val: Paths,
    #[serde(default)]
    test: Paths,
    #[serde(default)]
    nc: Option<u64>,
    #[serde(default)]
    names: Names,
    #[serde(default)]
    kpt_shape: Option<Vec<usize>>,
}

impl Settings {
    /// Reads a file; only one that is no YAML or has fields of another sort is an error.
    pub(crate) fn read(file: &Path) -> Result<Self, ReadError> {
        let text = text::load(file)?;
        let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
        let parsed: Result<Option<Self>, _> = serde_saphyr::from_str_with_options(&text, options);
        match parsed {
            Ok(settings) => Ok(settings.unwrap_or_default()),
            Err(error) => {
                let place = error.location().map(|it| format!("line {}", it.line()));
                let words = error.without_snippet().to_string();
                let words = words.lines().next().unwrap_or_default();
                let words = words.split(" at line").next().unwrap_or_default();
                Err(ReadError::Content {
                    path: file.into(),
                    place: place.unwrap_or_default(),
                    problem: format!("this is no data.yaml ({words})"),
                    remedy: "write path, train, val, test and names as Ultralytics has them",
                })
            }
        }
    }

    /// Whether it is about images: other YAML files have other fields.
    pub(crate) fn has_parts(&self) -> bool {
        self.parts().next().is_some()
    }

    /// The names of the parts with what is written of each.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        let all = [("train", &self.train), ("val", &self.val), ("test", &self.test)];
        all.into_iter()
            .map(|(name, paths)| (name, &*paths.0))
            .filter(|(_, paths)| !paths.is_empty())
    }

    /// The folder that the paths of a file begin at.
    pub(crate) fn base(&self, file: &Path) -> PathBuf {
        let beside = file.parent().unwrap_or(Path::new("")).to_owned();
        let Some(path) = &self.path else { return beside };
        // Of a data set that came from another machine, or lies where its framework keeps all of them, the file lies in the folder.
        Some(beside.join(path.replace('\\', "/"))).filter(|base| base.is_dir()).unwrap_or(beside)
    }

    /// The classes.
    pub(crate) fn names(&self) -> BTreeMap<u64, String> {
        match self.nc {
            Some(count) if self.names.0.is_empty() => {
                // A count that nobody has is no reason to fill the memory.
                const MOST: u64 = 1 << 20;
                (0..count.min(MOST)).map(|class| (class, class.to_string())).collect()
            }
            _ => self.names.0.clone(),
        }
    }

    /// How many numbers the key points of an object are.
    pub(crate) fn keypoints(&self) -> usize {
        let shape = self.kpt_shape.as_deref().unwrap_or_default();
        if shape.is_empty() { 0 } else { shape.iter().fold(1, |all, one| all.saturating_mul(*one)) }
    }

    /// What is wrong there.
    pub(crate) fn problems(&self, file: &Path) -> Vec<Problem> {
        let names = self.names.0.len() as u64;
        let wrong = self.nc.filter(|&count| names > 0 && count != names);
        let problem = |count| Problem {
            kind: Kind::ClassCount,
            place: Place { field: "nc", ..Place::new(&file.into(), Entry::File) },
            said: format!("is {count}, and there are {names} names"),
        };
        wrong.map(problem).into_iter().collect()
    }
}

/// The names of a list with a class in each line, such as `classes.txt`.
pub(crate) fn names_of(file: &Path) -> BTreeMap<u64, String> {
    let text = each::text_of(file).unwrap_or_default();
    let names = text.trim_end().lines().map(|line| line.trim().to_owned());
    (0..).zip(names).filter(|(_, name)| !name.is_empty()).collect()
}

/// A path, a list of them, or none.
#[derive(Debug, Default)]
struct Paths(Vec<String>);

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Vec<String>;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("a path or a list of paths")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Vec::new())
            }

            fn visit_str<E>(self, path: &str) -> Result<Self::Value, E> {
                Ok(vec![path.to_owned()])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut paths = Vec::new();
                while let Some(path) = list.next_element()? {
                    paths.push(path);
                }
                Ok(paths)
            }
        }
        let paths = deserializer.deserialize_any(OneOrMany)?;
        Ok(Self(paths.into_iter().filter(|path| !path.trim().is_empty()).collect()))
    }
}

/// Names in the order of their classes, or by the indices of these.
#[derive(Debug, Default)]
struct Names(BTreeMap<u64, String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListOrMap;
        impl<'de> Visitor<'de> for ListOrMap {
            type Value = Names;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("a list of names, or an index and a name in each line")
            }

            fn visit_unit<E>(self) -> Result<Names, E> {
                Ok(Names::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Names, A::Error> {
                let mut names = BTreeMap::new();
                while let Some(name) = list.next_element()? {
                    names.insert(names.len() as u64, name);
                }
                Ok(Names(names))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = BTreeMap::new();
                while let Some((index, name)) = map.next_entry()? {
                    names.insert(index, name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_any(ListOrMap)
    }
}
