//! What a guest boots with: a small initramfs that loads modules, and a root filesystem with this machine's tools.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::kernels::Kernel;

/// What the disk needs, and what the tests make interfaces of. What a kernel has built in is passed over.
const MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_blk",
    "ext4",
    "crc32c_generic",
    "veth",
    "bridge",
    "vxlan",
    "8021q",
    "sch_ingress",
    "cls_bpf",
    "cls_u32",
    "act_bpf",
    "sch_tbf",
    "tun",
    "ipip",
    "wireguard",
    "sctp",
    "dummy",
    "macvlan",
    "nf_tables",
    "sch_netem",
    "af_packet_diag",
    // Translation: what nft would have loaded by itself.
    "nft_chain_nat",
    "nft_nat",
    "nft_masq",
    "nf_conntrack_netlink",
    "nft_reject_inet",
    "nft_ct",
    // Own module before Linux 5.12.
    "nft_counter",
    // What lists sockets.
    "tcp_diag",
    "udp_diag",
    // IPsec, with what its algorithms are put together of.
    "esp4",
    "esp6",
    "xfrm_user",
    "authenc",
    "echainiv",
    "jitterentropy_rng",
    "sha512_generic",
    "drbg",
    "psample",
    "act_sample",
    "cls_matchall",
];
/// Tools of the tests, with the libraries they need.
const TOOLS: &[&str] = &[
    "bash", "ip", "tc", "ethtool", "tcpdump", "tshark", "capinfos", "bpftool", "tmux", "jq", "sqlite3", "ping",
    "setpriv", "stty", "wg", "nft", "nstat", "ss", "openssl", "unshare", "python3", "curl", "dumpcap",
];
/// Data files that some of them read.
const DATA: &[&str] = &[
    "/lib/terminfo",
    "/usr/lib/locale/C.utf8",
    "/etc/passwd",
    "/etc/group",
    "/etc/protocols",
    "/etc/services",
    "/usr/lib/ssl/openssl.cnf",
];

/// First program of the guest: loads modules and goes over to the disk.
const LOADER: &str = "#!/bin/busybox sh
/bin/busybox mount -t devtmpfs none /dev
while read module; do /bin/busybox insmod /modules/$module || echo \"insmod $module failed\"; done < /modules/order
/bin/busybox mount -t ext4 /dev/vda /root
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
";
/// First program on the disk: the file systems that Linux programs take for granted, then what is asked for.
const INIT: &str = "#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=xterm-256color LANG=C.UTF-8
mount -t proc none /proc; mount -t sysfs none /sys; mkdir -p /dev/pts; mount -t devpts none /dev/pts
mount -t tmpfs none /run; mount -t tmpfs none /tmp; mkdir -p /run/netns /run/lock; chmod 1777 /tmp
mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null
ip link set lo up; hostname guest
# The command comes on a second disk, padded with blanks.
cat /dev/vdb | tr -d '\\000' > /tmp/command
echo GUEST-BEGIN $(uname -r)
bash /tmp/command < /dev/null; code=$?
echo GUEST-END $code
sync; poweroff -f
";

/// Where a program of this machine lies in the guest.
pub(super) fn inside(program: &Path) -> PathBuf {
    Path::new("/tier").join(program.file_name().unwrap_or_default())
}

/// An ext4 image with tools, their libraries, and `programs`.
pub(super) fn root(cache: &Path, programs: &[PathBuf]) -> Result<PathBuf> {
    let tree = cache.join("root");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    // Debian's merged layout: what names /bin means /usr/bin.
    for directory in [
        "usr/bin",
        "usr/sbin",
        "usr/lib",
        "usr/lib64",
        "proc",
        "sys",
        "dev",
        "run",
        "tmp",
        "root",
        "tier",
        "etc",
        "var/lib",
    ] {
        fs::create_dir_all(tree.join(directory))?;
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), tree.join(name))?;
    }
    symlink("/run", tree.join("var/run"))?;
    busybox(&tree.join("usr/bin"))?;
    for file in closure()? {
        copy(&file, &tree.join(file.strip_prefix("/")?))?;
    }
    // That of busybox takes its own `ip` for any other.
    fs::remove_file(tree.join("usr/bin/sh"))?;
    symlink("bash", tree.join("usr/bin/sh"))?;
    for path in DATA.iter().map(Path::new).filter(|path| path.exists()) {
        copy(path, &tree.join(path.strip_prefix("/")?))?;
    }
    for path in python()? {
        copy(&path, &tree.join(path.strip_prefix("/")?))?;
    }
    for program in programs {
        copy(program, &tree.join(inside(program).strip_prefix("/")?))?;
    }
    script(&tree.join("usr/sbin/init"), INIT)?;
    disk(cache, &tree)
}

/// The libraries of Python, of every version that is here.
fn python() -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir("/usr/lib")?.collect::<Result<Vec<_>, _>>()?;
    let is_python = |path: &PathBuf| path.to_string_lossy().starts_with("/usr/lib/python3.");
    Ok(entries.iter().map(fs::DirEntry::path).filter(is_python).collect())
}

