//! A line of the list, and a loss chosen by its name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::batch::{Driver, Kernel, Key, Level, Tile};
use crate::error::{Error, Result};
use crate::loss::{Case, Described, Facts, Loss, Param, RowLoss, SetLoss};
use crate::scalar::expr::Program;
use crate::signature::Signature;

/// A line of [the list](crate::losses).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The id.
    pub name: &'static str,
    /// The name of the type.
    pub type_name: &'static str,
    /// The name as papers print it.
    pub label: &'static str,
    /// The family: what goes in.
    pub family: &'static str,
    /// The documentation.
    pub doc: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The parameters.
    pub params: &'static [Param],
    /// What holds for the loss.
    pub facts: Facts,
    /// Worked cases.
    pub cases: &'static [Case],
    /// How it is called.
    pub signature: Signature,
    make: fn(&[f64]) -> Result<Arc<dyn Kernel>>,
}

impl Entry {
    /// The line of a loss, in this family.
    #[must_use]
    pub const fn of<L: Described + Kernel>(family: &'static str) -> Self
    where
        L::Form: Driver<L>,
    {
        Self {
            name: L::NAME,
            type_name: L::TYPE,
            label: L::LABEL,
            family,
            doc: L::DOC,
            file: L::FILE,
            params: L::PARAMS,
            facts: <L::Form as Driver<L>>::FACTS,
            cases: <L::Form as Driver<L>>::CASES,
            signature: <L::Form as Driver<L>>::SIGNATURE,
            make: |values| {
                let mut loss = L::default();
                for (param, &value) in L::PARAMS.iter().zip(values) {
                    loss.set(param.name, value)?;
                }
                Ok(Arc::new(loss))
            },
        }
    }

    /// The loss with its default parameters.
    #[must_use]
    pub fn make(&self) -> AnyLoss {
        self.with(&[]).expect("the defaults lie in their ranges")
    }

    /// The loss with these parameters, the others at their defaults.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParam`] and [`Error::BadParam`].
    pub fn with(&self, params: &[(&str, f64)]) -> Result<AnyLoss> {
        let mut values: Vec<f64> = self.params.iter().map(|param| param.default).collect();
        for &(key, value) in params {
            let place = self.params.iter().position(|param| param.name == key);
            let Some(place) = place else {
                let known = self.params.iter().map(|param| param.name).collect();
                return Err(Error::UnknownParam { loss: self.name, key: key.to_owned(), known });
            };
            values[place] = value;
        }
        Ok(AnyLoss { kernel: (self.make)(&values)?, entry: *self, values })
    }

    /// The parameter of this name; None if there is none.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'static Param> {
        self.params.iter().find(|param| param.name == name)
    }

    /// The first sentence of the documentation.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.doc.split("\n\n").next().unwrap_or_default().trim()
    }

    /// The name of a class, as PyTorch's losses have it: the words of the label joined, then `Loss`.
    #[must_use]
    pub fn class_name(&self) -> String {
        let mut name = String::new();
        for word in self.label.split(|c: char| !c.is_alphanumeric()) {
            let plain = word.replace('α', "alpha").replace('á', "a");
            let mut letters = plain.chars();
            name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            name.extend(letters);
        }
        name + "Loss"
    }
}

/// A loss chosen at run time, with its parameters.
///
/// It is written `ciou` or `ciou(gate=0.5)`: [`Display`](fmt::Display), [`FromStr`] and (with the feature `serde`) its serialised
/// form. Parameters at their defaults are left out.
///
/// ```
/// use detloss::{Batch, losses::AnyLoss};
///
/// let loss: AnyLoss = "smooth_l1(beta=0.5)".parse()?;
/// assert_eq!(Batch::new(&[0.25_f64], &[0.0]).value(&loss)?, 0.0625);
/// assert_eq!(loss.param("beta"), Some(0.5));
/// assert_eq!(loss, loss.entry().with(&[("beta", 0.5)])?);
/// assert_eq!(loss.to_string(), "smooth_l1(beta=0.5)");
/// # Ok::<(), detloss::Error>(())
/// ```
#[derive(Clone)]
pub struct AnyLoss {
    entry: Entry,
    values: Vec<f64>,
    kernel: Arc<dyn Kernel>,
}

