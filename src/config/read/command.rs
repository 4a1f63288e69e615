//! A command that prints a secret: run without a shell, within a time, and its output never shown.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

/// How long a command may take: it may ask a server.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// Why there is no output. What the command has said on standard error is told; its output never is, nor its arguments.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("{program} cannot be run: {cause}")]
    Start {
        program: String,
        #[source]
        cause: io::Error,
    },
    #[error("{program} did not end within {LIMIT:?}, and was ended")]
    Slow { program: String },
    #[error("{program} ended with {status}: {said}")]
    Failed { program: String, status: ExitStatus, said: String },
    #[error("what {program} prints cannot be read, or is longer than a secret can be")]
    Output { program: String },
}

/// What a command prints. A program with a slash in it is looked for from `directory`, any other on the path.
pub(super) fn output_of(
    program: &str,
    arguments: &[&str],
    directory: &Path,
    limit: Duration,
) -> Result<Vec<u8>, CommandError> {
    let deadline = Instant::now() + limit;
    let name = program.to_owned();
    let path = if program.contains('/') { directory.join(program) } else { program.into() };
    let started =
        Command::new(path).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|cause| CommandError::Start { program: name.clone(), cause })?;
    let output = collect(child.stdout.take(), OUTPUT_BYTES_MAX);
    let said = collect(child.stderr.take(), SAID_BYTES_MAX);
    let Some(status) = wait(&mut child, deadline) else {
        // It is gone when this returns; what it has started may go on, and nothing waits for that.
        let _ = child.kill();
        let _ = child.wait();
        return Err(CommandError::Slow { program: name });
    };
    let left = || deadline.saturating_duration_since(Instant::now());
    if !status.success() {
        let said = said.recv_timeout(left()).ok().and_then(Result::ok).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim().escape_debug().to_string();
        return Err(CommandError::Failed { program: name, status, said });
    }
    match output.recv_timeout(left()) {
        Ok(Ok(mut output)) if output.len() <= OUTPUT_BYTES_MAX => Ok(std::mem::take(&mut *output)),
        Ok(_) => Err(CommandError::Output { program: name }),
        Err(_) => Err(CommandError::Slow { program: name }),
    }
}

/// Reads up to one byte more than `most`, on a thread of its own, and throws the rest away.
fn collect(stream: Option<impl Read + Send + 'static>, most: usize) -> Receiver<io::Result<Zeroizing<Vec<u8>>>> {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        let Some(mut stream) = stream else { return };
        // With room for all of it: a secret that moved while it grew would stay where it was.
        let mut bytes = Zeroizing::new(Vec::with_capacity(most + SPARE_BYTES));
        let read = stream.by_ref().take(most as u64 + 1).read_to_end(&mut bytes);
        let _ = io::copy(&mut stream, &mut io::sink());
        let _ = sender.send(read.map(|_| bytes));
    });
    receiver
}

/// `None` if it takes too long.
fn wait(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(LOOK_EVERY);
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A private key or a certificate is shorter.
const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// Of what a command says about its failure.
const SAID_BYTES_MAX: usize = 400;

/// `read_to_end` wants room beyond the last byte.
const SPARE_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn said_by(script: &str, limit: Duration) -> Result<Vec<u8>, String> {
        output_of("sh", &["-c", script], Path::new(""), limit).map_err(|error| error.to_string())
    }

    #[test]
    fn what_it_prints_is_given_and_what_it_says_is_not() {
        assert_eq!(said_by("echo hush; echo careful >&2", LIMIT), Ok(b"hush\n".to_vec()));
    }

    #[test]
    fn a_failure_tells_what_was_said_and_never_what_was_printed() {
        let error = said_by("echo hush; echo 'no such entry' >&2; exit 3", LIMIT).expect_err("it fails");
        assert!(error.contains("sh ended with exit status: 3: no such entry"), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let error = said_by("exec sleep 600", Duration::from_millis(50)).expect_err("it is too slow");
        assert!(error.contains("did not end"), "{error}");
        // Its child holds the pipes, and is not waited for.
        let error = said_by("sleep 600 & exit 0", Duration::from_millis(50)).expect_err("it is too slow");
        assert!(error.contains("did not end"), "{error}");
    }

    #[test]
    fn one_that_prints_without_end_is_refused() {
        let error = said_by("head -c 100000 /dev/zero", LIMIT).expect_err("it is too long");
        assert!(error.contains("longer than a secret"), "{error}");
    }

    #[test]
    fn one_that_is_not_there_is_named() {
        for program in ["no-such-program-7", "./beside"] {
            let error = output_of(program, &[], Path::new("/nowhere"), LIMIT).expect_err("nothing").to_string();
            assert!(error.contains(&format!("{program} cannot be run")), "{error}");
        }
    }
}
