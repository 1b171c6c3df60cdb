//! How one tile of a batch is computed.

use std::sync::Arc;

use fearless_simd::Simd;

use super::interpreter::{self, Interpreted};
use super::kernel::{Kernel, Key, RunningMean};
use super::level::{Job, Level};
use super::modified::Modified;
use super::prefetch;
use super::tile::{Tile, TileTarget};
use crate::error::Result;
use crate::loss::modifiers::Modifiers;
use crate::loss::{
    Case, Described, Facts, Formula, JaccardDistance, Loss, Row, RowLoss, RowOf, RowTarget, Scope,
    Set, SetLoss, SetOf, State, TracedLoss, TracedRow, TracedSet,
};
use crate::operand::{Kind, Operand};
use crate::scalar::dual::Gradient;
use crate::scalar::expr::{Expr, Program, Trace};
use crate::scalar::lanes::{LANES, Lanes, Vector};
use crate::scalar::{Element, Scalar as _};
use crate::signature::Signature;

/// Whether the loops of every loss are compiled. The unit tests of this crate do without: they are of what the loops are made
/// of.
pub(super) const HAS_KERNELS: bool = cfg!(feature = "kernels") && !cfg!(test);

/// How losses of one form run. This indirection lets all forms implement [`Kernel`] without overlap.
pub trait Driver<L> {
    #[doc(hidden)]
    const SIGNATURE: Signature;
    #[doc(hidden)]
    const FACTS: Facts;
    #[doc(hidden)]
    const CASES: &'static [Case];
    #[doc(hidden)]
    const IS_INTERPRETED: bool = false;
    #[doc(hidden)]
    fn trace(_: &L, _: &Modifiers, _: bool, _: Option<f64>) -> Option<Program> {
        None
    }
    #[doc(hidden)]
    fn trace_row(_: &L, _: usize, _: bool, _: bool) -> Option<Program> {
        None
    }
    #[doc(hidden)]
    fn trace_set(_: &L, _: bool) -> Option<Program> {
        None
    }
    #[doc(hidden)]
    fn running_mean(_: &L, _: &Modifiers) -> Option<RunningMean> {
        None
    }
    #[doc(hidden)]
    fn has_exact_gradient(_: &L, _: &Modifiers) -> bool {
        true
    }
    #[doc(hidden)]
    fn initial_state(_: &L, _: usize) -> Vec<f64> {
        Vec::new()
    }
    #[doc(hidden)]
    fn tile<V: Vector>(loss: &L, token: V::Token, tile: Tile<'_, V::Element>) -> f64;
}

impl<L: Described> Kernel for L
where
    L::Form: Driver<L>,
{
    fn signature(&self) -> Signature {
        L::Form::SIGNATURE
    }

    fn trace(&self, gradient: bool) -> Option<Program> {
        L::Form::trace(self, &Modifiers::default(), gradient, Some(RunningMean::FIRST))
    }

    fn trace_row(&self, columns: usize, is_weighted: bool, gradient: bool) -> Option<Program> {
        L::Form::trace_row(self, columns, is_weighted, gradient)
    }

    fn trace_set(&self, gradient: bool) -> Option<Program> {
        L::Form::trace_set(self, gradient)
    }

    fn trace_at_mean(&self, gradient: bool) -> Option<Program> {
        self.running_mean()?;
        L::Form::trace(self, &Modifiers::default(), gradient, None)
    }

    fn running_mean(&self) -> Option<RunningMean> {
        L::Form::running_mean(self, &Modifiers::default())
    }

    fn has_exact_gradient(&self) -> bool {
        L::Form::has_exact_gradient(self, &Modifiers::default())
    }

    fn initial_state(&self, columns: usize) -> Vec<f64> {
        L::Form::initial_state(self, columns)
    }

    fn check(&self) -> Result<()> {
        L::PARAMS
            .iter()
            .zip(self.params())
            .try_for_each(|(param, value)| param.check(L::NAME, value))
    }

    fn modified(&self, modifiers: &Modifiers) -> Result<Arc<dyn Kernel>> {
        self.check()?;
        if modifiers.is_empty() {
            return Ok(Arc::new(*self));
        }
        let trace =
            |modifiers: &Modifiers, gradient, mean| L::Form::trace(self, modifiers, gradient, mean);
        let is_exact = L::Form::has_exact_gradient(self, modifiers);
        let running_mean = L::Form::running_mean(self, modifiers);
        let plain = Arc::new(*self);
        Ok(Arc::new(Modified::new(plain, &trace, modifiers, is_exact, running_mean)?))
    }

    fn key(&self) -> Key {
        Key::new(L::NAME, L::FILE, &self.params())
    }

    fn is_interpreted(&self) -> bool {
        L::Form::IS_INTERPRETED
    }

    fn tile_f32(&self, level: Level, tile: Tile<'_, f32>) -> f64 {
        struct OnLanes<'a, L>(L, Tile<'a, f32>);
        impl<L: Described> Job for OnLanes<'_, L>
        where
            L::Form: Driver<L>,
        {
            type Output = f64;
            #[inline(always)]
            fn run<S: Simd>(self, simd: S) -> f64 {
                L::Form::tile::<Lanes<S>>(&self.0, simd, self.1)
            }
        }
        if L::Form::IS_INTERPRETED {
            interpreter::tape(self, tile.grad.is_some()).tile_f32(level, tile)
        } else if HAS_KERNELS {
            level.run(OnLanes(*self, tile))
        } else {
            unreachable!("a plan is not made without kernels")
        }
    }

