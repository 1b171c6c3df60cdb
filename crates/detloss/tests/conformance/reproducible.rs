//! The same bits for any number of threads, and for AVX-512 and AVX2.

use detloss::Batch;
use detloss::batch::Level;
use detloss::loss::Scope;
use detloss::losses::Entry;
use detloss::testing::{Random, Tolerance, assert_close, tested};

use crate::{at_level, bits, mixed};

/// Value, losses of all units and gradient, by their bits.
type Bits = (u64, Vec<u32>, Vec<u32>);

fn everything(
    batch: detloss::Batch<'_, f32>,
    loss: &(impl detloss::batch::Kernel + ?Sized),
) -> Bits {
    let (value, grad) = batch.value_and_grad(loss).unwrap();
    (value.to_bits(), bits(&batch.values(loss).unwrap()), bits(&grad))
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let pools: Vec<_> = (1..=3)
        .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap())
        .collect();
    for entry in tested() {
        let loss = entry.make();
        let few = mixed(entry, 301);
        // Some more than three chunks of 65536 numbers, and no whole number of tiles.
        let memory = few.cycle(3 * 65_536 / few.width() + 77).memory::<f32>();
        let batch = memory.batch();
        let alone = everything(batch.threads(false), &loss);
        for pool in &pools {
            let threaded = pool.install(|| everything(batch, &loss));
            assert!(
                threaded == alone,
                "{} with {} threads",
                entry.name,
                pool.current_num_threads()
            );
        }
    }
}

/// One set of all elements, where the batches above have many small ones; with few positives, whose ranking is shared by threads. In
/// `f64` and with scores of all digits: sums of short ones are exact, in any order.
#[test]
fn any_number_of_threads_gives_the_same_bits_of_one_large_set() {
    const ELEMENTS: usize = 3 * 65_536 + 77;
    let pools: Vec<_> = (1..=3)
        .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap())
        .collect();
    let mut random = Random::new(43);
    let of_labels =
        |entry: &&Entry| entry.signature.scope == Scope::Set && !entry.signature.pred.is_row();
    for entry in tested().iter().filter(of_labels) {
        let loss = entry.make();
        let numbers = ELEMENTS * entry.signature.pred.fields().len();
        let pred: Vec<f64> = (0..numbers).map(|_| random.between(0.0, 3.0) / 1.1).collect();
        let labels: Vec<f64> =
            (0..ELEMENTS).map(|index| f64::from(u8::from(index % 50 == 0))).collect();
        let bits = |batch: Batch<'_, f64>| {
            let (value, grad) = batch.value_and_grad(&loss).unwrap();
            (value.to_bits(), grad.iter().map(|slope| slope.to_bits()).collect::<Vec<_>>())
        };
        let batch = Batch::new(&pred, &labels);
        let alone = bits(batch.threads(false));
        for pool in &pools {
            let threads = pool.current_num_threads();
            let same = pool.install(|| bits(batch)) == alone;
            assert!(same, "{} with {threads} threads", entry.name);
        }
    }
}

#[test]
fn levels_that_fuse_give_the_same_bits_and_the_others_are_close() {
    let levels = Level::available();
    let fusing: Vec<_> = levels.iter().filter(|level| level.name().starts_with("AVX")).collect();
    for entry in tested() {
        let (loss, rows) = (entry.make(), mixed(entry, 301));
        let memory = rows.memory::<f32>();
        let at = |level: Level| everything(memory.batch().level(level), &loss);
        for pair in fusing.windows(2) {
            let (one, other) = (at_level(&loss, &rows, *pair[0]), at_level(&loss, &rows, *pair[1]));
            for unit in 0..rows.len() {
                let what =
                    format!("{} at {} and {}: {}", entry.name, pair[0], pair[1], rows.what[unit]);
                assert_eq!(one.0[unit].to_bits(), other.0[unit].to_bits(), "{what}");
                let slopes = unit * rows.width()..(unit + 1) * rows.width();
                assert_eq!(bits(&one.1[slopes.clone()]), bits(&other.1[slopes]), "{what}");
            }
            assert!(
                at(*pair[0]) == at(*pair[1]),
                "{}: the sum at {} and {}",
                entry.name,
                pair[0],
                pair[1]
            );
        }
        let rows = detloss::testing::ordinary(entry, 300, 41);
        let best = at_level(&loss, &rows, levels[0]);
        for &level in &levels[1..] {
            let this = at_level(&loss, &rows, level);
            for (got, expected) in this.0.iter().zip(&best.0).chain(this.1.iter().zip(&best.1)) {
                assert_close(
                    (*got).into(),
                    (*expected).into(),
                    Tolerance::LEVEL,
                    &format!("{} at {level}", entry.name),
                );
            }
        }
    }
}
