//! Which cluster and which user: kubeconfig files, merged as kubectl does, and the options that override them.

use std::{
    env,
    path::{Path, PathBuf},
};

use kube::{
    Config,
    config::{AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext},
};

use super::proxy;
use crate::{cli::KubeArgs, error::Error};

/// What was chosen.
pub(super) struct Chosen {
    pub(super) config: Config,
    /// Name of the context.
    pub(super) context: Option<String>,
    /// What the kubeconfig calls the user.
    pub(super) user: Option<String>,
}

/// Reads what there is and applies the options.
pub(super) async fn choose(args: &KubeArgs) -> Result<Chosen, Error> {
    let Some(mut kubeconfig) = read(args)? else {
        return match (&args.server, Config::incluster()) {
            (Some(_), _) => resolve(bare(args), args, "").await,
            (None, Ok(config)) => Ok(inside(config, args)),
            (None, Err(_)) => Err(nothing()),
        };
    };
    let current = kubeconfig.current_context.clone().filter(|name| !name.is_empty());
    let name = match args.context.clone().or(current) {
        Some(name) => name,
        None if args.server.is_some() => return resolve(bare(args), args, "").await,
        None => return Err(no_context(&kubeconfig)),
    };
    check(&kubeconfig, &name, args)?;
    override_by(&mut kubeconfig, &name, args);
    resolve(kubeconfig, args, &name).await
}

/// A pod's own service account.
fn inside(mut config: Config, args: &KubeArgs) -> Chosen {
    if let Some(namespace) = &args.namespace {
        config.default_namespace.clone_from(namespace);
    }
    act_as(&mut config.auth_info, args);
    Chosen { config, context: None, user: None }
}