    fn tile_f64(&self, tile: Tile<'_, f64>) -> f64 {
        if L::Form::IS_INTERPRETED {
            interpreter::tape(self, tile.grad.is_some()).tile_f64(tile)
        } else if HAS_KERNELS {
            L::Form::tile::<f64>(self, (), tile)
        } else {
            unreachable!("a plan is not made without kernels")
        }
    }
}

impl<L: Loss> Driver<L> for Formula {
    const SIGNATURE: Signature = Signature {
        state: L::STATE,
        ..Signature::new(L::NAME, Scope::Unit, L::Pred::KIND, L::Target::KIND)
    };
    const FACTS: Facts = L::FACTS;
    const CASES: &'static [Case] = L::CASES;
    // The overlap of two rotated boxes takes minutes to compile for all levels, and so would whatever is built on it. A state is an
    // input more, for which no loop is worth being compiled.
    const IS_INTERPRETED: bool =
        !HAS_KERNELS || L::Pred::KIND.fields().len() > 4 || !matches!(L::STATE, State::None);

    fn trace(
        loss: &L,
        modifiers: &Modifiers,
        gradient: bool,
        mean: Option<f64>,
    ) -> Option<Program> {
        let trace = Trace::new();
        let fields = L::Pred::KIND.fields().len();
        let target = |index| trace.input(fields + index);
        let mean = match mean {
            Some(mean) => trace.input(0).lit(mean),
            None => target(L::Target::KIND.fields().len()),
        };
        let outputs = if gradient {
            type Active<'t, L> = <<L as Loss>::Pred as Operand>::Dual<Expr<'t>>;
            let pred = L::Pred::of(|index| Active::<L>::variable(trace.input(index), index));
            let target = L::Target::of(|index| Active::<L>::constant(target(index)));
            let result = loss.eval_modified(pred, target, modifiers, Active::<L>::constant(mean));
            let partials = (0..fields).map(|index| result.partial(index));
            std::iter::once(result.value()).chain(partials).collect()
        } else {
            let pred = L::Pred::of(|index| trace.input(index));
            vec![loss.eval_modified(pred, L::Target::of(target), modifiers, mean)]
        };
        Some(trace.program(&outputs))
    }

    fn has_exact_gradient(loss: &L, modifiers: &Modifiers) -> bool {
        let trace = Trace::new();
        let target = |index| trace.input(L::Pred::KIND.fields().len() + index);
        let pred = L::Pred::of(|index| trace.input(index));
        let mean = trace.input(0).lit(RunningMean::FIRST);
        let _ = loss.eval_modified(pred, L::Target::of(target), modifiers, mean);
        !trace.detaches()
    }

    fn running_mean(loss: &L, modifiers: &Modifiers) -> Option<RunningMean> {
        static DISTANCE: Interpreted<JaccardDistance> = Interpreted(JaccardDistance {});
        let focusing = loss.focusing(modifiers)?;
        Some(RunningMean { of: &DISTANCE, momentum: focusing.momentum })
    }

