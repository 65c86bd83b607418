//! Keys of TLS: from a file, from processes, or none; whose, and what does not go together.

use flow::{
    Filter,
    config::Mode,
    filter::{ObjectKind, SetSource},
};

use super::{Plan, wanted};
use crate::{
    cli::{ClusterArgs, ObjectArgs, PcapngArgs},
    error::Error,
};

/// Puts what was asked for into the plan.
///
/// # Errors
/// Options that contradict each other.
pub(super) fn add(plan: &mut Plan, args: &PcapngArgs) -> Result<(), Error> {
    let (strip, take) = (args.strip_secrets == Some(true), args.enable_tls_keys == Some(true));
    if strip && args.tls_keylog.is_some() {
        return Err(Error::usage(
            "--strip-secrets: writes no keys, and --tls-keylog is for writing some; leave one of them out",
        ));
    }
    if !take && !args.tls_keys_process.is_empty() {
        return Err(Error::usage(
            "--tls-keys-process: says whose keys --enable-tls-keys takes, which is not asked for",
        ));
    }
    plan.keylog.clone_from(&args.tls_keylog);
    plan.config.tls_keys = take && !strip;
    plan.config.key_owners.processes.clone_from(&args.tls_keys_process);
    if take && strip {
        plan.notices.push("--strip-secrets: no keys of TLS are taken, because none are written".to_owned());
    } else if take {
        plan.notices.push(
            "keys of TLS are taken out of processes and stand in the file: whoever has it reads what they said; \
             editcap --discard-all-secrets takes the keys out again"
                .to_owned(),
        );
    }
    Ok(())
}

/// On a cluster: of the pods that are selected, and of nobody else.
///
/// # Errors
/// None is selected, or processes are told by numbers.
pub(super) fn of_pods(plan: &mut Plan, objects: &ObjectArgs) -> Result<(), Error> {
    if !plan.config.tls_keys {
        return Ok(());
    }
    if let Some(number) = plan.config.key_owners.processes.iter().find(|process| process.parse::<u32>().is_ok()) {
        return Err(Error::usage(format!(
            "--tls-keys-process {number}: a number is of one machine; on a cluster, name the process"
        )));
    }
    let mut sets = Vec::new();
    for (option, kind, values) in objects.ends() {
        if !matches!(kind, ObjectKind::Node | ObjectKind::Container) {
            for value in values {
                sets.extend(sets_of(plan, &wanted::filter_of(option, kind, value)?));
            }
        }
    }
    if sets.is_empty() {
        return Err(Error::usage(
            "--enable-tls-keys: on a cluster keys are taken only from the processes of pods that are selected; say which by \
             --pod, --workload, --service, --selector or --namespace-of",
        ));
    }
    sets.sort_unstable();
    sets.dedup();
    plan.config.key_owners.sets = Some(sets);
    Ok(())
}

/// Numbers of the sets that an object's addresses are in.
fn sets_of(plan: &Plan, object: &Filter) -> Vec<u8> {
    let wanted = object.split(Mode::Packets).sets;
    let is_wanted = |set: &SetSource| matches!(set, SetSource::Object(_)) && wanted.contains(set);
    let numbered = plan.sets.iter().enumerate().filter(|(_, set)| is_wanted(set));
    numbered.filter_map(|(number, _)| u8::try_from(number).ok()).collect()
}

/// Whether files have to come home as they are written: a key log is read here, and its keys never go to the cluster.
///
/// # Errors
/// This command would not be there.
pub(super) fn stream_home(plan: &Plan, args: &ClusterArgs) -> Result<bool, Error> {
    if plan.keylog.is_none() {
        return Ok(false);
    }
    if args.background == Some(true) {
        return Err(Error::usage(
            "--tls-keylog: needs this command to stay, --background lets it return; leave one of them out",
        ));
    }
    if args.stream_home == Some(false) {
        return Err(Error::usage(
            "--tls-keylog: its keys never go to the cluster, so the file is written here as it runs, which \
             --stream-home=false forbids; leave one of them out",
        ));
    }
    Ok(true)
}
