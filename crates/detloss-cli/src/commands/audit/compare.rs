//! Two detectors against each other, as sections.

use std::collections::HashMap;

use detloss_coco::{Bbox, Comparison, Difference, Resamples, compare};
use serde_json::{Value, json};

use super::measure::{Audit, Measured, Over};
use super::quality::listing;
use super::records::{Field, Records, Show, field, hidden, short};
use super::section::{Section, Shown};
use super::verdict::{self, Remark};

/// How often images are drawn anew.
const RESAMPLES: usize = 500;

/// All sections.
pub(super) fn sections<B: Bbox>(first: &Audit<B>, second: &Audit<B>, seed: u64) -> Vec<Section> {
    let resamples = Resamples { count: RESAMPLES, seed };
    let options = &first.evaluation.options;
    let comparison = compare(&first.truth, &first.found, &second.found, options, resamples);
    let losses = losses(first, second, resamples);
    let remarks = remarks(first, &comparison, &losses);
    vec![
        verdict::section(&remarks),
        metrics(first, second, &comparison),
        classes(first, &comparison),
        errors(first, second),
        of_losses(&losses),
    ]
}

/// The fields of a difference.
fn fields() -> [Field; 5] {
    [
        field("first", "A", Show::Fixed),
        field("second", "B", Show::Fixed),
        field("difference", "B - A", Show::Fixed),
        field("low", "from", Show::Fixed),
        field("high", "to", Show::Fixed),
    ]
}

fn values(difference: &Difference) -> [Value; 5] {
    let [low, high] = [0, 1].map(|end| difference.interval.map(|interval| interval[end]));
    let Difference { first, second, difference, .. } = difference;
    [json!(first), json!(second), json!(difference), json!(low), json!(high)]
}

fn metrics(
    first: &Audit<impl Bbox>,
    second: &Audit<impl Bbox>,
    comparison: &Comparison,
) -> Section {
    let mut records = Records::new([field("metric", "", Show::Words)].into_iter().chain(fields()));
    for (name, difference) in &comparison.metrics {
        records.push([json!(name)].into_iter().chain(values(difference)));
    }
    let mut section = Section::new("Precision");
    section.prose(format!(
        "A is the first file, B the second. The interval (from, to) has 95 % of the differences that come out when as many images \
         are drawn from these anew, with replacement, {RESAMPLES} times: the same ones for both. Where it holds 0, other images of the kind may \
         well say the opposite."
    ));
    let caption = "Average precision of both, and how they differ".to_owned();
    section.records(listing("metrics", caption, records, Some("metrics.csv"), Shown::All));
    // Numbers without an interval.
    let mut records = Records::new([
        field("metric", "", Show::Words),
        field("first", "A", Show::Fixed),
        field("second", "B", Show::Fixed),
    ]);
    let pairs = first.evaluation.summary.iter().zip(&second.evaluation.summary);
    for (a, b) in pairs {
        records.push([json!(a.name), json!(a.value), json!(b.value)]);
    }
    let best = |audit: &dyn Fn(detloss_coco::Operating) -> f64| {
        [first.evaluation.best, second.evaluation.best].map(|best| json!(best.map(audit)))
    };
    for (name, [a, b]) in [
        ("best F1", best(&|best| best.f1)),
        ("  precision there", best(&|best| best.precision)),
        ("  recall there", best(&|best| best.recall)),
        ("  at the score", best(&|best| best.threshold)),
    ] {
        records.push([json!(name), a, b]);
    }
    let ece = |calibration: &Option<detloss_coco::Calibration>| {
        json!(calibration.as_ref().map(|it| it.ece))
    };
    let [a, b] = [ece(&first.evaluation.calibration), ece(&second.evaluation.calibration)];
    records.push([json!("expected calibration error"), a, b]);
    let caption = "COCO's numbers of both, and their best F1".to_owned();
    section.records(listing("summary", caption, records, None, Shown::All));
    section
}

fn classes(audit: &Audit<impl Bbox>, comparison: &Comparison) -> Section {
    let objects: HashMap<u64, usize> =
        audit.evaluation.classes.iter().map(|class| (class.key, class.objects)).collect();
    let head = [
        hidden("category_id"),
        field("class", "class", Show::Words),
        field("objects", "objects", Show::Numbers),
    ];
    let mut records = Records::new(head.into_iter().chain(fields()));
    let mut ranked: Vec<&(u64, Difference)> = comparison.classes.iter().collect();
    let most = |difference: &Difference| difference.difference.unwrap_or(0.0).abs();
    ranked.sort_by(|(_, a), (_, b)| most(b).total_cmp(&most(a)));
    for (id, difference) in ranked {
        let name = audit.truth.categories.get(id).cloned().unwrap_or_else(|| id.to_string());
        let head = [json!(audit.truth.id(*id)), json!(name), json!(objects.get(id))];
        records.push(head.into_iter().chain(values(difference)));
    }
    let mut section = Section::new("AP by class");
    let caption = "Average precision of each class, the largest differences first".to_owned();
    let file = Some("classes.csv");
    section.records(listing("classes", caption, records, file, Shown::Classes));
    section
}

