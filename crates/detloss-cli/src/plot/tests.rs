//! Charts are drawn, and look as they should.

use super::look::LOOKS;
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
        let [svg, narrow] = [Some(chart.svg()), chart.narrow_svg()];
        let png = chart.into_png().unwrap();
        assert!(png.starts_with(b"\x89PNG"), "{name}");
        if let Some(folder) = std::env::var_os("DETLOSS_TEST_CHARTS") {
            let file = std::path::Path::new(&folder).join(name);
            std::fs::write(file.with_extension("png"), png).unwrap();
            for (end, svg) in [("svg", svg), ("narrow.svg", narrow)] {
                std::fs::write(file.with_extension(end), svg.unwrap_or_default()).unwrap();
            }
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
        chart.into_png().unwrap();
    }
}

#[test]
fn names_are_escaped() {
    let series = [Series { name: "a < b & c".into(), points: vec![(0.0, 1.0), (1.0, 2.0)] }];
    let [x, y] = [Axis::linear("x"), Axis::linear("y")];
    assert!(Chart::lines("t", x, y, &series).svg().contains("a &lt; b &amp; c"));
}

/// Curves of one point each, in as many series as there are looks.
fn many(names: impl Iterator<Item = String>) -> Vec<Series> {
    let series = |(index, name): (usize, String)| {
        let points = (0..50).map(|x| (f64::from(x), index as f64 + f64::from(x) / 50.0)).collect();
        Series { name, points }
    };
    names.enumerate().map(series).collect()
}

#[test]
fn eight_and_more_curves_differ_in_colour_or_in_dashes() {
    let looks: std::collections::HashSet<_> =
        (0..LOOKS).map(Look::of).map(|look| (look.color, look.dashes)).collect();
    assert_eq!(looks.len(), LOOKS);
    let [x, y] = [Axis::linear("x"), Axis::linear("y")];
    let curves = many((0..LOOKS).map(|index| format!("curve {index}")));
    let svg = Chart::lines("t", x, y, &curves).svg();
    assert!(svg.matches("stroke-dasharray").count() >= 2 * (LOOKS - 7));
    // A picture of pixels has the dashes, too, which kuva itself leaves out.
    let eight = Chart::lines("t", x, y, &curves[..8]);
    let solid = RasterBackend::new().with_scale(PNG_SCALE).render_scene(&eight.scene).unwrap();
    let before = eight.scene.elements.len();
    assert!(eight.into_png().unwrap() != solid);
    let mut eight = Chart::lines("t", x, y, &curves[..8]);
    dashes::cut(&mut eight.scene);
    assert!(eight.scene.elements.len() > before + 20);
}

#[test]
fn a_legend_has_room_for_all_its_names() {
    let parts = ["Cls", "Loc", "Both", "Dupe", "Bkg", "right", "beyond all limits"];
    let bar = ("Focal".to_owned(), vec![10.0; 7]);
    let curves = many((0..LOOKS).map(|index| format!("a curve of some length {index}")));
    let [x, y] = [Axis::linear("x"), Axis::linear("y")];
    for (chart, names) in [
        (Chart::stacked("t", "share, %", &parts, &[bar]), 7),
        (Chart::lines("t", x, y, &curves), LOOKS),
    ] {
        for svg in [chart.svg(), chart.narrow_svg().unwrap()] {
            let number = |text: &str, name: &str| -> f64 {
                text.split(name).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
            };
            let high = number(&svg, " height=\"");
            let is_name = |text: &&str| text.contains("text-anchor=\"start\"");
            let places =
                svg.split("<text").skip(1).filter(is_name).map(|text| number(text, " y=\""));
            let places: Vec<f64> = places.collect();
            assert_eq!(places.len(), names, "{svg}");
            assert!(places.iter().all(|place| place + 4.0 < high), "{high}: {places:?}");
        }
    }
}

#[test]
fn a_long_title_stands_in_several_lines() {
    let title = ["Gaussian focal"; 9].join(", ");
    let [x, y] = [Axis::linear("x"), Axis::linear("y")];
    let chart = Chart::lines(&title, x, y, &many(["a".to_owned()].into_iter()));
    for svg in [chart.svg(), chart.narrow_svg().unwrap()] {
        let words = svg.split_once("</title>").unwrap().1;
        let longest = words.split("<text").filter_map(|text| text.split('>').nth(1));
        let longest = longest.map(|text| text.trim_end_matches("</text").chars().count()).max();
        assert!(longest.unwrap() <= 80, "{words}");
        assert!(words.matches("Gaussian").count() == 9, "{words}");
    }
}

#[test]
fn ticks_of_huge_and_tiny_ranges_are_short() {
    let [x, y] = [Axis::linear("x"), Axis::linear("y")];
    for end in [1e300, 2e-9, 0.02, 3.0, 12_345_678.0] {
        let points = vec![(-end, -end), (0.0, 0.0), (end, end)];
        let svg = Chart::lines("t", x, y, &[Series { name: "a".into(), points }]).svg();
        for text in svg.split("<text").skip(1) {
            let text = text.split('>').nth(1).unwrap().trim_end_matches("</text");
            assert!(text.chars().count() <= 10, "{text}");
            assert!(end != 0.02 || !text.contains('e'), "{text}");
        }
    }
}

#[test]
fn bands_and_lines_show_how_far_values_spread() {
    let [x, y] = [Axis::linear("x"), Axis::linear("y")];
    let series = many(["a", "b"].map(str::to_owned).into_iter());
    let plain = Chart::lines("t", x, y, &series).svg();
    let spread = [vec![0.3; 50], vec![0.0; 50]];
    let banded = Chart::lines_with_spread("t", x, y, &series, &spread).svg();
    let bands = |svg: &str| {
        svg.matches("fill-opacity=\"0.18\"").count() + svg.matches(" opacity=\"0.18\"").count()
    };
    assert_eq!((bands(&plain), bands(&banded)), (0, 1), "{banded}");
    // What a logarithmic axis cannot show has no band, and is no error.
    let log = Chart::lines_with_spread("t", x, Axis::log("y"), &series, &[vec![1e9; 50], vec![]]);
    assert!(!log.svg().contains("NaN"));

    let bars = ["a", "b", "c"].map(|name| (name.to_owned(), 1.0));
    let lines = |svg: String| svg.matches("<line").count();
    let plain = lines(Chart::bars("t", "v", &bars).svg());
    let spread = lines(Chart::bars_with_spread("t", "v", &bars, &[0.1, 0.2, 0.3]).svg());
    assert!(spread >= plain + 3);
}

#[test]
fn a_chart_says_what_it_shows_to_those_who_do_not_see_it() {
    let series = many(["a < b", "c"].map(str::to_owned).into_iter());
    let chart = Chart::lines("Errors", Axis::linear("step"), Axis::linear("error"), &series);
    for svg in [chart.svg(), chart.narrow_svg().unwrap()] {
        let head = "role=\"img\"";
        let title = "><title>Errors: error by step; a &lt; b, c</title>";
        assert!(svg.starts_with("<svg viewBox=") && svg.contains(head) && svg.contains(title));
    }
}

#[test]
fn controls_and_dollars_in_names_are_seen_in_pictures() {
    let series = many(["tri\u{1b}[31mangle\u{202e}", "$a$"].map(str::to_owned).into_iter());
    let svg = Chart::lines("t\n", Axis::linear("x"), Axis::linear("y"), &series).svg();
    assert!(
        svg.contains("tri\\u001b[31mangle\\u202e</text>") && svg.contains(">$a$</text>"),
        "{svg}"
    );
    assert!(!svg.contains(crate::text::is_unseen));
}
