//! What a detector says of a scene, and what a step with it is worth.

use burn::tensor::Tensor;
use detloss::matching::Anchors;

/// Width and height of a cell, pixels: the strides of the body multiplied.
pub(crate) const CELL: usize = 8;

/// What a detector says of all cells: those of a scene row by row, scene after scene.
pub(crate) struct Output {
    /// `[cells, columns]`.
    pub(crate) logits: Tensor<2>,
    /// What the decoder makes boxes of, `[cells, numbers]`; without a criterion corners in pixels of the scene.
    pub(crate) boxes: Tensor<2>,
    /// The logit that a cell has besides its classes, `[cells, 1]`, if the criterion has one.
    pub(crate) quality: Option<Tensor<2>>,
}

/// A step of training, in numbers.
pub(crate) struct Value {
    /// What has the gradient.
    pub(crate) total: Tensor<1>,
    /// The loss of the scores: of classes and of quality.
    pub(crate) scores: f64,
    /// The loss of the boxes; none without objects.
    pub(crate) boxes: Option<f64>,
}

/// x, y of the middle of a cell of a scene with so many cells in a row, pixels.
pub(crate) fn middle(cell: usize, columns: usize) -> [f32; 2] {
    [cell % columns, cell / columns].map(|place| (place * CELL) as f32 + CELL as f32 / 2.0)
}

/// The middles of the cells of a scene, as points with strides.
pub(crate) fn anchors(grid: usize) -> Anchors<f32> {
    let points: Vec<f32> = (0..grid * grid).flat_map(|cell| middle(cell, grid)).collect();
    let strides = vec![CELL as f32; grid * grid];
    Anchors::points(&points, &strides).expect("points with a stride each")
}

/// The numbers of a tensor, out of their graph.
pub(crate) fn numbers(tensor: &Tensor<2>) -> Vec<f32> {
    let data = tensor.clone().without_autodiff().into_data();
    data.try_to_vec().expect("the detector computes in f32")
}
