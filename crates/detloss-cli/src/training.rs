//! Training a detector with losses of the list.
//!
//! [`data`] gives scenes, which [`augment`] varies, the [`detector`] looks, the [`objective`] is two [`losses`] of the list, for which [`targets`] says which cell is
//! to find which object, or a whole [`criterion`], and a [`run`] goes on until it is done. [`decode`] makes detections of what a detector
//! says.

pub(crate) mod augment;
pub(crate) mod criterion;
pub(crate) mod data;
pub(crate) mod decode;
pub(crate) mod detector;
pub(crate) mod digits;
pub(crate) mod files;
pub(crate) mod folder;
pub(crate) mod images;
pub(crate) mod losses;
pub(crate) mod memory;
pub(crate) mod model;
pub(crate) mod objective;
pub(crate) mod output;
pub(crate) mod picture;
mod random;
pub(crate) mod run;
pub(crate) mod scene;
pub(crate) mod stop;
pub(crate) mod targets;

#[cfg(test)]
mod tests;
