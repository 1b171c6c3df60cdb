//! Painting on a square of pixels, the same bytes on every machine: there is nothing here but arithmetic and square roots.

use super::{GLYPH, Ink};
use crate::random::Random;
use crate::training::scene::CHANNELS;

/// From the ink of a digit to opacity: none up to the first, full from the second on. This makes smooth ink crisp.
const RAMP: [f32; 2] = [0.2, 0.6];
/// What is at least so opaque is ink.
const INKED: f32 = 0.5;

/// Red, green and blue from 0 to 1.
#[derive(Clone, Copy)]
pub(super) struct Color([f32; CHANNELS]);

impl Color {
    /// A random colour of about this luminance, from 0 to 1.
    pub(super) fn random(random: &mut Random, luminance: f64) -> Self {
        const SHARES: [f64; CHANNELS] = [0.299, 0.587, 0.114];
        let tint = [0; CHANNELS].map(|_| random.range(-0.35, 0.35));
        let own: f64 = tint.iter().zip(SHARES).map(|(tint, share)| tint * share).sum();
        Self(tint.map(|tint| (luminance - own + tint).clamp(0.0, 1.0) as f32))
    }
}

/// A rectangle that may reach beyond the canvas.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    left: f32,
    top: f32,
    width: f32,
    height: f32,
}

impl Frame {
    /// A frame of this width and height anywhere, with at most the share `cut` of either beyond a border.
    pub(super) fn random(random: &mut Random, side: usize, size: [f64; 2], cut: f64) -> Self {
        let [left, top] = size
            .map(|length| random.range(-cut * length, side as f64 - (1.0 - cut) * length) as f32);
        let [width, height] = size.map(|length| length as f32);
        Self { left, top, width, height }
    }

    /// The pixels of the canvas that it touches: columns and rows.
    fn pixels(&self, side: usize) -> [std::ops::Range<usize>; 2] {
        let ends = |start: f32, length: f32| {
            let end = (start + length).ceil().clamp(0.0, side as f32) as usize;
            (start.floor().max(0.0) as usize).min(end)..end
        };
        [ends(self.left, self.width), ends(self.top, self.height)]
    }
}

/// Something to be painted.
#[derive(Default)]
pub(super) struct Mark {
    /// Pixels with their opacity, from 0 to 1.
    cover: Vec<(usize, f32)>,
    /// The pixels that are more opaque than not.
    inked: Vec<usize>,
}

impl Mark {
    /// Handwriting, scaled smoothly into a frame.
    pub(super) fn ink(ink: &Ink, frame: Frame, side: usize) -> Self {
        let [columns, rows] = frame.pixels(side);
        // First across, then down: each pixel costs one product of eight numbers.
        let across = |column: usize| {
            let weights = weights((column as f32 + 0.5 - frame.left) / frame.width);
            ink.map(|row| dot(&row, &weights))
        };
        let lines: Vec<[f32; GLYPH]> = columns.clone().map(across).collect();
        let mut mark = Self::default();
        for row in rows {
            let weights = weights((row as f32 + 0.5 - frame.top) / frame.height);
            for (column, line) in columns.clone().zip(&lines) {
                mark.add(
                    row * side + column,
                    (dot(line, &weights) - RAMP[0]) / (RAMP[1] - RAMP[0]),
                );
            }
        }
        mark
    }

    /// A straight stroke with round ends; the first end is left of the second.
    pub(super) fn stroke(from: [f64; 2], to: [f64; 2], radius: f64, side: usize) -> Self {
        let [from, to] = [from, to].map(|point| point.map(|at| at as f32));
        let reach = radius as f32 + 1.0;
        let frame = Frame {
            left: from[0] - reach,
            top: from[1].min(to[1]) - reach,
            width: to[0] - from[0] + 2.0 * reach,
            height: (to[1] - from[1]).abs() + 2.0 * reach,
        };
        let way = [to[0] - from[0], to[1] - from[1]];
        let length = way[0] * way[0] + way[1] * way[1];
        Self::each(frame, side, |x, y| {
            let [x, y] = [x - from[0], y - from[1]];
            let along = ((x * way[0] + y * way[1]) / length).clamp(0.0, 1.0);
            let [x, y] = [x - along * way[0], y - along * way[1]];
            radius as f32 + 0.5 - (x * x + y * y).sqrt()
        })
    }

