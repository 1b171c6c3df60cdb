//! A modified loss as a kernel: its program, run by the interpreter. A compiled loop for every loss with every modifier would be
//! most of the build, for the few losses of a training run.

use std::sync::Arc;

use super::interpreter::{Key, Tape};
use super::kernel::{Kernel, Tile};
use super::level::Level;
use crate::error::{Error, Result};
use crate::loss::modifiers::{self, Modifier, Modifiers};
use crate::scalar::expr::Program;
use crate::signature::Signature;

/// A formula with some modifiers.
pub(super) struct Modified {
    plain: Arc<dyn Kernel>,
    modifiers: Modifiers,
    value: Traced,
    value_and_grad: Traced,
    has_exact_gradient: bool,
}

/// A program, and the same for the interpreter.
struct Traced {
    program: Program,
    tape: Tape,
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
        let Signature { loss, pred, target, .. } = plain.signature();
        check_terms(loss, trace, modifiers)?;
        let traced = |gradient| {
            let program = trace(modifiers, gradient).expect("a loss with terms is a formula");
            let tape = Tape::new(&program, pred.fields().len() + target.fields().len());
            Traced { program, tape }
        };
        let (value, value_and_grad) = (traced(false), traced(true));
        Ok(Self { plain, modifiers: *modifiers, value, value_and_grad, has_exact_gradient })
    }

    fn traced(&self, gradient: bool) -> &Traced {
        if gradient { &self.value_and_grad } else { &self.value }
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
        "modifiers are for losses of two axis-aligned boxes".to_owned()
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
        Some(self.traced(gradient).program.clone())
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

    fn key(&self) -> Key {
        self.plain.key().modified(&self.modifiers)
    }

    fn is_interpreted(&self) -> bool {
        true
    }

    fn tile_f32(&self, level: Level, tile: Tile<'_, f32>) -> f64 {
        self.traced(tile.grad.is_some()).tape.tile_f32(level, tile)
    }

    fn tile_f64(&self, tile: Tile<'_, f64>) -> f64 {
        self.traced(tile.grad.is_some()).tape.tile_f64(tile)
    }
}
