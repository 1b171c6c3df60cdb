//! The command line of detloss.

fn main() {}
