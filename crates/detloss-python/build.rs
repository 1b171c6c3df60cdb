//! Lets plain `cargo build` and `cargo test` link the extension on macOS, where maturin would say how.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
