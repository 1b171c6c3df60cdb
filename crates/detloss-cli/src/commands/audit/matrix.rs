//! A confusion matrix as a drawing.

use std::fmt::Write;

/// The side of a cell, in units of the drawing.
const CELL: usize = 34;

/// What a page has room for.
pub(super) struct Room {
    /// More classes are no longer legible.
    most: usize,
    /// The width of the names of rows, and the least width, in units of the drawing.
    names: usize,
    least: usize,
    /// The longest name, in letters.
    letters: usize,
}

/// A page on a desk.
pub(super) const BROAD: Room = Room { most: 24, names: 150, least: 640, letters: 18 };

/// One on a telephone.
pub(super) const SLIM: Room = Room { most: 6, names: 100, least: 360, letters: 12 };

/// The matrix of the classes that are mistaken most, in their order, and of background, which is the last; none without classes.
pub(super) fn heat_map(names: &[&str], counts: &[Vec<usize>], room: &Room) -> Option<String> {
    let Room { most, names: beside, least, letters } = *room;
    let background = names.len();
    let mistakes = |class: usize| {
        let of_row: usize = counts[class].iter().sum();
        let of_column: usize = counts.iter().map(|row| row[class]).sum();
        of_row + of_column - 2 * counts[class][class]
    };
    let mut shown: Vec<usize> =
        (0..background).filter(|&class| mistakes(class) + counts[class][class] > 0).collect();
    shown.sort_by_key(|&class| std::cmp::Reverse(mistakes(class)));
    shown.truncate(most);
    shown.sort_unstable();
    if shown.is_empty() {
        return None;
    }
    shown.push(background);
    let name = |class: usize| {
        let name = names.get(class).copied().unwrap_or("background");
        let name = crate::text::shortened(&crate::text::visible(name), letters);
        name.replace('&', "&amp;").replace('<', "&lt;")
    };
    let height = beside + CELL * shown.len();
    // Room for the last name, which leans to the right; and few classes are not blown up.
    let width = (height + beside / 2).max(least);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" font-size=\"12\"><title>Confusion matrix</title>"
    );
    for (place, &class) in shown.iter().enumerate() {
        let middle = beside + CELL * place + CELL / 2;
        let name = name(class);
        let edge = beside - 6;
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
            let x = beside + CELL * column;
            let y = beside + CELL * place;
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
        let svg = heat_map(&["<cat>", "dog"], &counts, &BROAD).unwrap();
        assert!(svg.contains("&lt;cat>") && svg.contains("dog") && svg.contains("background"));
        assert_eq!(svg.matches("<rect").count(), 9);
        assert_eq!(heat_map(&[], &[vec![0]], &BROAD), None);
        let many = vec![vec![1; 41]; 41];
        let names = ["x"; 40];
        for (room, side) in [(BROAD, 25), (SLIM, 7)] {
            let svg = heat_map(&names, &many, &room).unwrap();
            assert_eq!(svg.matches("<rect").count(), side * side);
        }
        // On a telephone of 400 pixels, letters of twelve units are ten pixels or more.
        let slim = heat_map(&names, &many, &SLIM).unwrap();
        let width = slim.strip_prefix("<svg viewBox=\"0 0 ").unwrap().split(' ').next().unwrap();
        assert!(width.parse::<f64>().unwrap() <= 12.0 * 400.0 / 10.0, "{width}");
    }
}
