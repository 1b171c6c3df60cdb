//! The habits of the house, as a program.

fn main() {}
