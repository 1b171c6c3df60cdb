//! Every way to run a formula gives the same numbers.

use detloss::batch::{Interpreted, Kernel as _, Level};
use detloss::loss::{Described, Loss, RowLoss, Scope, SetLoss};
use detloss::losses;
use detloss::losses::Visitor;
use detloss::operand::Operand;
use detloss::scalar::Scalar;
use detloss::scalar::dual::Gradient;
use detloss::scalar::expr::Program;
use detloss::testing::{
    FrontEnd, Request, Response, Tolerance, assert_close, check, nasty, ordinary, tested, tied,
};

/// The lanes of a batch, with one set of instructions.
struct OnLanes(Level);

impl FrontEnd for OnLanes {
    fn run(&self, request: &Request<'_>) -> Option<Response> {
        Some(request.answer::<f32>(self.0))
    }
}

/// The interpreter, with one set of instructions.
struct OnTapes(Level);

impl FrontEnd for OnTapes {
    fn run(&self, request: &Request<'_>) -> Option<Response> {
        let loss = request.entry.with(request.params).unwrap();
        let is_formula = request.entry.signature.scope == Scope::Unit;
        is_formula.then(|| request.answer_of::<f32>(&Interpreted(loss), self.0))
    }
}

/// The formula itself, on dual numbers of plain numbers.
struct OnDuals<S>(fn(f64) -> S);

/// Its traced program, replayed.
struct Replayed;

impl<S: Scalar + Into<f64>> FrontEnd for OnDuals<S> {
    fn run(&self, request: &Request<'_>) -> Option<Response> {
        struct Visit<'a, S>(&'a Request<'a>, fn(f64) -> S, Option<Response>);
        impl<S: Scalar + Into<f64>> Visitor for Visit<'_, S> {
            fn formula<L: Loss>(&mut self) {
                let Request { entry, params, pred, target, .. } = self.0;
                if L::NAME != entry.name {
                    return;
                }
                type Active<L, S> = <<L as Loss>::Pred as Operand>::Dual<S>;
                let loss = with::<L>(params);
                let mut response = Response::default();
                let fields = (L::Pred::KIND.fields().len(), L::Target::KIND.fields().len());
                let preds = pred.numbers.chunks(fields.0);
                for (pred, target) in preds.zip(target.numbers.chunks(fields.1)) {
                    let result = loss.eval(
                        L::Pred::of(|k| Active::<L, S>::variable(self.1(pred[k]), k)),
                        L::Target::of(|k| Active::<L, S>::constant(self.1(target[k]))),
                    );
                    let plain = loss.eval(
                        L::Pred::of(|k| self.1(pred[k])),
                        L::Target::of(|k| self.1(target[k])),
                    );
                    let (value, plain): (f64, f64) = (result.value().into(), plain.into());
                    assert_eq!(
                        value,
                        plain,
                        "{}, {pred:?} against {target:?}: derivatives do not change the value",
                        L::NAME
                    );
                    response.values.push(value);
                    response.grad.extend((0..pred.len()).map(|k| result.partial(k).into()));
                }
                self.2 = Some(response);
            }

            fn row<L: RowLoss>(&mut self) {}

            fn set<L: SetLoss>(&mut self) {}
        }
        let mut visit = Visit(request, self.0, None);
        losses::visit(&mut visit);
        visit.2
    }
}

fn with<L: Described>(params: &[(&str, f64)]) -> L {
    let mut loss = L::default();
    for &(key, value) in params {
        loss.set(key, value).unwrap();
    }
    loss
}

impl FrontEnd for Replayed {
    fn run(&self, request: &Request<'_>) -> Option<Response> {
        let Request { entry, params, pred, target, .. } = request;
        let loss = entry.with(params).unwrap();
        let (value, both): (Program, Program) = (loss.trace(false)?, loss.trace(true)?);
        assert_eq!(value.outputs.len(), 1);
        assert_eq!(both.outputs.len(), 1 + entry.signature.pred.fields().len());
        let mut response = Response::default();
        let fields = (entry.signature.pred.fields().len(), entry.signature.target.fields().len());
        let preds = pred.numbers.chunks(fields.0);
        for (pred, target) in preds.zip(target.numbers.chunks(fields.1)) {
            let inputs = [pred, target].concat();
            let (alone, outputs) = (value.run(&inputs), both.run(&inputs));
            assert_eq!(
                alone[0], outputs[0],
                "{}, {pred:?} against {target:?}: value with and without gradient",
                entry.name
            );
            response.values.push(outputs[0]);
            response.grad.extend(&outputs[1..]);
        }
        Some(response)
    }
}

fn formulas() -> usize {
    tested().iter().filter(|entry| entry.signature.scope == Scope::Unit).count()
}

#[test]
fn lanes_agree_with_the_formula() {
    for level in Level::available() {
        assert_eq!(check(&OnLanes(level), Tolerance::F32), tested().len());
    }
}

#[test]
fn tapes_agree_with_the_formula() {
    for level in Level::available() {
        assert_eq!(check(&OnTapes(level), Tolerance::F32), formulas());
    }
}

#[test]
fn duals_of_f32_agree_with_the_formula() {
    assert_eq!(check(&OnDuals(|x| x as f32), Tolerance::F32), formulas());
}

#[test]
fn a_batch_of_f64_is_the_formula_on_duals() {
    assert_eq!(check(&OnDuals(|x| x), Tolerance::EXACT), formulas());
}

#[test]
fn the_replayed_trace_agrees_with_the_formula() {
    assert_eq!(check(&Replayed, Tolerance::EXACT), formulas());
}

#[test]
fn the_replayed_trace_gives_the_same_bits_on_ugly_rows_too() {
    for entry in tested() {
        for rows in [nasty(entry), tied(entry), ordinary(entry, 500, 5)] {
            let request = Request::new(entry, &[], &rows);
            let (Some(got), expected) = (Replayed.run(&request), request.reference()) else {
                continue;
            };
            for unit in 0..rows.len() {
                let what = format!("{}, {}", entry.name, rows.what[unit]);
                assert_close(got.values[unit], expected.values[unit], Tolerance::EXACT, &what);
                let of_unit = unit * rows.width()..(unit + 1) * rows.width();
                assert_eq!(got.grad[of_unit.clone()], expected.grad[of_unit], "slopes of {what}");
            }
        }
    }
}

#[test]
fn every_loss_has_worked_cases() {
    for entry in tested() {
        assert!(!entry.cases.is_empty(), "{} has no worked case", entry.name);
        let telling = entry.cases.iter().any(|case| case.value != 0.0);
        assert!(telling, "{}: one case at least is worth something other than 0", entry.name);
    }
}
