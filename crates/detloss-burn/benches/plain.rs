//! Losses against the same formulas written with Burn's own tensor operations, forward and backward, on one machine in turn.
//!
//! `cargo bench -p detloss-burn`, with `--features wgpu` also on a GPU.

#![recursion_limit = "512"]

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::activation::{log_sigmoid, sigmoid};
use burn::tensor::{Device, Distribution, Tensor};
use detloss_burn::{Batch, FocalLoss, GiouLoss, Loss};

const ROUNDS: usize = 15;

fn main() {
    println!(
        "forward and backward, f32, median of {ROUNDS} rounds in turn; most memory in use besides the inputs\n"
    );
    println!(
        "| device | loss | rows of 4 | plain, µs | detloss, µs | ratio | plain, KiB | detloss, KiB | ratio |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|");
    on("flex", &Device::flex().autodiff());
    #[cfg(feature = "wgpu")]
    on("wgpu", &Device::wgpu(burn::tensor::DeviceKind::DefaultDevice).autodiff());
}

fn on(name: &str, device: &Device) {
    // 5120 times four are the scores that a step of `detloss train` has.
    for rows in [64, 1_000, 5_120, 20_000, 200_000] {
        let compare = Compare { device, what: format!("{name} | giou | {rows}") };
        compare.run(boxes(rows, device), plain_giou, &(&GiouLoss::new()).into());
        let compare = Compare { device, what: format!("{name} | focal | {rows}") };
        compare.run(scores(rows, device), plain_focal, &(&FocalLoss::new()).into());
    }
}

type Pair = (Tensor<2>, Tensor<2>);

fn boxes(rows: usize, device: &Device) -> Pair {
    let random =
        |low, high| Tensor::<2>::random([rows, 2], Distribution::Uniform(low, high), device);
    let corner = random(0.0, 100.0);
    let truth = Tensor::cat(vec![corner.clone(), corner + random(5.0, 50.0)], 1);
    let noise = Tensor::<2>::random([rows, 4], Distribution::Uniform(-4.0, 4.0), device);
    ((truth.clone() + noise).detach(), truth.detach())
}

fn scores(rows: usize, device: &Device) -> Pair {
    let logits = Tensor::<2>::random([rows, 4], Distribution::Uniform(-5.0, 5.0), device);
    let labels = Tensor::<2>::random([rows, 4], Distribution::Bernoulli(0.1), device);
    (logits.detach(), labels.detach())
}

/// GIoU as one would write it.
fn plain_giou(pred: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let corners = |boxes: &Tensor<2>| [0, 2].map(|at| boxes.clone().narrow(1, at, 2));
    let area = |low: Tensor<2>, high: Tensor<2>| {
        let sides = (high - low).clamp_min(0.0);
        sides.clone().narrow(1, 0, 1) * sides.narrow(1, 1, 1)
    };
    let ([a, b], [c, d]) = (corners(&pred), corners(&target));
    let meet = area(a.clone().max_pair(c.clone()), b.clone().min_pair(d.clone()));
    let union = area(a.clone(), b.clone()) + area(c.clone(), d.clone()) - meet.clone();
    let hull = area(a.min_pair(c), b.max_pair(d));
    (-(meet / (union.clone() + 1e-7)) + 1.0 + (hull.clone() - union) / (hull + 1e-7)).mean()
}

/// The focal loss as one would write it.
fn plain_focal(logits: Tensor<2>, labels: Tensor<2>) -> Tensor<1> {
    let p = sigmoid(logits.clone());
    let positive = log_sigmoid(logits.clone()) * (-p.clone() + 1.0).powi_scalar(2) * -0.25;
    let negative = log_sigmoid(-logits) * p.powi_scalar(2) * -0.75;
    (positive * labels.clone() + negative * (-labels + 1.0)).mean()
}

struct Compare<'a> {
    device: &'a Device,
    what: String,
}

impl Compare<'_> {
    /// Prints a line of the table.
    fn run(&self, (pred, target): Pair, plain: fn(Tensor<2>, Tensor<2>) -> Tensor<1>, loss: &Loss) {
        let step = |loss: &dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<1>| {
            let pred = pred.clone().detach().require_grad();
            let value = loss(pred.clone(), target.clone());
            black_box(pred.grad(&value.clone().backward()));
            self.device.sync().expect("the device answers");
            value.into_scalar::<f32>()
        };
        let plain = || step(&plain);
        let fused = || step(&|pred, target| Batch::new(pred, target).value(loss));
        let (own, other) = (fused(), plain());
        assert!((own - other).abs() < 1e-4 * own.abs(), "{}: {own} against {other}", self.what);
        // Only the host's memory is seen, and that of this thread, which makes all tensors.
        let peak = |call: &dyn Fn() -> f32| {
            let most = allocation_counter::measure(|| _ = black_box(call())).bytes_max;
            most as f64 / 1024.0
        };
        let peaks = [peak(&plain), peak(&fused)];
        let repeats = (40_000 / pred.dims()[0]).clamp(1, 100);
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            times[0].push(time(repeats, plain));
            times[1].push(time(repeats, fused));
        }
        let times = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[ROUNDS / 2]
        });
        let three =
            |[plain, fused]: [f64; 2]| format!("{plain:.0} | {fused:.0} | {:.1}", plain / fused);
        println!("| {} | {} | {} |", self.what, three(times), three(peaks));
    }
}

/// Microseconds of one call.
fn time(repeats: usize, call: impl Fn() -> f32) -> f64 {
    let start = Instant::now();
    for _ in 0..repeats {
        black_box(call());
    }
    start.elapsed().as_secs_f64() * 1e6 / repeats as f64
}
