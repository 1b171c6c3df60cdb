//! How close the losses come to the limits: kernels written by hand in cache, the bandwidth of the memory out of cache.
//!
//! ```text
//! cargo bench -p detloss --bench limits             every loss
//! cargo bench -p detloss --bench limits -- giou l1   only these
//! ```
//!
//! What is compared is measured in turn, round after round, so that the ratios hold on a noisy machine. Times are the shortest
//! of all rounds.

#[cfg(target_arch = "x86_64")]
#[path = "limits/by_hand.rs"]
mod by_hand;
#[cfg(target_arch = "x86_64")]
#[path = "limits/by_hand_avx2.rs"]
mod by_hand_avx2;
mod data;
#[path = "limits/triad.rs"]
mod triad;

use std::hint::black_box;
use std::time::Instant;

use data::{Data, IN_CACHE, OUT_OF_CACHE};
use detloss::batch::{Interpreted, Kernel, Level};
use detloss::losses;
use detloss::losses::Entry;

const ROUNDS: usize = 11;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if std::env::args().any(|argument| argument == "--test") {
        return; // `cargo test --benches` only asks whether it starts.
    }
    let chosen =
        |entry: &&Entry| arguments.is_empty() || arguments.iter().any(|name| name == entry.name);
    println!("{}, {} threads", Level::best(), rayon::current_num_threads());
    #[cfg(target_arch = "x86_64")]
    {
        println!("\nin cache, one thread, against kernels written by hand");
        against_kernels_by_hand("AVX-512", by_hand::available(), &by_hand::KERNELS);
        against_kernels_by_hand("AVX2", by_hand_avx2::available(), &by_hand_avx2::KERNELS);
    }
    against_the_interpreter(losses::ALL.iter().filter(chosen));
    against_the_memory(losses::ALL.iter().filter(chosen));
}

/// Which of the jobs on one set of data to do.
type Job<'a, D> = &'a dyn Fn(&mut D);

/// The shortest time of each job in seconds per call, measured in turn.
fn in_turn<D, const N: usize>(repeats: usize, data: &mut D, jobs: [Job<'_, D>; N]) -> [f64; N] {
    let mut best = [f64::INFINITY; N];
    for _ in 0..ROUNDS {
        for (job, best) in jobs.iter().zip(&mut best) {
            let start = Instant::now();
            for _ in 0..repeats {
                job(data);
            }
            *best = best.min(start.elapsed().as_secs_f64() / repeats as f64);
        }
    }
    best
}

/// At the level of this name, by force.
#[cfg(target_arch = "x86_64")]
fn against_kernels_by_hand(level: &str, is_available: bool, kernels: &[(&str, by_hand::Kernel)]) {
    let known = Level::available().into_iter().find(|known| known.name() == level);
    let Some(level) = known.filter(|_| is_available) else {
        return println!("no {level} here");
    };
    println!("{level}");
    println!(
        "{:12} {:>10} {:>10} {:>7}   largest difference of the gradients",
        "loss", "ours ns", "by hand ns", "ratio"
    );
    for &(name, kernel) in kernels {
        let entry = losses::find(name).expect("a loss of the list");
        let loss = entry.make();
        let mut data = (Data::new(entry, IN_CACHE), Data::new(entry, IN_CACHE));
        let [ours, theirs] = in_turn(
            500,
            &mut data,
            [&|(ours, _)| ours.run_at(level, &loss, false), &|(_, data)| {
                // SAFETY: `is_available` says that the instructions are there.
                black_box(unsafe { kernel(&data.pred, &data.target, 1.0, &mut data.grad) });
            }],
        );
        let difference =
            data.0.grad.iter().zip(&data.1.grad).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let per_unit = 1e9 * entry.signature.pred.fields().len() as f64 / IN_CACHE as f64;
        println!(
            "{name:12} {:10.3} {:10.3} {:7.2}   {difference:.1e}",
            ours * per_unit,
            theirs * per_unit,
            ours / theirs
        );
    }
}

/// What a formula costs that has no kernels of its own.
fn against_the_interpreter<'a>(entries: impl Iterator<Item = &'a Entry>) {
    println!(
        "\nin cache, one thread, ns per unit: the compiled kernel and the interpreter, value and gradient\n\
         {:14} {:>10} {:>10} {:>12} {:>7}",
        "loss", "operations", "compiled", "interpreted", "ratio"
    );
    for entry in entries {
        let loss = entry.make();
        let Some(program) = loss.trace(true) else { continue };
        let by_interpreter = Interpreted(loss.clone());
        let mut data = Data::new(entry, IN_CACHE);
        let [compiled, interpreted] = in_turn(
            200,
            &mut data,
            [&|data| data.run(&loss, false), &|data| data.run(&by_interpreter, false)],
        );
        let per_unit = 1e9 / data.units() as f64;
        println!(
            "{:14} {:10} {:10.3} {:12.3} {:7.2}",
            entry.name,
            program.ops.len(),
            compiled * per_unit,
            interpreted * per_unit,
            interpreted / compiled
        );
    }
}

