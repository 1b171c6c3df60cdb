//! How close the losses come to the limits: kernels written by hand in cache, the memory's bandwidth out of cache.
//!
//! Everything that is compared is measured in turn, round after round, so that the ratios hold on a noisy machine.

#![expect(missing_docs, reason = "a program")]

#[path = "limits/by_hand.rs"]
mod by_hand;
#[path = "limits/triad.rs"]
mod triad;

use std::time::Instant;

use detloss::Batch;
use detloss::loss::{AnyLoss, Entry};
use detloss::losses;

/// Numbers of a prediction that stay in the first-level cache with target and gradient.
const IN_CACHE: usize = 2048;
/// Numbers of a prediction far beyond any cache of one core.
const OUT_OF_CACHE: usize = 1 << 24;
const ROUNDS: usize = 15;

/// The same predictions, targets and room for gradients for every loss of a family.
struct Data {
    pred: Vec<f32>,
    target: Vec<f32>,
    grad: Vec<f32>,
}

impl Data {
    fn new(entry: &Entry, numbers: usize) -> Self {
        let mut random = Random(1);
        let (mut pred, mut target) = (Vec::new(), Vec::new());
        let units = numbers / entry.pred.len().max(1);
        for _ in 0..units {
            match entry.pred {
                ["x1", ..] => {
                    pred.extend(random.corners());
                    target.extend(random.corners());
                }
                ["logit"] => {
                    pred.push(random.within(-8.0, 8.0));
                    target.push(if random.within(0.0, 1.0) < 0.25 { 1.0 } else { 0.0 });
                }
                fields => {
                    pred.extend(fields.iter().map(|_| random.within(-3.0, 3.0)));
                    target.extend(entry.target.iter().map(|_| random.within(-3.0, 3.0)));
                    if fields.is_empty() {
                        pred.push(random.within(-8.0, 8.0));
                        target.push(random.within(0.0, 1.0 / 80.0));
                    }
                }
            }
        }
        let grad = vec![0.0; pred.len()];
        Self { pred, target, grad }
    }
}

struct Random(u64);

impl Random {
    fn within(&mut self, low: f32, high: f32) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (high - low) * ((self.0 >> 40) as f32 / (1 << 24) as f32)
    }

    fn corners(&mut self) -> [f32; 4] {
        let (x, y) = (self.within(0.0, 10.0), self.within(0.0, 10.0));
        [x, y, x + self.within(1.0, 5.0), y + self.within(1.0, 5.0)]
    }
}

/// The shortest time of each of the jobs, in seconds per call, measured in turn.
fn in_turn(repeats: usize, jobs: &mut [(&str, Box<dyn FnMut() + '_>)]) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; jobs.len()];
    for _ in 0..ROUNDS {
        for ((_, job), best) in jobs.iter_mut().zip(&mut best) {
            let start = Instant::now();
            for _ in 0..repeats {
                job();
            }
            *best = best.min(start.elapsed().as_secs_f64() / repeats as f64);
        }
    }
    best
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return; // `cargo test --benches` only wants to know that it starts.
    }
    in_cache();
}

type ByHand = unsafe fn(&[f32], &[f32], f32, &mut [f32]) -> f64;

fn in_cache() {
    let by_hand: &[(&str, ByHand)] =
        &[("focal", by_hand::focal), ("giou", by_hand::giou), ("ciou", by_hand::ciou)];
    println!("in cache, one thread");
    for (name, kernel) in by_hand {
        let entry = losses::find(name).expect("in the list");
        let (mut ours, mut theirs) = (Data::new(entry, IN_CACHE), Data::new(entry, IN_CACHE));
        let loss = entry.default();
        let units = (IN_CACHE / entry.pred.len()) as f64;
        let times = in_turn(
            400,
            &mut [
                ("generic", Box::new(|| run(&*loss, &mut ours, false))),
                ("by hand", Box::new(|| {
                    // SAFETY: `available` was asked.
                    std::hint::black_box(unsafe { kernel(&theirs.pred, &theirs.target, 1.0, &mut theirs.grad) });
                })),
            ],
        );
        let worst = ours.grad.iter().zip(&theirs.grad).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{name:6} generic {:.3} ns, by hand {:.3} ns, ratio {:.2}, gradients differ by {worst:.1e}", times[0] / units * 1e9, times[1] / units * 1e9, times[0] / times[1]);
    }
}

fn run(loss: &dyn AnyLoss, data: &mut Data, threads: bool) {
    let batch = Batch::new(&data.pred, &data.target).sum().threads(threads);
    std::hint::black_box(batch.value_and_grad_into(loss, &mut data.grad).expect("fitting lengths"));
}
