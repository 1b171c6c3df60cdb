//! How ranking losses grow with the number of scores, beside the ways that form every pair.
//!
//! ```text
//! cargo bench -p detloss --bench ranking                        the tables
//! cargo bench -p detloss --bench ranking -- docs/plots          and the figure, into this folder
//! ```
//!
//! Value and gradient in `f32` on one thread (and once on all cores), the shortest of several rounds, everything of one size
//! measured in turn. Positives lie around 0.5 and negatives around 0, both with a deviation of 1, so that half of the negatives are
//! within reach of nearly every positive: the worst case is the one shown.

#[path = "ranking/pairs.rs"]
mod pairs;

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use detloss::batch::Level;
use detloss::losses::AnyLoss;
use detloss::{Batch, losses};
use kuva::prelude::*;
use pairs::ApLoss;

/// The losses that rank.
const LOSSES: [&str; 3] = ["ap", "alrp", "rank_sort"];

/// Pairs that are formed at most: some seconds in vectors, and one order less for the loop.
const MOST_PAIRS: [f64; 2] = [1e10, 1e9];

/// A round is repeated until it takes this long, in seconds.
const LEAST_TIME: f64 = 0.02;

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return; // `cargo test --benches` only asks whether it starts.
    }
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    println!("{}, one thread\n", Level::best());
    let few = growth("A positive in a hundred scores", |scores| scores / 100);
    growth("As many positives as negatives", |scores| scores / 2);
    wanted();
    if let Some(folder) = folder {
        // Cargo runs benchmarks in the folder of the package; the command above is given in that of the project.
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        draw(&few, &project.join(folder).join("ranking.svg"));
    }
}

/// Scores, labels and room for gradients.
struct Data {
    positives: Vec<f32>,
    negatives: Vec<f32>,
    scores: Vec<f32>,
    /// Every score with a localisation error.
    with_errors: Vec<f32>,
    labels: Vec<f32>,
    grad: Vec<f32>,
}

impl Data {
    fn new(positives: usize, negatives: usize) -> Self {
        let mut random = 1_u64;
        let mut uniform = || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 40) as f32 / (1 << 24) as f32
        };
        // Nearly normal: the sum of four uniform numbers, of deviation 1.
        let mut normal = || ((0..4).map(|_| uniform()).sum::<f32>() - 2.0) * 3_f32.sqrt();
        let positives: Vec<f32> = (0..positives).map(|_| 0.5 + normal()).collect();
        let negatives: Vec<f32> = (0..negatives).map(|_| normal()).collect();
        // Positives are spread evenly among the negatives.
        let (mut scores, mut labels) = (Vec::new(), Vec::new());
        let every = (positives.len() + negatives.len()) / positives.len();
        let (mut p, mut n) = (positives.iter(), negatives.iter());
        while scores.len() < positives.len() + negatives.len() {
            let positive = if scores.len() % every == 0 { p.next() } else { None };
            let (score, label) = match positive {
                // Qualities of few different values would be too easy to sort.
                Some(score) => (Some(score), 0.5 + 0.5 * uniform()),
                None => (n.next(), 0.0),
            };
            let Some(score) = score.or_else(|| p.next()) else { break };
            scores.push(*score);
            labels.push(label);
        }
        let with_errors: Vec<f32> = scores.iter().flat_map(|&score| [score, 0.5]).collect();
        let grad = vec![0.0; with_errors.len()];
        Self { positives, negatives, scores, with_errors, labels, grad }
    }

    fn ours(&mut self, name: &str, loss: &AnyLoss, threads: bool) -> f64 {
        let fields = losses::find(name).expect("a loss of the list").signature.pred.fields().len();
        let pred = if fields == 2 { &self.with_errors } else { &self.scores };
        let batch = Batch::new(pred, &self.labels).threads(threads);
        batch.value_and_grad_into(loss, &mut self.grad[..pred.len()]).expect("lengths that fit")
    }

    fn pairs(&mut self, ap: ApLoss) -> f64 {
        let (grad_positives, rest) = self.grad.split_at_mut(self.positives.len());
        let grad_negatives = &mut rest[..self.negatives.len()];
        ap(&self.positives, &self.negatives, grad_positives, grad_negatives)
    }
}

/// Seconds per call of each loss on one thread, and of the two ways that form pairs, where they end in time.
struct Row {
    scores: usize,
    positives: usize,
    ours: [f64; LOSSES.len()],
    /// The first loss on all cores.
    threaded: f64,
    pairs: [Option<f64>; 2],
    /// Bytes in use at once by the first loss, besides inputs and outputs.
    bytes: u64,
}

