//! A loss chosen by its name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::Entry;
use crate::batch::{Driver, Kernel, Key, Level, RunningMean, Tile};
use crate::error::{Error, Result};
use crate::loss::modifiers::{self, Modifiers};
use crate::loss::{Described, Param};
#[cfg(feature = "serde")]
use crate::macros::serialized_as_text;
use crate::scalar::expr::Program;
use crate::signature::Signature;

/// A loss chosen at run time, with its parameters.
///
/// It is written `ciou`, `ciou(gate=0.5)` or, with [modifiers], `inner(ciou, ratio=0.8)`: [`Display`](fmt::Display),
/// [`FromStr`] and (with the feature `serde`) its serialised form. Parameters at their defaults are left out.
///
/// ```
/// use detloss::{Batch, losses::AnyLoss};
///
/// let loss: AnyLoss = "smooth_l1(beta=0.5)".parse()?;
/// assert_eq!(Batch::new(&[0.25_f64], &[0.0]).value(&loss)?, 0.0625);
/// assert_eq!(loss.param("beta"), Some(0.5));
/// assert_eq!(loss, loss.entry().with(&[("beta", 0.5)])?);
/// assert_eq!(loss.to_string(), "smooth_l1(beta=0.5)");
///
/// let loss = "focaler(ciou(gate=0.5))".parse::<AnyLoss>()?.modified("inner", &[("ratio", 0.8)])?;
/// assert_eq!(loss.to_string(), "inner(focaler(ciou(gate=0.5)), ratio=0.8)");
/// # Ok::<(), detloss::Error>(())
/// ```
#[derive(Clone)]
pub struct AnyLoss {
    entry: Entry,
    values: Vec<f64>,
    modifiers: Modifiers,
    kernel: Arc<dyn Kernel>,
}

impl AnyLoss {
    /// A loss by its type, which is declared elsewhere. One of the list has `From`, too, which compiles no kernel in the crate that calls
    /// it.
    #[must_use]
    pub fn new<L: Described + Kernel>(loss: L) -> Self
    where
        L::Form: Driver<L>,
    {
        let known = super::ALL.iter().find(|entry| entry.name == L::NAME && entry.file == L::FILE);
        let entry = known.copied().unwrap_or(const { Entry::of::<L>("") });
        Self::from_parts(entry, Arc::new(loss), loss.params())
    }

    fn from_parts(entry: Entry, kernel: Arc<dyn Kernel>, values: Vec<f64>) -> Self {
        Self { entry, values, modifiers: Modifiers::default(), kernel }
    }

    /// Its line of the list; one of no family for a loss that was declared elsewhere.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The values of all parameters, in the order of the entry's [`params`](Entry::params). Counts and switches are whole
    /// numbers.
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

    /// The id with its modifiers: `inner(ciou, ratio=0.8)`.
    #[must_use]
    pub fn name(&self) -> String {
        self.written("")
    }

    /// The name as papers print it, with that of its modifiers: `Inner-CIoU`.
    #[must_use]
    pub fn label(&self) -> String {
        let modifiers = self.modifiers.given();
        let before = modifiers.map(|(modifier, _)| modifier.label.trim_end_matches("IoU"));
        before.chain([self.entry.label]).collect()
    }

    /// The name of a class, see [`Entry::class_name`]: `InnerCIoULoss`.
    #[must_use]
    pub fn class_name(&self) -> String {
        super::entry::class_name(&self.label())
    }

    /// The id with its modifiers, and `settings` behind it.
    fn written(&self, settings: &str) -> String {
        let mut text = format!("{}{settings}", self.entry.name);
        let given: Vec<_> = self.modifiers.given().collect();
        for (modifier, values) in given.iter().rev() {
            let settings = written(modifier.params, values);
            let inside: Vec<String> = [text].into_iter().chain(settings).collect();
            text = format!("{}({})", modifier.name, inside.join(", "));
        }
        text
    }

    /// The loss with these parameters, the others as they are.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParam`] and [`Error::BadParam`].
    pub fn with(&self, params: &[(&str, f64)]) -> Result<Self> {
        let names = self.entry.params.iter().map(|param| param.name);
        let mut all: Vec<_> = names.zip(self.values.iter().copied()).collect();
        all.extend(params);
        self.entry.with(&all)?.with_modifiers(self.modifiers)
    }

    /// Sets a parameter by its name. A refused value changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParam`] and [`Error::BadParam`].
    pub fn set(&mut self, key: &str, value: f64) -> Result<()> {
        *self = self.with(&[(key, value)])?;
        Ok(())
    }

    /// Its modifiers.
    #[must_use]
    pub const fn modifiers(&self) -> &Modifiers {
        &self.modifiers
    }

    /// The loss with these modifiers, instead of those it has.
    ///
    /// # Errors
    ///
    /// [`Error::NotModifiable`] and [`Error::BadParam`].
    pub fn with_modifiers(self, modifiers: Modifiers) -> Result<Self> {
        let kernel = self.kernel.modified(&modifiers)?;
        Ok(Self { modifiers, kernel, ..self })
    }

    /// The loss with one modifier more, by its name, with these parameters, the others at their defaults.
    ///
    /// # Errors
    ///
    /// Those of [`Modifiers::add`] and of [`with_modifiers`](Self::with_modifiers).
    pub fn modified(self, modifier: &str, params: &[(&str, f64)]) -> Result<Self> {
        let mut modifiers = self.modifiers;
        modifiers.add(modifier, params)?;
        self.with_modifiers(modifiers)
    }

