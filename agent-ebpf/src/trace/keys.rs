//! Secrets of TLS connections, where OpenSSL derives them.
//!
//! Every program here is at a function that libcrypto exports, so that neither symbols of a debugger nor offsets in
//! structures are needed: labels and secrets are arguments. What is no argument is the random number of the ClientHello, by
//! which readers know a connection. It is in the handshake's transcript: the first thing that goes into the hash
//! (`EVP_DigestUpdate`), and before each secret is derived that hash is copied (`EVP_MD_CTX_copy_ex`) by the same thread. So
//! the copied hash tells the connection, however many connections a thread deals with.
//!
//! OpenSSL 3 derives with `EVP_KDF_derive` (TLS13-KDF, TLS1-PRF), whose arguments are an array of `OSSL_PARAM`; OpenSSL 1.1.1
//! with `EVP_PKEY_derive`, which is prepared by `EVP_PKEY_CTX_ctrl`. With TLS 1.2 the master secret is taken where it goes
//! into "key expansion" (RFC 5246 section 6.3), since both random numbers are there as well, also of resumed sessions.

use core::arch::asm;

use agent_common::keys::{
    Deriving, KEY_CLIENT_EARLY, KEY_CLIENT_HANDSHAKE, KEY_CLIENT_TRAFFIC, KEY_MASTER, KEY_SERVER_HANDSHAKE,
    KEY_SERVER_TRAFFIC, KeyEvent, RANDOM, SECRET, Transcript,
};
use aya_ebpf::{
    EbpfContext as _, Global,
    btf_maps::{HashMap, LruHashMap, PerCpuArray, RingBuf},
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_current_task, bpf_ktime_get_ns, bpf_probe_read_kernel_str_bytes,
        bpf_probe_read_user,
    },
    macros::{btf_map, uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};

use crate::{
    kernel::read,
    members::{OFF_NET_INUM, OFF_NSPROXY_NET, OFF_TASK_COMM, OFF_TASK_LEADER, OFF_TASK_NSPROXY},
};

/// 1: registers are those of aarch64, else of x86_64.
#[unsafe(no_mangle)]
static KEYS_AARCH64: Global<u32> = Global::new(0);
/// 1: only processes in namespaces of `KEYS_NETNS`.
#[unsafe(no_mangle)]
static KEYS_PLACED: Global<u32> = Global::new(0);
/// 1: only processes in `KEYS_PIDS` or `KEYS_NAMES`.
#[unsafe(no_mangle)]
static KEYS_NAMED: Global<u32> = Global::new(0);

/// Inode numbers of network namespaces whose processes are selected.
#[btf_map]
static KEYS_NETNS: HashMap<u32, u8, 1> = HashMap::new();
/// Numbers of selected processes.
#[btf_map]
static KEYS_PIDS: HashMap<u32, u8, 1> = HashMap::new();
/// Names of selected processes, ended and filled up by zeros.
#[btf_map]
static KEYS_NAMES: HashMap<[u8; COMM], u8, 1> = HashMap::new();
/// `ClientHello.random` by the hash that it went into.
#[btf_map]
static KEYS_HELLOS: LruHashMap<Transcript, [u8; RANDOM], 1> = LruHashMap::new();
/// By thread.
#[btf_map]
static KEYS_THREADS: LruHashMap<u64, Deriving, 1> = LruHashMap::new();
#[btf_map]
static KEYS_EVENTS: RingBuf<KeyEvent, 4096> = RingBuf::new();
/// Secrets that there was no room for.
#[btf_map]
static KEYS_LOST: PerCpuArray<u64, 1> = PerCpuArray::new();

/// `TASK_COMM_LEN`
const COMM: usize = 16;
/// Handshake messages, RFC 8446 section 4.
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const MESSAGE_HASH: u8 = 254;
/// `EVP_PKEY_OP_DERIVE` and controls of OpenSSL 1.1.1's include/openssl/evp.h and kdf.h.
const OP_DERIVE: u64 = 1 << 10;
const CTRL_TLS_SECRET: u64 = 0x1001;
const CTRL_TLS_SEED: u64 = 0x1002;
const CTRL_HKDF_INFO: u64 = 0x1006;
/// More parameters than TLS gives to a derivation.
const PARAMS: u64 = 12;

/// `EVP_DigestUpdate(EVP_MD_CTX *ctx, const void *data, size_t count)`
#[uprobe]
pub fn keys_digest(ctx: ProbeContext) -> u32 {
    let _ = digest(&ctx);
    0
}

/// `EVP_MD_CTX_copy_ex(EVP_MD_CTX *out, const EVP_MD_CTX *in)`
#[uprobe]
pub fn keys_copy(ctx: ProbeContext) -> u32 {
    let _ = copy(&ctx);
    0
}

