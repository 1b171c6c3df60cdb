//! Gradients that are asked for, or not, and where they lie.

use detloss::criteria::{Options, OutputGrads};
use detloss::testing::Scene;

use super::all;

#[test]
fn the_value_alone_is_the_value() {
    for (entry, criterion) in all() {
        let scene = Scene::new(&criterion, 8);
        let (whole, value) = (
            scene.evaluate(&criterion),
            scene.evaluate_with(&criterion, Options::default().value_only()).unwrap(),
        );
        assert_eq!((whole.total, &whole.terms), (value.total, &value.terms), "{}", entry.name);
        assert!(value.grads.is_empty(), "{}", entry.name);
    }
}

#[test]
fn gradients_overwrite_the_memory_of_the_caller() {
    for (entry, criterion) in all() {
        let scene = Scene::new(&criterion, 12);
        for scene in [scene.clone(), scene.images(&[1])] {
            let mut grads = scene.evaluate(&criterion).grads;
            let expected = grads.clone();
            let dirty = |part: &mut Vec<f64>| part.fill(f64::NAN);
            for grads in &mut grads {
                let OutputGrads { logits, boxes, quality, angle, distribution, .. } = grads;
                [logits, boxes, quality, angle, distribution].into_iter().for_each(dirty);
            }
            let result = scene.evaluate_into(&criterion, &mut grads).unwrap();
            assert_eq!(grads, expected, "{}", entry.name);
            assert!(result.grads.iter().all(|fresh| *fresh == OutputGrads::default()));
            // Where there is memory for some of them alone, the others come with the result.
            for grads in &mut grads {
                dirty(&mut grads.logits);
                grads.boxes.clear();
            }
            let result = scene.evaluate_into(&criterion, &mut grads).unwrap();
            for ((grads, fresh), expected) in grads.iter().zip(&result.grads).zip(&expected) {
                assert_eq!((&grads.logits, &fresh.boxes), (&expected.logits, &expected.boxes));
                assert!(fresh.logits.is_empty());
            }
            grads = expected;
            grads[0].boxes.pop();
            let error = scene.evaluate_into(&criterion, &mut grads).unwrap_err();
            assert!(error.to_string().contains("the gradient by the raw boxes"), "{error}");
        }
    }
}
