//! The admin listener as commands reach it: which one, what is shown to it, and how it proves itself.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode, Uri};

use super::ConfigFile;
use super::client::{Answer, Request, Way};
use crate::config::{AdminConfig, Config, Secret};
use crate::sinks::Trust;

/// The admin listener of a running gateway.
#[derive(Debug, clap::Args)]
pub(super) struct Admin {
    /// Its address, as in `127.0.0.1:9090`, `unix:/run/hookgate/admin.sock` or `https://admin.example.com:9090`; without it that
    /// of the configuration
    #[arg(long = "admin", value_name = "ADDRESS", env = "HOOKGATE_ADMIN")]
    address: Option<String>,
    /// The file that holds its token; without it `HOOKGATE_ADMIN_TOKEN`, or the `admin_token` of the configuration
    #[arg(long, value_name = "FILE", env = "HOOKGATE_ADMIN_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// PEM file of its authority; without it the certificate of the configuration, or the authorities of the system
    #[arg(long = "admin-ca", value_name = "FILE", env = "HOOKGATE_ADMIN_CA")]
    authority: Option<PathBuf>,
    #[command(flatten)]
    pub(super) file: ConfigFile,
}

/// The token itself: an argument would be seen by whoever lists processes.
const TOKEN_VARIABLE: &str = "HOOKGATE_ADMIN_TOKEN";

const DEFAULT_ADDRESS: &str = "127.0.0.1:9090";

impl Admin {
    /// Whether its address was.
    pub(super) fn is_given(&self) -> bool {
        self.address.is_some()
    }

    /// The answer to a request, which must be 200.
    pub(super) fn ask(&self, method: Method, target: &str) -> anyhow::Result<Answer> {
        let answer = self.request(method, target)?.send()?;
        if answer.status != StatusCode::OK {
            bail!("{}: {}", answer.status, answer.body.trim_end());
        }
        Ok(answer)
    }

    /// A request that is to be sent.
    pub(super) fn request(&self, method: Method, target: &str) -> anyhow::Result<Request> {
        match self.request_if_any(method, target)? {
            Some(request) => Ok(request),
            None => bail!("the configuration has no admin listener: say with --admin where the gateway has one"),
        }
    }

    /// The same; `None` where the configuration wants no admin listener.
    pub(super) fn request_if_any(&self, method: Method, target: &str) -> anyhow::Result<Option<Request>> {
        let configured = self.configured()?;
        let address = match (&self.address, &configured) {
            (Some(address), _) => address.clone(),
            (None, Configured::As(config)) => config.address.to_string(),
            (None, Configured::Nowhere) => DEFAULT_ADDRESS.to_owned(),
            (None, Configured::Off) => return Ok(None),
        };
        // With a scheme it is another gateway's address, perhaps, and what this configuration holds is not for that.
        let own = match configured {
            Configured::As(config) if !address.contains("://") => Some(config),
            _ => None,
        };
        let token = self.token(own.as_deref())?;
        let (url, way) = match address.strip_prefix("unix:") {
            Some(path) => (uri(&format!("http://localhost{target}"))?, Way::Socket(PathBuf::from(path))),
            None if address.contains("://") => (uri(&format!("{address}{target}"))?, Way::Network(self.trust(None))),
            None => {
                let scheme = if own.as_deref().is_some_and(|own| own.tls.is_some()) { "https" } else { "http" };
                (uri(&format!("{scheme}://{address}{target}"))?, Way::Network(self.trust(own.as_deref())))
            }
        };
        if token.is_some() && matches!(way, Way::Network(_)) && !is_safe_for_tokens(&url) {
            bail!("the token would go to {address} in the clear: write https:// before it, and let it have admin_tls");
        }
        let mut headers = Vec::new();
        if let Some(token) = token {
            let mut value = HeaderValue::try_from([b"Bearer ", token.expose()].concat())
                .context("the admin token cannot stand in a header")?;
            value.set_sensitive(true);
            headers.push((AUTHORIZATION, value));
        }
        Ok(Some(Request { method, url, headers, body: bytes::Bytes::new(), way }))
    }

