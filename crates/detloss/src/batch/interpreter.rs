//! A traced formula run over many units at once, operation by operation.
//!
//! A compiled kernel keeps a formula in the registers of the CPU, and costs seconds of compilation for every level and precision. Here
//! every operation goes over a block of units before the next one begins; what lies in between stays in the cache. That takes three to
//! six times as long, and no compilation: so it serves formulas of many hundred operations, and those that are put together at run time.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use fearless_simd::Simd;

use super::kernel::{Kernel, Key, RunningMean};
use super::level::{Job, Level};
use super::prefetch;
use super::tile::{Tile, TileTarget};
use crate::error::Result;
use crate::loss::modifiers::Modifiers;
use crate::scalar::Scalar;
use crate::scalar::expr::{Binary, BinaryVisitor, Op, Program, Unary, UnaryVisitor};
use crate::scalar::lanes::{Lanes, Vector};
use crate::signature::Signature;

/// How many bytes the registers take. That is more than the first-level cache has, but the longest tapes use a part of them at a time;
/// with less, an operation would go over a vector or two, and finding the next one would take as long.
const REGISTERS: usize = 64 << 10;

/// The most bytes that an operation goes over before the next one.
const BLOCK: usize = 1 << 10;

/// How many tapes are kept. Somebody who changes a parameter at every step must not fill the memory.
const REMEMBERED: usize = 256;

/// A program whose results have registers.
#[derive(Debug)]
pub(crate) struct Tape {
    steps: Vec<Step>,
    /// How many inputs there are. Their registers are the first.
    inputs: usize,
    registers: usize,
    /// The registers that hold constants. No step writes to them, nor to those of the inputs.
    constants: Vec<(u16, f64)>,
    outputs: Vec<u16>,
}

/// An operation on registers. It is small: a tape is read once for every block.
#[derive(Clone, Copy, Debug)]
struct Step {
    function: Function,
    operands: [u16; 4],
    result: u16,
}

#[derive(Clone, Copy, Debug)]
enum Function {
    Unary(Unary),
    Binary(Binary),
    MulAdd,
    IfLt,
}

impl Tape {
    /// Gives a register to every result of `program`, which has so many inputs; one that nobody needs any more is used again.
    pub(super) fn new(program: &Program, inputs: usize) -> Self {
        let mut last_use: Vec<usize> = (0..program.ops.len()).collect();
        for (index, op) in program.ops.iter().enumerate() {
            for operand in op.operands() {
                last_use[operand] = index;
            }
        }
        for &output in &program.outputs {
            last_use[output] = program.ops.len();
        }
        let mut registers = Allocator { free: Vec::new(), count: 0 };
        for _ in 0..inputs {
            registers.take();
        }
        let (mut steps, mut constants, mut place) = (Vec::new(), Vec::new(), Vec::new());
        for (index, op) in program.ops.iter().enumerate() {
            let function = match *op {
                Op::Input(field) => {
                    place.push(field as u16);
                    continue;
                }
                Op::Const(constant) => {
                    let register = registers.take_new();
                    constants.push((register, constant.get()));
                    place.push(register);
                    continue;
                }
                Op::Unary(function, _) => Function::Unary(function),
                Op::Binary(function, ..) => Function::Binary(function),
                Op::MulAdd(..) => Function::MulAdd,
                Op::IfLt(..) => Function::IfLt,
                Op::RowSum(_) | Op::RowMax(_) | Op::ColumnSum(_) | Op::ColumnMax(_) => {
                    unreachable!("a unit is no row")
                }
            };
            let mut operands = [0; 4];
            for (to, operand) in operands.iter_mut().zip(op.operands()) {
                *to = place[operand];
                let is_fixed = matches!(program.ops[operand], Op::Input(_) | Op::Const(_));
                if last_use[operand] == index && !is_fixed {
                    // An operand may come twice.
                    last_use[operand] = usize::MAX;
                    registers.free.push(place[operand]);
                }
            }
            let result = registers.take();
            steps.push(Step { function, operands, result });
            place.push(result);
        }
        let outputs = program.outputs.iter().map(|&output| place[output]).collect();
        Self { steps, inputs, registers: registers.count, constants, outputs }
    }

