//! What tells one series from another, and how a drawing is sized.

use kuva::plot::LegendPosition;
use kuva::plot::legend::{LegendEntry, LegendShape};
use kuva::plot::{LineStyle, MarkerShape};
use kuva::render::layout::Layout;

/// Okabe and Ito's colours, safe for the colour-blind; their yellow is too faint on white. Pages know them, too (report.css).
const COLORS: [&str; 7] =
    ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];

/// The lines of the first seven series, of the next seven, and so on: lengths of dashes and gaps, which fit a legend's swatch.
const DASHES: [&str; 4] = ["", "7 4", "2 3", "7 3 2 3"];

const MARKERS: [MarkerShape; 5] = [
    MarkerShape::Circle,
    MarkerShape::Square,
    MarkerShape::Triangle,
    MarkerShape::Diamond,
    MarkerShape::TriangleDown,
];

/// So many series differ in colour or dashes; their markers differ besides.
#[cfg(test)]
pub(super) const LOOKS: usize = COLORS.len() * DASHES.len();

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    pub(super) color: &'static str,
    pub(super) marker: MarkerShape,
    /// As SVG writes it; empty for a solid line.
    pub(super) dashes: &'static str,
}

impl Look {
    /// That of a series by its place in the list.
    pub(super) fn of(index: usize) -> Self {
        Self {
            color: COLORS[index % COLORS.len()],
            marker: MARKERS[index % MARKERS.len()],
            dashes: DASHES[index / COLORS.len() % DASHES.len()],
        }
    }

    pub(super) fn line_style(&self) -> LineStyle {
        if self.dashes.is_empty() {
            LineStyle::Solid
        } else {
            LineStyle::Custom(self.dashes.to_owned())
        }
    }

    /// The entry of a legend for a part of a bar.
    pub(super) fn part(&self, label: String) -> LegendEntry {
        let color = self.color.to_owned();
        LegendEntry { label, color, shape: LegendShape::Rect, dasharray: None }
    }

    /// The entry for a curve. It shows one of the two: the dashes, where a marker of this colour was there before.
    pub(super) fn curve(&self, label: String) -> LegendEntry {
        let (color, dashes) = (self.color.to_owned(), self.dashes);
        if dashes.is_empty() {
            LegendEntry { label, color, shape: LegendShape::Marker(self.marker), dasharray: None }
        } else {
            let dasharray = Some(dashes.to_owned());
            LegendEntry { label, color, shape: LegendShape::Line, dasharray }
        }
    }
}

/// Where the names of series stand.
#[derive(Clone, Copy, PartialEq)]
enum Legend {
    Beside,
    Below,
    Inside,
}

/// How large a drawing is, and the letters in it, in units that are a pixel each where there is room.
#[derive(Clone, Copy)]
pub(super) struct Format {
    pub(super) width: f64,
    pub(super) height: f64,
    title: u32,
    label: u32,
    pub(super) tick: u32,
    /// Characters in a line of the title, and of an axis.
    title_wrap: usize,
    label_wrap: usize,
    legend: Legend,
    legend_wrap: usize,
    /// Characters of the name of a bar: longer ones lose their middle.
    pub(super) name: usize,
}

impl Format {
    /// A figure of its own, with the legend beside the curves.
    pub(super) const WIDE: Self = Self {
        width: 900.0,
        height: 560.0,
        title: 20,
        label: 16,
        tick: 13,
        title_wrap: 76,
        label_wrap: 60,
        legend: Legend::Beside,
        legend_wrap: 26,
        name: 60,
    };
    /// The same on a telephone, with the legend below.
    pub(super) const NARROW: Self = Self {
        width: 400.0,
        height: 400.0,
        title: 15,
        label: 13,
        tick: 12,
        title_wrap: 44,
        label_wrap: 40,
        legend: Legend::Below,
        legend_wrap: 40,
        name: 20,
    };
    /// A chart that stands beside another, and is as legible on a telephone.
    pub(super) const SMALL: Self = Self {
        width: 460.0,
        height: 320.0,
        title: 15,
        label: 13,
        tick: 12,
        title_wrap: 48,
        label_wrap: 48,
        legend: Legend::Inside,
        legend_wrap: 24,
        name: 20,
    };
    /// A surface.
    pub(super) const SQUARE: Self = Self { width: 520.0, height: 460.0, ..Self::SMALL };

    /// Sizes of paper and letters.
    pub(super) fn lay_out(&self, layout: Layout, title: &str) -> Layout {
        layout
            .with_width(self.width)
            .with_height(self.height)
            .with_title(title)
            .with_title_wrap(self.title_wrap)
            .with_title_size(self.title)
            .with_label_size(self.label)
            .with_x_label_wrap(self.label_wrap)
            .with_y_label_wrap(self.label_wrap)
            .with_tick_size(self.tick)
            .with_body_size(self.tick)
            .with_legend_position(match self.legend {
                Legend::Beside => LegendPosition::OutsideRightTop,
                Legend::Below => LegendPosition::OutsideBottomColumns,
                Legend::Inside => LegendPosition::InsideTopRight,
            })
            .with_legend_wrap(self.legend_wrap)
            .with_legend_box(false)
    }

    /// How high a drawing of curves is without its legend, where that stands below.
    pub(super) fn curves(&self) -> f64 {
        if self.legend == Legend::Below { 0.8 * self.height } else { self.height }
    }

    /// Adds a legend to a drawing of this height, with room for it: kuva leaves out what does not fit.
    pub(super) fn with_legend(
        &self,
        layout: Layout,
        height: f64,
        entries: Vec<LegendEntry>,
    ) -> Layout {
        let tick = f64::from(self.tick);
        let lengths: Vec<usize> = entries.iter().map(|entry| entry.label.chars().count()).collect();
        let layout = layout.with_legend_entries(entries);
        match self.legend {
            Legend::Below => {
                let widest = lengths.iter().max().copied().unwrap_or_default();
                let column = 3.5 * tick + 0.62 * tick * widest as f64;
                let columns = ((0.75 * self.width / column) as usize).max(1);
                let rows = lengths.len().div_ceil(columns) as f64;
                layout.with_legend_col_limit(columns).with_height(height + 1.8 * tick * rows)
            }
            Legend::Beside => {
                let lines = lengths.iter().map(|length| length.div_ceil(self.legend_wrap).max(1));
                let least = 8.0 * tick + 1.8 * tick * lines.sum::<usize>() as f64;
                layout.with_height(height.max(least))
            }
            Legend::Inside => layout.with_height(height),
        }
    }
}