    /// What the configuration says. It need not be there; and where an address is given it need not be right.
    fn configured(&self) -> anyhow::Result<Configured> {
        let path = &self.file.config;
        if path.metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(Configured::Nowhere);
        }
        match Config::load_admin(path) {
            Ok(Some(config)) => Ok(Configured::As(Box::new(config))),
            Ok(None) => Ok(Configured::Off),
            Err(_) if self.address.is_some() => Ok(Configured::Nowhere),
            Err(problems) => Err(problems.into()),
        }
    }

    fn token(&self, own: Option<&AdminConfig>) -> anyhow::Result<Option<Secret>> {
        if let Some(file) = &self.token_file {
            let read = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            return Ok(Some(Secret::new(read.trim_ascii_end())));
        }
        if let Some(token) = std::env::var_os(TOKEN_VARIABLE).filter(|token| !token.is_empty()) {
            return Ok(Some(Secret::new(token.into_encoded_bytes())));
        }
        Ok(own.and_then(|own| own.token.clone()))
    }

    fn trust(&self, own: Option<&AdminConfig>) -> Trust {
        match (&self.authority, own.and_then(|own| own.tls.as_ref())) {
            (Some(file), _) => Trust::Authority(file.clone()),
            (None, Some(tls)) => Trust::Certificates(tls.certificates.iter().map(|files| files.cert.clone()).collect()),
            (None, None) => Trust::System,
        }
    }
}

/// What the configuration says of the admin listener.
enum Configured {
    As(Box<AdminConfig>),
    Off,
    /// There is none to say anything.
    Nowhere,
}

fn uri(text: &str) -> anyhow::Result<Uri> {
    text.parse().with_context(|| format!("{text} is no address and path"))
}

/// Encrypted, or not leaving this machine.
fn is_safe_for_tokens(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    url.scheme_str() == Some("https")
        || host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;

    fn admin(address: Option<&str>, config: &str, dir: &Path) -> Admin {
        std::fs::write(dir.join("token"), "the-token-of-this-gateway").unwrap();
        std::fs::write(dir.join("cert.pem"), "").unwrap();
        std::fs::write(dir.join("hookgate.toml"), format!("[gateway]\n{config}")).unwrap();
        let file = ConfigFile { config: dir.join("hookgate.toml") };
        Admin { address: address.map(str::to_owned), token_file: None, authority: None, file }
    }

    fn request(address: Option<&str>, config: &str) -> Request {
        let dir = tempfile::tempdir().unwrap();
        admin(address, config, dir.path()).request(Method::GET, "/routes").unwrap()
    }

    const TLS: &str = "admin = \"127.0.0.1:9443\"\nadmin_token = { file = \"token\" }\nadmin_tls = { cert = \"cert.pem\", key = \"cert.pem\" }";

    #[test]
    fn without_an_address_it_is_that_of_the_configuration() {
        assert_eq!(request(None, "").url, "http://127.0.0.1:9090/routes");
        assert_eq!(request(None, "admin = \"127.0.0.1:7\"").url, "http://127.0.0.1:7/routes");
        let socket = request(None, "admin = \"unix:/run/hookgate.sock\"");
        assert!(matches!(socket.way, Way::Socket(path) if path == Path::new("/run/hookgate.sock")));
        let encrypted = request(None, TLS);
        assert_eq!(encrypted.url, "https://127.0.0.1:9443/routes");
        assert_eq!(encrypted.headers[0].1, "Bearer the-token-of-this-gateway");
        assert!(matches!(encrypted.way, Way::Network(Trust::Certificates(files)) if files[0].ends_with("cert.pem")));
        let dir = tempfile::tempdir().unwrap();
        let off = admin(None, "admin = false", dir.path()).request(Method::GET, "/routes").unwrap_err();
        assert!(off.to_string().contains("no admin listener"), "{off}");
    }

    #[test]
    fn what_the_configuration_holds_is_not_shown_to_another_gateway() {
        let other = request(Some("https://admin.example.com:9443"), TLS);
        assert_eq!(other.url, "https://admin.example.com:9443/routes");
        assert!(other.headers.is_empty() && matches!(other.way, Way::Network(Trust::System)));
        let own = request(Some("localhost:9443"), TLS);
        assert_eq!((own.url.to_string().as_str(), own.headers.len()), ("https://localhost:9443/routes", 1));
    }

    #[test]
    fn a_token_does_not_go_to_another_machine_in_the_clear() {
        let dir = tempfile::tempdir().unwrap();
        let mut admin = admin(Some("http://10.0.0.3:9090"), "", dir.path());
        assert!(admin.request(Method::GET, "/routes").is_ok());
        admin.token_file = Some(dir.path().join("token"));
        let refused = admin.request(Method::GET, "/routes").unwrap_err().to_string();
        assert!(refused.contains("in the clear"), "{refused}");
    }
}
