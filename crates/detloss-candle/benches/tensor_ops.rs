//! GIoU and focal loss against the same losses written plainly with Candle's operations: a mean, forward and backward.
//!
//! ```text
//! cargo bench -p detloss-candle
//! ```
//!
//! What is compared is measured in turn, round after round, so that the ratios hold on a noisy machine. Times are the shortest of all
//! rounds. Before it is timed, both have to give the same gradient.

use std::hint::black_box;
use std::time::Instant;

use candle_core::{D, Device, Result, Tensor, Var};
use detloss::batch::Kernel;
use detloss::losses::boxes::Giou;
use detloss::losses::scores::Focal;
use detloss_candle::{Backend, Options, loss};

const ROUNDS: usize = 9;

/// How long one measurement is to take, in seconds.
const LONG_ENOUGH: f64 = 0.02;

fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(()); // `cargo test --benches` only asks whether it starts.
    }
    println!(
        "{:8} {:>8} {:>10} {:>10} {:>12} {:>7} {:>7}",
        "loss", "rows", "host ms", "replay ms", "plain ops ms", "ratio", "replay"
    );
    for rows in [64, 1_000, 20_000, 200_000] {
        let boxes = |seed: f32| {
            let corner = |row: usize| {
                ((row as f32 * 0.37 + seed).sin() * 5.0, (row as f32 * 0.61).cos() * 5.0)
            };
            let corners = (0..rows).map(corner);
            let numbers = corners.flat_map(|(x, y)| [x, y, x + 2.0 + seed, y + 3.0]);
            Tensor::from_iter(numbers.collect::<Vec<f32>>(), &Device::Cpu)?.reshape((rows, 4))
        };
        compare("GIoU", &Var::from_tensor(&boxes(0.3)?)?, &boxes(0.7)?, &Giou::default(), giou)?;
        let logits = (0..rows).map(|row| (row as f32 * 0.73).sin() * 6.0);
        let logits = Tensor::from_iter(logits.collect::<Vec<_>>(), &Device::Cpu)?;
        let labels = (0..rows).map(|row| f32::from(u8::from(row % 9 == 0)));
        let labels = Tensor::from_iter(labels.collect::<Vec<_>>(), &Device::Cpu)?;
        compare("Focal", &Var::from_tensor(&logits)?, &labels, &Focal::default(), focal)?;
    }
    Ok(())
}

fn compare(
    name: &str,
    pred: &Var,
    target: &Tensor,
    kind: &impl Kernel,
    plain: fn(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<()> {
    let on = |backend| {
        let options = Options { backend, ..Options::default() };
        move || loss(pred, target, kind, &options)?.backward()
    };
    let (host, replay) = (on(Backend::Fused), on(Backend::Decomposed));
    let plain = || plain(pred, target)?.mean_all()?.backward();
    let gradient =
        |grads: candle_core::backprop::GradStore| grads.get(pred).cloned().expect("a gradient");
    let rows = pred.dim(0)? as f64;
    for ours in [gradient(host()?), gradient(replay()?)] {
        let apart = (ours - gradient(plain()?))?.abs()?.max_all()?.to_scalar::<f32>()?;
        assert!(f64::from(apart) * rows < 1e-4, "{name}: the gradients are {apart} apart");
    }
    let jobs: [&dyn Fn() -> Result<_>; 3] = [&host, &replay, &plain];
    let [host, replay, plain] = in_turn(jobs)?;
    let (ms, ratio) = (1e3, plain / host);
    println!(
        "{name:8} {rows:8} {:10.4} {:10.4} {:12.4} {ratio:7.1} {:7.2}",
        host * ms,
        replay * ms,
        plain * ms,
        plain / replay
    );
    Ok(())
}

/// The shortest time of each job in seconds per call, measured in turn.
fn in_turn<R, const N: usize>(jobs: [&dyn Fn() -> Result<R>; N]) -> Result<[f64; N]> {
    let mut best = [f64::INFINITY; N];
    for _ in 0..ROUNDS {
        for (job, best) in jobs.iter().zip(&mut best) {
            let (start, mut calls) = (Instant::now(), 0);
            while start.elapsed().as_secs_f64() < LONG_ENOUGH {
                black_box(job()?);
                calls += 1;
            }
            *best = best.min(start.elapsed().as_secs_f64() / f64::from(calls));
        }
    }
    Ok(best)
}

/// As it stands in many training scripts, with their epsilon.
fn giou(pred: &Tensor, target: &Tensor) -> Result<Tensor> {
    let column = |boxes: &Tensor, field| boxes.narrow(D::Minus1, field, 1)?.squeeze(D::Minus1);
    let area = |x1: &Tensor, y1: &Tensor, x2: &Tensor, y2: &Tensor| (x2 - x1)? * (y2 - y1)?;
    let [px1, py1, px2, py2] = [0, 1, 2, 3].map(|field| column(pred, field));
    let [tx1, ty1, tx2, ty2] = [0, 1, 2, 3].map(|field| column(target, field));
    let (px1, py1, px2, py2) = (px1?, py1?, px2?, py2?);
    let (tx1, ty1, tx2, ty2) = (tx1?, ty1?, tx2?, ty2?);
    let width = (px2.minimum(&tx2)? - px1.maximum(&tx1)?)?.relu()?;
    let height = (py2.minimum(&ty2)? - py1.maximum(&ty1)?)?.relu()?;
    let meet = (width * height)?;
    let union = ((area(&px1, &py1, &px2, &py2)? + area(&tx1, &ty1, &tx2, &ty2)?)? - &meet)?;
    let (left, top) = (px1.minimum(&tx1)?, py1.minimum(&ty1)?);
    let hull = area(&left, &top, &px2.maximum(&tx2)?, &py2.maximum(&ty2)?)?;
    let iou = (meet / (&union + 1e-7)?)?;
    let giou = (iou - ((&hull - &union)? / (&hull + 1e-7)?)?)?;
    1.0 - giou
}

/// Stable: from logits, not from probabilities.
fn focal(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let prob = candle_nn::ops::sigmoid(logits)?;
    let ce =
        ((logits.relu()? - (logits * labels)?)? + (logits.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
    let against = (1.0 - labels)?;
    let wrong = ((&prob * &against)? + ((1.0 - &prob)? * labels)?)?;
    let alpha = ((labels * 0.25)? + (against * 0.75)?)?;
    (alpha * wrong.sqr()?)? * ce
}