    pub(crate) fn tile_f32(&self, level: Level, tile: Tile<'_, f32>) -> f64 {
        struct OnLanes<'a>(&'a Tape, Tile<'a, f32>);
        impl Job for OnLanes<'_> {
            type Output = f64;
            #[inline(always)]
            fn run<S: Simd>(self, simd: S) -> f64 {
                self.0.tile::<Lanes<S>>(simd, self.1)
            }
        }
        level.run(OnLanes(self, tile))
    }

    pub(crate) fn tile_f64(&self, tile: Tile<'_, f64>) -> f64 {
        self.tile::<f64>((), tile)
    }

    #[inline(always)]
    fn tile<V: Vector>(&self, token: V::Token, tile: Tile<'_, V::Element>) -> f64 {
        let TileTarget::Dense(target) = tile.target else {
            unreachable!("the driver writes out the labels of formulas")
        };
        let Tile { pred, weights, factor, mean, mut values, mut grad, .. } = tile;
        if weights.is_empty() {
            return 0.0;
        }
        let (width, target_width) = (pred.len() / weights.len(), target.len() / weights.len());
        // Corners have a faster way from memory, which leaves the units in an order of its own.
        let are_quads = width == 4 && target_width == 4;
        let zero = V::splat(token, V::Element::default());
        let factor = V::splat(token, factor);
        let block = (REGISTERS / self.registers).min(BLOCK) / size_of::<V>();
        let block = block.clamp(1, weights.len() / V::LEN);
        let mut registers = vec![zero; self.registers * block];
        let registers = Cell::from_mut(&mut registers[..]).as_slice_of_cells();
        let mut registers = Registers { numbers: registers, block, count: block };
        // A tape with an input more than the rows have fields is that of a loss with a running mean.
        let fields = width + target_width;
        let mean = (self.inputs > fields).then_some((fields as u16, mean));
        for &(register, value) in self.constants.iter().chain(&mean) {
            registers.of(register).iter().for_each(
                #[inline(always)]
                |number| number.set(zero.lit(value)),
            );
        }
        let mut sum = zero;
        for first in (0..weights.len()).step_by(block * V::LEN) {
            registers.count = ((weights.len() - first) / V::LEN).min(block);
            let of_vector = |vector: usize, width: usize| {
                let start = (first + vector * V::LEN) * width;
                start..start + V::LEN * width
            };
            for vector in 0..registers.count {
                let pred = &pred[of_vector(vector, width)];
                let target = &target[of_vector(vector, target_width)];
                prefetch::ahead_of(pred);
                prefetch::ahead_of(target);
                load(token, pred, registers, (0, width), vector, are_quads);
                load(token, target, registers, (width, target_width), vector, are_quads);
            }
            for step in &self.steps {
                step.run(registers);
            }
            for vector in 0..registers.count {
                let of_block = of_vector(vector, 1);
                let weight = order(V::load(token, &weights[of_block.clone()]), are_quads);
                let value = self.output(0, registers)[vector].get() * weight;
                sum = sum + value;
                if let Some(values) = &mut values {
                    order(value, are_quads).store(&mut values[of_block]);
                }
                if let Some(grad) = &mut grad {
                    let scale = weight * factor;
                    store(
                        #[inline(always)]
                        |field| self.output(1 + field, registers)[vector].get() * scale,
                        &mut grad[of_vector(vector, width)],
                        are_quads,
                    );
                }
            }
        }
        order(sum, are_quads).sum()
    }

    #[inline(always)]
    fn output<'r, V>(&self, output: usize, registers: Registers<'r, V>) -> &'r [Cell<V>] {
        registers.of(self.outputs[output])
    }
}

/// The numbers that a tape computes with.
#[derive(Clone, Copy)]
struct Registers<'a, V> {
    numbers: &'a [Cell<V>],
    /// Vectors in a register.
    block: usize,
    /// Vectors of a register that are in use.
    count: usize,
}

impl<'a, V> Registers<'a, V> {
    #[inline(always)]
    fn of(self, register: u16) -> &'a [Cell<V>] {
        let start = usize::from(register) * self.block;
        &self.numbers[start..start + self.count]
    }
}

/// From the order in which [`load`] leaves the units to that of the memory, and back.
#[inline(always)]
fn order<V: Vector>(units: V, are_quads: bool) -> V {
    if are_quads { units.quad_order() } else { units }
}

