//! Modifiers: what changes the terms of a loss of two boxes, or weighs it as a whole.
//!
//! Papers offer them with a loss of their own, but each fits any. By name a modified loss is written `inner(ciou, ratio=0.75)`,
//! see [`AnyLoss`](crate::losses::AnyLoss); several nest, each once: `inner(focaler(ciou))`. Each acts in a place of its own,
//! so that the order in which they are written does not matter. Gates and factors that are a loss's own, as in CIoU and in PIoU
//! v2, are of the boxes as they are.
//!
//! ```
//! use detloss::loss::modifiers::{Inner, Modifiers};
//! use detloss::losses::{AnyLoss, boxes::Ciou};
//!
//! let modifiers = Modifiers { inner: Some(Inner { ratio: 0.8 }), ..Modifiers::default() };
//! let loss = AnyLoss::new(Ciou::default()).with_modifiers(modifiers)?;
//! assert_eq!(loss, "inner(ciou, ratio=0.8)".parse()?);
//! # Ok::<(), detloss::Error>(())
//! ```

use super::focusing::Focusing;
pub use super::focusing::{WiseV2, WiseV3};
use super::terms::Terms;
use super::{Described, Param};
use crate::error::{Error, Result};
use crate::geometry::{Xyxy, part_of_hull};
use crate::loss;
use crate::scalar::{Scalar, lit};

loss! {
    /// Inner-IoU: the IoU of both boxes scaled about their own centres.
    ///
    /// ```text
    /// IoU → IoU of both boxes, their sides multiplied by ratio
    /// ```
    ///
    /// Penalties stay those of the boxes as they are. Smaller boxes lose their overlap sooner, so that good predictions are
    /// told apart more sharply; larger ones overlap where the boxes do not, so that a box nearby has a gradient. Where one box
    /// holds the other, and still does when both are scaled, nothing changes.
    ///
    /// # Gradient
    ///
    /// The slope. Identical boxes have slope 0.
    ///
    /// # Conventions
    ///
    /// The paper tries ratios from 0.5 to 1.5, about 0.7 to 0.8 for boxes of ordinary size and above 1 for small objects. The
    /// authors' code has 1 as its default, which changes nothing.
    ///
    /// # References
    ///
    /// Zhang, Xu, Zhang, *Inner-IoU: More Effective Intersection over Union Loss with Auxiliary Bounding Box*, 2023.
    /// <https://arxiv.org/abs/2311.02877>
    "inner", "Inner-IoU" => pub struct Inner: Modifier {
        /// What the sides are multiplied by. 1 changes nothing.
        ratio: f64 = 0.75 in 0.5..=1.5,
    }
}

loss! {
    /// Focaler-IoU: the IoU stretched from an interval to 0..1.
    ///
    /// ```text
    /// IoU → min(max((IoU − d) / (u − d), 0), 1)
    /// ```
    ///
    /// An IoU outside of the interval from d to u has no slope, one inside a steeper one: a low interval turns to the hard
    /// boxes, a high one to the easy ones.
    ///
    /// # Gradient
    ///
    /// The slope, with the mean of both sides at d and u. From u on a loss without penalties is exactly 0, and nothing moves.
    ///
    /// # Conventions
    ///
    /// d = 0 and u = 0.95 as in the authors' code. 0 and 1 change nothing.
    ///
    /// # References
    ///
    /// Zhang, Zhang, *Focaler-IoU: More Focused Intersection over Union Loss*, 2024. <https://arxiv.org/abs/2401.10525>
    "focaler", "Focaler-IoU" => pub struct Focaler: Modifier {
        /// Up to this IoU boxes count as disjoint.
        d: f64 = 0.0 in 0.0..=0.99,
        /// From this IoU on boxes count as equal. At least 0.01 more than d.
        u: f64 = 0.95 in 0.01..=1.0,
    }
}

