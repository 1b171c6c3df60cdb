//! The anchors of detectors, and what these do to an image first.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use detloss::matching::Anchors;
use detloss_coco::Xywh;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::Detector;

/// The sizes of torchvision's anchors of RetinaNet: three a level.
const RETINANET: [[f64; 3]; 5] = [
    [32.0, 40.0, 50.0],
    [64.0, 80.0, 101.0],
    [128.0, 161.0, 203.0],
    [256.0, 322.0, 406.0],
    [512.0, 645.0, 812.0],
];
/// Their heights by their widths.
const RATIOS: [f64; 3] = [0.5, 1.0, 2.0];
/// The strides of FCOS' levels, and of the first three those of YOLOv8.
const STRIDES: [usize; 5] = [8, 16, 32, 64, 128];
/// The sides of a batch are multiples of it.
const DIVISOR: usize = 32;

/// Where an image lies when the detector sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placed {
    /// Width and height of all that the detector sees.
    pub(super) canvas: [usize; 2],
    scale: [f64; 2],
    offset: [f64; 2],
}

impl Placed {
    /// The corners of a box of the file.
    pub(super) fn corners(&self, [x, y, w, h]: Xywh) -> [f32; 4] {
        let [sx, sy] = self.scale;
        let [dx, dy] = self.offset;
        [x * sx + dx, y * sy + dy, (x + w) * sx + dx, (y + h) * sy + dy].map(|side| side as f32)
    }
}

/// Anchors for images, and how images become what they are laid over.
pub(super) enum Layout {
    /// The short side becomes so long, unless the long side gets longer than 5/3 of it.
    Retinanet(usize),
    /// The same.
    Fcos(usize),
    /// The long side becomes so long, and the image lies in the middle of a square of it.
    Yolo8(usize),
    /// The same anchors for all, whose long side becomes so long if it is said.
    File(Box<Grid>, Option<usize>),
}

impl Layout {
    pub(super) fn new(detector: &Detector, size: Option<usize>) -> anyhow::Result<Self> {
        Ok(match detector {
            Detector::Retinanet => Self::Retinanet(size.unwrap_or(800)),
            Detector::Fcos => Self::Fcos(size.unwrap_or(800)),
            Detector::Yolo8 => Self::Yolo8(size.unwrap_or(640).next_multiple_of(DIVISOR)),
            Detector::File(path) => Self::File(Box::new(read(path)?), size),
        })
    }

    /// The matcher that the detector trains with.
    pub(super) fn assigner(&self) -> &'static str {
        match self {
            Self::Retinanet(_) => "max_iou",
            Self::Fcos(_) => "center_sampling",
            Self::Yolo8(_) => "task_aligned",
            Self::File(grid, _) if grid.of_points => "center_sampling",
            Self::File(..) => "max_iou",
        }
    }

    /// What becomes of images, in words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Retinanet(size) | Self::Fcos(size) => {
                format!(
                    "images with a short side of {size} pixels, a long one of {} at most",
                    longest(*size)
                )
            }
            Self::Yolo8(size) => format!("images in the middle of a square of {size} pixels"),
            Self::File(_, Some(size)) => format!("images with a long side of {size} pixels"),
            Self::File(_, None) => "images as they are".to_owned(),
        }
    }

    /// Where an image of this width and height lies. None if it needs to be known and is not.
    pub(super) fn place(&self, size: Option<[f64; 2]>) -> Option<Placed> {
        let whole = Placed { canvas: [0, 0], scale: [1.0; 2], offset: [0.0; 2] };
        if let Self::File(_, None) = self {
            return Some(whole);
        }
        let [w, h] = size?;
        let long = w.max(h);
        Some(match *self {
            Self::Retinanet(side) | Self::Fcos(side) => {
                let scale = (side as f64 / w.min(h)).min(longest(side) as f64 / long);
                let [width, height] = [w, h].map(|side| (side * scale).floor().max(1.0));
                let canvas = [width, height].map(|side| (side as usize).next_multiple_of(DIVISOR));
                Placed { canvas, scale: [width / w, height / h], ..whole }
            }
            Self::Yolo8(side) => {
                let scale = side as f64 / long;
                // Half a pixel goes to the right and below.
                let offset =
                    [w, h].map(|own| ((side as f64 - (own * scale).round()) / 2.0 - 0.1).round());
                Placed { canvas: [side; 2], scale: [scale; 2], offset }
            }
            Self::File(_, side) => Placed { scale: [side? as f64 / long; 2], ..whole },
        })
    }

    /// The anchors over such a canvas.
    pub(super) fn grid(&self, canvas: [usize; 2]) -> detloss::Result<Grid> {
        match self {
            Self::Retinanet(_) => {
                let shapes =
                    RETINANET.map(|sizes| RATIOS.map(|ratio| sizes.map(|size| shape(size, ratio))));
                let mut rows = Vec::new();
                let mut levels = Vec::new();
                for ((columns, lines, step), shapes) in pyramid(canvas).into_iter().zip(shapes) {
                    levels.push(columns * lines * 9);
                    for [x, y] in corners_of_cells(columns, lines, step) {
                        let at = |[w, h]: [f32; 2]| [x - w, y - h, x + w, y + h];
                        rows.extend(shapes.as_flattened().iter().map(|&half| at(half)));
                    }
                }
                Grid::boxes(rows, &levels)
            }
            Self::Fcos(_) => {
                let mut points = Points::default();
                for ((columns, lines, step), stride) in pyramid(canvas).into_iter().zip(STRIDES) {
                    points.level(corners_of_cells(columns, lines, step), stride);
                }
                points.grid()
            }
            Self::Yolo8(_) => {
                let mut points = Points::default();
                for stride in &STRIDES[..3] {
                    let [columns, lines] = canvas.map(|side| side / stride);
                    let half = *stride as f32 / 2.0;
                    let corners = corners_of_cells(columns, lines, [*stride; 2]);
                    points.level(corners.map(|[x, y]| [x + half, y + half]), *stride);
                }
                points.grid()
            }
            Self::File(grid, _) => Ok((**grid).clone()),
        }
    }
}