fn against_the_memory<'a>(entries: impl Iterator<Item = &'a Entry>) {
    println!(
        "\nns per unit and GB/s; in percent of the triad with streaming stores (and of the triad with ordinary stores)\n\
         {:14} {:>9} {:>9} {:>7} {:>14} {:>9} {:>7} {:>14} {:>9}",
        "loss",
        "in cache",
        "1 thread",
        "GB/s",
        "of the triad",
        "2 threads",
        "GB/s",
        "of the triad",
        "speed-up"
    );
    let two = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("two threads");
    for entry in entries {
        let loss = entry.make();
        let mut small = Data::new(entry, IN_CACHE);
        let [cached] = in_turn(500, &mut small, [&|data| data.run(&loss, false)]);
        let mut large = Data::new(entry, OUT_OF_CACHE);
        // The triad moves as many bytes as its shortest operand allows; ours are counted as they are.
        let triad = |kernel: fn(&mut [f32], &[f32], &[f32])| {
            move |data: &mut Data| {
                let n = data.target.len();
                kernel(&mut data.grad[..n], &data.pred[..n], &data.target);
            }
        };
        let triad_of_two = |kernel: fn(&mut [f32], &[f32], &[f32])| {
            let two = &two;
            move |data: &mut Data| {
                let n = data.target.len();
                two.install(|| {
                    triad::on_two_threads(
                        kernel,
                        &mut data.grad[..n],
                        &data.pred[..n],
                        &data.target,
                    )
                });
            }
        };
        let [ours, streaming, ordinary, ours2, streaming2, ordinary2] = in_turn(
            1,
            &mut large,
            [
                &|data| data.run(&loss, false),
                &triad(triad::streaming),
                &triad(triad::ordinary),
                &|data| two.install(|| data.run(&loss, true)),
                &triad_of_two(triad::streaming),
                &triad_of_two(triad::ordinary),
            ],
        );
        let bytes = large.bytes() as f64;
        let triad_bytes = 12.0 * large.target.len() as f64;
        let unit = (OUT_OF_CACHE / large.units()) as f64;
        let per_unit = 1e9 * unit / OUT_OF_CACHE as f64;
        let speed = |seconds: f64| bytes / seconds / 1e9;
        let share = |seconds: f64, triad: f64| 100.0 * (bytes / seconds) / (triad_bytes / triad);
        println!(
            "{:14} {:9.3} {:9.3} {:7.1} {:6.0} % ({:3.0} %) {:9.3} {:7.1} {:6.0} % ({:3.0} %) {:9.2}",
            entry.name,
            cached * 1e9 * unit / IN_CACHE as f64,
            ours * per_unit,
            speed(ours),
            share(ours, streaming),
            share(ours, ordinary),
            ours2 * per_unit,
            speed(ours2),
            share(ours2, streaming2),
            share(ours2, ordinary2),
            ours / ours2
        );
    }
}