    /// An ellipse with soft edges.
    pub(super) fn blob(frame: Frame, side: usize) -> Self {
        Self::each(frame, side, |x, y| {
            let x = 2.0 * (x - frame.left) / frame.width - 1.0;
            let y = 2.0 * (y - frame.top) / frame.height - 1.0;
            2.0 * (1.0 - x * x - y * y)
        })
    }

    /// What a formula says of the centres of the pixels.
    fn each(frame: Frame, side: usize, opacity: impl Fn(f32, f32) -> f32) -> Self {
        let [columns, rows] = frame.pixels(side);
        let mut mark = Self::default();
        for row in rows {
            for column in columns.clone() {
                let opacity = opacity(column as f32 + 0.5, row as f32 + 0.5);
                mark.add(row * side + column, opacity);
            }
        }
        mark
    }

    fn add(&mut self, pixel: usize, opacity: f32) {
        if opacity > 0.0 {
            self.cover.push((pixel, opacity.min(1.0)));
        }
        if opacity >= INKED {
            self.inked.push(pixel);
        }
    }

    /// The pixels that are more opaque than not.
    pub(super) fn inked(&self) -> &[usize] {
        &self.inked
    }

    /// The corners of the smallest box around its ink.
    pub(super) fn bounds(&self, side: usize) -> [f32; 4] {
        let [mut low, mut high] = [[side; 2], [0; 2]];
        for pixel in &self.inked {
            let at = [pixel % side, pixel / side];
            low = [low[0].min(at[0]), low[1].min(at[1])];
            high = [high[0].max(at[0] + 1), high[1].max(at[1] + 1)];
        }
        [low[0], low[1], high[0], high[1]].map(|corner| corner as f32)
    }
}

/// The weights of the eight samples along a line at a place from 0 to 1: cubic convolution, which goes through the samples
/// (R. Keys 1981, a = −½). Beyond the samples there is nothing.
fn weights(place: f32) -> [f32; GLYPH] {
    std::array::from_fn(|sample| {
        let far = (place * GLYPH as f32 - (sample as f32 + 0.5)).abs();
        if far < 1.0 {
            (1.5 * far - 2.5) * far * far + 1.0
        } else if far < 2.0 {
            ((-0.5 * far + 2.5) * far - 4.0) * far + 2.0
        } else {
            0.0
        }
    })
}

