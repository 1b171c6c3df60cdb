//! A first set of one's own is small: what becomes of sixty pictures.

use std::fs;
use std::path::Path;
use std::time::Instant;

use image::{Rgb, RgbImage};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::json;

use crate::detloss;

/// Random numbers from 0 to 1.
struct Dice(Pcg64);

impl Dice {
    fn roll(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.roll()
    }
}

/// Draws pictures of 160 by 120 pixels into a folder, with one to three discs, squares and triangles of any colour on a ground with
/// stripes and noise.
fn draw(folder: &Path, pictures: u32) {
    let mut dice = Dice(Pcg64::seed_from_u64(1));
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for id in 1..=pictures {
        let ground = [0; 3].map(|_| dice.range(40.0, 215.0));
        let [along, wave] = [dice.range(-0.2, 0.2), dice.range(0.05, 0.4)];
        let mut image = RgbImage::from_fn(160, 120, |x, y| {
            let stripe = 14.0 * (f64::from(x) * wave + f64::from(y) * along).sin();
            Rgb(ground.map(|level| (level + stripe + 16.0 * dice.roll() - 8.0) as u8))
        });
        let mut boxes: Vec<[f64; 4]> = Vec::new();
        for _ in 0..1 + (3.0 * dice.roll()) as u32 {
            let side = dice.range(24.0, 56.0);
            let [x, y] = [dice.range(0.0, 160.0 - side), dice.range(0.0, 120.0 - side)];
            let apart = |other: &[f64; 4]| {
                x > other[2] || other[0] > x + side || y > other[3] || other[1] > y + side
            };
            if !boxes.iter().all(apart) {
                continue;
            }
            boxes.push([x, y, x + side, y + side]);
            let class = (3.0 * dice.roll()) as u32;
            // As far from the ground as there is room.
            let colour = ground.map(|level| {
                let by = dice.range(60.0, 130.0);
                if level < 128.0 { level + by } else { level - by }
            });
            let half = side / 2.0;
            for (column, row, pixel) in image.enumerate_pixels_mut() {
                let [right, down] = [f64::from(column) + 0.5 - x, f64::from(row) + 0.5 - y];
                let inside = match class {
                    0 => (right - half).hypot(down - half) <= half,
                    1 => (0.0..side).contains(&right) && (0.0..side).contains(&down),
                    _ => (0.0..side).contains(&down) && (right - half).abs() <= down / 2.0,
                };
                if inside {
                    *pixel = Rgb(colour.map(|level| level as u8));
                }
            }
            annotations.push(json!({
                "id": annotations.len() + 1, "image_id": id, "category_id": class + 1,
                "bbox": [x, y, side, side], "area": side * side, "iscrowd": 0,
            }));
        }
        image.save(folder.join(format!("{id}.png"))).unwrap();
        images
            .push(json!({"id": id, "file_name": format!("{id}.png"), "width": 160, "height": 120}));
    }
    let names = ["disc", "square", "triangle"];
    let categories: Vec<_> =
        (1..).zip(names).map(|(id, name)| json!({"id": id, "name": name})).collect();
    let all = json!({"images": images, "annotations": annotations, "categories": categories});
    fs::write(folder.join("annotations.json"), all.to_string()).unwrap();
}

/// `cargo test --release -p detloss-cli --features train --test cli -- --ignored --nocapture sixty` says how long it takes, too.
#[test]
#[ignore = "two minutes of two cores, with everything optimised"]
fn sixty_pictures_are_enough_to_find_three_kinds_of_shapes() {
    let work = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("DETLOSS_TEST_SHAPES");
    let data = kept.map_or_else(|| work.path().join("data"), Into::into);
    fs::create_dir_all(&data).unwrap();
    draw(&data, 60);
    let start = Instant::now();
    let call = detloss(&format!(
        "train --data {} --side 96 --steps 400 --out {} --json",
        data.display(),
        work.path().join("model").display()
    ));
    assert_eq!(call.code, 0, "{}", call.err);
    let seconds = start.elapsed().as_secs_f64();
    let result: serde_json::Value = serde_json::from_str(&call.out).unwrap();
    let last = result["points"].as_array().unwrap().last().unwrap();
    println!("{}{last:#}\n{seconds:.0} seconds", call.err);
    assert!(last["ap50"].as_f64().unwrap() > 0.8, "{last}");
}
