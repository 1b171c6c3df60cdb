//! What a call allocates: its gradient, and nothing else that grows with the batch.

use candle_core::{DType, Device, Result, Tensor, Var};
use detloss::batch::Kernel;
use detloss::loss::Scope;
use detloss::losses::ALL;
use detloss::testing::{Rows, ordinary};
use detloss_candle::{Options, loss};

const UNITS: usize = 10_000;

/// Room for names, shapes and nodes of the graph, and the tiles of the core.
const SMALL: u64 = 16 * 1024;

/// And for formulas without kernels the registers of the interpreter: 64 KiB for every 1024 units, one after the other.
const REGISTERS: u64 = 64 * UNITS as u64 + 64 * 1024;

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
        let small = if kind.is_interpreted() { SMALL + REGISTERS } else { SMALL };
        let constant = allocated(&pred.detach());
        assert!(constant < small, "{}: {constant} bytes for the value", entry.name);
        let gradient = (pred.elem_count() * DType::F32.size_in_bytes()) as u64;
        let tracked = allocated(&pred);
        assert!(tracked < gradient + small, "{}: {tracked} bytes with the gradient", entry.name);
    }
    Ok(())
}
