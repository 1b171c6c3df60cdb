//! `detloss val`: a trained detector is judged by a folder of images.

use std::collections::HashMap;

use detloss_coco::{Detection, GroundTruth, Metric, Options, evaluate};
use serde::Serialize;

use super::train::HELD_OUT_SEED;
use crate::cli::{Part, ValArgs};
use crate::output::{CliError, make_folder, print, print_json, print_table, progress, say};
use crate::table::{Column, Table};
use crate::training::data::{Class, Data};
use crate::training::files::{self, ClassScore};
use crate::training::folder::Folder;
use crate::training::scene::Scene;
use crate::training::{model, run};

/// The file of what is there.
const TRUTH: &str = "truth.json";

/// How well a detector does.
#[derive(Serialize)]
struct Judged {
    images: usize,
    objects: usize,
    metrics: serde_json::Map<String, serde_json::Value>,
    classes: Vec<ClassScore>,
}

/// Looks at every image, and judges.
pub(crate) fn run(args: &ValArgs, json: bool) -> Result<(), CliError> {
    let (detector, config) = model::load(&args.model)?;
    let bar = progress(0, "images");
    let data = Folder::read(&args.data, config.side, HELD_OUT_SEED, |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let data = data.map_err(CliError::failure)?;
    if data.reads(&args.out) {
        let problem = format!(
            "{} is a folder of the --data, where files could be written over: choose another --out",
            args.out.display()
        );
        return Err(CliError::Usage(problem));
    }
    make_folder(&args.out)?;
    let skipped = data.skipped();
    super::train::say_skipped(skipped, &args.out)?;
    let (scenes, truth) = part(&data, args.part)?;
    let mut found = Vec::new();
    for scene in &scenes {
        found.extend(run::find(&detector, &config, std::slice::from_ref(scene))?.concat());
    }
    let (found, note) = by_name(found, &config.classes, data.classes());
    if let Some(note) = note {
        say(format_args!("note: {note}"));
    }
    files::write(&truth, TRUTH, &found, &args.out)?;
    let evaluation = evaluate(&truth, &found, &Options::default());
    let summary = &evaluation.summary;
    let classes = files::classes(&evaluation);
    let metrics = summary.iter().map(|metric| (metric.name.to_owned(), metric.value.into()));
    let judged = Judged {
        images: scenes.len(),
        objects: truth.annotations.iter().filter(|object| !object.crowd).count(),
        metrics: metrics.collect(),
        classes,
    };
    say(format_args!(
        "{} objects in {} images; see {}",
        judged.objects,
        judged.images,
        args.out.join(files::DETECTIONS).display()
    ));
    if json {
        return print_json(&judged);
    }
    print_table(&table(summary))?;
    print("\n")?;
    print_table(&files::table(&judged.classes))
}

/// The scenes that are to be judged by, and what is there.
fn part(data: &Folder, part: Part) -> Result<(Vec<Scene>, GroundTruth), CliError> {
    let (train, train_truth) = data.to_train_on();
    let held_out = (data.held_out(), data.truth());
    Ok(match part {
        Part::HeldOut => (held_out.0.to_vec(), held_out.1.clone()),
        Part::Train => (train.to_vec(), train_truth.clone()),
        Part::All => {
            let mut truth = train_truth.clone();
            if let Some(id) = held_out.1.images.keys().find(|id| truth.images.contains_key(id)) {
                let problem = format!(
                    "both annotation files have an image {}, which cannot be told apart in one: give --part train or --part held-out",
                    truth.id(*id)
                );
                return Err(CliError::failure(anyhow::anyhow!(problem)));
            }
            truth.images.extend(held_out.1.images.clone());
            truth.sizes.extend(held_out.1.sizes.clone());
            truth.annotations.extend(held_out.1.annotations.iter().cloned());
            ([train, held_out.0].concat(), truth)
        }
    })
}

/// Detections with the ids that the classes of their names have in the data, and what to say of classes that the two do not share.
fn by_name(
    found: Vec<Detection>,
    known: &[Class],
    wanted: &[Class],
) -> (Vec<Detection>, Option<String>) {
    let ids: HashMap<&str, u64> = wanted.iter().map(|class| (&*class.name, class.id)).collect();
    let of: HashMap<u64, u64> =
        known.iter().filter_map(|class| ids.get(&*class.name).map(|&id| (class.id, id))).collect();
    let named =
        |found: Detection| of.get(&found.category).map(|&category| Detection { category, ..found });
    let lacks = |these: &[Class], those: &[Class]| -> Vec<String> {
        let has = |class: &&Class| !those.iter().any(|other| other.name == class.name);
        these.iter().filter(has).map(|class| format!("{:?}", class.name)).collect()
    };
    let (unknown, unasked) = (lacks(wanted, known), lacks(known, wanted));
    let words = [
        (unknown, "the detector does not know"),
        (unasked, "the data have no class, and what is found of it does not count,"),
    ];
    let words: Vec<String> = words
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, words)| format!("{words} {}", names.join(", ")))
        .collect();
    let note = (!words.is_empty()).then(|| words.join("; "));
    (found.into_iter().filter_map(named).collect(), note)
}

/// COCO's twelve figures.
fn table(summary: &[Metric]) -> Table {
    let mut table = Table::new([Column::words("metric"), Column::numbers("value")]);
    for metric in summary {
        let value = metric.value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
        table.push([metric.name.to_owned(), value]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_known_by_their_names() {
        let class = |id, name: &str| Class::new(id, name);
        let found =
            [3, 4, 5].map(|category| Detection { image: 1, category, bbox: [0.0; 4], score: 0.5 });
        let known = [class(3, "cat"), class(4, "dog"), class(5, "cow")];
        let wanted = [class(1, "dog"), class(2, "cat"), class(3, "hen")];
        let (found, note) = by_name(found.to_vec(), &known, &wanted);
        assert_eq!(found.iter().map(|found| found.category).collect::<Vec<_>>(), [2, 1]);
        let note = note.unwrap();
        assert!(note.contains("does not know \"hen\"; the data have no class"), "{note}");
        assert!(note.ends_with("\"cow\""), "{note}");
        assert_eq!(by_name(Vec::new(), &known, &known), (Vec::new(), None));
    }
}
