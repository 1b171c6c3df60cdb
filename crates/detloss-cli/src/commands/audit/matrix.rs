//! A confusion matrix as a drawing.

use std::fmt::Write;

/// More classes are no longer legible.
const MOST: usize = 24;

/// The side of a cell, the width of the names of rows, and the least width, in units of the drawing.
const CELL: usize = 34;
const NAMES: usize = 150;
const LEAST: usize = 640;
/// The longest name, in letters.
const LETTERS: usize = 18;

/// The matrix of the classes that are mistaken most, in their order, and of background, which is the last; none without classes.
pub(super) fn heat_map(names: &[&str], counts: &[Vec<usize>]) -> Option<String> {
    let background = names.len();
    let mistakes = |class: usize| {
        let of_row: usize = counts[class].iter().sum();
        let of_column: usize = counts.iter().map(|row| row[class]).sum();
        of_row + of_column - 2 * counts[class][class]
    };
    let mut shown: Vec<usize> =
        (0..background).filter(|&class| mistakes(class) + counts[class][class] > 0).collect();
    shown.sort_by_key(|&class| std::cmp::Reverse(mistakes(class)));
    shown.truncate(MOST);
    shown.sort_unstable();
    if shown.is_empty() {
        return None;
    }
    shown.push(background);
    let name = |class: usize| {
        let name = names.get(class).copied().unwrap_or("background");
        let name = crate::text::shortened(&crate::text::visible(name), LETTERS);
        name.replace('&', "&amp;").replace('<', "&lt;")
    };
    let height = NAMES + CELL * shown.len();
    // Room for the last name, which leans to the right; and few classes are not blown up.
    let width = (height + NAMES / 2).max(LEAST);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" font-size=\"12\"><title>Confusion matrix</title>"
    );
    for (place, &class) in shown.iter().enumerate() {
        let middle = NAMES + CELL * place + CELL / 2;
        let name = name(class);
        let edge = NAMES - 6;
        _ = write!(
            svg,
            "<text x=\"{edge}\" y=\"{}\" text-anchor=\"end\">{name}</text>\
             <text transform=\"translate({},{edge}) rotate(-60)\">{name}</text>",
            middle + 4,
            middle + 4,
        );
        let all = counts[class].iter().sum::<usize>().max(1);
        for (column, &predicted) in shown.iter().enumerate() {
            let count = counts[class][predicted];
            let x = NAMES + CELL * column;
            let y = NAMES + CELL * place;
            let opacity = count as f64 / all as f64;
            _ = write!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\" fill=\"#0072B2\" fill-opacity=\"{:.2}\" \
                 stroke=\"#e4e4e4\"/>",
                0.75 * opacity
            );
            if count > 0 {
                _ = write!(
                    svg,
                    "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{count}</text>",
                    x + CELL / 2,
                    y + CELL / 2 + 4
                );
            }
        }
    }
    svg.push_str("</svg>");
    Some(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heat_map_has_the_names_and_counts_that_there_are() {
        let counts = vec![vec![5, 2, 0], vec![0, 0, 0], vec![1, 0, 0]];
        let svg = heat_map(&["<cat>", "dog"], &counts).unwrap();
        assert!(svg.contains("&lt;cat>") && svg.contains("dog") && svg.contains("background"));
        assert_eq!(svg.matches("<rect").count(), 9);
        assert_eq!(heat_map(&[], &[vec![0]]), None);
        let many = vec![vec![1; 41]; 41];
        let names = ["x"; 40];
        assert_eq!(heat_map(&names, &many).unwrap().matches("<rect").count(), 25 * 25);
    }
}
