//! Where scenes come from.

use detloss_coco::{Annotation, GroundTruth};

use super::scene::{Object, Scene, xywh};

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
    /// What scenes these are, in words that are others for other scenes.
    fn name(&self) -> &str;
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

/// The place of the class with this id.
pub(crate) fn index_of(classes: &[Class], id: u64) -> usize {
    let place = classes.iter().position(|class| class.id == id);
    place.expect("every category is that of a class")
}

/// All that is to be found in scenes that are images of their own.
pub(crate) fn truth(scenes: &[Scene], classes: &[Class]) -> GroundTruth {
    let objects = scenes.iter().flat_map(|scene| scene.objects.iter().map(|o| (scene.image, o)));
    let annotation = |(index, (image, object)): (usize, (u64, &Object))| {
        let (bbox, category) = (xywh(object.corners), classes[object.class].id);
        let area = bbox[2] * bbox[3];
        Annotation { id: Some(index as u64 + 1), image, category, bbox, area, crowd: false }
    };
    GroundTruth {
        images: scenes.iter().map(|scene| (scene.image, format!("{}.png", scene.image))).collect(),
        sizes: scenes.iter().map(|scene| (scene.image, scene.size.map(f64::from))).collect(),
        categories: classes.iter().map(|class| (class.id, class.name.clone())).collect(),
        annotations: objects.enumerate().map(annotation).collect(),
        ..GroundTruth::default()
    }
}
