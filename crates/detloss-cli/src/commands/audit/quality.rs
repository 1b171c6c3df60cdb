//! What an evaluation says, as sections: counts, precision, errors, classes, confusions, calibration, crowding.

use std::collections::BTreeMap;

use detloss_coco::{BACKGROUND, Bbox, ErrorKind, NEIGHBOUR, Operating, Outcome};
use serde_json::{Value, json};

use super::findings::Findings;
use super::matrix::{BROAD, SLIM, heat_map};
use super::measure::{Audit, Measured, Over};
use super::records::{Records, Show, field, hidden};
use super::section::{Fact, Listing, Section, Shown};
use super::stats::share;
use crate::plot::{Axis, Chart, Series};

/// So many images of a confusion are named.
const IMAGES: usize = 10;

/// How many images, objects and detections there are, and what became of them.
pub(super) fn counts(audit: &Audit<impl Bbox>) -> Section {
    let evaluation = &audit.evaluation;
    let crowd = |annotation: &&detloss_coco::Annotation<_>| {
        annotation.crowd && evaluation.options.has_class(annotation.category)
    };
    let crowds = audit.truth.annotations.iter().filter(crowd).count();
    let matched = audit.units(Over::Pairs).len();
    let beyond = audit.count(|outcome| *outcome == Outcome::BeyondLimit);
    let left_out = audit.count(|outcome| *outcome == Outcome::LeftOut);
    let best = format!("  beyond the best {}", evaluation.options.max_detections);
    let at = format!("IoU >= {}", evaluation.options.iou());
    let mut facts = vec![
        Fact::new("images", "images", evaluation.images, ""),
        Fact::new("objects", "objects", evaluation.objects, ""),
        Fact::new("matched", "  found", matched, ""),
        Fact::new("missed", "  missed", audit.missed().len(), ""),
        Fact::new("crowds", "crowds", crowds, "not counted as objects"),
        Fact::new("detections", "detections", audit.found.len(), ""),
        Fact::new("matched", "  matched to an object", matched, at),
        Fact::new("background", "  background", audit.units(Over::Scores).len() - matched, ""),
        Fact::new(
            "left_out/in_crowds",
            "  in crowds",
            audit.count(|outcome| *outcome == Outcome::Crowd),
            "left out",
        ),
        Fact::new("left_out/beyond_limit", best, beyond, "per image and class; left out"),
    ];
    if left_out > 0 {
        let words = "  below --score, or of another class";
        facts.push(Fact::new("left_out/by_options", words, left_out, "left out"));
    }
    let mut section = Section::new("Detections and objects");
    section.facts(facts, "Detections assigned to objects by COCO's rules");
    section.value("clamped_scores", audit.clamped.count().into());
    section.value("options", json!(evaluation.options));
    section
}

/// COCO's numbers, and the score at which F1 is best.
pub(super) fn precision(audit: &Audit<impl Bbox>) -> Section {
    let evaluation = &audit.evaluation;
    let summary = evaluation.summary.iter();
    let mut records =
        Records::new(summary.clone().map(|it| field(&it.name, &it.name, Show::Fixed)));
    records.push(summary.map(|metric| metric.value.into()));
    let mut section = Section::new("COCO");
    let caption = "Average precision and recall (COCO)".to_owned();
    section.records(listing("average_precision", caption, records, None, Shown::One));
    let mut records = Records::new(operating_fields(""));
    records.push(operating(evaluation.best));
    let caption = format!(
        "Precision, recall and F1 of all detections at the score where F1 is best, at an IoU of {}",
        evaluation.options.iou()
    );
    section.records(listing("best", caption, records, None, Shown::One));
    curves(&mut section, audit);
    section
}

