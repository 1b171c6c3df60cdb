//! What stands out in an audit, in plain words, and what to try.

use detloss_coco::{Bbox, ErrorKind};
use serde_json::json;

use super::findings::Findings;
use super::measure::{Audit, Over};
use super::quality::{by_error, listing};
use super::records::{Records, hidden, short};
use super::section::{Section, Shown};
use super::stats::share;
use super::suspects::SURE;
use crate::text::percent;

/// A rule that applies.
pub(super) struct Remark {
    /// Its name, for programs.
    pub(super) rule: &'static str,
    /// What was seen.
    pub(super) seen: String,
    /// What to try.
    pub(super) hint: String,
}

/// Of fewer, no share is worth a word.
const FEW: usize = 10;
/// AP that is worth a word.
const COSTLY: f64 = 0.02;

/// The section that comes first.
pub(super) fn section(remarks: &[Remark]) -> Section {
    let mut section = Section::new("What stands out");
    let words = |remark: &Remark| match remark.hint.is_empty() {
        true => remark.seen.clone(),
        false => format!("{} {}", remark.seen, remark.hint),
    };
    let lines = match remarks.is_empty() {
        true => vec!["Nothing stands out.".to_owned()],
        false => remarks.iter().map(words).collect(),
    };
    section.lines(lines);
    let mut records = Records::new(["rule", "seen", "try"].map(hidden));
    for Remark { rule, seen, hint } in remarks {
        records.push([json!(rule), json!(seen), json!(hint)]);
    }
    section.records(listing("stands_out", String::new(), records, None, Shown::Programs));
    section
}

/// All that stands out, the gravest first: where the files do not fit, nothing else is worth a word.
pub(super) fn remarks(audit: &Audit<impl Bbox>, findings: &Findings) -> Vec<Remark> {
    if let Some(remark) = unfit(audit) {
        return vec![remark];
    }
    let all = [
        broken(audit),
        costliest(audit),
        gradient(audit),
        small(audit),
        weakest_class(audit),
        confusion(audit),
        crowded(audit),
        calibration(audit),
        threshold(audit),
        suspects(audit, findings),
    ];
    all.into_iter().flatten().collect()
}

/// Files that do not fit one another.
fn unfit<B: Bbox>(audit: &Audit<B>) -> Option<Remark> {
    let remark = |rule, seen: &str, hint: &str| {
        Some(Remark { rule, seen: seen.to_owned(), hint: hint.to_owned() })
    };
    let evaluation = &audit.evaluation;
    if evaluation.objects == 0 {
        let hint = "Give annotations of the images, and --classes that they have.";
        return remark("no_objects", "There are no objects to find.", hint);
    }
    if audit.found.is_empty() {
        let hint = "Write what the detector finds, at any score: a low threshold costs no AP.";
        return remark("no_detections", "There are no detections.", hint);
    }
    if evaluation.detections == 0 {
        let hint = "Lower --score, or give --classes that are detected.";
        return remark("none_left", "No detection is looked at.", hint);
    }
    let within = |bbox: B| bbox.as_ref()[..4].iter().all(|&number| number <= 1.0);
    if audit.found.iter().all(|detection| within(detection.bbox)) {
        let hint = "Multiply them by the width and height of their images.";
        return remark(
            "normalised",
            "All detected boxes lie below 1 pixel: are they normalised?",
            hint,
        );
    }
    if audit.truth.annotations.iter().all(|annotation| within(annotation.bbox)) {
        let hint = "Multiply them by the width and height of their images.";
        return remark(
            "normalised_annotations",
            "All annotated boxes lie below 1 pixel: are they normalised?",
            hint,
        );
    }
    let matched = audit.units(Over::Pairs).len();
    if 10 * matched >= evaluation.objects {
        return None;
    }
    let found = format!("Only {matched} of {} objects are found", evaluation.objects);
    let corners = audit.found.iter().filter(|detection| {
        let numbers = detection.bbox.as_ref();
        numbers.len() == 4 && numbers[2] > numbers[0] && numbers[3] > numbers[1]
    });
    // Of boxes written as left, top, width, height only those at the upper left look like corners.
    if audit.found.len() >= FEW && 50 * corners.count() >= 49 * audit.found.len() {
        let seen = format!("{found}, and all detected boxes look like x1, y1, x2, y2.");
        return remark("corners", &seen, "Write bbox as left, top, width, height.");
    }
    let hint = "Do ids of images and classes, and sizes of images, belong to one another? Draw a few with --images.";
    remark("nothing_found", &format!("{found}."), hint)
}

