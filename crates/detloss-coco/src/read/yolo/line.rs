//! A line of a label file.

use std::str::FromStr;

use super::super::raw::{Fault, short};
use crate::bbox::Bbox;
use crate::problem::Kind;

/// A share of an image may be so much below 0 or above 1: tools round.
const SLACK: f64 = 0.01;

/// An object, or a detection.
#[derive(Debug, PartialEq)]
pub(super) struct Line<B> {
    /// The index of its class.
    pub(super) class: u64,
    /// In pixels.
    pub(super) bbox: B,
    /// In square pixels: of the polygon where there is one.
    pub(super) area: f64,
    /// At the end of the lines of detections.
    pub(super) score: Option<f64>,
}

impl<B: Bbox> Line<B> {
    /// Reads `class cx cy w h`, with as many numbers of key points behind as there are, or `class x1 y1 x2 y2 …`, the corners of a
    /// polygon or of a rotated box. One number more is a score. Lengths are shares of `size`, the width and the height of the image.
    pub(super) fn parse(line: &str, size: [f64; 2], keypoints: usize) -> Result<Self, Fault> {
        let mut fields = line.split_whitespace();
        let class = class(fields.next().unwrap_or_default())?;
        let numbers: Vec<f64> = fields.map(number).collect::<Result<_, _>>()?;
        let with_points = 4 + keypoints;
        let (shares, score) = match numbers.len() {
            count @ 0..4 => {
                let said = format!(
                    "has {count} numbers after the class: expected cx cy w h, or the corners of a polygon"
                );
                return Err(("", Kind::NoBox, said));
            }
            count if count == 4 || count == with_points => (&numbers[..4], None),
            count if count == 5 || count == with_points + 1 => (&numbers[..4], numbers.last()),
            count => (&numbers[..count - count % 2], numbers.last().filter(|_| count % 2 == 1)),
        };
        if let Some(share) = shares.iter().find(|share| !(-SLACK..=1.0 + SLACK).contains(*share)) {
            let said = format!("{share} is no share of the image");
            return Err(("", Kind::NotNormalised, said));
        }
        let [width, height] = size;
        let (bbox, area) = if let [cx, cy, w, h] = *shares {
            for (side, what) in [(w, "width"), (h, "height")] {
                if side < 0.0 {
                    return Err(("", Kind::NegativeSide, format!("negative {what} {side}")));
                }
            }
            let [left, top] = [cx - w / 2.0, cy - h / 2.0];
            let bbox = B::upright([left * width, top * height, w * width, h * height]);
            (bbox, bbox.area())
        } else {
            let corner = |[x, y]: &[f64; 2]| [x * width, y * height];
            let corners: Vec<[f64; 2]> = shares.as_chunks().0.iter().map(corner).collect();
            let around = B::around(&corners);
            let none = || ("", Kind::NoArea, "the polygon has no area".to_owned());
            (around.ok_or_else(none)?, area(&corners))
        };
        Ok(Self { class, bbox, area, score: score.copied() })
    }
}

/// Whether a text has lines of numbers, as label files do, and not words, as all other texts.
pub(super) fn is_labels(text: &str) -> bool {
    let Some(first) = text.lines().find(|line| !line.trim().is_empty()) else { return false };
    let mut fields = first.split_whitespace();
    let count = fields.clone().count();
    count >= 5 && fields.all(|field| f64::from_str(field).is_ok())
}

/// The index of a class; some tools write it as 1.0.
fn class(written: &str) -> Result<u64, Fault> {
    // More classes than a whole number of a float can tell apart has nobody.
    const MOST: f64 = u32::MAX as f64;
    match written.parse::<f64>() {
        Ok(index) if index.fract() == 0.0 && (0.0..=MOST).contains(&index) => Ok(index as u64),
        _ => {
            let said = format!("{} is no index of a class: they count from 0", short(written));
            Err(("class", Kind::UnknownClass, said))
        }
    }
}

fn number(written: &str) -> Result<f64, Fault> {
    match written.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(("", Kind::NotFinite, format!("{} is not finite", short(written)))),
        Err(_) => Err(("", Kind::NoBox, format!("{} is not a number", short(written)))),
    }
}

/// The area of a polygon, by the trapezoids below its sides.
fn area(corners: &[[f64; 2]]) -> f64 {
    let next = corners.iter().cycle().skip(1);
    let twice: f64 = corners.iter().zip(next).map(|([x, y], [u, v])| x * v - u * y).sum();
    twice.abs() / 2.0
}

#[cfg(test)]
mod tests {
    use std::f64::consts::FRAC_PI_4;

