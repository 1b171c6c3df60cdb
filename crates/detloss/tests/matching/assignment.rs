//! Assignments against all permutations, and against SciPy.

use detloss::Error;
use detloss::matching::{linear_sum_assignment, partial_linear_sum_assignment};

use crate::scenes::Random;

const NEVER: f64 = f64::INFINITY;

/// All ways to give distinct columns to rows, or distinct rows to columns, as pairs.
fn all_assignments(rows: usize, columns: usize) -> Vec<Vec<(usize, usize)>> {
    if rows > columns {
        let swapped = all_assignments(columns, rows);
        return swapped
            .into_iter()
            .map(|of| of.into_iter().map(|(a, b)| (b, a)).collect())
            .collect();
    }
    let mut all = vec![Vec::new()];
    for row in 0..rows {
        let with_next = |pairs: &Vec<(usize, usize)>| {
            (0..columns)
                .filter(|column| pairs.iter().all(|(_, taken)| taken != column))
                .map(|column| [&pairs[..], &[(row, column)]].concat())
                .collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with_next).collect();
    }
    all
}

/// The most pairs that are allowed, and the least sum of so many.
fn best(costs: &[f64], rows: usize, columns: usize) -> (usize, f64) {
    let worth = |pairs: Vec<(usize, usize)>| {
        let costs = pairs.iter().map(|&(row, column)| costs[row * columns + column]);
        let allowed: Vec<f64> = costs.filter(|cost| *cost < NEVER).collect();
        (allowed.len(), allowed.iter().sum::<f64>())
    };
    let better = |a: (usize, f64), b: (usize, f64)| {
        if b.0 > a.0 || b.0 == a.0 && b.1 < a.1 { b } else { a }
    };
    all_assignments(rows, columns).into_iter().map(worth).fold((0, NEVER), better)
}

#[test]
fn no_permutation_is_cheaper() {
    let random = &mut Random(3);
    let mut infeasible = 0;
    for case in 0..2000 {
        let (rows, columns) = (1 + random.below(5), 1 + random.below(6));
        let forbidden = [0, 0, 2, 5][case % 4];
        let costs: Vec<f64> = (0..rows * columns)
            .map(|_| match random.below(10) {
                chance if chance < forbidden => NEVER,
                // Whole numbers are full of ties.
                _ if case % 3 == 0 => random.below(4) as f64 - 1.0,
                _ => random.between(-5.0, 20.0),
            })
            .collect();
        let (count, least) = best(&costs, rows, columns);
        let check = |pairs: &[(usize, usize)]| {
            assert_eq!(pairs.len(), count, "{costs:?}");
            assert!(pairs.is_sorted_by(|a, b| a.0 < b.0));
            let mut taken: Vec<usize> = pairs.iter().map(|pair| pair.1).collect();
            taken.sort_unstable();
            taken.dedup();
            assert_eq!(taken.len(), count, "no column twice");
            let sum: f64 = pairs.iter().map(|&(row, column)| costs[row * columns + column]).sum();
            let least = if count == 0 { 0.0 } else { least };
            assert!((sum - least).abs() < 1e-9, "{sum} is more than {least}: {costs:?}");
        };
        check(&partial_linear_sum_assignment(&costs, columns).unwrap());
        if count == rows.min(columns) {
            check(&linear_sum_assignment(&costs, columns).unwrap());
        } else {
            assert_eq!(linear_sum_assignment(&costs, columns), Err(Error::Infeasible));
            infeasible += 1;
        }
        let narrow: Vec<f32> = costs.iter().map(|cost| *cost as f32).collect();
        if case % 3 == 0 {
            let wide = partial_linear_sum_assignment(&costs, columns);
            assert_eq!(partial_linear_sum_assignment(&narrow, columns), wide);
        }
    }
    assert!(infeasible > 100);
}

/// However much dearer they are: here the only one with three pairs has the three largest costs.
#[test]
fn as_many_pairs_as_possible_whatever_they_cost() {
    let costs = [10.0, 0.0, NEVER, NEVER, 10.0, 0.0, NEVER, NEVER, 10.0];
    assert_eq!(partial_linear_sum_assignment(&costs, 3), Ok(vec![(0, 0), (1, 1), (2, 2)]));
    assert_eq!(partial_linear_sum_assignment(&[1e290, NEVER], 2), Ok(vec![(0, 0)]));
    assert_eq!(linear_sum_assignment(&[1e290, NEVER, NEVER, 1e290], 2), Ok(vec![(0, 0), (1, 1)]));
}