/// Annotations that nothing can find: boxes without area, or outside of their image.
fn broken<B: Bbox>(audit: &Audit<B>) -> Option<Remark> {
    let is_broken = |index: &usize| {
        let annotation = &audit.truth.annotations[*index];
        let size = audit.truth.sizes.get(&annotation.image);
        let outside = match (annotation.bbox.as_ref(), size) {
            (&[x, y, w, h], Some(&[width, height])) => {
                x >= width || y >= height || x + w <= 0.0 || y + h <= 0.0
            }
            _ => false,
        };
        annotation.bbox.area() <= 0.0 || outside
    };
    let broken: Vec<usize> = (0..audit.truth.annotations.len()).filter(is_broken).collect();
    let first = audit.truth.entry(*broken.first()?);
    let boxes = match broken.len() {
        1 => "1 annotated box has no area, or lies".to_owned(),
        count => format!("{count} annotated boxes have no area, or lie"),
    };
    let seen =
        format!("{boxes} outside of the image, where nothing can find it: annotations[{first}].");
    let hint = "`detloss check` lists all that is wrong with the annotations.";
    Some(Remark { rule: "broken_annotations", seen, hint: hint.into() })
}

/// The kind of errors that costs most.
fn costliest(audit: &Audit<impl Bbox>) -> Option<Remark> {
    let errors = &audit.evaluation.errors;
    let worst = errors.kinds.iter().max_by(|a, b| a.cost.total_cmp(&b.cost))?;
    if worst.cost < COSTLY {
        return None;
    }
    let what = match worst.kind {
        ErrorKind::Cls => "Wrong classes cost",
        ErrorKind::Loc => "Loose boxes cost",
        ErrorKind::Both => "Boxes that are loose and of a wrong class cost",
        ErrorKind::Dupe => "Objects that are found twice cost",
        ErrorKind::Bkg => "Detections where nothing is cost",
        ErrorKind::Miss => "Missed objects cost",
    };
    let hint = match worst.kind {
        ErrorKind::Cls => {
            "See which classes are confused; try a class weight, softer labels, or more examples of them."
        }
        ErrorKind::Loc => {
            "Try a larger weight of the box loss, or one that still pulls at a high IoU; look at the sloppy boxes below first."
        }
        ErrorKind::Both => "Try a longer training: neither class nor box is learnt.",
        ErrorKind::Dupe => {
            "Try a lower IoU for non-maximum suppression, or fewer positives for each object."
        }
        ErrorKind::Bkg => {
            "Look whether annotations are missing there; try images without objects, and a score loss that weighs background more."
        }
        ErrorKind::Miss => {
            "Keep detections of lower scores; try larger images, and a matcher that leaves no object without a positive (detloss match)."
        }
    };
    let seen = format!(
        "{what} most: {} of AP at an IoU of {} ({} of them).",
        short(worst.cost),
        audit.evaluation.options.iou(),
        worst.count
    );
    Some(Remark { rule: "costliest_error", seen, hint: hint.into() })
}

/// A kind of errors that holds a much larger share of a gradient than of the cost, or background that holds nearly all.
fn gradient(audit: &Audit<impl Bbox>) -> Option<Remark> {
    let by_error = by_error(audit);
    let held = |kind: ErrorKind, place: usize| by_error[place].2.shares[kind as usize];
    let kinds = [ErrorKind::Dupe, ErrorKind::Bkg, ErrorKind::Cls, ErrorKind::Loc, ErrorKind::Both];
    let pairs = kinds.into_iter().flat_map(|kind| {
        let held = &held;
        (0..by_error.len()).map(move |place| (kind, place, held(kind, place)))
    });
    let (kind, place, most) = pairs.max_by(|a, b| a.2.total_cmp(&b.2))?;
    let cost = audit.evaluation.errors.kinds[kind as usize].cost;
    if most < 0.4 || cost >= COSTLY {
        return None;
    }
    let seen = format!(
        "{} of the gradient of {} is of errors that cost next to no AP: {} ({}).",
        percent(most),
        by_error[place].0.label,
        kind.name(),
        kind.words()
    );
    let least = (0..by_error.len()).min_by(|&a, &b| held(kind, a).total_cmp(&held(kind, b)))?;
    let hint = match by_error.len() {
        // Of a single loss the least is the most.
        1 => String::new(),
        _ => format!(
            "{} spends least on them ({}).",
            by_error[least].0.label,
            percent(held(kind, least))
        ),
    };
    Some(Remark { rule: "wasted_gradient", seen, hint })
}

/// Small objects far behind large ones.
fn small(audit: &Audit<impl Bbox>) -> Option<Remark> {
    let sizes = &audit.evaluation.sizes;
    let (first, last) = (sizes.first()?, sizes.last()?);
    if first.objects.min(last.objects) < FEW || first.ap? >= 0.5 * last.ap? {
        return None;
    }
    let seen = format!(
        "AP of {} objects is {}, that of {} ones {}.",
        first.size.name,
        short(first.ap?),
        last.size.name,
        short(last.ap?)
    );
    let hint = "Try larger images, a finer stride, or a box loss that knows the size (detloss match shows which objects get no positive).";
    Some(Remark { rule: "small_objects", seen, hint: hint.into() })
}

