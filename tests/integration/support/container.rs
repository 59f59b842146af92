//! Programs in PID namespaces of their own, as containers have them.
//!
//! Needs root, and `unshare` of util-linux; skipped with a line elsewhere.

use std::process::Command;

use super::network::no_namespaces;

/// Runs the command that follows as process 1. It is killed with this one.
pub(crate) const CONTAINER: [&str; 5] =
    ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// Whether this machine can have such namespaces; says so if it cannot.
pub(crate) fn have_containers() -> bool {
    let [unshare, args @ ..] = CONTAINER;
    let tried = Command::new(unshare).args(args).arg("true").output();
    let why = match tried {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    no_namespaces("PID namespaces need root and util-linux", why.trim());
    false
}
