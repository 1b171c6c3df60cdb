//! Outputs and truths of one call as tensors hold them: what front-ends hand over.

use super::criterion::{Criterion, Head};
use super::evaluate::{Evaluation, Number, Options};
use super::outputs::{AnchorsOf, Outputs, Truths};
use crate::error::Result;
use crate::matching::{Anchors, Array, Places, Precision};

/// The raw outputs of a model for a batch of images, of one head or of one layer of it: [`Outputs`], as tensors hold them.
#[derive(Clone, Debug)]
pub struct OutputArrays<'a, T> {
    /// The logits of all classes, of shape (images, predictions, classes). None for a head without, such as one of region proposals.
    pub logits: Option<Array<'a, T>>,
    /// The raw numbers of boxes, of shape (images, predictions, numbers): what the head's [decoder](super::Decoder) takes, for every class
    /// if the head is [class-specific](Head::class_specific).
    pub boxes: Array<'a, T>,
    /// Like [`Outputs::head`].
    pub head: Option<&'a str>,
    /// Like [`Outputs::anchors`]. Boxes of shape (images, predictions, 4) are [those of each image](Outputs::anchors_of_images).
    pub anchors: Option<Places<'a, T>>,
    /// How many anchors each level has, in their order.
    pub levels: Option<&'a [usize]>,
    /// Like [`Outputs::quality`], of shape (images, predictions).
    pub quality: Option<Array<'a, T>>,
    /// Like [`Outputs::angle`], of shape (images, predictions).
    pub angle: Option<Array<'a, T>>,
    /// Like [`Outputs::distribution`], of shape (images, predictions, 4 (N + 1)), with the references, of shape (images, predictions, 4).
    pub distribution: Option<[Array<'a, T>; 2]>,
    /// Like [`Outputs::image_size`].
    pub image_size: Option<[f64; 2]>,
    /// Like [`Outputs::groups`].
    pub groups: usize,
    /// Like [`Outputs::pairs`], of shape (images, predictions).
    pub pairs: Option<Array<'a, i64>>,
    /// Like [`Outputs::seed`].
    pub seed: u64,
}

/// The truths of one image: [`Truths`], as tensors hold them.
#[derive(Clone, Copy, Debug)]
pub struct TruthArrays<'a, T> {
    /// The boxes, of shape (truths, 4), or (truths, 5) where they are rotated. Where there are none any shape will do.
    pub boxes: Array<'a, T>,
    /// The label of each.
    pub labels: &'a [i64],
}

/// What was made of the arrays of one of the outputs.
struct Prepared<T> {
    anchors: Option<OwnAnchors<T>>,
    pairs: Option<Vec<i32>>,
}

enum OwnAnchors<T> {
    AllImages(Anchors<T>),
    EachImage(Vec<Anchors<T>>),
}

