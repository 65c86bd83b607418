//! Which members of kernel structures the programs at tracepoints read: a table, filled in from the running kernel's BTF.

use crate::{btf::Btf, netns::enter};

/// What programs take for "this kernel has no such member".
pub(super) const MISSING: u32 = u32::MAX;

/// Name of the constant in the programs (`agent-ebpf/src/trace/members.rs`), structure, path of the member.
const MEMBERS: &[(&str, &str, &str)] = &[
    ("OFF_NET_INUM", "net", "ns.inum"),
    ("OFF_DEV_ND_NET", "net_device", "nd_net.net"),
    ("OFF_DEV_IFINDEX", "net_device", "ifindex"),
    ("OFF_SKB_DEV", "sk_buff", "dev"),
    ("OFF_SKB_SK", "sk_buff", "sk"),
    ("OFF_SK_FAMILY", "sock", "__sk_common.skc_family"),
    ("OFF_SK_STATE", "sock", "__sk_common.skc_state"),
    ("OFF_SK_NUM", "sock", "__sk_common.skc_num"),
    ("OFF_SK_DPORT", "sock", "__sk_common.skc_dport"),
    ("OFF_SK_RCV_SADDR", "sock", "__sk_common.skc_rcv_saddr"),
    ("OFF_SK_DADDR", "sock", "__sk_common.skc_daddr"),
    ("OFF_SK_V6_RCV_SADDR", "sock", "__sk_common.skc_v6_rcv_saddr"),
    ("OFF_SK_V6_DADDR", "sock", "__sk_common.skc_v6_daddr"),
    ("OFF_SK_NET", "sock", "__sk_common.skc_net.net"),
    ("OFF_SK_PROTOCOL", "sock", "sk_protocol"),
    ("OFF_SK_ERR", "sock", "sk_err"),
    ("OFF_INET_SPORT", "inet_sock", "inet_sport"),
    ("OFF_TP_SRTT", "tcp_sock", "srtt_us"),
    ("OFF_TP_RCV_OOOPACK", "tcp_sock", "rcv_ooopack"),
    ("OFF_TP_SND_WND", "tcp_sock", "snd_wnd"),
    ("OFF_TP_TOTAL_RETRANS", "tcp_sock", "total_retrans"),
    ("OFF_REQUEST_SNT_SYNACK", "tcp_request_sock", "snt_synack"),
    ("OFF_SKB_CB", "sk_buff", "cb"),
    ("OFF_TCB_GSO_SEGS", "tcp_skb_cb", "tcp_gso_segs"),
    ("OFF_SKB_DST", "sk_buff", "_skb_refdst"),
    ("OFF_SKB_HEAD", "sk_buff", "head"),
    ("OFF_SKB_DATA", "sk_buff", "data"),
    ("OFF_SKB_TAIL", "sk_buff", "tail"),
    ("OFF_SKB_END", "sk_buff", "end"),
    ("OFF_SKB_LEN", "sk_buff", "len"),
    ("OFF_SKB_MAC_HEADER", "sk_buff", "mac_header"),
    ("OFF_SKB_NETWORK_HEADER", "sk_buff", "network_header"),
    ("OFF_SKB_PROTOCOL", "sk_buff", "protocol"),
    ("OFF_SKB_VLAN_ALL", "sk_buff", "vlan_all"),
    ("OFF_SHARED_GSO_SIZE", "skb_shared_info", "gso_size"),
    ("OFF_NET_LOOPBACK", "net", "loopback_dev"),
    ("OFF_TASK_NSPROXY", "task_struct", "nsproxy"),
    ("OFF_TASK_LEADER", "task_struct", "group_leader"),
    ("OFF_TASK_COMM", "task_struct", "comm"),
    ("OFF_NSPROXY_NET", "nsproxy", "net_ns"),
];

/// Each constant with its value.
pub(super) fn offsets(btf: &Btf) -> Vec<(&'static str, u32)> {
    // The low 32 bits of either are what `netns::enter::key` tells.
    let key = if enter::key_is_cookie() { "net_cookie" } else { "ns.inum" };
    let of = |structure, path| btf.offset(structure, path).unwrap_or(MISSING);
    let members = MEMBERS.iter().map(|(name, structure, path)| (*name, of(structure, path)));
    members.chain([("OFF_NET_COOKIE", of("net", key))]).collect()
}
