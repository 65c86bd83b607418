//! The texts of help that are not about one option: examples stand first, because they are what people read.

/// About, examples, usage, options.
pub(super) const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

pub(super) const MAIN: &str = "\
Examples:
  oc-netobserv flows                          every node; files come home
  oc-netobserv packets --port 8080            one pcapng of all nodes
  oc-netobserv flows --local                  this machine only, no cluster
  oc-netobserv view output/flow/<stamp>.db    the same table over a file
  oc-netobserv cleanup                        whatever is left on the cluster
  oc-netobserv flows --help                   every option of a command";

pub(super) const UNBUILT: &str = "\
Also kubectl's: --cluster --user --server --token --as-group --as-uid
  --certificate-authority --client-certificate --client-key --tls-server-name
  --insecure-skip-tls-verify --request-timeout --proxy-url
Objects at the other end: --peer-pod --peer-workload --peer-service
  --peer-namespace-of --peer-selector --peer-node --peer-container
Known from NetObserv, not built yet: --enable-openssl and others of plain text;
  they say so, and the capture goes on";

pub(super) const KUBE: &str = "\
Also kubectl's: --cluster --user --server --token --as-group --as-uid
  --certificate-authority --client-certificate --client-key --tls-server-name
  --insecure-skip-tls-verify --request-timeout --proxy-url";

pub(super) const FLOWS: &str = "\
Examples:
  oc-netobserv flows
  oc-netobserv flows --protocol TCP --port 443 --node-selector zone=a
  oc-netobserv flows --enable-pkt-drop --enable-rtt --enable-dns
  oc-netobserv flows --drops --namespace-of shop
  oc-netobserv flows --filter 'dst.port = 443 and rtt > 5ms' --enable-rtt
  oc-netobserv flows -o json --max-time 30s | jq .DstK8S_OwnerName
  oc-netobserv flows --background --max-time 1h
  oc-netobserv flows --local --port 22 --action Reject

Makes a namespace of its own with an agent on every node, and removes it at the
end, whatever ends it. --local captures on this machine instead.
Options may be written --key=value, --key value or key=value, with - or _.
Filters: the word `or` begins another rule; the first rule that matches a packet
decides; a packet that none matches is left out if any rule accepts, else taken.";

pub(super) const PACKETS: &str = "\
Examples:
  oc-netobserv packets --protocol TCP --port 8443
  oc-netobserv packets --snaplen 96 --port 53 or --protocol ICMP
  oc-netobserv packets --workload deploy/web --peer-namespace-of payments
  oc-netobserv packets --filter 'host 10.0.0.1 and tcp port 443'
  oc-netobserv packets --port 80 -w - | wireshark -k -i -
  oc-netobserv packets --local --port 80 -o wide

Makes a namespace of its own with an agent on every node, and removes it at the
end, whatever ends it. --local captures on this machine instead.
Options may be written --key=value, --key value or key=value, with - or _.
Filters: the word `or` begins another rule; the first rule that matches a packet
decides; a packet that none matches is left out if any rule accepts, else taken.";

pub(super) const ATTACH: &str = "\
Examples:
  oc-netobserv attach
  oc-netobserv attach k3vq7m2x --context staging

Opens the table of a capture that runs already. q and Ctrl-C leave the table,
the capture goes on; `stop` ends it.";

pub(super) const FOLLOW: &str = "\
Examples:
  oc-netobserv follow
  oc-netobserv follow k3vq7m2x -o json | jq .Bytes

Ctrl-C leaves, the capture goes on; `stop` ends it.";

pub(super) const STOP: &str = "\
Examples:
  oc-netobserv stop
  oc-netobserv stop k3vq7m2x && oc-netobserv copy k3vq7m2x

Agents go at once; the files stay on the cluster for --keep of the capture.";

pub(super) const COPY: &str = "\
Examples:
  oc-netobserv copy
  oc-netobserv copy k3vq7m2x --output-dir ~/captures

An interrupted copy goes on where it was; every file is checked. Nothing is
removed from the cluster: `cleanup` does that.";

pub(super) const CLEANUP: &str = "\
Examples:
  oc-netobserv cleanup                 all of your captures
  oc-netobserv cleanup k3vq7m2x --yes
  oc-netobserv cleanup --all           those of others too, after asking

Removes what bears our label and nothing else, and waits until it is gone. May
be run any number of times.";

pub(super) const VIEW: &str = "\
Examples:
  oc-netobserv view output/flow/2026-06-22T101112Z.db
  oc-netobserv view output/pcap/2026-06-22T101112Z.pcapng --port 53
  oc-netobserv view output/flow/2026-06-22T101112Z.db --filter 'bytes > 1MB'
  oc-netobserv view output/flow/2026-06-22T101112Z.json -o wide

Needs no rights. A file that a killed capture left is repaired first.";

pub(super) const WIRESHARK: &str = "\
Examples:
  oc-netobserv wireshark install
  oc-netobserv wireshark status
  oc-netobserv wireshark uninstall

Into your own folders of Wireshark, nothing else: a dissector (fields k8s.*),
the profile `netobserv` (columns, colours, names from the file) and a source of
captures: clusters and this machine in Wireshark's list of interfaces.
Files that others made or changed stay, unless --force says otherwise.";

pub(super) const CONVERT: &str = "\
Examples:
  oc-netobserv convert capture.pcapng flows.db
  oc-netobserv convert flows.db flows.json --filter 'dst.port = 443'
  oc-netobserv convert n1.pcapng n2.pcapng both.pcapng --dedup
  oc-netobserv convert capture.pcapng share.pcapng --anonymize
  oc-netobserv convert old.pcap - --to json | jq .Bytes
  oc-netobserv convert capture.pcapng part.pcapng --strip-secrets \\
    --from-time 2026-06-22T10:11:12Z --to-time 2026-06-22T10:12:00Z

Packets become packets or flow records, flow records flow records; several
inputs are merged in the order of time. What can be read of a damaged file is
converted, what was left out is said, and the exit code is 4. OUT appears when
it is whole.";

pub(super) const COMPLETION: &str = "\
Examples:
  oc-netobserv completion bash > /etc/bash_completion.d/oc-netobserv
  oc-netobserv completion zsh > \"${fpath[1]}/_oc-netobserv\"
  oc-netobserv completion fish > ~/.config/fish/completions/oc-netobserv.fish
  oc-netobserv completion kubectl > /usr/local/bin/kubectl_complete-netobserv";