    fn initial_state(loss: &L, _: usize) -> Vec<f64> {
        RunningMean::initial_state(Self::running_mean(loss, &Modifiers::default()))
    }

    #[inline(always)]
    fn tile<V: Vector>(loss: &L, token: V::Token, tile: Tile<'_, V::Element>) -> f64 {
        let TileTarget::Dense(target) = tile.target else {
            unreachable!("the driver writes out the labels of formulas")
        };
        let Tile { pred, weights, values, factor, grad, .. } = tile;
        let units = Units { pred, target, weights };
        // Two loops that each do one thing: a third for both would be a copy of each formula for the rarest case.
        let mut sum = 0.0;
        if grad.is_none() || values.is_some() {
            sum = value::<L, V>(*loss, token, units, values);
        }
        if let Some(grad) = grad {
            sum = value_and_grad::<L, V>(*loss, token, units, factor, grad);
        }
        sum
    }
}

/// The units of a tile whose target is written out.
#[derive(Clone, Copy)]
struct Units<'a, T> {
    pred: &'a [T],
    target: &'a [T],
    weights: &'a [T],
}

#[inline(always)]
fn value<L: Loss, V: Vector>(
    loss: L,
    token: V::Token,
    units: Units<'_, V::Element>,
    values: Option<&mut [V::Element]>,
) -> f64 {
    let (p, t) = (L::Pred::KIND.fields().len() * V::LEN, L::Target::KIND.fields().len() * V::LEN);
    let blocks = units
        .pred
        .chunks_exact(p)
        .zip(units.target.chunks_exact(t))
        .zip(units.weights.chunks_exact(V::LEN));
    let mut nowhere = [V::Element::default(); LANES];
    // Values that nobody wants all go to the same place: no branch, and so one loop instead of two.
    let (to, step) = values.map_or((&mut nowhere[..V::LEN], 0), |values| (values, V::LEN));
    let mut next = 0;
    let mut sum = V::splat(token, V::Element::default());
    for ((pred, target), weights) in blocks {
        prefetch::ahead_of(pred);
        prefetch::ahead_of(target);
        let pred = L::Pred::load::<V>(token, pred);
        let target = L::Target::load::<V>(token, target);
        let loss = loss.eval(
            L::Pred::of(
                #[inline(always)]
                |k| pred.as_ref()[k],
            ),
            L::Target::of(
                #[inline(always)]
                |k| target.as_ref()[k],
            ),
        );
        let value = loss * L::Pred::order(V::load(token, weights));
        sum = sum + value;
        L::Pred::order(value).store(&mut to[next..next + V::LEN]);
        next += step;
    }
    L::Pred::order(sum).sum()
}

#[inline(always)]
fn value_and_grad<L: Loss, V: Vector>(
    loss: L,
    token: V::Token,
    units: Units<'_, V::Element>,
    factor: V::Element,
    grad: &mut [V::Element],
) -> f64 {
    type Active<L, V> = <<L as Loss>::Pred as Operand>::Dual<V>;
    let (p, t) = (L::Pred::KIND.fields().len() * V::LEN, L::Target::KIND.fields().len() * V::LEN);
    let blocks = units
        .pred
        .chunks_exact(p)
        .zip(units.target.chunks_exact(t))
        .zip(units.weights.chunks_exact(V::LEN));
    let factor = V::splat(token, factor);
    let mut sum = V::splat(token, V::Element::default());
    for (((pred, target), weights), grad) in blocks.zip(grad.chunks_exact_mut(p)) {
        prefetch::ahead_of(pred);
        prefetch::ahead_of(target);
        prefetch::ahead_of(grad);
        let pred = L::Pred::load::<V>(token, pred);
        let target = L::Target::load::<V>(token, target);
        let loss = loss.eval(
            L::Pred::of(
                #[inline(always)]
                |k| Active::<L, V>::variable(pred.as_ref()[k], k),
            ),
            L::Target::of(
                #[inline(always)]
                |k| Active::<L, V>::constant(target.as_ref()[k]),
            ),
        );
        let weight = L::Pred::order(V::load(token, weights));
        let value = loss.value() * weight;
        sum = sum + value;
        let scale = weight * factor;
        L::Pred::store(
            #[inline(always)]
            |k| loss.partial(k) * scale,
            grad,
        );
    }
    L::Pred::order(sum).sum()
}