/// `EVP_KDF_derive(EVP_KDF_CTX *ctx, unsigned char *key, size_t keylen, const OSSL_PARAM params[])`
#[uprobe]
pub fn keys_kdf(ctx: ProbeContext) -> u32 {
    let _ = kdf(&ctx);
    0
}

/// `EVP_PKEY_CTX_ctrl(EVP_PKEY_CTX *ctx, int keytype, int optype, int cmd, int p1, void *p2)`
#[uprobe]
pub fn keys_ctrl(ctx: ProbeContext) -> u32 {
    let _ = ctrl(&ctx);
    0
}

/// `EVP_PKEY_derive(EVP_PKEY_CTX *ctx, unsigned char *key, size_t *keylen)`
#[uprobe]
pub fn keys_pkey(ctx: ProbeContext) -> u32 {
    if let Some(thread) = this_thread() {
        thread.out = argument::<1>(&ctx);
        (thread.kind, thread.len, thread.of) = (thread.next_kind, thread.next_len, thread.random);
        thread.next_kind = 0;
    }
    0
}

/// Either of the two that derive comes back.
#[uretprobe]
pub fn keys_derived(ctx: RetProbeContext) -> u32 {
    let _ = derived(returned(&ctx));
    0
}

#[inline(always)]
fn digest(ctx: &ProbeContext) -> Option<()> {
    let (context, data, count) = (argument::<0>(ctx), argument::<1>(ctx), argument::<2>(ctx));
    let mut at = 0;
    // After a HelloRetryRequest the transcript begins with the first hello's hash and the request (section 4.4.1).
    for _ in 0..3 {
        if at + 6 + RANDOM as u64 > count {
            return None;
        }
        let head: [u8; 6] = user(data + at)?;
        let length = 4 + u64::from(u32::from_be_bytes([0, head[1], head[2], head[3]]));
        match head[0] {
            CLIENT_HELLO if head[4] == 3 && at + length <= count => {
                let random: [u8; RANDOM] = user(data + at + 6)?;
                return hello(context, random);
            }
            MESSAGE_HASH | SERVER_HELLO => at += length,
            _ => return None,
        }
    }
    None
}

#[inline(always)]
fn hello(context: u64, random: [u8; RANDOM]) -> Option<()> {
    if !is_selected()? {
        return None;
    }
    let transcript = Transcript { context, pid: pid() };
    let _ = KEYS_HELLOS.insert(&transcript, &random, 0);
    let thread = thread()?;
    (thread.random, thread.has_random) = (random, 1);
    Some(())
}

#[inline(always)]
fn copy(ctx: &ProbeContext) -> Option<()> {
    let transcript = Transcript { context: argument::<1>(ctx), pid: pid() };
    // SAFETY: a value of the map, read at once.
    let random = *unsafe { KEYS_HELLOS.get(&transcript) }?;
    let thread = thread()?;
    (thread.random, thread.has_random) = (random, 1);
    Some(())
}

/// `OSSL_PARAM` of OpenSSL 3 (include/openssl/core.h).
#[repr(C)]
#[derive(Clone, Copy)]
struct Param {
    key: u64,
    data_type: u64,
    data: u64,
    data_size: u64,
    return_size: u64,
}

#[inline(always)]
fn kdf(ctx: &ProbeContext) -> Option<()> {
    let (out, len, params) = (argument::<1>(ctx), argument::<2>(ctx), argument::<3>(ctx));
    if let Some(thread) = this_thread() {
        (thread.kind, thread.of) = (0, thread.random);
    }
    let (mut kind, mut secret, mut secret_len, mut random, mut seeds) = (0, 0, 0, 0, 0);
    for n in 0..PARAMS {
        let param: Param = user(params + n * size_of::<Param>() as u64)?;
        if param.key == 0 {
            break;
        }
        let name = name(param.key)?;
        if name == word(b"label\0\0\0") {
            kind = label(param.data, param.data_size)?;
        } else if name == word(b"secret\0\0") {
            (secret, secret_len) = (param.data, param.data_size);
        } else if name == word(b"seed\0\0\0\0") {
            seeds += 1;
            if seeds == 1 && !is_key_expansion(param.data, param.data_size)? {
                return None;
            }
            if seeds == 3 && param.data_size == RANDOM as u64 {
                random = param.data;
            }
        }
    }
    if random != 0 && secret_len == SECRET as u64 {
        return if is_selected()? { tell(KEY_MASTER, user(random)?, user(secret)?, SECRET) } else { None };
    }
    // One whose ClientHello was not seen is of no use to anybody.
    let thread = this_thread()?;
    (thread.kind, thread.len, thread.out) = (kind, len as u8, out);
    Some(())
}

