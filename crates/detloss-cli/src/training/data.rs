//! Where scenes come from.

use detloss_coco::{Annotation, GroundTruth, Id};

use super::scene::{Object, Scene, xywh};

/// A class of objects.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Class {
    /// The key of its category.
    pub(crate) id: u64,
    /// What it is called.
    pub(crate) name: String,
    /// The id of its category in COCO files, where that is not its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) written: Option<Id>,
}

impl Class {
    /// A class whose category has this number for an id.
    pub(crate) fn new(id: u64, name: impl Into<String>) -> Self {
        Self { id, name: name.into(), written: None }
    }

    /// A class whose category has this id, and this key for it.
    pub(crate) fn of(key: u64, id: Id, name: &str) -> Self {
        let written = Some(id).filter(|id| *id != Id::Whole(key.into()));
        Self { written, ..Self::new(key, name) }
    }

    /// The id of its category as COCO files have it.
    pub(crate) fn written(&self) -> Id {
        self.written.clone().unwrap_or(Id::Whole(self.id.into()))
    }
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
