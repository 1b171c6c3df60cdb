//! Dashes for pictures made of pixels: kuva begins them anew at every point of a curve, so that a curve of many is solid.

use kuva::render::render::{Primitive, Scene};

/// Cuts the dashed lines of a scene into pieces without dashes.
pub(super) fn cut(scene: &mut Scene) {
    let mut elements = Vec::with_capacity(scene.elements.len());
    for element in scene.elements.drain(..) {
        match element {
            Primitive::PolyLine {
                points,
                stroke,
                stroke_width,
                stroke_dasharray: Some(dashes),
            } => {
                for points in pieces(&points, &lengths(&dashes)) {
                    let stroke = stroke.clone();
                    elements.push(Primitive::PolyLine {
                        points,
                        stroke,
                        stroke_width,
                        stroke_dasharray: None,
                    });
                }
            }
            other => elements.push(other),
        }
    }
    scene.elements = elements;
}

fn lengths(dashes: &str) -> Vec<f64> {
    dashes
        .split(' ')
        .filter_map(|length| length.parse().ok())
        .filter(|&length| length > 0.0)
        .collect()
}

/// The dashes of a curve: `lengths` are those of a dash, a gap, a dash …, over and over.
fn pieces(points: &[(f64, f64)], lengths: &[f64]) -> Vec<Vec<(f64, f64)>> {
    let mut pieces = Vec::new();
    let (Some(&first), false) = (points.first(), lengths.is_empty()) else {
        return vec![points.to_vec()];
    };
    let mut turns = lengths.iter().copied().cycle();
    let (mut piece, mut is_dash) = (vec![first], true);
    let mut left = turns.next().unwrap_or_default();
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length < left {
                left -= length;
                break;
            }
            let share = left / length;
            from = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
            if is_dash {
                piece.push(from);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![from];
            }
            is_dash = !is_dash;
            left = turns.next().unwrap_or_default();
        }
        if is_dash {
            piece.push(to);
        }
    }
    if piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_on_from_point_to_point() {
        let points: Vec<(f64, f64)> = (0..=20).map(|x| (f64::from(x), 0.0)).collect();
        let pieces = pieces(&points, &[7.0, 4.0]);
        let ends: Vec<[f64; 2]> =
            pieces.iter().map(|piece| [piece[0].0, piece.last().unwrap().0]).collect();
        assert_eq!(ends, [[0.0, 7.0], [11.0, 18.0]]);
        assert_eq!(pieces[0].len(), 8);
    }

    #[test]
    fn a_long_step_has_many_dashes_and_nothing_has_none() {
        assert_eq!(pieces(&[(0.0, 0.0), (0.0, 99.0)], &[2.0, 3.0]).len(), 20);
        assert_eq!(pieces(&[(0.0, 0.0), (9.0, 0.0)], &[]), [[(0.0, 0.0), (9.0, 0.0)]]);
        assert!(pieces(&[(1.0, 1.0)], &[2.0, 3.0]).is_empty());
    }
}
