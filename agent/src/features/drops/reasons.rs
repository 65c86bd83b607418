//! Names of the kernel's drop reasons. Numbers differ from kernel to kernel, so that names come from the types that the running
//! one describes: those of its core, and those of subsystems in its modules (include/net/dropreason.h).

use std::{collections::HashMap, fs, path::Path, sync::Arc};

use crate::btf::Btf;

/// Enumerations that hold reasons: the core's, Open vSwitch's (net/openvswitch/drop.h), Wi-Fi's (net/mac80211/drop.h).
const ENUMERATIONS: [&str; 3] = ["skb_drop_reason", "ovs_drop_reason", "mac80211_drop_reason"];
const SUBSYSTEMS: &str = "skb_drop_reason_subsys";
const SUBSYSTEM: &str = "SKB_DROP_REASON_SUBSYS_";
/// The subsystem is in the upper half of a reason.
const SUBSYSTEM_SHIFT: u32 = 16;
/// What the kernel says where it does not say why.
const NOT_SPECIFIED: &str = "SKB_DROP_REASON_NOT_SPECIFIED";
/// Where a kernel gives no reason at all (before Linux 5.17).
const UNKNOWN: &str = "unknown";
const MODULES: &str = "/sys/kernel/btf";

/// Reasons of the running kernel.
#[derive(Debug, Default)]
pub(crate) struct Reasons {
    names: HashMap<u32, Arc<str>>,
    subsystems: HashMap<u32, String>,
}

impl Reasons {
    /// Those that a kernel describes, without its modules.
    pub(crate) fn of(kernel: &Btf) -> Self {
        let mut reasons = Self::default();
        for (name, number) in kernel.enumeration(SUBSYSTEMS, None).unwrap_or_default() {
            if let Some(name) = name.strip_prefix(SUBSYSTEM).filter(|name| *name != "NUM") {
                reasons.subsystems.insert(number, name.to_owned());
            }
        }
        reasons.add(kernel, None);
        reasons
    }

    /// Adds what a module describes, or the kernel itself.
    fn add(&mut self, btf: &Btf, base: Option<&Btf>) {
        for enumeration in ENUMERATIONS {
            for (name, number) in btf.enumeration(enumeration, base).unwrap_or_default() {
                // The first one of a number stands: later ones are ends of ranges and masks.
                if !is_bound(&name) {
                    self.names.entry(number).or_insert_with(|| name.into());
                }
            }
        }
    }

    /// Adds what the modules describe that are loaded now.
    fn add_modules(&mut self) {
        let Some(kernel) = Btf::of_kernel() else { return };
        for module in ["openvswitch", "mac80211"] {
            let file = Path::new(MODULES).join(module);
            if let Some(btf) = fs::read(file).ok().and_then(Btf::parse) {
                self.add(&btf, Some(&kernel));
            }
        }
    }

    /// The number of a reason of the core.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.names.iter().find(|(_, known)| ***known == *name).map(|(number, _)| *number)
    }

    /// The name of a reason. Of a subsystem that does not describe its own: that subsystem and a number.
    pub(crate) fn name(&mut self, reason: u32) -> Arc<str> {
        if !self.names.contains_key(&reason) && reason >> SUBSYSTEM_SHIFT != 0 {
            // A module may have come since. Whatever it tells, this number is not asked for again.
            self.add_modules();
        }
        let subsystems = &self.subsystems;
        self.names.entry(reason).or_insert_with(|| unnamed(reason, subsystems).into()).clone()
    }
}

/// Whether a name says nothing: many paths free buffers without a reason, also some that drop nothing (IGMP reports).
pub(crate) fn is_vague(name: &str) -> bool {
    name == NOT_SPECIFIED || name == UNKNOWN
}

fn unnamed(reason: u32, subsystems: &HashMap<u32, String>) -> String {
    let (subsystem, number) = (reason >> SUBSYSTEM_SHIFT, reason & 0xffff);
    match (subsystem, subsystems.get(&subsystem)) {
        (0, _) if reason == 0 => UNKNOWN.to_owned(),
        (0, _) => format!("SKB_DROP_REASON_{number}"),
        (_, Some(name)) => format!("{name}_{number}"),
        (_, None) => format!("SUBSYSTEM_{subsystem}_{number}"),
    }
}

/// `SKB_DROP_REASON_MAX`, `SKB_DROP_REASON_SUBSYS_MASK`, `__OVS_DROP_REASON` and the like.
fn is_bound(name: &str) -> bool {
    name.starts_with("__") || name.ends_with("_MAX") || name.ends_with("_MASK") || name.ends_with("_NUM")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::made::{enumeration, module};

    #[test]
    fn names_come_from_the_kernels_own_types() {
        let core = [("SKB_NOT_DROPPED_YET", 0), ("SKB_DROP_REASON_NO_SOCKET", 3), ("SKB_DROP_REASON_MAX", 4)];
        let kernel = Btf::parse(enumeration("skb_drop_reason", &core)).unwrap();
        let mut reasons = Reasons::of(&kernel);
        assert_eq!(&*reasons.name(3), "SKB_DROP_REASON_NO_SOCKET");
        assert_eq!(&*reasons.name(4), "SKB_DROP_REASON_4", "the end of a range is no reason");
        assert_eq!(reasons.number("SKB_NOT_DROPPED_YET"), Some(0));
        assert_eq!(&*Reasons::default().name(0), UNKNOWN);
    }

    #[test]
    fn a_module_names_its_own_and_a_silent_one_is_named() {
        let subsystems = [("SKB_DROP_REASON_SUBSYS_CORE", 0), ("SKB_DROP_REASON_SUBSYS_OPENVSWITCH", 3)];
        let kernel = Btf::parse(enumeration(SUBSYSTEMS, &subsystems)).unwrap();
        let ovs = [("__OVS_DROP_REASON", 3 << 16), ("OVS_DROP_LAST_ACTION", 3 << 16 | 1)];
        let ovs = Btf::parse(module(&kernel, "ovs_drop_reason", &ovs)).unwrap();
        let mut reasons = Reasons::of(&kernel);
        reasons.add(&ovs, Some(&kernel));
        assert_eq!(&*reasons.name(3 << 16 | 1), "OVS_DROP_LAST_ACTION");
        assert_eq!(&*reasons.name(3 << 16 | 2), "OPENVSWITCH_2");
        assert_eq!(&*reasons.name(9 << 16 | 2), "SUBSYSTEM_9_2");
    }

    #[test]
    fn the_running_kernel_names_a_closed_port() {
        let Some(kernel) = Btf::of_kernel() else {
            eprintln!("SKIP the_running_kernel_names_a_closed_port: no /sys/kernel/btf/vmlinux");
            return;
        };
        let reasons = Reasons::of(&kernel);
        if kernel.arguments("kfree_skb").is_none_or(|count| count < 3) {
            eprintln!("SKIP the_running_kernel_names_a_closed_port: this kernel gives no reasons");
            return;
        }
        assert!(reasons.number("SKB_DROP_REASON_NO_SOCKET").is_some_and(|number| number > 0));
    }
}
