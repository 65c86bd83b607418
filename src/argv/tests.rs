use super::*;
use crate::cli;

/// Typed, and what the parser is given.
#[track_caller]
fn check(typed: &str, canonical: &str) {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(normalize(words(typed), &cli::command()), words(canonical), "{typed}");
}

#[test]
fn underscores_in_names_are_dashes_and_values_stay() {
    check("flows --enable_rtt=true --peer_ip=10.1.1.1", "flows --enable-rtt=true --peer-ip=10.1.1.1");
    check("flows --output_dir=a_b", "flows --output-dir=a_b");
    check("flows --output_dir a_b=c", "flows --output-dir a_b=c");
}

#[test]
fn options_may_lack_their_dashes() {
    check("flows protocol=TCP port_range=1-2", "flows --protocol=TCP --port-range=1-2");
    check("flows enable_filter", "flows --enable-filter");
    check("flows unknown_key=1", "flows --unknown-key=1");
}

#[test]
fn a_value_after_its_option_is_left_alone() {
    check("flows --query Bytes=5 or", "flows --query Bytes=5 or");
    check("flows --query bytes=5", "flows --query bytes=5");
    check("flows --cidr help", "flows --cidr help");
    check("packets -w - port=80", "packets -w - --port=80");
    check("flows -o json port=80", "flows -o json --port=80");
}

#[test]
fn a_flag_may_be_followed_by_its_boolean() {
    check("flows --local true --port 80", "flows --local=true --port 80");
    check("flows --local --port 80", "flows --local --port 80");
    check("flows --enable_rtt false", "flows --enable-rtt=false");
    check("flows --local or", "flows --local or");
    check("flows --copy prompt --local", "flows --copy=prompt --local");
}

#[test]
fn help_and_or_are_bare_words() {
    check("flows help", "flows --help");
    check("help", "help");
    check("flows --port 80 or --protocol UDP", "flows --port 80 or --protocol UDP");
}

#[test]
fn the_first_generation_named_protocol_and_port_at_once() {
    check("packets tcp,80", "packets --protocol=tcp --port=80");
    check("packets --local tcp,80", "packets --local --protocol=tcp --port=80");
}

#[test]
fn names_of_files_are_not_options() {
    check("view a=b.json", "view a=b.json");
    check("view tcp,80", "view tcp,80");
    check("view a.db port=53 or sport=1", "view a.db --port=53 or --sport=1");
}

#[test]
fn options_before_the_command_are_options_of_the_whole() {
    check("--color never flows help", "--color never flows --help");
    check("-v flows port=1", "-v flows --port=1");
}

#[test]
fn after_two_dashes_nothing_is_changed() {
    check("flows -- a_b=c", "flows -- a_b=c");
}

#[test]
fn a_token_is_not_kept() {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(without_secrets(words("ocn flows --token abc --port 80")), words("ocn flows --token *** --port 80"));
    assert_eq!(
        without_secrets(words("ocn flows --token=abc token=x -o json")),
        words("ocn flows --token=*** token=*** -o json")
    );
}
