//! Threads on cores.

/// Keeps this thread on one of the cores that the process may use, the `index`-th or, if there
/// are not so many, counted round. Whether the kernel agreed.
pub fn pin(index: usize) -> bool {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let core = index.checked_rem(cores.len()).and_then(|at| cores.get(at));
    core.is_some_and(|core| core_affinity::set_for_current(*core))
}
