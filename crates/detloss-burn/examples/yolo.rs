//! Trains a tiny detector of squares and frames with YOLOv8's criterion: matching, three losses and their weights in one call.
//!
//! ```text
//! cargo run --release -p detloss-burn --example yolo -- "yolo8(box=siou)"
//! ```

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use detloss_burn::criteria::{self, Criterion, Outputs, Truths};
use detloss_burn::matching::Places;

/// Side of an image, the stride of the points, and how many there are along a side.
const SIDE: usize = 32;
const STRIDE: usize = 4;
const GRID: usize = SIDE / STRIDE;
const POINTS: usize = GRID * GRID;

/// Filled squares and frames.
const CLASSES: usize = 2;
/// The places of a distance, in strides.
const BINS: usize = 16;

const STEPS: usize = 120;
const BATCH: usize = 8;

fn main() -> Result<(), detloss::Error> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "yolo8".to_owned());
    let report = train(&name.parse()?, STEPS, |step, total, terms| {
        if step % 10 == 0 {
            println!("step {step:3}   total {total:7.3}   {terms}");
        }
    })?;
    println!("total from {:.2} to {:.2}", report.first, report.last);
    println!("IoU on new images: {:.3}, classes right: {:.2}", report.iou, report.right);
    Ok(())
}

/// How the training went.
struct Report {
    /// The total of the first and of the last tenth of the steps.
    first: f32,
    last: f32,
    /// On images that were not trained on, of the prediction with the highest score: the mean IoU, and how often the class is right.
    iou: f64,
    right: f64,
}

fn train(
    criterion: &Criterion,
    steps: usize,
    mut show: impl FnMut(usize, f32, String),
) -> Result<Report, detloss::Error> {
    let device = Device::flex().autodiff();
    device.seed(7);
    let mut detector = Detector::new(&device);
    let mut optimizer = AdamWConfig::new().init();
    let (mut random, mut totals) = (Random(7), Vec::new());
    for step in 0..steps {
        let scenes = Scenes::draw(BATCH, &mut random, &device);
        let [logits, bins] = detector.forward(scenes.images);
        let outputs =
            Outputs { logits: Some(logits), anchors: Some(points(&device)), ..Outputs::new(bins) };
        let result = criteria::evaluate(criterion, &[outputs], &scenes.truths)?;
        let grads = GradientsParams::from_grads(result.total.backward(), &detector);
        detector = optimizer.step(4e-3, detector, grads);
        let terms = result.terms.iter().map(|term| format!("{} {:.3}", term.term, term.value));
        totals.push(result.total.into_scalar::<f32>());
        show(step, totals[step], terms.collect::<Vec<_>>().join("   "));
    }
    let scenes = Scenes::draw(64, &mut random, &device);
    let (iou, right) = detector.judge(scenes);
    let mean = |totals: &[f32]| totals.iter().sum::<f32>() / totals.len() as f32;
    let (first, last) = (mean(&totals[..steps / 10]), mean(&totals[steps - steps / 10..]));
    Ok(Report { first, last, iou, right })
}

/// The middle of every cell, with its stride.
fn points(device: &Device) -> Places {
    let middle = |cell: usize| (cell * STRIDE) as f32 + STRIDE as f32 / 2.0;
    let numbers = (0..POINTS).flat_map(|cell| [middle(cell % GRID), middle(cell / GRID)]);
    let numbers = TensorData::new(numbers.collect::<Vec<_>>(), [POINTS, 2]);
    let strides = Tensor::full([POINTS], STRIDE as f32, device);
    Places::Points(Tensor::from_data(numbers, device), strides)
}

/// Three convolutions and a head, as YOLOv8 has it: logits of the classes, and four distributions of distances.
#[derive(Module, Debug)]
struct Detector {
    body: Vec<Conv2d>,
    head: Conv2d,
}

impl Detector {
    fn new(device: &Device) -> Self {
        let conv = |[from, to, stride]: [usize; 3]| {
            let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
            let config = Conv2dConfig::new([from, to], [3, 3]).with_padding(padding);
            config.with_stride([stride, stride]).init(device)
        };
        Self {
            body: [[1, 16, 2], [16, 32, 2], [32, 32, 1]].map(conv).into(),
            head: conv([32, CLASSES + 4 * BINS, 1]),
        }
    }

