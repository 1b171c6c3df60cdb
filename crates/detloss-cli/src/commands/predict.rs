//! `detloss predict`: a trained detector looks at images.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use image::RgbImage;
use serde::Serialize;

use crate::cli::PredictArgs;
use crate::coco::{Detection, Xywh};
use crate::output::{CliError, make_folder, print_json, print_table, save, say};
use crate::table::{Column, Table};
use crate::training::data::index_of;
use crate::training::detector::{Design, Detector};
use crate::training::picture::{self, Detected, Drawn};
use crate::training::{images, model, run};

/// Something that was found.
#[derive(Serialize)]
struct Found<'a> {
    image: String,
    class: &'a str,
    category_id: u64,
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
    let (detector, design) = model::load(&args.model)?;
    make_folder(&args.out)?;
    let (mut found, mut broken) = (Vec::new(), 0);
    let mut names = HashMap::new();
    for path in &args.images {
        match read(path) {
            Ok(image) => {
                let detections = look(&detector, &design, &image, args.score);
                let png = drawn(image, &detections, &design).map_err(CliError::failure)?;
                save(&args.out, &file_name(path, &mut names), &png)?;
                let of_image = |detection| Found::new(path, detection, &design);
                found.extend(detections.into_iter().map(of_image));
            }
            Err(problem) => {
                say(format_args!("skipped: {problem:#}"));
                broken += 1;
            }
        }
    }
    let seen = args.images.len() - broken;
    say(format_args!("{} found in {seen} images; see {}", found.len(), args.out.display()));
    if json {
        print_json(&found)?
    } else {
        print_table(&table(&found))?
    }
    if broken > 0 {
        let problem = format!("{broken} of {} images could not be read", args.images.len());
        return Err(anyhow::anyhow!(problem).into());
    }
    Ok(())
}

impl<'a> Found<'a> {
    fn new(path: &Path, detection: Detection, design: &'a Design) -> Self {
        let Detection { category: category_id, bbox, score, .. } = detection;
        let class = &design.classes[index_of(&design.classes, category_id)].name;
        Self { image: path.display().to_string(), class, category_id, bbox, score }
    }
}

fn read(path: &Path) -> anyhow::Result<RgbImage> {
    images::read(path)
        .with_context(|| format!("could not read {}: give a PNG or JPEG file", path.display()))
}

fn look(detector: &Detector, design: &Design, image: &RgbImage, least: f64) -> Vec<Detection> {
    let scene = images::scene_of(0, image, design.side);
    let mut detections = run::find(detector, design, &[scene]).concat();
    let [width, height] = [image.width(), image.height()].map(f64::from);
    // The grey beside an image that is no square holds nothing.
    for Detection { bbox: [left, top, w, h], .. } in &mut detections {
        let [right, bottom] = [(*left + *w).min(width), (*top + *h).min(height)];
        (*left, *top) = (left.min(width), top.min(height));
        (*w, *h) = (right - *left, bottom - *top);
    }
    detections.retain(|Detection { bbox: [_, _, w, h], score, .. }| {
        *score >= least && *w > 0.0 && *h > 0.0
    });
    detections
}

fn drawn(
    mut image: RgbImage,
    detections: &[Detection],
    design: &Design,
) -> anyhow::Result<Vec<u8>> {
    let labelled = |found| {
        let found = Detected::new(found, &design.classes, 1.0);
        (found.label(&design.classes), found)
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

/// The name of the image, as PNG; images of one name from several folders are counted.
fn file_name(path: &Path, names: &mut HashMap<String, usize>) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let count = names.entry(stem.clone()).and_modify(|count| *count += 1).or_insert(1);
    if *count == 1 { format!("{stem}.png") } else { format!("{stem}-{count}.png") }
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
