//! Which traffic is wanted: expressions, objects and NetObserv's rules become rules and sets for the kernel, and what is left
//! for after it.

use flow::{
    CaptureConfig, Feature, Filter,
    config::Mode,
    filter::{ObjectKind, SetSource, Split},
    show::escape,
};

use crate::{
    cli::{FeatureArgs, LanguageArgs, ObjectArgs},
    error::Error,
};

/// The whole filter as typed; the default one where nothing was.
///
/// # Errors
/// What is wrong with an expression, pointed at.
pub(crate) fn filter(language: &LanguageArgs, objects: &ObjectArgs) -> Result<Filter, Error> {
    let filters = language.filter.iter().map(|text| one("filter", text));
    let queries = language.query.iter().map(|text| one("query", text)).collect::<Result<Vec<_>, _>>()?;
    let mut all = filters.collect::<Result<Vec<_>, _>>()?;
    all.extend(any(&queries)?);
    all.extend(by_object(objects)?);
    Ok(all.into_iter().reduce(Filter::and).unwrap_or_default())
}

fn one(option: &str, text: &str) -> Result<Filter, Error> {
    if text.trim().is_empty() {
        return Err(Error::usage(format!("--{option} \"\": is empty; an expression is like 'dst.port = 443'")));
    }
    Filter::parse(text).map_err(|error| {
        let shown = Error::usage(format!("--{option}: {error}\n{}", error.pointed()));
        match error.hint {
            Some(hint) => shown.hint(hint),
            None => shown,
        }
    })
}

/// One of several must hold.
fn any(filters: &[Filter]) -> Result<Option<Filter>, Error> {
    let text = filters.iter().map(|filter| format!("({filter})")).collect::<Vec<_>>().join(" or ");
    if text.is_empty() { Ok(None) } else { one("query", &text).map(Some) }
}

/// Traffic of one object.
pub(super) fn filter_of(option: &str, kind: ObjectKind, value: &str) -> Result<Filter, Error> {
    one(option, &term(option, kind, value)?)
}

/// One end is one of the objects, and the other one of the peers.
fn by_object(objects: &ObjectArgs) -> Result<Option<Filter>, Error> {
    let (ends, peers) = (terms(&objects.ends())?, terms(&objects.peers())?);
    let at = |end: &str, terms: &[String]| {
        format!("({})", terms.iter().map(|term| format!("{end}{term}")).collect::<Vec<_>>().join(" or "))
    };
    let text = match (ends.is_empty(), peers.is_empty()) {
        (true, true) => return Ok(None),
        (false, true) => at("", &ends),
        (true, false) => at("", &peers),
        (false, false) => format!(
            "({} and {}) or ({} and {})",
            at("src.", &ends),
            at("dst.", &peers),
            at("dst.", &ends),
            at("src.", &peers)
        ),
    };
    let option = objects.typed().unwrap_or("pod");
    one(option, &text).map(Some)
}

fn terms(typed: &[crate::cli::Typed<'_>]) -> Result<Vec<String>, Error> {
    let each = typed.iter().flat_map(|(option, kind, values)| values.iter().map(move |value| (option, *kind, value)));
    each.map(|(option, kind, value)| term(option, kind, value)).collect()
}

fn term(option: &str, kind: ObjectKind, value: &str) -> Result<String, Error> {
    let is_wrong = value.is_empty() || value.contains(['"', '\\']) || value.chars().any(char::is_control);
    if is_wrong {
        return Err(Error::usage(format!("--{option} \"{}\": not a name; {}", escape(value), like(kind))));
    }
    Ok(format!("{} = \"{value}\"", word(kind)))
}

const fn word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Pod => "pod",
        ObjectKind::Workload => "workload",
        ObjectKind::Service => "service",
        ObjectKind::Namespace => "namespace",
        ObjectKind::Selector => "selector",
        ObjectKind::Node => "node",
        ObjectKind::Container => "container",
    }
}

const fn like(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Pod => "a pod is like shop/web-0",
        ObjectKind::Workload => "a workload is like deploy/web or shop/deploy/web",
        ObjectKind::Service => "a Service is like shop/web",
        ObjectKind::Namespace => "a namespace is like shop",
        ObjectKind::Selector => "labels are like app=web,tier!=db",
        ObjectKind::Node => "a node is like worker-1",
        ObjectKind::Container => "a container is like app",
    }
}

/// Puts features and filter into the configuration; returns the sets that its rules refer to.
pub(super) fn apply(config: &mut CaptureConfig, features: &FeatureArgs, filter: &Filter) -> Vec<SetSource> {
    config.features = features.wanted();
    if config.mode == Mode::Packets {
        config.features.retain(|feature| feature.is_of_packets());
    }
    config.drops_only = features.drops_only();
    config.dns_ports = if config.features.contains(&Feature::Dns) { features.dns_ports() } else { Vec::new() };
    if filter.is_empty() {
        return Vec::new();
    }
    let Split { rules, sets, after, drops_only } = filter.split(config.mode).within(&config.rules);
    config.rules = rules;
    config.after = after.map(|filter| filter.to_string());
    if drops_only {
        config.drops_only = true;
        if !config.features.contains(&Feature::PktDrop) {
            config.features.push(Feature::PktDrop);
        }
    }
    sets
}

/// What a user should know of the features he asked for, in this mode.
pub(super) fn notices(mode: Mode, features: &FeatureArgs) -> Vec<String> {
    let mut notices = features.notices();
    if mode == Mode::Packets {
        let of_flows =
            features.named().into_iter().filter(|(_, feature, asked)| *asked == Some(true) && !feature.is_of_packets());
        notices.extend(of_flows.map(|(name, ..)| format!("--{name}: adds to flows; packets hold what they hold")));
    }
    notices
}
