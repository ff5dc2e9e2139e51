//! What it was measured on.

use std::path::Path;

use serde::Serialize;

/// What it was measured on, as the system says it.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Cores that may be used.
    pub cores: usize,
    /// The kernel's version.
    pub kernel: String,
    /// The file system that was written to.
    pub file_system: String,
    /// Whether the system gives huge pages by itself.
    pub huge_pages: String,
}

impl Machine {
    /// This one, with the file system that `dir` is on.
    #[must_use]
    pub fn here(dir: &Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let unknown = || "unknown".to_owned();
        let cpu_info = read("/proc/cpuinfo");
        let processor = cpu_info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let huge_pages = read("/sys/kernel/mm/transparent_hugepage/enabled");
        let chosen = huge_pages.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        Self {
            processor: processor.map_or_else(unknown, |(_, name)| name.trim().to_owned()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/mounts"), dir).unwrap_or_else(unknown),
            huge_pages: chosen.map_or_else(unknown, |(name, _)| name.to_owned()),
        }
    }
}

/// The kind of the file system that `dir` is on: the longest mount point that it begins with.
fn file_system(mounts: &str, dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (_device, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
            dir.starts_with(point).then_some((point.len(), kind))
        })
        .max()
        .map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\nproc /proc proc rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/proc/self")), Some("proc".to_owned()));
        assert_eq!(file_system(mounts, Path::new("/")), Some("ext4".to_owned()));
    }
}
