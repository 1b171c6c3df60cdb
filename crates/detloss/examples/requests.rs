//! Prints what [`check_tensors`](detloss::testing::check_tensors) asks of a front-end, with the answers, one JSON object a line: for
//! front-ends in other languages.

use std::io::{self, BufWriter, Write};

use detloss::testing::{Array, requests};
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for request in requests() {
        let answer = request.reference();
        let line = json!({
            "loss": request.entry.name,
            "what": request.what,
            "pred": array(&request.pred),
            "target": array(&request.target),
            "integers": request.integers.map(|integers| integers.0),
            "weight": request.weights.as_ref().map(array),
            "class_weight": request.column_weights,
            "ignore_index": request.ignore_index,
            "groups": request.groups.as_ref().map(array),
            "values": answer.values,
            "grad": answer.grad,
        });
        writeln!(out, "{line}")?;
    }
    out.flush()
}

fn array<T: Copy + Into<Value>>(Array { dims, numbers, .. }: &Array<T>) -> Value {
    json!({ "shape": dims, "numbers": numbers.iter().map(|&number| number.into()).collect::<Vec<Value>>() })
}
