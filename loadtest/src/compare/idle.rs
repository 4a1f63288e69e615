//! `loadtest idle`: what a connection costs that is kept and says nothing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

use super::contender::{CONTENDERS, Contender, DURABLE, MEMORY};
use super::started::Launcher;
use crate::corpus::Size;
use crate::figures::{Bytes, Grouped, columns};
use crate::load::{Ids, Press, Reader, Request, Target};
use crate::secret;
use crate::server::{Layout, Memory, find, memory};
use crate::sign::Signing;

/// Measure what an idle connection costs hookgate and bare hyper.
///
/// Opens keep-alive connections, sends one signed request of 250 B on each, leaves them open, and divides the memory that the
/// server has gained by their number.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  loadtest idle
  loadtest idle --connections 2000 --json")]
pub(crate) struct IdleArgs {
    /// Connections.
    #[arg(long, default_value = "10000", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: u32,
    /// The gateway's binary; the one beside this one if not given.
    #[arg(long, value_name = "FILE")]
    hookgate: Option<PathBuf>,
    /// Where servers keep their files.
    #[arg(long, value_name = "DIR", default_value = ".")]
    data: PathBuf,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Idle {
    name: &'static str,
    before_bytes: u64,
    after_bytes: u64,
    per_connection_bytes: u64,
}

/// Measures, and prints what came of it.
pub(crate) fn idle(args: &IdleArgs) -> anyhow::Result<ExitCode> {
    let layout = Layout::one_for_server(None, None)?;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        .context("cannot raise the limit of open files")?;
    let launcher = Launcher::new(layout, find(args.hookgate.as_deref())?, args.data.clone(), secret());
    let chosen = CONTENDERS.iter().filter(|contender| [MEMORY, DURABLE, "hyper-hmac"].contains(&contender.name));
    let rows = chosen.map(|contender| one(args, &launcher, contender)).collect::<anyhow::Result<Vec<_>>>()?;
    if args.json {
        println!("{}", serde_json::json!({ "connections": args.connections, "servers": rows }));
        return Ok(ExitCode::SUCCESS);
    }
    let number = Grouped(args.connections.into());
    println!("{number} connections, one request of 250 B on each, then idle");
    let head = ["server", "resident before", "after", "for each connection"];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for Idle { name, before_bytes, after_bytes, per_connection_bytes } in &rows {
        let bytes = [before_bytes, after_bytes, per_connection_bytes].map(|bytes| Bytes(*bytes as f64).to_string());
        table.push(std::iter::once((*name).to_owned()).chain(bytes).collect());
    }
    print!("{}", columns(&table));
    Ok(ExitCode::SUCCESS)
}

fn one(args: &IdleArgs, launcher: &Launcher, contender: &Contender) -> anyhow::Result<Idle> {
    let server = launcher.start(contender, None)?;
    let target = Target::resolve(&format!("http://{}/hooks/github", server.address))?;
    let signing = Signing::new("github", launcher.secret.clone().into_bytes())?;
    let press = Press::new(signing, target, Size::Small.payloads());
    let request = |nth: usize| {
        let mut id = [b'0'; Ids::WIDTH];
        let text = format!("{nth:08}");
        id[..text.len()].copy_from_slice(text.as_bytes());
        press.print(nth, &id, SystemTime::now()).context("there is no payload")
    };
    // What the first request alone makes ready is nobody's in particular.
    drop(exchange(server.address, &request(0)?)?);
    let before_bytes = memory(&server.pids(), Memory::Resident);
    let connections: Vec<TcpStream> = (1..=args.connections as usize)
        .map(|nth| exchange(server.address, &request(nth)?))
        .collect::<anyhow::Result<_>>()
        .with_context(|| format!("{} does not keep so many connections", contender.name))?;
    let after_bytes = memory(&server.pids(), Memory::Resident);
    let per_connection_bytes = after_bytes.saturating_sub(before_bytes) / connections.len() as u64;
    Ok(Idle { name: contender.name, before_bytes, after_bytes, per_connection_bytes })
}

/// One request and the whole of its answer, on a connection that stays.
fn exchange(address: SocketAddr, request: &Request) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).context("cannot connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&request.head)?;
    stream.write_all(&request.body)?;
    let (mut reader, mut piece) = (Reader::default(), [0; 1024]);
    loop {
        let read = stream.read(&mut piece).context("no answer")?;
        ensure!(read > 0, "the connection was closed");
        if let Some(answer) = reader.feed(&piece[..read]).map_err(|malformed| anyhow!("{malformed}"))? {
            ensure!((200..300).contains(&answer.status), "the answer was {}", answer.status);
            ensure!(answer.keep_alive, "the answer ends the connection");
            return Ok(stream);
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