    use super::*;
    use crate::bbox::{RotatedBox, Xywh};

    fn read(line: &str) -> Result<Line<Xywh>, Fault> {
        Line::parse(line, [200.0, 100.0], 0)
    }

    #[test]
    fn a_box_is_in_pixels_and_a_number_more_is_its_score() {
        let wanted = Line { class: 3, bbox: [75.0, 25.0, 50.0, 25.0], area: 1250.0, score: None };
        assert_eq!(read("3 0.5 0.375 0.25 0.25"), Ok(wanted));
        let line = read("  3.0\t0.5 0.4 0.2 0.2  0.75 ").unwrap();
        assert_eq!((line.class, line.score), (3, Some(0.75)));
    }

    #[test]
    fn a_polygon_is_the_box_around_it_and_has_its_own_area() {
        let triangle = read("1 0.1 0.2 0.3 0.2 0.1 0.6").unwrap();
        let near = triangle.bbox.iter().zip([20.0, 20.0, 40.0, 40.0]);
        assert!(near.into_iter().all(|(a, b)| (a - b).abs() < 1e-9), "{triangle:?}");
        assert!((triangle.area - 800.0).abs() < 1e-9);
        assert_eq!(read("1 0.1 0.2 0.3 0.2 0.1 0.6 0.5").unwrap().score, Some(0.5));
    }

    #[test]
    fn four_corners_are_a_rotated_box() {
        let line = "0 0.15 0.15 0.35 0.35 0.25 0.45 0.05 0.25 0.5";
        let line: Line<RotatedBox> = Line::parse(line, [100.0, 100.0], 0).unwrap();
        let wanted = [20.0, 30.0, 800_f64.sqrt(), 200_f64.sqrt(), FRAC_PI_4];
        let near = line.bbox.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(near && line.score == Some(0.5), "{line:?}");
        let upright: Line<RotatedBox> = Line::parse("0 0.5 0.5 0.2 0.4", [100.0, 50.0], 0).unwrap();
        assert_eq!(upright.bbox, [50.0, 25.0, 20.0, 20.0, 0.0]);
    }

    #[test]
    fn key_points_are_no_polygon() {
        let line = "0 0.5 0.5 0.2 0.2 0.4 0.4 2 0.6 0.6 1";
        assert_eq!(Line::<Xywh>::parse(line, [10.0, 10.0], 6).unwrap().bbox, [4.0, 4.0, 2.0, 2.0]);
        let line = format!("{line} 0.9");
        assert_eq!(Line::<Xywh>::parse(&line, [10.0, 10.0], 6).unwrap().score, Some(0.9));
    }

    #[test]
    fn what_is_no_label_is_told_so() {
        let long = "9".repeat(1000);
        for (line, kind, words) in [
            ("1 0.5 0.5 0.2", Kind::NoBox, "has 3 numbers after the class"),
            ("1", Kind::NoBox, "has 0 numbers"),
            ("1 0.5 0.5 a 0.2", Kind::NoBox, "a is not a number"),
            ("1 0.5 0.5 nan 0.2", Kind::NotFinite, "nan is not finite"),
            ("1 0.5 0.5 1e999 0.2", Kind::NotFinite, "1e999 is not finite"),
            ("1 50 60 20 20", Kind::NotNormalised, "50 is no share"),
            (&format!("1 0.5 0.5 {long} 1"), Kind::NotFinite, "9… is not finite"),
            ("1 0.5 0.5 -0.001 0.2", Kind::NegativeSide, "negative width -0.001"),
            ("-1 0.5 0.5 0.2 0.2", Kind::UnknownClass, "-1 is no index of a class"),
            ("1.5 0.5 0.5 0.2 0.2", Kind::UnknownClass, "1.5 is no index"),
            ("cat 0.5 0.5 0.2 0.2", Kind::UnknownClass, "cat is no index"),
            ("NaN 0.5 0.5 0.2 0.2", Kind::UnknownClass, "NaN is no index"),
            ("1e30 0.5 0.5 0.2 0.2", Kind::UnknownClass, "1e30 is no index"),
        ] {
            let (_, found, said) = read(line).unwrap_err();
            assert_eq!(found, kind, "{line}");
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn texts_of_words_are_no_labels() {
        assert!(is_labels("\n0 0.1 0.2 0.3 0.4\n"));
        assert!(is_labels("0 50 60 20 20"));
        for text in ["", "cat\ndog", "images/a.jpg", "0 1 2 3", "a list of the five images"] {
            assert!(!is_labels(text), "{text}");
        }
    }
}
