//! What can be wrong with a call.

use std::fmt;

/// What was wrong with a call, where, and the remedy.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A slice has the wrong length.
    Length {
        /// Which slice.
        what: &'static str,
        /// How many elements it should have.
        expected: usize,
        /// How many it has.
        got: usize,
    },
    /// A tensor has a shape that does not fit the loss, or the other tensors.
    Shape {
        /// The loss.
        loss: &'static str,
        /// Which tensor.
        what: &'static str,
        /// Its shape.
        got: Vec<usize>,
        /// What it should be.
        wanted: String,
        /// The dimension of the prediction that its columns seem to be in, where that is not the last.
        columns_at: Option<usize>,
    },
    /// A slice does not divide into whole rows.
    PartialRow {
        /// Which slice.
        what: &'static str,
        /// How many elements it has.
        got: usize,
        /// How many elements make a row.
        row: usize,
    },
    /// More predictions than a loss of a whole batch can tell apart.
    TooMany {
        /// How many numbers they have.
        got: usize,
        /// How many they may have.
        most: usize,
    },
    /// A number that makes no sense where it stands.
    InvalidNumber {
        /// Which slice, or which argument.
        what: &'static str,
        /// Where in it.
        index: usize,
        /// The number found there.
        got: f64,
        /// What it should be.
        wanted: &'static str,
    },
    /// A target of class indices for a loss whose targets are not labels.
    NotALabel {
        /// The loss.
        loss: &'static str,
    },
    /// A weight per column for a loss that takes none.
    NoColumnWeights {
        /// The loss.
        loss: &'static str,
    },
    /// Groups for a loss that is not of whole batches.
    NothingToGroup {
        /// The loss.
        loss: &'static str,
    },
    /// An index to ignore for targets that are no class indices.
    NothingToIgnore,
    /// A class index that names no class.
    UnknownClass {
        /// The row.
        row: usize,
        /// The index found there.
        got: i64,
        /// How many classes there are.
        classes: usize,
    },
    /// A normaliser that is not a positive number.
    InvalidNormalizer {
        /// The number given.
        got: f64,
    },
    /// The flag of [`Batch::cancelled_by`](crate::Batch::cancelled_by) or [`Image::cancelled_by`](crate::matching::Image::cancelled_by) was
    /// set.
    Cancelled,
    /// The library was built without its feature `kernels`, and the loss is no formula.
    NoKernels,
    /// No loss has this name.
    UnknownLoss {
        /// The name given.
        name: String,
        /// The closest name there is, if one is close.
        nearest: Option<&'static str>,
    },
    /// A text that should say a loss with its parameters does not.
    UnreadableLoss {
        /// The text.
        text: String,
    },
    /// No modifier has this name.
    UnknownModifier {
        /// The name given.
        name: String,
        /// The modifiers there are.
        known: Vec<&'static str>,
    },
    /// A modifier stands twice around a loss.
    ModifiedTwice {
        /// The modifier.
        modifier: &'static str,
    },
    /// The loss has nothing that the modifier could change.
    NotModifiable {
        /// The loss.
        loss: &'static str,
        /// The modifier.
        modifier: &'static str,
        /// What is missing, and the remedy.
        wanted: String,
    },
    /// The loss has no parameter of this name.
    UnknownParam {
        /// The loss.
        loss: &'static str,
        /// The name given.
        key: String,
        /// The parameters it has.
        known: Vec<&'static str>,
    },
    /// A parameter outside its range.
    BadParam {
        /// The loss.
        loss: &'static str,
        /// The parameter.
        key: &'static str,
        /// The value given.
        value: f64,
        /// What it may be.
        wanted: String,
    },
    /// No matcher has this name.
    UnknownMatcher {
        /// The name given.
        name: String,
        /// The matchers there are.
        known: Vec<&'static str>,
    },
    /// A text that should say a matcher with its parameters does not.
    UnreadableMatcher {
        /// The text.
        text: String,
    },
    /// A loss that 1 minus which is no overlap of two boxes.
    NoOverlap {
        /// The loss.
        loss: &'static str,
    },
    /// A loss that is not of two boxes.
    NotOfBoxes {
        /// The loss.
        loss: &'static str,
    },
    /// A matcher whose overlap cannot be another.
    FixedOverlap {
        /// The matcher.
        matcher: &'static str,
    },
    /// An image that has not what the matcher needs.
    MissingInput {
        /// The matcher.
        matcher: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// Crowds for a matcher that knows none.
    NoCrowds {
        /// The matcher.
        matcher: &'static str,
    },
    /// A label of a truth that names no class.
    UnknownLabel {
        /// The truth.
        truth: usize,
        /// The label found there.
        got: i64,
        /// How many classes there are.
        classes: usize,
    },
    /// A label of a truth that says background.
    BackgroundLabel {
        /// The truth.
        truth: usize,
        /// The label found there.
        got: i64,
        /// How many columns of logits there are, background among them.
        classes: usize,
    },
    /// A cost that is none.
    InvalidCost {
        /// The row of the matrix.
        row: usize,
        /// Its column.
        column: usize,
        /// The number found there.
        got: f64,
    },
    /// Forbidden pairs leave no assignment.
    Infeasible,
    /// A prediction that costs no number.
    InvalidPrediction {
        /// The matcher.
        matcher: &'static str,
        /// The prediction.
        prediction: usize,
        /// The truth that it was compared with.
        truth: usize,
        /// What it costs.
        got: f64,
    },
    /// No criterion has this name.
    UnknownCriterion {
        /// The name given.
        name: String,
        /// The criteria there are.
        known: Vec<&'static str>,
    },
    /// A text that should say a criterion with its settings does not.
    UnreadableCriterion {
        /// The text.
        text: String,
    },
    /// A criterion has nothing of this name to be set.
    UnknownSetting {
        /// The name given.
        name: String,
        /// What can be set.
        known: Vec<String>,
    },
    /// The value of a setting is no number.
    UnreadableSetting {
        /// The setting.
        name: String,
        /// The value given.
        value: String,
    },
    /// A term of a criterion has a loss of something else.
    UnfitLoss {
        /// The term.
        term: String,
        /// Its loss.
        loss: &'static str,
        /// What it takes.
        wanted: &'static str,
    },
    /// A head that has a box for every class has a matcher that looks at decoded boxes.
    UnfitMatcher {
        /// The head.
        head: String,
        /// Its matcher.
        matcher: &'static str,
    },
    /// A criterion has no head of this name.
    UnknownHead {
        /// The name given.
        name: String,
        /// The heads it has.
        known: Vec<String>,
    },
    /// Outputs that have not what their head needs.
    MissingOutput {
        /// The head.
        head: String,
        /// What is missing.
        what: &'static str,
    },
    /// What was wrong with one of many images.
    InImage {
        /// The image.
        image: usize,
        /// What was wrong with it.
        error: Box<Error>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { what, expected, got } => {
                write!(
                    f,
                    "expected {expected} elements in {what}, got {got}: check its shape, and in a batch the number of columns"
                )
            }
            Self::Shape { loss, what, got, wanted, columns_at } => {
                write!(f, "{loss}: {what} has shape {got:?}: give {wanted}")?;
                match columns_at {
                    Some(dim) => write!(
                        f,
                        "; the columns are the last dimension of a prediction: if here they are dimension {dim}, move it to the end"
                    ),
                    None => Ok(()),
                }
            }
            Self::PartialRow { what, got, row } => {
                write!(
                    f,
                    "{what} has {got} elements, which is no whole number of rows of {row}: check the shape"
                )
            }
            Self::TooMany { got, most } => write!(
                f,
                "a loss of a whole batch takes {most} numbers, not {got}: call it for each image"
            ),
            Self::InvalidNumber { what, index, got, wanted } => {
                write!(f, "number {index} of {what} is {got}: give {wanted}")
            }
            Self::NotALabel { loss } => {
                write!(f, "{loss} takes no class indices: give its target field by field")
            }
            Self::NoColumnWeights { loss } => {
                write!(
                    f,
                    "{loss} takes no weights per column: its columns are weighted by the formula"
                )
            }
            Self::NothingToGroup { loss } => {
                write!(f, "{loss} takes no groups, it is of every unit by itself: leave them out")
            }
            Self::NothingToIgnore => f.write_str(
                "ignore_index needs class indices as targets: give these rows a weight of 0",
            ),
            Self::UnknownClass { row, got, classes } => write!(
                f,
                "row {row} has class {got}, but there are {classes} classes: use 0 to {}, in a loss of scores {classes} for \
                 background, or set ignore_index to {got} to leave such rows out",
                classes.saturating_sub(1)
            ),
            Self::InvalidNormalizer { got } => {
                write!(
                    f,
                    "the normalizer is {got}: give a positive number, such as max(1, number of positives)"
                )
            }
            Self::Cancelled => f.write_str("the call was cancelled by its caller: call again for the result"),
            Self::NoKernels => f.write_str(
                "this build of detloss computes losses of boxes, values and scores only: enable its feature `kernels` for all others",
            ),
            Self::UnknownLoss { name, nearest: Some(nearest) } => {
                write!(f, "no loss is called {name:?}: did you mean {nearest:?}?")
            }
            Self::UnknownLoss { name, nearest: None } => {
                write!(f, "no loss is called {name:?}, nor anything like it: take a name from the list of losses")
            }
            Self::UnreadableLoss { text } => write!(
                f,
                "{text:?} is no loss with parameters: write it as ciou, ciou(gate=0.5) or inner(ciou, ratio=0.8), each parameter once"
            ),
            Self::UnknownModifier { name, known } => {
                write!(
                    f,
                    "no modifier of losses is called {name:?}: there are {}",
                    known.join(", ")
                )
            }
            Self::ModifiedTwice { modifier } => {
                write!(f, "{modifier} stands twice around one loss: give it once")
            }
            Self::NotModifiable { loss, modifier, wanted } => {
                write!(f, "{loss} cannot be modified by {modifier}: {wanted}")
            }
            Self::UnknownParam { loss, key, known } if known.is_empty() => {
                write!(f, "{loss} has no parameter {key:?}: it has none")
            }
            Self::UnknownParam { loss, key, known } => {
                write!(f, "{loss} has no parameter {key:?}: it has {}", known.join(", "))
            }
            Self::BadParam { loss, key, value, wanted } => {
                write!(f, "{loss} cannot have {key} = {value}: give {wanted}")
            }
            Self::UnknownMatcher { name, known } => {
                write!(f, "no matcher is called {name:?}: there are {}", known.join(", "))
            }
            Self::UnreadableMatcher { text } => write!(
                f,
                "{text:?} is no matcher with parameters: write it as task_aligned, task_aligned(topk=13) or \
                 task_aligned(topk=13, overlap=siou), each parameter once"
            ),
            Self::NoOverlap { loss } => write!(
                f,
                "1 minus {loss} is no overlap of two boxes: give a loss of the families boxes or rotated, such as ciou"
            ),
            Self::NotOfBoxes { loss } => write!(
                f,
                "{loss} is no loss of two boxes: give one of the families boxes, rotated or boxes3d, such as giou"
            ),
            Self::FixedOverlap { matcher } => {
                write!(f, "{matcher} is defined by the IoU: leave the overlap out")
            }
            Self::MissingInput { matcher, what } => write!(f, "{matcher} needs {what}: give them"),
            Self::NoCrowds { matcher } => {
                write!(f, "{matcher} knows no crowds: leave such truths out")
            }
            Self::UnknownLabel { truth, got, classes } => write!(
                f,
                "truth {truth} has label {got}, but there are scores of {classes} classes: use 0 to {}",
                classes.saturating_sub(1)
            ),
            Self::BackgroundLabel { truth, got, classes } => {
                let (first, last) =
                    if *got == 0 { (1, classes - 1) } else { (0, classes.saturating_sub(2)) };
                write!(f, "truth {truth} has label {got}, which is background: use {first} to {last}")
            }
            Self::InvalidCost { row, column, got } => write!(
                f,
                "the cost of row {row} and column {column} is {got:?}: give a number within ±1e290, or infinity to forbid the pair"
            ),
            Self::Infeasible => f.write_str(
                "infinite costs forbid every assignment: forbid fewer pairs, or use partial_linear_sum_assignment",
            ),
            Self::InvalidPrediction { matcher, prediction, truth, got } => write!(
                f,
                "{matcher}: prediction {prediction} costs {got} for truth {truth}: give finite boxes and scores, or set skip = true to \
                 leave such pairs out"
            ),
            Self::UnknownCriterion { name, known } => {
                write!(f, "no criterion is called {name:?}: there are {}", known.join(", "))
            }
            Self::UnreadableCriterion { text } => write!(
                f,
                "{text:?} is no criterion with settings: write it as yolo8 or yolo8(box=siou, dfl.weight=2)"
            ),
            Self::UnknownSetting { name, known } => {
                write!(f, "the criterion has no {name:?} to set: it has {}", known.join(", "))
            }
            Self::UnreadableSetting { name, value } => {
                write!(f, "{name} cannot be {value:?}: give a finite number")
            }
            Self::UnfitLoss { term, loss, wanted } => {
                write!(f, "the term {term} cannot have the loss {loss}: give {wanted}, without a state")
            }
            Self::UnfitMatcher { head, matcher } => write!(
                f,
                "head {head} has a box for every class, and {matcher} looks at the one of each prediction: give a matcher of anchors, such as max_iou"
            ),
            Self::UnknownHead { name, known } => {
                write!(f, "the criterion has no head {name:?}: it has {}", known.join(", "))
            }
            Self::MissingOutput { head, what } => {
                write!(f, "head {head} needs {what}: give them with its outputs")
            }
            Self::InImage { image, error } => write!(f, "image {image}: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// The same, told of one of many images.
    #[must_use]
    pub fn in_image(self, image: usize) -> Self {
        Self::InImage { image, error: Box::new(self) }
    }
}

/// The result of a call that can be wrong.
pub type Result<T> = std::result::Result<T, Error>;

/// Checks that all entries are positive numbers.
pub(crate) fn positive(what: &'static str, entries: &[f64]) -> Result<()> {
    match entries.iter().position(|entry| !(entry.is_normal() && *entry > 0.0)) {
        Some(index) => Err(Error::InvalidNumber {
            what,
            index,
            got: entries[index],
            wanted: "a positive number",
        }),
        None => Ok(()),
    }
}
