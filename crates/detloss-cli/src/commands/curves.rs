//! `detloss curves`: losses over one axis, and their slopes.

mod axis;

use detloss::scalar::dual::Gradient;
use serde::Serialize;

use self::axis::Along;
use super::eval::{EvalTarget, Input};
use crate::chain;
use crate::choice::{self, Chosen};
use crate::cli::{AxisName, CurvesArgs};
use crate::output::{CliError, make_folder, print, print_json, save};
use crate::plot::{Axis, Chart, Series};

/// How many points make a curve: an odd number, so that the middle is one of them.
const POINTS: u32 = 601;

/// Longer titles name some of the losses only: the legend has them all.
const TITLE: usize = 120;

/// A loss along an axis.
#[derive(Serialize)]
struct Curve {
    /// What tells it from the other curves, once [`split_title`] has run.
    #[serde(rename = "name", serialize_with = "joined")]
    words: Vec<String>,
    loss: String,
    params: serde_json::Map<String, serde_json::Value>,
    points: Vec<Point>,
}

impl Curve {
    fn name(&self) -> String {
        self.words.join(", ")
    }
}

/// A loss at one place of an axis.
#[derive(Serialize)]
struct Point {
    x: f64,
    value: f64,
    slope: f64,
}

fn joined<S: serde::Serializer>(words: &[String], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&words.join(", "))
}

/// Draws curves.
pub(crate) fn run(args: &CurvesArgs, json: bool) -> Result<(), CliError> {
    let chosen = choice::every(&choice::unique(args.losses.clone()), &args.params)?;
    let axis = common_axis(&chosen, args.axis)?;
    let range = range(axis, &args.range)?;
    let mut curves = Vec::new();
    for chosen in &chosen {
        curves.extend(trace(chosen, axis, range, &args.log_variance)?);
    }
    let title = split_title(&mut curves);
    let files = write(args, axis, &title, &curves)?;
    if json {
        return print_json(&serde_json::json!({
            "title": title,
            "axis": axis.label(),
            "slope_by": axis.by(),
            "curves": curves,
            "files": files,
        }));
    }
    print(&files.iter().map(|file| format!("{file}\n")).collect::<String>())
}

fn common_axis(chosen: &[Chosen], wanted: Option<AxisName>) -> Result<AxisName, CliError> {
    let entry = chosen[0].entry;
    let no_axis = |loss: &str| {
        CliError::Usage(format!(
            "{loss} has no curve: draw a loss of boxes, values, scores, classes or masks"
        ))
    };
    let axis = wanted.or_else(|| AxisName::of(entry)).ok_or_else(|| no_axis(entry.name))?;
    match chosen.iter().find(|chosen| !axis.fits(chosen.entry)) {
        None => Ok(axis),
        Some(stranger) => {
            let own = AxisName::of(stranger.entry).ok_or_else(|| no_axis(stranger.entry.name))?;
            Err(CliError::Usage(format!(
                "{} does not lie over the {}: draw it over the {}, in a figure of its own",
                stranger.entry.name,
                axis.label(),
                own.label()
            )))
        }
    }
}

fn range(axis: AxisName, given: &[f64]) -> Result<(f64, f64), CliError> {
    let (least, most) = axis.limits();
    match *given {
        [] => Ok(axis.range()),
        [from, to] if least <= from && from < to && to <= most => Ok((from, to)),
        _ => Err(CliError::Usage(format!(
            "--range is no range of the {}: give two numbers, the smaller first, such as --range={},{}",
            axis.label(),
            axis.range().0,
            axis.range().1
        ))),
    }
}

