//! Every matcher against a slow definition in its own words, and the laws that hold for all of them.

mod assignment;
mod atss;
mod cancelled;
mod center_heatmap;
mod center_sampling;
mod dynamic_soft_label;
mod hungarian;
mod images;
mod laws;
mod max_iou;
mod sampling;
mod scenes;
mod sim_ota;
mod ssd;
mod task_aligned;
