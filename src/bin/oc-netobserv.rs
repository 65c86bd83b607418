//! The binary.

fn main() -> std::process::ExitCode {
    oc_netobserv::main(std::env::args_os())
}