    /// The logits and the distributions of every point.
    fn forward(&self, images: Tensor<4>) -> [Tensor<3>; 2] {
        let features = self.body.iter().fold(images, |maps, conv| relu(conv.forward(maps)));
        let maps = self.head.forward(features).flatten::<3>(2, 3).swap_dims(1, 2);
        // Most points are background, and begin so.
        let logits = maps.clone().narrow(2, 0, CLASSES) - 3.0;
        [logits, maps.narrow(2, CLASSES, 4 * BINS)]
    }

    /// The mean IoU of the best box of every image with its truth, and how often its class is right.
    fn judge(&self, scenes: Scenes) -> (f64, f64) {
        let [logits, bins] = self.forward(scenes.images);
        let rows = scenes.truths.len() * POINTS;
        let places = Tensor::<1, Int>::arange(0..BINS as i64, &bins.device()).float();
        let shares = softmax(bins.reshape([rows * 4, BINS]), 1) * places.unsqueeze();
        let sides: Vec<f64> = shares.sum_dim(1).into_data().iter().collect();
        let logits: Vec<f64> = logits.into_data().iter().collect();
        let (mut iou, mut right) = (0.0, 0.0);
        for (image, truths) in scenes.truths.into_iter().enumerate() {
            let logits = &logits[image * POINTS * CLASSES..][..POINTS * CLASSES];
            let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            let best = best.expect("there are points");
            let point = best / CLASSES;
            let (x, y) = ((point % GRID) as f64 + 0.5, (point / GRID) as f64 + 0.5);
            let sides = &sides[(image * POINTS + point) * 4..][..4];
            let box_ = [x - sides[0], y - sides[1], x + sides[2], y + sides[3]];
            let box_ = box_.map(|place| place * STRIDE as f64);
            let truth: Vec<f64> = truths.boxes.into_data().iter().collect();
            let loss = detloss::losses::boxes::Iou::default();
            let missed = detloss::Batch::new(&box_, &truth).value(&loss).expect("two boxes");
            iou += 1.0 - missed;
            let label = truths.labels.into_scalar::<i64>();
            right += f64::from(u8::from(best % CLASSES == label as usize));
        }
        let count = (rows / POINTS) as f64;
        (iou / count, right / count)
    }
}

/// Images with a square or a frame each, brighter than the noise behind it.
struct Scenes {
    /// Of shape [images, 1, SIDE, SIDE].
    images: Tensor<4>,
    truths: Vec<Truths>,
}

impl Scenes {
    fn draw(count: usize, random: &mut Random, device: &Device) -> Self {
        let (mut images, mut truths) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let side = 8 + random.below(12);
            let [x, y] = [(); 2].map(|()| random.below(SIDE - side));
            let label = random.below(CLASSES);
            for place in 0..SIDE * SIDE {
                let [right, down] = [(place % SIDE, x), (place / SIDE, y)]
                    .map(|(at, start)| at.checked_sub(start).filter(|at| *at < side));
                let is_border = |at: usize| at < 2 || at + 2 >= side;
                let is_bright = right
                    .zip(down)
                    .is_some_and(|(right, down)| label == 0 || is_border(right) || is_border(down));
                let noise = random.below(100) as f32 / 400.0;
                images.push(noise + if is_bright { 0.75 } else { 0.0 });
            }
            let edges = [x, y, x + side, y + side].map(|edge| edge as f32);
            truths.push(Truths {
                boxes: Tensor::from_data([edges], device),
                labels: Tensor::from_data([label as i64], device),
            });
        }
        let images = TensorData::new(images, [count, 1, SIDE, SIDE]);
        Self { images: Tensor::from_data(images, device), truths }
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
fn the_total_falls_and_the_boxes_fit() -> Result<(), detloss::Error> {
    let report = train(&"yolo8".parse()?, STEPS, |_, _, _| {})?;
    assert!(report.last < report.first / 2.0, "from {} to {}", report.first, report.last);
    assert!(report.iou > 0.6 && report.right > 0.8, "IoU {}, {}", report.iou, report.right);
    Ok(())
}
