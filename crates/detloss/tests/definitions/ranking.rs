//! Ranking losses: every pair of a positive and a negative.
