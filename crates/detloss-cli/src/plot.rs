//! Charts as SVG and PNG, all in one style: one size, one palette, the legend beside the curves.

use std::sync::Arc;

use kuva::backend::raster::RasterBackend;
use kuva::backend::svg::SvgBackend;
use kuva::plot::hexbin::{HexbinPlot, ZReduce};
use kuva::plot::{
    BarPlot, ColorMap, Histogram, LegendPosition, LinePlot, MarkerShape, ScatterPlot,
};
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot;
use kuva::render::render::{Scene, render_multiple};
use kuva::render::theme::Theme;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 560.0;
/// Width and height of a chart that stands beside another.
const SMALL: [f64; 2] = [460.0, 320.0];
/// Height of a stacked bar with its gap, and of what is around all bars.
const BAR: f64 = 42.0;
const FRAME: f64 = 150.0;
/// Pixels of a PNG per unit of the drawing, for screens of high density.
const PNG_SCALE: f32 = 2.0;
/// Hexagons across a surface: fine enough to see a ring, coarse enough to average a few points.
const HEXAGONS: usize = 54;
/// Markers along a curve: enough to tell curves apart, few enough to see them.
const STATIONS: usize = 8;

/// Okabe and Ito's colours, safe for the colour-blind; their yellow is too faint on white.
const COLORS: [&str; 7] =
    ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];
/// Five markers and seven colours share no divisor: 35 series differ in one or the other. Markers
/// rather than dashes, because a PNG shows no dashes on a curve of many short pieces.
const MARKERS: [MarkerShape; 5] = [
    MarkerShape::Circle,
    MarkerShape::Square,
    MarkerShape::Triangle,
    MarkerShape::Diamond,
    MarkerShape::TriangleDown,
];

/// How an axis is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Equal steps are equal differences.
    Linear,
    /// Equal steps are equal ratios; what is not positive cannot be shown.
    Log,
}

/// An axis with its label.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis<'a> {
    /// What it measures, with the unit.
    pub(crate) label: &'a str,
    /// How it is divided.
    pub(crate) scale: Scale,
}

impl<'a> Axis<'a> {
    /// An axis of equal differences.
    pub(crate) fn linear(label: &'a str) -> Self {
        Self { label, scale: Scale::Linear }
    }

    /// An axis of equal ratios.
    pub(crate) fn log(label: &'a str) -> Self {
        Self { label, scale: Scale::Log }
    }

    fn shows(&self, value: f64) -> bool {
        value.is_finite() && (self.scale == Scale::Linear || value > 0.0)
    }
}

/// Named points.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// The name in the legend.
    pub(crate) name: String,
    /// The points; those an axis cannot show are left out.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A picture ready to be written in either format.
pub(crate) struct Chart {
    scene: Scene,
}

impl Chart {
    /// A line for each series, with a few markers along it.
    pub(crate) fn lines(title: &str, x: Axis, y: Axis, series: &[Series]) -> Self {
        let share = 1.0 / series.len().max(1) as f64;
        let mut plots: Vec<Plot> = Vec::new();
        for (index, series) in series.iter().enumerate() {
            let points = shown(series, x, y);
            let color = COLORS[index % COLORS.len()];
            // Each series has its own stations, so that markers do not hide one another.
            let marked = stations(&points, x.scale, share * index as f64);
            plots.push(cloud(index, marked, &series.name).into());
            plots.push(
                LinePlot::new().with_data(points).with_color(color).with_stroke_width(2.2).into(),
            );
        }
        Self::on_axes(title, x, y, plots)
    }

    /// A horizontal bar for each name, the first on top; values that are not finite have none.
    pub(crate) fn bars(title: &str, value: &str, bars: &[(String, f64)]) -> Self {
        let finite = bars.iter().rev().filter(|(_, value)| value.is_finite());
        let bars = finite.map(|(name, value)| (name.as_str(), *value));
        let plot = BarPlot::new().with_bars(bars).with_color(COLORS[0]).with_horizontal(true);
        Self::draw(title, vec![plot.into()], |layout| layout.with_x_label(value))
    }

