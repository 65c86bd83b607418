//! The filter of a running capture: two tables in the kernel, one in force, the other free to be written.

use std::fmt;

use aya::{
    Ebpf,
    maps::{Array, MapData},
};
use flow::{CaptureConfig, Selection, rules::Sets};

use super::{
    describe,
    rules::{self, Table},
    sets::{self, SetMaps},
    take,
};
use crate::{bpf::grace, error::AgentError};

/// The two tables, their sets, which one is in force, and how many rules the programs look at.
pub(crate) struct Filter {
    tables: Array<MapData, Table>,
    sets: SetMaps,
    active: Array<MapData, u32>,
    in_force: u32,
    room: usize,
}

impl Filter {
    /// Puts the first table in force, before anything is attached.
    pub(super) fn begin(ebpf: &mut Ebpf, config: &CaptureConfig, table: &Table) -> Result<Self, AgentError> {
        let mut filter = Self {
            tables: take(ebpf, "RULES")?,
            sets: SetMaps::new(ebpf, config)?,
            active: take(ebpf, "RULES_ACTIVE")?,
            in_force: 0,
            room: rules::room(config),
        };
        filter.sets.write(0, &sets::of(&config.sets)?)?;
        filter.tables.set(0, table, 0).map_err(describe)?;
        filter.active.set(0, 0, 0).map_err(describe)?;
        Ok(filter)
    }

    /// Puts other rules and sets in force: written where no program looks, then switched to. Every packet is judged by the one
    /// table and its sets or by the other. When this returns, no program looks at the old one any more.
    ///
    /// # Errors
    /// More rules, sets or addresses than fit, or any where the programs were loaded without; the filter stays as it is then.
    pub(crate) fn replace(&mut self, selection: &Selection) -> Result<(), AgentError> {
        let table = rules::of(&selection.rules, &selection.own)?;
        let sets = sets::of(&selection.sets)?;
        let given = table.0.count as usize;
        if given > self.room {
            return Err(AgentError::NoRoomForRules { given });
        }
        let idle = 1 - self.in_force;
        if let Err(error) = self.write(idle, &table, &sets) {
            // What was written is of no use; the table in force has its own half of every entry.
            let _ = self.sets.tidy(self.in_force as usize);
            return Err(error);
        }
        self.active.set(0, idle, 0).map_err(describe)?;
        self.in_force = idle;
        grace::wait().map_err(|error| AgentError::os("cannot wait for the eBPF programs to end", error))?;
        self.sets.tidy(idle as usize)
    }

    fn write(&mut self, idle: u32, table: &Table, sets: &Sets) -> Result<(), AgentError> {
        self.sets.write(idle as usize, sets)?;
        self.tables.set(idle, table, 0).map_err(describe)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { in_force, room, .. } = self;
        formatter.debug_struct("Filter").field("in_force", in_force).field("room", room).finish_non_exhaustive()
    }
}