fn dot(a: &[f32; GLYPH], b: &[f32; GLYPH]) -> f32 {
    // In pairs of halves: a sum that the compiler can spread over lanes.
    let product: [f32; GLYPH] = std::array::from_fn(|i| a[i] * b[i]);
    let four: [f32; 4] = std::array::from_fn(|i| product[i] + product[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// A square of pixels.
pub(super) struct Canvas {
    side: usize,
    /// Colours from 0 to 1, row by row.
    colors: Vec<[f32; CHANNELS]>,
}

impl Canvas {
    /// A ground of about this colour that changes slowly from place to place.
    pub(super) fn new(side: usize, Color(base): Color, random: &mut Random) -> Self {
        // Colours at the nodes of a coarse grid, and straight lines between them.
        let cells = 1 + random.below(8);
        let change = random.range(0.02, 0.12);
        let mut node = |_| base.map(|value| value + random.range(-change, change) as f32);
        let nodes: Vec<[f32; CHANNELS]> = (0..(cells + 1) * (cells + 1)).map(&mut node).collect();
        let between = |a: [f32; CHANNELS], b: [f32; CHANNELS], share: f32| -> [f32; CHANNELS] {
            std::array::from_fn(|c| a[c] + (b[c] - a[c]) * share)
        };
        let place = |at: usize| {
            let place = (at as f32 + 0.5) / side as f32 * cells as f32;
            (place as usize, place.fract())
        };
        let mut colors = Vec::with_capacity(side * side);
        for y in 0..side {
            let (down, share) = place(y);
            let rows = nodes[down * (cells + 1)..].iter().zip(&nodes[(down + 1) * (cells + 1)..]);
            let line: Vec<[f32; CHANNELS]> =
                rows.take(cells + 1).map(|(&a, &b)| between(a, b, share)).collect();
            colors.extend((0..side).map(|x| {
                let (right, share) = place(x);
                between(line[right], line[right + 1], share)
            }));
        }
        Self { side, colors }
    }

    pub(super) fn side(&self) -> usize {
        self.side
    }

    pub(super) fn paint(&mut self, mark: &Mark, Color(color): Color) {
        for &(pixel, opacity) in &mark.cover {
            for (value, target) in self.colors[pixel].iter_mut().zip(color) {
                *value += (target - *value) * opacity;
            }
        }
    }

    /// The pixels as bytes, each value off by up to the share `noise` of the full range.
    pub(super) fn finish(self, noise: f64, random: &mut Random) -> Vec<u8> {
        let [low, step] = [0.5 - 255.0 * noise as f32, 2.0 * noise as f32];
        let values = self.colors.as_flattened();
        let mut pixels = Vec::with_capacity(values.len());
        for eight in values.chunks(8) {
            let noisy =
                |(value, byte): (&f32, u8)| (value * 255.0 + low + step * f32::from(byte)) as u8;
            pixels.extend(eight.iter().zip(random.bits().to_le_bytes()).map(noisy));
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 64;
    const BLACK: Color = Color([0.0; CHANNELS]);

    fn white() -> Canvas {
        Canvas { side: SIDE, colors: vec![[1.0; CHANNELS]; SIDE * SIDE] }
    }

    #[test]
    fn a_box_is_tight_around_the_ink_that_can_be_seen() {
        let (glyphs, _) = super::super::glyphs();
        let mut random = Random::new(1);
        for glyph in &glyphs[..300] {
            let size = [random.range(8.0, 40.0), random.range(8.0, 40.0)];
            let mark = Mark::ink(&glyph.ink, Frame::random(&mut random, SIDE, size, 0.12), SIDE);
            let mut canvas = white();
            canvas.paint(&mark, BLACK);
            let dark = |x: usize, y: usize| canvas.colors[y * SIDE + x][0] <= 0.5;
            let [x1, y1, x2, y2] = mark.bounds(SIDE).map(|corner| corner as usize);
            let inside = |x: usize, y: usize| x1 <= x && x < x2 && y1 <= y && y < y2;
            let mut all = (0..SIDE * SIDE).map(|at| (at % SIDE, at / SIDE));
            assert!(all.all(|(x, y)| inside(x, y) || !dark(x, y)));
            assert!([x1, x2 - 1].iter().all(|&x| (y1..y2).any(|y| dark(x, y))));
            assert!([y1, y2 - 1].iter().all(|&y| (x1..x2).any(|x| dark(x, y))));
        }
    }

    #[test]
    fn ink_of_the_size_of_the_original_is_the_original() {
        let ink: Ink = std::array::from_fn(|y| std::array::from_fn(|x| ((x + y) % 2) as f32));
        let frame = Frame { left: 3.0, top: 5.0, width: GLYPH as f32, height: GLYPH as f32 };
        let mark = Mark::ink(&ink, frame, SIDE);
        let expected: Vec<usize> = (0..GLYPH * GLYPH)
            .map(|at| [at % GLYPH, at / GLYPH])
            .filter(|[x, y]| (x + y) % 2 == 1)
            .map(|[x, y]| (y + 5) * SIDE + x + 3)
            .collect();
        assert_eq!(mark.inked(), expected);
        assert!(mark.cover.iter().all(|&(_, opacity)| opacity == 1.0));
    }

    #[test]
    fn strokes_and_blobs_are_where_they_were_put() {
        let stroke = Mark::stroke([10.0, 20.0], [30.0, 10.0], 2.0, SIDE);
        assert_eq!(stroke.bounds(SIDE), [8.0, 8.0, 32.0, 22.0]);
        let frame = Frame { left: 50.0, top: -10.0, width: 20.0, height: 20.0 };
        let [x1, y1, x2, y2] = Mark::blob(frame, SIDE).bounds(SIDE);
        assert!(x1 >= 51.0 && y1 == 0.0 && x2 == 64.0 && y2 <= 9.0, "{x1} {y1} {x2} {y2}");
    }

    #[test]
    fn a_canvas_of_one_colour_stays_it_without_noise_and_near_it_with() {
        let mut random = Random::new(1);
        assert!(white().finish(0.0, &mut random).iter().all(|&value| value == 255));
        let grey = Canvas { side: SIDE, colors: vec![[0.5; CHANNELS]; SIDE * SIDE] };
        let noisy = grey.finish(0.1, &mut random);
        assert!(noisy.iter().all(|value| (102..=153).contains(value)));
        assert!(noisy.contains(&103) && noisy.contains(&152));
    }
}
