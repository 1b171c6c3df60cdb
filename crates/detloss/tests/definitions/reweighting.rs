//! Losses that weigh their elements by what else is in the batch.