    /// A horizontal bar for each name, made of the percentages of `parts`, the first on top.
    pub(crate) fn stacked(
        title: &str,
        value: &str,
        parts: &[&str],
        bars: &[(String, Vec<f64>)],
    ) -> Self {
        let mut plot = BarPlot::new();
        for (name, values) in bars.iter().rev() {
            plot = plot.with_group(name.as_str(), values.iter().copied().zip(COLORS));
        }
        if !bars.is_empty() {
            // Kuva takes the colours of the legend from the first bar, and panics without one.
            plot = plot.with_legend(parts.to_vec());
        }
        let plot = plot.with_stacked().with_horizontal(true);
        let height = (FRAME + BAR * bars.len() as f64).min(HEIGHT);
        Self::draw(title, vec![plot.into()], |layout| {
            layout
                .with_height(height)
                .with_x_axis_min(0.0)
                .with_x_axis_max(100.0)
                .with_x_label(value)
        })
    }

    /// A small chart of counts over bins; `step` lies between the ticks.
    pub(crate) fn histogram(
        title: &str,
        x: &str,
        edges: Vec<f64>,
        counts: Vec<f64>,
        step: f64,
    ) -> Self {
        let plot = Histogram::new().with_precomputed(edges, counts).with_color(COLORS[0]);
        Self::draw(title, vec![plot.into()], |layout| {
            let layout = layout.with_width(SMALL[0]).with_height(SMALL[1]);
            let layout = layout.with_x_tick_step(step).with_x_tick_format(plain());
            layout.with_x_label(x).with_y_label("detections")
        })
    }

    /// A small chart of areas over steps, one on the other, as far as they can be told apart: a few.
    pub(crate) fn areas(title: &str, x: Axis, y: Axis, series: &[Series]) -> Self {
        let area = |(index, series): (usize, &Series)| {
            let points = shown(series, x, y);
            let line = LinePlot::new().with_data(points).with_color(COLORS[index % COLORS.len()]);
            line.with_step().with_fill().with_legend(&*series.name).into()
        };
        let plots = series.iter().enumerate().map(area).collect();
        Self::draw(title, plots, |layout| {
            let layout = layout.with_width(SMALL[0]).with_height(SMALL[1]);
            let layout = layout.with_legend_position(LegendPosition::InsideTopRight);
            layout.with_x_label(x.label).with_y_label(y.label)
        })
    }

    /// The mean value of `(x, y, value)` points over a plane, as coloured hexagons.
    pub(crate) fn surface(
        title: &str,
        [x, y, value]: [&str; 3],
        points: &[(f64, f64, f64)],
    ) -> Self {
        let finite = |p: &&(f64, f64, f64)| p.0.is_finite() && p.1.is_finite() && p.2.is_finite();
        let points = || points.iter().filter(finite);
        let [across, up] = [range(points().map(|p| p.0)), range(points().map(|p| p.1))];
        let plot = HexbinPlot::new()
            .with_x_range(across.0, across.1)
            .with_y_range(up.0, up.1)
            .with_data(points().map(|p| p.0), points().map(|p| p.1))
            .with_z(points().map(|p| p.2), ZReduce::Mean)
            .with_n_bins(HEXAGONS)
            .with_color_map(ColorMap::Viridis)
            .with_colorbar_label(value);
        Self::draw(title, vec![plot.into()], |layout| {
            layout.with_x_label(x).with_y_label(y).with_equal_aspect()
        })
    }

    /// The chart as an SVG document, which fills what it is put into.
    pub(crate) fn svg(&self) -> String {
        let view = format!("<svg viewBox=\"0 0 {} {}\"", self.scene.width, self.scene.height);
        SvgBackend::default().render_scene(&self.scene).replacen("<svg", &view, 1)
    }

    /// The chart as a PNG file.
    pub(crate) fn png(&self) -> anyhow::Result<Vec<u8>> {
        let png = RasterBackend::new().with_scale(PNG_SCALE).render_scene(&self.scene);
        png.map_err(|problem| anyhow::anyhow!("could not draw the chart as png: {problem}"))
    }

