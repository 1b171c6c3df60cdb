use super::prelude::*;
use super::set_prediction::{classes, three_heads};

criterion! {
    /// DINO: focal loss, L1 and GIoU of every layer of the decoder, of the encoder's proposals, and of queries for denoising.
    ///
    /// Boxes are cx, cy, w, h as fractions of the image, of predictions and truths. Queries for denoising come with their pairs and the number
    /// of their groups.
    ///
    /// # References
    ///
    /// Zhang, Li, Liu, Zhang, Su, Zhu, Ni, Shum, *DINO: DETR with Improved DeNoising Anchor Boxes*, ICLR 2023.
    /// <https://arxiv.org/abs/2203.03605>
    "dino" => "DINO", "DINO, models/dino/dino.py, config DINO_4scale",
    Criterion::new(three_heads(Hungarian::default(), &classes("ce", Focal::default(), Labels::OneHot))).all_reduced()
}