/// `LEN` rows of fields as one vector of as many registers, from the first of `fields` on.
#[inline(always)]
fn load<V: Vector>(
    token: V::Token,
    from: &[V::Element],
    registers: Registers<'_, V>,
    (first, width): (usize, usize),
    vector: usize,
    are_quads: bool,
) {
    if are_quads {
        for (place, field) in V::load_quads(token, from).into_iter().enumerate() {
            registers.of((first + place) as u16)[vector].set(field);
        }
        return;
    }
    for place in 0..width {
        let field = V::load_field(token, from, width, place);
        registers.of((first + place) as u16)[vector].set(field);
    }
}

/// The inverse of [`load`].
#[inline(always)]
fn store<V: Vector>(field: impl Fn(usize) -> V, to: &mut [V::Element], are_quads: bool) {
    if are_quads {
        V::store_quads([field(0), field(1), field(2), field(3)], to);
        return;
    }
    let width = to.len() / V::LEN;
    for place in 0..width {
        field(place).store_field(to, width, place);
    }
}

impl Step {
    #[inline(always)]
    fn run<V: Scalar>(self, registers: Registers<'_, V>) {
        let [a, b, c, d] = self.operands;
        let (a, b, result) = (registers.of(a), registers.of(b), registers.of(self.result));
        match self.function {
            Function::Unary(function) => function.visit(OfOne { a, result }),
            Function::Binary(function) => function.visit(OfTwo { a, b, result }),
            Function::MulAdd => {
                let c = registers.of(c);
                for (i, to) in result.iter().enumerate() {
                    to.set(a[i].get().mul_add(b[i].get(), c[i].get()));
                }
            }
            Function::IfLt => {
                let (c, d) = (registers.of(c), registers.of(d));
                for (i, to) in result.iter().enumerate() {
                    to.set(V::if_lt(a[i].get(), b[i].get(), c[i].get(), d[i].get()));
                }
            }
        }
    }
}

/// A function of one number for every vector of a register.
struct OfOne<'a, V> {
    a: &'a [Cell<V>],
    result: &'a [Cell<V>],
}

impl<V: Scalar> UnaryVisitor<V> for OfOne<'_, V> {
    #[inline(always)]
    fn visit(self, function: impl Fn(V) -> V) {
        for (to, a) in self.result.iter().zip(self.a) {
            to.set(function(a.get()));
        }
    }
}

/// A function of two numbers for every vector of a register.
struct OfTwo<'a, V> {
    a: &'a [Cell<V>],
    b: &'a [Cell<V>],
    result: &'a [Cell<V>],
}

impl<V: Scalar> BinaryVisitor<V> for OfTwo<'_, V> {
    #[inline(always)]
    fn visit(self, function: impl Fn(V, V) -> V) {
        for (to, (a, b)) in self.result.iter().zip(self.a.iter().zip(self.b)) {
            to.set(function(a.get(), b.get()));
        }
    }
}

/// Registers that are free, and how many there are in all.
struct Allocator {
    free: Vec<u16>,
    count: usize,
}

impl Allocator {
    /// The one that was freed last: it is in the cache.
    fn take(&mut self) -> u16 {
        self.free.pop().unwrap_or_else(|| self.take_new())
    }

    fn take_new(&mut self) -> u16 {
        let register = u16::try_from(self.count).expect("a formula has fewer than 65536 numbers");
        self.count += 1;
        register
    }
}

/// How many inputs the tape of a loss has.
pub(super) fn inputs(signature: &Signature, has_mean: bool) -> usize {
    signature.pred.fields().len() + signature.target.fields().len() + usize::from(has_mean)
}

/// The tape of a loss that is a formula. It is traced once.
pub(super) fn tape<K: Kernel + ?Sized>(loss: &K, gradient: bool) -> Arc<Tape> {
    type Tapes = RwLock<HashMap<(Key, bool), Arc<Tape>>>;
    static TAPES: LazyLock<Tapes> = LazyLock::new(RwLock::default);
    let key = (loss.key(), gradient);
    if let Some(tape) = TAPES.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Arc::clone(tape);
    }
    let program = loss.trace_at_mean(gradient).or_else(|| loss.trace(gradient));
    let program = program.expect("only formulas are interpreted");
    let inputs = inputs(&loss.signature(), loss.running_mean().is_some());
    let tape = Arc::new(Tape::new(&program, inputs));
    let mut tapes = TAPES.write().unwrap_or_else(PoisonError::into_inner);
    if tapes.len() >= REMEMBERED {
        tapes.clear();
    }
    tapes.insert(key, Arc::clone(&tape));
    tape
}

