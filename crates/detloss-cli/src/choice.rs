//! Which loss is meant, with which parameters.

use std::collections::HashSet;
use std::str::FromStr;

use detloss::batch::Kernel;
use detloss::loss::{Param, ParamKind};
use detloss::losses::{AnyLoss, Entry};
use detloss::operand::Kind;
use detloss::signature::Signature;

use crate::output::CliError;

/// Numbers of more characters are written with a power of ten.
const LONG: usize = 12;

/// The longest name of a file, in bytes, before what is added to it: far below the 255 that systems take.
const LONGEST_NAME: usize = 80;

/// The kind of boxes that a loss takes two of; None if it takes anything else.
pub(crate) fn kind_of_boxes(entry: &Entry) -> Option<Kind> {
    let Signature { pred, target, .. } = entry.signature;
    (pred == target && name_of_boxes(pred).is_some()).then_some(pred)
}

/// Whether a loss is one of two axis-aligned boxes.
pub(crate) fn is_of_two_boxes(entry: &Entry) -> bool {
    kind_of_boxes(entry) == Some(Kind::Box)
}

/// Boxes of a kind in words; None if it is no box.
pub(crate) fn name_of_boxes(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Box => Some("axis-aligned boxes"),
        Kind::RotatedBox => Some("rotated boxes"),
        Kind::Box3d | Kind::YawBox => Some("boxes in space"),
        _ => None,
    }
}

/// A loss that does not exist, or not so, was asked for.
impl From<detloss::Error> for CliError {
    fn from(error: detloss::Error) -> Self {
        match error {
            detloss::Error::UnknownLoss { .. } => {
                Self::Usage(format!("{error} (`detloss list` has all of them)"))
            }
            _ => Self::Usage(error.to_string()),
        }
    }
}

/// `gamma=1.5`, `gamma=0,1,2` or `focal.gamma=2`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assignment {
    loss: Option<String>,
    key: String,
    values: Vec<f64>,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, values) =
            text.split_once('=').ok_or("write it as KEY=VALUE, such as gamma=2")?;
        let (loss, key) = match name.split_once('.') {
            Some((loss, key)) => (Some(loss.trim().to_owned()), key),
            None => (None, name),
        };
        let number = |value: &str| {
            let number = Param::parse(value);
            number.ok_or_else(|| format!("{value:?} is not a number: write it as 0.5, or as true"))
        };
        let values: Vec<f64> = values.split(',').map(number).collect::<Result<_, _>>()?;
        let is_new = |&(place, value): &(usize, &f64)| !values[..place].contains(value);
        let values = values.iter().enumerate().filter(is_new).map(|(_, &value)| value).collect();
        Ok(Self { loss, key: key.trim().to_owned(), values })
    }
}

impl Assignment {
    fn is_for(&self, entry: &Entry) -> bool {
        self.loss.as_ref().is_none_or(|loss| loss == entry.name)
    }

    /// What stands before the equals sign.
    fn name(&self) -> String {
        self.loss.iter().chain([&self.key]).map(String::as_str).collect::<Vec<_>>().join(".")
    }
}

/// A loss with its parameters.
pub(crate) struct Chosen {
    /// Its line in the list.
    pub(crate) entry: &'static Entry,
    /// The loss.
    pub(crate) loss: AnyLoss,
    /// Its id, with its modifiers.
    pub(crate) name: String,
    /// What was set, and to what.
    set: Vec<(&'static Param, f64)>,
}

impl Chosen {
    fn new(written: &AnyLoss, settings: &[(&str, f64)]) -> Result<Self, CliError> {
        let entry = detloss::losses::find(written.entry().name)?;
        let loss = written.with(settings)?;
        let given = |name: &str| settings.iter().find(|(key, _)| *key == name);
        let changed: Vec<_> = written.changed().collect();
        let set = entry.params.iter().filter_map(|param| {
            let given = given(param.name).map(|&(_, value)| value);
            let written = changed.iter().find(|(known, _)| known.name == param.name);
            Some((param, given.or(written.map(|&(_, value)| value))?))
        });
        Ok(Self { entry, name: loss.name(), set: set.collect(), loss })
    }

    /// Whether it is meant by this name.
    #[cfg(feature = "train")]
    pub(crate) fn is(&self, name: &str) -> bool {
        name.parse::<AnyLoss>().is_ok_and(|loss| {
            loss.entry().name == self.entry.name && loss.modifiers() == self.loss.modifiers()
        })
    }

    /// The loss as its formula takes it.
    pub(crate) fn kernel(&self) -> &dyn Kernel {
        &self.loss
    }

    /// All parameters with their values.
    pub(crate) fn params(&self) -> serde_json::Map<String, serde_json::Value> {
        as_json(self.entry.params.iter().zip(self.loss.params().iter().copied()))
    }

