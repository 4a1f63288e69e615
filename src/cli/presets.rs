//! `hookgate presets`: what hookgate knows of providers.

use std::fmt;
use std::process::ExitCode;

use super::table::Table;
use super::{output, preset_by_name};
use crate::config::units::WrittenDuration;
use crate::config::{
    Clue, Expected, Field, Handshake, KeyForm, Locator, Place, Preset, Proof, Scheme, SignedPart, Split, StampUnit,
    address_list, presets,
};

/// Options of `hookgate presets`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate presets
  hookgate presets show stripe
  hookgate presets --markdown > docs/presets.md")]
pub(super) struct Presets {
    #[command(subcommand)]
    command: Option<Show>,
    /// As a page of Markdown
    #[arg(long)]
    markdown: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Show {
    /// Says in words what is known of one provider
    #[command(after_help = "\
Example:
  hookgate presets show stripe")]
    Show {
        /// The preset
        #[arg(value_name = "NAME", value_parser = preset_by_name())]
        preset: &'static Preset,
    },
}

impl Presets {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Some(Show::Show { preset }) => output::print(InWords(preset))?,
            None if self.markdown => output::print(Page)?,
            None => output::print(table())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

const HEADINGS: [&str; 7] = ["preset", "provider", "proof", "covers", "type", "answers within", "provider waits"];

fn table() -> Table {
    let mut table = Table::new(HEADINGS);
    for preset in presets() {
        table.row(row(preset));
    }
    table
}

fn row(preset: &Preset) -> [String; 7] {
    [
        preset.name.clone(),
        preset.provider.clone(),
        preset.proof.to_string(),
        covers(&preset.proof).to_owned(),
        types(preset),
        WrittenDuration(preset.deadline).to_string(),
        preset.waits.clone(),
    ]
}

/// The table as `docs/presets.md` has it.
struct Page;

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Presets\n")?;
        writeln!(
            f,
            "Written by `hookgate presets --markdown`. `hookgate presets show NAME` says all that is known of one.\n"
        )?;
        writeln!(f, "| {} | document |\n|{}", HEADINGS.join(" | "), "---|".repeat(HEADINGS.len() + 1))?;
        for preset in presets() {
            let cells = row(preset).map(|cell| cell.replace('|', "\\|"));
            writeln!(f, "| {} | [read]({}) |", cells.join(" | "), preset.document)?;
        }
        Ok(())
    }
}

/// Everything about one preset, a line for each question.
struct InWords(&'static Preset);

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let preset = self.0;
        writeln!(f, "{} ({})\n", preset.provider, preset.name)?;
        let mut line = |question: &str, answer: &str| match answer {
            "" => Ok(()),
            answer => writeln!(f, "{question:<16}{answer}"),
        };
        line("proof", &preset.proof.to_string())?;
        if let Proof::Signature(scheme) = &preset.proof {
            line("signed", &signed(scheme))?;
            line("timestamp", &timestamp(scheme))?;
            line("secret", key(scheme))?;
        }
        line("covers", covers(&preset.proof))?;
        line("events", &split(preset))?;
        line("type", &types(preset))?;
        line("id", &preset.delivery_id.iter().map(describe).collect::<Vec<_>>().join(" or "))?;
        for handshake in &preset.handshakes {
            line("handshake", &told_by(handshake))?;
        }
        line("answer", &answer(preset))?;
        line("waits", &preset.waits)?;
        line("stops", &preset.stops)?;
        line("addresses", &addresses(preset))?;
        line("worth knowing", &preset.types.join(", "))?;
        line("note", &preset.note)?;
        line("document", &preset.document)
    }
}

/// What a proof says of the request that it comes with.
fn covers(proof: &Proof) -> &'static str {
    match (proof.covers_body(), proof.covers_time()) {
        (true, true) => "body, time",
        (true, false) => "body, NOT the time",
        (false, true) => "time, NOT the body",
        (false, false) => "NEITHER body nor time",
    }
}

fn signed(scheme: &Scheme) -> String {
    scheme.signed.iter().map(part).collect::<Vec<_>>().concat().replace('\n', "\\n")
}

