//! The losses on a GPU. A Vulkan driver in software will do.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::cargo::cargo;

const PACKAGES: [&str; 2] = ["libvulkan1", "mesa-vulkan-drivers"];

/// Tests them, and nothing else; does nothing without a driver.
pub(crate) fn run() -> anyhow::Result<()> {
    if !has_driver()? {
        return Ok(());
    }
    let wgpu = ["--package", "detloss-burn", "--features", "wgpu"];
    // Burn's CPU backend is a third of the build; here it only copies.
    let quick = ["--config", "profile.dev.package.burn-flex.opt-level=0"];
    cargo(&[&["test", "--test", "wgpu"], &wgpu[..], &quick].concat(), &quiet())
}

/// Whether there is a driver. If not, one is installed, or a message says how.
fn has_driver() -> anyhow::Result<bool> {
    if finds_driver() {
        return Ok(true);
    }
    // A machine that was made for tests may be changed for them, any other is its owner's.
    if env::var_os("CI").is_none() || !install()? {
        eprintln!(
            "the losses on a GPU are not tested: there is no Vulkan driver. One in software will do: apt-get install {}",
            PACKAGES.join(" ")
        );
        return Ok(false);
    }
    ensure!(finds_driver(), "{} are installed, but no driver is found", PACKAGES.join(" and "));
    Ok(true)
}

/// The environment in which drivers do not complain: they want a folder for their files.
fn quiet() -> [(&'static str, String); 1] {
    const FOLDER: &str = "XDG_RUNTIME_DIR";
    [(FOLDER, env::var(FOLDER).unwrap_or_else(|_| env::temp_dir().display().to_string()))]
}

/// Whether a GPU can be spoken to: everywhere but on Linux the system sees to that.
fn finds_driver() -> bool {
    const MANIFESTS: [&str; 3] =
        ["/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d"];
    let has_manifest = |folder: &str| {
        let Ok(files) = fs::read_dir(folder) else { return false };
        files.flatten().any(|file| file.path().extension() == Some(OsStr::new("json")))
    };
    !cfg!(target_os = "linux")
        || ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|name| env::var_os(name).is_some())
        || MANIFESTS.into_iter().any(has_manifest)
}

/// Installs the driver in software; false where that does not work.
fn install() -> anyhow::Result<bool> {
    if !Path::new("/usr/bin/apt-get").exists() {
        return Ok(false);
    }
    let install = [&["install", "--yes", "--no-install-recommends"][..], &PACKAGES].concat();
    for arguments in [&["update"][..], &install] {
        let output = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .context("apt-get does not start")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            eprintln!("apt-get {} failed:\n{said}", arguments.join(" "));
            return Ok(false);
        }
    }
    Ok(true)
}
