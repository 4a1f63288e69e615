//! `hookgate send`: plays a provider.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Uri};

use super::client::{Request, Way};
use super::handshake::{self, Play};
use super::{EXIT_USAGE, output, preset_by_name};
use crate::admit::{Message, Signer};
use crate::config::{Preset, Proof, Secret};
use crate::event::IdSource;
use crate::sinks::Trust;

/// Options of `hookgate send`.
#[derive(Debug, clap::Args)]
#[command(
    allow_missing_positional = true,
    after_help = "\
Prints the answer's status on standard error and its body on standard output. Exits 0 if the event was accepted.

With --handshake it asks as the provider does before it sends events, and judges the answer: exits 0 if the provider would
take it, else 1. Where the handshake hands over a secret (Asana, Notion), a source that has none keeps what is sent.

Where the provider signs with a private key (Discord, SendGrid, PayPal), the secret is one in PEM, or the 32 bytes of one of
Ed25519 in hexadecimal, whose public key the source has. Where it signs nothing (Postmark), give no secret, and with --header
the credentials that the source asks for.

Examples:
  hookgate send --preset stripe --secret-env STRIPE_SECRET invoice.json http://127.0.0.1:8080/hooks/stripe
  hookgate send --preset slack --secret-env SLACK_SECRET --handshake https://hooks.example.com/hooks/slack
  hookgate send --preset github --secret-file secret --type issues payload.json https://hooks.example.com/hooks/github
  echo '{\"a\":1}' | hookgate send --header @credentials - http://127.0.0.1:8080/hooks/erp"
)]
pub(super) struct Send {
    /// The provider whose signature and headers to send; without one, nothing is signed
    #[arg(short, long, value_name = "NAME", value_parser = preset_by_name())]
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
    /// Plays the provider's handshake instead of an event
    #[arg(long, requires = "preset", conflicts_with_all = ["payload", "event_type", "id"])]
    handshake: bool,
    /// The environment variable that holds the verify token of a handshake
    #[arg(long, value_name = "NAME", requires = "handshake", conflicts_with = "verify_token_file")]
    verify_token_env: Option<String>,
    /// The file that holds it
    #[arg(long, value_name = "FILE", requires = "handshake")]
    verify_token_file: Option<PathBuf>,
    /// One more header, or all in a file, a line each; may be given several times. Others of this machine can read arguments:
    /// a credential belongs into a file
    #[arg(short = 'H', long, value_name = "NAME: VALUE|@FILE")]
    header: Vec<String>,
    /// The payload; `-` is standard input
    #[arg(value_name = "PAYLOAD", required_unless_present = "handshake")]
    payload: Option<PathBuf>,
    /// Where to post it
    #[arg(value_name = "URL", required = true)]
    url: Uri,
}

impl Send {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let secret = secret("secret", self.secret_env.as_ref(), self.secret_file.as_ref())?;
        match self.preset {
            Some(preset) if secret.is_none() && !self.handshake && preset.proof != Proof::Own => {
                output::say("error: a preset signs: give --secret-env NAME or --secret-file FILE");
                Ok(ExitCode::from(EXIT_USAGE))
            }
            Some(preset) if self.handshake => self.shake_hands(preset, secret),
            preset => self.post(preset, secret.as_ref()),
        }
    }

    /// Plays the provider before its first event.
    fn shake_hands(&self, preset: &Preset, secret: Option<Secret>) -> anyhow::Result<ExitCode> {
        let verify_token = self.verify_token_file.as_ref();
        let verify_token = self::secret("verify token", self.verify_token_env.as_ref(), verify_token)?;
        let signing = secret.as_ref().filter(|_| handshake::signs(preset));
        let play = Play {
            preset,
            signer: signing.map(|secret| self.signer(preset, secret)).transpose()?,
            secret,
            verify_token,
            headers: self.headers()?,
            url: &self.url,
        };
        output::print(format_args!("{}\n", play.run()?))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Posts an event.
    fn post(&self, preset: Option<&Preset>, secret: Option<&Secret>) -> anyhow::Result<ExitCode> {
        let mut body = self.read_payload()?;
        let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        if let Some(preset) = preset {
            let signer = match secret {
                Some(secret) => self.signer(preset, secret)?,
                None => Signer::unsigned(preset),
            };
            headers = vec![(CONTENT_TYPE, HeaderValue::from_static(signer.content_type()))];
            let now = SystemTime::now();
            let made_up = IdSource::new().next(IdSource::unix_ms(now));
            let id = self.id.as_deref().unwrap_or_else(|| std::str::from_utf8(&made_up).unwrap_or_default());
            let event_type = self.event_type.as_deref();
            if let Some(signed) = signer.body(&Message { body: &body, event_type, id, now })? {
                body = signed;
            }
            headers.extend(signer.headers(&Message { body: &body, event_type, id, now }));
        }
        for (name, value) in self.headers()? {
            headers.retain(|(there, _)| *there != name);
            headers.push((name, value));
        }

        let (url, way) = (self.url.clone(), Way::Network(Trust::System));
        let answer = Request { method: Method::POST, url, headers, body: body.into(), way }.send()?;
        output::say(answer.status);
        if !answer.body.is_empty() {
            output::print(format_args!("{}\n", answer.body.trim_end()))?;
        }
        Ok(if answer.status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn signer(&self, preset: &Preset, secret: &Secret) -> anyhow::Result<Signer> {
        let signer = Signer::preset(preset, secret)?.posting_to(self.public_url.as_ref().unwrap_or(&self.url));
        Ok(signer.with_key_id(self.key_id.as_deref().unwrap_or_default()))
    }

    fn headers(&self) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
        let mut headers = Vec::new();
        for given in &self.header {
            let Some(file) = given.strip_prefix('@') else {
                headers.push(header(given).context("--header")?);
                continue;
            };
            let lines = std::fs::read_to_string(file).with_context(|| format!("cannot read the headers in {file}"))?;
            for (line, nth) in lines.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
                headers.push(header(line).with_context(|| format!("line {nth} of {file}"))?);
            }
        }
        Ok(headers)
    }

    fn read_payload(&self) -> anyhow::Result<Vec<u8>> {
        let path = self.payload.as_ref().context("there is no payload")?;
        let mut body = Vec::new();
        if path.as_os_str() == "-" {
            std::io::stdin().read_to_end(&mut body).context("cannot read the payload from standard input")?;
        } else {
            body = std::fs::read(path).with_context(|| format!("cannot read the payload {}", path.display()))?;
        }
        Ok(body)
    }
}

/// What one header says. What is wrong with it is told without its value.
fn header(text: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':').context("this is not NAME: VALUE")?;
    let name: HeaderName = name.trim().parse().context("this is no header's name")?;
    let value = value.trim().parse().with_context(|| format!("{name} has a value that no header can have"))?;
    Ok((name, value))
}

/// What a variable or a file holds; `what` is what it is.
fn secret(what: &str, variable: Option<&String>, file: Option<&PathBuf>) -> anyhow::Result<Option<Secret>> {
    if let Some(name) = variable {
        let value = std::env::var(name).with_context(|| format!("the {what}'s variable {name} cannot be read"))?;
        return Ok(Some(Secret::new(value)));
    }
    let Some(path) = file else { return Ok(None) };
    let mut bytes = std::fs::read(path).with_context(|| format!("cannot read the {what} {}", path.display()))?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(Some(Secret::new(bytes)))
}
