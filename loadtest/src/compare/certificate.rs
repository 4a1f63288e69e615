//! A certificate for servers that live as long as a command.

use std::path::Path;

use anyhow::Context as _;

/// PEM, signed by itself.
pub(super) struct Certificate {
    pub(super) cert: String,
    pub(super) key: String,
}

impl Certificate {
    /// The name it is for.
    pub(super) const HOST: &str = "localhost";

    pub(super) fn new() -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed([Self::HOST.to_owned()]).context("cannot make a certificate")?;
        Ok(Self { cert: made.cert.pem(), key: made.signing_key.serialize_pem() })
    }

    /// Writes both beside a configuration, and gives what it then says.
    pub(super) fn write(&self, dir: &Path) -> anyhow::Result<&'static str> {
        std::fs::write(dir.join("cert.pem"), &self.cert).context("cannot write a certificate")?;
        std::fs::write(dir.join("key.pem"), &self.key).context("cannot write its key")?;
        Ok("tls = { cert = \"cert.pem\", key = \"key.pem\" }\n")
    }
}