/// The files: `--kubeconfig`, else the list in `$KUBECONFIG` of which some may be missing, else the home directory's.
fn read(args: &KubeArgs) -> Result<Option<Kubeconfig>, Error> {
    if let Some(file) = &args.kubeconfig {
        return read_file(file).map(Some);
    }
    let listed: Vec<PathBuf> = env::var_os("KUBECONFIG")
        .map(|list| env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    let files = if listed.is_empty() { home().into_iter().collect() } else { listed };
    let mut merged: Option<Kubeconfig> = None;
    for file in files.iter().filter(|file| file.exists()) {
        let next = read_file(file)?;
        merged = Some(match merged {
            None => next,
            Some(first) => first.merge(next).map_err(|error| wrong(file, &error))?,
        });
    }
    Ok(merged)
}

fn home() -> Option<PathBuf> {
    env::home_dir().map(|home| home.join(".kube").join("config"))
}

fn read_file(file: &Path) -> Result<Kubeconfig, Error> {
    Kubeconfig::read_from(file).map_err(|error| wrong(file, &error))
}

fn wrong(file: &Path, error: &dyn std::error::Error) -> Error {
    let cause = super::failure::root(error);
    let cause = cause.lines().next().unwrap_or_default();
    Error::failed(format!("kubeconfig {}: {cause}", file.display())).hint("kubectl config view")
}

fn nothing() -> Error {
    let what = match env::var_os("KUBECONFIG") {
        Some(list) if !list.is_empty() => {
            format!("there is no file {}, which $KUBECONFIG names", list.to_string_lossy())
        }
        _ => "$KUBECONFIG is not set and there is no ~/.kube/config".to_owned(),
    };
    Error::failed(format!("no kubeconfig: {what}")).hint("--kubeconfig FILE; or --local to capture on this machine")
}

fn no_context(kubeconfig: &Kubeconfig) -> Error {
    if kubeconfig.contexts.is_empty() {
        return Error::failed("the kubeconfig names no cluster")
            .hint("--kubeconfig FILE; or --local to capture on this machine");
    }
    let names = names(kubeconfig.contexts.iter().map(|context| &context.name));
    Error::failed("the kubeconfig has no current context").hint(format!("--context with one of: {names}"))
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<_> = names.map(String::as_str).collect();
    if names.is_empty() { "(none)".to_owned() } else { names.join(", ") }
}

/// What can be chosen from.
pub(crate) struct Names {
    pub(crate) contexts: Vec<String>,
    pub(crate) clusters: Vec<String>,
    pub(crate) users: Vec<String>,
}

/// Names in the kubeconfig that `args` lead to.
pub(crate) fn names_in_kubeconfig(args: &KubeArgs) -> Option<Names> {
    let kubeconfig = read(args).ok().flatten()?;
    Some(Names {
        contexts: kubeconfig.contexts.into_iter().map(|context| context.name).collect(),
        clusters: kubeconfig.clusters.into_iter().map(|cluster| cluster.name).collect(),
        users: kubeconfig.auth_infos.into_iter().map(|user| user.name).collect(),
    })
}

/// Whether the credentials of that context come from another program, which may ask people for something.
pub(crate) fn runs_a_program(context: &str) -> bool {
    let Ok(Some(kubeconfig)) = read(&KubeArgs::default()) else { return false };
    let user = find_context(&kubeconfig, context).and_then(|context| context.user.clone());
    let named = kubeconfig.auth_infos.iter().find(|named| Some(&named.name) == user.as_ref());
    let auth = named.and_then(|named| named.auth_info.as_ref());
    auth.is_some_and(|auth| auth.exec.is_some() || auth.auth_provider.is_some())
}

/// Everything that is referred to must be there.
fn check(kubeconfig: &Kubeconfig, name: &str, args: &KubeArgs) -> Result<(), Error> {
    let Some(context) = find_context(kubeconfig, name) else {
        let known = names(kubeconfig.contexts.iter().map(|context| &context.name));
        return Err(
            Error::failed(format!("context {name}: not in the kubeconfig")).hint(format!("contexts are: {known}"))
        );
    };
    let cluster = args.cluster.as_ref().unwrap_or(&context.cluster);
    if !kubeconfig.clusters.iter().any(|known| &known.name == cluster) {
        let known = names(kubeconfig.clusters.iter().map(|cluster| &cluster.name));
        return Err(
            Error::failed(format!("cluster {cluster}: not in the kubeconfig")).hint(format!("clusters are: {known}"))
        );
    }
    let user = args.user.as_ref().or(context.user.as_ref()).filter(|user| !user.is_empty());
    if let Some(user) = user
        && !kubeconfig.auth_infos.iter().any(|known| &known.name == user)
    {
        let known = names(kubeconfig.auth_infos.iter().map(|user| &user.name));
        return Err(Error::failed(format!("user {user}: not in the kubeconfig")).hint(format!("users are: {known}")));
    }
    Ok(())
}

fn find_context<'a>(kubeconfig: &'a Kubeconfig, name: &str) -> Option<&'a Context> {
    kubeconfig.contexts.iter().find(|context| context.name == name)?.context.as_ref()
}

/// Writes the options into what they override.
fn override_by(kubeconfig: &mut Kubeconfig, name: &str, args: &KubeArgs) {
    let Some(context) = kubeconfig.contexts.iter_mut().find(|context| context.name == name) else { return };
    let context = context.context.get_or_insert_default();
    if let Some(cluster) = &args.cluster {
        context.cluster.clone_from(cluster);
    }
    if args.user.is_some() {
        context.user.clone_from(&args.user);
    }
    if args.namespace.is_some() {
        context.namespace.clone_from(&args.namespace);
    }
    let user = context.user.clone().unwrap_or_default();
    for cluster in kubeconfig.clusters.iter_mut().filter(|cluster| cluster.name == context.cluster) {
        override_cluster(cluster.cluster.get_or_insert_default(), args);
    }
    if !kubeconfig.auth_infos.iter().any(|known| known.name == user) {
        kubeconfig.auth_infos.push(NamedAuthInfo { name: user.clone(), ..NamedAuthInfo::default() });
        context.user = Some(user.clone());
    }
    for known in kubeconfig.auth_infos.iter_mut().filter(|known| known.name == user) {
        override_user(known.auth_info.get_or_insert_default(), args);
    }
}

