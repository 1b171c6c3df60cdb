//! What a run needs of memory, before it begins.

use std::fs;

use super::run::AT_ONCE;

/// Bytes that a step keeps for each pixel of a scene: what six convolutions and their normalisations leave for the way back. Measured are
/// 240 to 300, at sides of 128 and 256.
const OF_STEP: u64 = 300;

/// Bytes for each pixel of a scene that is only looked at: the colours, and what the first convolution makes of them, before and after.
const OF_LOOK: u64 = 100;

/// About how many bytes a run of `batch` scenes a step takes, beside its images.
pub(crate) fn needed(batch: usize, side: usize) -> u64 {
    let pixels = (side * side) as u64;
    (batch as u64 * OF_STEP).max(AT_ONCE as u64 * OF_LOOK) * pixels
}

/// How many bytes there are to be had, where the system says so.
pub(crate) fn free() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let of_machine = read("/proc/meminfo").and_then(|text| available(&text));
    // A container may have less than the machine.
    let of_group = read("/sys/fs/cgroup/memory.max").and_then(|most| {
        let used = in_use(&read("/sys/fs/cgroup/memory.stat")?)?;
        Some(most.trim().parse::<u64>().ok()?.saturating_sub(used))
    });
    let of_process = read("/proc/self/limits").and_then(|text| address_space(&text));
    [of_machine, of_group, of_process].into_iter().flatten().min()
}

/// What Linux says of the machine, in its table of memory.
fn available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// What the processes of a container have, without the files that the system keeps for them.
fn in_use(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("anon "))?.trim().parse().ok()
}

/// What `ulimit -v` says, in Linux's table of limits; none where there is no limit.
fn address_space(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_the_system_are_read() {
        let memory = "MemTotal:       24000000 kB\nMemAvailable:   18000000 kB\n";
        assert_eq!(available(memory), Some(18_000_000 * 1024));
        assert_eq!(available("MemTotal: 5 kB"), None);
        assert_eq!(in_use("anon 4096\nfile 8192\nanon_thp 0\n"), Some(4096));
        let limits = |limit: &str| {
            format!(
                "Max file locks   unlimited   unlimited   locks\nMax address space         {limit}   unlimited            bytes\n"
            )
        };
        assert_eq!(address_space(&limits("10240000000")), Some(10_240_000_000));
        assert_eq!(address_space(&limits("unlimited")), None);
    }

    #[test]
    fn what_is_allowed_may_need_more_than_a_machine_has() {
        assert!(needed(32, 64) < 1 << 30, "{}", needed(32, 64));
        assert!(needed(2000, 512) > 100 << 30);
    }
}
