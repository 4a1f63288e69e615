//! A gateway under test: the binary, with a directory of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Answer, Client};

/// How long a condition may take before the test fails. Nothing waits for it to pass.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running `hookgate run`, killed when dropped.
pub struct Gateway {
    child: Child,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    log: Log,
    dir: Arc<tempfile::TempDir>,
}

/// The directory of a gateway that has ended.
pub struct Remains(Arc<tempfile::TempDir>);

/// What a process has written to standard error so far.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Default)]
struct Lines {
    all: Vec<String>,
    /// The process has ended.
    ended: bool,
}

impl Gateway {
    /// Starts a gateway on free ports. `config` is everything but `[gateway]`; secrets are files, as by [`secret`].
    pub fn start(config: &str) -> Self {
        Self::launch("", config, |_| {})
    }

    /// The same as the last arguments of another program that becomes it, in its directory; with keys in `[journal]`.
    pub fn start_under(program: &[&str], journal_keys: &str, config: &str) -> Self {
        let dir = Self::prepare("", journal_keys, config, |_| {});
        Self::run_under(program, dir)
    }

    /// The same with another build of it.
    pub fn start_build_under(program: &[&str], binary: &Path, config: &str) -> Self {
        let dir = Self::prepare("", "", config, |_| {});
        Self::try_run_build_under(program, binary, dir).unwrap_or_else(|log| panic!("it has ended:\n{}", log.text()))
    }

    /// The same with more keys in `[gateway]`.
    pub fn start_with(gateway_keys: &str, config: &str) -> Self {
        Self::launch(gateway_keys, config, |_| {})
    }

    /// The same with more keys and more files. With `listen` or `admin` among the keys it listens there; an admin socket in the
    /// file system has no `admin` here.
    pub fn start_listening(gateway_keys: &str, config: &str, prepare: impl FnOnce(&Path)) -> Self {
        Self::launch(gateway_keys, config, prepare)
    }

    /// The same with all that there is in its log.
    pub fn start_tracing(gateway_keys: &str, config: &str, prepare: impl FnOnce(&Path)) -> Self {
        Self::run_under(&["env", "HOOKGATE_LOG=trace"], Self::prepare(gateway_keys, "", config, prepare))
    }

    /// The same with more files in its directory.
    pub fn start_prepared(config: &str, prepare: impl FnOnce(&Path)) -> Self {
        Self::launch("", config, prepare)
    }

    fn launch(gateway_keys: &str, config: &str, prepare: impl FnOnce(&Path)) -> Self {
        Self::run(Self::prepare(gateway_keys, "", config, prepare))
    }

    fn prepare(
        gateway_keys: &str,
        journal_keys: &str,
        config: &str,
        prepare: impl FnOnce(&Path),
    ) -> Arc<tempfile::TempDir> {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let listen = if gateway_keys.contains("listen = ") { "" } else { "listen = \"127.0.0.1:0\"" };
        let admin = if gateway_keys.contains("admin = ") { "" } else { "admin = \"127.0.0.1:0\"" };
        let text = format!(
            "[gateway]\n{listen}\n{admin}\n{gateway_keys}\n[journal]\ndir = \"data\"\n{journal_keys}\n{config}"
        );
        std::fs::write(dir.path().join("hookgate.toml"), text).unwrap();
        std::fs::write(dir.path().join("secret"), SECRET).unwrap();
        prepare(dir.path());
        dir
    }

    fn run(dir: Arc<tempfile::TempDir>) -> Self {
        Self::run_under(&[], dir)
    }

    fn run_under(program: &[&str], dir: Arc<tempfile::TempDir>) -> Self {
        Self::try_run_under(program, dir).unwrap_or_else(|log| panic!("it has ended:\n{}", log.text()))
    }

    /// What it has said, if it ends before it listens.
    fn try_run_under(program: &[&str], dir: Arc<tempfile::TempDir>) -> Result<Self, Log> {
        Self::try_run_build_under(program, Path::new(env!("CARGO_BIN_EXE_hookgate")), dir)
    }

    fn try_run_build_under(program: &[&str], binary: &Path, dir: Arc<tempfile::TempDir>) -> Result<Self, Log> {
        let arguments = [program, &[binary.to_str().unwrap(), "run"]].concat();
        let mut child = Command::new(arguments[0])
            .args(&arguments[1..])
            .env("HOOKGATE_ALLOW_ROOT", "1")
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Log::default();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (printed, logged) = (log.clone(), log.clone());
        thread::spawn(move || printed.collect(stdout));
        thread::spawn(move || {
            logged.collect(stderr);
            logged.end();
        });
        let address = |after: &str| -> Option<SocketAddr> {
            let line = log.wait_for_line(after)?;
            if line.contains("unix:") {
                return Some(([0, 0, 0, 0], 0).into());
            }
            let rest = line.split_once(after).unwrap().1.split_once("://").unwrap().1;
            Some(rest.split(' ').next().unwrap().trim_end_matches(':').parse().unwrap())
        };
        let (Some(listen), Some(admin)) = (address("listening on "), address("admin on ")) else {
            child.wait().unwrap();
            return Err(log);
        };
        Ok(Self { child, address: listen, admin, log, dir })
    }

    /// SIGKILL: what it had not written is gone.
    pub fn kill(mut self) -> Remains {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Remains(Arc::clone(&self.dir))
    }

