//! Both roads are held to what the core is held to.

use candle_core::{DType, Result};
use detloss::testing::{FrontEnd, Request, Response, Tolerance, check, tested};
use detloss_candle::{Road, loss};

use crate::{Tensors, is_formula, numbers, slopes};

struct OnTensors(DType, Road);

impl FrontEnd for OnTensors {
    fn run(&self, request: Request<'_>) -> Option<Response> {
        let Self(dtype, road) = *self;
        let compute = || -> Result<Response> {
            let tensors = Tensors::new(request.entry, request.rows, dtype)?;
            let kind = request.entry.with(request.params).unwrap();
            let values = loss(&tensors.pred, &tensors.target, &*kind, &tensors.each(road))?;
            Ok(Response { values: numbers(&values)?, grad: slopes(&values, &tensors.pred)? })
        };
        (road == Road::Host || is_formula(request.entry)).then(|| compute().unwrap())
    }
}

fn formulas() -> usize {
    tested().iter().filter(|entry| is_formula(entry)).count()
}

#[test]
fn the_host_gives_the_numbers_of_the_core() {
    assert_eq!(check(&OnTensors(DType::F64, Road::Host), Tolerance::EXACT), tested().len());
    assert_eq!(check(&OnTensors(DType::F32, Road::Host), Tolerance::F32), tested().len());
}

#[test]
fn a_replayed_formula_gives_the_numbers_of_the_core() {
    assert_eq!(check(&OnTensors(DType::F64, Road::Replay), Tolerance::LAW), formulas());
    assert_eq!(check(&OnTensors(DType::F32, Road::Replay), Tolerance::F32), formulas());
}
