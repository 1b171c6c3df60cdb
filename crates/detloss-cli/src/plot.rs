//! Charts as SVG and PNG, all in one style: one palette, the legend beside the curves, on a telephone below them.

mod dashes;
mod look;

use std::borrow::Cow;
use std::sync::Arc;

use kuva::backend::raster::RasterBackend;
use kuva::backend::svg::SvgBackend;
use kuva::plot::hexbin::{HexbinPlot, ZReduce};
use kuva::plot::{BandPlot, BarPlot, ColorMap, Histogram, LinePlot, ScatterPlot};
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot;
use kuva::render::render::{Scene, render_multiple};
use kuva::render::theme::Theme;

use self::look::{Format, Look};
use crate::text::{self, visible};

/// Height of a stacked bar with its gap, and of what is around all bars.
const BAR: f64 = 42.0;
const FRAME: f64 = 150.0;
/// Pixels of a PNG per unit of the drawing, for screens of high density.
const PNG_SCALE: f32 = 2.0;
/// Hexagons across a surface: fine enough to see a ring, coarse enough to average a few points.
const HEXAGONS: usize = 54;
/// Markers along a curve: enough to tell curves apart, few enough to see them.
const STATIONS: usize = 8;

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
    /// What it shows, for those who cannot see it.
    words: String,
    scene: Scene,
    /// The same for a narrow page; none if it is narrow anyway.
    narrow: Option<Scene>,
}

impl Chart {
    /// A line for each series, with a few markers along it.
    pub(crate) fn lines(title: &str, x: Axis, y: Axis, series: &[Series]) -> Self {
        Self::lines_with_spread(title, x, y, series, &[])
    }

    /// Lines with a band around each: from `spread` below every point to `spread` above it. A series without spread has no band.
    pub(crate) fn lines_with_spread(
        title: &str,
        x: Axis,
        y: Axis,
        series: &[Series],
        spread: &[Vec<f64>],
    ) -> Self {
        let share = 1.0 / series.len().max(1) as f64;
        let plots = |_: &Format| {
            let bands = series.iter().zip(spread).enumerate();
            let mut plots: Vec<Plot> = bands
                .filter_map(|(index, (series, spread))| band(index, series, spread, x, y))
                .collect();
            for (index, series) in series.iter().enumerate() {
                let look = Look::of(index);
                let points = shown(series, x, y);
                // Each series has its own stations, so that markers do not hide one another.
                let marked = stations(&points, x.scale, share * index as f64);
                let marks = ScatterPlot::new()
                    .with_data(marked)
                    .with_color(look.color)
                    .with_marker(look.marker)
                    .with_size(4.5);
                let line = LinePlot::new()
                    .with_data(points)
                    .with_color(look.color)
                    .with_line_style(look.line_style())
                    .with_stroke_width(2.2);
                plots.extend([marks.into(), line.into()]);
            }
            plots
        };
        let names: Vec<&str> = series.iter().map(|series| &*series.name).collect();
        let words = described(title, &format!("{} by {}", y.label, x.label), &names);
        // Without a point there is no decade to begin with, and kuva overflows.
        let any = series.iter().any(|series| !shown(series, x, y).is_empty());
        Self::in_both(title, words, plots, |layout, format| {
            let entry = |(index, name): (usize, &&str)| Look::of(index).curve(label(name));
            let entries = names.iter().enumerate().map(entry).collect();
            let layout = format.with_legend(layout, format.curves(), entries);
            let layout = if any && x.scale == Scale::Log { layout.with_log_x() } else { layout };
            let layout = if any && y.scale == Scale::Log { layout.with_log_y() } else { layout };
            layout.with_x_label(label(x.label)).with_y_label(label(y.label))
        })
    }

    /// A horizontal bar for each name, the first on top; values that are not finite have none.
    pub(crate) fn bars(title: &str, value: &str, bars: &[(String, f64)]) -> Self {
        Self::bars_with_spread(title, value, bars, &[])
    }

