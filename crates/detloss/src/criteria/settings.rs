//! Changing a criterion: `yolo8(box=siou, dfl.weight=2)`.

use std::str::FromStr;

use super::criterion::{Compares, Criterion, Term};
use crate::batch::Kernel;
use crate::error::{Error, Result};
use crate::loss::Scope;
use crate::losses::parts;
use crate::operand::Kind;

impl Criterion {
    /// Changes one thing, by its name: `box` the loss of the term of this name, `box.weight` its weight, `cls.class_weight` those of the
    /// classes (`1 1 2.5`, one for each), `matcher` the matcher. With a head
    /// in front, `one_to_one.box.weight`, only there; else in every head that has it. A refused value changes nothing.
    ///
    /// ```
    /// use detloss::criteria::Criterion;
    ///
    /// let mut criterion: Criterion = "yolo8".parse()?;
    /// criterion.set("box", "siou")?;
    /// criterion.set("matcher", "task_aligned(topk=13, overlap=siou)")?;
    /// assert_eq!(criterion, "yolo8(box=siou, matcher=task_aligned(topk=13, overlap=siou))".parse()?);
    /// # Ok::<(), detloss::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::UnknownSetting`]; what is wrong with a loss or a matcher; and those of [`check`](Self::check).
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let mut changed = self.clone();
        let (head, setting) = match name.split_once('.') {
            Some((head, setting)) if self.head(head).is_some() => (Some(head), setting),
            _ => (None, name),
        };
        let mut found = false;
        for of in &mut changed.heads {
            if head.is_some_and(|head| head != of.name) {
                continue;
            }
            if setting == MATCHER && of.matcher.is_some() {
                of.matcher = Some(value.parse()?);
                found = true;
            }
            for term in &mut of.terms {
                let Some(rest) = setting.strip_prefix(term.name.as_str()) else { continue };
                match rest {
                    "" => term.loss = value.parse()?,
                    WEIGHT => term.weight = number(name, value)?,
                    CLASS_WEIGHT if matches!(term.compares, Compares::Classes(_)) => {
                        let weights = value.split_whitespace().map(|value| number(name, value));
                        term.class_weight = weights.collect::<Result<_>>()?;
                    }
                    _ => continue,
                }
                found = true;
            }
        }
        if !found {
            return Err(Error::UnknownSetting { name: name.to_owned(), known: self.settings() });
        }
        changed.check()?;
        *self = changed;
        Ok(())
    }

    /// The names of all that [`set`](Self::set) can change in every head.
    fn settings(&self) -> Vec<String> {
        let mut names = Vec::new();
        for head in &self.heads {
            let mut of_head = Vec::new();
            for term in &head.terms {
                of_head.extend([term.name.clone(), format!("{}{WEIGHT}", term.name)]);
                if matches!(term.compares, Compares::Classes(_)) {
                    of_head.push(format!("{}{CLASS_WEIGHT}", term.name));
                }
            }
            of_head.extend(head.matcher.iter().map(|_| MATCHER.to_owned()));
            for name in of_head {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// Whether every term has a loss of what it compares, and every head a matcher that it can feed.
    ///
    /// # Errors
    ///
    /// [`Error::UnfitLoss`] names the term and what it takes, [`Error::UnfitMatcher`] the head.
    pub fn check(&self) -> Result<()> {
        for head in &self.heads {
            if let Some(matcher) = &head.matcher
                && head.class_specific
                && matcher.entry().inputs.boxes
            {
                let (head, matcher) = (head.name.clone(), matcher.entry().name);
                return Err(Error::UnfitMatcher { head, matcher });
            }
            head.terms.iter().try_for_each(|term| term.check(head.decoder.kind()))?;
        }
        Ok(())
    }
}

const MATCHER: &str = "matcher";
const WEIGHT: &str = ".weight";
const CLASS_WEIGHT: &str = ".class_weight";

fn number(name: &str, value: &str) -> Result<f64> {
    let number = value.trim().parse().ok().filter(|number: &f64| number.is_finite());
    number
        .ok_or_else(|| Error::UnreadableSetting { name: name.to_owned(), value: value.to_owned() })
}

impl Term {
    fn check(&self, boxes: Kind) -> Result<()> {
        let signature = self.loss.signature();
        let pair = (signature.pred, signature.target);
        let (fits, wanted) = match self.compares {
            Compares::Boxes(_) if boxes == Kind::RotatedBox => {
                (pair == (boxes, boxes), "a loss of two rotated boxes, such as prob_iou")
            }
            Compares::Boxes(_) => {
                (pair == (Kind::Box, Kind::Box), "a loss of two boxes, such as ciou")
            }
            Compares::Offsets(_) => {
                (pair == (Kind::Number, Kind::Number), "a loss of two values, such as smooth_l1")
            }
            Compares::Distribution { .. } | Compares::Refinement { .. } => (
                pair == (Kind::Logits, Kind::Position),
                "a loss of places, such as distribution_focal",
            ),
            Compares::Classes(labels) if labels.are_of_softmax() => (
                signature.pred == Kind::Logits && signature.target.is_label(),
                "a loss of rows of logits, such as softmax_ce",
            ),
            Compares::Teacher => (
                pair == (Kind::Logits, Kind::Logits),
                "a loss of two rows of logits, such as softmax_kl",
            ),
            Compares::Classes(_) | Compares::Quality(_) => {
                (pair == (Kind::Logit, Kind::Label), "a loss of scores, such as focal")
            }
        };
        let is_plain = signature.scope != Scope::Set && self.loss.running_mean().is_none();
        if fits && is_plain {
            return Ok(());
        }
        Err(Error::UnfitLoss { term: self.name.clone(), loss: self.loss.entry().name, wanted })
    }
}

impl FromStr for Criterion {
    type Err = Error;

    /// Reads `yolo8`, or `yolo8(box=siou, dfl.weight=2)`, with what [`set`](Criterion::set) takes.
    fn from_str(text: &str) -> Result<Self> {
        let unreadable = || Error::UnreadableCriterion { text: text.to_owned() };
        let (name, arguments) = parts(text.trim()).ok_or_else(unreadable)?;
        let mut criterion = super::find(name)?.make();
        for argument in arguments {
            let (name, value) = argument.split_once('=').ok_or_else(unreadable)?;
            criterion.set(name.trim(), value.trim())?;
        }
        Ok(criterion)
    }
}
