//! A modified loss as a kernel: its program, followed operation by operation. A compiled loop for every loss with every
//! modifier would be most of the build, for the few losses of a training run.

use std::sync::Arc;

use super::kernel::{Kernel, Tile, TileTarget};
use super::level::Level;
use crate::error::{Error, Result};
use crate::loss::modifiers::{self, Modifier, Modifiers};
use crate::scalar::Element;
use crate::scalar::expr::Program;
use crate::signature::Signature;

/// A formula with some modifiers.
pub(super) struct Modified {
    plain: Arc<dyn Kernel>,
    value: Program,
    value_and_grad: Program,
    has_exact_gradient: bool,
}

/// The program of a loss with some modifiers, with or without the gradient; None for a loss that is no formula.
type TraceOf<'a> = &'a dyn Fn(&Modifiers, bool) -> Option<Program>;

impl Modified {
    pub(super) fn new(
        plain: Arc<dyn Kernel>,
        trace: TraceOf<'_>,
        modifiers: &Modifiers,
        has_exact_gradient: bool,
    ) -> Result<Self> {
        modifiers.check()?;
        check_terms(plain.signature().loss, trace, modifiers)?;
        let program =
            |gradient| trace(modifiers, gradient).expect("a loss with terms is a formula");
        Ok(Self { plain, value: program(false), value_and_grad: program(true), has_exact_gradient })
    }

    fn tile<T: Element>(&self, tile: Tile<'_, T>) -> f64 {
        let TileTarget::Dense(target) = tile.target else {
            unreachable!("the driver writes out the labels of formulas")
        };
        let Tile { pred, weights, mut values, mut grad, factor, .. } = tile;
        let program = if grad.is_some() { &self.value_and_grad } else { &self.value };
        let Signature { pred: of_pred, target: of_target, .. } = self.signature();
        let (fields, of_target) = (of_pred.fields().len(), of_target.fields().len());
        let mut sum = 0.0;
        for (unit, weight) in weights.iter().map(|weight| weight.to_f64()).enumerate() {
            let pred = pred[unit * fields..][..fields].iter();
            let target = target[unit * of_target..][..of_target].iter();
            let inputs: Vec<f64> = pred.chain(target).map(|number| number.to_f64()).collect();
            let outputs = program.run(&inputs);
            let value = outputs[0] * weight;
            sum += value;
            if let Some(values) = &mut values {
                values[unit] = T::from_f64(value);
            }
            if let Some(grad) = &mut grad {
                let scale = weight * factor.to_f64();
                for (to, slope) in grad[unit * fields..].iter_mut().zip(&outputs[1..]) {
                    *to = T::from_f64(slope * scale);
                }
            }
        }
        sum
    }
}

/// Whether a loss has what these modifiers change: with any of them, at its defaults, the program is another one.
fn check_terms(loss: &'static str, trace: TraceOf<'_>, modifiers: &Modifiers) -> Result<()> {
    let plain = trace(&Modifiers::default(), false);
    let changes_something = |modifier: &Modifier| {
        let mut alone = Modifiers::default();
        alone.add(modifier.name, &[]).expect("the defaults lie in their ranges");
        trace(&alone, false) != plain
    };
    let Some((useless, _)) = modifiers.given().find(|(modifier, _)| !changes_something(modifier))
    else {
        return Ok(());
    };
    let useful = modifiers::ALL.iter().filter(|modifier| changes_something(modifier));
    let useful: Vec<&str> = useful.map(|modifier| modifier.name).collect();
    let wanted = if useful.is_empty() {
        "modifiers are for losses of two boxes".to_owned()
    } else {
        format!("its formula has no IoU; take a loss that has one, or {}", useful.join(", "))
    };
    Err(Error::NotModifiable { loss, modifier: useless.name, wanted })
}

impl Kernel for Modified {
    fn signature(&self) -> Signature {
        self.plain.signature()
    }

    fn trace(&self, gradient: bool) -> Option<Program> {
        Some(if gradient { &self.value_and_grad } else { &self.value }.clone())
    }

    fn has_exact_gradient(&self) -> bool {
        self.has_exact_gradient
    }

    fn check(&self) -> Result<()> {
        self.plain.check()
    }

    fn modified(&self, modifiers: &Modifiers) -> Result<Arc<dyn Kernel>> {
        self.plain.modified(modifiers)
    }

    fn initial_state(&self, columns: usize) -> Vec<f64> {
        self.plain.initial_state(columns)
    }

    fn tile_f32(&self, _: Level, tile: Tile<'_, f32>) -> f64 {
        self.tile(tile)
    }

    fn tile_f64(&self, tile: Tile<'_, f64>) -> f64 {
        self.tile(tile)
    }
}