    /// Bars with a line from `spread` below the end of each to `spread` above it.
    pub(crate) fn bars_with_spread(
        title: &str,
        value: &str,
        bars: &[(String, f64)],
        spread: &[f64],
    ) -> Self {
        let spread = spread.iter().copied().chain(std::iter::repeat(0.0));
        let bars: Vec<_> =
            bars.iter().zip(spread).filter(|((_, value), _)| value.is_finite()).collect();
        let plots = |format: &Format| {
            let values = bars
                .iter()
                .rev()
                .map(|((name, value), _)| (text::shortened(&label(name), format.name), *value));
            let plot = BarPlot::new()
                .with_bars(values)
                .with_color(Look::of(0).color)
                .with_horizontal(true);
            let has_spread = bars.iter().any(|(_, spread)| *spread > 0.0);
            vec![
                if has_spread {
                    plot.with_error(bars.iter().rev().map(|(_, spread)| *spread))
                } else {
                    plot
                }
                .into(),
            ]
        };
        let names: Vec<&str> = bars.iter().map(|((name, _), _)| &**name).collect();
        let words = described(title, value, &names);
        let rows = bars.len();
        Self::in_both(title, words, plots, |layout, format| {
            layout.with_height(height(rows, format)).with_x_label(label(value))
        })
    }

