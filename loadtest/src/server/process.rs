//! One process of a server: started, waited for, killed when dropped.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::cores::Layout;

/// A running process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// What it was started as.
    name: String,
    /// What it writes.
    log: PathBuf,
}

impl Process {
    /// Starts it, on the server's cores if there is a layout. What it writes goes into a file in `dir`. A Ctrl-C in the terminal does not reach it: it ends with us.
    pub(crate) fn start(mut command: Command, layout: Option<&Layout>, dir: &Path) -> anyhow::Result<Self> {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = dir.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // What is measured runs as whoever measures.
        command.env("HOOKGATE_ALLOW_ROOT", "1");
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let mut start = || command.spawn().with_context(|| format!("cannot start {name}"));
        let child = match layout {
            Some(layout) => layout.on_server(start)?,
            None => start()?,
        };
        Ok(Self { child, name, log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process and those it has started.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        std::iter::once(pid).chain(children.split_whitespace().filter_map(|pid| pid.parse().ok())).collect()
    }

    /// Waits until it takes connections.
    pub(crate) fn wait_for(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let patience = Instant::now() + START_MAX;
        while TcpStream::connect_timeout(&address, START_MAX).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.last_words());
            }
            if Instant::now() > patience {
                bail!("{} does not listen on {address}:\n{}", self.name, self.last_words());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Ends it as a stop by its operator does, and waits for that.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            kill_process(pid, Signal::TERM).with_context(|| format!("cannot stop {}", self.name))?;
        }
        self.child.wait()?;
        Ok(())
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        // The whole group: nginx leaves its workers behind if only their parent is killed. It may have ended.
        if let Some(group) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A loopback address where nobody listens at the moment.
pub(crate) fn free_port() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
    Ok(listener.local_addr()?)
}

/// Where a program is installed, if it is.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian has servers where only root looks for them.
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    places.map(|place| place.join(program)).find(|file| file.is_file())
}

const START_MAX: Duration = Duration::from_secs(10);