fn measure(positives: usize, negatives: usize) -> Row {
    let mut data = Data::new(positives, negatives);
    let losses = LOSSES.map(|name| (name, losses::find(name).expect("a loss of the list").make()));
    let ways: [ApLoss; 2] = [pairs::in_vectors, pairs::loop_over_positives];
    let all_pairs = positives as f64 * (positives + negatives) as f64;
    let rounds = if all_pairs > 1e9 || negatives > 1_000_000 { 2 } else { 5 };
    let (mut ours, mut slow) = ([f64::INFINITY; LOSSES.len()], [None; 2]);
    let mut threaded = f64::INFINITY;
    let (name, loss) = &losses[0];
    for _ in 0..rounds {
        threaded = threaded.min(seconds(|| data.ours(name, loss, true)));
        for ((name, loss), best) in losses.iter().zip(&mut ours) {
            *best = best.min(seconds(|| data.ours(name, loss, false)));
        }
        for ((way, most), best) in ways.into_iter().zip(MOST_PAIRS).zip(&mut slow) {
            if all_pairs <= most * 1.02 {
                let time = seconds(|| data.pairs(way));
                *best = Some(best.map_or(time, |best: f64| best.min(time)));
            }
        }
    }
    let bytes = allocation_counter::measure(|| {
        black_box(data.ours(name, loss, false));
    });
    let scores = positives + negatives;
    Row { scores, positives, ours, threaded, pairs: slow, bytes: bytes.bytes_max }
}

fn seconds(mut call: impl FnMut() -> f64) -> f64 {
    let start = Instant::now();
    let mut calls = 0;
    while calls == 0 || start.elapsed().as_secs_f64() < LEAST_TIME {
        black_box(call());
        calls += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

/// Prints a table of times over the number of scores.
fn growth(title: &str, positives: impl Fn(usize) -> usize) -> Vec<Row> {
    println!("{title}: ns per score; ratio of the pairs to AP; bytes per score in use by AP\n");
    println!(
        "| scores | positives | {} | pairs in vectors | loop over positives | ratios | bytes |",
        LOSSES.join(" | ")
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    for power in 2..=7 {
        let scores = 10_usize.pow(power);
        let row = measure(positives(scores), scores - positives(scores));
        let per_score = |time: f64| format!("{:.1}", 1e9 * time / scores as f64);
        let ours: Vec<String> = row.ours.iter().map(|&time| per_score(time)).collect();
        let [vectors, looped] = row.pairs.map(|time| time.map_or("-".to_owned(), per_score));
        let ratios: Vec<String> =
            row.pairs.iter().flatten().map(|time| format!("{:.1}", time / row.ours[0])).collect();
        println!(
            "| {scores:e} | {} | {} | {vectors} | {looped} | {} | {:.1} |",
            row.positives,
            ours.join(" | "),
            ratios.join(", "),
            row.bytes as f64 / scores as f64
        );
        rows.push(row);
    }
    println!();
    rows
}

/// The size of the promise: 10,000 positives among 1,000,000 negatives in at most 40 ms.
fn wanted() {
    let row = measure(10_000, 1_000_000);
    let [ap, alrp, rank_sort] = row.ours.map(|time| 1e3 * time);
    println!(
        "10,000 positives, 1,000,000 negatives: AP {ap:.1} ms, aLRP {alrp:.1} ms, Rank & Sort {rank_sort:.1} ms"
    );
    if let Some(pairs) = row.pairs[0] {
        println!(
            "pairs in vectors {:.0} ms: {:.0} times as long as AP",
            1e3 * pairs,
            1e3 * pairs / ap
        );
    }
    println!(
        "AP on {} cores {:.1} ms, {:.2} times as fast",
        std::thread::available_parallelism().map_or(1, usize::from),
        1e3 * row.threaded,
        row.ours[0] / row.threaded
    );
    println!("{:.1} bytes per score in use at once", row.bytes as f64 / row.scores as f64);
}

/// Draws the time over the number of scores.
fn draw(rows: &[Row], file: &Path) {
    let line = |name: &str, color: &str, time: &dyn Fn(&Row) -> Option<f64>| {
        let points: Vec<(f64, f64)> =
            rows.iter().filter_map(|row| Some((row.scores as f64, 1e3 * time(row)?))).collect();
        let line = LinePlot::new().with_data(points).with_color(color).with_stroke_width(2.2);
        Plot::from(line.with_legend(name))
    };
    let plots = vec![
        line("AP", "#0072B2", &|row| Some(row.ours[0])),
        line("aLRP", "#009E73", &|row| Some(row.ours[1])),
        line("Rank & Sort", "#CC79A7", &|row| Some(row.ours[2])),
        line("AP, pairs in vectors", "#E69F00", &|row| row.pairs[0]),
        line("AP, loop over positives", "#D55E00", &|row| row.pairs[1]),
    ];
    let layout = Layout::auto_from_plots(&plots)
        .with_log_x()
        .with_log_y()
        .with_title("One step with one positive in a hundred scores")
        .with_x_label("scores")
        .with_y_label("milliseconds, one thread");
    let scene = render_multiple(plots, layout);
    std::fs::write(file, SvgBackend::default().render_scene(&scene)).expect("a folder to write to");
}