    /// The id, and each parameter that was set, as a name of a file.
    #[cfg(feature = "train")]
    pub(crate) fn file_name(&self) -> String {
        let set =
            self.set.iter().map(|(param, value)| format!(",{}={}", param.name, short(*value)));
        std::iter::once(file_name(&self.name)).chain(set).collect()
    }

    /// The label, and each parameter that was set.
    pub(crate) fn words(&self) -> Vec<String> {
        let set = self.set.iter().map(|(param, value)| shown(param, *value));
        let modifiers = self.loss.modifiers().given();
        let of_modifiers = modifiers.flat_map(|(modifier, values)| {
            let changed = modifier.params.iter().zip(values);
            changed.filter(|(param, value)| param.default != *value)
        });
        let of_modifiers = of_modifiers.map(|(param, value)| shown(param, value));
        std::iter::once(self.loss.label()).chain(of_modifiers).chain(set).collect()
    }

    /// The label with the parameters that were set.
    pub(crate) fn title(&self) -> String {
        self.words().join(", ")
    }
}

/// A parameter with its value.
fn shown(param: &Param, value: f64) -> String {
    let value = if param.kind == ParamKind::Switch { param.show(value) } else { short(value) };
    format!("{} = {value}", param.name)
}

/// A loss as it is written, as a part of the name of a file.
pub(crate) fn file_name(written: &str) -> String {
    let parts = written.split(|c: char| "(), ".contains(c)).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-")
}

/// A name of a file that every system takes: a long one is cut, and told from others by a number that is made of all of it.
pub(crate) fn bounded(name: &str) -> String {
    if name.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let end = name.floor_char_boundary(LONGEST_NAME - 9);
    // FNV-1a, because the same losses are to have the same file in every version.
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = name.bytes().fold(0x811c_9dc5, mix);
    format!("{}-{hash:08x}", &name[..end])
}

/// The losses of lists of them, between commas that stand in no parentheses.
pub(crate) fn split(lists: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    for list in lists {
        let mut depth = 0_i32;
        let parts = list.split(|c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ',' && depth == 0
        });
        names.extend(parts.map(|name| name.trim().to_owned()));
    }
    names
}

