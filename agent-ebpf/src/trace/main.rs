//! The programs that watch tracepoints of the kernel: what becomes of packets and connections besides passing an interface.
//!
//! One file for each feature, with its programs, its maps and its settings. User space loads those that are wanted and
//! nothing else; maps are declared here with one entry or the smallest ring, and get their sizes where they are used.
//! Must not know the programs at interfaces, whose object is another one.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod drops;
mod kernel;
mod keys;
mod members;
mod process;
mod tcp;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
