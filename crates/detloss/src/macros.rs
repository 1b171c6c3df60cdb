//! The macros of the house: one writes down a loss, one makes the list, and some that several rooms share.

/// Declares a loss, a modifier of losses or a matcher: documentation, id, label, parameters with their documentation, defaults and ranges. A parameter is a real
/// (`f64`), a count (`u32`) or a switch (`bool`, without a range).
///
/// ```text
/// loss! {
///     /// <Label>: <what it does>.
///     "my_iou", "MyIoU" => pub struct MyIou: Formula {
///         /// What the parameter does.
///         gamma: f64 = 0.5 in 0.0..=4.0,
///         /// Whether it does.
///         detach: bool = false,
///     }
/// }
/// ```
#[macro_export]
macro_rules! loss {
    (
        $(#[doc = $doc:literal])+
        $name:literal, $label:literal => pub struct $ty:ident: $form:ident {
            $($(#[doc = $param_doc:literal])+ $param:ident: $value:ident = $default:literal $(in $low:literal..=$high:literal)?,)*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $ty { $($(#[doc = $param_doc])+ pub $param: $value,)* }

        impl Default for $ty {
            fn default() -> Self {
                Self { $($param: $default,)* }
            }
        }

        impl $crate::loss::Described for $ty {
            type Form = $crate::loss::$form;
            const NAME: &'static str = $name;
            const TYPE: &'static str = stringify!($ty);
            const LABEL: &'static str = $label;
            const DOC: &'static str = concat!($($doc, "\n"),+);
            const FILE: &'static str = file!();
            const PARAMS: &'static [$crate::loss::Param] = &[$($crate::loss::Param::new::<$value>(
                stringify!($param),
                $crate::loss!(@number $value $default),
                ($crate::loss!(@low $($low)?), $crate::loss!(@high $($high)?)),
                concat!($($param_doc, "\n"),+),
            )),*];

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
                    self.$param = $crate::loss::ParamValue::from_f64(value);
                })*
                Ok(())
            }

            fn params(&self) -> Vec<f64> {
                vec![$($crate::loss::ParamValue::to_f64(self.$param)),*]
            }
        }
    };
    (@number f64 $default:literal) => { $default };
    (@number u32 $default:literal) => { $default as f64 };
    (@number bool $default:literal) => { $default as u8 as f64 };
    (@low) => { 0.0 };
    (@low $low:literal) => { $low as f64 };
    (@high) => { 1.0 };
    (@high $high:literal) => { $high as f64 };
}

/// Makes the list: one line per loss, grouped by family.
macro_rules! registry {
    ($($(#[$meta:meta])* $family:ident: $($form:ident { $($file:ident: $ty:ident),* $(,)? }),+)*) => {
        $(
            $(#[$meta])*
            pub mod $family {
                $($(mod $file; pub use $file::$ty;)*)+
            }
        )*

        /// Every loss, family by family.
        pub static ALL: &[Entry] =
            &[$($($(Entry::of::<$family::$ty>(stringify!($family)),)*)+)*];

        // Not of every type that has a kernel: so the kernel is that of the library, and no crate that makes a loss of a type compiles
        // it once more.
        $($($(
            impl From<$family::$ty> for AnyLoss {
                #[inline(never)]
                fn from(loss: $family::$ty) -> Self {
                    Self::new(loss)
                }
            }
        )*)+)*

        /// Shows every loss, with its type, to `visitor`.
        pub fn visit(visitor: &mut impl Visitor) {
            $($($(visitor.$form::<$family::$ty>();)*)+)*
        }
    };
}
pub(crate) use registry;

/// Serialises a type as the text that it is displayed as and read from.
#[cfg(feature = "serde")]
macro_rules! serialized_as_text {
    ($ty:ident) => {
        impl serde::Serialize for $ty {
            fn serialize<S: serde::Serializer>(
                &self,
                serializer: S,
            ) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $ty {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
#[cfg(feature = "serde")]
pub(crate) use serialized_as_text;