/// These without those that were there before.
pub(crate) fn unique(names: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// Parameters with their values.
pub(crate) fn as_json<'a>(
    params: impl Iterator<Item = (&'a Param, f64)>,
) -> serde_json::Map<String, serde_json::Value> {
    params.map(|(param, value)| (param.name.to_owned(), value_json(param, value))).collect()
}

/// The value of a parameter: a switch is true or false.
pub(crate) fn value_json(param: &Param, value: f64) -> serde_json::Value {
    match param.kind {
        ParamKind::Switch => (value != 0.0).into(),
        ParamKind::Real | ParamKind::Count => value.into(),
    }
}

/// As people write it, or with a power of ten if that would be long.
fn short(value: f64) -> String {
    let plain = value.to_string();
    if plain.len() <= LONG { plain } else { format!("{value:e}") }
}

/// The loss called `name` with these parameters, one value each.
pub(crate) fn one(name: &str, params: &[Assignment]) -> Result<Chosen, CliError> {
    if let Some(param) = params.iter().find(|param| param.values.len() > 1) {
        return Err(CliError::Usage(format!("{} has several values: give one", param.name())));
    }
    let mut chosen = every(&[name.to_owned()], params)?;
    Ok(chosen.remove(0))
}

/// These losses, each with every combination of the values given for its parameters.
pub(crate) fn every(names: &[String], params: &[Assignment]) -> Result<Vec<Chosen>, CliError> {
    let losses = names.iter().map(|name| name.parse()).collect::<Result<Vec<AnyLoss>, _>>()?;
    for (place, param) in params.iter().enumerate() {
        if params[..place].iter().any(|other| other.name() == param.name()) {
            let problem = format!("{} is set twice: set it once", param.name());
            return Err(CliError::Usage(problem));
        }
        let knows =
            |loss: &&AnyLoss| loss.entry().params.iter().any(|known| known.name == param.key);
        let meant: Vec<_> = losses.iter().filter(|loss| param.is_for(loss.entry())).collect();
        let Some(first) = meant.first() else {
            let problem = format!("{} is set, but not for one of these losses: ", param.name());
            return Err(CliError::Usage(problem + &names.join(", ")));
        };
        if !meant.iter().any(knows) {
            // The library's own words for a parameter that nobody has.
            first.with(&[(&param.key, 0.0)])?;
        }
    }
    let mut chosen = Vec::new();
    for loss in &losses {
        let mut combinations = vec![Vec::new()];
        for known in loss.entry().params {
            let mine = |param: &&Assignment| param.key == known.name && param.is_for(loss.entry());
            // What is said of this loss alone outweighs what is said of all.
            let given = params.iter().filter(mine).max_by_key(|param| param.loss.is_some());
            let Some(given) = given else { continue };
            let extend = |settings: &Vec<(&'static str, f64)>| {
                let with = |&value| [settings.clone(), vec![(known.name, value)]].concat();
                given.values.iter().map(with).collect::<Vec<_>>()
            };
            combinations = combinations.iter().flat_map(extend).collect();
        }
        for settings in &combinations {
            chosen.push(Chosen::new(loss, settings)?);
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(names: &[&str], params: &[&str]) -> Result<Vec<String>, String> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let params: Vec<Assignment> = params.iter().map(|text| text.parse().unwrap()).collect();
        let chosen = every(&names, &params).map_err(|error| error.to_string())?;
        Ok(chosen.iter().map(Chosen::title).collect())
    }

    #[test]
    fn every_combination_is_chosen() {
        let titles = titles(&["focal"], &["gamma=0,2", "alpha=-1,0.25"]).unwrap();
        assert_eq!(titles[0], "Focal, gamma = 0, alpha = -1");
        assert_eq!(titles.len(), 4);
    }

    #[test]
    fn a_loss_without_the_parameter_is_chosen_once() {
        assert_eq!(titles(&["giou", "ciou"], &["gate=0,0.5"]).unwrap().len(), 3);
    }

    #[test]
    fn equal_values_are_one_and_a_parameter_is_set_once() {
        let titles_of = titles(&["focal"], &["gamma=0,2,-0,2.0,1e-300"]).unwrap();
        assert_eq!(titles_of, ["Focal, gamma = 0", "Focal, gamma = 2", "Focal, gamma = 1e-300"]);
        for twice in [["gamma=1", "gamma=2"], ["focal.gamma=1", "focal.gamma=1"]] {
            assert!(titles(&["focal"], &twice).unwrap_err().contains("gamma is set twice"));
        }
    }

    #[test]
    fn one_loss_takes_one_value_of_a_parameter() {
        let one = |params: &[&str]| {
            let params: Vec<Assignment> = params.iter().map(|text| text.parse().unwrap()).collect();
            let chosen = one("ciou", &params).map_err(|error| error.to_string())?;
            Ok::<_, String>(chosen.title())
        };
        assert_eq!(one(&["ciou.gate=0.5", "gate=0"]).unwrap(), "CIoU, gate = 0.5");
        assert!(one(&["gate=0,0.5"]).unwrap_err().contains("gate has several values"));
    }

    #[test]
    fn a_parameter_of_one_loss_outweighs_that_of_all() {
        let titles = titles(&["ciou"], &["ciou.gate=0.5", "gate=0"]).unwrap();
        assert_eq!(titles, ["CIoU, gate = 0.5"]);
    }

    #[test]
    fn modifiers_are_part_of_a_name() {
        let names = split(&["giou,inner( focaler(ciou(gate=0.5)), ratio=0.8)".to_owned()]);
        assert_eq!(names.len(), 2);
        let chosen = every(&names, &["iou_eps=0".parse().unwrap()]);
        assert!(chosen.is_err_and(|error| error.to_string().contains("iou_eps")));
        let chosen = every(&names, &[]).unwrap();
        assert_eq!(chosen[1].title(), "Inner-Focaler-CIoU, ratio = 0.8, gate = 0.5");
        assert_eq!(chosen[1].name, "inner(focaler(ciou), ratio=0.8)");
        assert_eq!(file_name(&chosen[1].name), "inner-focaler-ciou-ratio=0.8");
        let set = every(&names[1..], &["gate=0".parse().unwrap()]).unwrap();
        assert_eq!(set[0].title(), "Inner-Focaler-CIoU, ratio = 0.8, gate = 0");
    }

    #[test]
    fn names_of_files_are_bounded_and_stay_apart() {
        let many = bounded(&["gaussian_focal"; 12].join("-"));
        let other = bounded(&format!("{}-iou", ["gaussian_focal"; 12].join("-")));
        assert_eq!(bounded("giou-ciou"), "giou-ciou");
        assert!(many.len() == 80 && many.starts_with("gaussian_focal-gaussian_focal-"));
        assert!(other.len() == 80 && other != many);
        assert!(bounded(&"猫".repeat(40)).len() <= 80);
    }

    #[test]
    fn what_cannot_be_set_is_an_error() {
        assert!(titles(&["giou"], &["gate=0"]).unwrap_err().contains("no parameter"));
        assert!(titles(&["giou"], &["ciou.gate=0"]).unwrap_err().contains("these losses: giou"));
        assert!(titles(&["ciou"], &["gate=7"]).unwrap_err().contains("from 0 to 1"));
    }

    #[test]
    fn assignments_say_how_to_write_them() {
        assert!("gamma".parse::<Assignment>().unwrap_err().contains("KEY=VALUE"));
        assert!("gamma=x".parse::<Assignment>().unwrap_err().contains("not a number"));
    }
}
