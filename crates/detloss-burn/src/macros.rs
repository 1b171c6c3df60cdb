//! What a line of the list becomes.

/// Declares the configuration and the module of a loss. The files that call it are generated from the list of the core.
macro_rules! loss_module {
    (
        $(#[$doc:meta])*
        $config:ident, $module:ident, $family:ident::$core:ident {
            $($(#[$param_doc:meta])* $param:ident: $value:ident = $default:literal,)*
        }
    ) => {
        #[doc = concat!("Configuration of a [`", stringify!($module), "`].")]
        #[derive(burn::config::Config, Debug)]
        pub struct $config {
            $($(#[$param_doc])* #[config(default = $default)] pub $param: $value,)*
        }

        impl $config {
            /// The loss with these parameters.
            ///
            /// # Panics
            ///
            /// If a parameter is out of its range.
            #[must_use]
            pub fn init(&self) -> $module {
                let loss = $module { $($param: self.$param,)* };
                $crate::loss::expect_valid(detloss::batch::Kernel::check($crate::Loss::from(&loss).as_ref()));
                loss
            }
        }

        $(#[$doc])*
        #[derive(burn::module::Module, Debug)]
        #[module(custom_display)]
        pub struct $module {
            $($(#[$param_doc])* pub $param: $value,)*
        }

        impl $module {
            /// The loss with its default parameters.
            #[must_use]
            pub fn new() -> Self {
                $config::new().init()
            }

            /// The losses added up.
            ///
            /// # Shapes
            ///
            /// Those above; the output is \[1\].
            ///
            /// # Panics
            ///
            /// If the shapes do not fit each other or the loss, or a class index names no class.
            #[track_caller]
            pub fn forward<const D: usize>(
                &self,
                predictions: burn::tensor::Tensor<D>,
                targets: impl Into<$crate::Target>,
                reduction: burn::nn::loss::Reduction,
            ) -> burn::tensor::Tensor<1> {
                $crate::Loss::from(self).forward(predictions, targets, reduction)
            }

            /// The losses one by one.
            ///
            /// # Shapes
            ///
            /// Those above; the output is \[units\], in the order of the predictions.
            ///
            /// # Panics
            ///
            /// Like [`forward`](Self::forward).
            #[track_caller]
            pub fn forward_no_reduction<const D: usize>(
                &self,
                predictions: burn::tensor::Tensor<D>,
                targets: impl Into<$crate::Target>,
            ) -> burn::tensor::Tensor<1> {
                $crate::Loss::from(self).forward_no_reduction(predictions, targets)
            }
        }

        impl burn::module::ModuleDisplay for $module {
            fn custom_settings(&self) -> Option<burn::module::DisplaySettings> {
                burn::module::DisplaySettings::new().with_new_line_after_attribute(false).optional()
            }

            fn custom_content(
                &self,
                content: burn::module::Content,
            ) -> Option<burn::module::Content> {
                content$(.add(stringify!($param), &self.$param))*.optional()
            }
        }

        impl Default for $module {
            fn default() -> Self {
                Self::new()
            }
        }

        impl From<&$module> for $crate::Loss {
            fn from(loss: &$module) -> Self {
                let _ = loss; // Some have no parameters.
                let loss = detloss::losses::$family::$core { $($param: loss.$param,)* };
                $crate::Loss::from(detloss::losses::AnyLoss::from(loss))
            }
        }
    };
}
pub(crate) use loss_module;

#[cfg(test)]
mod tests {
    use crate::Loss;
    use crate::losses::all;

    #[test]
    fn every_loss_of_the_list_is_a_module_with_its_defaults() {
        let modules: Vec<String> = all().iter().map(Loss::to_string).collect();
        let entries = detloss::losses::ALL.iter();
        let list: Vec<String> =
            entries.map(|entry| Loss::find(entry.name).unwrap().to_string()).collect();
        assert_eq!(modules, list);
    }
}