/// A loss that is a formula, run by the interpreter although it has kernels: for tests and benchmarks.
#[derive(Clone, Copy, Debug)]
pub struct Interpreted<K>(pub K);

impl<K: Kernel> Kernel for Interpreted<K> {
    fn signature(&self) -> Signature {
        self.0.signature()
    }

    fn trace(&self, gradient: bool) -> Option<Program> {
        self.0.trace(gradient)
    }

    fn trace_row(&self, columns: usize, is_weighted: bool, gradient: bool) -> Option<Program> {
        self.0.trace_row(columns, is_weighted, gradient)
    }

    fn trace_set(&self, gradient: bool) -> Option<Program> {
        self.0.trace_set(gradient)
    }

    fn trace_at_mean(&self, gradient: bool) -> Option<Program> {
        self.0.trace_at_mean(gradient)
    }

    fn running_mean(&self) -> Option<RunningMean> {
        self.0.running_mean()
    }

    fn has_exact_gradient(&self) -> bool {
        self.0.has_exact_gradient()
    }

    fn check(&self) -> Result<()> {
        self.0.check()
    }

    fn initial_state(&self, columns: usize) -> Vec<f64> {
        self.0.initial_state(columns)
    }

    fn modified(&self, modifiers: &Modifiers) -> Result<Arc<dyn Kernel>> {
        self.0.modified(modifiers)
    }

    fn key(&self) -> Key {
        self.0.key()
    }

    fn is_interpreted(&self) -> bool {
        true
    }

    fn tile_f32(&self, level: Level, tile: Tile<'_, f32>) -> f64 {
        tape(&self.0, tile.grad.is_some()).tile_f32(level, tile)
    }

    fn tile_f64(&self, tile: Tile<'_, f64>) -> f64 {
        tape(&self.0, tile.grad.is_some()).tile_f64(tile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::losses;
    use crate::parallel::Work;
    use crate::scalar::expr::Constant;

    #[test]
    fn registers_are_used_again() {
        for (name, most) in [("ciou", 60), ("siou", 70), ("rotated_iou", 180)] {
            let program = losses::find(name).unwrap().make().trace(true).unwrap();
            let tape = Tape::new(&program, 10);
            assert!(tape.registers <= most, "{name}: {} registers", tape.registers);
            assert!(program.ops.len() > 3 * tape.registers, "{name}");
        }
    }

    /// A value that is an input, and a slope that is a constant.
    #[test]
    fn an_output_need_not_be_the_result_of_a_step() {
        let ops = vec![Op::Input(0), Op::Const(Constant::new(2.0))];
        let tape = Tape::new(&Program { ops, outputs: vec![0, 1] }, 2);
        let (mut values, mut grad) = ([0.0; 2], [0.0; 2]);
        let sum = tape.tile_f64(Tile {
            columns: 1,
            element_columns: None,
            pred: &[3.0, 5.0],
            target: TileTarget::Dense(&[0.0; 2]),
            column_weights: None,
            weights: &[1.0, 10.0],
            factor: 0.5,
            mean: 1.0,
            values: Some(&mut values),
            grad: Some(&mut grad),
            state: None,
            components: &mut [],
            work: Work::ALONE,
        });
        assert_eq!((sum, values, grad), (53.0, [3.0, 50.0], [1.0, 10.0]));
    }

    #[test]
    fn no_number_of_parameters_mixes_up_tapes() {
        let entry = losses::find("smooth_l1").unwrap();
        for _ in 0..2 {
            for step in 1..=REMEMBERED + 20 {
                let beta = step as f64 / 100.0;
                let loss = Interpreted(entry.with(&[("beta", beta)]).unwrap());
                let value = Batch::new(&[10.0_f64], &[0.0]).value(&loss).unwrap();
                assert!((value - (10.0 - beta / 2.0)).abs() < 1e-12, "beta {beta}: {value}");
            }
        }
    }
}
