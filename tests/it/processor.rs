//! An HTTP processor that remembers what it was sent and answers as it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::gateway::wait_until;

/// A delivery as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A processor on a free port. It ends with the test's process.
#[derive(Clone)]
pub struct Processor {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    /// Of these, what it took: answered with 2xx.
    taken: Arc<Mutex<Vec<Received>>>,
}

/// What a processor does with a delivery: the bytes of an answer (none closes the connection). It may block.
pub type Behaviour = dyn Fn(&Received, usize) -> Vec<u8> + Send + Sync;

impl Processor {
    /// Takes everything.
    pub fn start() -> Self {
        Self::behaving(|_, _| answer(200, &[]))
    }

    /// Behaves as `behaviour` says; its second argument counts the deliveries from 0.
    pub fn behaving(behaviour: impl Fn(&Received, usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::serving(TcpListener::bind("127.0.0.1:0").unwrap(), behaviour)
    }

    /// Takes everything once its gate is open, and until then lets every delivery wait.
    pub fn held() -> (Self, Gate) {
        let gate = Gate::default();
        let waiting_at = gate.clone();
        let processor = Self::behaving(move |_, _| {
            waiting_at.pass();
            answer(200, &[])
        });
        (processor, gate)
    }

    /// Answers 503 until the test says that it is up.
    pub fn down() -> (Self, Arc<AtomicBool>) {
        let up = Arc::new(AtomicBool::new(false));
        let is_up = Arc::clone(&up);
        (Self::behaving(move |_, _| answer(if is_up.load(SeqCst) { 200 } else { 503 }, &[])), up)
    }

    /// Takes everything, at an address that must be free.
    pub fn start_at(address: SocketAddr) -> Self {
        Self::serving(TcpListener::bind(address).unwrap(), |_, _| answer(200, &[]))
    }

    fn serving(listener: TcpListener, behaviour: impl Fn(&Received, usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let processor =
            Self { address: listener.local_addr().unwrap(), received: Arc::default(), taken: Arc::default() };
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let serving = processor.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (serving, behaviour) = (serving.clone(), Arc::clone(&behaviour));
                thread::spawn(move || serving.serve(stream, &*behaviour));
            }
        });
        processor
    }

    /// Its address as a route's destination.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it has been sent, also what it refused.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// What it has answered with 2xx.
    pub fn taken(&self) -> Vec<Received> {
        self.taken.lock().unwrap().clone()
    }

    /// Waits until it has been sent so much.
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        wait_until(&format!("{count} deliveries"), || self.received.lock().unwrap().len() >= count);
        self.received()
    }

    fn serve(&self, stream: TcpStream, behaviour: &Behaviour) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut writer = stream;
        while let Some(received) = read_request(&mut reader) {
            let count = {
                let mut all = self.received.lock().unwrap();
                all.push(received.clone());
                all.len() - 1
            };
            let answer = behaviour(&received, count);
            if answer.starts_with(b"HTTP/1.1 2") {
                self.taken.lock().unwrap().push(received);
            }
            if answer.is_empty() || writer.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

/// Where a processor holds its deliveries until the test opens it.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Waits until it is open.
    pub fn pass(&self) {
        let mut open = self.0.0.lock().unwrap();
        while !*open {
            open = self.0.1.wait(open).unwrap();
        }
    }

    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The bytes of an answer without a body.
pub fn answer(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    (text + "\r\n").into_bytes()
}

fn read_request(reader: &mut impl BufRead) -> Option<Received> {
    let Message { headers, body, .. } = read_message(reader)?;
    Some(Received { headers, body })
}

/// A request as it came.
pub struct Message {
    pub first_line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The next request of a connection; `None` at its end.
pub fn read_message(reader: &mut impl BufRead) -> Option<Message> {
    let mut first_line = String::new();
    if reader.read_line(&mut first_line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, text)| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Message { first_line, headers, body })
}
