//! The two macros of the house: one writes down a loss, one makes the list.

/// Declares a loss: documentation, id, label, parameters with their documentation, defaults and ranges.
///
/// ```text
/// loss! {
///     /// <Label>: <what it does>.
///     "my_iou", "MyIoU" => pub struct MyIou: Formula {
///         /// What the parameter does.
///         gamma: f64 = 0.5 in 0.0..=4.0,
///     }
/// }
/// ```
#[macro_export]
macro_rules! loss {
    (
        $(#[doc = $doc:literal])+
        $name:literal, $label:literal => pub struct $ty:ident: $kind:ident {
            $($(#[doc = $param_doc:literal])+ $param:ident: f64 = $default:literal in $low:literal..=$high:literal,)*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $ty { $($(#[doc = $param_doc])+ pub $param: f64,)* }

        impl Default for $ty {
            fn default() -> Self {
                Self { $($param: $default,)* }
            }
        }

        impl $crate::loss::Described for $ty {
            type Kind = $crate::loss::$kind;
            const NAME: &'static str = $name;
            const LABEL: &'static str = $label;
            const DOC: &'static str = concat!($($doc, "\n"),+);
            const FILE: &'static str = file!();
            const PARAMS: &'static [$crate::loss::Param] = &[$($crate::loss::Param {
                name: stringify!($param),
                default: $default,
                range: ($low, $high),
                doc: concat!($($param_doc, "\n"),+),
            }),*];

            fn set(&mut self, key: &str, value: f64) -> $crate::Result<()> {
                let Some(param) = Self::PARAMS.iter().find(|param| param.name == key) else {
                    return Err($crate::Error::UnknownParam {
                        loss: $name,
                        key: key.to_owned(),
                        known: Self::PARAMS.iter().map(|param| param.name).collect(),
                    });
                };
                param.check($name, value)?;
                $(if key == stringify!($param) {
                    self.$param = value;
                })*
                Ok(())
            }

            fn params(&self) -> Vec<f64> {
                vec![$(self.$param),*]
            }
        }
    };
}

/// Makes the list: one line per loss, grouped by family.
macro_rules! registry {
    ($($(#[$meta:meta])* $family:ident: $($kind:ident { $($file:ident: $ty:ident),* $(,)? }),+)*) => {
        $(
            $(#[$meta])*
            pub mod $family {
                $($(mod $file; pub use $file::$ty;)*)+
            }
        )*

        /// Every loss, family by family.
        pub static ALL: &[$crate::loss::Entry] =
            &[$($($($crate::loss::Entry::$kind::<$family::$ty>(stringify!($family)),)*)+)*];

        /// Shows every loss, with its type, to `visitor`.
        pub fn visit(visitor: &mut impl $crate::loss::Visitor) {
            $($($(visitor.$kind::<$family::$ty>();)*)+)*
        }
    };
}
pub(crate) use registry;