impl Criterion {
    /// Like [`evaluate_with`](Self::evaluate_with), of arrays.
    ///
    /// ```
    /// use detloss::criteria::{Criterion, Options, OutputArrays, TruthArrays};
    /// use detloss::matching::{Array, Places};
    ///
    /// let array = |shape, numbers| Array { shape, numbers };
    /// let points = Places::Points(array(&[2, 2], &[4.0_f32, 4.0, 12.0, 4.0]), &[8.0, 8.0]);
    /// let outputs = OutputArrays {
    ///     logits: Some(array(&[1, 2, 2], &[0.2, -1.0, 0.4, 0.3])),
    ///     anchors: Some(points),
    ///     ..OutputArrays::new(array(&[1, 2, 64], &[0.0; 128]))
    /// };
    /// let truths = TruthArrays { boxes: array(&[1, 4], &[0.0, 0.0, 9.0, 8.0]), labels: &[1] };
    /// let yolo: Criterion = "yolo8".parse()?;
    /// assert!(yolo.evaluate_arrays(&[outputs], &[truths], Options::default())?.total > 0.0);
    /// # Ok::<(), detloss::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](crate::Error::Shape) for what does not fit the other tensors, and like [`evaluate_with`](Self::evaluate_with).
    pub fn evaluate_arrays<T: Number>(
        &self,
        outputs: &[OutputArrays<'_, T>],
        truths: &[TruthArrays<'_, T>],
        options: Options<'_>,
    ) -> Result<Evaluation<T>> {
        let prepare = |of: &OutputArrays<'_, T>| of.prepare(self.head_of(of.head)?, truths);
        let prepared: Vec<_> = outputs.iter().map(prepare).collect::<Result<_>>()?;
        let slices = outputs.iter().zip(&prepared);
        let slices: Vec<_> = slices.map(|(of, with)| of.slices(truths.len(), with)).collect();
        let truths: Vec<_> =
            truths.iter().map(|truths| Truths::new(truths.boxes.numbers, truths.labels)).collect();
        self.evaluate_with(&slices, &truths, options)
    }
}

/// What messages call the one whose tensors do not fit.
const CALLED: &str = "criterion";

impl<'a, T: Precision> OutputArrays<'a, T> {
    /// The raw numbers of boxes, and nothing else.
    #[must_use]
    pub fn new(boxes: Array<'a, T>) -> Self {
        Self {
            logits: None,
            boxes,
            head: None,
            anchors: None,
            levels: None,
            quality: None,
            angle: None,
            distribution: None,
            image_size: None,
            groups: 1,
            pairs: None,
            seed: 0,
        }
    }

    fn prepare(&self, head: &Head, truths: &[TruthArrays<'_, T>]) -> Result<Prepared<T>> {
        let anchors = self.anchors.map(|places| own(places, self.levels)).transpose()?;
        let predictions = match &anchors {
            Some(OwnAnchors::AllImages(anchors)) => Some(anchors.len()),
            Some(OwnAnchors::EachImage(anchors)) => anchors.first().map(Anchors::len),
            None => None,
        };
        let second = || self.boxes.shape.get(1).copied().unwrap_or_default();
        self.check_shapes(head, [truths.len(), predictions.unwrap_or_else(second)])?;
        for TruthArrays { boxes, .. } in truths {
            let width = head.decoder.width();
            if !boxes.numbers.is_empty() && !matches!(*boxes.shape, [_, last] if last == width) {
                let wanted = format!("[truths, {width}]");
                return Err(boxes.misshapen(CALLED, "a tensor of truths", wanted));
            }
        }
        // What is no index of 32 bits is none of a truth either.
        let index = |&truth: &i64| i32::try_from(truth).unwrap_or(i32::MAX);
        let pairs = self.pairs.map(|pairs| pairs.numbers.iter().map(index).collect());
        Ok(Prepared { anchors, pairs })
    }

    /// Whether all tensors are of the same predictions of the same images. How many numbers a prediction has is looked at here, too: a tensor
    /// with its dimensions exchanged has as many.
    fn check_shapes(&self, head: &Head, [images, predictions]: [usize; 2]) -> Result<()> {
        let of_rows = |what, array: Array<'_, T>, width: Option<usize>, name: &str| match *array
            .shape
        {
            [many, rows, columns]
                if [many, rows] == [images, predictions]
                    && width.is_none_or(|width| width == columns) =>
            {
                Ok(())
            }
            _ => {
                let width = width.map_or_else(|| name.to_owned(), |width| width.to_string());
                Err(array.misshapen(CALLED, what, format!("[{images}, {predictions}, {width}]")))
            }
        };
        if let Some(logits) = self.logits {
            of_rows("the tensor of logits", logits, None, "classes")?;
        }
        let classes =
            self.logits.and_then(|logits| logits.shape.last().copied()).unwrap_or_default();
        let columns = head.decoder.columns() * if head.class_specific { classes } else { 1 };
        of_rows("the tensor of raw boxes", self.boxes, Some(columns), "")?;
        if let Some([distribution, references]) = self.distribution {
            of_rows("the tensor of distributions", distribution, None, "4 (N + 1)")?;
            of_rows("the tensor of references", references, Some(4), "")?;
        }
        for (what, shape) in [
            ("the tensor of quality", self.quality.map(|array| array.shape)),
            ("the tensor of angles", self.angle.map(|array| array.shape)),
            ("the tensor of pairs", self.pairs.map(|array| array.shape)),
        ] {
            if let Some(shape) = shape.filter(|shape| **shape != [images, predictions]) {
                let wanted = format!("[{images}, {predictions}]");
                return Err(Array::<T> { shape, numbers: &[] }.misshapen(CALLED, what, wanted));
            }
        }
        Ok(())
    }

    fn slices<'b>(&self, images: usize, prepared: &'b Prepared<T>) -> Outputs<'b, T>
    where
        'a: 'b,
    {
        let numbers = |array: Option<Array<'a, T>>| array.map(|array| array.numbers);
        let [distribution, references] = match self.distribution {
            Some(arrays) => arrays.map(|array| Some(array.numbers)),
            None => [None; 2],
        };
        Outputs {
            head: self.head,
            anchors: prepared.anchors.as_ref().map(|anchors| match anchors {
                OwnAnchors::AllImages(anchors) => AnchorsOf::AllImages(anchors),
                OwnAnchors::EachImage(anchors) => AnchorsOf::EachImage(anchors),
            }),
            quality: numbers(self.quality),
            angle: numbers(self.angle),
            distribution,
            references,
            image_size: self.image_size,
            groups: self.groups,
            pairs: prepared.pairs.as_deref(),
            seed: self.seed,
            ..Outputs::new(images, numbers(self.logits).unwrap_or_default(), self.boxes.numbers)
        }
    }
}

fn own<T: Precision>(places: Places<'_, T>, levels: Option<&[usize]>) -> Result<OwnAnchors<T>> {
    let Places::Boxes(Array { shape: &[images, predictions, 4], numbers }) = places else {
        return Ok(OwnAnchors::AllImages(places.anchors(CALLED, levels)?));
    };
    let of_image = |image: usize| {
        let numbers = &numbers[image * predictions * 4..][..predictions * 4];
        Places::Boxes(Array { shape: &[predictions, 4], numbers }).anchors(CALLED, levels)
    };
    Ok(OwnAnchors::EachImage((0..images).map(of_image).collect::<Result<_>>()?))
}
