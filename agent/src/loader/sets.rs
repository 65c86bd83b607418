//! Sets of addresses in the kernel: two maps, in which an address has its sets for each of the two rule tables.
//!
//! Owns what is in the maps. Must not know which table is in force.

use std::{collections::HashMap, net::IpAddr};

use agent_common::types::SetMasks;
use aya::{
    Ebpf,
    maps::{HashMap as Map, MapData, MapError},
};
use flow::{
    CaptureConfig,
    rules::{MAX_ADDRESSES, MAX_SETS, Sets},
};

use super::{describe, take};
use crate::error::AgentError;

/// The maps of sets, and what is in them.
pub(super) struct SetMaps {
    v4: Map<MapData, [u8; 4], SetMasks>,
    v6: Map<MapData, [u8; 16], SetMasks>,
    held: HashMap<IpAddr, SetMasks>,
    room: bool,
}

/// Whether rules may refer to sets, now or later.
pub(crate) const fn room(config: &CaptureConfig) -> bool {
    !config.sets.is_empty() || config.spare_sets > 0
}

/// Entries of each map. While sets are replaced, the old and the new ones are in it.
pub(crate) const fn entries(config: &CaptureConfig) -> u32 {
    if room(config) { 2 * MAX_ADDRESSES as u32 } else { 1 }
}

/// The sets by address.
///
/// # Errors
/// More sets or addresses than fit.
pub(super) fn of(sets: &[Vec<IpAddr>]) -> Result<Sets, AgentError> {
    if sets.len() > MAX_SETS {
        return Err(AgentError::TooManySets { given: sets.len(), most: MAX_SETS });
    }
    let sets = Sets::new(sets);
    let given = sets.iter().len();
    if given > MAX_ADDRESSES { Err(AgentError::TooManyAddresses { given, most: MAX_ADDRESSES }) } else { Ok(sets) }
}

impl SetMaps {
    pub(super) fn new(ebpf: &mut Ebpf, config: &CaptureConfig) -> Result<Self, AgentError> {
        Ok(Self { v4: take(ebpf, "SETS4")?, v6: take(ebpf, "SETS6")?, held: HashMap::new(), room: room(config) })
    }

    /// Makes `sets` those of a rule table (0 or 1) that no program looks at. What the other table has stays.
    ///
    /// # Errors
    /// The programs were loaded without sets, or the kernel refuses memory.
    pub(super) fn write(&mut self, table: usize, sets: &Sets) -> Result<(), AgentError> {
        if !self.room && sets.iter().len() > 0 {
            return Err(AgentError::NoRoomForSets);
        }
        let stale = self.held.iter().filter(|(address, masks)| masks[table] != 0 && sets.of(**address) == 0);
        let stale: Vec<IpAddr> = stale.map(|(address, _)| *address).collect();
        for (address, mask) in stale.into_iter().map(|address| (address, 0)).chain(sets.iter()) {
            let mut masks = self.held.get(&address).copied().unwrap_or_default();
            if masks[table] != mask {
                masks[table] = mask;
                self.put(address, masks)?;
            }
        }
        Ok(())
    }

    /// Forgets the addresses that are in no set of the table in force, once no program looks at the other one.
    pub(super) fn tidy(&mut self, in_force: usize) -> Result<(), AgentError> {
        let gone = self.held.iter().filter(|(_, masks)| masks[in_force] == 0).map(|(address, _)| *address);
        for address in gone.collect::<Vec<_>>() {
            match address {
                IpAddr::V4(address) => self.v4.remove(&address.octets()),
                IpAddr::V6(address) => self.v6.remove(&address.octets()),
            }
            .map_err(describe)?;
            self.held.remove(&address);
        }
        Ok(())
    }

    fn put(&mut self, address: IpAddr, masks: SetMasks) -> Result<(), AgentError> {
        let result: Result<(), MapError> = match address {
            IpAddr::V4(address) => self.v4.insert(address.octets(), masks, 0),
            IpAddr::V6(address) => self.v6.insert(address.octets(), masks, 0),
        };
        result.map_err(describe)?;
        self.held.insert(address, masks);
        Ok(())
    }
}