loss! {
    /// α-IoU: every term raised to a power.
    ///
    /// ```text
    /// IoU → IoU^α,   penalty → penalty^α
    /// ```
    ///
    /// A penalty is what is added to 1 − IoU: one for GIoU, DIoU, SIoU, MPDIoU and PIoU, two for CIoU and Shape-IoU, three for
    /// EIoU. Losses without an IoU consist of penalties alone: one for NWD and extended IoU, four for bounded IoU. An α above 1
    /// makes good boxes count more, and weak overlaps hardly at all.
    ///
    /// # Gradient
    ///
    /// The slope. Below α = 1 the slope of a power has no bound near 0: a term below 1e-6 is a constant there.
    ///
    /// # Conventions
    ///
    /// α = 3 as in the paper; the authors' helper function has 2 as its own default. They add 1e-9 to what is raised to a
    /// power, so that for α = 0.5 identical boxes cost 0.03. A term below 1e-20 counts as 0 where α is
    /// above 1, and a penalty as 1000 at most, which only MPDIoU reaches, far outside of the image.
    ///
    /// # References
    ///
    /// He, Erfani, Ma, Bailey, Chi, Hua, *Alpha-IoU: A Family of Power Intersection over Union Losses for Bounding Box
    /// Regression*, NeurIPS 2021. <https://arxiv.org/abs/2110.13675>
    "alpha", "α-IoU" => pub struct Alpha: Modifier {
        /// The power. 1 changes nothing.
        alpha: f64 = 3.0 in 0.1..=10.0,
    }
}

loss! {
    /// Wise-IoU: the loss weighted by how far apart the centres are.
    ///
    /// ```text
    /// L → exp(ρ² / c²) · L
    /// ```
    ///
    /// where ρ is the distance between the centres and c the diagonal of the smallest box that holds both, a constant for the
    /// gradient.
    ///
    /// The factor is between 1 and e. With the IoU loss this is the WIoU loss, whose page says more.
    ///
    /// # Gradient
    ///
    /// The product rule, with c constant.
    ///
    /// # Conventions
    ///
    /// This is version 1. Versions 2 and 3 weigh by the running mean of 1 − IoU as well, which is a state. A loss takes one of `wise`,
    /// `wise_v2` and `wise_v3`.
    ///
    /// # References
    ///
    /// Tong, Chen, Xu, Yu, *Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing Mechanism*, 2023.
    /// <https://arxiv.org/abs/2301.10051>
    "wise", "Wise-IoU" => pub struct Wise: Modifier {}
}

loss! {
    /// Focal-IoU: the loss weighted by a power of the IoU, so that good boxes count more.
    ///
    /// ```text
    /// L → IoU^γ · L
    /// ```
    ///
    /// where the IoU is that of the boxes as they are. With the EIoU loss this is the Focal EIoU loss, whose page says more:
    /// boxes that do not overlap cost nothing and never move.
    ///
    /// # Gradient
    ///
    /// IoU^γ times that of the loss: the weight is detached. With `detach` = 0 the product rule; an IoU below 1e-6 is a
    /// constant there.
    ///
    /// # Conventions
    ///
    /// γ = 0.5 as in the paper.
    ///
    /// # References
    ///
    /// Zhang, Ren, Zhang, Jia, Wang, Tan, *Focal and Efficient IOU Loss for Accurate Bounding Box Regression*, Neurocomputing
    /// 2022. <https://arxiv.org/abs/2101.08158>
    "focal", "Focal-IoU" => pub struct Focal: Modifier {
        /// How strongly boxes of little overlap are turned down. 0 changes nothing.
        gamma: f64 = 0.5 in 0.0..=10.0,
        /// Whether the weight is detached: a constant for the gradient.
        detach: bool = true,
    }
}

/// The modifier called `name`; None if there is none.
#[must_use]
pub fn find(name: &str) -> Option<&'static Modifier> {
    ALL.iter().find(|modifier| modifier.name == name)
}

/// A line of the list of modifiers, and the form of what is in it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Modifier {
    /// The id.
    pub name: &'static str,
    /// The name as papers print it.
    pub label: &'static str,
    /// The documentation.
    pub doc: &'static str,
    /// The parameters.
    pub params: &'static [Param],
}

impl Modifier {
    const fn of<M: Described<Form = Self>>() -> Self {
        Self { name: M::NAME, label: M::LABEL, doc: M::DOC, params: M::PARAMS }
    }

    /// The first sentence of the documentation.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        super::summary(self.doc)
    }
}

