//! `hookgate ranges`: from where providers send, as they publish it.

use std::fmt;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Value, json};

use super::output;
use super::table::Table;
use crate::config::{AddressList, address_list, address_lists};

/// Options of `hookgate ranges`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A name stands for its ranges in `allow` and `deny` of a [[source]]; one under [ranges] takes its place.

Examples:
  hookgate ranges
  hookgate ranges show github
  hookgate ranges --json | jq -r '.ranges[] | select(.name == \"github\").ranges[]'")]
pub(super) struct Ranges {
    #[command(subcommand)]
    command: Option<Show>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Show {
    /// Says what one name stands for, of which day that is and where it is published
    #[command(after_help = "\
Examples:
  hookgate ranges show stripe
  hookgate ranges show stripe --json | jq -r '.ranges[]'")]
    Show {
        /// The list
        #[arg(value_name = "NAME", value_parser = list_by_name())]
        list: &'static AddressList,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl Ranges {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Some(Show::Show { list, json }) if json || self.json => output::print(format_args!("{}\n", as_json(list)))?,
            Some(Show::Show { list, .. }) => output::print(InWords(list))?,
            None if self.json => {
                let lists: Vec<_> = address_lists().iter().map(as_json).collect();
                output::print(format_args!("{}\n", json!({ "ranges": lists })))?;
            }
            None => output::print(table())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn table() -> Table {
    let mut table = Table::new(["list", "provider", "ranges", "as of", "covers"]);
    for list in address_lists() {
        table.row([
            list.name.clone(),
            list.provider.clone(),
            list.ranges.len().to_string(),
            list.as_of.to_string(),
            list.covers.clone(),
        ]);
    }
    table
}

fn as_json(list: &AddressList) -> Value {
    let ranges: Vec<_> = list.ranges.iter().map(ToString::to_string).collect();
    json!({
        "name": list.name,
        "provider": list.provider,
        "as_of": list.as_of.to_string(),
        "covers": list.covers,
        "document": list.document,
        "ranges": ranges,
    })
}

/// Everything about one list, a line for each question and each range.
struct InWords(&'static AddressList);

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self.0;
        writeln!(f, "{} ({})\n", list.provider, list.name)?;
        for (at, range) in list.ranges.iter().enumerate() {
            writeln!(f, "{:<16}{range}", if at == 0 { "ranges" } else { "" })?;
        }
        writeln!(f, "{:<16}{}", "covers", list.covers)?;
        writeln!(f, "{:<16}{}", "as of", list.as_of)?;
        writeln!(f, "{:<16}{}", "document", list.document)
    }
}

/// Reads the name of a list. A misspelt one is answered with the nearest.
fn list_by_name() -> impl TypedValueParser<Value = &'static AddressList> {
    PossibleValuesParser::new(address_lists().iter().map(|list| list.name.as_str()))
        .try_map(|name| address_list(&name).ok_or("this list is not known"))
}
