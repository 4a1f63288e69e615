//! Where a secret is: in a variable, a file, a credential of systemd, or what a command prints.

use std::fs::Metadata;
use std::path::Path;

use super::command::{LIMIT, output_of};
use crate::config::Secret;
use crate::config::node::Node;
use crate::config::table::Table;

/// Reads the secret that `table` refers to; `node` is the whole reference.
pub(super) fn from_place(node: &Node<'_>, table: &mut Table<'_>) -> Option<Secret> {
    match table.one_of(["env", "file", "credential", "command"]) {
        Some(("env", name)) => from_variable(&name),
        Some(("file", file)) => {
            let path = file.path()?;
            from_file(&file, &path, "name a file that this user may read; a relative path starts beside the main file")
        }
        Some(("credential", name)) => from_credential(&name),
        Some((_, command)) => from_command(command),
        None => node.refuse("it is not said where the secret is", WRITE),
    }
}

fn from_variable(node: &Node<'_>) -> Option<Secret> {
    let name = node.text()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        // It may be the secret itself, so it is not shown.
        return node
            .refuse("this is not the name of a variable", "write letters, digits and '_', as in \"GITHUB_SECRET\"");
    }
    let set_it = || format!("set {name} for the process that runs hookgate, or read the secret from a file");
    match (node.spot.reading().variable)(name) {
        None => node.refuse(format!("the environment variable {name} is not set"), set_it()),
        Some(value) if value.is_empty() => node.refuse(format!("the environment variable {name} is empty"), set_it()),
        Some(value) => Some(Secret::new(value.into_encoded_bytes())),
    }
}

/// `LoadCredential=` of a unit puts files where only its process can read them.
fn from_credential(node: &Node<'_>) -> Option<Secret> {
    let name = node.text()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_name) {
        return node.refuse(
            "this is not the name of a credential",
            "write letters, digits, '_', '-' and '.', as LoadCredential= in the unit has it",
        );
    }
    let write =
        format!("write LoadCredential={name}:/etc/hookgate/{name} into [Service] of the unit, where its file is");
    match (node.spot.reading().variable)("CREDENTIALS_DIRECTORY") {
        Some(directory) => from_file(node, &Path::new(&directory).join(name), &write),
        None => node.refuse("systemd has given no credentials: CREDENTIALS_DIRECTORY is not set", write),
    }
}

fn from_file(node: &Node<'_>, path: &Path, help: &str) -> Option<Secret> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return node.refuse(format!("{} cannot be read: {error}", path.display()), help),
    };
    let Some(secret) = secret_in(bytes) else {
        return node.refuse(format!("{} is empty", path.display()), "write the secret into it");
    };
    if let Ok(metadata) = path.metadata() {
        warn_of_permissions(node, path, &metadata);
    }
    Some(secret)
}

fn warn_of_permissions(node: &Node<'_>, path: &Path, metadata: &Metadata) {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode();
    let path = path.display();
    if mode & 0o004 != 0 {
        node.spot.warn(format!("every user of this machine may read {path}"), format!("run `chmod o= {path}`"));
    }
    if mode & 0o022 != 0 {
        node.spot.warn(
            format!("others may write to {path}, and put a secret of their own there"),
            format!("run `chmod go-w {path}`"),
        );
    }
}

fn from_command(node: Node<'_>) -> Option<Secret> {
    if !node.value.is_array() {
        return node.wrong_type("a list of texts", "write [\"pass\", \"show\", \"name\"]: no shell reads it");
    }
    let spot = node.spot.clone();
    let words: Vec<&str> = node.items().iter().map(Node::text).collect::<Option<_>>()?;
    let (program, arguments) = words.split_first()?;
    match output_of(program, arguments, spot.reading().directory, LIMIT) {
        Ok(output) => {
            let secret = secret_in(output);
            if secret.is_none() {
                spot.problem("the command has printed nothing", "it must print the secret, and nothing else");
            }
            secret
        }
        Err(error) => {
            spot.problem(error.to_string(), "run it in a terminal as the user that runs hookgate");
            None
        }
    }
}

/// A secret without the newline that editors and commands end a text with; `None` if nothing is left.
fn secret_in(mut bytes: Vec<u8>) -> Option<Secret> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() { None } else { Some(Secret::new(bytes)) }
}

pub(super) const WRITE: &str = "write { env = \"NAME\" } or { file = \"path\" }, { credential = \"name\" } of systemd or \
                                { command = [\"program\", …] }, or a list of these while rotating";