/// Makes the list of modifiers, from the outermost in writing to the innermost.
macro_rules! modifiers {
    ($($(#[doc = $doc:literal])+ $name:ident: $ty:ident,)+) => {
        /// Every modifier, in the order in which they are written around a loss.
        pub static ALL: &[Modifier] = &[$(Modifier::of::<$ty>()),+];

        /// Modifiers with their parameters, each at most once.
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct Modifiers {
            $($(#[doc = $doc])+ pub $name: Option<$ty>,)+
        }

        impl Modifiers {
            /// The modifiers there are, with the values of their parameters.
            pub fn given(&self) -> impl Iterator<Item = (&'static Modifier, Vec<f64>)> {
                let params = [$(self.$name.map(|modifier| modifier.params())),+];
                ALL.iter().zip(params).filter_map(|(modifier, params)| Some((modifier, params?)))
            }

            /// Adds a modifier by its name, with these parameters, the others at their defaults. What is refused changes
            /// nothing.
            ///
            /// # Errors
            ///
            /// [`Error::UnknownModifier`], [`Error::ModifiedTwice`], [`Error::UnknownParam`] and [`Error::BadParam`].
            pub fn add(&mut self, name: &str, params: &[(&str, f64)]) -> Result<()> {
                let before = *self;
                let added = self.try_add(name, params).and_then(|()| self.check());
                added.inspect_err(|_| *self = before)
            }

            fn try_add(&mut self, name: &str, params: &[(&str, f64)]) -> Result<()> {
                $(if name == $ty::NAME {
                    if self.$name.is_some() {
                        return Err(Error::ModifiedTwice { modifier: $ty::NAME });
                    }
                    let modifier = self.$name.insert($ty::default());
                    return params.iter().try_for_each(|(key, value)| modifier.set(key, *value));
                })+
                let known = ALL.iter().map(|modifier| modifier.name).collect();
                Err(Error::UnknownModifier { name: name.to_owned(), known })
            }
        }
    };
}

modifiers! {
    /// The IoU of scaled boxes.
    inner: Inner,
    /// The IoU stretched.
    focaler: Focaler,
    /// Every term to a power.
    alpha: Alpha,
    /// Weighted by the distance of the centres.
    wise: Wise,
    /// Weighted by the distance of the centres, and by the running mean of 1 − IoU.
    wise_v2: WiseV2,
    /// The same, most for boxes that are neither good nor hopeless.
    wise_v3: WiseV3,
    /// Weighted by the IoU.
    focal: Focal,
}

impl Modifiers {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether every parameter lies in its range; the fields are public.
    ///
    /// # Errors
    ///
    /// [`Error::BadParam`].
    pub fn check(&self) -> Result<()> {
        for (modifier, values) in self.given() {
            let mut params = modifier.params.iter().zip(values);
            params.try_for_each(|(param, value)| param.check(modifier.name, value))?;
        }
        // Versions of one modifier.
        if usize::from(self.wise.is_some()) + self.focusings().count() > 1 {
            return Err(Error::ModifiedTwice { modifier: Wise::NAME });
        }
        self.focaler.map_or(Ok(()), Focaler::check_interval)
    }

    /// The focusings among them, with the names of their modifiers.
    pub(crate) fn focusings(&self) -> impl Iterator<Item = (&'static str, Focusing)> {
        let v2 = self
            .wise_v2
            .map(|WiseV2 { gamma, momentum }| (WiseV2::NAME, Focusing::monotonic(gamma, momentum)));
        let v3 = self.wise_v3.map(|WiseV3 { alpha, delta, momentum }| {
            (WiseV3::NAME, Focusing::non_monotonic(alpha, delta, momentum))
        });
        v2.into_iter().chain(v3)
    }

    /// The only focusing among them.
    pub(super) fn focusing(&self) -> Option<Focusing> {
        self.focusings().next().map(|(_, focusing)| focusing)
    }

    /// The value of a loss, weighted by what does not depend on other boxes.
    pub(super) fn weigh<S: Scalar>(&self, value: S, pred: Xyxy<S>, target: Xyxy<S>) -> S {
        let mut value = value;
        if let Some(Focal { gamma, detach }) = self.focal {
            value = focal_weight(pred.iou(target, 0.0), gamma, detach) * value;
        }
        if self.wise.is_some() || self.focusing().is_some() {
            value = wise_weight(pred, target) * value;
        }
        value
    }
}

/// The terms as some modifiers make them.
#[derive(Clone, Copy)]
pub(super) struct Modified<'a>(pub(super) &'a Modifiers);

impl Terms for Modified<'_> {
    fn iou<S: Scalar>(self, pred: Xyxy<S>, target: Xyxy<S>, eps: f64) -> S {
        let Modifiers { inner, focaler, alpha, .. } = self.0;
        let iou = match inner {
            Some(inner) => inner.iou(pred, target, eps),
            None => pred.iou(target, eps),
        };
        let iou = focaler.map_or(iou, |focaler| focaler.stretch(iou));
        alpha.map_or(iou, |alpha| alpha.power(iou))
    }

    fn penalty<S: Scalar>(self, penalty: S) -> S {
        self.0.alpha.map_or(penalty, |alpha| alpha.power_of_penalty(penalty))
    }

    fn add_penalty<S: Scalar>(self, sum: S, weight: S, part: S) -> S {
        match self.0.alpha {
            Some(alpha) if alpha.alpha != 1.0 => sum + alpha.power_of_penalty(weight * part),
            _ => weight.mul_add(part, sum),
        }
    }
}

impl Inner {
    fn iou<S: Scalar>(self, pred: Xyxy<S>, target: Xyxy<S>, eps: f64) -> S {
        if self.ratio == 1.0 {
            return pred.iou(target, eps);
        }
        // An IoU does not see the scale: instead of shrinking the boxes, move their centres apart. Seen from the target's
        // corner, since a small shift would be lost far from the origin.
        let [dx, dy] = pred.center_offset(target);
        let apart = lit(1.0 / self.ratio - 1.0);
        let (x, y, zero) = (target.x1, target.y1, target.x1.lit(0.0));
        let moved = Xyxy {
            x1: (pred.x1 - x) + dx * apart,
            y1: (pred.y1 - y) + dy * apart,
            x2: (pred.x2 - x) + dx * apart,
            y2: (pred.y2 - y) + dy * apart,
        };
        let target = Xyxy { x1: zero, y1: zero, x2: target.x2 - x, y2: target.y2 - y };
        moved.iou(target, eps / (self.ratio * self.ratio))
    }
}

impl Focaler {
    /// How much u is above d, at least: an interval that `f32` knows from a point.
    const SHORTEST: f64 = 0.01;

    fn check_interval(self) -> Result<()> {
        let Self { d, u } = self;
        if u - d >= Self::SHORTEST - f64::EPSILON {
            return Ok(());
        }
        let wanted = format!("a number of at least {} less than u, which is {u}", Self::SHORTEST);
        Err(Error::BadParam { loss: Self::NAME, key: "d", value: d, wanted })
    }

    fn stretch<S: Scalar>(self, iou: S) -> S {
        if (self.d, self.u) == (0.0, 1.0) {
            return iou;
        }
        let (low, high) = (iou.lit(self.d), iou.lit(self.u));
        // No IoU lies below 0, and to be held there would halve the slope of boxes that touch.
        let held = if self.d > 0.0 { iou.max(low) } else { iou };
        (held.min(high) - low).safe_div(high - low)
    }
}

impl Alpha {
    /// What a penalty counts as at most: its tenth power is finite in `f32`.
    const LARGEST: f64 = 1e3;

    fn power_of_penalty<S: Scalar>(self, penalty: S) -> S {
        if self.alpha == 1.0 {
            penalty
        } else {
            self.power(penalty.min(penalty.lit(Self::LARGEST)))
        }
    }

    fn power<S: Scalar>(self, term: S) -> S {
        let base = if self.alpha == 1.0 {
            term
        } else if self.alpha < 1.0 {
            flat_at_0(term)
        } else {
            // The slope is made of the power and of 1 / term, which for a smaller term is infinite in `f32`.
            S::if_lt(term, term.lit(1e-20), term.lit(0.0), term)
        };
        base.pow(self.alpha)
    }
}

/// IoU^γ, what Focal EIoU weighs the EIoU loss by.
#[inline(always)]
pub fn focal_weight<S: Scalar>(iou: S, gamma: f64, detach: bool) -> S {
    (if detach { iou.detach() } else { flat_at_0(iou) }).pow(gamma)
}

/// exp(ρ² / c²), what WIoU weighs the IoU loss by; c is a constant.
#[inline(always)]
pub fn wise_weight<S: Scalar>(pred: Xyxy<S>, target: Xyxy<S>) -> S {
    let distance = pred.center_distance_squared(target);
    let [width, height] = pred.hull(target).extent_squared();
    let diagonal = (width + height).detach();
    part_of_hull(distance, distance.safe_div(diagonal), diagonal).exp()
}

/// The number, a constant where it is nearly 0: there the slope of a root has no bound.
#[inline(always)]
fn flat_at_0<S: Scalar>(number: S) -> S {
    S::if_lt(number, number.lit(1e-6), number.detach(), number)
}