fn errors(first: &Audit<impl Bbox>, second: &Audit<impl Bbox>) -> Section {
    let mut records = Records::new([
        field("kind", "kind", Show::Words),
        field("words", "", Show::Words),
        field("first/count", "n of A", Show::Numbers),
        field("second/count", "n of B", Show::Numbers),
        field("first/cost", "AP it costs A", Show::Fixed),
        field("second/cost", "AP it costs B", Show::Fixed),
        field("difference", "B - A", Show::Fixed),
    ]);
    let kinds = first.evaluation.errors.kinds.iter().zip(&second.evaluation.errors.kinds);
    for (a, b) in kinds {
        records.push([
            json!(a.kind.name()),
            json!(a.kind.words()),
            json!(a.count),
            json!(b.count),
            json!(a.cost),
            json!(b.cost),
            json!(b.cost - a.cost),
        ]);
    }
    let mut section = Section::new("Errors, and what they cost");
    section.prose("TIDE's kinds, as in the audit of one detector: by how much AP rises if these errors alone are mended.");
    let caption = "Kinds of errors of both".to_owned();
    section.records(listing("errors", caption, records, Some("errors.csv"), Shown::All));
    section
}

/// The mean of each loss of both, with its interval.
fn losses<B: Bbox>(
    first: &Audit<B>,
    second: &Audit<B>,
    resamples: Resamples,
) -> Vec<(String, Over, Difference)> {
    let places: HashMap<u64, usize> = first.truth.images.keys().copied().zip(0..).collect();
    // The sum and the count of a loss in each image.
    let sums = |audit: &Audit<B>, loss: &Measured| {
        let mut sums = vec![(0.0, 0.0); places.len()];
        for (&detection, &value) in audit.units(loss.over).iter().zip(&loss.values) {
            let (sum, count) = &mut sums[places[&audit.found[detection].image]];
            *sum += value;
            *count += 1.0;
        }
        sums
    };
    let mean = |sums: &[(f64, f64)], weights: &[f64]| {
        let weighed = sums.iter().zip(weights);
        let (sum, count) = weighed.fold((0.0, 0.0), |(sum, count), (one, weight)| {
            (sum + weight * one.0, count + weight * one.1)
        });
        (count > 0.0).then(|| sum / count)
    };
    let whole = vec![1.0; places.len()];
    let pairs = first.losses.iter().zip(&second.losses);
    let difference = |(a, b): (&Measured, &Measured)| {
        let both = [sums(first, a), sums(second, b)];
        let [one, other] = [&both[0], &both[1]].map(|sums| mean(sums, &whole));
        let each = resamples.each(places.len(), |weights| {
            Some(mean(&both[1], weights)? - mean(&both[0], weights)?)
        });
        let each = each.into_iter().flatten().collect();
        (a.name.clone(), a.over, Difference::of(one, other, each))
    };
    pairs.map(difference).collect()
}

fn of_losses(losses: &[(String, Over, Difference)]) -> Section {
    let head = [field("loss", "loss", Show::Words), field("over", "of", Show::Words)];
    let mut records = Records::new(head.into_iter().chain(fields()));
    for (name, over, difference) in losses {
        let over = match over {
            Over::Pairs => "matched pairs",
            Over::Scores => "detections",
        };
        records.push([json!(name), json!(over)].into_iter().chain(values(difference)));
    }
    let mut section = Section::new("Losses");
    section.prose(
        "The mean of each loss. It is taken of what each detector finds: one that finds more objects may well have the larger box loss.",
    );
    let caption = "The mean of each loss of both".to_owned();
    section.records(listing("losses", caption, records, Some("losses.csv"), Shown::Page));
    section
}

fn remarks(
    audit: &Audit<impl Bbox>,
    comparison: &Comparison,
    losses: &[(String, Over, Difference)],
) -> Vec<Remark> {
    let interval = |difference: &Difference| match difference.interval {
        Some([low, high]) => format!("95 % of resamples: {} to {}", short(low), short(high)),
        None => "no interval".to_owned(),
    };
    let mut remarks = Vec::new();
    let ap = &comparison.metrics[0].1;
    if let Some(difference) = ap.difference {
        let (rule, seen) = match difference {
            _ if !ap.is_clear() => (
                "no_clear_difference",
                format!(
                    "By AP the two cannot be told apart on these images: {} ({}).",
                    short(difference),
                    interval(ap)
                ),
            ),
            _ => {
                let better =
                    if difference > 0.0 { "B is better than A" } else { "A is better than B" };
                let by = short(difference.abs());
                ("better", format!("{better} by {by} of AP (B - A, {}).", interval(ap)))
            }
        };
        remarks.push(Remark { rule, seen, hint: String::new() });
    }
    let clear = |(id, difference): &&(u64, Difference)| {
        difference.is_clear() && audit.truth.categories.contains_key(id)
    };
    let size = |difference: &Difference| difference.difference.unwrap_or(0.0).abs();
    // By class, one in twenty is clear by chance.
    let classes = comparison.classes.iter().filter(clear);
    if let Some((id, difference)) = classes.max_by(|a, b| size(&a.1).total_cmp(&size(&b.1))) {
        let name = &audit.truth.categories[id];
        let seen = format!(
            "The class that differs most is {name}: {} against {} ({}).",
            short(difference.first.unwrap_or(0.0)),
            short(difference.second.unwrap_or(0.0)),
            interval(difference)
        );
        let hint = "Of twenty classes one would look so by chance.".to_owned();
        remarks.push(Remark { rule: "class_differs", seen, hint });
    }
    let scores = losses.iter().filter(|(_, over, it)| *over == Over::Scores && it.is_clear());
    let down = scores.clone().filter(|it| it.2.difference.is_some_and(|by| by < 0.0)).count();
    let clear = scores.count();
    if clear > 0 && ap.is_clear() {
        let falls = ap.difference.is_some_and(|by| by > 0.0) != (2 * down > clear);
        if falls {
            let seen = "The score losses say the opposite of AP: they ask for calibrated scores, AP for their order.".to_owned();
            remarks.push(Remark { rule: "losses_disagree", seen, hint: String::new() });
        }
    }
    remarks
}
