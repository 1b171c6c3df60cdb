//! A line of the list.

use super::criterion::Criterion;

/// A line of [the list](super::ALL).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The id.
    pub name: &'static str,
    /// Other names of detectors that train with it.
    pub aliases: &'static [&'static str],
    /// The name of the detector, as papers print it.
    pub label: &'static str,
    /// Whose numbers it gives: package, version and file.
    pub source: &'static str,
    /// The documentation.
    pub doc: &'static str,
    /// The source file.
    pub file: &'static str,
    pub(super) make: fn() -> Criterion,
}

impl Entry {
    /// The criterion.
    #[must_use]
    pub fn make(&self) -> Criterion {
        (self.make)()
    }

    /// The first sentence of the documentation.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        crate::loss::summary(self.doc)
    }
}

/// Writes a criterion down: documentation, id, other ids, label, source, and the data.
macro_rules! criterion {
    (
        $(#[doc = $doc:literal])+
        $name:literal $(, $alias:literal)* => $label:literal, $source:literal, $make:expr
    ) => {
        pub(super) const ENTRY: $crate::criteria::Entry = $crate::criteria::Entry {
            name: $name,
            aliases: &[$($alias),*],
            label: $label,
            source: $source,
            doc: concat!($($doc, "\n"),+),
            file: file!(),
            make: || $make,
        };
    };
}
pub(super) use criterion;
