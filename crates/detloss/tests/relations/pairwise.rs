//! Every box with every other one.

use detloss::batch::Kernel as _;
use detloss::losses::find;
use detloss::pairwise;
use detloss::testing::{Tolerance, assert_close, ordinary};
use half::f16;

use super::{loss, one};

type Matrix<T> = fn(&[T], &[T], &mut [T]) -> detloss::Result<()>;

/// How many boxes and others.
const SHAPES: [(usize, usize); 7] =
    [(1, 1500), (7, 3), (40, 1), (3, 400), (30, 33), (0, 5), (5, 0)];

/// Checks a matrix, in both precisions and in every shape, against a number of each pair.
fn check(
    name: &str,
    width: usize,
    (matrix, narrow): (Matrix<f64>, Matrix<f32>),
    rows: (&[f64], &[f64]),
    of: impl Fn(&[f64], &[f64]) -> f64,
) {
    for (count, others) in SHAPES {
        let (boxes, others) = (&rows.0[..count * width], &rows.1[..others * width]);
        let mut got = vec![f64::NAN; boxes.len() / width * (others.len() / width)];
        matrix(boxes, others, &mut got).unwrap();
        let short = |numbers: &[f64]| numbers.iter().map(|&x| x as f32).collect::<Vec<_>>();
        let mut got_narrow = vec![f32::NAN; got.len()];
        narrow(&short(boxes), &short(others), &mut got_narrow).unwrap();
        let pairs = boxes.chunks(width).flat_map(|a| others.chunks(width).map(move |b| (a, b)));
        for ((pred, target), (&got, &got_narrow)) in pairs.zip(got.iter().zip(&got_narrow)) {
            let expected = of(pred, target);
            let what = format!("{name}, {pred:?} with {target:?}");
            assert_close(got, expected, Tolerance::LAW, &what);
            assert_close(got_narrow.into(), expected, Tolerance::F32, &what);
        }
    }
    let error = |boxes: usize, into: usize| {
        matrix(&rows.0[..boxes], &rows.1[..width], &mut vec![0.0; into]).unwrap_err().to_string()
    };
    assert!(error(width + 1, 1).contains("the first boxes has"));
    assert!(error(width, 2).contains("expected 1 elements in the matrix of all pairs, got 2"));
}

/// However many there are of either, the overlap is what the loss says of the pair.
#[test]
fn overlaps_are_those_of_the_losses() {
    let of_losses: [(&str, Matrix<f64>, Matrix<f32>); 6] = [
        ("iou", pairwise::iou, pairwise::iou),
        ("giou", pairwise::giou, pairwise::giou),
        ("diou", pairwise::diou, pairwise::diou),
        ("ciou", pairwise::ciou, pairwise::ciou),
        ("rotated_iou", pairwise::rotated_iou, pairwise::rotated_iou),
        ("yaw_iou3d", pairwise::yaw_iou3d, pairwise::yaw_iou3d),
    ];
    for (name, matrix, narrow) in of_losses {
        let (loss, rows) = (loss(name, &[]), ordinary(find(name).unwrap(), 1500, 67));
        check(name, rows.width(), (matrix, narrow), (&rows.pred, &rows.target), |pred, target| {
            1.0 - one(&loss, pred, target).0
        });
    }
}

