//! The list of losses.
//!
//! Everything a user sees (the Rust API by name, the command line, other languages, documentation, benchmarks, the conformance
//! suite) is a loop over this list. Adding a loss is one new file and one new line here.

mod any;
mod entry;

pub use any::AnyLoss;
pub(crate) use any::{assignments, parts, written};
pub use entry::{Entry, Visitor};

use crate::error::{Error, Result};
use crate::macros::registry;

registry! {
    /// Pairs of boxes.
    boxes: formula {
        iou: Iou,
        iou_log: IouLog,
        iou_square: IouSquare,
        giou: Giou,
        diou: Diou,
        ciou: Ciou,
        eiou: Eiou,
        focal_eiou: FocalEiou,
        siou: Siou,
        shape_iou: ShapeIou,
        piou: Piou,
        piou_v2: PiouV2,
        nwd: Nwd,
        bounded_iou: BoundedIou,
        extended_iou: ExtendedIou,
        mpdiou: Mpdiou,
        wiou: Wiou,
        wiou_v2: WiouV2,
        wiou_v3: WiouV3,
    }
    /// Pairs of rotated boxes.
    rotated: formula {
        rotated_iou: RotatedIou,
        rotated_iou_log: RotatedIouLog,
        rotated_iou_square: RotatedIouSquare,
        rotated_giou: RotatedGiou,
        rotated_diou: RotatedDiou,
        mgiou: Mgiou,
        gwd: Gwd,
        kld: Kld,
        bcd: Bcd,
        prob_iou: ProbIou,
        kfiou: Kfiou,
        rotated_angle: RotatedAngle,
    }
    /// Pairs of boxes in space.
    boxes3d: formula {
        iou3d: Iou3d,
        giou3d: Giou3d,
        diou3d: Diou3d,
        yaw_iou3d: YawIou3d,
        yaw_giou3d: YawGiou3d,
        yaw_diou3d: YawDiou3d,
        mgiou3d: Mgiou3d,
        corner3d: Corner3d,
    }
    /// Pairs of values: coordinates, offsets, sizes.
    values: formula {
        l1: L1,
        l2: L2,
        smooth_l1: SmoothL1,
        huber: Huber,
        balanced_l1: BalancedL1,
        kl: Kl,
    }
    /// A logit against its label.
    scores: formula {
        bce: Bce,
        alpha_balanced_ce: AlphaBalancedCe,
        focal: Focal,
        quality_focal: QualityFocal,
        varifocal: Varifocal,
        gaussian_focal: GaussianFocal,
        mal: Mal,
        ia_bce: IaBce,
        asymmetric: Asymmetric,
        poly1_focal: Poly1Focal,
    }
    /// A row of logits against its class, or a distribution over the classes.
    rows: row {
        softmax_ce: SoftmaxCe,
        softmax_focal: SoftmaxFocal,
        poly1_ce: Poly1Ce,
        softmax_kl: SoftmaxKl,
        distribution_focal: DistributionFocal,
    }
    /// The pixels of an instance against its mask, or of an image against its classes.
    masks: row {
        dice: Dice,
        dice_squared: DiceSquared,
        jaccard: Jaccard,
        tversky: Tversky,
        focal_tversky: FocalTversky,
        lovasz_hinge: LovaszHinge,
    }, set {
        lovasz_softmax: LovaszSoftmax,
        softmax_dice: SoftmaxDice,
        softmax_jaccard: SoftmaxJaccard,
        softmax_tversky: SoftmaxTversky,
    }
    /// The whole batch, or every image in it.
    sets: set {
        ap: Ap,
        alrp: Alrp,
        rank_sort: RankSort,
        dr: Dr,
        balanced_ce: BalancedCe,
        ghm_c: GhmC,
        ghm_r: GhmR,
        seesaw: Seesaw,
        eqlv2: Eqlv2,
        efl: Efl,
        rmse: Rmse,
    }
}

/// The loss called `name`.
///
/// # Errors
///
/// [`Error::UnknownLoss`], with the nearest name there is, if one is near: at least half of its letters are those of `name`, or all are in it.
pub fn find(name: &str) -> Result<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name).ok_or_else(|| {
        // Of two that are equally near the shorter one: a letter too many is likelier than a wrong one.
        let names = ALL.iter().map(|entry| entry.name);
        let is_near = |known: &&str| {
            let longer = name.chars().count().max(known.len());
            2 * distance(name, known) <= longer || name.contains(*known)
        };
        let nearest =
            names.filter(is_near).min_by_key(|known| (distance(name, known), known.len()));
        Error::UnknownLoss { name: name.to_owned(), nearest }
    })
}

/// How many letters to insert, delete or replace to come from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, &other) in b.iter().enumerate() {
            let replace = diagonal + usize::from(letter != other);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
