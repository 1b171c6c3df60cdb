//! Words and numbers as a terminal shows them.

use detloss::loss::{Param, ParamKind};

/// How wide text is set where no terminal says otherwise, and at most.
const WIDEST: usize = 100;

/// How many columns running text may take.
pub(crate) fn width() -> usize {
    full_width().clamp(40, WIDEST)
}

/// How many columns the terminal has.
pub(crate) fn full_width() -> usize {
    terminal_size::terminal_size().map_or(WIDEST, |(columns, _)| columns.0.into())
}

/// A number to ten significant digits: what arithmetic leaves behind the tenth is no news to a reader.
pub(crate) fn number(value: f64) -> String {
    let rounded = format!("{value:.9e}").parse().unwrap_or(value);
    match rounded {
        0.0 => "0".to_owned(),
        small_or_large
            if !(1e-4..1e10).contains(&f64::abs(small_or_large)) && value.is_finite() =>
        {
            format!("{rounded:e}")
        }
        _ => format!("{rounded}"),
    }
}

/// A share in hundredths.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Numbers between commas.
pub(crate) fn numbers(values: &[f64]) -> String {
    values.iter().map(|&value| number(value)).collect::<Vec<_>>().join(", ")
}

/// The value of a parameter.
pub(crate) fn param(param: &Param, value: f64) -> String {
    if param.kind == ParamKind::Switch { param.show(value) } else { number(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_four_digits_at_most() {
        assert_eq!(percent(0.12345), "12.3 %");
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.1 + 0.2, "0.3"),
            (-0.0, "0"),
            (1e-12, "1e-12"),
            (f64::INFINITY, "inf"),
            (2.0 / 3.0, "0.6666666667"),
            (-1e6, "-1000000"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
