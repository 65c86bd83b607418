//! How fast an interface is, as its driver says (include/uapi/linux/ethtool.h, `ETHTOOL_GSET`).
//!
//! By ioctl and not from /sys/class/net, which shows the namespace that it was mounted in.

use std::{
    ffi::c_char,
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

/// `SIOCETHTOOL` of include/uapi/linux/sockios.h.
const ETHTOOL: libc::Ioctl = 0x8946;
const GET_SETTINGS: u32 = 1;
/// `SPEED_UNKNOWN`, and what older drivers say instead.
const UNKNOWN: [u32; 3] = [0, 0xffff, u32::MAX];

/// `struct ethtool_cmd`: what is read of it, and the rest.
#[repr(C)]
#[derive(Default)]
struct Settings {
    command: u32,
    modes: [u32; 2],
    speed: u16,
    ports: [u8; 6],
    most: [u32; 2],
    speed_high: u16,
    mdix: [u8; 2],
    rest: [u32; 3],
}

impl Settings {
    /// Bits per second; 0 where the driver knows none.
    fn bits(&self) -> u64 {
        let megabits = u32::from(self.speed_high) << 16 | u32::from(self.speed);
        if UNKNOWN.contains(&megabits) { 0 } else { u64::from(megabits) * 1_000_000 }
    }
}

/// Bits per second of an interface in the namespace of `socket`; 0 where there is nothing to tell: no such driver, no link.
pub(crate) fn of(socket: BorrowedFd<'_>, name: &str) -> u64 {
    ask(socket, name).map_or(0, |settings| settings.bits())
}

fn ask(socket: BorrowedFd<'_>, name: &str) -> io::Result<Settings> {
    let mut settings = Settings { command: GET_SETTINGS, ..Settings::default() };
    // SAFETY: zeros are a value of every member.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // One zero stays at the end.
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut settings).cast();
    // SAFETY: the kernel reads the request and writes one `ethtool_cmd` to where it points.
    match unsafe { libc::ioctl(socket.as_raw_fd(), ETHTOOL, &raw mut request) } {
        0 => Ok(settings),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, os::fd::AsFd as _};

    use super::*;

    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!((size_of::<Settings>(), std::mem::offset_of!(Settings, speed)), (44, 12));
        assert_eq!(std::mem::offset_of!(Settings, speed_high), 28);
    }

    #[test]
    fn megabits_lie_in_two_halves_and_unknown_is_none() {
        let bits = |speed_high, speed| Settings { speed, speed_high, ..Settings::default() }.bits();
        assert_eq!((bits(0, 1000), bits(1, 34_464)), (1_000_000_000, 100_000_000_000));
        assert_eq!((bits(0, 0), bits(0, 0xffff), bits(0xffff, 0xffff)), (0, 0, 0));
    }

    #[test]
    fn an_interface_without_a_driver_to_ask_has_no_speed() {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        for name in ["lo", "nosuch0", "a-name-longer-than-any", ""] {
            assert_eq!(of(socket.as_fd(), name), 0, "{name}");
        }
    }
}
