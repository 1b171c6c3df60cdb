//! Boxes that raw outputs are decoded to, worked by hand.

use detloss::criteria::{self, Criterion, Outputs};
use detloss::matching::Anchors;

fn made(name: &str) -> Criterion {
    criteria::find(name).unwrap().make()
}

#[test]
fn raw_numbers_become_boxes() {
    let points = Anchors::points(&[4.0, 4.0, 12.0, 4.0], &[8.0; 2]).unwrap();
    let decoded = |name: &str, raw: &[f64]| {
        let outputs = Outputs::new(1, &[0.0; 2], raw).quality(&[0.0; 2]).angle(&[0.0; 2]);
        made(name).decode(&outputs.anchors(&points)).unwrap()
    };
    let distances = [0.5, 0.5, 1.0, 2.0, 0.0, 0.0, 0.5, 0.25];
    assert_eq!(decoded("fcos", &distances), [0.0, 0.0, 12.0, 20.0, 12.0, 4.0, 16.0, 6.0]);
    assert_eq!(
        decoded("yolox", &[0.5, 1.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0]),
        [0.0, 4.0, 8.0, 12.0, 8.0, 0.0, 16.0, 8.0]
    );
    // Even distributions over 0 to 15 have a mean of 7.5.
    let even = decoded("yolo8", &[0.0; 2 * 64]);
    assert_eq!(even[..4], [4.0 - 60.0, 4.0 - 60.0, 4.0 + 60.0, 4.0 + 60.0]);
    // Rotated ones keep their form.
    let rotated = decoded("yolo8_obb", &[0.0; 2 * 64]);
    assert_eq!(rotated, [4.0, 4.0, 120.0, 120.0, 0.0, 12.0, 4.0, 120.0, 120.0, 0.0]);
}

#[test]
fn boxes_by_their_centres_are_decoded_to_corners() {
    let raw = [0.5, 0.25, 0.5, 0.25];
    assert_eq!(
        made("detr").decode(&Outputs::new(1, &[0.0; 2], &raw)).unwrap(),
        [0.25, 0.125, 0.75, 0.375]
    );
}

#[test]
fn a_head_with_boxes_for_every_class_has_them_all() {
    let anchors = Anchors::boxes(&[0.0, 0.0, 10.0, 20.0]).unwrap();
    // A tenth of a side to the right, then nothing.
    let raw = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let outputs = Outputs::new(1, &[0.0; 2], &raw).head("roi").anchors(&anchors).pairs(&[-1]);
    let boxes = made("faster_rcnn").decode(&outputs).unwrap();
    assert_eq!(boxes, [1.0, 0.0, 11.0, 20.0, 0.0, 0.0, 10.0, 20.0]);
}

#[test]
fn what_is_missing_is_named() {
    let error = made("fcos").decode(&Outputs::new(1, &[0.0; 2], &[0.0; 4])).unwrap_err();
    assert!(error.to_string().contains("anchors"), "{error}");
}
