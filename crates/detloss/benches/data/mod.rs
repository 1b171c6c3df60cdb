//! What the benchmarks run on.

use std::hint::black_box;

use detloss::Batch;
use detloss::batch::{Kernel, Level};
use detloss::losses::Entry;
use detloss::operand::Kind;

/// Numbers of a prediction that stay in the first-level cache with target and gradient.
pub(crate) const IN_CACHE: usize = 2048;
/// Numbers of a prediction beyond any cache of one core.
pub(crate) const OUT_OF_CACHE: usize = 1 << 24;
/// The classes of a row.
const COLUMNS: usize = 64;

/// Predictions, targets and room for gradients.
pub(crate) struct Data {
    pub(crate) pred: Vec<f32>,
    pub(crate) target: Vec<f32>,
    pub(crate) grad: Vec<f32>,
    /// Numbers of one prediction.
    unit: usize,
    columns: usize,
}

impl Data {
    /// `numbers` numbers of predictions for this loss.
    pub(crate) fn new(entry: &Entry, numbers: usize) -> Self {
        let mut random = Random(1);
        let (mut pred, mut target) = (Vec::with_capacity(numbers), Vec::with_capacity(numbers));
        let columns = if entry.signature.pred.is_row() { COLUMNS } else { 1 };
        while pred.len() < numbers {
            if let Some(it) = random.a_box(entry.signature.pred) {
                pred.extend(it);
                target.extend(random.a_box(entry.signature.pred).into_iter().flatten());
                continue;
            }
            for (at, &name) in entry.signature.pred.fields().iter().enumerate() {
                // Errors and uncertainties, which come second, are small.
                let most = if name == "logit" { 8.0 } else { 3.0 };
                let least = if at == 0 { -most } else { 0.0 };
                pred.extend((0..columns).map(|_| random.within(least, most)));
            }
            target.extend((0..entry.signature.target.width(columns)).map(|_| {
                match entry.signature.target.fields()[0] {
                    "label" => f32::from(u8::from(random.within(0.0, 1.0) < 0.25)),
                    "probability" => 1.0 / COLUMNS as f32,
                    "class" => random.within(0.0, COLUMNS as f32).floor(),
                    "position" => random.within(0.0, (COLUMNS - 1) as f32),
                    _ => random.within(-3.0, 3.0),
                }
            }));
        }
        let grad = vec![0.0; pred.len()];
        Self { pred, target, grad, unit: entry.signature.pred.width(columns), columns }
    }

    /// How many losses that is.
    pub(crate) fn units(&self) -> usize {
        self.pred.len() / self.unit
    }

    /// How many bytes have to move.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<f32>() * (self.pred.len() + self.target.len() + self.grad.len())
    }

    /// Value and gradient, once.
    pub(crate) fn run(&mut self, loss: &impl Kernel, threads: bool) {
        self.run_at(Level::best(), loss, threads);
    }

    /// The same with these instructions.
    pub(crate) fn run_at(&mut self, level: Level, loss: &impl Kernel, threads: bool) {
        let batch = Batch::new(&self.pred, &self.target).columns(self.columns);
        let batch = batch.sum().threads(threads).level(level);
        black_box(batch.value_and_grad_into(loss, &mut self.grad).expect("lengths that fit"));
    }
}

struct Random(u64);

impl Random {
    fn within(&mut self, low: f32, high: f32) -> f32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (high - low) * ((self.0 >> 40) as f32 / (1 << 24) as f32)
    }

    /// A box, if that is what this kind is.
    fn a_box(&mut self, kind: Kind) -> Option<Vec<f32>> {
        let ([x, y, x2, y2], [z, _, z2, _]) = (self.corners(), self.corners());
        let (w, h, angle) = (x2 - x, y2 - y, self.within(-3.0, 3.0));
        match kind {
            Kind::Box => Some(vec![x, y, x2, y2]),
            Kind::RotatedBox => Some(vec![x, y, w, h, angle]),
            Kind::Box3d => Some(vec![x, y, z, x2, y2, z2]),
            Kind::YawBox => Some(vec![x, y, z, w, h, z2 - z, angle]),
            _ => None,
        }
    }

    fn corners(&mut self) -> [f32; 4] {
        let (x, y) = (self.within(0.0, 10.0), self.within(0.0, 10.0));
        [x, y, x + self.within(1.0, 5.0), y + self.within(1.0, 5.0)]
    }
}