/// How long the long side gets: 1333 of 800.
fn longest(short: usize) -> usize {
    short * 5 / 3
}

/// Half the width and height of an anchor, rounded to whole pixels as in torchvision.
fn shape(size: f64, ratio: f64) -> [f32; 2] {
    let root = (ratio as f32).sqrt();
    [size as f32 / root, size as f32 * root].map(|side| (side / 2.0).round_ties_even())
}

/// Columns, lines and steps of torchvision's feature pyramid. Its steps are whole parts of the canvas, and so shorter than the strides of
/// the last levels.
fn pyramid([width, height]: [usize; 2]) -> [(usize, usize, [usize; 2]); 5] {
    let mut cells = [width, height].map(|side| side.div_ceil(STRIDES[0]));
    std::array::from_fn(|level| {
        if level > 0 {
            cells = cells.map(|count| count.div_ceil(2));
        }
        let [columns, lines] = cells;
        (columns, lines, [width / columns, height / lines])
    })
}

/// The upper left corners of cells, line after line.
fn corners_of_cells(
    columns: usize,
    lines: usize,
    [dx, dy]: [usize; 2],
) -> impl Iterator<Item = [f32; 2]> {
    (0..lines).flat_map(move |line| {
        (0..columns).map(move |column| [(column * dx) as f32, (line * dy) as f32])
    })
}

/// Anchors with what predictions are made from.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    /// Each by its corners; a point as a square of its stride.
    pub(super) boxes: Vec<[f32; 4]>,
    pub(super) centers: Vec<[f32; 2]>,
    pub(super) strides: Vec<f32>,
    pub(super) anchors: Anchors<f32>,
    /// Whether they are points.
    of_points: bool,
}

impl Grid {
    fn boxes(boxes: Vec<[f32; 4]>, levels: &[usize]) -> detloss::Result<Self> {
        let anchors = Anchors::boxes(boxes.as_flattened())?.levels(levels)?;
        let centers =
            boxes.iter().map(|[x1, y1, x2, y2]| [(x1 + x2) * 0.5, (y1 + y2) * 0.5]).collect();
        let strides = boxes.iter().map(|[x1, _, x2, _]| x2 - x1).collect();
        Ok(Self { boxes, centers, strides, anchors, of_points: false })
    }
}

/// Points, level by level.
#[derive(Default)]
struct Points {
    centers: Vec<[f32; 2]>,
    strides: Vec<f32>,
    levels: Vec<usize>,
}

impl Points {
    fn level(&mut self, centers: impl Iterator<Item = [f32; 2]>, stride: usize) {
        let before = self.centers.len();
        self.centers.extend(centers);
        self.levels.push(self.centers.len() - before);
        self.strides.resize(self.centers.len(), stride as f32);
    }

