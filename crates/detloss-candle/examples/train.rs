//! Trains a small detector of rectangles in a few seconds: focal loss for the scores, GIoU loss for the boxes.
//!
//! ```text
//! cargo run --release -p detloss-candle --example train
//! ```

use candle_core::{DType, Device, Module, Result, Tensor};
use candle_nn::{AdamW, Conv2d, Conv2dConfig, Optimizer, ParamsAdamW, VarBuilder, VarMap};
use detloss::losses::boxes::{Giou, Iou};
use detloss::losses::scores::Focal;
use detloss_candle::{Options, Reduction, loss};

/// Side of an image, of a cell, and of the grid of cells, each of which has a score and a box.
const SIDE: usize = 24;
const CELL: usize = 4;
const GRID: usize = SIDE / CELL;
const CELLS: usize = GRID * GRID;

const STEPS: usize = 200;
const BATCH: usize = 16;

fn main() -> Result<()> {
    let report = train(STEPS, |step, scores, boxes| {
        if step % 20 == 0 {
            println!("step {step:3}   focal {scores:.4}   GIoU {boxes:.4}");
        }
    })?;
    println!("loss from {:.3} to {:.3}", report.first, report.last);
    println!("IoU on new images: {:.3}", report.iou);
    Ok(())
}

/// How the training went.
struct Report {
    /// The loss of the first and of the last tenth of the steps.
    first: f64,
    last: f64,
    /// The mean IoU of the boxes at the objects, on images that were not trained on.
    iou: f64,
}

fn train(steps: usize, mut show: impl FnMut(usize, f32, f32)) -> Result<Report> {
    let vars = VarMap::new();
    let detector = Detector::new(VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu))?;
    let params = ParamsAdamW { lr: 4e-3, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(vars.all_vars(), params)?;
    let mut random = Random(7);
    let mut history = Vec::new();
    for step in 0..steps {
        let scenes = Scenes::draw(BATCH, &mut random)?;
        let (logits, boxes) = detector.forward(&scenes.images)?;
        let by_objects = Reduction::Normalizer(BATCH as f64);
        let options = Options { reduction: by_objects, ..Options::default() };
        let scores = loss(&logits, &scenes.labels, &Focal::default(), &options)?;
        // The boxes of cells without an object have weight 0.
        let options = Options { weights: Some(scenes.labels), ..options };
        let boxes = loss(&boxes, &scenes.boxes, &Giou::default(), &options)?;
        let total = (&scores + &boxes)?;
        optimizer.backward_step(&total)?;
        show(step, scores.to_scalar()?, boxes.to_scalar()?);
        history.push(f64::from(total.to_scalar::<f32>()?));
    }
    let scenes = Scenes::draw(100, &mut random)?;
    let (_, boxes) = detector.forward(&scenes.images)?;
    let at_objects = Options {
        reduction: Reduction::WeightedMean,
        weights: Some(scenes.labels),
        ..Options::default()
    };
    let missed = loss(&boxes.detach(), &scenes.boxes, &Iou::default(), &at_objects)?;
    let mean = |steps: &[f64]| steps.iter().sum::<f64>() / steps.len() as f64;
    Ok(Report {
        first: mean(&history[..steps / 10]),
        last: mean(&history[steps - steps / 10..]),
        iou: 1.0 - f64::from(missed.to_scalar::<f32>()?),
    })
}

/// Three convolutions, and two heads on the grid.
struct Detector {
    body: [Conv2d; 3],
    score: Conv2d,
    sides: Conv2d,
    /// x, y, x, y of the middle of every cell.
    middles: Tensor,
}

impl Detector {
    fn new(vars: VarBuilder<'_>) -> Result<Self> {
        let conv = |from, to, stride, name: &str| {
            let config = Conv2dConfig { padding: 1, stride, ..Conv2dConfig::default() };
            candle_nn::conv2d(from, to, 3, config, vars.pp(name))
        };
        let middle = |cell: usize| (cell * CELL) as f32 + CELL as f32 / 2.0;
        let middles = (0..CELLS).flat_map(|cell| {
            let (x, y) = (middle(cell % GRID), middle(cell / GRID));
            [x, y, x, y]
        });
        Ok(Self {
            body: [conv(1, 8, 2, "first")?, conv(8, 16, 2, "second")?, conv(16, 16, 1, "third")?],
            score: conv(16, 1, 1, "score")?,
            sides: conv(16, 4, 1, "sides")?,
            middles: Tensor::from_iter(middles, &Device::Cpu)?.reshape((CELLS, 4))?,
        })
    }

    /// The logit `[images, cells]` and the box `[images, cells, 4]` of every cell.
    fn forward(&self, images: &Tensor) -> Result<(Tensor, Tensor)> {
        let mut features = images.clone();
        for conv in &self.body {
            features = conv.forward(&features)?.relu()?;
        }
        // Most cells are empty, and begin so.
        let logits = self.score.forward(&features)?.flatten_from(1)?.affine(1.0, -3.0)?;
        // The distances of the four sides from the middle, in cells; to the left and to the top they are negative.
        let sides = self.sides.forward(&features)?.flatten_from(2)?.transpose(1, 2)?.exp()?;
        let outwards = Tensor::new(&[-1_f32, -1.0, 1.0, 1.0], images.device())?;
        let sides = sides.broadcast_mul(&(outwards * CELL as f64)?)?;
        Ok((logits, sides.broadcast_add(&self.middles)?))
    }
}

/// Images of one rectangle each, brighter than the noise behind it.
struct Scenes {
    /// `[images, 1, SIDE, SIDE]`.
    images: Tensor,
    /// 1 for the cell that the middle of the rectangle is in, `[images, cells]`.
    labels: Tensor,
    /// The rectangle at that cell, `[images, cells, 4]`.
    boxes: Tensor,
}

impl Scenes {
    fn draw(count: usize, random: &mut Random) -> Result<Self> {
        let (mut images, mut labels) = (Vec::new(), vec![0_f32; count * CELLS]);
        let mut boxes = vec![0_f32; count * CELLS * 4];
        for image in 0..count {
            let [w, h] = [(); 2].map(|()| 5 + random.below(10));
            let (x, y) = (random.below(SIDE - w), random.below(SIDE - h));
            for place in 0..SIDE * SIDE {
                let inside =
                    (x..x + w).contains(&(place % SIDE)) && (y..y + h).contains(&(place / SIDE));
                let noise = random.below(100) as f32 / 400.0;
                images.push(noise + if inside { 0.75 } else { 0.0 });
            }
            let cell = image * CELLS + (y + h / 2) / CELL * GRID + (x + w / 2) / CELL;
            labels[cell] = 1.0;
            boxes[cell * 4..][..4].copy_from_slice(&[x, y, x + w, y + h].map(|edge| edge as f32));
        }
        Ok(Self {
            images: Tensor::from_vec(images, (count, 1, SIDE, SIDE), &Device::Cpu)?,
            labels: Tensor::from_vec(labels, (count, CELLS), &Device::Cpu)?,
            boxes: Tensor::from_vec(boxes, (count, CELLS, 4), &Device::Cpu)?,
        })
    }
}

/// A reproducible source of numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % end
    }
}

#[test]
fn the_loss_falls_and_the_boxes_fit() -> Result<()> {
    let report = train(STEPS, |_, _, _| {})?;
    assert!(report.last < report.first / 2.0, "from {} to {}", report.first, report.last);
    assert!(report.iou > 0.6, "IoU {}", report.iou);
    Ok(())
}