fn curves(section: &mut Section, audit: &Audit<impl Bbox>) {
    let curves = &audit.evaluation.curves;
    let keys = curves.iter().map(|curve| hidden(name_of(curve.iou)));
    let mut records = Records::new([hidden("recall")].into_iter().chain(keys));
    for place in 0..curves.first().map_or(0, |curve| curve.precision.len()) {
        let row = curves.iter().map(|curve| json!(curve.precision[place]));
        records.push([json!(place as f64 / 100.0)].into_iter().chain(row));
    }
    let caption = "Precision over recall".to_owned();
    section.records(listing("curves", caption, records, Some("curves.csv"), Shown::Programs));
    // Ten curves are too many to tell apart: a few of them.
    let step = curves.len().div_ceil(4).max(1);
    let series = curves.iter().step_by(step).map(|curve| {
        let points = curve.precision.iter().zip(0..);
        let points = points.map(|(&precision, recall)| (f64::from(recall) / 100.0, precision));
        Series { name: format!("IoU {}", name_of(curve.iou)), points: points.collect() }
    });
    let series: Vec<Series> = series.collect();
    if !series.is_empty() {
        let [x, y] = [Axis::linear("recall"), Axis::linear("precision")];
        let chart = Chart::lines("Precision over recall, mean of all classes", x, y, &series);
        section.chart(chart, "The best precision at each recall or beyond, by the IoU at which a detection has found an object");
    }
}

fn name_of(iou: f64) -> String {
    format!("{:.2}", iou)
}

/// Fields of P, R, F1 and where they are.
fn operating_fields(prefix: &str) -> [super::records::Field; 4] {
    [("precision", "P"), ("recall", "R"), ("f1", "F1"), ("threshold", "at score")]
        .map(|(key, heading)| field(format!("{prefix}{key}"), heading, Show::Fixed))
}

fn operating(best: Option<Operating>) -> [Value; 4] {
    let value = |of: fn(Operating) -> f64| best.map(of).into();
    [value(|it| it.precision), value(|it| it.recall), value(|it| it.f1), value(|it| it.threshold)]
}

/// The shares of a loss, or of its gradient, by what is wrong with the detections that have it.
pub(super) struct ByError {
    /// One for each kind, one for those that found an object, one for those that are not looked at.
    pub(super) shares: [f64; 8],
}

/// What each place of [`ByError`] is called.
pub(super) fn places() -> impl Iterator<Item = (usize, &'static str, &'static str)> {
    let kinds = ErrorKind::ALL.into_iter().map(|kind| (kind.name(), kind.words()));
    let others = [("right", "found an object"), ("beyond", "beyond the best 100 of an image")];
    kinds.chain(others).enumerate().map(|(place, (name, words))| (place, name, words))
}

impl ByError {
    pub(super) fn of<B: Bbox>(audit: &Audit<B>, of_detection: impl Fn(usize) -> f64) -> Self {
        let mut sums = [0.0; 8];
        for &detection in audit.units(Over::Scores) {
            let place = match audit.error(detection) {
                Some(kind) => kind as usize,
                None if audit.object(detection).is_some() => 6,
                None => 7,
            };
            sums[place] += of_detection(detection);
        }
        let total = sums.iter().sum();
        Self { shares: sums.map(|sum| share(sum, total)) }
    }
}

/// The shares of each score loss, and of its gradient.
pub(super) fn by_error<B: Bbox>(audit: &Audit<B>) -> Vec<(&Measured, ByError, ByError)> {
    let losses = audit.of_kind(Over::Scores).map(|loss| {
        let value = |detection| audit.value(loss, detection).unwrap_or(0.0);
        let slope = |detection| audit.slope(loss, detection).unwrap_or(0.0);
        (loss, ByError::of(audit, value), ByError::of(audit, slope))
    });
    losses.collect()
}

