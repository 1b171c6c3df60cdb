//! Rotated boxes as other libraries write them.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use super::Rotated;

/// The same box in the conventions of other libraries. To read theirs, only the unit of the angle has to be converted: the range is no
/// matter.
///
/// ```
/// use detloss::geometry::Rotated;
///
/// // What `minAreaRect` of OpenCV says today, and said before 4.5.1.
/// let theirs = Rotated { cx: 5.0, cy: 3.0, w: 2.0, h: 4.0, angle: 60.0 };
/// let it = Rotated::from_degrees(theirs);
/// assert_eq!(it.to_opencv_before_4_5_1().to_degrees().angle.round(), -30.0);
/// assert_eq!(it.to_le90().w, 4.0);
/// ```
impl Rotated<f64> {
    /// A box whose angle is in degrees, from x towards y: both conventions of OpenCV, `le90` and `le135` of MMRotate.
    #[must_use]
    pub fn from_degrees(it: Self) -> Self {
        Self { angle: it.angle.to_radians(), ..it }
    }

    /// The same box with its angle in degrees.
    #[must_use]
    pub fn to_degrees(self) -> Self {
        Self { angle: self.angle.to_degrees(), ..self }
    }

    /// A box of Detectron2: the angle is in degrees, and counter-clockwise where y points down.
    #[must_use]
    pub fn from_detectron2(it: Self) -> Self {
        Self { angle: -it.angle.to_radians(), ..it }
    }

    /// The same box as Detectron2 has it: −180° to 180°, the latter excluded.
    #[must_use]
    pub fn to_detectron2(self) -> Self {
        Self { angle: wrapped(-self.angle, -PI, 2.0 * PI), ..self }.to_degrees()
    }

    /// The same box with an angle above 0 and up to π/2: `minAreaRect` of OpenCV from 4.5.1 on, `oc` of MMRotate.
    #[must_use]
    pub fn to_opencv(self) -> Self {
        // The interval is open below: that of the mirrored angle is open above.
        let angle = -wrapped(-self.angle, -FRAC_PI_2, FRAC_PI_2);
        self.by_quarter_turns(angle)
    }

    /// The same box with an angle from −π/2 on and below 0: `minAreaRect` of OpenCV before 4.5.1.
    #[must_use]
    pub fn to_opencv_before_4_5_1(self) -> Self {
        self.by_quarter_turns(wrapped(self.angle, -FRAC_PI_2, FRAC_PI_2))
    }

    /// The same box with w as its longer side and an angle from −π/2 on and below π/2: `le90` of MMRotate.
    #[must_use]
    pub fn to_le90(self) -> Self {
        self.with_long_edge(-FRAC_PI_2)
    }

    /// The same box with w as its longer side and an angle from −π/4 on and below 3π/4: `le135` of MMRotate.
    #[must_use]
    pub fn to_le135(self) -> Self {
        self.with_long_edge(-FRAC_PI_4)
    }

    /// The same box with an angle from 0 on and below π/2: results of Ultralytics. Its labels are `le135`.
    #[must_use]
    pub fn to_ultralytics(self) -> Self {
        self.by_quarter_turns(wrapped(self.angle, 0.0, FRAC_PI_2))
    }

    /// The same box at an angle that is some quarter turns away.
    fn by_quarter_turns(self, angle: f64) -> Self {
        let turns = ((angle - self.angle) / FRAC_PI_2).round();
        let turned = Self { angle, ..self };
        if turns.rem_euclid(2.0) == 1.0 { Self { w: self.h, h: self.w, ..turned } } else { turned }
    }

    fn with_long_edge(self, low: f64) -> Self {
        let lying = if self.w < self.h {
            Self { w: self.h, h: self.w, angle: self.angle + FRAC_PI_2, ..self }
        } else {
            self
        };
        Self { angle: wrapped(lying.angle, low, PI), ..lying }
    }
}