    fn on_axes(title: &str, x: Axis, y: Axis, plots: Vec<Plot>) -> Self {
        // Without a point there is no decade to begin with, and kuva overflows.
        let any = plots.iter().any(|plot| plot.bounds().is_some());
        Self::draw(title, plots, |mut layout| {
            if any && x.scale == Scale::Log {
                layout = layout.with_log_x().with_x_tick_format(plain());
            }
            if any && y.scale == Scale::Log {
                layout = layout.with_log_y().with_y_tick_format(plain());
            }
            layout.with_x_label(x.label).with_y_label(y.label)
        })
    }

    fn draw(title: &str, plots: Vec<Plot>, axes: impl FnOnce(Layout) -> Layout) -> Self {
        let theme = Theme {
            axis_color: "#444".into(),
            grid_color: "#e4e4e4".into(),
            tick_color: "#444".into(),
            text_color: "#222".into(),
            ..Theme::light()
        };
        let layout = Layout::auto_from_plots(&plots)
            .with_theme(theme)
            .with_width(WIDTH)
            .with_height(HEIGHT)
            .with_title(title)
            .with_title_size(20)
            .with_label_size(16)
            .with_tick_size(13)
            .with_body_size(14)
            .with_legend_position(LegendPosition::OutsideRightTop)
            .with_legend_box(false);
        Self { scene: render_multiple(plots, axes(layout)) }
    }
}

fn shown(series: &Series, x: Axis, y: Axis) -> Vec<(f64, f64)> {
    series.points.iter().copied().filter(|&(a, b)| x.shows(a) && y.shows(b)).collect()
}

fn cloud(index: usize, points: Vec<(f64, f64)>, name: &str) -> ScatterPlot {
    ScatterPlot::new()
        .with_data(points)
        .with_color(COLORS[index % COLORS.len()])
        .with_marker(MARKERS[index % MARKERS.len()])
        .with_size(4.5)
        .with_legend(name)
}

/// The points nearest to evenly spaced places on the x axis, moved by a share of their spacing.
fn stations(points: &[(f64, f64)], scale: Scale, shift: f64) -> Vec<(f64, f64)> {
    if points.len() <= STATIONS {
        return points.to_vec();
    }
    let place = |x: f64| if scale == Scale::Log { x.ln() } else { x };
    let places = || points.iter().map(|&(x, _)| place(x));
    let low = places().fold(f64::INFINITY, f64::min);
    let high = places().fold(f64::NEG_INFINITY, f64::max);
    let nearest = |station: usize| {
        let wanted = low + (high - low) * (station as f64 + shift) / STATIONS as f64;
        let distance = |point: &&(f64, f64)| (place(point.0) - wanted).abs();
        points.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).copied()
    };
    (0..STATIONS).filter_map(nearest).collect()
}

/// From the least to the greatest value, and a little beyond.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let margin = if high > low { 0.07 * (high - low) } else { 1.0 };
    (low - margin, high + margin)
}