/// The kinds of errors, with what each costs and what it holds of losses and gradients.
pub(super) fn errors(audit: &Audit<impl Bbox>) -> Section {
    let errors = &audit.evaluation.errors;
    let by_error = by_error(audit);
    let mean = |shares: &dyn Fn(&(&Measured, ByError, ByError)) -> f64| match by_error.len() {
        0 => Value::Null,
        _ if audit.units(Over::Scores).is_empty() => Value::Null,
        count => json!(by_error.iter().map(shares).sum::<f64>() / count as f64),
    };
    let losses = by_error.iter().flat_map(|(loss, ..)| {
        ["loss_share", "gradient_share"].map(|part| hidden(format!("losses/{}/{part}", loss.name)))
    });
    let fields = [
        field("kind", "kind", Show::Words),
        field("words", "", Show::Words),
        field("count", "n", Show::Numbers),
        field("cost", "AP it costs", Show::Fixed),
        field("loss_share", "of score losses", Show::Percent),
        field("gradient_share", "of their gradients", Show::Percent),
    ];
    let mut records = Records::new(fields.into_iter().chain(losses));
    for (place, name, words) in places() {
        let kind = errors.kinds.get(place);
        let is_place = |&&detection: &&usize| match audit.error(detection) {
            Some(kind) => kind as usize == place,
            None => place == if audit.object(detection).is_some() { 6 } else { 7 },
        };
        let count = match kind {
            Some(kind) => kind.count,
            None => audit.units(Over::Scores).iter().filter(is_place).count(),
        };
        if place == 7 && count == 0 {
            continue;
        }
        // A missed object has no score.
        let is_missed = kind.is_some_and(|kind| kind.kind == ErrorKind::Miss);
        let or_null = |value: Value| if is_missed { Value::Null } else { value };
        let of_losses = by_error.iter().flat_map(|(_, loss, gradient)| {
            [loss, gradient].map(|by| or_null(json!(by.shares[place])))
        });
        let head = [
            json!(name),
            json!(words),
            json!(count),
            kind.map(|kind| kind.cost).into(),
            or_null(mean(&|(_, loss, _)| loss.shares[place])),
            or_null(mean(&|(_, _, gradient)| gradient.shares[place])),
        ];
        records.push(head.into_iter().chain(of_losses));
    }
    let mut section = Section::new("Errors, and what they cost");
    section.prose(format!(
        "TIDE's kinds (Bolya et al., 2020), at an IoU of {} and with background below {BACKGROUND}, among the best 100 detections \
         of each image. What a kind costs is by how much AP at that IoU rises if these errors alone are mended: a wrong class \
         or a loose box is set right, what is found twice or is not there goes, a missed object is not asked for. The costs do not \
         add up. The shares are means over all score losses: a kind that costs much and holds little of the gradient is hardly \
         trained away. A box loss is of matched pairs alone, in which none of these errors is: who holds it stands under Sizes.",
        audit.evaluation.options.iou()
    ));
    let caption = "Kinds of errors: how many, the AP they cost, their share of loss and gradient";
    section.records(listing("errors", caption.into(), records, Some("errors.csv"), Shown::All));
    let number = |value: f64| json!(value);
    section.facts(
        vec![
            Fact::new(
                "errors_of_all/ap",
                "AP at this IoU",
                json!(errors.ap),
                "the mean over classes with objects or detections",
            ),
            Fact::new(
                "errors_of_all/false_positives",
                "cost of all false positives",
                number(errors.false_positives),
                "",
            ),
            Fact::new(
                "errors_of_all/false_negatives",
                "cost of all missed objects",
                number(errors.false_negatives),
                "",
            ),
        ],
        "All errors together",
    );
    if !by_error.is_empty() && !audit.units(Over::Scores).is_empty() {
        let names: Vec<&str> = places()
            .filter(|(place, ..)| *place != ErrorKind::Miss as usize)
            .map(|(_, name, _)| name)
            .collect();
        let bars = by_error.iter().map(|(loss, _, gradient)| {
            let shares = gradient.shares.iter().enumerate();
            let shares = shares.filter(|(place, _)| *place != ErrorKind::Miss as usize);
            (loss.label.clone(), shares.map(|(_, share)| 100.0 * share).collect())
        });
        let bars: Vec<(String, Vec<f64>)> = bars.collect();
        let chart =
            Chart::stacked("Gradient by kind of error", "share of the gradient, %", &names, &bars);
        section
            .chart(chart, "How much of the gradient of each score loss each kind of error holds");
    }
    section
}