#[inline(always)]
fn ctrl(ctx: &ProbeContext) -> Option<()> {
    if argument::<2>(ctx) as u32 as u64 != OP_DERIVE {
        return None;
    }
    let (command, len, data) = (argument::<3>(ctx) as u32 as u64, argument::<4>(ctx) as u32 as u64, argument::<5>(ctx));
    match command {
        CTRL_TLS_SECRET => {
            if !is_selected()? {
                return None;
            }
            let thread = thread()?;
            (thread.seeds, thread.has_secret) = (0, 0);
            if len == SECRET as u64 {
                (thread.secret, thread.has_secret) = (user(data)?, 1);
            }
            Some(())
        }
        CTRL_TLS_SEED => {
            let thread = this_thread()?;
            if thread.has_secret == 0 {
                return None;
            }
            thread.seeds += 1;
            if thread.seeds == 1 && !is_key_expansion(data, len)? {
                thread.has_secret = 0;
            }
            if thread.seeds != 3 || len != RANDOM as u64 {
                return None;
            }
            thread.has_secret = 0;
            tell(KEY_MASTER, user(data)?, thread.secret, SECRET)
        }
        CTRL_HKDF_INFO => {
            let thread = this_thread()?;
            thread.next_kind = 0;
            // HkdfLabel of RFC 8446 section 7.1: the length, then the label behind "tls13 ".
            let head: [u8; 3] = user(data)?;
            let label_len = u64::from(head[2]).saturating_sub(6);
            if len < 9 + label_len || head[0] != 0 {
                return None;
            }
            (thread.next_kind, thread.next_len) = (label(data + 9, label_len)?, head[1]);
            Some(())
        }
        _ => None,
    }
}

#[inline(always)]
fn derived(result: u64) -> Option<()> {
    let thread = this_thread()?;
    let kind = thread.kind;
    // The thread goes on with the connection that it had before: "res master" stands between a hash and "c ap traffic".
    (thread.kind, thread.random) = (0, thread.of);
    if kind == 0 || result as i32 <= 0 || thread.has_random == 0 {
        return None;
    }
    let mut secret = [0; SECRET];
    match thread.len {
        32 => {
            let half: [u8; 32] = user(thread.out)?;
            secret[..32].copy_from_slice(&half);
        }
        48 => secret = user(thread.out)?,
        _ => return None,
    }
    tell(kind, thread.of, secret, thread.len as usize)
}

#[inline(always)]
fn tell(kind: u8, random: [u8; RANDOM], secret: [u8; SECRET], len: usize) -> Option<()> {
    match KEYS_EVENTS.reserve(0) {
        Some(mut room) => {
            // SAFETY: a helper without arguments.
            let time_ns = unsafe { bpf_ktime_get_ns() };
            let event = KeyEvent { time_ns, pid: pid() as u32, kind, len: len as u8, pad: [0; 2], random, secret };
            // SAFETY: room for one record.
            unsafe { *room.as_mut_ptr() = event };
            room.submit(0);
        }
        None => {
            if let Some(counter) = KEYS_LOST.get_ptr_mut(0) {
                // SAFETY: the helper returned this CPU's copy of the value.
                unsafe { *counter += 1 };
            }
        }
    }
    Some(())
}

/// `KEY_*` of a label of RFC 8446 section 7.1; 0 of those that open no records.
#[inline(always)]
fn label(data: u64, len: u64) -> Option<u8> {
    if len != 12 && len != 11 {
        return Some(0);
    }
    let (head, tail): (u64, u32) = (user(data)?, user(data + 8)?);
    if len == 11 {
        // Behind it is a zero, or the next member.
        let early = head == word(b"c e traf") && tail & TAIL == u32::from_ne_bytes(*b"fic\0");
        return Some(if early { KEY_CLIENT_EARLY } else { 0 });
    }
    if tail != u32::from_ne_bytes(*b"ffic") {
        return Some(0);
    }
    Some(if head == word(b"c hs tra") {
        KEY_CLIENT_HANDSHAKE
    } else if head == word(b"s hs tra") {
        KEY_SERVER_HANDSHAKE
    } else if head == word(b"c ap tra") {
        KEY_CLIENT_TRAFFIC
    } else if head == word(b"s ap tra") {
        KEY_SERVER_TRAFFIC
    } else {
        0
    })
}

/// The first three bytes of a word.
const TAIL: u32 = u32::from_ne_bytes([0xff, 0xff, 0xff, 0]);

/// Whether a seed is this label.
#[inline(always)]
fn is_key_expansion(data: u64, len: u64) -> Option<bool> {
    Some(len == 13 && user::<u64>(data)? == word(b"key expa") && user::<u32>(data + 8)? == u32::from_ne_bytes(*b"nsio"))
}

const fn word(text: &[u8; 8]) -> u64 {
    u64::from_ne_bytes(*text)
}

