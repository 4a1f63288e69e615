//! Secrets that providers hand over in a handshake: one file for each source, in the journal's directory, so that the next
//! start knows them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;

use crate::config::{Config, Secret, Secrets, SourceConfig};

/// Where the secret of a source is kept, if it is one that its provider hands over.
pub(super) fn file_of(config: &Config, source: &SourceConfig) -> Option<PathBuf> {
    let proof = source.auth.proof.as_ref()?;
    matches!(proof.secrets, Secrets::Learned).then(|| config.journal.dir.join("secrets").join(&source.name))
}

/// The secret that was kept, if there is one.
pub(super) fn load(file: &Path) -> io::Result<Option<Secret>> {
    match fs::read(file) {
        Ok(bytes) if bytes.is_empty() => fs::remove_file(file).map(|()| None),
        Ok(bytes) => Ok(Some(Secret::new(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keeps a secret, synced before the provider is answered. Another that is there already stays: it is taken away by hand,
/// or whoever comes could put one in its place.
pub(super) fn keep(file: &Path, secret: &Secret) -> io::Result<()> {
    if let Some(known) = load(file)?
        && bool::from(known.expose().ct_eq(secret.expose()))
    {
        return Ok(());
    }
    let directory = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut kept = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    kept.write_all(secret.expose())?;
    kept.sync_all()?;
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_kept_is_loaded_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secrets/asana");
        assert!(load(&file).unwrap().is_none());
        keep(&file, &Secret::new("first")).unwrap();
        keep(&file, &Secret::new("first")).unwrap();
        assert_eq!(keep(&file, &Secret::new("second")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(load(&file).unwrap().unwrap().expose(), b"first");
    }

    #[test]
    fn a_file_that_a_crash_left_empty_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("asana");
        fs::write(&file, b"").unwrap();
        assert!(load(&file).unwrap().is_none());
        keep(&file, &Secret::new("first")).unwrap();
    }
}