    /// The parameters that are not at their defaults, with their values.
    pub fn changed(&self) -> impl Iterator<Item = (&'static Param, f64)> {
        changed(self.entry.params, &self.values)
    }
}

impl Entry {
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
        Ok(AnyLoss::from_parts(*self, (self.kernel)(&values)?, values))
    }
}

impl Kernel for AnyLoss {
    fn signature(&self) -> Signature {
        self.kernel.signature()
    }

    fn trace(&self, gradient: bool) -> Option<Program> {
        self.kernel.trace(gradient)
    }

    fn trace_row(&self, columns: usize, is_weighted: bool, gradient: bool) -> Option<Program> {
        self.kernel.trace_row(columns, is_weighted, gradient)
    }

    fn trace_set(&self, gradient: bool) -> Option<Program> {
        self.kernel.trace_set(gradient)
    }

    fn trace_at_mean(&self, gradient: bool) -> Option<Program> {
        self.kernel.trace_at_mean(gradient)
    }

    fn running_mean(&self) -> Option<RunningMean> {
        self.kernel.running_mean()
    }

    fn has_exact_gradient(&self) -> bool {
        self.kernel.has_exact_gradient()
    }

    fn check(&self) -> Result<()> {
        self.kernel.check()
    }

    fn modified(&self, modifiers: &Modifiers) -> Result<Arc<dyn Kernel>> {
        self.kernel.modified(modifiers)
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
        (self.entry.name, self.entry.file, &self.values, &self.modifiers)
            == (other.entry.name, other.entry.file, &other.values, &other.modifiers)
    }
}

impl fmt::Display for AnyLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = written(self.entry.params, &self.values).join(", ");
        let settings = if settings.is_empty() { settings } else { format!("({settings})") };
        f.write_str(&self.written(&settings))
    }
}

/// The parameters that are not at their defaults, with their values.
fn changed(
    params: &'static [Param],
    values: &[f64],
) -> impl Iterator<Item = (&'static Param, f64)> {
    let all = params.iter().zip(values);
    all.filter(|(param, value)| param.default != **value).map(|(param, &value)| (param, value))
}

/// The same as they are written.
pub(crate) fn written(params: &'static [Param], values: &[f64]) -> Vec<String> {
    let show = |(param, value): (&Param, f64)| format!("{}={}", param.name, param.show(value));
    changed(params, values).map(show).collect()
}

impl fmt::Debug for AnyLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyLoss({self})")
    }
}

impl FromStr for AnyLoss {
    type Err = Error;

    /// Reads `ciou`, `ciou(gate=0.5)` or `inner(ciou, ratio=0.8)`.
    fn from_str(text: &str) -> Result<Self> {
        let unreadable = || Error::UnreadableLoss { text: text.to_owned() };
        let mut modifiers = Modifiers::default();
        let mut rest = text.trim();
        // From the outermost modifier inwards.
        loop {
            let (name, arguments) = parts(rest).ok_or_else(unreadable)?;
            match arguments.split_first() {
                Some((&loss, params)) if is_loss(loss) => {
                    let params = assignments(params).ok_or_else(unreadable)?;
                    if modifiers::find(name).is_none() && super::find(name).is_ok() {
                        return Err(unreadable());
                    }
                    modifiers.add(name, &params)?;
                    rest = loss;
                }
                _ if modifiers::find(name).is_some() && super::find(name).is_err() => {
                    return Err(unreadable());
                }
                _ => {
                    let params = assignments(&arguments).ok_or_else(unreadable)?;
                    return super::find(name)?.with(&params)?.with_modifiers(modifiers);
                }
            }
        }
    }
}

/// The name in front of the parentheses, and the arguments between them; None where these are not closed.
pub(crate) fn parts(text: &str) -> Option<(&str, Vec<&str>)> {
    let Some((name, rest)) = text.split_once('(') else { return Some((text, Vec::new())) };
    let arguments = rest.strip_suffix(')')?;
    let mut depth = 0_usize;
    let mut is_balanced = true;
    let separate = |letter| {
        match letter {
            '(' => depth += 1,
            ')' => {
                depth = depth.checked_sub(1).unwrap_or_else(|| {
                    is_balanced = false;
                    0
                })
            }
            _ => {}
        }
        letter == ',' && depth == 0
    };
    let arguments =
        arguments.split(separate).map(str::trim).filter(|part| !part.is_empty()).collect();
    (is_balanced && depth == 0).then_some((name.trim(), arguments))
}

/// Whether an argument is a loss, and no parameter with its value.
fn is_loss(argument: &str) -> bool {
    argument.find('=').is_none_or(|equals| argument.find('(').is_some_and(|open| open < equals))
}

/// Parameters with their values; None where one has none, or stands twice.
pub(crate) fn assignments<'a>(arguments: &[&'a str]) -> Option<Vec<(&'a str, f64)>> {
    let mut given: Vec<(&str, f64)> = Vec::new();
    for argument in arguments {
        let (key, value) = argument.split_once('=')?;
        let key = key.trim();
        if given.iter().any(|(known, _)| *known == key) {
            return None;
        }
        given.push((key, Param::parse(value)?));
    }
    Some(given)
}

#[cfg(feature = "serde")]
serialized_as_text!(AnyLoss);
