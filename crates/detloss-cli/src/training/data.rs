//! Where scenes come from.

use super::scene::Scene;
use crate::coco::GroundTruth;

/// A class of objects.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Class {
    /// The id of its category in COCO files.
    pub(crate) id: u64,
    /// What it is called.
    pub(crate) name: String,
}

/// Scenes to train on, and others to judge by.
pub(crate) trait Data: Sync {
    /// What there is to be found.
    fn classes(&self) -> &[Class];
    /// Width and height of all scenes, pixels.
    fn side(&self) -> usize;
    /// The scene at this place of a training run. The same place has the same scene, always.
    fn train(&self, place: u64) -> Scene;
    /// Scenes that are not trained on.
    fn held_out(&self) -> &[Scene];
    /// All that is to be found in the held-out scenes, in pixels of their images.
    fn truth(&self) -> &GroundTruth;
}