    /// A horizontal bar for each name, made of the percentages of `parts`, the first on top.
    pub(crate) fn stacked(
        title: &str,
        value: &str,
        parts: &[&str],
        bars: &[(String, Vec<f64>)],
    ) -> Self {
        let plots = |format: &Format| {
            let mut plot = BarPlot::new();
            for (name, values) in bars.iter().rev() {
                let colors = (0..).map(|part| Look::of(part).color);
                let name = text::shortened(&label(name), format.name);
                plot = plot.with_group(name, values.iter().copied().zip(colors));
            }
            vec![plot.with_stacked().with_horizontal(true).into()]
        };
        let names: Vec<&str> = bars.iter().map(|(name, _)| &**name).collect();
        let words = described(title, value, &names);
        Self::in_both(title, words, plots, |layout, format| {
            let entry = |(index, part): (usize, &&str)| Look::of(index).part(label(part));
            let entries = parts.iter().enumerate().map(entry).collect();
            format
                .with_legend(layout, height(bars.len(), format), entries)
                .with_x_axis_min(0.0)
                .with_x_axis_max(100.0)
                .with_x_label(label(value))
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
        let plot = Histogram::new().with_precomputed(edges, counts).with_color(Look::of(0).color);
        let words = described(title, &format!("detections by {x}"), &[]);
        Self::alone(title, words, vec![plot.into()], Format::SMALL, |layout| {
            layout.with_x_tick_step(step).with_x_label(label(x)).with_y_label("detections")
        })
    }

    /// A small chart of areas over steps, one on the other, as far as they can be told apart: a few.
    pub(crate) fn areas(title: &str, x: Axis, y: Axis, series: &[Series]) -> Self {
        let area = |(index, series): (usize, &Series)| {
            let points = shown(series, x, y);
            let line = LinePlot::new().with_data(points).with_color(Look::of(index).color);
            line.with_step().with_fill().with_legend(label(&series.name)).into()
        };
        let plots = series.iter().enumerate().map(area).collect();
        let names: Vec<&str> = series.iter().map(|series| &*series.name).collect();
        let words = described(title, &format!("{} by {}", y.label, x.label), &names);
        Self::alone(title, words, plots, Format::SMALL, |layout| {
            layout.with_x_label(label(x.label)).with_y_label(label(y.label))
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
            .with_colorbar_label(label(value));
        let words = described(title, &format!("{value} by {x} and {y}"), &[]);
        Self::alone(title, words, vec![plot.into()], Format::SQUARE, |layout| {
            layout.with_x_label(label(x)).with_y_label(label(y)).with_equal_aspect()
        })
    }

    /// The chart as an SVG document, which fills what it is put into.
    pub(crate) fn svg(&self) -> String {
        svg(&self.scene, &self.words)
    }

    /// The chart for a narrow page, if that is another.
    pub(crate) fn narrow_svg(&self) -> Option<String> {
        self.narrow.as_ref().map(|scene| svg(scene, &self.words))
    }

    /// The chart as a PNG file.
    pub(crate) fn into_png(mut self) -> anyhow::Result<Vec<u8>> {
        dashes::cut(&mut self.scene);
        let png = RasterBackend::new().with_scale(PNG_SCALE).render_scene(&self.scene);
        png.map_err(|problem| anyhow::anyhow!("could not draw the chart as png: {problem}"))
    }

    /// A chart that is drawn for wide pages and for narrow ones.
    fn in_both(
        title: &str,
        words: String,
        plots: impl Fn(&Format) -> Vec<Plot>,
        axes: impl Fn(Layout, &Format) -> Layout,
    ) -> Self {
        let [scene, narrow] = [Format::WIDE, Format::NARROW]
            .map(|format| draw(title, plots(&format), &format, |layout| axes(layout, &format)));
        Self { words, scene, narrow: Some(narrow) }
    }

    /// A chart that is small enough for any page.
    fn alone(
        title: &str,
        words: String,
        plots: Vec<Plot>,
        format: Format,
        axes: impl FnOnce(Layout) -> Layout,
    ) -> Self {
        Self { words, scene: draw(title, plots, &format, axes), narrow: None }
    }
}

fn draw(
    title: &str,
    plots: Vec<Plot>,
    format: &Format,
    axes: impl FnOnce(Layout) -> Layout,
) -> Scene {
    // Pages know these colours, and change them in the dark (report.css).
    let theme = Theme {
        axis_color: "#444".into(),
        grid_color: "#e4e4e4".into(),
        tick_color: "#444".into(),
        text_color: "#222".into(),
        ..Theme::light()
    };
    let layout = Layout::auto_from_plots(&plots).with_theme(theme);
    let layout = format.lay_out(layout, &label(title)).with_tick_format(plain());
    render_multiple(plots, axes(layout))
}

/// A document with a view box, so that it fits any width, and with words for readers of screens.
fn svg(scene: &Scene, words: &str) -> String {
    let document = SvgBackend::default().render_scene(scene);
    let open = format!("<svg viewBox=\"0 0 {} {}\" role=\"img\"", scene.width, scene.height);
    let document = document.replacen("<svg", &open, 1);
    document.replacen('>', &format!("><title>{}</title>", escaped(words)), 1)
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What a chart shows, in a line.
fn described(title: &str, axes: &str, names: &[&str]) -> String {
    let title = (!title.is_empty()).then_some(title);
    let head = title.into_iter().chain([axes]).collect::<Vec<_>>().join(": ");
    let words = if names.is_empty() { head } else { format!("{head}; {}", names.join(", ")) };
    visible(&words).into_owned()
}

/// Words as a chart takes them: kuva would read what stands between two dollars as mathematics.
fn label(words: &str) -> String {
    let words: Cow<str> = visible(words);
    words.replace('$', "\\$")
}

/// Room for a number of bars and their names.
fn height(bars: usize, format: &Format) -> f64 {
    let bars = bars as f64;
    let least = FRAME + bars * 1.6 * f64::from(format.tick);
    (FRAME + BAR * bars).min(format.height).max(least)
}

/// The band around a series, as far as the axes can show it.
fn band(index: usize, series: &Series, spread: &[f64], x: Axis, y: Axis) -> Option<Plot> {
    let ends = series.points.iter().zip(spread);
    let ends = ends.map(|(&(at, value), spread)| (at, value - spread, value + spread));
    let is_shown =
        |&(at, low, high): &(f64, f64, f64)| x.shows(at) && y.shows(low) && y.shows(high);
    let ends: Vec<_> = ends.filter(is_shown).collect();
    let is_band = ends.iter().any(|(_, low, high)| high > low);
    let [places, low, high] = [0, 1, 2].map(|of: usize| {
        ends.iter().map(move |&(at, low, high)| [at, low, high][of]).collect::<Vec<f64>>()
    });
    let band = BandPlot::new(places, low, high).with_color(Look::of(index).color);
    is_band.then(|| band.with_opacity(0.18).into())
}

fn shown(series: &Series, x: Axis, y: Axis) -> Vec<(f64, f64)> {
    series.points.iter().copied().filter(|&(a, b)| x.shows(a) && y.shows(b)).collect()
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
        // Steps of a huge axis are not whole to the last digit.
        _ => format!("{:e}", format!("{value:.4e}").parse().unwrap_or(value)),
    }))
}

#[cfg(test)]
mod tests;
