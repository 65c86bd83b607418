//! The flight recorder: `--ring` and `--trigger`, and what does not go with them.

use flow::{Feature, filter::Trigger, show::escape};

use super::{Plan, Show};
use crate::{cli::PcapngArgs, error::Error};

/// Ports of DNS (RFC 1035, RFC 6762) where only the trigger asks for it.
const DNS: [u16; 2] = [53, 5353];

/// Puts them into the configuration.
///
/// # Errors
/// An expression that is wrong, pointed at; files that a save cannot be.
pub(super) fn add(plan: &mut Plan, args: &PcapngArgs) -> Result<(), Error> {
    let Some(ring) = args.ring else { return Ok(()) };
    let files = &plan.config.files;
    let others = [
        ("file-size", files.size.is_some()),
        ("file-time", files.time.is_some()),
        ("files", files.count.is_some()),
        ("no-merge", !files.merge),
    ];
    if let Some((name, _)) = others.iter().find(|(_, typed)| *typed) {
        return Err(Error::usage(format!(
            "--{name}: with --ring each save is one file of all nodes; leave one of them out"
        )));
    }
    if plan.output_dir.is_none() && plan.show != Show::Pcapng {
        return Err(Error::usage(
            "--copy=false: with --ring what is saved needs a file, or -w -; leave one of them out",
        ));
    }
    plan.config.ring = Some(ring);
    if let Some(text) = &args.trigger {
        let trigger = parse(text)?;
        if trigger.features.contains(&Feature::PktDrop) && !plan.config.features.contains(&Feature::PktDrop) {
            plan.config.features.push(Feature::PktDrop);
        }
        if trigger.features.contains(&Feature::Dns) && plan.config.dns_ports.is_empty() {
            plan.config.dns_ports = DNS.to_vec();
        }
        plan.config.trigger = Some(text.clone());
    }
    if let Some(limit) = plan.config.limits.time {
        let time = flow::show::duration(limit);
        plan.notices.push(format!("the flight recorder ends after {time}; --max-time 0 keeps it until you end it"));
    }
    Ok(())
}

fn parse(text: &str) -> Result<Trigger, Error> {
    if text.trim().is_empty() {
        return Err(Error::usage("--trigger \"\": is empty; an expression is like 'drop or dns.rcode = ServFail'"));
    }
    Trigger::parse(text).map_err(|error| {
        let shown = Error::usage(format!("--trigger: {error}\n{}", error.pointed()));
        match error.hint {
            Some(hint) => shown.hint(hint),
            None => shown,
        }
    })
}

/// On this machine nobody knows objects of a cluster.
///
/// # Errors
/// One is asked for.
pub(super) fn local_only(plan: &Plan) -> Result<(), Error> {
    let trigger = plan.config.trigger.as_deref().and_then(|text| Trigger::parse(text).ok());
    let flows = trigger.and_then(|trigger| trigger.on_flows).unwrap_or_default();
    match flows.needs_objects().first() {
        None => Ok(()),
        Some(object) => Err(Error::usage(format!(
            "--trigger: {}: objects are known on a cluster, --local captures on this machine; use addresses or ports there",
            escape(&object.name)
        ))),
    }
}