#[test]
fn the_matrices_that_scipy_tests_with() {
    let sum_of = |costs: &[f64], columns: usize| -> Vec<f64> {
        let pairs = linear_sum_assignment(costs, columns).unwrap();
        pairs.iter().map(|&(row, column)| costs[row * columns + column]).collect()
    };
    let square = [400.0, 150.0, 400.0, 400.0, 450.0, 600.0, 300.0, 225.0, 300.0];
    assert_eq!(sum_of(&square, 3), [150.0, 400.0, 300.0]);
    let wide = [400.0, 150.0, 400.0, 1.0, 400.0, 450.0, 600.0, 2.0, 300.0, 225.0, 300.0, 3.0];
    assert_eq!(sum_of(&wide, 4), [150.0, 2.0, 300.0]);
    let square = [10.0, 10.0, 8.0, 9.0, 8.0, 1.0, 9.0, 7.0, 4.0];
    assert_eq!(sum_of(&square, 3), [10.0, 1.0, 7.0]);
    let wide = [10.0, 10.0, 8.0, 11.0, 9.0, 8.0, 1.0, 1.0, 9.0, 7.0, 4.0, 10.0];
    assert_eq!(sum_of(&wide, 4), [10.0, 1.0, 4.0]);
    let tall = [10.0, 9.0, 9.0, 10.0, 8.0, 7.0, 8.0, 1.0, 4.0, 11.0, 1.0, 10.0];
    assert_eq!(sum_of(&tall, 3), [10.0, 4.0, 1.0]);
    let forbidden = [10.0, NEVER, NEVER, NEVER, NEVER, 1.0, NEVER, 7.0, NEVER];
    assert_eq!(sum_of(&forbidden, 3), [10.0, 1.0, 7.0]);
    // Where all costs are equal, every row takes its own column.
    for (rows, columns) in [(8, 8), (5, 9), (9, 5)] {
        let own: Vec<(usize, usize)> = (0..rows.min(columns)).map(|n| (n, n)).collect();
        assert_eq!(linear_sum_assignment(&vec![2.5_f32; rows * columns], columns), Ok(own));
    }
}

#[test]
fn of_equal_assignments_it_is_the_one_that_scipy_gives() {
    // Columns of the rows, by SciPy 1.17.
    let scipy: [&[usize]; 6] = [
        &[5, 3, 1, 6, 2, 0],
        &[3, 0, 2, 5, 4, 1, 6, 7],
        &[6, 2, 3, 0, 5, 1, 4],
        &[6, 4, 1, 3, 8, 2],
        &[3, 2, 1, 5, 7, 6, 0, 4],
        &[4, 6, 7, 8, 5, 3, 1],
    ];
    let random = &mut Random(1);
    for (case, expected) in scipy.into_iter().enumerate() {
        let (rows, columns) = [(6, 9), (8, 8), (7, 12)][case % 3];
        let costs: Vec<f64> = (0..rows * columns).map(|_| random.below(4) as f64).collect();
        let pairs = linear_sum_assignment(&costs, columns).unwrap();
        let given: Vec<usize> = pairs.iter().map(|pair| pair.1).collect();
        assert_eq!(given, expected, "{costs:?}");
    }
}

#[test]
fn what_is_no_matrix_of_costs_is_named() {
    let of =
        |costs: &[f64], columns| linear_sum_assignment(costs, columns).unwrap_err().to_string();
    assert!(of(&[1.0; 7], 3).contains("7 elements, which is no whole number of rows of 3"));
    assert!(of(&[1.0; 7], 0).contains("rows of 0"));
    assert!(of(&[1.0, 2.0, 3.0, f64::NAN], 2).contains("row 1 and column 1 is NaN"));
    assert!(of(&[1.0, -NEVER, 3.0, 4.0], 2).contains("row 0 and column 1 is -inf"));
    assert!(of(&[1.0, 1e300], 2).contains("column 1 is 1e300"));
    assert!(of(&[NEVER; 4], 2).contains("forbid every assignment"));
    for columns in [0, 3] {
        assert_eq!(linear_sum_assignment::<f32>(&[], columns), Ok(Vec::new()));
        assert_eq!(partial_linear_sum_assignment::<f32>(&[], columns), Ok(Vec::new()));
    }
    assert_eq!(partial_linear_sum_assignment(&[NEVER; 4], 2), Ok(Vec::new()));
}
