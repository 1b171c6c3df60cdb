//! Both backends are held to what the core is held to.

use candle_core::{DType, Result};
use detloss::losses::Entry;
use detloss::testing::{
    Array, FrontEnd, GroupByGroup, Request, Response, Tolerance, check, check_tensors,
    count_requests, tested,
};
use detloss_candle::{Backend, Options, loss};

use crate::{Tensors, floats, is_replayed, is_replayed_whole, numbers, slopes};

struct OnTensors(DType, Backend);

impl FrontEnd for OnTensors {
    fn run(&self, request: &Request<'_>) -> Option<Response> {
        let Self(dtype, backend) = *self;
        let compute = || -> Result<Response> {
            let tensors = Tensors::of(request, dtype)?;
            let column_weights = request.column_weights.as_ref();
            let column_weights = column_weights
                .map(|weights| Array { dims: vec![weights.len()], numbers: weights.clone() });
            let options = Options {
                weights: request.weights.as_ref().map(|it| floats(it, dtype)).transpose()?,
                column_weights: column_weights.map(|it| floats(&it, dtype)).transpose()?,
                ignore_index: request.ignore_index,
                ..tensors.each(backend)
            };
            let kind = request.entry.with(request.params).unwrap();
            let values = loss(&tensors.pred, &tensors.target, &kind, &options)?;
            Ok(Response { values: numbers(&values)?, grad: slopes(&values, &tensors.pred)? })
        };
        (backend == Backend::Fused || is_replayed_at_all(request.entry)).then(|| compute().unwrap())
    }
}

fn is_replayed_at_all(entry: &Entry) -> bool {
    is_replayed(entry) || is_replayed_whole(entry)
}

fn replayed() -> usize {
    tested().iter().filter(|entry| is_replayed_at_all(entry)).count()
}

#[test]
fn the_host_gives_the_numbers_of_the_core() {
    assert_eq!(check(&OnTensors(DType::F64, Backend::Fused), Tolerance::EXACT), tested().len());
    assert_eq!(check(&OnTensors(DType::F32, Backend::Fused), Tolerance::F32), tested().len());
}

#[test]
fn a_replayed_loss_gives_the_numbers_of_the_core() {
    let in_f64 = GroupByGroup(OnTensors(DType::F64, Backend::Decomposed));
    assert_eq!(check(&in_f64, Tolerance::LAW), replayed());
    let in_f32 = GroupByGroup(OnTensors(DType::F32, Backend::Decomposed));
    assert_eq!(check(&in_f32, Tolerance::F32), replayed());
}

#[test]
fn tensors_of_every_rank_with_every_option_give_the_numbers_of_the_core() {
    let count = check_tensors(&OnTensors(DType::F64, Backend::Fused), Tolerance::EXACT);
    assert_eq!(count, count_requests(|_| true));
    let replay = GroupByGroup(OnTensors(DType::F64, Backend::Decomposed));
    assert_eq!(check_tensors(&replay, Tolerance::LAW), count_requests(is_replayed_at_all));
}
