//! The programs that count or copy packets, attached to the ingress and egress of interfaces (TCX or clsact).
//!
//! Owns the order of the steps: sampling, parsing, fragments, filter, then flow maps or packet rings. Must not know user
//! space. Every program returns "next": no packet is altered, dropped or hidden from programs behind it.
//!
//! Settings are constants in `.rodata` that user space sets and freezes before loading, so that the verifier removes
//! what is switched off and helpers that an older kernel lacks are never seen by it.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod counters;
mod filter;
mod flows;
mod fragments;
mod handle;
mod maps;
mod packet;
mod packets;
mod samples;
mod settings;
mod work;

use agent_common::parse::Layer;
use aya_ebpf::{macros::classifier, programs::TcContext};

/// Ingress of a device whose frames have an Ethernet header.
#[classifier]
#[inline(always)]
pub fn ingress_l2(ctx: TcContext) -> i32 {
    handle::packet(&ctx, Layer::Ethernet, 0)
}

/// Egress of a device whose frames have an Ethernet header.
#[classifier]
#[inline(always)]
pub fn egress_l2(ctx: TcContext) -> i32 {
    handle::packet(&ctx, Layer::Ethernet, agent_common::types::DIR_EGRESS)
}

/// Ingress of a device whose frames begin with the IP header.
#[classifier]
#[inline(always)]
pub fn ingress_l3(ctx: TcContext) -> i32 {
    handle::packet(&ctx, Layer::Ip, 0)
}

/// Egress of a device whose frames begin with the IP header.
#[classifier]
#[inline(always)]
pub fn egress_l3(ctx: TcContext) -> i32 {
    handle::packet(&ctx, Layer::Ip, agent_common::types::DIR_EGRESS)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