/// The curves of a loss: one, or one for each log variance if its predictions have one.
fn trace(
    chosen: &Chosen,
    axis: AxisName,
    (from, to): (f64, f64),
    log_variances: &[f64],
) -> Result<Vec<Curve>, CliError> {
    let (kernel, entry) = (chosen.kernel(), chosen.entry);
    let target = axis.target(entry);
    let curve = |more: Option<f64>| {
        let point = |step: u32| {
            let share = f64::from(step) / f64::from(POINTS - 1);
            let x = from * (1.0 - share) + to * share;
            let mut pred = axis.pred(entry, x);
            pred.extend(more.map(Along::constant));
            let fields: Vec<f64> = pred.iter().map(|field| field.value()).collect();
            let input = Input::new(entry, &fields, EvalTarget::Fields(&target));
            let answer = input.evaluate(kernel)?;
            let [slope] = chain::by_inputs(&pred, &answer.gradient);
            Ok(Point { x, value: answer.value, slope })
        };
        let mut words = chosen.words();
        words.extend(more.map(|log_variance| format!("ln σ² = {log_variance}")));
        let points = (0..POINTS).map(point).collect::<Result<_, CliError>>()?;
        Ok(Curve { words, loss: chosen.name.clone(), params: chosen.params(), points })
    };
    if entry.signature.pred.fields().len() > axis.pred(entry, from).len() {
        log_variances.iter().map(|&log_variance| curve(Some(log_variance))).collect()
    } else {
        Ok(vec![curve(None)?])
    }
}

/// Moves what all curves of a loss have in common into the title, so that the legend says only what differs.
fn split_title(curves: &mut [Curve]) -> String {
    let several_losses = curves.iter().any(|curve| curve.loss != curves[0].loss);
    let mut title = Vec::new();
    for of_loss in curves.chunk_by_mut(|a, b| a.loss == b.loss) {
        let (first, more) = of_loss.split_first().expect("a chunk has a curve");
        let (label, settings) =
            first.words.split_first().expect("a curve has the label of its loss");
        let shared: Vec<String> = settings
            .iter()
            .filter(|word| more.iter().all(|curve| curve.words.contains(word)))
            .cloned()
            .collect();
        title.push(match (several_losses, shared.is_empty()) {
            (_, true) => label.clone(),
            (true, false) => format!("{label} ({})", shared.join(", ")),
            (false, false) => format!("{label}, {}", shared.join(", ")),
        });
        // The label alone tells nothing where all curves are of one loss, unless there is nothing else to say.
        let needs_label = several_losses || more.is_empty();
        for curve in of_loss {
            curve.words.retain(|word| !shared.contains(word));
            if !needs_label {
                curve.words.remove(0);
            }
        }
    }
    at_most(TITLE, &title)
}

/// These between commas, as many of them as fit into a number of letters, and how many more there are.
fn at_most(letters: usize, words: &[String]) -> String {
    let mut text = words[0].clone();
    for (place, word) in words.iter().enumerate().skip(1) {
        if text.chars().count() + word.chars().count() > letters {
            return format!("{text} and {} more", words.len() - place);
        }
        text = format!("{text}, {word}");
    }
    text
}

/// Writes pictures and points; the names of the files.
fn write(
    args: &CurvesArgs,
    axis: AxisName,
    title: &str,
    curves: &[Curve],
) -> Result<Vec<String>, CliError> {
    let name = choice::bounded(&choice::file_name(&args.losses.join("-")));
    let x = Axis::linear(axis.label());
    let y = format!("slope by the {}", axis.by());
    let value = Chart::lines(title, x, Axis::linear("loss"), &series(curves, |point| point.value));
    let slope_title = format!("{title}: slope");
    let slope =
        Chart::lines(&slope_title, x, Axis::linear(&y), &series(curves, |point| point.slope));
    make_folder(&args.out)?;
    let mut files = Vec::new();
    for (chart, stem) in [(value, name.clone()), (slope, format!("{name}-slope"))] {
        files.push(save(&args.out, &format!("{stem}.svg"), chart.svg().as_bytes())?);
        files.push(save(&args.out, &format!("{stem}.png"), &chart.into_png()?)?);
    }
    files.push(save(&args.out, &format!("{name}.csv"), &points(curves)?)?);
    Ok(files)
}

fn series(curves: &[Curve], y: impl Fn(&Point) -> f64) -> Vec<Series> {
    let series = |curve: &Curve| Series {
        name: curve.name(),
        points: curve.points.iter().map(|point| (point.x, y(point))).collect(),
    };
    curves.iter().map(series).collect()
}

fn points(curves: &[Curve]) -> Result<Vec<u8>, CliError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["curve", "x", "value", "slope"]).map_err(CliError::failure)?;
    for curve in curves {
        for point in &curve.points {
            let numbers = [point.x, point.value, point.slope].map(|number| number.to_string());
            let name = curve.name();
            let record = std::iter::once(&name).chain(&numbers);
            writer.write_record(record).map_err(CliError::failure)?;
        }
    }
    writer.into_inner().map_err(CliError::failure)
}
