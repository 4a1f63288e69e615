//! `hookgate send`: plays a provider.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, bail};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Uri};

use super::client::{Request, Way};
use super::{output, preset_by_name};
use crate::admit::{Message, Signer};
use crate::config::{Preset, Secret};
use crate::event::IdSource;
use crate::sinks::Trust;

/// Options of `hookgate send`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints the answer's status on standard error and its body on standard output. Exits 0 if the event was accepted.

Examples:
  hookgate send --preset stripe --secret-env STRIPE_SECRET invoice.json http://127.0.0.1:8080/hooks/stripe
  hookgate send --preset github --secret-file secret --type issues payload.json https://hooks.example.com/hooks/github
  echo '{\"a\":1}' | hookgate send --header 'X-Api-Key: k' - http://127.0.0.1:8080/hooks/erp")]
pub(super) struct Send {
    /// The provider whose signature and headers to send; without one, nothing is signed
    #[arg(short, long, value_name = "NAME", value_parser = preset_by_name(), requires = "secret")]
    preset: Option<&'static Preset>,
    /// The environment variable that holds the secret
    #[arg(long, value_name = "NAME", group = "secret", requires = "preset")]
    secret_env: Option<String>,
    /// The file that holds the secret; one newline at its end is not part of it
    #[arg(long, value_name = "FILE", group = "secret", requires = "preset")]
    secret_file: Option<PathBuf>,
    /// The event's type, where the provider says it in a header
    #[arg(short = 't', long = "type", value_name = "TYPE", requires = "preset")]
    event_type: Option<String>,
    /// The delivery id, where the provider says it in a header; one is made up if this is left out
    #[arg(long, value_name = "ID", requires = "preset")]
    id: Option<String>,
    /// The public URL, where the provider signs it and it is not the one to post to
    #[arg(long, value_name = "URL", requires = "preset")]
    public_url: Option<Uri>,
    /// The id of the key, where the provider sends or signs one
    #[arg(long, value_name = "ID", requires = "preset")]
    key_id: Option<String>,
    /// One more header; may be given several times
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The payload; `-` is standard input
    #[arg(value_name = "PAYLOAD")]
    payload: PathBuf,
    /// Where to post it
    #[arg(value_name = "URL")]
    url: Uri,
}

impl Send {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let mut body = self.read_payload()?;
        let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        if let Some(preset) = self.preset {
            let signer = Signer::preset(preset, &self.secret()?)?
                .posting_to(self.public_url.as_ref().unwrap_or(&self.url))
                .with_key_id(self.key_id.as_deref().unwrap_or_default());
            headers = vec![(CONTENT_TYPE, HeaderValue::from_static(signer.content_type()))];
            let now = SystemTime::now();
            let unix_ms = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
            let made_up = IdSource::new().next(unix_ms);
            let id = self.id.as_deref().unwrap_or_else(|| std::str::from_utf8(&made_up).unwrap_or_default());
            let event_type = self.event_type.as_deref();
            if let Some(signed) = signer.body(&Message { body: &body, event_type, id, now })? {
                body = signed;
            }
            headers.extend(signer.headers(&Message { body: &body, event_type, id, now }));
        }
        for header in &self.header {
            let (name, value) = header.split_once(':').with_context(|| format!("{header:?} is not NAME: VALUE"))?;
            let name: HeaderName = name.trim().parse().with_context(|| format!("{name:?} is no header name"))?;
            let value = value.trim().parse().with_context(|| format!("{name} has a value that no header can have"))?;
            headers.retain(|(there, _)| *there != name);
            headers.push((name, value));
        }

        let way = Way::Network(Trust::System);
        let answer = Request { method: Method::POST, url: self.url, headers, body: body.into(), way }.send()?;
        output::say(answer.status);
        if !answer.body.is_empty() {
            output::print(format_args!("{}\n", answer.body.trim_end()))?;
        }
        Ok(if answer.status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn read_payload(&self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        if self.payload.as_os_str() == "-" {
            std::io::stdin().read_to_end(&mut body).context("cannot read the payload from standard input")?;
        } else {
            body = std::fs::read(&self.payload)
                .with_context(|| format!("cannot read the payload {}", self.payload.display()))?;
        }
        Ok(body)
    }

    fn secret(&self) -> anyhow::Result<Secret> {
        if let Some(name) = &self.secret_env {
            let value = std::env::var(name).with_context(|| format!("the secret's variable {name} cannot be read"))?;
            return Ok(Secret::new(value));
        }
        let Some(path) = &self.secret_file else {
            bail!("a preset signs: give --secret-env NAME or --secret-file FILE")
        };
        let mut bytes = std::fs::read(path).with_context(|| format!("cannot read the secret {}", path.display()))?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        Ok(Secret::new(bytes))
    }
}
