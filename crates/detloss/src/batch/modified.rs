//! A modified loss as a kernel: its program, run by the interpreter. A compiled loop for every loss with every modifier would be
//! most of the build, for the few losses of a training run.

use std::sync::Arc;

use super::interpreter::{self, Tape};
use super::kernel::{Kernel, Key, RunningMean};
use super::level::Level;
use super::tile::Tile;
use crate::error::{Error, Result};
use crate::loss::State;
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
    running_mean: Option<RunningMean>,
}

/// A program, the same with the running mean as an input if the loss has one, and what the interpreter makes of that.
struct Traced {
    program: Program,
    at_mean: Option<Program>,
    tape: Tape,
}

/// The program of a loss with some modifiers, with or without the gradient, at this running mean or with that as an input; None for a
/// loss that is no formula.
type TraceOf<'a> = &'a dyn Fn(&Modifiers, bool, Option<f64>) -> Option<Program>;

impl Modified {
    pub(super) fn new(
        plain: Arc<dyn Kernel>,
        trace: TraceOf<'_>,
        modifiers: &Modifiers,
        has_exact_gradient: bool,
        running_mean: Option<RunningMean>,
    ) -> Result<Self> {
        modifiers.check()?;
        let signature = plain.signature();
        check_terms(signature.loss, trace, modifiers)?;
        check_focusing(signature, modifiers)?;
        let inputs = interpreter::inputs(&signature, running_mean.is_some());
        let traced = |gradient| {
            let trace = |mean| trace(modifiers, gradient, mean);
            let program = trace(Some(RunningMean::FIRST)).expect("a loss with terms is a formula");
            let at_mean = running_mean.and_then(|_| trace(None));
            let tape = Tape::new(at_mean.as_ref().unwrap_or(&program), inputs);
            Traced { program, at_mean, tape }
        };
        let (value, value_and_grad) = (traced(false), traced(true));
        let modifiers = *modifiers;
        Ok(Self { plain, modifiers, value, value_and_grad, has_exact_gradient, running_mean })
    }

    fn traced(&self, gradient: bool) -> &Traced {
        if gradient { &self.value_and_grad } else { &self.value }
    }
}

/// Whether a loss has what these modifiers change: with any of them, at its defaults, the program is another one.
fn check_terms(loss: &'static str, trace: TraceOf<'_>, modifiers: &Modifiers) -> Result<()> {
    let trace = |modifiers: &Modifiers| trace(modifiers, false, Some(RunningMean::FIRST));
    let plain = trace(&Modifiers::default());
    let changes_something = |modifier: &Modifier| {
        let mut alone = Modifiers::default();
        alone.add(modifier.name, &[]).expect("the defaults lie in their ranges");
        trace(&alone) != plain
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

/// Whether there is one running mean at most, the loss's or the modifier's.
fn check_focusing(Signature { loss, state, .. }: Signature, modifiers: &Modifiers) -> Result<()> {
    match modifiers.focusings().next() {
        Some((modifier, _)) if state != State::None => {
            let wanted = "it has a running mean of its own; take a loss without state".to_owned();
            Err(Error::NotModifiable { loss, modifier, wanted })
        }
        _ => Ok(()),
    }
}

impl Kernel for Modified {
    fn signature(&self) -> Signature {
        let state = if self.running_mean.is_some() { State::Fixed } else { State::None };
        Signature { state, ..self.plain.signature() }
    }

    fn trace(&self, gradient: bool) -> Option<Program> {
        Some(self.traced(gradient).program.clone())
    }

    fn trace_row(&self, _: usize, _: bool, _: bool) -> Option<Program> {
        None
    }

    fn trace_set(&self, _: bool) -> Option<Program> {
        None
    }

    fn trace_at_mean(&self, gradient: bool) -> Option<Program> {
        self.traced(gradient).at_mean.clone()
    }

    fn running_mean(&self) -> Option<RunningMean> {
        self.running_mean
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

    fn initial_state(&self, _: usize) -> Vec<f64> {
        RunningMean::initial_state(self.running_mean)
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