/// The tools that are here, and every library that the loader names for them.
fn closure() -> Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for tool in TOOLS {
        let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(|place| Path::new(place).join(tool));
        let Some(file) = places.into_iter().find(|file| file.exists()) else {
            println!("{tool} is not here: the guest does without it");
            continue;
        };
        let libraries = String::from_utf8(Command::new("ldd").arg(&file).output()?.stdout)?;
        files.extend(libraries.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from));
        files.insert(file);
    }
    Ok(files)
}

/// busybox, which has to be static, under the names of all its commands.
fn busybox(directory: &Path) -> Result<()> {
    let busybox = directory.join("busybox");
    fs::copy("/bin/busybox", &busybox).context("busybox (package busybox-static)")?;
    let names = String::from_utf8(Command::new("/bin/busybox").arg("--list").output()?.stdout)?;
    for name in names.lines().filter(|name| *name != "busybox") {
        symlink("busybox", directory.join(name))?;
    }
    Ok(())
}

/// Copies what a path leads to, directories with what is in them; replaces a link to busybox.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    fs::create_dir_all(to.parent().context("parent")?)?;
    if to.symlink_metadata().is_ok_and(|data| data.is_symlink()) {
        fs::remove_file(to)?;
    }
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}

fn script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

fn disk(cache: &Path, tree: &Path) -> Result<PathBuf> {
    let image = cache.join("root.img");
    let _ = fs::remove_file(&image);
    let mkfs = ["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"].into_iter().find(|path| Path::new(path).exists());
    let output = Command::new(mkfs.context("mkfs.ext4 (package e2fsprogs)")?)
        .args(["-q", "-O", "^has_journal,^metadata_csum,^64bit", "-d"])
        .args([tree, &image])
        .arg("3G")
        .output()?;
    ensure!(output.status.success(), "mkfs.ext4: {}", String::from_utf8_lossy(&output.stderr));
    Ok(image)
}

/// An initramfs with busybox and the modules, in the order in which they can be loaded.
pub(super) fn initramfs(cache: &Path, kernel: &Kernel) -> Result<PathBuf> {
    let tree = cache.join("initramfs");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    for directory in ["bin", "dev", "modules", "root"] {
        fs::create_dir_all(tree.join(directory))?;
    }
    fs::copy("/bin/busybox", tree.join("bin/busybox")).context("busybox")?;
    let mut order = Vec::new();
    let index = index(&kernel.modules)?;
    for module in MODULES {
        add_module(&index, module, &tree.join("modules"), &mut order)?;
    }
    fs::write(tree.join("modules/order"), order.join("\n") + "\n")?;
    script(&tree.join("init"), LOADER)?;
    archive(cache, &tree, &kernel.release)
}

/// Every module file below a directory.
fn index(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            files.extend(index(&path)?);
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains(".ko")) {
            files.push(path);
        }
    }
    Ok(files)
}

/// Copies a module after those that it depends on. One that does not exist as a file is built in or unknown.
fn add_module(index: &[PathBuf], name: &str, to: &Path, order: &mut Vec<String>) -> Result<()> {
    let name = name.replace('-', "_");
    if order.contains(&format!("{name}.ko")) {
        return Ok(());
    }
    let stem = |path: &Path| {
        path.file_name().map(|file| file.to_string_lossy().split(".ko").next().unwrap_or("").replace('-', "_"))
    };
    let Some(file) = index.iter().find(|path| stem(path).as_deref() == Some(&*name)) else { return Ok(()) };
    let bytes = read_module(file)?;
    for needed in depends(&bytes) {
        add_module(index, &needed, to, order)?;
    }
    fs::write(to.join(format!("{name}.ko")), bytes)?;
    order.push(name + ".ko");
    Ok(())
}

fn read_module(file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_some_and(|extension| extension == "xz") {
        let output = Command::new("xz").arg("-dc").arg(file).output().context("xz (package xz-utils)")?;
        ensure!(output.status.success(), "xz -dc {}", file.display());
        return Ok(output.stdout);
    }
    let mut bytes = Vec::new();
    fs::File::open(file)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The `depends=` line of a module's `.modinfo` section.
fn depends(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else { return Vec::new() };
    let value = module[at + KEY.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(value).split(',').filter(|name| !name.is_empty()).map(Into::into).collect()
}

fn archive(cache: &Path, tree: &Path, release: &str) -> Result<PathBuf> {
    let image = cache.join(format!("initramfs-{release}"));
    let mut child = Command::new("/bin/busybox")
        .args(["cpio", "-o", "-H", "newc"])
        .current_dir(tree)
        .stdin(Stdio::piped())
        .stdout(fs::File::create(&image)?)
        .stderr(Stdio::null())
        .spawn()?;
    let mut names = child.stdin.take().context("stdin")?;
    names.write_all(b"bin\ndev\nmodules\nroot\ninit\nbin/busybox\n")?;
    for entry in fs::read_dir(tree.join("modules"))? {
        writeln!(names, "modules/{}", entry?.file_name().to_string_lossy())?;
    }
    drop(names);
    ensure!(child.wait()?.success(), "busybox cpio failed");
    Ok(image)
}
