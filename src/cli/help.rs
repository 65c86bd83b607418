//! The texts of help that are not about one option: examples stand first, because they are what people read.

/// About, examples, usage, options.
pub(super) const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

pub(super) const MAIN: &str = "\
Examples:
  oc-netobserv flows --local                  live table; files in ./output
  oc-netobserv packets --local --port 8080    packets into pcapng
  oc-netobserv view output/flow/<stamp>.db    the same table over a file
  oc-netobserv flows --help                   every option of a command";

pub(super) const UNBUILT: &str = "\
Known from NetObserv, not built yet (they say so, and the capture goes on):
  --enable-all --enable-dns --enable-ipsec --enable-network-events
  --enable-pkt-drop --enable-pkt-translation --enable-rtt --enable-udn-mapping
  --enable-openssl --drops --query --filter";

pub(super) const FLOWS: &str = "\
Examples:
  oc-netobserv flows --local
  oc-netobserv flows --local --protocol TCP --port 443
  oc-netobserv flows --local --port 53 or --protocol ICMP
  oc-netobserv flows --local --port 22 --action Reject
  oc-netobserv flows --local -o json | jq .DstAddr

Options may be written --key=value, --key value or key=value, with - or _.
Filters: the word `or` begins another rule; the first rule that matches a packet
decides; a packet that none matches is left out if any rule accepts, else taken.";

pub(super) const PACKETS: &str = "\
Examples:
  oc-netobserv packets --local --protocol TCP --port 8443
  oc-netobserv packets --local --snaplen 96 --port 53 or --protocol ICMP
  oc-netobserv packets --local -w - | wireshark -k -i -
  oc-netobserv packets --local -o wide

Options may be written --key=value, --key value or key=value, with - or _.
Filters: the word `or` begins another rule; the first rule that matches a packet
decides; a packet that none matches is left out if any rule accepts, else taken.";

pub(super) const VIEW: &str = "\
Examples:
  oc-netobserv view output/flow/2026-06-22T101112Z.db
  oc-netobserv view output/pcap/2026-06-22T101112Z.pcapng --port 53
  oc-netobserv view output/flow/2026-06-22T101112Z.json -o wide

Needs no rights. A file that a killed capture left is repaired first.";

pub(super) const COMPLETION: &str = "\
Examples:
  oc-netobserv completion bash > /etc/bash_completion.d/oc-netobserv
  oc-netobserv completion zsh > \"${fpath[1]}/_oc-netobserv\"
  oc-netobserv completion fish > ~/.config/fish/completions/oc-netobserv.fish";