impl AnyLoss {
    /// A loss by its type, of the list or declared elsewhere.
    #[must_use]
    pub fn new<L: Described + Kernel>(loss: L) -> Self
    where
        L::Form: Driver<L>,
    {
        let known = super::ALL.iter().find(|entry| entry.name == L::NAME && entry.file == L::FILE);
        let entry = known.copied().unwrap_or(const { Entry::of::<L>("") });
        Self { entry, values: loss.params(), kernel: Arc::new(loss) }
    }

    /// Its line of the list; one of no family for a loss that was declared elsewhere.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The values of all parameters, in the order of the entry's [`params`](Entry::params). Counts and switches are whole numbers.
    #[must_use]
    pub fn params(&self) -> &[f64] {
        &self.values
    }

    /// The value of a parameter; None if there is none of this name.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<f64> {
        let place = self.entry.params.iter().position(|param| param.name == name)?;
        Some(self.values[place])
    }

    /// Sets a parameter by its name. A refused value changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParam`] and [`Error::BadParam`].
    pub fn set(&mut self, key: &str, value: f64) -> Result<()> {
        let names = self.entry.params.iter().map(|param| param.name);
        let mut params: Vec<_> = names.zip(self.values.iter().copied()).collect();
        params.push((key, value));
        *self = self.entry.with(&params)?;
        Ok(())
    }

    /// The parameters that are not at their defaults, with their values.
    pub fn changed(&self) -> impl Iterator<Item = (&'static Param, f64)> {
        let all = self.entry.params.iter().zip(&self.values);
        all.filter(|(param, value)| param.default != **value).map(|(param, &value)| (param, value))
    }
}

impl Kernel for AnyLoss {
    fn signature(&self) -> Signature {
        self.kernel.signature()
    }

    fn trace(&self, gradient: bool) -> Option<Program> {
        self.kernel.trace(gradient)
    }

    fn has_exact_gradient(&self) -> bool {
        self.kernel.has_exact_gradient()
    }

    fn check(&self) -> Result<()> {
        self.kernel.check()
    }

    fn initial_state(&self, columns: usize) -> Vec<f64> {
        self.kernel.initial_state(columns)
    }

    fn key(&self) -> Key {
        self.kernel.key()
    }

    fn is_interpreted(&self) -> bool {
        self.kernel.is_interpreted()
    }

    fn tile_f32(&self, level: Level, tile: Tile<'_, f32>) -> f64 {
        self.kernel.tile_f32(level, tile)
    }

    fn tile_f64(&self, tile: Tile<'_, f64>) -> f64 {
        self.kernel.tile_f64(tile)
    }
}

impl PartialEq for AnyLoss {
    fn eq(&self, other: &Self) -> bool {
        (self.entry.name, self.entry.file, &self.values)
            == (other.entry.name, other.entry.file, &other.values)
    }
}

impl fmt::Display for AnyLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry.name)?;
        let changed: Vec<String> = self
            .changed()
            .map(|(param, value)| format!("{}={}", param.name, param.show(value)))
            .collect();
        if changed.is_empty() { Ok(()) } else { write!(f, "({})", changed.join(", ")) }
    }
}

impl fmt::Debug for AnyLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyLoss({self})")
    }
}

impl FromStr for AnyLoss {
    type Err = Error;

    /// Reads `ciou` or `ciou(gate=0.5)`.
    fn from_str(text: &str) -> Result<Self> {
        let unreadable = || Error::UnreadableLoss { text: text.to_owned() };
        let (name, params) = match text.trim().split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')').ok_or_else(unreadable)?),
            None => (text, ""),
        };
        let mut given = Vec::new();
        for setting in params.split(',').filter(|setting| !setting.trim().is_empty()) {
            let (key, value) = setting.split_once('=').ok_or_else(unreadable)?;
            given.push((key.trim(), Param::parse(value).ok_or_else(unreadable)?));
        }
        let is_twice = |place: usize| given[..place].iter().any(|(key, _)| *key == given[place].0);
        if (0..given.len()).any(is_twice) {
            return Err(unreadable());
        }
        super::find(name.trim())?.with(&given)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for AnyLoss {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for AnyLoss {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Sees every loss of the list by its type: what [`visit`](crate::losses::visit) calls.
pub trait Visitor {
    /// A loss that is a formula.
    fn formula<L: Loss>(&mut self);
    /// A loss of whole rows.
    fn row<L: RowLoss>(&mut self);
    /// A loss of whole batches.
    fn set<L: SetLoss>(&mut self);
}
