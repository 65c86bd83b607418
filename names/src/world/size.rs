//! What the world takes in memory.

use super::{Claim, Host, Owner, Thing, World};
use crate::{
    history::Holders,
    id::{Key, Uid},
    strings::heap_bytes,
};

impl World {
    /// Memory held, bytes: tables by their capacity, texts by their length. What the allocator adds is not in it.
    pub(crate) fn bytes(&self) -> usize {
        self.table_bytes() + self.text_bytes() + self.list_bytes()
    }

    fn table_bytes(&self) -> usize {
        let by_uid = (self.things_by_uid.capacity() + self.owners_by_uid.capacity()) * (size_of::<(Uid, u32)>() + 1);
        let holders = self.holders.capacity() * (size_of::<(Key, Holders)>() + 1);
        let slabs =
            self.things.capacity() * size_of::<Option<Thing>>() + self.owners.capacity() * size_of::<Option<Owner>>();
        by_uid + holders + slabs + self.hosts.capacity() * (2 * size_of::<Host>()) + self.pod_subnets.bytes()
    }

    fn text_bytes(&self) -> usize {
        let things: usize = self.things.iter().map(|(_, thing)| heap_bytes(&thing.name)).sum();
        let owners: usize = self.owners.iter().map(|(_, owner)| heap_bytes(&owner.name)).sum();
        let hosts: usize = self.hosts.iter().map(|host| heap_bytes(&host.name)).sum();
        things + owners + hosts + self.strings.bytes()
    }

    fn list_bytes(&self) -> usize {
        let claims: usize = self
            .things
            .iter()
            .map(|(_, thing)| thing.claims.len() * size_of::<Claim>() + size_of_val(&*thing.interfaces))
            .sum();
        let holders: usize = self.holders.values().map(Holders::heap_bytes).sum();
        let details: usize =
            self.things.iter().filter_map(|(_, thing)| thing.details.as_ref()).map(|it| it.bytes()).sum();
        let containers = self.containers.capacity() * (size_of::<(crate::id::ContainerId, u32)>() + 1);
        claims + holders + details + containers + self.ended.capacity() * size_of::<super::Ended>()
    }
}
