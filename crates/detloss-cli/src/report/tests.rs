//! What every page has.

use super::*;
use crate::plot::{Axis, Series};
use crate::table::Column;

fn report() -> String {
    let mut table = Table::new([Column::words("loss"), Column::numbers("AP")]);
    table.push(["<giou>", "0.5"]);
    let mut report = Report::new("Race & rank", "Which loss is fastest?");
    report.section("Result").prose("a < b").table(&table, "AP by loss");
    let series = [Series { name: "a".into(), points: vec![(0.0, 1.0), (1.0, 2.0)] }];
    let chart = Chart::lines("Errors", Axis::linear("x"), Axis::linear("y"), &series);
    report.section("Result").chart(&chart, "Error by step").charts(&[chart], "The same");
    report.section("  (…)").figure("<svg id=\"x\"></svg>", "<svg id=\"y\"></svg>", "A drawing");
    report.input("annotations", Path::new("no-such.json"));
    report.to_html()
}

#[test]
fn words_are_escaped_and_drawings_are_not() {
    let page = report();
    for part in ["<title>Race &amp; rank", "a &lt; b", "&lt;giou&gt;", "<svg id=\"x\">"] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
}

#[test]
fn numbers_have_the_class_that_aligns_them() {
    let cells =
        "<td data-label=\"loss\">&lt;giou&gt;</td><td class=\"number\" data-label=\"AP\">0.5</td>";
    assert!(report().contains(cells));
}

#[test]
fn nothing_is_fetched_and_only_the_script_that_sorts_runs() {
    let page = report().replace("http://www.w3.org/2000/svg", "");
    for part in ["http", "<link", "@import", "src=", "fetch(", " on", "javascript:"] {
        assert!(
            !page.contains(part) || part == " on" && !page.contains("\" on"),
            "{part} is in {page}"
        );
    }
    assert_eq!(page.matches("<script").count(), 1);
    let urls = page.matches("url(").count();
    assert_eq!(urls, page.matches("url(#kuva-clip-").count());
}

#[test]
fn a_page_names_its_command_its_date_and_its_inputs() {
    let page = report();
    let source = &page[page.find("<dl class=\"source\">").unwrap()..page.find("</dl>").unwrap()];
    assert!(source.contains("<dt>Command</dt><dd><code>detloss"), "{source}");
    assert!(source.contains("<dt>Date</dt><dd>20") && source.contains(" UTC</dd>"), "{source}");
    assert!(source.contains("<dt>annotations</dt><dd>no-such.json "), "{source}");
}

#[test]
fn sections_have_anchors_of_their_own_and_are_linked() {
    let page = report();
    for id in ["result", "result-2", "section"] {
        assert!(page.contains(&format!("<h2 id=\"{id}\">")), "{id} is missing in {page}");
        assert_eq!(page.matches(&format!("href=\"#{id}\"")).count(), 2);
    }
    assert!(!Report::new("t", "l").to_html().contains("<nav"));
}

#[test]
fn charts_have_a_form_for_telephones_and_words_for_those_who_do_not_see_them() {
    let page = report();
    // A chart, and a drawing that is given in both forms.
    assert_eq!(page.matches("class=\"plot broad\"").count(), 2);
    assert_eq!(page.matches("class=\"plot slim\"").count(), 2);
    assert_eq!(page.matches("<title>Errors: y by x; a</title>").count(), 3);
}

#[test]
fn the_page_knows_the_colours_of_charts() {
    let series =
        (0..7).map(|at| Series { name: at.to_string(), points: vec![(0.0, 1.0), (1.0, 2.0)] });
    let series: Vec<Series> = series.collect();
    let svg = Chart::lines("t", Axis::linear("x"), Axis::linear("y"), &series).svg();
    let css = include_str!("page.css");
    for line in
        css.lines().filter(|line| line.starts_with(".plot ") || line.starts_with("  .plot ["))
    {
        for color in line.split("=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            // That of the whiskers of bars is kuva's own.
            assert!(svg.contains(&format!("=\"{color}\"")) || color == "#1a1a1a", "{color}: {svg}");
        }
    }
}

#[test]
fn a_table_is_a_list_of_its_rows_where_it_does_not_fit() {
    let wide = Table::new((0..18).map(|at| Column::numbers(format!("column {at}"))));
    let narrow = Table::new([Column::words("loss"), Column::numbers("AP")]);
    assert_eq!([width(&narrow), width(&wide)], [18, 72]);
    let mut report = Report::new("t", "l");
    report.table(&wide, "wide").table(&narrow, "narrow").table(&narrow, "again");
    let page = report.to_html();
    for (rule, count) in
        [("(max-width: 72rem)", 1), ("(max-width: 18rem)", 1), ("(max-width: 42rem)", 0)]
    {
        assert_eq!(page.matches(rule).count(), count, "{rule}");
    }
    assert!(!page.contains("WIDTH"));
}

#[test]
fn controls_are_seen_on_pages() {
    let mut table = Table::new([Column::words("na\u{1b}me")]);
    table.push(["a\u{202e}b"]);
    let mut report = Report::new("t", "lead \u{7}");
    report.section("h\u{202e}").prose("p\u{9b}").table(&table, "c\u{1b}");
    let page = report.to_html();
    let unseen = |letter: char| crate::text::is_unseen(letter) && letter != '\n';
    assert!(!page.contains(unseen), "{page}");
    assert!(page.contains("a\\u202eb") && page.contains("na\\u001bme"));
}
