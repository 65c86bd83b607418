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
    /// `net.ns.inum`
    OFF_NET_INUM;
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
    /// `sock.sk_err`
    OFF_SK_ERR;
    /// `inet_sock.inet_sport`, network byte order: stays when `skc_num` is taken back.
    OFF_INET_SPORT;
    /// `tcp_sock.srtt_us`, eighths of a microsecond.
    OFF_TP_SRTT;
    /// `tcp_sock.rcv_ooopack`
    OFF_TP_RCV_OOOPACK;
    /// `tcp_sock.snd_wnd`
    OFF_TP_SND_WND;
    /// `tcp_sock.total_retrans`
    OFF_TP_TOTAL_RETRANS;
    /// `tcp_request_sock.snt_synack`, CLOCK_MONOTONIC microseconds.
    OFF_REQUEST_SNT_SYNACK;
    /// `sk_buff.cb`, which is a `tcp_skb_cb` while a buffer is TCP's.
    OFF_SKB_CB;
    /// `tcp_skb_cb.tcp_gso_segs`
    OFF_TCB_GSO_SEGS;
    /// `sk_buff._skb_refdst`
    OFF_SKB_DST;
    /// `sk_buff.head`
    OFF_SKB_HEAD;
    /// `sk_buff.data`
    OFF_SKB_DATA;
    /// `sk_buff.tail`, from `head` on
    OFF_SKB_TAIL;
    /// `sk_buff.end`, from `head` on
    OFF_SKB_END;
    /// `sk_buff.len`
    OFF_SKB_LEN;
    /// `sk_buff.mac_header`
    OFF_SKB_MAC_HEADER;
    /// `sk_buff.network_header`
    OFF_SKB_NETWORK_HEADER;
    /// `sk_buff.protocol`, network byte order
    OFF_SKB_PROTOCOL;
    /// `sk_buff.vlan_all` (Linux 6.2)
    OFF_SKB_VLAN_ALL;
    /// `skb_shared_info.gso_size`
    OFF_SHARED_GSO_SIZE;
    /// `net.loopback_dev`
    OFF_NET_LOOPBACK;
    /// `task_struct.nsproxy`
    OFF_TASK_NSPROXY;
    /// `task_struct.group_leader`
    OFF_TASK_LEADER;
    /// `task_struct.comm`
    OFF_TASK_COMM;
    /// `nsproxy.net_ns`
    OFF_NSPROXY_NET;
}