#[test]
fn measures_are_what_they_are_called() {
    let rows = ordinary(find("iou").unwrap(), 1500, 3);
    let area = |b: &[f64]| (b[2] - b[0]).max(0.0) * (b[3] - b[1]).max(0.0);
    let shared = move |a: &[f64], b: &[f64]| {
        area(&[a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])])
    };
    let rows = (&rows.pred[..], &rows.target[..]);
    check("iof", 4, (pairwise::iof, pairwise::iof), rows, |a, b| {
        if area(a) > 0.0 { shared(a, b) / area(a) } else { 0.0 }
    });
    check("l1", 4, (pairwise::l1, pairwise::l1), rows, |a, b| {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
    });
    let distances: (Matrix<f64>, Matrix<f32>) =
        (pairwise::center_distance, pairwise::center_distance);
    check("center_distance", 4, distances, rows, |a, b| {
        let of = |k: usize| ((a[k] + a[k + 2]) - (b[k] + b[k + 2])) / 2.0;
        of(0).hypot(of(1))
    });
    // A small IoU has all its digits, where 1 minus the loss has none.
    let (boxes, others) = ([0.0_f32, 0.0, 1e-3, 1e-3], [0.0_f32, 0.0, 1e3, 1e3]);
    let mut iou = [0.0];
    pairwise::iou(&boxes, &others, &mut iou).unwrap();
    assert_close(f64::from(iou[0]) * 1e12, 1.0, Tolerance::F32, &"a small IoU");
}

#[test]
fn half_precision_comes_in_and_goes_out() {
    let half = |numbers: &[f32]| numbers.iter().map(|x| f16::from_f32(*x)).collect::<Vec<_>>();
    let boxes = half(&[0.0, 0.0, 2.0, 2.0, 1.0, 0.0, 4.0, 2.0]);
    let others = half(&[0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 5.0, 2.0, 9.0, 9.0, 10.0, 10.0]);
    let mut matrix = half(&[9.0; 6]);
    pairwise::iou(&boxes, &others, &mut matrix).unwrap();
    assert_eq!(matrix, half(&[0.5, 0.0, 0.0, 0.0, 0.25, 0.0]));
    pairwise::giou(&boxes, &others, &mut matrix).unwrap();
    assert_eq!(matrix[..2], half(&[0.5, -0.2]));
}

#[test]
fn any_loss_of_two_boxes_has_a_matrix() {
    for entry in detloss::losses::ALL {
        let loss = entry.make();
        let is_of_boxes = ["boxes", "rotated", "boxes3d"].contains(&entry.family);
        if !is_of_boxes {
            let error = pairwise::loss(&loss, &[0.0_f32; 4], &[0.0; 4], &mut [0.0]).unwrap_err();
            assert!(error.to_string().contains("is no loss of two boxes"), "{}", entry.name);
            continue;
        }
        let rows = ordinary(entry, 60, 5);
        let width = rows.width();
        assert_eq!(loss.signature().pred.fields().len(), width);
        let (preds, targets) = (&rows.pred[..7 * width], &rows.target[..11 * width]);
        let mut got = vec![f64::NAN; 77];
        pairwise::loss(&loss, preds, targets, &mut got).unwrap();
        for (pair, got) in got.into_iter().enumerate() {
            let (pred, target) = (&preds[pair / 11 * width..], &targets[pair % 11 * width..]);
            let expected = one(&loss, &pred[..width], &target[..width]).0;
            assert_close(got, expected, Tolerance::LAW, &entry.name);
        }
    }
}

#[test]
fn blocks_are_the_matrix_row_by_row() {
    let rows = ordinary(find("giou").unwrap(), 1500, 9);
    for (count, others) in [(1500, 40), (2, 1500), (1500, 1), (3, 0), (0, 3)] {
        let (boxes, others) = (&rows.pred[..4 * count], &rows.target[..4 * others]);
        let mut whole = vec![0.0; count * (others.len() / 4)];
        pairwise::giou(boxes, others, &mut whole).unwrap();
        let (mut seen, mut next, mut most) = (Vec::new(), 0, 0);
        pairwise::blocks(pairwise::giou, 4, boxes, others, |rows, block| {
            assert_eq!((rows.start, rows.len() * (others.len() / 4)), (next, block.len()));
            next = rows.end;
            most = most.max(block.len());
            seen.extend_from_slice(block);
        })
        .unwrap();
        assert_eq!((seen, next), (whole, count));
        assert!(most <= 16_384);
    }
    let nothing = pairwise::blocks(pairwise::giou, 0, &[1.0_f32], &[1.0], |_, _| {});
    assert!(nothing.unwrap_err().to_string().contains("rows of 0"));
}