/// By class: precision, the best threshold, and the losses.
pub(super) fn classes(audit: &Audit<impl Bbox>, findings: &Findings) -> Section {
    let of_class: BTreeMap<u64, &detloss_coco::Class> =
        audit.evaluation.classes.iter().map(|class| (class.key, class)).collect();
    let fields = [
        hidden("category_id"),
        field("class", "class", Show::Words),
        field("objects", "objects", Show::Numbers),
        field("matched", "found", Show::Numbers),
        hidden("missed"),
        field("background", "background", Show::Numbers),
        field("AP", "AP", Show::Fixed),
        field("AP50", "AP50", Show::Fixed),
        hidden("AP75"),
        hidden("AR"),
    ];
    let fields = fields.into_iter().chain(operating_fields("best/"));
    let fields = fields.chain(super::losses::tally_fields(audit));
    let mut records = Records::new(fields.chain([hidden("precision_over_recall")]));
    for (id, tally) in &findings.classes {
        let Some(class) = of_class.get(id) else { continue };
        let head = [
            json!(audit.truth.id(*id)),
            json!(class.name),
            json!(tally.objects()),
            json!(tally.matched),
            json!(tally.missed),
            json!(tally.background),
            json!(class.ap),
            json!(class.ap50),
            json!(class.ap75),
            json!(class.ar),
        ];
        let row = head.into_iter().chain(operating(class.best));
        let row = row.chain(super::losses::tally_values(audit, tally));
        records.push(row.chain([json!(class.precision)]));
    }
    let mut section = Section::new("Classes with the most loss");
    section.prose(
        "Classes by their share in the losses. P, R and F1 are those at the score where F1 of the class is best. Objects that are \
         found count detections of any score.",
    );
    let caption = "Classes by their share in the losses".to_owned();
    let file = Some("classes.csv");
    section.records(listing("classes", caption, records, file, Shown::Classes));
    super::losses::class_bars(&mut section, audit, findings);
    section
}

/// Which class is taken for which.
pub(super) fn confusions(audit: &Audit<impl Bbox>) -> Section {
    let confusion = &audit.evaluation.confusion;
    let names: Vec<&str> = audit.evaluation.classes.iter().map(|class| &*class.name).collect();
    let mut images: BTreeMap<(usize, usize), Vec<u64>> = BTreeMap::new();
    let place = |class: u64| confusion.classes.binary_search(&class).unwrap_or_default();
    for &(object, detection) in &confusion.pairs {
        let (Some(object), Some(detection)) = (object, detection) else { continue };
        let object = &audit.truth.annotations[object];
        let cell = (place(object.category), place(audit.found[detection].category));
        let images = images.entry(cell).or_default();
        if cell.0 != cell.1 && images.len() < IMAGES && !images.contains(&object.image) {
            images.push(object.image);
        }
    }
    let mut pairs: Vec<((usize, usize), Vec<u64>)> =
        images.into_iter().filter(|((row, column), _)| row != column).collect();
    let count = |(row, column): (usize, usize)| confusion.counts[row][column];
    pairs.sort_by_key(|(cell, _)| std::cmp::Reverse(count(*cell)));
    let mut records = Records::new([
        field("annotated", "annotated", Show::Words),
        field("detected", "detected as", Show::Words),
        field("count", "n", Show::Numbers),
        field("share", "of its objects", Show::Percent),
        field("image", "such as", Show::Words),
        hidden("images"),
    ]);
    for (cell, images) in pairs {
        let objects: usize = confusion.counts[cell.0].iter().sum();
        let files: Vec<String> = images.iter().map(|&image| audit.truth.file(image)).collect();
        records.push([
            json!(names[cell.0]),
            json!(names[cell.1]),
            json!(count(cell)),
            json!(share(count(cell) as f64, objects as f64)),
            json!(files.first()),
            json!(files),
        ]);
    }
    let mut section = Section::new("Confusions");
    section.prose(format!(
        "Of detections with a score of {} or more ({}), those that found an object are on the diagonal. Of the others, best score \
         first, each takes the free object of another class that it overlaps most, if by an IoU of {} or more. What then has no \
         partner stands at background. Rows are annotated, columns detected; crowds are left out.",
        super::records::short(confusion.threshold),
        match audit.evaluation.options.threshold {
            Some(_) => "--threshold",
            None => "where F1 over all classes is best",
        },
        confusion.iou
    ));
    let caption = "Objects that were detected as another class".to_owned();
    section.records(listing("confusions", caption, records, Some("confusions.csv"), Shown::Ranked));
    let drawn = |room| heat_map(&names, &confusion.counts, room);
    if let Some(drawings) = drawn(&BROAD).zip(drawn(&SLIM)) {
        section.drawing(drawings, "Annotated classes (rows) and what they were detected as (columns), of many classes those that are mistaken most; the darker, the larger the share of the row");
    }
    let ids = confusion.classes.iter().zip(&names);
    let ids = ids.map(|(&id, name)| format!("{} {name}", audit.truth.id(id)));
    let all: Vec<String> = ids.chain(["background".to_owned()]).collect();
    let mut matrix = Records::new([hidden("annotated")].into_iter().chain(all.iter().map(hidden)));
    for (name, row) in all.iter().zip(&confusion.counts) {
        matrix.push([json!(name)].into_iter().chain(row.iter().map(|count| json!(count))));
    }
    section.file(matrix, "confusion.csv");
    section.value(
        "confusion",
        json!({
            "threshold": confusion.threshold,
            "at_iou": confusion.iou,
            "classes": names.iter().chain(&["background"]).collect::<Vec<_>>(),
            "counts": confusion.counts,
        }),
    );
    section
}

