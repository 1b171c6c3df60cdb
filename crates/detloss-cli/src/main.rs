//! The command line of detloss.

#![forbid(unsafe_code)]
// Temporary: the commands that use these modules are still to come.
#![allow(dead_code, unused_imports)]

mod coco;
mod output;
mod plot;
mod report;
mod table;

fn main() {}
