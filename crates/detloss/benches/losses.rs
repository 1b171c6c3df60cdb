//! Every loss of the list, in and out of cache, on one and on two threads: rows and bytes per second.
//!
//! ```text
//! cargo bench -p detloss --bench losses             everything
//! cargo bench -p detloss --bench losses -- giou     only this loss
//! ```
//!
//! For before and after. How far from the limits of the machine: see the benchmark `limits`.

mod data;

use data::Data;
use detloss::losses;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

fn main() {
    divan::main();
}

fn names() -> impl Iterator<Item = &'static str> {
    losses::ALL.iter().map(|entry| entry.name)
}

#[divan::bench(args = names())]
fn in_cache(bencher: Bencher<'_, '_>, name: &str) {
    run(bencher, name, data::IN_CACHE, 1);
}

#[divan::bench(args = names(), max_time = 1)]
fn out_of_cache(bencher: Bencher<'_, '_>, name: &str) {
    run(bencher, name, data::OUT_OF_CACHE, 1);
}

#[divan::bench(args = names(), max_time = 1)]
fn out_of_cache_on_two_threads(bencher: Bencher<'_, '_>, name: &str) {
    run(bencher, name, data::OUT_OF_CACHE, 2);
}

/// Value and gradient of `numbers` numbers of predictions.
fn run(bencher: Bencher<'_, '_>, name: &str, numbers: usize, threads: usize) {
    let entry = losses::find(name).expect("a loss of the list");
    let loss = entry.make();
    let mut data = Data::new(entry, numbers);
    let bencher =
        bencher.counter(ItemsCount::new(data.units())).counter(BytesCount::new(data.bytes()));
    if threads == 1 {
        bencher.bench_local(|| data.run(&loss, false));
    } else {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        bencher.bench_local(|| pool.install(|| data.run(&loss, true)));
    }
}