/// Whether scores are probabilities.
pub(super) fn calibration(audit: &Audit<impl Bbox>) -> Section {
    let mut section = Section::new("Calibration");
    let Some(calibration) = &audit.evaluation.calibration else {
        section.prose("Scores are no probabilities, or there are none.");
        section.value("calibration", Value::Null);
        return section;
    };
    section.prose(format!(
        "A detection is right if it found an object at an IoU of {}. The expected calibration error (ECE) is the mean over all \
         detections of how far the mean score of their bin is from the share that is right; many detections with low scores \
         weigh much in it.",
        audit.evaluation.options.iou()
    ));
    let note = match calibration.bias {
        bias if bias > 0.0 => "surer than right",
        _ => "less sure than right",
    };
    section.facts(
        vec![
            Fact::new("calibration/ece", "expected calibration error", json!(calibration.ece), ""),
            Fact::new("calibration/mce", "largest error of a bin", json!(calibration.mce), ""),
            Fact::new(
                "calibration/bias",
                "mean score less share of right",
                json!(calibration.bias),
                note,
            ),
        ],
        "How far scores are from the share of detections that are right",
    );
    let mut records = Records::new([
        field("from", "from", Show::Numbers),
        field("to", "to", Show::Numbers),
        field("detections", "detections", Show::Numbers),
        field("score", "mean score", Show::Fixed),
        field("right", "right", Show::Percent),
    ]);
    for bin in &calibration.bins {
        records.push([
            json!(bin.from),
            json!(bin.to),
            json!(bin.detections),
            json!(bin.score),
            json!(bin.right),
        ]);
    }
    let caption = "Detections by score".to_owned();
    let file = Some("calibration.csv");
    section.records(listing("calibration/bins", caption, records, file, Shown::Page));
    let points = calibration.bins.iter().filter_map(|bin| Some((bin.score?, bin.right?)));
    let series = [
        Series { name: "detections".into(), points: points.collect() },
        Series { name: "calibrated".into(), points: vec![(0.0, 0.0), (1.0, 1.0)] },
    ];
    let [x, y] = [Axis::linear("mean score"), Axis::linear("share that is right")];
    let chart = Chart::lines("Reliability", x, y, &series);
    section.chart(chart, "The share of detections that are right by their score");
    section
}

/// By the number of neighbours.
pub(super) fn crowding(audit: &Audit<impl Bbox>) -> Section {
    let mut records = Records::new([
        field("neighbours", "neighbours", Show::Words),
        field("objects", "objects", Show::Numbers),
        field("found", "found", Show::Numbers),
        field("recall", "recall", Show::Percent),
        field("mean_iou", "mean IoU", Show::Fixed),
    ]);
    let groups = &audit.evaluation.crowding;
    for (place, group) in groups.iter().enumerate() {
        let more = if place + 1 == groups.len() { " or more" } else { "" };
        let recall = (group.objects > 0).then(|| share(group.found as f64, group.objects as f64));
        records.push([
            json!(format!("{}{more}", group.neighbours)),
            json!(group.objects),
            json!(group.found),
            json!(recall),
            json!(group.mean_iou),
        ]);
    }
    let mut section = Section::new("Crowding");
    section.prose(format!(
        "Neighbours of an object are other objects of any class in its image that overlap it by an IoU of {NEIGHBOUR} or more.",
    ));
    let caption = "Objects by the number of their neighbours".to_owned();
    section.records(listing("crowding", caption, records, None, Shown::All));
    section
}

pub(super) fn listing(
    key: &'static str,
    caption: String,
    records: Records,
    file: Option<&'static str>,
    shown: Shown,
) -> Listing {
    Listing { key, caption, records, file, shown }
}
