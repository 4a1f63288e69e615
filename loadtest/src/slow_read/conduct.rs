//! From the arguments to what became of the clients. On the main thread.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::task::{JoinSet, LocalSet};

use super::args::SlowReadArgs;
use super::reader::{open, read_nothing};
use super::told::Told;
use crate::INTERRUPTED;
use crate::load::Target;
use crate::stop::Stop;

/// Opens the connections, waits until they are closed, and prints what was seen.
pub(crate) fn run(args: &SlowReadArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = LocalSet::new().block_on(&runtime, conduct(args))?;
    if args.json {
        println!("{}", serde_json::to_string(&told)?);
    } else {
        told.print();
    }
    ensure!(told.opened > 0, "no connection could be opened");
    Ok(match told {
        Told { partial: true, .. } => ExitCode::from(INTERRUPTED),
        Told { standing: 0, .. } => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

async fn conduct(args: &SlowReadArgs) -> anyhow::Result<Told> {
    let mut stop = Stop::listen()?;
    let target = Target::resolve(&args.url)?;
    ensure!(target.tls_host.is_none(), "a reader that reads nothing shakes no hands: give an http:// URL");
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\nuser-agent: hookgate-loadtest\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        target.path,
        target.authority,
        args.body.len(),
        args.body
    );
    let requests: Rc<[u8]> = request.repeat(REQUESTS_IN_A_WRITE).into_bytes().into();
    let until = Instant::now() + args.lasting;
    let mut every = tokio::time::interval(TICK);
    let (mut readers, mut due, mut begun) = (JoinSet::new(), 0.0, 0);
    let mut partial = false;
    while begun < args.connections && Instant::now() < until {
        tokio::select! {
            _ = every.tick() => {}
            () = stop.requested() => {
                partial = true;
                break;
            }
        }
        due += f64::from(args.rate) * TICK.as_secs_f64();
        while begun < args.connections && f64::from(begun) < due {
            begun += 1;
            let (requests, address, buffer) = (Rc::clone(&requests), target.address, args.buffer);
            readers.spawn_local(async move {
                let stream = open(address, buffer).await?;
                std::io::Result::Ok(read_nothing(&stream, &requests, until).await)
            });
        }
    }
    let mut fates = Vec::with_capacity(readers.len());
    while !partial {
        tokio::select! {
            ended = readers.join_next() => match ended {
                Some(Ok(Ok(fate))) => fates.push(fate),
                // Over what the server or this process may have open.
                Some(Ok(Err(error))) if fates.is_empty() && readers.is_empty() => {
                    return Err(error).context("no connection could be opened");
                }
                Some(Ok(Err(_))) => {}
                Some(Err(error)) => return Err(error.into()),
                None => break,
            },
            () = stop.requested() => partial = true,
        }
    }
    Ok(Told::of(&fates, partial))
}

const TICK: Duration = Duration::from_millis(10);

const REQUESTS_IN_A_WRITE: usize = 32;