/// Name of a parameter, cut after eight bytes, filled up by zeros.
#[inline(always)]
fn name(at: u64) -> Option<u64> {
    let word: u64 = user(at)?;
    // What is behind its end is another text: kept are the bytes before the first zero.
    let bytes = u64::from_le(word);
    let zeros = bytes.wrapping_sub(0x0101_0101_0101_0101) & !bytes & 0x8080_8080_8080_8080;
    let kept = if zeros == 0 { u64::MAX } else { ((zeros & zeros.wrapping_neg()) >> 7).wrapping_sub(1) };
    Some((bytes & kept).to_le())
}

/// Whether secrets are taken from the process that runs.
#[inline(always)]
fn is_selected() -> Option<bool> {
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() } as usize;
    if KEYS_PLACED.load() == 1 {
        let nsproxy: usize = read(task, &OFF_TASK_NSPROXY)?;
        let net: usize = read(nsproxy, &OFF_NSPROXY_NET)?;
        let inode: u32 = read(net, &OFF_NET_INUM)?;
        // SAFETY: only whether it is there.
        if unsafe { KEYS_NETNS.get(&inode) }.is_none() {
            return Some(false);
        }
    }
    if KEYS_NAMED.load() != 1 {
        return Some(true);
    }
    let pid = pid() as u32;
    // SAFETY: as above.
    if unsafe { KEYS_PIDS.get(&pid) }.is_some() {
        return Some(true);
    }
    let leader: usize = read(task, &OFF_TASK_LEADER)?;
    let mut name = [0; COMM];
    let at = leader + OFF_TASK_COMM.load() as usize;
    // SAFETY: the helper survives any address.
    unsafe { bpf_probe_read_kernel_str_bytes(at as *const u8, &mut name) }.ok()?;
    // SAFETY: as above.
    Some(unsafe { KEYS_NAMES.get(&name) }.is_some())
}

#[inline(always)]
fn pid() -> u64 {
    bpf_get_current_pid_tgid() >> 32
}

/// What this thread is deriving, if it has begun to.
#[inline(always)]
fn this_thread() -> Option<&'static mut Deriving> {
    let known = KEYS_THREADS.get_ptr_mut(bpf_get_current_pid_tgid())?;
    // SAFETY: nobody but this thread uses its entry; one that is taken away meanwhile stays readable for this program.
    Some(unsafe { &mut *known })
}

/// The same, from now on.
#[inline(always)]
fn thread() -> Option<&'static mut Deriving> {
    if let Some(known) = this_thread() {
        return Some(known);
    }
    let new = Deriving {
        out: 0,
        kind: 0,
        len: 0,
        next_kind: 0,
        next_len: 0,
        seeds: 0,
        has_secret: 0,
        has_random: 0,
        pad: 0,
        random: [0; RANDOM],
        of: [0; RANDOM],
        secret: [0; SECRET],
    };
    KEYS_THREADS.insert(bpf_get_current_pid_tgid(), &new, 0).ok()?;
    this_thread()
}

/// Memory of the process that runs.
#[inline(always)]
fn user<T>(at: u64) -> Option<T> {
    // SAFETY: the helper survives any address, and any bytes are a value of what is read here.
    unsafe { bpf_probe_read_user(at as *const T).ok() }
}

/// Argument `N` of the function, by the calling conventions of AAPCS64 and System V: x0 to x5, and rdi, rsi, rdx, rcx, r8, r9
/// where `pt_regs` has them (arch/x86/include/asm/ptrace.h).
#[inline(always)]
fn argument<const N: usize>(ctx: &ProbeContext) -> u64 {
    let registers = ctx.as_ptr() as u64;
    if KEYS_AARCH64.load() == 1 {
        return match N {
            0 => register::<0>(registers),
            1 => register::<8>(registers),
            2 => register::<16>(registers),
            3 => register::<24>(registers),
            4 => register::<32>(registers),
            _ => register::<40>(registers),
        };
    }
    match N {
        0 => register::<112>(registers),
        1 => register::<104>(registers),
        2 => register::<96>(registers),
        3 => register::<88>(registers),
        4 => register::<72>(registers),
        _ => register::<64>(registers),
    }
}

/// What the function returned: x0 or rax.
#[inline(always)]
fn returned(ctx: &RetProbeContext) -> u64 {
    let registers = ctx.as_ptr() as u64;
    if KEYS_AARCH64.load() == 1 { register::<0>(registers) } else { register::<80>(registers) }
}

/// The register that lies at `OFFSET` of what the kernel shows to a program. Written out, because of two loads from the context
/// the compiler would make one at an offset that the verifier does not know.
#[inline(always)]
fn register<const OFFSET: usize>(registers: u64) -> u64 {
    let value: u64;
    // SAFETY: a load from the context, which the verifier checks.
    unsafe {
        asm!("{0} = *(u64 *)({1} + {2})", out(reg) value, in(reg) registers, const OFFSET, options(readonly, nostack));
    }
    value
}
