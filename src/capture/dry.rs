//! `--yaml`, `--dry-run=client -o yaml`: the objects on standard output, the cluster untouched.

use std::io::{Write as _, stdout};

use super::identity;
use crate::{
    Context,
    cli::KubeArgs,
    cluster::{connect, facts},
    error::{Error, Outcome, exit},
    plan::{cluster::Request, facts::Facts, objects, yaml},
};

/// Prints them. A cluster that can be looked at decides about images and nodes; else assumptions do, and it is said.
pub(super) async fn print(request: &Request, kube: &KubeArgs, context: &Context) -> Outcome {
    let looked = look(request, kube).await;
    let (facts, user) = match &looked {
        Ok((facts, user)) => (Some(facts), user.as_str()),
        Err(error) => {
            context.report.notice(&format!("printed without a look at a cluster: {}", error.message));
            (None, "")
        }
    };
    let (identity, _) = identity::new(request, facts, user, context)?;
    let plan = match facts {
        Some(facts) => objects::plan(request, facts, &identity)?,
        None => objects::plan_blind(request, &identity)?,
    };
    for note in request.plan.notices.iter().chain(&plan.notes) {
        context.report.notice(note);
    }
    let text = yaml::print(&plan, &by_hand(request, &plan.id, &plan.namespace))?;
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::failed(error)),
        _ => Ok(exit::DONE),
    }
}

async fn look(request: &Request, kube: &KubeArgs) -> Result<(Facts, String), Error> {
    let connection = connect::connect(kube).await?;
    let facts = facts::gather(&connection, request).await?;
    Ok((facts, connection.user))
}

fn by_hand(request: &Request, id: &str, namespace: &str) -> String {
    let start = if request.image.is_some() {
        "The pods run the executable of their image.".to_owned()
    } else {
        format!("The pods wait for the executable: `oc-netobserv attach {id}` sends it, then shows the table.")
    };
    format!(
        "A capture of oc-netobserv: kubectl apply -f FILE\n{start}\nThe guardian ends it when nobody has been attached for {:?}.\n\
         oc-netobserv copy {id} brings the files home, oc-netobserv cleanup {id} removes everything: namespace\n\
         {namespace} and what is outside of it. The keys in here are those of this capture: keep the file to yourself.",
        request.lease
    )
}