fn override_cluster(cluster: &mut Cluster, args: &KubeArgs) {
    if args.server.is_some() {
        cluster.server.clone_from(&args.server);
    }
    if let Some(file) = &args.certificate_authority {
        cluster.certificate_authority = Some(file.to_string_lossy().into_owned());
        cluster.certificate_authority_data = None;
    }
    if args.insecure_skip_tls_verify.is_some() {
        cluster.insecure_skip_tls_verify = args.insecure_skip_tls_verify;
    }
    if args.tls_server_name.is_some() {
        cluster.tls_server_name.clone_from(&args.tls_server_name);
    }
    if args.proxy_url.is_some() {
        cluster.proxy_url.clone_from(&args.proxy_url);
    }
}

fn override_user(user: &mut AuthInfo, args: &KubeArgs) {
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    if let Some(token) = &args.token {
        // Nothing else: a certificate would win over the token, and whoever types a token means it.
        *user = AuthInfo { token: Some(token.clone().into()), ..AuthInfo::default() };
    }
    if let Some(file) = &args.client_certificate {
        user.client_certificate = Some(text(file));
        user.client_certificate_data = None;
    }
    if let Some(file) = &args.client_key {
        user.client_key = Some(text(file));
        user.client_key_data = None;
    }
    act_as(user, args);
}

fn act_as(user: &mut AuthInfo, args: &KubeArgs) {
    if args.as_user.is_some() {
        user.impersonate.clone_from(&args.as_user);
    }
    if !args.as_group.is_empty() {
        user.impersonate_groups = Some(args.as_group.clone());
    }
}

/// `--server` without any file.
fn bare(args: &KubeArgs) -> Kubeconfig {
    let context = Context { cluster: "-".to_owned(), user: Some("-".to_owned()), ..Context::default() };
    let mut kubeconfig = Kubeconfig {
        clusters: vec![NamedCluster { name: "-".to_owned(), ..NamedCluster::default() }],
        auth_infos: vec![NamedAuthInfo { name: "-".to_owned(), ..NamedAuthInfo::default() }],
        contexts: vec![NamedContext { name: String::new(), context: Some(context), ..NamedContext::default() }],
        current_context: Some(String::new()),
        ..Kubeconfig::default()
    };
    override_by(&mut kubeconfig, "", &KubeArgs { cluster: None, user: None, ..args.clone() });
    kubeconfig
}

/// As the client takes it.
async fn resolve(kubeconfig: Kubeconfig, args: &KubeArgs, name: &str) -> Result<Chosen, Error> {
    if args.as_user.is_none() && (!args.as_group.is_empty() || args.as_uid.is_some()) {
        return Err(Error::usage("--as-group, --as-uid: go with --as USER"));
    }
    let context = find_context(&kubeconfig, name).cloned().unwrap_or_default();
    let proxy_url = kubeconfig
        .clusters
        .iter()
        .find(|cluster| cluster.name == context.cluster)
        .and_then(|cluster| cluster.cluster.as_ref()?.proxy_url.clone())
        .filter(|proxy| !proxy.is_empty());
    let options = KubeConfigOptions { context: Some(name.to_owned()), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| {
        let cause = super::failure::root(&error);
        Error::failed(format!("kubeconfig, context {name}: {}", cause.lines().next().unwrap_or_default()))
    })?;
    if proxy_url.is_none() {
        config.proxy_url = proxy::from_environment(&config.cluster_url)?;
    }
    if let Some(uid) = &args.as_uid {
        let value = uid.parse().map_err(|_| Error::usage("--as-uid: not a uid"))?;
        config.headers.push((http::HeaderName::from_static("impersonate-uid"), value));
    }
    let context_name = (!name.is_empty()).then(|| name.to_owned());
    Ok(Chosen { config, context: context_name, user: context.user.filter(|user| user != "-") })
}
