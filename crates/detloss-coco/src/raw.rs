//! The fields of COCO files as they are written, before they are checked.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};

use crate::bbox::Bbox;

#[derive(Deserialize)]
#[serde(bound(deserialize = "B: Bbox"))]
pub(super) struct RawDataset<B: Bbox, const TOLERANT: bool> {
    pub(super) images: Vec<Entry<RawImage, TOLERANT>>,
    pub(super) annotations: Vec<Entry<RawAnnotation<B>, TOLERANT>>,
    pub(super) categories: Option<Vec<Entry<RawCategory, TOLERANT>>>,
}

/// An entry of a list. One that is wrong spoils the list, unless the reader is tolerant.
pub(super) struct Entry<T, const TOLERANT: bool>(pub(super) Result<T, Unreadable>);

/// Why an entry is none.
pub(super) struct Unreadable {
    /// Where in the entry; empty for the whole.
    pub(super) field: String,
    pub(super) problem: String,
}

impl<'de, T: DeserializeOwned, const TOLERANT: bool> Deserialize<'de> for Entry<T, TOLERANT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !TOLERANT {
            return T::deserialize(deserializer).map(|entry| Self(Ok(entry)));
        }
        // Whatever it is has to be read to its end before the next entry begins.
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(serde_path_to_error::deserialize(value).map_err(|error| Unreadable {
            field: error.path().to_string().trim_matches('.').to_owned(),
            problem: error.into_inner().to_string(),
        })))
    }
}

#[derive(Deserialize)]
pub(super) struct RawImage {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) file_name: String,
    #[serde(default, deserialize_with = "side")]
    width: Option<f64>,
    #[serde(default, deserialize_with = "side")]
    height: Option<f64>,
}

impl RawImage {
    /// Width and height, if both are there.
    pub(super) fn size(&self) -> Option<[f64; 2]> {
        Some([self.width?, self.height?])
    }
}

#[derive(Deserialize)]
pub(super) struct RawCategory {
    pub(super) id: u64,
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "B: Bbox"))]
pub(super) struct RawAnnotation<B: Bbox> {
    pub(super) id: Option<u64>,
    pub(super) image_id: u64,
    pub(super) category_id: u64,
    pub(super) bbox: B::Raw,
    pub(super) segmentation: B::Segmentation,
    pub(super) area: Option<f64>,
    #[serde(default, deserialize_with = "flag")]
    pub(super) iscrowd: bool,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "B: Bbox"))]
pub(super) struct RawDetection<B: Bbox> {
    pub(super) image_id: u64,
    pub(super) category_id: u64,
    pub(super) bbox: B::Raw,
    pub(super) segmentation: B::Segmentation,
    pub(super) score: f64,
}

/// Few commands need it: what is no length is as good as none.
fn side<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_f64().filter(|side| *side > 0.0))
}

/// COCO writes 0 and 1; some converters write false and true.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected 0 or 1")]
    enum Flag {
        Bool(bool),
        Number(u8),
    }
    Ok(match Flag::deserialize(deserializer)? {
        Flag::Bool(flag) => flag,
        Flag::Number(number) => number != 0,
    })
}