/// A class far behind the others.
fn weakest_class(audit: &Audit<impl Bbox>) -> Option<Remark> {
    let classes = || audit.evaluation.classes.iter().filter(|class| class.objects >= FEW);
    let mean = audit.evaluation.summary[0].value?;
    let worst = classes().min_by(|a, b| a.ap.unwrap_or(1.0).total_cmp(&b.ap.unwrap_or(1.0)))?;
    if classes().count() < 2 || worst.ap? >= 0.5 * mean {
        return None;
    }
    let seen = format!(
        "Class {} has an AP of {}, where the mean is {}.",
        worst.name,
        short(worst.ap?),
        short(mean)
    );
    let hint = "Look at its images, its annotations, and what it is confused with.";
    Some(Remark { rule: "weak_class", seen, hint: hint.into() })
}

/// The pair of classes that is confused most.
fn confusion(audit: &Audit<impl Bbox>) -> Option<Remark> {
    let confusion = &audit.evaluation.confusion;
    let classes = confusion.classes.len();
    let cells = (0..classes).flat_map(|row| (0..classes).map(move |column| (row, column)));
    let off = cells.filter(|(row, column)| row != column);
    let (row, column) = off.max_by_key(|&(row, column)| confusion.counts[row][column])?;
    let count = confusion.counts[row][column];
    let objects: usize = confusion.counts[row].iter().sum();
    let part = share(count as f64, objects as f64);
    if count < 3 || part < 0.1 {
        return None;
    }
    let name = |class: usize| &audit.evaluation.classes[class].name;
    let seen = format!(
        "{count} of {objects} objects of class {} are taken for {}.",
        name(row),
        name(column)
    );
    let hint = "Are both annotated alike? Look at the images named under Confusions.";
    Some(Remark { rule: "confused_classes", seen, hint: hint.into() })
}

/// Objects among others that are missed.
fn crowded(audit: &Audit<impl Bbox>) -> Option<Remark> {
    let (alone, others) = audit.evaluation.crowding.split_first()?;
    let sum = |of: fn(&detloss_coco::Crowding) -> usize| others.iter().map(of).sum::<usize>();
    let (objects, found) = (sum(|group| group.objects), sum(|group| group.found));
    if alone.objects.min(objects) < FEW {
        return None;
    }
    let [alone, crowded] = [(alone.found, alone.objects), (found, objects)]
        .map(|(found, objects)| share(found as f64, objects as f64));
    if crowded >= 0.75 * alone {
        return None;
    }
    let seen = format!(
        "{} of the objects that overlap others are found, and {} of those that do not.",
        percent(crowded),
        percent(alone)
    );
    let hint = "Try a higher IoU for non-maximum suppression, or a repulsion loss.";
    Some(Remark { rule: "crowded_objects", seen, hint: hint.into() })
}

/// Scores that are no probabilities.
fn calibration(audit: &Audit<impl Bbox>) -> Option<Remark> {
    let calibration = audit.evaluation.calibration.as_ref()?;
    let counted: usize = calibration.bins.iter().map(|bin| bin.detections).sum();
    if calibration.bias.abs() < 0.1 || counted < FEW {
        return None;
    }
    let (how, hint) = if calibration.bias > 0.0 {
        (
            "above",
            "Do not read them as probabilities; try softer labels or a temperature, and more background in training.",
        )
    } else {
        ("below", "Do not read them as probabilities: choose the threshold by F1, not by 0.5.")
    };
    let seen = format!(
        "Scores are {} {how} the share of detections that are right, in the mean.",
        short(calibration.bias.abs())
    );
    Some(Remark { rule: "calibration", seen, hint: hint.into() })
}

/// The score from which detections are worth keeping.
fn threshold(audit: &Audit<impl Bbox>) -> Option<Remark> {
    let best = audit.evaluation.best?;
    let seen = format!(
        "At a score of {}, F1 is best: {} of the detections are right, and {} of the objects found.",
        short(best.threshold),
        percent(best.precision),
        percent(best.recall)
    );
    Some(Remark { rule: "best_threshold", seen, hint: String::new() })
}

/// Annotations to look at.
fn suspects(audit: &Audit<impl Bbox>, findings: &Findings) -> Option<Remark> {
    let count = findings.suspects.len();
    if count == 0 {
        return None;
    }
    let seen = match count {
        1 => format!("1 detection with a score of {SURE} or more disagrees with the annotations."),
        _ => format!(
            "{count} detections with a score of {SURE} or more disagree with the annotations."
        ),
    };
    let of = share(count as f64, audit.evaluation.objects as f64);
    let hint = match of {
        of if of > 0.05 => "Look at those first: what they train is no better than they are.",
        _ => "Look at the first of them.",
    };
    Some(Remark { rule: "suspects", seen, hint: hint.into() })
}