fn part(part: &SignedPart) -> String {
    match part {
        SignedPart::Literal(text) => text.clone(),
        SignedPart::Timestamp => "{timestamp}".to_owned(),
        SignedPart::Header(name) => format!("{{{name}}}"),
        SignedPart::ListedHeaders(name) => format!("{{headers that {name} lists}}"),
        SignedPart::Body => "{body}".to_owned(),
        SignedPart::Crc32 => "{CRC-32 of the body}".to_owned(),
        SignedPart::Form => "{fields of the form, sorted}".to_owned(),
        SignedPart::Json(pointer) => format!("{{{pointer}}}"),
        SignedPart::Members(names) => format!("{{names and values of {}}}", names.join(", ")),
        SignedPart::Method => "{method}".to_owned(),
        SignedPart::Path => "{path}".to_owned(),
        SignedPart::Url => "{public URL}".to_owned(),
        SignedPart::BaseUrl => "{public URL without its query}".to_owned(),
        SignedPart::SortedUrl => "{public URL, query and form sorted}".to_owned(),
        SignedPart::KeyId => "{key_id}".to_owned(),
    }
}

fn timestamp(scheme: &Scheme) -> String {
    let Some(stamp) = &scheme.timestamp else { return "none: an old request can be sent again".to_owned() };
    let unit = match stamp.unit {
        StampUnit::Seconds => "seconds",
        StampUnit::Milliseconds => "milliseconds",
        StampUnit::Rfc3339 => "RFC 3339",
    };
    format!("{}, {unit}, at most {} from the clock", stamp.place, WrittenDuration(stamp.tolerance))
}

fn key(scheme: &Scheme) -> &'static str {
    match (scheme.algorithm.is_mac(), &scheme.key) {
        (false, _) => "the provider's public key",
        (true, KeyForm::Text) => "used as it is",
        (true, KeyForm::Hex) => "hexadecimal",
        (true, KeyForm::Base64 { .. }) => "base64",
    }
}

fn types(preset: &Preset) -> String {
    preset.event_type.iter().map(describe).collect::<Vec<_>>().join(" or ")
}

/// How many events a request has, where that is more than one.
fn split(preset: &Preset) -> String {
    match &preset.split {
        None => String::new(),
        Some(Split::Array(pointer)) if pointer.0.is_empty() => "one of each element of the body".to_owned(),
        Some(Split::Array(pointer)) => format!("one of each element of {pointer}, where type and id are looked for"),
        Some(Split::Lines) => "one of each line".to_owned(),
        Some(Split::CloudEvents) => "one of each element of a batch".to_owned(),
    }
}

fn told_by(handshake: &Handshake) -> String {
    let field = |field: &Field| match field {
        Field::Header(name) => name.to_string(),
        Field::Query(name) => format!("?{name}="),
        Field::Json(pointer) => pointer.to_string(),
    };
    let condition = |at: &Clue| match &at.is {
        Expected::Anything => field(&at.field),
        Expected::Text(text) => format!("{} is {text}", field(&at.field)),
        Expected::VerifyToken => format!("{} is your verify_token", field(&at.field)),
    };
    let conditions: Vec<String> = handshake.when.iter().map(condition).collect();
    let with = if conditions.is_empty() { String::new() } else { format!(" with {}", conditions.join(" and ")) };
    let proven = if handshake.proven { ", signed" } else { "" };
    format!("{}{with}{proven}: answered in place", handshake.method)
}

/// What its addresses are called, where it publishes them.
fn addresses(preset: &Preset) -> String {
    match address_list(&preset.name) {
        Some(list) => format!("allow = [\"{}\"], as of {}; `hookgate ranges show {0}`", list.name, list.as_of),
        None => String::new(),
    }
}

fn answer(preset: &Preset) -> String {
    let within = WrittenDuration(preset.deadline);
    match &preset.reply {
        None => format!("any success, within {within}"),
        Some(reply) if reply.body.is_empty() => format!("{} without a body, within {within}", reply.status.as_u16()),
        Some(reply) => format!("{} with {}, within {within}", reply.status.as_u16(), reply.body),
    }
}

/// A locator in a few words: `X-GitHub-Event + /action`.
pub(super) fn describe(locator: &Locator) -> String {
    let place = match &locator.place {
        Place::Header(name) => name.to_string(),
        Place::Path(name) => format!("{{{name}}} of the path"),
        Place::Query(name) => format!("?{name}="),
        Place::Json(pointer) => pointer.to_string(),
        Place::Form(field) => format!("{field}= of the form"),
        Place::Xml(path) => path.to_string(),
        Place::CloudEvent(attribute) => format!("CloudEvents {}", attribute.name),
        Place::Constant(text) => format!("{text:?}"),
    };
    match &locator.append {
        Some(pointer) => format!("{place} + {pointer}"),
        None => place,
    }
}
