//! Programs that a bench runs for their answer.

use std::process::Command;

use serde_json::Value;

/// The one object that a program prints.
///
/// # Panics
/// When it fails, or prints something else.
pub(crate) fn answer(command: &mut Command) -> Value {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {output:?}");
    serde_json::from_slice(&output.stdout).expect("one object")
}
