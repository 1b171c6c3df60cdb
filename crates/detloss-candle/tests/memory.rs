//! What a call allocates: its gradient, and nothing else that grows with the batch.

use candle_core::{DType, Device, Result, Tensor, Var};
use detloss::loss::Scope;
use detloss::losses::ALL;
use detloss::testing::{Rows, ordinary};
use detloss_candle::{Options, loss};

const UNITS: usize = 10_000;

/// Room for names, shapes and nodes of the graph, and the tiles of the core.
const SMALL: u64 = 16 * 1024;

#[test]
fn tensors_in_order_are_not_copied() -> Result<()> {
    // Losses of whole batches sort and count in memory of their own, and rows of logits are exponentiated in theirs.
    for entry in ALL.iter().filter(|entry| entry.signature.scope == Scope::Unit) {
        let columns = Rows::of(entry).columns;
        let rows = ordinary(entry, UNITS, 1);
        let tensor = |numbers: &[f64], width| {
            Tensor::from_slice(numbers, (UNITS, width), &Device::Cpu)?.to_dtype(DType::F32)
        };
        let pred = Var::from_tensor(&tensor(&rows.pred, entry.signature.pred.width(columns))?)?;
        let target = tensor(&rows.target, entry.signature.target.width(columns))?;
        let target = if entry.signature.target.fields().len() == 1
            && entry.signature.pred.fields().len() > 1
        {
            target.flatten_all()?
        } else {
            target
        };
        let (kind, options) = (entry.make(), Options::default());
        let allocated = |pred: &Tensor| {
            let call = || loss(pred, &target, &kind, &options).map(drop);
            call().expect("a loss"); // What is made once, is made.
            allocation_counter::measure(|| call().expect("a loss")).bytes_total
        };
        let constant = allocated(&pred.detach());
        assert!(constant < SMALL, "{}: {constant} bytes for the value", entry.name);
        let gradient = (pred.elem_count() * DType::F32.size_in_bytes()) as u64;
        let tracked = allocated(&pred);
        assert!(tracked < gradient + SMALL, "{}: {tracked} bytes with the gradient", entry.name);
    }
    Ok(())
}