/// Ticks as 0.01 rather than 1e-2, as long as that is short.
fn plain() -> TickFormat {
    TickFormat::Custom(Arc::new(|value: f64| match value.abs() {
        0.0 => "0".to_owned(),
        1e-4..1e6 => format!("{}", (value * 1e6).round() / 1e6),
        _ => format!("{value:e}"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn race() -> Vec<Series> {
        let names = ["first", "second", "third", "fourth", "a longer name", "last"];
        let curve = |(index, name): (usize, &&str)| {
            let pace = 30.0 + 25.0 * index as f64;
            let error = |step: u32| 8.0 * (-f64::from(step) / pace).exp() + 0.002;
            let points = (1..=400).map(|step| (f64::from(step), error(step))).collect();
            Series { name: (*name).into(), points }
        };
        names.iter().enumerate().map(curve).collect()
    }

    fn disc() -> Vec<(f64, f64, f64)> {
        let point = |i: u32| {
            let radius = 3.0 * (f64::from(i) / 5000.0).sqrt();
            let angle = 2.399963 * f64::from(i);
            let [x, y] = [10.0 + radius * angle.cos(), 10.0 + radius * angle.sin()];
            (x, y, (radius - 1.0).max(0.0).powi(2) + 0.1 * angle.cos())
        };
        (0..5000).map(point).collect()
    }

    fn charts() -> Vec<(&'static str, Chart)> {
        let [step, error] = [Axis::linear("step"), Axis::log("mean error (L1 of the four sides)")];
        let bars: Vec<_> = race().iter().map(|s| (s.name.clone(), s.points[200].1)).collect();
        let part = |s: &Series| (s.name.clone(), vec![30.0, 70.0]);
        let parts: Vec<_> = race().iter().map(part).collect();
        let labels = ["centre x", "centre y", "final error"];
        vec![
            ("lines", Chart::lines("Box regression: error by step", step, error, &race())),
            ("bars", Chart::bars("Error after 200 steps", "mean error", &bars)),
            ("stacked", Chart::stacked("Loss by size", "share, %", &["small", "large"], &parts)),
            ("histogram", Chart::histogram("IoU", "IoU", vec![0.0, 0.5, 1.0], vec![3.0, 4.0], 0.5)),
            ("areas", Chart::areas("Before", step, Axis::linear("share"), &race()[..2])),
            ("surface", Chart::surface("Error by centre, GIoU", labels, &disc())),
        ]
    }

    #[test]
    fn every_chart_is_drawn_in_both_formats() {
        for (name, chart) in charts() {
            assert!(chart.svg().contains("<svg"), "{name}");
            assert!(chart.png().unwrap().starts_with(b"\x89PNG"), "{name}");
            if let Some(folder) = std::env::var_os("DETLOSS_TEST_CHARTS") {
                let file = std::path::Path::new(&folder).join(name);
                std::fs::write(file.with_extension("png"), chart.png().unwrap()).unwrap();
                std::fs::write(file.with_extension("svg"), chart.svg()).unwrap();
            }
        }
    }

    #[test]
    fn charts_of_nothing_and_of_one_point_are_drawn() {
        let [x, y] = [Axis::log("x"), Axis::log("y")];
        let series = |points| [Series { name: "a".into(), points }];
        let unshown = vec![(0.0, 1.0), (1.0, f64::NAN), (f64::INFINITY, 1.0), (-1.0, 1.0)];
        for chart in [
            Chart::lines("t", x, y, &[]),
            Chart::lines("t", x, y, &series(unshown)),
            Chart::lines("t", x, y, &series(vec![(1.0, 1.0)])),
            Chart::lines("t", Axis::linear("x"), y, &series(vec![(0.0, 2.0), (1.0, 2.0)])),
            Chart::bars("t", "v", &[]),
            Chart::bars("t", "v", &[("a".into(), 0.0), ("b".into(), f64::NAN)]),
            Chart::stacked("t", "v", &["a", "b"], &[]),
            Chart::stacked("t", "v", &["a", "b"], &[("c".into(), vec![0.0, 0.0])]),
            Chart::histogram("t", "x", vec![0.0, 1.0], vec![0.0], 0.5),
            Chart::areas("t", Axis::linear("x"), Axis::linear("y"), &[]),
            Chart::surface("t", ["x", "y", "v"], &[]),
            Chart::surface("t", ["x", "y", "v"], &[(1.0, 1.0, 0.0)]),
        ] {
            assert!(!chart.svg().contains("NaN"));
            chart.png().unwrap();
        }
    }

    #[test]
    fn names_are_escaped() {
        let series = [Series { name: "a < b & c".into(), points: vec![(0.0, 1.0), (1.0, 2.0)] }];
        let [x, y] = [Axis::linear("x"), Axis::linear("y")];
        assert!(Chart::lines("t", x, y, &series).svg().contains("a &lt; b &amp; c"));
    }

    #[test]
    fn thirty_five_series_look_different() {
        let look = |i: usize| (i % COLORS.len(), i % MARKERS.len());
        let looks: std::collections::HashSet<_> = (0..35).map(look).collect();
        assert_eq!(looks.len(), 35);
    }
}
