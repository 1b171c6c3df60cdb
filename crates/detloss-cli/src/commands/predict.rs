//! `detloss predict`: a trained detector looks at images.

mod inputs;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use detloss_coco::{Detection, Id, Xywh, result_of};
use image::RgbImage;
use serde::Serialize;

use self::inputs::Inputs;
use crate::cli::PredictArgs;
use crate::output::{CliError, make_folder, print_json, print_table, replace, save, say};
use crate::table::{Column, Table};
use crate::training::data::{Class, index_of};
use crate::training::detector::{Config, Detector};
use crate::training::picture::{self, Detected, Drawn};
use crate::training::{images, model, run};

/// Something that was found.
#[derive(Serialize)]
struct Found<'a> {
    image: String,
    class: &'a str,
    category_id: Id,
    /// Left, top, width, height in pixels of the image.
    bbox: Xywh,
    score: f64,
}

/// Looks at every image, and draws what is found.
pub(crate) fn run(args: &PredictArgs, json: bool) -> Result<(), CliError> {
    if !(0.0..=1.0).contains(&args.score) {
        let problem = format!("--score is {}: give a number from 0 to 1", args.score);
        return Err(CliError::Usage(problem));
    }
    // Better known before the work than after it.
    let folder = args.coco.as_deref().and_then(Path::parent);
    if let Some(folder) = folder.filter(|it| !it.as_os_str().is_empty() && !it.is_dir()) {
        let problem =
            format!("--coco: {} is no folder: make it, or choose another", folder.display());
        return Err(CliError::Usage(problem));
    }
    let (detector, config) = model::load(&args.model)?;
    let inputs = Inputs::new(args)?;
    make_folder(&args.out)?;
    let (mut found, mut results, mut broken) = (Vec::new(), Vec::new(), 0);
    let names = names(&inputs.images);
    let read = inputs.images.iter().chain(&inputs.annotations);
    let written = names.iter().map(|name| (args.out.join(name), "--out"));
    refuse_to_overwrite(
        read,
        written.chain(args.coco.iter().map(|file| (file.clone(), "--coco"))),
    )?;
    for (place, (path, name)) in inputs.images.iter().zip(&names).enumerate() {
        let detections = inputs.open(place).map_err(anyhow::Error::new).and_then(|image| {
            let mut detections = detect(&detector, &config, &image)?;
            if args.coco.is_some() {
                match inputs.id(place) {
                    Some(image) => results.extend(detections.iter().map(|found| {
                        let category = class_of(found, &config).written();
                        let mut result = result_of(&image, &category, found.bbox, found.score);
                        result["file_name"] = path.display().to_string().into();
                        result
                    })),
                    None => say(format_args!(
                        "note: {} is not among the images of the annotations, and not in the results",
                        path.display()
                    )),
                }
            }
            detections.retain(|detection| detection.score >= args.score);
            save(&args.out, name, &drawn(image, &detections, &config)?)?;
            Ok(detections)
        });
        match detections {
            Ok(detections) => {
                let of_image = |detection| Found::new(path, detection, &config);
                found.extend(detections.into_iter().map(of_image));
            }
            Err(problem) => {
                say(format_args!("skipped: {problem:#}"));
                broken += 1;
            }
        }
    }
    let all = inputs.images.len();
    say(format_args!(
        "{} found in {} images; see {}",
        found.len(),
        all - broken,
        args.out.display()
    ));
    if let Some(file) = &args.coco {
        let text = serde_json::to_vec(&results).map_err(CliError::failure)?;
        replace(file, &text, "--coco")?;
        say(format_args!("{} detections in {}{}", results.len(), file.display(), inputs.note()));
    }
    if json {
        print_json(&found)?
    } else {
        print_table(&table(&found))?
    }
    if broken > 0 {
        let problem = format!("{broken} of {all} images were skipped: see above");
        return Err(anyhow::anyhow!(problem).into());
    }
    Ok(())
}

impl<'a> Found<'a> {
    fn new(path: &Path, detection: Detection, config: &'a Config) -> Self {
        let class = class_of(&detection, config);
        let Detection { bbox, score, .. } = detection;
        let (image, category_id) = (path.display().to_string(), class.written());
        Self { image, class: &class.name, category_id, bbox, score }
    }
}

/// The class of a detection.
fn class_of<'a>(detection: &Detection, config: &'a Config) -> &'a Class {
    &config.classes[index_of(&config.classes, detection.category)]
}

fn detect(
    detector: &Detector,
    config: &Config,
    image: &RgbImage,
) -> anyhow::Result<Vec<Detection>> {
    let scene = images::scene_of(0, image, config.side);
    Ok(run::find(detector, config, &[scene])?.concat())
}

fn drawn(
    mut image: RgbImage,
    detections: &[Detection],
    config: &Config,
) -> anyhow::Result<Vec<u8>> {
    let labelled = |found| {
        let found = Detected::new(found, &config.classes, 1.0);
        (found.label(&config.classes), found)
    };
    let found: Vec<(String, Detected)> = detections.iter().map(labelled).collect();
    let boxes: Vec<Drawn> = found
        .iter()
        .map(|(label, found)| {
            let color = picture::color(found.class);
            Drawn { corners: found.corners, label, color }
        })
        .collect();
    picture::draw(&mut image, &boxes);
    Ok(picture::png(&image)?)
}

/// The names of the images, as PNG; those of one name, from several folders, are counted.
fn names(images: &[PathBuf]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut name = |path: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let counted = (2..).map(|count| format!("{stem}-{count}.png"));
        let mut names = std::iter::once(format!("{stem}.png")).chain(counted);
        // Some systems take A.png and a.png for one file.
        let free = names.find(|name| taken.insert(name.to_lowercase()));
        free.expect("there is always one more number")
    };
    images.iter().map(&mut name).collect()
}

/// What is read is not written over: an image that was drawn on is no image to look at.
fn refuse_to_overwrite<'a>(
    read: impl Iterator<Item = &'a PathBuf>,
    written: impl Iterator<Item = (PathBuf, &'static str)>,
) -> Result<(), CliError> {
    let read: HashSet<PathBuf> = read.filter_map(|path| path.canonicalize().ok()).collect();
    for (path, option) in written {
        if path.canonicalize().is_ok_and(|path| read.contains(&path)) {
            let problem =
                format!("{} would be written over: choose another {option}", path.display());
            return Err(CliError::Usage(problem));
        }
    }
    Ok(())
}

fn table(found: &[Found]) -> Table {
    let words = ["image", "class"].map(Column::words);
    let numbers = ["score", "left", "top", "width", "height"].map(Column::numbers);
    let mut table = Table::new(words.into_iter().chain(numbers));
    for one in found {
        let bbox = one.bbox.map(|x| format!("{x:.1}"));
        let head = [one.image.clone(), one.class.to_owned(), format!("{:.3}", one.score)];
        table.push(head.into_iter().chain(bbox));
    }
    table
}
