//! Points of observation under short numbers, their names, and which two of them a packet passes one after the other.

use std::{collections::HashMap, sync::Arc};

use crate::topology::Topology;

/// Where packets are counted: namespace, interface, direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) netns: u32,
    pub(crate) ifindex: u32,
    pub(crate) egress: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) place: Place,
    pub(crate) netns: Arc<str>,
    pub(crate) interface: Arc<str>,
    /// The point at the other end of a veth pair that the same packets pass: ingress there for egress here, and so on.
    pub(super) peer: Option<u32>,
}

/// Names of interfaces and, beside each, its direction (3 is both).
pub(crate) type Listed = (Arc<[Arc<str>]>, Arc<[u8]>);

/// Lists are shared by all records that need the same; beyond this many they are made anew.
const MOST_LISTS: usize = 65_536;

#[derive(Debug, Default)]
pub(crate) struct Points {
    numbers: HashMap<Place, u32, foldhash::fast::RandomState>,
    known: Vec<Point>,
    topology: Arc<Topology>,
    lists: HashMap<Box<[u32]>, Listed, foldhash::fast::RandomState>,
    latest: Option<(Place, u32)>,
}

impl Points {
    /// Takes over names and pairs.
    pub(crate) fn refresh(&mut self, topology: &Arc<Topology>) {
        if self.topology.version == topology.version {
            return;
        }
        self.topology = topology.clone();
        self.lists.clear();
        for number in 0..self.known.len() {
            let place = self.known[number].place;
            let peer = self.peer(place);
            // Of one that is forgotten by now the old name stands.
            if self.topology.points.contains_key(&(place.netns, place.ifindex)) {
                (self.known[number].netns, self.known[number].interface) = self.names(place);
            }
            self.known[number].peer = peer;
        }
    }

    /// The number of a place.
    pub(crate) fn number(&mut self, place: Place) -> u32 {
        if let Some((latest, number)) = self.latest
            && latest == place
        {
            return number;
        }
        let number = self.known_or_new(place);
        self.latest = Some((place, number));
        number
    }

    fn known_or_new(&mut self, place: Place) -> u32 {
        if let Some(number) = self.numbers.get(&place) {
            return *number;
        }
        let number = self.known.len() as u32;
        self.numbers.insert(place, number);
        let (netns, interface) = self.names(place);
        self.known.push(Point { place, netns, interface, peer: None });
        // The peer's own peer is this point, which is known by now.
        let peer = self.peer(place);
        self.known[number as usize].peer = peer;
        number
    }

    fn peer(&mut self, place: Place) -> Option<u32> {
        let (netns, ifindex) = self.topology.points.get(&(place.netns, place.ifindex))?.peer?;
        Some(self.known_or_new(Place { netns, ifindex, egress: !place.egress }))
    }

    fn names(&self, place: Place) -> (Arc<str>, Arc<str>) {
        match self.topology.points.get(&(place.netns, place.ifindex)) {
            Some(watched) => (watched.interface.netns.clone(), watched.interface.name.clone()),
            None => (format!("netns:{}", place.netns).into(), format!("if{}", place.ifindex).into()),
        }
    }

    pub(crate) fn get(&self, number: u32) -> &Point {
        &self.known[number as usize]
    }

    /// Interfaces and directions of these points, in this order; both directions of one interface are one entry.
    pub(crate) fn list(&mut self, numbers: &[u32]) -> Listed {
        if let Some(listed) = self.lists.get(numbers) {
            return listed.clone();
        }
        let mut listed: Vec<((u32, u32), Arc<str>, u8)> = Vec::with_capacity(numbers.len());
        for point in numbers.iter().map(|number| self.get(*number)) {
            let interface = (point.place.netns, point.place.ifindex);
            let direction = u8::from(point.place.egress);
            match listed.iter_mut().find(|entry| entry.0 == interface) {
                Some(entry) if entry.2 != direction => entry.2 = 3,
                Some(_) => {}
                None => listed.push((interface, point.interface.clone(), direction)),
            }
        }
        let lists: Listed =
            (listed.iter().map(|entry| entry.1.clone()).collect(), listed.iter().map(|entry| entry.2).collect());
        if self.lists.len() >= MOST_LISTS {
            self.lists.clear();
        }
        self.lists.insert(numbers.into(), lists.clone());
        lists
    }
}
