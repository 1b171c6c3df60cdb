//! Modified losses.

use crate::loss::Param;
use crate::loss::modifiers::{self, Modifier};
use crate::losses::{AnyLoss, Entry};

/// The loss with every modifier that it takes, one at a time: at its defaults and at the ends of the ranges of its parameters.
/// Then with all of these at their defaults, as far as they go together.
#[must_use]
pub fn modified(entry: &Entry) -> Vec<AnyLoss> {
    let plain = entry.make();
    let takes = |modifier: &&Modifier| plain.clone().modified(modifier.name, &[]).is_ok();
    let mut losses = Vec::new();
    for modifier in modifiers::ALL.iter().filter(takes) {
        let settings = settings(modifier.params);
        // What is left out are parameters that do not go together.
        losses.extend(
            settings
                .iter()
                .filter_map(|setting| plain.clone().modified(modifier.name, setting).ok()),
        );
    }
    if !losses.is_empty() {
        losses.push(modifiers::ALL.iter().filter(takes).fold(plain.clone(), |loss, modifier| {
            loss.clone().modified(modifier.name, &[]).unwrap_or(loss)
        }));
    }
    losses
}

/// Every parameter at its default and at both ends of its range, with every other.
fn settings(params: &'static [Param]) -> Vec<Vec<(&'static str, f64)>> {
    let mut settings = vec![Vec::new()];
    for param in params {
        let (low, high) = param.range;
        let mut values = vec![param.default];
        values.extend([low, high].into_iter().filter(|&end| end != param.default));
        let with = |setting: &Vec<_>, value| [&setting[..], &[(param.name, value)]].concat();
        settings = settings
            .iter()
            .flat_map(|setting| values.iter().map(move |&value| with(setting, value)))
            .collect();
    }
    settings
}
