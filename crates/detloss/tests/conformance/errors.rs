//! What does not fit is refused before anything is written.

use detloss::batch::Weights;
use detloss::testing::{ordinary, tested};
use detloss::{Batch, Error};

/// What every buffer holds before the call.
const UNTOUCHED: f32 = 7.0;

/// Calls everything that writes, and expects the same error and no trace of it from each.
fn refused(
    batch: Batch<'_, f32>,
    loss: &dyn detloss::batch::Kernel,
    units: usize,
    grad: usize,
    expected: &Error,
) {
    let (mut rows, mut slopes) = (vec![UNTOUCHED; units], vec![UNTOUCHED; grad]);
    assert_eq!(batch.value(loss).as_ref(), Err(expected));
    assert_eq!(batch.values(loss).as_ref(), Err(expected));
    assert_eq!(batch.value_and_grad(loss).as_ref(), Err(expected));
    assert_eq!(batch.values_into(loss, &mut rows).as_ref(), Err(expected));
    assert_eq!(batch.value_and_grad_into(loss, &mut slopes).as_ref(), Err(expected));
    assert_eq!(batch.root_and_grad_into(loss, &mut slopes).as_ref(), Err(expected));
    assert_eq!(
        batch.values_and_grad_into(loss, None, &mut rows, &mut slopes).as_ref(),
        Err(expected)
    );
    assert!(rows.iter().chain(&slopes).all(|&x| x == UNTOUCHED), "nothing is written: {expected}");
    assert!(expected.to_string().len() > 30, "{expected}");
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_written() {
    for entry in tested() {
        let (loss, rows) = (entry.make(), ordinary(entry, 6, 53));
        let memory = rows.memory::<f32>();
        let (batch, grad) = (memory.batch(), memory.pred.len());
        let tall = 6 * rows.height.unwrap_or(1);
        let wrong = |what, expected, got| Error::Length { what, expected, got };
        let check =
            |batch: Batch<'_, f32>, expected: &Error| refused(batch, &loss, 6, grad, expected);

        let short = &memory.target[1..];
        let expected = wrong("the target", memory.target.len(), memory.target.len() - 1);
        check(Batch::new(&memory.pred, short).columns(rows.columns), &expected);

        for got in [0, tall - 1, tall + 1] {
            let weights = vec![1.0; got];
            let per_row = wrong("the weights per row", tall, got);
            check(batch.weights(Weights::Rows(&weights)), &per_row);
            let per_element = wrong("the weights per element", tall, got);
            check(batch.weights(Weights::Elements(&weights)), &per_element);
        }
        let by_column = vec![1.0; rows.columns + 1];
        check(
            batch.column_weights(&by_column),
            &wrong("the weights per column", rows.columns, rows.columns + 1),
        );

        for got in [0.0, -1.0, f64::INFINITY] {
            check(batch.normalizer(got), &Error::InvalidNormalizer { got });
        }
        assert!(matches!(
            batch.normalizer(f64::NAN).value(&loss),
            Err(Error::InvalidNormalizer { .. })
        ));

        let row = rows.width() / rows.height.unwrap_or(1);
        if row > 1 {
            let ragged = Error::PartialRow { what: "the prediction", got: grad - 1, row };
            check(Batch::new(&memory.pred[1..], &memory.target).columns(rows.columns), &ragged);
        }
        if !entry.signature.pred.is_row() {
            let columns = 4 * tall;
            let ragged =
                Error::PartialRow { what: "the prediction", got: grad, row: columns * row };
            check(batch.columns(columns), &ragged);
        }
    }
}

#[test]
fn rows_without_columns_are_refused_unless_there_are_none() {
    for entry in tested() {
        let (loss, rows) = (entry.make(), ordinary(entry, 6, 61));
        let memory = rows.memory::<f32>();
        let (batch, grad) = (memory.batch().columns(0), memory.pred.len());
        let ragged = Error::PartialRow { what: "the prediction", got: grad, row: 0 };
        refused(batch, &loss, 6, grad, &ragged);
        assert_eq!(Batch::<f32>::new(&[], &[]).columns(0).value(&loss), Ok(0.0), "{}", entry.name);
    }
}

#[test]
fn buffers_of_the_wrong_length_are_refused_and_not_written() {
    for entry in tested() {
        let (loss, rows) = (entry.make(), ordinary(entry, 6, 59));
        let memory = rows.memory::<f32>();
        let (batch, grad) = (memory.batch(), memory.pred.len());
        for off in [-1_isize, 1] {
            let near = |len: usize| vec![UNTOUCHED; len.strict_add_signed(off)];
            let (mut wrong_rows, mut wrong_grad) = (near(6), near(grad));
            let (mut rows, mut slopes) = (vec![UNTOUCHED; 6], vec![UNTOUCHED; grad]);
            let of_rows = Error::Length {
                what: "the buffer of the values",
                expected: 6,
                got: wrong_rows.len(),
            };
            let of_grad = Error::Length {
                what: "the buffer of the gradient",
                expected: grad,
                got: wrong_grad.len(),
            };
            assert_eq!(batch.values_into(&loss, &mut wrong_rows).as_ref(), Err(&of_rows));
            assert_eq!(batch.value_and_grad_into(&loss, &mut wrong_grad).as_ref(), Err(&of_grad));
            assert_eq!(batch.root_and_grad_into(&loss, &mut wrong_grad).as_ref(), Err(&of_grad));
            assert_eq!(
                batch.values_and_grad_into(&loss, None, &mut wrong_rows, &mut slopes),
                Err(of_rows)
            );
            assert_eq!(
                batch.values_and_grad_into(&loss, None, &mut rows, &mut wrong_grad),
                Err(of_grad)
            );
            let grad_output = near(6);
            let of_upstream =
                Error::Length { what: "the output gradient", expected: 6, got: grad_output.len() };
            assert_eq!(
                batch.values_and_grad_into(&loss, Some(&grad_output), &mut rows, &mut slopes),
                Err(of_upstream)
            );
            let written = [&rows, &slopes, &wrong_rows, &wrong_grad]
                .into_iter()
                .flatten()
                .any(|&x| x != UNTOUCHED);
            assert!(!written, "{}: nothing is written", entry.name);
        }
    }
}

#[test]
fn a_parameter_set_by_hand_is_checked_like_one_set_by_name() {
    let loss = detloss::losses::scores::Focal { gamma: f64::NAN, alpha: 0.25 };
    let error = Batch::new(&[0.0_f32], &[1.0]).value(&loss).unwrap_err();
    assert!(matches!(error, Error::BadParam { key: "gamma", .. }), "{error}");
}

#[test]
fn an_index_to_ignore_needs_class_indices() {
    for entry in tested().iter().filter(|entry| entry.family == "scores") {
        let batch = Batch::new(&[0.0_f32], &[1.0]).ignore_index(0);
        assert_eq!(batch.value(&entry.make()), Err(Error::NothingToIgnore));
    }
}