    /// SIGTERM, unless it has ended already. Returns whether it was killed before it was done.
    pub fn end_or_die(mut self) -> (Remains, bool) {
        let remains = Remains(Arc::clone(&self.dir));
        if self.child.try_wait().unwrap().is_none() {
            self.signal("TERM");
        }
        let status = self.wait();
        assert!(status.code() == Some(0) || status.signal() == Some(9), "it ended with {status}");
        (remains, status.signal().is_some())
    }

    /// SIGTERM; it must end with 0.
    pub fn end(self) -> Remains {
        let remains = Remains(Arc::clone(&self.dir));
        assert_eq!(self.stop().code(), Some(0));
        remains
    }

    /// Its directory: the configuration, `secret` and `data`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The dead letters of a route, a JSON document each.
    pub fn dead_letters(&self, route: &str) -> Vec<serde_json::Value> {
        let path: PathBuf = self.dir().join("data/dead").join(format!("{route}.ndjson"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A new connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Posts on a connection of its own.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.client().post(path, headers, body)
    }

    /// An admin page.
    pub fn admin_get(&self, path: &str) -> Answer {
        Client::connect(self.admin).request("GET", path, &[], b"")
    }

    /// The sum of a metric's samples whose labels contain all of `labels` (`source="github"`).
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let page = self.admin_get("/metrics").text();
        page.lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// Waits until a metric has this value.
    pub fn wait_for_metric(&self, name: &str, labels: &[&str], value: f64) {
        wait_until(&format!("{name}{labels:?} = {value}"), || self.metric(name, labels) == value);
    }

    /// What it has logged.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Stops it where it is, until it is told to go on (`CONT`). Its threads run on for a moment after the signal was sent.
    pub fn freeze(&self) {
        self.signal("STOP");
        let tasks = format!("/proc/{}/task", self.id());
        wait_until("all its threads have stopped", || {
            std::fs::read_dir(&tasks).unwrap().all(|task| {
                let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
                stat.rsplit(')').next().is_some_and(|state| state.starts_with(" T"))
            })
        });
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the system says of it: `/proc/PID/FILE`.
    pub fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }

    /// The processor time that it has used, in the system's ticks.
    pub fn ticks(&self) -> u64 {
        let stat = self.proc("stat");
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// The number of its thread of this name, as the system knows it.
    pub fn thread(&self, name: &str) -> String {
        let of_name = |path: &PathBuf| std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name);
        let mut found = None;
        // It gives itself its name, and the gateway may have said that it listens before that.
        wait_until(&format!("a thread {name}"), || {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
            found = tasks.map(|task| task.unwrap().path()).find(of_name);
            found.is_some()
        });
        found.unwrap().file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// Lets no file of it grow beyond so many bytes, or takes that limit away.
    pub fn limit_file_size(&self, bytes: Option<u64>) {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32);
        let limit = rustix::process::Rlimit { current: bytes, maximum: None };
        rustix::process::prlimit(pid, rustix::process::Resource::Fsize, limit).unwrap();
    }

    /// Leaves it only so many more files and sockets to open.
    pub fn limit_open_files(&self, more: u64) {
        let pid = self.child.id();
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64;
        let files = rustix::process::Resource::Nofile;
        let limit = rustix::process::Rlimit { current: Some(open + more), ..rustix::process::getrlimit(files) };
        rustix::process::prlimit(rustix::process::Pid::from_raw(pid as i32), files, limit).unwrap();
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "the gateway does not end; it said:\n{}", self.log.text());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGTERM, then its end.
    pub fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }
}

impl Remains {
    /// A new gateway with the same configuration, on new ports.
    pub fn start(&self) -> Gateway {
        Gateway::run(Arc::clone(&self.0))
    }

    /// One that is killed when it passes a failpoint for the `pass`th time; `None` if that was before it listened.
    pub fn start_to_die(&self, point: &str, pass: u32) -> Option<Gateway> {
        let chosen = format!("HOOKGATE_FAILPOINT={point} {pass}");
        Gateway::try_run_under(&["env", &chosen], Arc::clone(&self.0)).ok()
    }

    /// With other routes and sources.
    pub fn start_with_config(&self, config: &str) -> Gateway {
        let file = self.path().join("hookgate.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let (head, _) = text.split_once("[[source]]").unwrap();
        std::fs::write(&file, format!("{head}{config}")).unwrap();
        self.start()
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the gateway said:\n{}", self.log.text());
        }
    }
}

impl Log {
    fn collect(&self, from: impl Read) {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            self.0.0.lock().unwrap().all.push(line);
            self.0.1.notify_all();
        }
    }

    fn end(&self) {
        self.0.0.lock().unwrap().ended = true;
        self.0.1.notify_all();
    }

    /// All of it.
    pub fn text(&self) -> String {
        self.0.0.lock().unwrap().all.join("\n")
    }

    /// Waits for a line that contains `text`.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_for_line(text).unwrap_or_else(|| panic!("no line with {text:?} in:\n{}", self.text()))
    }

    /// The same; `None` if the process ends without one.
    fn wait_for_line(&self, text: &str) -> Option<String> {
        let until = Instant::now() + PATIENCE;
        let mut lines = self.0.0.lock().unwrap();
        loop {
            if let Some(line) = lines.all.iter().find(|line| line.contains(text)) {
                return Some(line.clone());
            }
            if lines.ended {
                return None;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no line with {text:?} in:\n{}", lines.all.join("\n"));
            lines = self.0.1.wait_timeout(lines, left).unwrap().0;
        }
    }
}

/// What is in the file `secret` of every gateway's directory: a key of any scheme, base64 after its prefix.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Waits for a condition.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "waited in vain for: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
