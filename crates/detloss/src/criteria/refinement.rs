//! Detectors whose layers refine distributions: D-FINE and all that came after it.

use super::prelude::*;
use super::set_prediction::three_heads;

/// The decoder's layers, the plain boxes of the first of them, the encoder's proposals, and the same of queries for denoising. The boxes of
/// ordinary queries are of the union of all their matches, the classes of their own.
pub(super) fn heads(classes: &Term) -> [Head; 5] {
    let [decoder, encoder, denoising] = three_heads(Hungarian::default(), classes);
    let named = |head: &Head, name: &str| Head { name: name.to_owned(), ..head.clone() };
    let before = named(&denoising, "denoising_pre");
    let encoder = of_union(encoder);
    let pre = named(&encoder, "pre");
    let decoder = of_union(with(decoder, [fgl(), ddf(Normalizer::Roots)]));
    let denoising = with(denoising, [fgl(), ddf(Normalizer::RootsOfUnion)]);
    [decoder, pre, encoder, denoising, before]
}

/// The heads of the ports in transformers: distributions of the decoder's last layer are a teacher and no more, queries for denoising are
/// mixed by their own numbers, no plain boxes count, and boxes are clamped.
pub(super) fn ported_heads(classes: &Term) -> [Head; 3] {
    let [decoder, encoder, denoising] = three_heads(Hungarian::default(), classes);
    let local = || [fgl(), ddf(Normalizer::Roots)];
    let decoder = with(decoder, local().map(|term| term.layers(Layers::AllButLast)));
    [decoder, encoder, with(denoising, local())].map(|head| Head { clamp: true, ..head })
}

/// A head with more terms.
fn with(head: Head, terms: impl IntoIterator<Item = Term>) -> Head {
    Head { terms: head.terms.into_iter().chain(terms).collect(), ..head }
}

/// Boxes and distributions of a head by the pairs of the union, divided by their number.
pub(super) fn of_union(head: Head) -> Head {
    let of_term = |term: Term| {
        let normalizer = match term.normalizer {
            Normalizer::Truths => Normalizer::Positives,
            other => other,
        };
        match term.compares {
            Compares::Classes(_) => term,
            _ => Term { normalizer, ..term.pairs(Pairs::Union) },
        }
    };
    Head { terms: head.terms.into_iter().map(of_term).collect(), ..head }
}

/// Fine-grained localization: the distributions of the sides with those of the truth.
fn fgl() -> Term {
    let compares = Compares::Refinement { up: 0.5, reg_scale: 4.0 };
    Term::new("fgl", DistributionFocal::default(), compares, Normalizer::Truths)
        .weight(0.15)
        .row_weight(RowWeight::Iou)
}

/// Decoupled distillation: the distributions of the sides with those of the last layer.
fn ddf(normalizer: Normalizer) -> Term {
    Term::new("ddf", SoftmaxKl { temperature: 5.0 }, Compares::Teacher, normalizer)
        .weight(1.5)
        .rows(Rows::All)
        .row_weight(RowWeight::Confidence)
}
