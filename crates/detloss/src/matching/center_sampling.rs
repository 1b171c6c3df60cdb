use super::entry::{Matcher, Precision};
use super::image::{Inputs, Scene};
use super::overlap::Overlap;
use super::{BACKGROUND, Matches};
use crate::error::{Error, Result};
use crate::loss;

loss! {
    /// Centre sampling, of FCOS: a point finds the smallest truth around it whose size fits its level, if it lies near the truth's centre.
    ///
    /// ```text
    /// near the centre   max(|x − cx|, |y − cy|) < radius · stride
    /// inside            min(l, t, r, b) > 0
    /// fits the level    lower · stride < max(l, t, r, b) < upper · stride
    /// ```
    ///
    /// where l, t, r and b are the distances from the point to the sides of the truth. The first level has no lower bound, the last one no
    /// upper bound.
    ///
    /// # Conventions
    ///
    /// As in torchvision's FCOS, but the smallest area is found exactly: there areas are told apart in steps of 8, and above 1e8 nothing matches.
    /// The ranges of the paper and of MMDetection (64, 128, 256 and 512 for strides from 8 to 128) are these, but for their ends, which belong
    /// to them there. The paper samples from the whole box at first: a large `radius`. Of equal areas the first truth is found.
    ///
    /// # References
    ///
    /// Tian, Shen, Chen, He, *FCOS: Fully Convolutional One-Stage Object Detection*, ICCV 2019, section 3.1; centre sampling is of its version
    /// in TPAMI 2022. <https://arxiv.org/abs/1904.01355>
    "center_sampling", "Centre sampling" => pub struct CenterSampling: Matching {
        /// How many strides a point is from the centre of its truth, at most.
        radius: f64 = 1.5 in 0.0..=1e6,
        /// More than how many strides the farthest side is away.
        lower: f64 = 4.0 in 0.0..=1e6,
        /// Less than how many strides the farthest side is away. At least `lower`.
        upper: f64 = 8.0 in 0.0..=1e6,
    }
}

impl Matcher for CenterSampling {
    const INPUTS: Inputs = Inputs::ANCHORS;

    fn check(&self) -> Result<()> {
        if self.lower <= self.upper {
            return Ok(());
        }
        let wanted = format!("a number of at least lower, which is {}", self.lower);
        Err(Error::BadParam { loss: "center_sampling", key: "upper", value: self.upper, wanted })
    }

    fn matches<T: Precision>(
        &self,
        scene: &Scene<'_, T>,
        _: Option<&Overlap>,
    ) -> Result<Matches<T>> {
        let anchors = scene.anchors();
        let [radius, lower, upper] = [self.radius, self.lower, self.upper].map(T::from_f64);
        let levels: Vec<_> = anchors.level_ranges().collect();
        let (first, last) = (levels[0].end, levels[levels.len() - 1].start);
        let mut smallest = vec![(T::default(), BACKGROUND); scene.predictions];
        for truth in 0..scene.count {
            scene.work.check_cancelled()?;
            let target = scene.corners(truth);
            let ([cx, cy], area) = (target.center(), target.area());
            anchors.centers_in(scene.window(truth), |point| {
                let ([x, y], stride) = (anchors.center(point), anchors.stride(point));
                let reach = target.reach([x, y]);
                let is_near = (x - cx).abs() < radius * stride && (y - cy).abs() < radius * stride;
                let is_inside = target.depth([x, y]) > T::default();
                let fits = (point < first || reach > lower * stride)
                    && (point >= last || reach < upper * stride);
                let (least, found) = smallest[point];
                if is_near && is_inside && fits && (found == BACKGROUND || area < least) {
                    smallest[point] = (area, truth as i32);
                }
            });
        }
        let indices = smallest.into_iter().map(|(_, truth)| truth).collect();
        Ok(Matches { indices, scores: None })
    }
}
