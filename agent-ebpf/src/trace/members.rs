//! Where members of kernel structures lie. User space fills each in from the running kernel's BTF, by the table in
//! `agent/src/trace/members.rs`, whose names are these.

use aya_ebpf::Global;

/// Value of an offset whose member this kernel does not have.
pub(crate) const MISSING: u32 = u32::MAX;

macro_rules! members {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub(crate) static $name: Global<u32> = Global::new(MISSING);
    )*};
}

members! {
    /// `net.net_cookie` or `net.ns.inum`: what tells namespaces apart.
    OFF_NET_COOKIE;
    /// `net_device.nd_net.net`
    OFF_DEV_ND_NET;
    /// `net_device.ifindex`
    OFF_DEV_IFINDEX;
    /// `sk_buff.dev`
    OFF_SKB_DEV;
    /// `sk_buff.sk`
    OFF_SKB_SK;
    /// `sock.__sk_common.skc_family`
    OFF_SK_FAMILY;
    /// `sock.__sk_common.skc_state`
    OFF_SK_STATE;
    /// `sock.__sk_common.skc_num`, host byte order.
    OFF_SK_NUM;
    /// `sock.__sk_common.skc_dport`, network byte order.
    OFF_SK_DPORT;
    /// `sock.__sk_common.skc_rcv_saddr`
    OFF_SK_RCV_SADDR;
    /// `sock.__sk_common.skc_daddr`
    OFF_SK_DADDR;
    /// `sock.__sk_common.skc_v6_rcv_saddr`
    OFF_SK_V6_RCV_SADDR;
    /// `sock.__sk_common.skc_v6_daddr`
    OFF_SK_V6_DADDR;
    /// `sock.__sk_common.skc_net.net`
    OFF_SK_NET;
    /// `sock.sk_protocol`
    OFF_SK_PROTOCOL;
}
