//! Samplers against their rules.

use detloss::matching::{AnyMatcher, BACKGROUND, IGNORED, Matches, sampling};

use crate::scenes::{Random, scenes};

/// Matches of all scenes: with truths, background, and what is ignored.
fn matched() -> Vec<Matches<f64>> {
    let matcher: AnyMatcher = "max_iou(high=0.3, low=0.2)".parse().unwrap();
    scenes()
        .iter()
        .map(|scene| matcher.match_image(&scene.image(&scene.anchors())).unwrap())
        .collect()
}

/// What was chosen is as it was, and all else is ignored.
fn check(matches: &Matches<f64>, sampled: &Matches<f64>) {
    let of = |(before, after): (&i32, &i32)| after == before || *after == IGNORED;
    assert!(matches.indices.iter().zip(&sampled.indices).all(of));
}

#[test]
fn a_balanced_sample_has_torchvisions_numbers() {
    let mut bounded = 0;
    for matches in matched() {
        for (size, share) in [(256, 0.5), (64, 0.25), (11, 0.5), (0, 0.5), (20, 0.0), (20, 1.0)] {
            let sampled = sampling::balanced(&matches, size, share, 5).unwrap();
            check(&matches, &sampled);
            let positives = matches.positives().min((size as f64 * share) as usize);
            assert_eq!(sampled.positives(), positives);
            assert_eq!(sampled.negatives(), matches.negatives().min(size - positives));
            bounded += usize::from(positives < matches.positives());
            assert_eq!(Ok(sampled), sampling::balanced(&matches, size, share, 5));
        }
    }
    assert!(bounded > 20);
}

#[test]
fn every_choice_is_equally_likely() {
    let matcher: AnyMatcher = "max_iou".parse().unwrap();
    let scene = &scenes()[0];
    let matches = matcher.match_image(&scene.image(&scene.anchors())).unwrap();
    let (runs, size) = (4000, 40);
    let mut chosen = vec![0; matches.indices.len()];
    let mut together = 0;
    for seed in 0..runs {
        let sampled = sampling::balanced(&matches, size, 0.0, seed).unwrap();
        let mut before = false;
        for (chosen, truth) in chosen.iter_mut().zip(&sampled.indices) {
            *chosen += usize::from(*truth == BACKGROUND);
            together += usize::from(before && *truth == BACKGROUND);
            before = *truth == BACKGROUND;
        }
    }
    let share = size as f64 / matches.negatives() as f64;
    let expected = runs as f64 * share;
    let deviation = (expected * (1.0 - share)).sqrt();
    for (chosen, truth) in chosen.into_iter().zip(&matches.indices) {
        let off = (chosen as f64 - expected).abs();
        assert!(*truth != BACKGROUND && chosen == 0 || off < 5.0 * deviation, "{chosen}");
    }
    // Nor do neighbours come together.
    let pairs = matches.indices.windows(2).filter(|two| *two == [BACKGROUND; 2]).count();
    let others = (size - 1) as f64 / (matches.negatives() - 1) as f64;
    let expected = expected * others * pairs as f64;
    assert!((together as f64 / expected - 1.0).abs() < 0.05, "{together}, {expected}");
}

/// Those with the largest losses, one after the other.
fn largest(losses: &[f64], of: impl Fn(usize) -> bool, size: usize) -> Vec<usize> {
    let mut chosen = Vec::new();
    while chosen.len() < size {
        let left = (0..losses.len()).filter(|&index| of(index) && !chosen.contains(&index));
        let better = |best: Option<usize>, index| match best {
            Some(best) if losses[best] >= losses[index] => Some(best),
            _ => Some(index),
        };
        match left.fold(None, better) {
            Some(index) => chosen.push(index),
            None => break,
        }
    }
    chosen
}

#[test]
fn the_hardest_have_the_largest_losses_and_ties_go_to_the_lower_index() {
    let random = &mut Random(4);
    for matches in matched() {
        let count = matches.indices.len();
        // Few different ones, so that there are ties; and both zeros.
        let losses: Vec<f64> =
            (0..count).map(|_| [0.0, -0.0, 0.5, 1.0, 7.0, -2.0][random.below(6)]).collect();
        for size in [0, 1, 9, 100, 1000] {
            let sampled = sampling::hardest(&matches, &losses, size).unwrap();
            let chosen = largest(&losses, |index| matches.indices[index] != IGNORED, size);
            let expected = (0..count).map(|index| {
                if chosen.contains(&index) { matches.indices[index] } else { IGNORED }
            });
            assert_eq!(sampled.indices, expected.collect::<Vec<_>>());
        }
        for ratio in [0, 1, 3, usize::MAX] {
            let sampled = sampling::hard_negatives(&matches, &losses, ratio).unwrap();
            let size = matches.positives().saturating_mul(ratio);
            let chosen = largest(&losses, |index| matches.indices[index] == BACKGROUND, size);
            let is_kept = |index: usize| matches.indices[index] >= 0 || chosen.contains(&index);
            let expected = (0..count)
                .map(|index| if is_kept(index) { matches.indices[index] } else { IGNORED });
            assert_eq!(sampled.indices, expected.collect::<Vec<_>>());
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let matches = matched().swap_remove(0);
    let error = sampling::hardest(&matches, &[1.0], 3).unwrap_err().to_string();
    assert!(error.contains("elements in the losses, got 1"), "{error}");
    let mut losses = vec![0.0; matches.indices.len()];
    losses[7] = f64::NAN;
    assert_eq!(matches.indices[7], BACKGROUND);
    let error = sampling::hard_negatives(&matches, &losses, 3).unwrap_err().to_string();
    assert!(error.contains("number 7 of the losses is NaN"), "{error}");
    for share in [-0.1, 1.1, f64::NAN] {
        let error = sampling::balanced(&matches, 3, share, 0).unwrap_err().to_string();
        assert!(error.contains("give a number from 0 to 1"), "{error}");
    }
}

#[test]
fn matches_from_elsewhere_are_checked() {
    let scores = Some(vec![0.5, 0.0, 0.0]);
    let matches = Matches::new(&[7, -1, -2], scores.clone()).unwrap();
    assert_eq!((matches.indices, matches.scores), (vec![7, BACKGROUND, IGNORED], scores.clone()));
    let message = |indices: &[i64]| Matches::new(indices, scores.clone()).unwrap_err().to_string();
    assert!(message(&[7, -1]).contains("expected 2 elements in the scores of the matches, got 3"));
    for wrong in [-3, 1 << 31] {
        let error = message(&[0, wrong, 0]);
        assert!(error.contains("number 1 of the indices of the matches is"), "{error}");
    }
}