impl<L: RowLoss> Driver<L> for Row {
    const SIGNATURE: Signature = Signature::new(L::NAME, Scope::Row, Kind::Logits, L::TARGET);
    const FACTS: Facts = L::FACTS;
    const CASES: &'static [Case] = L::CASES;

    fn trace_row(loss: &L, columns: usize, is_weighted: bool, gradient: bool) -> Option<Program> {
        let trace = Trace::new();
        let [logits, target, column] = [0, 1, 2].map(|index| trace.input(index));
        let column_weights = is_weighted.then(|| trace.input(3));
        let row = TracedRow { logits, target, column_weights, column, columns };
        let TracedLoss { value, slope } = loss.trace_row(row)?;
        let outputs = [value, slope];
        Some(trace.program(&outputs[..1 + usize::from(gradient)]))
    }

    #[inline(always)]
    fn tile<V: Vector>(loss: &L, token: V::Token, tile: Tile<'_, V::Element>) -> f64 {
        let Tile { columns, pred, target, column_weights, weights, factor, .. } = tile;
        let (mut values, mut grad) = (tile.values, tile.grad);
        let target_width = L::TARGET.width(columns);
        let mut sum = 0.0;
        for (index, &weight) in weights.iter().enumerate() {
            let of_row = index * columns..(index + 1) * columns;
            let of_target = index * target_width..(index + 1) * target_width;
            prefetch::ahead_of(&pred[of_row.clone()]);
            if let TileTarget::Dense(target) = target {
                prefetch::ahead_of(&target[of_target.clone()]);
            }
            if let Some(grad) = &grad {
                prefetch::ahead_of(&grad[of_row.clone()]);
            }
            let target = match target {
                TileTarget::Dense(target) => Some(RowTarget::Dense(&target[of_target])),
                TileTarget::Classes(classes) => usize::try_from(classes[index])
                    .ok()
                    .filter(|&class| class < columns)
                    .map(RowTarget::Class),
            };
            let grad = grad.as_mut().map(|grad| &mut grad[of_row.clone()]);
            let value = if let Some(target) = target {
                let scale = weight * factor;
                let row = RowOf { logits: &pred[of_row], target, column_weights, scale, grad };
                loss.row::<V>(token, row) * weight.to_f64()
            } else {
                // An ignored row.
                if let Some(grad) = grad {
                    grad.fill(V::Element::default());
                }
                0.0
            };
            sum += value;
            if let Some(values) = &mut values {
                values[index] = V::Element::from_f64(value);
            }
        }
        sum
    }
}

impl<L: SetLoss> Driver<L> for Set {
    const SIGNATURE: Signature = Signature {
        components: L::COMPONENTS,
        state: L::STATE,
        ..Signature::new(L::NAME, Scope::Set, L::PRED, L::TARGET)
    };
    const FACTS: Facts = L::FACTS;
    const CASES: &'static [Case] = L::CASES;

    fn trace_set(loss: &L, gradient: bool) -> Option<Program> {
        let trace = Trace::new();
        let [pred, target, counts] = [0, 1, 2].map(|index| trace.input(index));
        let set = TracedSet::new(pred, target, counts, L::PRED.is_row());
        let TracedLoss { value, slope } = loss.trace_set(set)?;
        // Where nothing counts, there is nothing to divide by.
        let value = Expr::if_lt(value.lit(0.0), set.count, value, value.lit(0.0));
        let outputs = [value, set.only(slope)];
        Some(trace.program(&outputs[..1 + usize::from(gradient)]))
    }

    fn has_exact_gradient(loss: &L, _: &Modifiers) -> bool {
        loss.has_exact_gradient()
    }

    fn initial_state(loss: &L, columns: usize) -> Vec<f64> {
        loss.initial_state(columns)
    }

    #[inline(always)]
    fn tile<V: Vector>(loss: &L, token: V::Token, tile: Tile<'_, V::Element>) -> f64 {
        let TileTarget::Dense(target) = tile.target else {
            unreachable!("the driver writes out the labels of whole batches")
        };
        let Tile { columns, pred, element_columns, factor, grad, state, components, .. } = tile;
        let (scale, work) = (factor.to_f64(), tile.work);
        let set =
            SetOf { pred, target, columns, element_columns, scale, work, grad, state, components };
        loss.set::<V>(token, set)
    }
}