/// The angle that is some whole `turn`s away and lies in `low..low + turn`.
fn wrapped(angle: f64, low: f64, turn: f64) -> f64 {
    let wrapped = (angle - low).rem_euclid(turn);
    // A remainder a little below 0 is rounded to a whole turn.
    if wrapped < turn { wrapped + low } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANGLES: [f64; 13] =
        [0.0, 0.3, -0.3, 1.2, 2.0, 3.0, -2.5, 40.0, -1e-17, FRAC_PI_2, -FRAC_PI_2, PI, FRAC_PI_4];

    fn boxes() -> impl Iterator<Item = Rotated<f64>> {
        let sides = [(4.0, 2.0), (2.0, 4.0), (3.0, 3.0)];
        ANGLES
            .into_iter()
            .flat_map(move |angle| sides.map(|(w, h)| Rotated { cx: 5.0, cy: -1.0, w, h, angle }))
    }

    /// Every corner of one box is a corner of the other.
    fn is_same(one: Rotated<f64>, other: Rotated<f64>) -> bool {
        let is_near = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]) < 1e-12;
        let corners = other.corners();
        one.corners().iter().all(|&a| corners.iter().any(|&b| is_near(a, b)))
    }

    #[test]
    fn every_convention_is_the_same_box_in_its_range() {
        for it in boxes() {
            let new = it.to_opencv();
            assert!(
                is_same(new, it) && 0.0 < new.angle && new.angle <= FRAC_PI_2,
                "{it:?}: {new:?}"
            );
            let old = it.to_opencv_before_4_5_1();
            assert!(
                is_same(old, it) && -FRAC_PI_2 <= old.angle && old.angle < 0.0,
                "{it:?}: {old:?}"
            );
            let upright = it.to_ultralytics();
            assert!(
                is_same(upright, it) && (0.0..FRAC_PI_2).contains(&upright.angle),
                "{it:?}: {upright:?}"
            );
            for (low, long) in [(-FRAC_PI_2, it.to_le90()), (-FRAC_PI_4, it.to_le135())] {
                let is_in_range = low <= long.angle && long.angle < low + PI && long.w >= long.h;
                assert!(is_same(long, it) && is_in_range, "{it:?}: {long:?}");
            }
            let theirs = it.to_detectron2();
            assert!((-180.0..180.0).contains(&theirs.angle), "{it:?}: {theirs:?}");
            assert!(is_same(Rotated::from_detectron2(theirs), it), "{it:?}: {theirs:?}");
            assert!(is_same(Rotated::from_degrees(it.to_degrees()), it), "{it:?}");
        }
    }

    /// A box that lies flat is upright to OpenCV, by 90 degrees now and by -90 before.
    #[test]
    fn a_box_without_an_angle_is_turned_by_opencv() {
        let flat = Rotated { cx: 0.0, cy: 0.0, w: 4.0, h: 2.0, angle: 0.0 };
        let upright = Rotated { w: 2.0, h: 4.0, ..flat };
        assert_eq!(flat.to_opencv().to_degrees(), Rotated { angle: 90.0, ..upright });
        assert_eq!(flat.to_opencv_before_4_5_1().to_degrees(), Rotated { angle: -90.0, ..upright });
        assert_eq!(upright.to_ultralytics(), upright);
        assert_eq!(upright.to_le90().to_degrees(), Rotated { angle: -90.0, ..flat });
        assert_eq!(upright.to_le135().to_degrees(), Rotated { angle: 90.0, ..flat });
    }

    #[test]
    fn corners_go_around_the_box() {
        let it = Rotated { cx: 1.0, cy: 2.0, w: 4.0, h: 2.0, angle: 0.0 };
        assert_eq!(it.corners(), [[-1.0, 1.0], [3.0, 1.0], [3.0, 3.0], [-1.0, 3.0]]);
        let quarter = Rotated { angle: FRAC_PI_2, ..it };
        let expected = [[2.0, 0.0], [2.0, 4.0], [0.0, 4.0], [0.0, 0.0]];
        for (got, expected) in quarter.corners().iter().zip(&expected) {
            assert!((got[0] - expected[0]).abs() < 1e-15 && (got[1] - expected[1]).abs() < 1e-15);
        }
    }
}
