//! The exact direction: down the gradient of a loss.

use detloss::Batch;
use detloss::batch::Kernel;

use super::{Boxes, CASES, Direction};

/// A box by its corners: x1, y1, x2, y2.
type Corners = [f32; 4];

/// Down the gradient of a loss, as the library computes it.
#[derive(Debug)]
pub(crate) struct Exact<'a, L: ?Sized> {
    loss: &'a L,
    pred: [Corners; CASES],
    target: [Corners; CASES],
    grad: [Corners; CASES],
}

impl<'a, L: Kernel + ?Sized> Exact<'a, L> {
    /// Down the gradient of `loss`, a loss of two boxes by their corners.
    pub(crate) fn new(loss: &'a L) -> Self {
        let mut target = [[0.0; 4]; CASES];
        write_corners(&Boxes::targets(), &mut target);
        Self { loss, pred: target, target, grad: target }
    }
}

impl<L: Kernel + ?Sized> Direction for Exact<'_, L> {
    fn write(&mut self, boxes: &Boxes, _: &Boxes, direction: &mut Boxes) {
        write_corners(boxes, &mut self.pred);
        Batch::new(self.pred.as_flattened(), self.target.as_flattened())
            .sum()
            .threads(false)
            .value_and_grad_into(self.loss, self.grad.as_flattened_mut())
            .expect("there are four corners for every box");
        for (i, [x1, y1, x2, y2]) in self.grad.iter().enumerate() {
            // By the chain rule: x1 = cx − w/2 and x2 = cx + w/2. Downhill, hence the signs.
            direction.cx[i] = -(x1 + x2);
            direction.cy[i] = -(y1 + y2);
            direction.w[i] = 0.5 * (x1 - x2);
            direction.h[i] = 0.5 * (y1 - y2);
        }
    }
}

fn write_corners(boxes: &Boxes, corners: &mut [Corners; CASES]) {
    for (i, corners) in corners.iter_mut().enumerate() {
        let (half_w, half_h) = (0.5 * boxes.w[i], 0.5 * boxes.h[i]);
        *corners = [
            boxes.cx[i] - half_w,
            boxes.cy[i] - half_h,
            boxes.cx[i] + half_w,
            boxes.cy[i] + half_h,
        ];
    }
}