    fn grid(self) -> detloss::Result<Grid> {
        let Self { centers, strides, levels } = self;
        let anchors = Anchors::points(centers.as_flattened(), &strides)?.levels(&levels)?;
        let square = |(&[x, y], stride): (&[f32; 2], &f32)| {
            let half = stride * 0.5;
            [x - half, y - half, x + half, y + half]
        };
        let boxes = centers.iter().zip(&strides).map(square).collect();
        Ok(Grid { boxes, centers, strides, anchors, of_points: true })
    }
}

/// Points as a file lists them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListedPoints {
    points: Vec<[f32; 2]>,
    strides: Vec<f32>,
    levels: Option<Vec<usize>>,
}

const REMEDY: &str = "give a list of boxes [x1, y1, x2, y2], or {\"points\": [[x, y], …], \"strides\": [one for each], \
    \"levels\": [how many points each level has]}";

/// The anchors of a file.
fn read(path: &Path) -> anyhow::Result<Grid> {
    let shown = path.display();
    let text =
        fs::read(path).with_context(|| format!("could not read {shown}: check --anchors"))?;
    let value: Value =
        serde_json::from_slice(&text).with_context(|| format!("{shown} is not json: {REMEDY}"))?;
    let grid = if value.is_array() {
        let boxes: Vec<[f32; 4]> = parsed(value, path)?;
        let levels = [boxes.len()];
        Grid::boxes(boxes, &levels)
    } else {
        let ListedPoints { points, strides, levels } = parsed(value, path)?;
        let levels = levels.unwrap_or_else(|| vec![points.len()]);
        Points { centers: points, strides, levels }.grid()
    };
    let grid = grid.map_err(|error| anyhow!("{shown}: {error}; {REMEDY}"))?;
    if grid.boxes.is_empty() {
        return Err(anyhow!("{shown} has no anchors: {REMEDY}"));
    }
    Ok(grid)
}

fn parsed<T: DeserializeOwned>(value: Value, path: &Path) -> anyhow::Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let at = error.path().to_string();
        let place = if at == "." { "top level".to_owned() } else { format!("anchors at {at}") };
        anyhow!("{}: {place}: {}; {REMEDY}", path.display(), error.into_inner())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(grid: &Grid) -> [f64; 4] {
        let column = |place: usize| grid.boxes.iter().map(|row| f64::from(row[place])).sum();
        std::array::from_fn(column)
    }

    #[test]
    fn anchors_are_those_of_torchvision() {
        // Measured in torchvision 0.29 on a batch of one image of 1088 x 800.
        let grid = Layout::Retinanet(800).grid([1088, 800]).unwrap();
        assert_eq!(grid.boxes.len(), 163_206);
        assert_eq!(sums(&grid), [82_757_665.0, 59_255_425.0, 92_896_991.0, 69_394_751.0]);
        assert_eq!(grid.boxes[0], [-23.0, -11.0, 23.0, 11.0]);
        assert_eq!(grid.boxes[8], [-18.0, -35.0, 18.0, 35.0]);
        assert_eq!(grid.boxes[163_205], [673.0, 110.0, 1247.0, 1258.0]);
        let grid = Layout::Fcos(800).grid([1088, 800]).unwrap();
        assert_eq!(grid.boxes.len(), 18_134);
        assert_eq!(sums(&grid), [9_652_288.0, 7_040_928.0, 9_864_896.0, 7_253_536.0]);
    }

    #[test]
    fn images_are_placed_as_their_detectors_place_them() {
        let place = |layout: Layout, size| layout.place(Some(size)).unwrap();
        let placed = place(Layout::Retinanet(800), [640.0, 480.0]);
        assert_eq!((placed.canvas, placed.scale), ([1088, 800], [1066.0 / 640.0, 800.0 / 480.0]));
        // The long side stops it.
        let placed = place(Layout::Fcos(800), [1000.0, 200.0]);
        assert_eq!((placed.canvas, placed.scale), ([1344, 288], [1.333, 1.33]));
        let placed = place(Layout::Yolo8(640), [640.0, 427.0]);
        assert_eq!((placed.canvas, placed.offset), ([640; 2], [0.0, 106.0]));
        assert_eq!(placed.corners([10.0, 0.0, 20.0, 30.0]), [10.0, 106.0, 30.0, 136.0]);
        let layout = Layout::new(&Detector::Yolo8, Some(600)).unwrap();
        let placed = layout.place(Some([300.0, 600.0])).unwrap();
        assert_eq!((placed.canvas, placed.offset), ([608; 2], [152.0, 0.0]));
        assert_eq!(layout.grid(placed.canvas).unwrap().boxes.len(), 76 * 76 + 38 * 38 + 19 * 19);
    }
}
